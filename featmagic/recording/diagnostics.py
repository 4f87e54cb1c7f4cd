"""Diagnostics: why a layer gave nothing, which layer failed, and what was moved, in words."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from torch import fx, nn

from featmagic.recording.kept_passes import KeptPasses
from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.model_tree import (
    CAN_RUN_EAGER,
    ancestors,
    has_own_forward,
    is_torchscript,
    runs_compiled,
    unwrap,
    walk,
)
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import Selection
from featmagic.support.errors import did_you_mean
from featmagic.support.text import printable

_ONE_PROGRAM = "the model is an exported program: its layers run as one graph"


def missing_from(recorder: Recorder, kept: KeptPasses) -> dict[str, str]:
    """Return the layers that gave nothing, with reasons; before a pass, those that can't."""
    if recorder.last is not None:
        return reasons(recorder.selection, kept)
    if not recorder.leaves_compiled:
        return {}
    tree = dict(walk(recorder.selection.model))
    return {
        path: _why_not_called(path, module, tree, 0, kept)
        for path, module in recorder.selection.modules.items()
        if runs_compiled(path, tree)
    }


def reasons(selection: Selection, kept: KeptPasses) -> dict[str, str]:
    """Return the layers that were asked for and gave nothing in any pass kept, with the reasons.

    Example:
        >>> from featmagic.recording.selectors import select
        >>> reasons(select(nn.Sequential(nn.ModuleList()), ["0"]), KeptPasses())
        {'0': 'a ModuleList only holds other modules and has no forward of its own'}
    """
    tree, given = dict(walk(selection.model)), kept.given
    missing: dict[str, str] = {}
    for path, module in selection.modules.items():
        calls = kept.calls(path)
        for call in sorted(selection.calls.get(path, frozenset({1}))):
            name = path if call == 1 else f"{path}:{call}"
            if calls < call and (path, call) not in given:
                missing[name] = kept.without or _why_not_called(path, module, tree, calls, kept)
    missing |= kept.empty
    return dict.fromkeys(missing, _ONE_PROGRAM) if _is_one_program(selection.model) else missing


def _why_not_called(
    path: str, module: nn.Module, tree: dict[str, nn.Module], calls: int, kept: KeptPasses
) -> str:
    kind = type(unwrap(module)[-1]).__name__
    above = [tree[up] for up in ancestors(path)]
    if calls:
        return f"it was called {calls} time{'s' * (calls > 1)} in {_where(kept, ran_it=True)}"
    if any(is_torchscript(m) for m in (module, *above)):
        return "it is inside TorchScript, which runs as one program"
    if any(_is_one_program(m) for m in above):
        return _ONE_PROGRAM
    if not has_own_forward(module):
        return f"a {kind} only holds other modules and has no forward of its own"
    if runs_compiled(path, tree):
        return "the model is compiled, and compiled code runs no hook: " + (
            "look with %%featuremaps, or capture() without as_is"
            if CAN_RUN_EAGER
            else "torch 2.6 and newer can look into it"
        )
    if kept.failed:
        return "the pass failed before it returned"
    if above and isinstance(unwrap(above[0])[-1], nn.MultiheadAttention):
        return "its parent, a MultiheadAttention, uses its weights without calling it"
    return (
        f"it was not called in {_where(kept)} (a call of its .forward(), or its parent's use of "
        "its weights, isn't seen)"
    )


def _where(kept: KeptPasses, *, ran_it: bool = False) -> str:
    """Say which pass, or which passes, a reason is about."""
    if kept.counts.whole + kept.counts.of_parts <= 1:
        return "the last pass"
    if isinstance(kept.choice, int):
        return "the pass that was kept"
    return "the last pass that ran it" if ran_it else "any pass"


def _is_one_program(module: nn.Module) -> bool:
    """Return True for a graph that calls none of its sub-modules, as `torch.export` makes them."""
    inner = unwrap(module)[-1]
    return isinstance(inner, fx.GraphModule) and not any(
        node.op == "call_module" and "guard" not in str(node.target) for node in inner.graph.nodes
    )


def missing_lines(missing: Mapping[str, str]) -> list[str]:
    """Say which layers gave nothing, in a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(printable(name))
    lines = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        lines.append(f"{', '.join(names[:8])}{more}: nothing to show: {reason}.")
    return lines


def why_missing(key: str, captured: Mapping[str, object], missing: Mapping[str, str]) -> str:
    """Say why a key wasn't captured, and which keys were."""
    keys = list(captured)
    parts = [k for k in keys if k.startswith(f"{key}[")]
    if parts:
        return f"'{key}' gave several tensors: {', '.join(parts)}."
    if key in missing:
        return f"'{key}' gave nothing: {missing[key]}."
    if not keys:
        return f"No '{key}': no pass of the model was seen yet; compiled code isn't seen into."
    listed = ", ".join(keys[:20]) + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")
    return f"No '{key}' was captured.{did_you_mean(key, keys)} There are: {listed}."


def failing_layer(model: nn.Module, traceback: TracebackType | None) -> str | None:
    """Return the innermost layer of the model that was running when an error was raised.

    It is the innermost frame of the traceback whose `self` is a module of the model.
    """
    paths = {id(unwrap(module)[-1]): path for path, module in walk(model)}
    layer = None
    while traceback is not None:
        owner = traceback.tb_frame.f_locals.get("self")
        if path := paths.get(id(owner)):
            kind = type(owner).__name__
            layer = printable(kind if path == ROOT else f"{path} ({kind})")
        traceback = traceback.tb_next
    return layer


def moved_line(recorder: Recorder) -> str:
    """Say how many inputs were moved to the model's device, and from where."""
    counts = ", ".join(f"{n} from {source}" for source, n in recorder.moved.items())
    return f"Inputs moved to {recorder.device}: {counts}."

"""Why a layer gave nothing, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from torch import fx, nn

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
from featmagic.recording.records import Pass
from featmagic.recording.selectors import Selection
from featmagic.support.errors import did_you_mean
from featmagic.support.text import printable


def reasons(selection: Selection, last: Pass) -> dict[str, str]:
    """The layers that were asked for and have no activation in the pass, each with the reason.

    Example:
        >>> from featmagic.recording.selectors import select
        >>> reasons(select(nn.Sequential(nn.ModuleList()), ["0"]), Pass())
        {'0': 'a ModuleList only holds other modules and has no forward of its own'}
    """
    tree = dict(walk(selection.model))
    found: dict[str, str] = {}
    for path, module in selection.modules.items():
        wanted = selection.calls.get(path, frozenset({1}))
        for call in sorted(wanted):
            name = path if call == 1 else f"{path}:{call}"
            if last.calls[path] < call:
                found[name] = _not_called(path, module, tree, last.calls[path], last.failed)
    found |= last.empty
    if _is_one_program(selection.model):
        found = dict.fromkeys(found, _ONE_PROGRAM)
    return found


_ONE_PROGRAM = "the model is an exported program: its layers run as one graph"


def never_seen(selection: Selection) -> dict[str, str]:
    """The layers that will give nothing, should compiled code stay compiled; known before a pass.

    Example:
        >>> from featmagic.recording.selectors import select
        >>> never_seen(select(nn.Sequential(nn.ReLU()), ["0"]))
        {}
    """
    tree = dict(walk(selection.model))
    return {
        path: _not_called(path, module, tree, 0, failed=False)
        for path, module in selection.modules.items()
        if runs_compiled(path, tree)
    }


def _not_called(
    path: str, module: nn.Module, tree: dict[str, nn.Module], calls: int, failed: bool
) -> str:
    kind = type(unwrap(module)[-1]).__name__
    above = [tree[up] for up in ancestors(path)]
    if calls:
        return f"it was called {calls} time{'s' * (calls > 1)} in the last pass"
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
    if failed:
        return "the pass failed before it returned"
    if above and isinstance(unwrap(above[0])[-1], nn.MultiheadAttention):
        return "its parent, a MultiheadAttention, uses its weights without calling it"
    return (
        "it was not called in the last pass (a call of its .forward(), or its parent's use of its "
        "weights, isn't seen)"
    )


def failing_layer(model: nn.Module, tb: TracebackType | None) -> str | None:
    """The innermost layer of the model that was running when an error was raised.

    The traceback tells: the innermost frame whose `self` is a module of the model.
    """
    paths = {id(unwrap(module)[-1]): path for path, module in walk(model)}
    found = None
    while tb is not None:
        owner = tb.tb_frame.f_locals.get("self")
        if path := paths.get(id(owner)):
            kind = type(owner).__name__
            found = printable(kind if path == ROOT else f"{path} ({kind})")
        tb = tb.tb_next
    return found


def _is_one_program(module: nn.Module) -> bool:
    """Whether it is a graph that calls none of its sub-modules, as `torch.export` makes them."""
    inner = unwrap(module)[-1]
    return isinstance(inner, fx.GraphModule) and not any(
        node.op == "call_module" and "guard" not in str(node.target) for node in inner.graph.nodes
    )


def missing_from(recorder: Recorder) -> dict[str, str]:
    """The layers that gave nothing, each with the reason; before any pass, those that can't."""
    if recorder.last is None:
        return never_seen(recorder.selection) if recorder.leaves_compiled else {}
    return reasons(recorder.selection, recorder.last)


def moved_line(recorder: Recorder) -> str:
    """What was moved to the model's device, in one line."""
    moved: Counter[str] = recorder.moved
    counts = ", ".join(f"{n} from {source}" for source, n in moved.items())
    return f"Inputs moved to {recorder.device}: {counts}."


def why_missing(key: str, there: Mapping[str, object], missing: Mapping[str, str]) -> str:
    """Why a key isn't there, and what is.

    Example:
        >>> why_missing("cnn2", {"cnn1": 0}, {})
        "No 'cnn2' was captured. Did you mean cnn1? There are: cnn1."
    """
    keys = list(there)
    parts = [k for k in keys if k.startswith(f"{key}[")]
    if parts:
        return f"'{key}' gave several tensors: {', '.join(parts)}."
    if key in missing:
        return f"'{key}' gave nothing: {missing[key]}."
    if not keys:
        return f"No '{key}': no pass of the model was seen yet; compiled code isn't seen into."
    listed = ", ".join(keys[:20]) + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")
    return f"No '{key}' was captured.{did_you_mean(key, keys)} There are: {listed}."


def missing_lines(missing: Mapping[str, str]) -> list[str]:
    """The layers that gave nothing, a line for each reason.

    Example:
        >>> missing_lines({"a": "it was not called", "b": "it was not called"})
        ['a, b: nothing to show: it was not called.']
    """
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(printable(name))
    lines = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        lines.append(f"{', '.join(names[:8])}{more}: nothing to show: {reason}.")
    return lines

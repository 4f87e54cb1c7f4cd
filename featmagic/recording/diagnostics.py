"""Diagnostics: messages on layers without output, inputs that moved and missing gradients."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import fx, nn

from featmagic.recording.hooks import Hook
from featmagic.recording.kept_passes import KeptPasses
from featmagic.recording.model_tree import (
    CAN_RUN_EAGER,
    ancestors,
    has_own_forward,
    is_torchscript,
    modules_of,
    runs_compiled,
    unwrap,
    walk,
)
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import Activation, is_in, one_tensor
from featmagic.recording.selectors import Selection
from featmagic.recording.torch_private import forward_hooks, has_one_projection, hook_tables
from featmagic.support.errors import did_you_mean
from featmagic.support.text import readable

# The files of torch.nn.modules whose classes return a single tensor, and the exceptions.
_SINGLE = frozenset(
    [
        "activation",
        "batchnorm",
        "channelshuffle",
        "conv",
        "dropout",
        "flatten",
        "fold",
        "instancenorm",
        "linear",
        "normalization",
        "padding",
        "pixelshuffle",
        "pooling",
        "sparse",
        "upsampling",
    ]
)
_SEVERAL = (nn.MultiheadAttention, nn.Identity)

_NOTHING: Mapping[str, str] = MappingProxyType({})
_ONE_PROGRAM = "the model is an exported program: its layers run as one graph"
_UNHOOKED = "its hooks were removed during the run, for example by `_forward_hooks.clear()`"
_LONGEST_REASON = 2000  # characters: an error in the user's code may print a whole tensor


def missing_from(recorder: Recorder, kept: KeptPasses) -> dict[str, str]:
    """Return the reason for each layer without an output; before a pass, for those that can't."""
    if recorder.last is not None:
        return reasons(recorder.selection, kept, recorder.unhooked)
    if why := why_no_pass(recorder):
        return dict.fromkeys(recorder.selection.asked, f"no pass of the model was observed: {why}")
    missing = _never_given(recorder.selection)
    if not recorder.leaves_compiled:
        return missing
    tree = dict(walk(recorder.selection.model))
    return missing | {
        path: _why_not_called(path, module, tree, 0, kept)
        for path, module in recorder.selection.asked.items()
        if path in tree and runs_compiled(path, tree)
    }


def why_no_pass(recorder: Recorder) -> str:
    """Return the reason why no pass of the model was seen; "" if none is known."""
    if recorder.ran_elsewhere:
        return "it ran only in another thread or task, and only the current one is captured"
    if recorder.was_copied:
        return "it was copied during the run, and passes of the copy aren't captured"
    if recorder.compiled_first:
        return (
            "torch compiled code for the first time in this process, and that run can't be "
            "observed: run the model again"
        )
    return ""


def _never_given(selection: Selection) -> dict[str, str]:
    """Return the selected parts, such as `cnn1[0]`, of layers that return a single tensor."""
    single = {
        path: one_tensor(type(unwrap(module)[-1]).__name__, path)
        for path, module in selection.modules.items()
        if selection.parts.get(path) and _returns_one_tensor(module)
    }
    return {path + part: why for path, why in single.items() for part in selection.parts[path]}


def _returns_one_tensor(module: nn.Module) -> bool:
    """Return True if the module certainly returns one tensor.

    That is so for torch's own classes, unless a hook of the user's may replace the output.
    """
    inner = unwrap(module)[-1]
    others = [hook for hook in forward_hooks(inner).values() if not isinstance(hook, Hook)]
    package, _, name = type(inner).__module__.rpartition(".")
    is_plain = package == "torch.nn.modules" and name in _SINGLE and "forward" not in vars(inner)
    several = getattr(inner, "return_indices", False) or isinstance(inner, _SEVERAL)
    return is_plain and not several and not others


def reasons(
    selection: Selection, kept: KeptPasses, unhooked: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return each selected layer without an output in the passes kept, with the reason.

    Args:
        selection: what was recorded.
        kept: the passes.
        unhooked: the paths of layers whose hooks were removed meanwhile.

    Example:
        >>> from featmagic.recording.selectors import select
        >>> reasons(select(nn.Sequential(nn.ModuleList()), ["0"]), KeptPasses())
        {'0': 'a ModuleList only holds other modules and has no forward of its own'}
    """
    given = kept.given
    lacking: list[tuple[str, str, int]] = []
    for path in selection.asked:
        calls = kept.calls(path)
        for call in sorted(selection.calls.get(path, frozenset({1}))):
            name = path if call == 1 else f"{path}:{call}"
            if calls < call and (path, call) not in given:
                lacking.append((name, path, calls))
    tree = dict(walk(selection.model)) if lacking else {}
    missing = {
        name: kept.without
        or (_UNHOOKED if path in unhooked else "")
        or _why_not_called(path, selection.modules[path], tree, calls, kept)
        for name, path, calls in lacking
    }
    missing |= {key: readable(reason, _LONGEST_REASON) for key, reason in kept.empty.items()}
    return dict.fromkeys(missing, _ONE_PROGRAM) if _is_one_program(selection.model) else missing


def _why_not_called(
    path: str, module: nn.Module, tree: dict[str, nn.Module], calls: int, kept: KeptPasses
) -> str:
    if tree.get(path) is not module:
        return "it was removed from the model or replaced during the run"
    kind = type(unwrap(module)[-1]).__name__
    above = [tree[up] for up in ancestors(path, tree)]
    if calls:
        return f"it was called only {_times(calls)} in {_where(kept, ran_it=True)}"
    if any(is_torchscript(m) for m in (module, *above)):
        return "it is inside TorchScript, which runs as one program"
    if any(_is_one_program(m) for m in above):
        return _ONE_PROGRAM
    if not has_own_forward(module):
        return f"a {kind} only holds other modules and has no forward of its own"
    if runs_compiled(path, tree):
        return "the model is compiled, and compiled code runs no hook: " + (
            "use %%featuremaps, or capture() without as_is"
            if CAN_RUN_EAGER
            else "torch 2.6 or newer can run it uncompiled"
        )
    if kept.failed:
        return "the pass failed before it returned"
    if above and isinstance(unwrap(above[0])[-1], nn.MultiheadAttention):
        return "its parent, a MultiheadAttention, uses its weights without calling it"
    return (
        f"it was not called in {_where(kept)} (direct .forward() calls and functional use of its "
        "weights can't be observed)"
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
    """Say which layers have no output, in one line per reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(readable(name))
    lines = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        lines.append(f"Nothing captured from {', '.join(names[:8])}{more}: {reason}.")
    return lines


def why_missing(
    key: str,
    captured: Mapping[str, Activation],
    missing: Mapping[str, str],
    repeated: Mapping[str, str] = _NOTHING,
) -> str:
    """Say why a key wasn't captured, and which keys were."""
    keys = list(captured)
    # What follows a dot is an attribute of the output, unless it is the name of a child layer.
    parts = [k for k in keys if is_in(k, key) and len(captured[k].path) <= len(key)]
    if parts:
        return f"'{key}' returned several tensors: {', '.join(parts)}."
    same = [f"'{given}'" for k, given in repeated.items() if k == key or k.startswith(f"{key}[")]
    if same:
        return f"'{key}' wasn't kept again: it returned the same tensor as {', '.join(same)}."
    if key in missing:
        return f"Nothing captured from '{key}': {missing[key]}."
    if not keys:
        return (
            f"No '{key}': no pass of the model has been captured yet (compiled code can't be "
            "observed)."
        )
    listed = ", ".join(keys[:20]) + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")
    return f"No '{key}' was captured.{did_you_mean(key, keys)} Captured: {listed}."


def remarks(recorder: Recorder) -> list[str]:
    """Return lines that say how capturing changed the way in which the passes ran."""
    if recorder.as_is:
        return []
    lines = [_moved_line(recorder)] if recorder.moved else []
    lines += [_unfused_line(recorder)] if _unfused(recorder) else []
    runs_elsewhere = recorder.ran_elsewhere or recorder.is_in_use
    return lines + ([_elsewhere_line(recorder)] if runs_elsewhere else [])


def _moved_line(recorder: Recorder) -> str:
    """Say how many inputs were moved to the model's device, from where, and what wasn't moved."""
    moved = recorder.moved
    counts = ", ".join(f"{n} from {source}" for source, n in moved.tensors.items())
    left = [*moved.left]
    more = f"; {len(left) - 3} more not moved" if len(left) > 3 else ""
    words = "; ".join([*filter(None, [counts]), *left[:3]])
    return f"Inputs {'' if counts else 'not '}moved to {recorder.device}: {words}{more}."


def _elsewhere_line(recorder: Recorder) -> str:
    times = recorder.passes_elsewhere
    how_often = f" {_times(times)}" if times else ""
    return (
        f"Another thread or task ran the model{how_often} at the same time, in the eval mode set "
        "for capturing; --as-is (as_is=True) keeps its own mode."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _unfused_line(recorder: Recorder) -> str:
    layers = _unfused(recorder)
    more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
    names = ", ".join(map(readable, layers[:3]))
    return (
        f"{names}{more} ran without torch's fused kernel because of the hooks: values may differ "
        "in the last digits."
    )


def _unfused(recorder: Recorder) -> list[str]:
    """Return the layers that torch would run as one kernel (its fast path) without our hooks."""
    if recorder.last is None:
        return []
    model = recorder.selection.model
    if not any(isinstance(module, nn.TransformerEncoderLayer) for module in modules_of(model)):
        return []
    tree = dict(walk(model))
    called = [path for path, count in recorder.last.calls.items() if count]
    around = dict.fromkeys(up for path in called for up in (path, *ancestors(path, tree)))
    return [path for path in around if path in tree and _has_fast_path(unwrap(tree[path])[-1])]


def _has_fast_path(module: nn.Module) -> bool:
    """Return True for an encoder layer whose settings allow torch's fast path."""
    if not isinstance(module, nn.TransformerEncoderLayer):
        return False
    attention = module.self_attn
    return bool(
        attention.batch_first
        and attention.in_proj_bias is not None
        and has_one_projection(attention)
        and attention.num_heads % 2 == 0
        and module.activation_relu_or_gelu
        and module.norm1.eps == module.norm2.eps
        and torch.backends.mha.get_fastpath_enabled()
        and not any(any(hooks) for m in modules_of(module) for hooks in hook_tables(m))
    )


def gradient_hint(error: BaseException) -> str | None:
    """Return a hint if the error comes from the missing gradients in a look, or None."""
    if not isinstance(error, RuntimeError) or "does not require grad" not in str(error):
        return None
    return (
        "Gradients are off while feature maps are captured. --as-is leaves gradients and the "
        "model's mode unchanged (in Python, as_is=True)."
    )

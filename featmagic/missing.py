"""Why a layer gave nothing, in words."""

from __future__ import annotations

from torch import fx, nn

from featmagic.activations import Pass
from featmagic.errors import printable
from featmagic.layers import Selection
from featmagic.tree import ROOT, has_own_forward, is_torchscript, unwrap, walk


def reasons(selection: Selection, last: Pass) -> dict[str, str]:
    """The layers that were asked for and have no activation in the pass, each with the reason.

    Example:
        >>> from featmagic.layers import select
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
                found[name] = _not_called(path, module, tree, last.calls[path])
    for name, kind in last.without_tensor.items():
        found[name] = f"it returned no tensor ({printable(kind)})"
    return found


def _not_called(path: str, module: nn.Module, tree: dict[str, nn.Module], calls: int) -> str:
    kind = type(unwrap(module)[-1]).__name__
    above = [tree[up] for up in _ancestors(path) if up in tree]
    if calls:
        return f"it was called {calls} time{'s' * (calls > 1)} in the last pass"
    if not has_own_forward(module):
        return f"a {kind} only holds other modules and has no forward of its own"
    if any(is_torchscript(m) for m in (module, *above)):
        return "it is inside TorchScript, which runs as one program"
    if any(_is_one_program(m) for m in above):
        return "the model is an exported program: its layers run as one graph"
    if any(len(unwrap(m)) > 1 and _is_compiled(m) for m in above):
        return "the model is compiled, and compiled code runs no hook: look with %%featuremaps"
    if above and isinstance(unwrap(above[0])[-1], nn.MultiheadAttention):
        return "its parent, a MultiheadAttention, uses its weights without calling it"
    return "it was not called in the last pass (a call of its .forward() isn't seen)"


def _ancestors(path: str) -> list[str]:
    """The paths above, the nearest first and the model itself last."""
    parts = path.split(".") if path != ROOT else []
    return [".".join(parts[:n]) or ROOT for n in range(len(parts) - 1, -1, -1)]


def _is_compiled(module: nn.Module) -> bool:
    return any(
        type(m).__name__ == "OptimizedModule" or getattr(m, "_compiled_call_impl", None) is not None
        for m in unwrap(module)
    )


def _is_one_program(module: nn.Module) -> bool:
    """Whether it is a graph that calls none of its sub-modules, as `torch.export` makes them."""
    inner = unwrap(module)[-1]
    return isinstance(inner, fx.GraphModule) and not any(
        node.op == "call_module" and "guard" not in str(node.target) for node in inner.graph.nodes
    )

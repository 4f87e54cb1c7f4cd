"""From what a person writes to modules: paths, Python spelling, globs and class names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from featmagic.errors import FeatmagicError, did_you_mean, printable

ROOT = "."

# Modules that only pass a call on, and the attribute that holds the model they wrap.
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
    "OptimizedModule": "_orig_mod",
}


@dataclass(frozen=True)
class Selection:
    """Modules by path, in the order they were asked for.

    `calls` holds the calls asked for (`relu:2` is 2); a path that isn't in it means every call.
    """

    model: nn.Module
    modules: Mapping[str, nn.Module]
    calls: Mapping[str, frozenset[int]]


def select(
    model: nn.Module,
    patterns: Sequence[str] = (),
    *,
    spelled: str = "model",
    listed_by: str = "model.named_modules()",
) -> Selection:
    """The modules that `patterns` name.

    Args:
        model: may be wrapped by DataParallel, DistributedDataParallel or `torch.compile`.
        patterns: each a path (`layer1.0.conv1`), its Python spelling (`layer1[0].conv1`), a glob
            (`layer1.*`), a class name (`Conv2d`) or `.`, the model itself; `:2` behind any of
            them is the second call in a pass. None at all stands for the model's children.
        spelled: how the model is spelled, for patterns such as `model.layer1`.
        listed_by: what lists the layers, for the message.

    Raises:
        FeatmagicError: a pattern that matches nothing, or a model that can't be hooked.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> list(select(net, ["0", "ReLU"]).modules)
        ['0', '1']
    """
    if not isinstance(model, nn.Module):
        raise FeatmagicError(
            f"{spelled} is a {type(model).__name__}, not a torch.nn.Module; give the model itself."
        )
    tree = dict(walk(model))
    refuse_torchscript(tree[ROOT], spelled)
    modules: dict[str, nn.Module] = {}
    calls: dict[str, set[int] | None] = {}
    for pattern in patterns or _children(tree):
        text, call = _split_call(pattern, tree)
        found = _match(text, tree, spelled)
        if not found:
            raise FeatmagicError(_no_such_layer(tree, text, listed_by))
        for path in found:
            modules[path] = tree[path]
            wanted = calls.setdefault(path, set())
            calls[path] = None if call is None or wanted is None else wanted | {call}
    some = {path: frozenset(wanted) for path, wanted in calls.items() if wanted is not None}
    return Selection(model, modules, some)


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every `(path, module)` of the model, itself first as `.`; aliases come under each name.

    A wrapper stands at its own path and gives none to what it wraps, so that a compiled or
    parallel model has the plain names.

    Example:
        >>> [path for path, _ in walk(nn.Sequential(nn.ReLU()))]
        ['.', '0']
    """
    yield ROOT, model
    yield from _below(model, "", ())


def _below(
    module: nn.Module, prefix: str, above: tuple[nn.Module, ...]
) -> Iterator[tuple[str, nn.Module]]:
    inner = unwrap(module)[-1]
    above = (*above, inner)
    for name, child in inner._modules.items():
        # A child that refers back to its parent would have no end.
        if child is not None and unwrap(child)[-1] not in above:
            yield prefix + name, child
            yield from _below(child, f"{prefix}{name}.", above)


def unwrap(module: nn.Module) -> list[nn.Module]:
    """The module, then what it wraps, to the innermost.

    Example:
        >>> net = nn.ReLU()
        >>> unwrap(nn.DataParallel(net))[-1] is net
        True
    """
    chain = [module]
    while (attribute := _wrapped_in(chain[-1])) is not None:
        chain.append(getattr(chain[-1], attribute))
    return chain


def _wrapped_in(module: nn.Module) -> str | None:
    for cls in type(module).__mro__:
        if cls.__name__ in _WRAPPERS and cls.__module__.startswith("torch."):
            return _WRAPPERS[cls.__name__]
    return None


def is_torchscript(module: nn.Module) -> bool:
    """Whether `torch.jit` made the module: hooks see nothing in there.

    Example:
        >>> is_torchscript(nn.ReLU())
        False
    """
    return any(cls.__module__.startswith("torch.jit") for cls in type(module).__mro__)


def refuse_torchscript(model: nn.Module, spelled: str) -> None:
    """Say at once that a TorchScript model can't be looked into.

    Raises:
        FeatmagicError: the model is TorchScript.
    """
    if is_torchscript(unwrap(model)[-1]):
        raise FeatmagicError(
            f"{spelled} is TorchScript ({type(unwrap(model)[-1]).__name__}): its layers run as one "
            "program that no hook can see. Look at the model it was made from."
        )


def has_own_forward(module: nn.Module) -> bool:
    """Whether the module can be called: a ModuleList, say, only holds others.

    Example:
        >>> has_own_forward(nn.ReLU()), has_own_forward(nn.ModuleList())
        (True, False)
    """
    return type(module).forward is not nn.Module.forward or "forward" in vars(module)


def _children(tree: Mapping[str, nn.Module]) -> list[str]:
    """The model's own children; a list of modules has no forward, so its items stand for it."""

    def callable_from(prefix: str) -> Iterator[str]:
        for path in _direct(tree, prefix):
            if has_own_forward(tree[path]):
                yield path
            else:
                yield from callable_from(path + ".")

    return list(callable_from("")) or [ROOT]


def _direct(tree: Mapping[str, nn.Module], prefix: str) -> list[str]:
    below = (path for path in tree if path != ROOT and path.startswith(prefix))
    return [path for path in below if "." not in path.removeprefix(prefix)]


def _split_call(pattern: str, tree: Mapping[str, nn.Module]) -> tuple[str, int | None]:
    text, colon, call = pattern.rpartition(":")
    if not colon or pattern in tree:
        return pattern, None
    if not call.isdecimal() or int(call) < 1:
        raise FeatmagicError(f"'{printable(pattern)}': a call is a number from 1, as in relu:2.")
    return text, int(call)


def _match(text: str, tree: Mapping[str, nn.Module], spelled: str) -> list[str]:
    for path in _spellings(text, tree, spelled):
        if path in tree:
            return [path]
        if any(c in path for c in "*?[") and (found := _glob(path, tree)):
            return found
    return _of_class(text, tree)


def _spellings(text: str, tree: Mapping[str, nn.Module], spelled: str) -> Iterator[str]:
    """The paths that `text` may mean, the likeliest first."""
    yield text
    if text == spelled:
        yield ROOT
    shorter = [text]
    for prefix in (f"{spelled}.", f"{spelled}[", "module.", "_orig_mod."):
        if text.startswith(prefix):
            shorter.append(text[len(prefix.rstrip("[")) :])
    for candidate in shorter:
        yield candidate
        yield _dotted(candidate, tree)


def _dotted(text: str, tree: Mapping[str, nn.Module]) -> str:
    """`layer1[0]['a'][-1]` as `layer1.0.a.2`; a negative index counts from the end."""
    path = ""
    for index, quoted, name in re.findall(
        r"\[\s*(-?\d+)\s*\]|\[\s*['\"]([^'\"]*)['\"]\s*\]|([^\[]+|\[)", text
    ):
        part = index or quoted or name.removeprefix(".")
        if index.startswith("-"):
            part = str(len(_direct(tree, path + "." if path else "")) + int(index))
        path = f"{path}.{part}" if path and part != "[" and not path.endswith("[") else path + part
    return path


def _glob(pattern: str, tree: Mapping[str, nn.Module]) -> list[str]:
    """Paths that match, each module once; what can't be called is left out."""
    paths = [path for path in tree if path != ROOT and fnmatch.fnmatchcase(path, pattern)]
    return _once([path for path in paths if has_own_forward(tree[path])], tree)


def _of_class(name: str, tree: Mapping[str, nn.Module]) -> list[str]:
    """Paths of the modules whose class, or a class it derives from, has that name."""
    return _once([path for path, module in tree.items() if name in _class_names(module)], tree)


def _class_names(module: nn.Module) -> list[str]:
    inner = unwrap(module)[-1]
    return [cls.__name__ for cls in type(inner).__mro__ if cls not in (nn.Module, object)]


def _once(paths: list[str], tree: Mapping[str, nn.Module]) -> list[str]:
    first = {id(tree[path]): path for path in reversed(paths)}
    return [path for path in paths if first[id(tree[path])] == path]


def _no_such_layer(tree: Mapping[str, nn.Module], text: str, listed_by: str) -> str:
    paths = [path for path in tree if path != ROOT]
    hint = did_you_mean(_dotted(text, tree), paths)
    if not hint:  # `con1` for `layer1.0.conv1`
        leaves = {path.rpartition(".")[2]: path for path in reversed(paths)}
        hint = did_you_mean(text, [*leaves, *(n for m in tree.values() for n in _class_names(m))])
        for leaf, path in leaves.items():
            hint = re.sub(rf"\b{re.escape(leaf)}\b(?=[ ?])", lambda _, p=path: p, hint)
    return printable(
        f"{type(unwrap(tree[ROOT])[-1]).__name__} has no layer '{text}'.{hint} "
        f"{listed_by} lists all {len(paths)}."
    )

"""Layer selectors resolved: against the modules of a model, or the activations of a pass."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from torch import nn

from featmagic.recording.globs import glob, is_glob, wider_glob
from featmagic.recording.layer_arguments import Layers, names_of
from featmagic.recording.layer_syntax import (
    ROOT,
    Reading,
    Selector,
    parse_selector,
    split_steps,
    with_dots,
    with_star_levels,
)
from featmagic.recording.model_tree import (
    has_own_forward,
    is_torchscript,
    parents_of,
    unwrap,
    walk,
)
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import with_article

T = TypeVar("T")


@dataclass(frozen=True)
class Selection:
    """Modules of a model by path, in the order in which they were asked for.

    Attributes:
        model: the model as it was given, which may be a wrapper.
        modules: the modules by path.
        calls: the calls that were asked for (`relu:2` is 2), by path; a path that isn't in it
            stands for every call.
        parts: the parts of the output that were asked for, as Python reaches them
            (`[1][0]` for `lstm[1][0]`), by path; a path that isn't in it stands for all of them.
        blocks: the paths of modules that hold others, if every layer was selected and none by its
            name: what they return counts only where no layer has given it. None if layers were
            named, of which each gives what it returns.
        called: what the user calls the model.
    """

    model: nn.Module
    modules: Mapping[str, nn.Module]
    calls: Mapping[str, frozenset[int]]
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    blocks: frozenset[str] | None = None
    called: str = ""

    @property
    def asked(self) -> dict[str, nn.Module]:
        """The modules without the blocks, whose absence isn't missed."""
        return {path: m for path, m in self.modules.items() if path not in (self.blocks or ())}


def select(
    model: nn.Module,
    patterns: Iterable[Layers] = (),
    *,
    spelled: str = "model",
    listed_by: str = "model.named_modules()",
) -> Selection:
    """Find the modules that `patterns` name.

    Args:
        model: may be wrapped by DataParallel, DistributedDataParallel or `torch.compile`.
        patterns: each a path (`layer1.0.conv1`), its Python spelling (`layer1[0].conv1`), a glob
            (`layer1.*` for one level, `layer1.**` for all below), a class name (`Conv2d`), or `.`
            for the model itself. `:2` behind any of them is the second call in a pass, and `[1]`
            after that is a part of its output. Modules of the model and collections are taken, too.
            Without patterns, the model's children are selected.
        spelled: how the model is spelled, for patterns such as `model.layer1`.
        listed_by: what lists the layers, for the error message.

    Returns:
        The modules, with the calls and the parts of the output that were asked for.

    Raises:
        FeatmagicError: a pattern matches nothing, or the model can't be hooked.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> list(select(net, ["0", "ReLU"]).modules)
        ['0', '1']
    """
    _check_model(model, spelled)
    tree = dict(walk(model))
    calls = defaultdict[str, list[int | None]](list)
    parts = defaultdict[str, list[str | None]](list)
    for pattern in names_of(tree, patterns) or _callable_children(tree) or [ROOT]:
        if pattern in tree:  # a path takes precedence, and needs no parsing
            calls[pattern].append(None)
            parts[pattern].append(None)
            continue
        selector = parse_selector(pattern or ROOT, spelled)  # "" is torch's name for the model
        paths, reading = _resolve(selector, tree)
        if not paths:
            raise FeatmagicError(_no_such_layer(tree, selector, listed_by))
        for path in paths:
            calls[path].append(_call_number(reading))
            parts[path].append(reading.part or None)
    modules = {path: tree[path] for path in calls}
    return Selection(model, modules, _restricted(calls), _restricted(parts), called=spelled)


def select_all(model: nn.Module, *, spelled: str = "model") -> Selection:
    """Select every module in the model that can be called, each once; the model if there is none.

    The model itself is left out otherwise: what it returns is what the user's call returns.

    Raises:
        FeatmagicError: the model can't be hooked.

    Example:
        >>> everything = select_all(nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU()))
        >>> list(everything.modules), list(everything.asked)
        (['0', '0.0', '1'], ['0.0', '1'])
    """
    _check_model(model, spelled)
    tree = dict(walk(model))
    paths = [path for path in tree if path != ROOT and has_own_forward(tree[path])]
    modules = {path: tree[path] for path in _once(paths, tree) or [ROOT]}
    blocks = frozenset(parents_of(tree).values()).intersection(modules)
    return Selection(model, modules, {}, {}, blocks - {ROOT}, spelled)


def _check_model(model: object, spelled: str) -> None:
    if not isinstance(model, nn.Module):
        got, meant = with_article(type(model).__name__), "pass the model itself"
        if isinstance(model, type):
            got = f"the class {model.__name__}"
            meant = f"pass a model, such as {model.__name__}()"
        raise FeatmagicError(f"{spelled}: expected an nn.Module, got {got}; {meant}.")
    inner = unwrap(model)[-1]
    if is_torchscript(inner):
        raise FeatmagicError(
            f"{spelled} is TorchScript ({type(inner).__name__}), which runs as one program: hooks "
            "can't observe its layers. Use the model that it was made from."
        )


def _restricted(wanted: Mapping[str, Sequence[T | None]]) -> dict[str, frozenset[T]]:
    """Return what is wanted of each path, without the paths of which all is wanted (None)."""
    return {
        path: frozenset(value for value in values if value is not None)
        for path, values in wanted.items()
        if None not in values
    }


def _resolve(selector: Selector, tree: Mapping[str, nn.Module]) -> tuple[list[str], Reading]:
    """Return the paths that a selector means, and the reading that means them."""
    for reading in selector.readings:
        _call_number(reading)
        if paths := _paths_of(reading, tree):
            return paths, reading
    return [], selector.readings[-1]


def _call_number(reading: Reading) -> int | None:
    """Return the call that is meant, or None; raise an error if the text is not a call."""
    call = reading.call
    if call is None:
        return None
    if not re.fullmatch(r"0*[1-9]\d{0,17}", call):
        text = f"{reading.spellings[0]}:{call}"
        raise FeatmagicError(f"'{text}': calls are numbered from 1, as in relu:2.")
    return int(call)


def _paths_of(reading: Reading, tree: Mapping[str, nn.Module]) -> list[str]:
    """Return the module of that path; else those that match as a glob; else as a class name."""
    # Each spelling as written, then with its Python indexing as a dotted path.
    candidates = [path for text in reading.spellings for path in (text, _dotted(text, tree))]
    if ROOT in reading.spellings:  # the model's own spelling goes before a layer that is spelled so
        candidates.insert(1, ROOT)
    for path in candidates:
        if path in tree:
            return [path]
    if reading.is_path:
        return []
    for pattern in reversed(candidates):  # Python's [0] goes before a glob's set of characters
        if paths := _glob(pattern, tree):
            return paths
    return _of_class(reading.spellings[0], tree)


def _dotted(spelling: str, tree: Mapping[str, nn.Module]) -> str:
    """Write `layer1[0]['a'][-1]` as `layer1.0.a.2`; a negative index counts from the end."""
    names: list[str] = []
    for step in split_steps(spelling):
        name = step.text
        if step.is_index and name.startswith("-"):
            above = ".".join(names)
            name = str(len(_direct(tree, above + "." if above else "")) + int(name))
        names.append(name)
    return with_star_levels(".".join(names))


def _glob(pattern: str, tree: Mapping[str, nn.Module]) -> list[str]:
    """Return the paths that match, each module once, without those that can't be called."""
    if not is_glob(pattern):
        return []
    paths = _matching(pattern, tree)
    return _once([path for path in paths if has_own_forward(tree[path])], tree)


def _matching(pattern: str, tree: Mapping[str, nn.Module]) -> list[str]:
    matches = glob(pattern)
    return [path for path in tree if path != ROOT and matches(path)]


def _of_class(name: str, tree: Mapping[str, nn.Module]) -> list[str]:
    """Return the paths of the modules whose class, or a base class of it, has that name."""
    return _once([path for path, module in tree.items() if name in _class_names(module)], tree)


def _class_names(module: nn.Module) -> list[str]:
    inner = unwrap(module)[-1]
    return [cls.__name__ for cls in type(inner).__mro__ if cls not in (nn.Module, object)]


def _once(paths: list[str], tree: Mapping[str, nn.Module]) -> list[str]:
    """Leave out further paths of the same module."""
    first = {id(tree[path]): path for path in reversed(paths)}
    return [path for path in paths if first[id(tree[path])] == path]


def _callable_children(tree: Mapping[str, nn.Module]) -> list[str]:
    """Return the model's children, with the items of a container in place of the container."""
    parents, holders, paths = parents_of(tree), {ROOT}, []
    for path, above in parents.items():
        if above in holders:
            if has_own_forward(tree[path]):
                paths.append(path)
            else:
                holders.add(path)
    return paths


def _direct(tree: Mapping[str, nn.Module], prefix: str) -> list[str]:
    """Return the paths one level below a prefix."""
    below = (path for path in tree if path != ROOT and path.startswith(prefix))
    return [path for path in below if "." not in path.removeprefix(prefix)]


def _no_such_layer(tree: Mapping[str, nn.Module], selector: Selector, listed_by: str) -> str:
    """Say that the model has no such layer, and which one may be meant."""
    layer, paths = selector.layer, [path for path in tree if path != ROOT]
    hint = _other_glob(tree, selector) or did_you_mean(_dotted(layer, tree), paths)
    if not hint:  # `con1` for `layer1.0.conv1`
        by_name = {path.rpartition(".")[2]: path for path in reversed(paths)}
        classes = (name for module in tree.values() for name in _class_names(module))
        hint = did_you_mean(layer, [*by_name, *classes])
        hint = re.sub(r"(?<= )\S+(?=[ ?])", lambda name: by_name.get(name[0], name[0]), hint)
    if "," in layer:
        hint += " Commas don't separate layers: pass each one separately."
    return (
        f"{type(unwrap(tree[ROOT])[-1]).__name__} has no layer '{layer}'.{hint} "
        f"{listed_by} lists all {len(paths)}."
    )


def _other_glob(tree: Mapping[str, nn.Module], selector: Selector) -> str:
    """Return a hint if the glob matches with more levels, or only what can't be called."""
    called = [path for path in tree if path != ROOT and has_own_forward(tree[path])]
    reading = next(reading for reading in selector.readings if not reading.is_path)
    suffix = selector.text.removeprefix(selector.layer)
    for pattern in dict.fromkeys(_dotted(text, tree) for text in reading.spellings):
        if not is_glob(pattern):
            continue
        held = [path for path in called if glob(f"{pattern}.*")(path)]
        if held and (containers := _matching(pattern, tree)):
            more = f" and {len(containers) - 3} more" if len(containers) > 3 else ""
            names = ", ".join(containers[:3])
            return (
                f" It matches only containers, which are never called ({names}{more}); use "
                f"'{pattern}.*{suffix}'."
            )
        if wider := wider_glob(pattern, called):
            return f" `{pattern}` matches nothing one level down; use `{wider}{suffix}`."
    return ""


def matching_keys(name: str, activations: Iterable[Activation]) -> list[str]:
    """Return the keys of the activations that a key, a layer or a pattern names, in their order.

    A layer is written as for a look: a path means all its calls and parts, `relu:2` one call;
    `layer1[0].conv1` is a path, `**.conv1` a glob, `Conv2d` a class name. Any name of the model may
    come first, as in `model.conv1`.
    """
    captured, selector = list(activations), parse_selector(name or ROOT)
    for reading in selector.readings:
        if keys := _keys_of(reading, captured):
            return keys
    if _counts_from_the_end(selector.text) or not is_glob(selector.text):
        return []
    matches = glob(selector.text)  # a glob may match a call or a part, too
    return [a.key for a in captured if matches(a.key)]


def wider_pattern(name: str, activations: Iterable[Activation]) -> str | None:
    """Return the glob with `**` that would name a key if this one names none; None without one.

    Example:
        >>> import torch
        >>> made = Activation("a.b.relu", "a.b.relu", "ReLU", 1, torch.zeros(1))
        >>> wider_pattern("a.*relu", [made])
        'a.**.*relu'
    """
    layer, captured = parse_selector(name).layer, list(activations)
    if not is_glob(name) or matching_keys(name, captured):
        return None
    wider = wider_glob(with_dots(layer), [activation.path for activation in captured])
    return None if wider is None else wider + name.removeprefix(layer)


def _keys_of(reading: Reading, captured: Sequence[Activation]) -> list[str]:
    """Return the keys that match a reading: as a path or key, else as a glob, else as a class.

    A part of an output is only found by its key, so that a module's output is never cut apart.
    """
    called = [a for a in captured if reading.call in (None, str(a.call))]
    candidates = [path for text in reading.spellings for path in (text, with_dots(text))]
    call = "" if reading.call is None else f":{reading.call}"
    for path in candidates:
        key = f"{path}{call}{reading.part}"
        whole = [a.key for a in called if a.path == path and not reading.part]
        if keys := whole or [a.key for a in captured if a.key == key]:
            return keys
    if reading.is_path or reading.part or _counts_from_the_end(reading.spellings[0]):
        return []
    for text in reading.spellings:
        if text != reading.spellings[0] and _is_inside(reading.spellings[0], captured):
            continue  # the first name is that of a layer, not of the model
        # Python's [0] takes precedence over a set of characters.
        for pattern in filter(is_glob, (with_dots(text), text)):
            matches = glob(pattern)
            if keys := [a.key for a in called if matches(a.path)]:
                return keys
    return [a.key for a in called if a.kind == reading.spellings[0]]


def _is_inside(text: str, captured: Sequence[Activation]) -> bool:
    """Return True if the first name of the text is also the first name of a layer's path."""
    names = {activation.path.partition(".")[0] for activation in captured}
    return re.split(r"[.\[]", text, maxsplit=1)[0] in names


def _counts_from_the_end(text: str) -> bool:
    """Return True for `layer1[-1]`, since the number of items is unknown from the activations."""
    return any(step.is_index and step.text.startswith("-") for step in split_steps(text))

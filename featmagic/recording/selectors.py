"""From what a person writes to modules: paths, Python spelling, globs and class names."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import nn

from featmagic.recording.model_tree import ROOT, has_own_forward, is_torchscript, unwrap, walk
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable


@dataclass(frozen=True)
class Selection:
    """Modules by path, in the order they were asked for.

    `calls` holds the calls asked for (`relu:2` is 2); a path that isn't in it means every call.
    `parts` holds the parts of its output asked for (`lstm[1][0]`), as Python reaches them.
    """

    model: nn.Module
    modules: Mapping[str, nn.Module]
    calls: Mapping[str, frozenset[int]]
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)


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
            them is the second call in a pass, and `[1]` then what that index of its output
            holds. None at all stands for the model's children.
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
    calls, parts = _Some[int](), _Some[str]()
    for pattern in patterns or _children(tree):
        if not isinstance(pattern, str):
            raise FeatmagicError(f"A layer is named by text, as in '0', not {pattern!r}.")
        found, call, part = _resolved(pattern, tree, spelled)
        if not found:
            text, _ = _split_call(pattern, tree, spelled)
            raise FeatmagicError(_no_such_layer(tree, text, listed_by))
        for path in found:
            modules[path] = tree[path]
            calls.add(path, call)
            parts.add(path, part)
    return Selection(model, modules, calls.only(), parts.only())


T = TypeVar("T")


class _Some(Generic[T]):
    """What was asked for of each path: some things, or all, which is None."""

    def __init__(self) -> None:
        self._wanted: dict[str, set[T] | None] = {}

    def add(self, path: str, one: T | None) -> None:
        wanted = self._wanted.setdefault(path, set())
        self._wanted[path] = None if one is None or wanted is None else wanted | {one}

    def only(self) -> dict[str, frozenset[T]]:
        """The paths of which not all is wanted."""
        wanted = self._wanted.items()
        return {path: frozenset(some) for path, some in wanted if some is not None}


def _resolved(
    pattern: str, tree: Mapping[str, nn.Module], spelled: str
) -> tuple[list[str], int | None, str | None]:
    """The paths that a pattern means, which call of them, and which part of their output."""
    text, call = _split_call(pattern, tree, spelled)
    if found := _match(text, tree, spelled):
        return found, call, None
    part = ""
    while bracket := re.fullmatch(r"(.+)(\[[^\[\]]*\])", pattern):
        pattern, part = bracket[1], _index(bracket[2]) + part
        text, call = _split_call(pattern, tree, spelled)
        if found := _match(text, tree, spelled):
            return found, call, part
    return [], None, None


def _index(bracket: str) -> str:
    """`[1]` and `["a"]` as Python writes them."""
    with suppress(ValueError, SyntaxError):
        return f"[{ast.literal_eval(bracket[1:-1])!r}]"
    return bracket


def leaves(model: nn.Module) -> list[str]:
    """The paths of the modules that have none below them, each once; the model's own if need be.

    Example:
        >>> leaves(nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())))
        ['0.0', '0.1']
    """
    tree = dict(walk(model))
    paths = [path for path in tree if path != ROOT and has_own_forward(tree[path])]
    return _once([path for path in paths if not _direct(tree, path + ".")], tree) or [ROOT]


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


def _children(tree: Mapping[str, nn.Module]) -> list[str]:
    """The model's own children; a list of modules has no forward, so its items stand for it."""
    return _callable_below("", tree) or [ROOT]


def _callable_below(prefix: str, tree: Mapping[str, nn.Module]) -> list[str]:
    found: list[str] = []
    for path in _direct(tree, prefix):
        callable_here = has_own_forward(tree[path])
        found += [path] if callable_here else _callable_below(path + ".", tree)
    return found


def _direct(tree: Mapping[str, nn.Module], prefix: str) -> list[str]:
    below = (path for path in tree if path != ROOT and path.startswith(prefix))
    return [path for path in below if "." not in path.removeprefix(prefix)]


def _split_call(
    pattern: str, tree: Mapping[str, nn.Module], spelled: str
) -> tuple[str, int | None]:
    """A pattern, and the call behind its last colon: no colon of a name or of a quoted key."""
    text, colon, call = pattern.rpartition(":")
    if not colon or "[" in call or call.endswith(('"]', "']")):
        return pattern, None
    if any(path in tree for path in _spellings(pattern, tree, spelled)):
        return pattern, None
    if not call.isdecimal() or int(call) < 1:
        raise FeatmagicError(f"'{printable(pattern)}': a call is a number from 1, as in relu:2.")
    return text, int(call)


def _match(text: str, tree: Mapping[str, nn.Module], spelled: str) -> list[str]:
    spellings = list(_spellings(text, tree, spelled))
    for path in spellings:
        if path in tree:
            return [path]
    for pattern in reversed(spellings):  # Python's [0] goes before a glob's set of characters
        if any(c in pattern for c in "*?[") and (found := _glob(pattern, tree)):
            return found
    return _of_class(text, tree)


def _spellings(text: str, tree: Mapping[str, nn.Module], spelled: str) -> Iterator[str]:
    """The paths that `text` may mean, as it is written first."""
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
        path = f"{path}.{part}" if path and name != "[" and not path.endswith("[") else path + part
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
        hint = re.sub(r"(?<= )\S+(?=[ ?])", lambda word: leaves.get(word[0], word[0]), hint)
    if "," in text:
        hint += " Layers have spaces between them, not commas."
    return printable(
        f"{type(unwrap(tree[ROOT])[-1]).__name__} has no layer '{text}'.{hint} "
        f"{listed_by} lists all {len(paths)}."
    )


def matching_keys(name: str, activations: Iterable[Activation]) -> list[str]:
    """The keys that a key, a layer or a pattern stands for, in the order of the activations.

    A layer is written as it was for the look: a path means all its calls and parts, `relu:2` is
    one call, `layer1[0].conv1` a path, `*.conv1` a glob, `Conv2d` a class; `model.` may be before.

    Example:
        >>> import torch
        >>> relus = [Activation(f"relu{n}", "relu", "ReLU", 1, torch.ones(1)) for n in ("", ":2")]
        >>> matching_keys("relu", relus), matching_keys("relu:2", relus)
        (['relu', 'relu:2'], ['relu:2'])
    """
    known = list(activations)
    for text in (name, _dotted_key(name), _dotted_key(re.sub(r"^\w+(?=[.\[])", "", name))):
        for test in (_is_layer, _is_key, _is_call, _matches):
            if found := [a.key for a in known if test(text, a)]:
                return found
    return [a.key for a in known if a.kind == name]


def _is_layer(text: str, activation: Activation) -> bool:
    return activation.path == text


def _is_key(text: str, activation: Activation) -> bool:
    return activation.key == text


def _is_call(text: str, activation: Activation) -> bool:
    return text == f"{activation.path}:{activation.call}"


def _matches(text: str, activation: Activation) -> bool:
    is_glob = any(c in text for c in "*?[")
    return is_glob and any(
        fnmatch.fnmatchcase(part, text) for part in (activation.path, activation.key)
    )


def _dotted_key(text: str) -> str:
    return re.sub(r"\[(\d+|'[^']*'|\"[^\"]*\")\]", lambda m: "." + m[1].strip("'\""), text).strip(
        "."
    )


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

"""Which of the captured activations a name means."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from featmagic.activations import Activation


def named(name: str, activations: Iterable[Activation]) -> list[str]:
    """The keys that a key, a layer or a pattern stands for, in the order of the activations.

    A layer is written as it was for the look: a path means all its calls and parts, `relu:2` is
    one call, `layer1[0].conv1` a path, `*.conv1` a glob, `Conv2d` a class; `model.` may be before.

    Example:
        >>> import torch
        >>> relus = [Activation(f"relu{n}", "relu", "ReLU", 1, torch.ones(1)) for n in ("", ":2")]
        >>> named("relu", relus), named("relu:2", relus), named("ReLU", relus)
        (['relu', 'relu:2'], ['relu:2'], ['relu', 'relu:2'])
    """
    known = list(activations)
    for text in (name, _dotted(name), _dotted(re.sub(r"^\w+(?=[.\[])", "", name))):
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


def _dotted(text: str) -> str:
    return re.sub(r"\[(\d+|'[^']*'|\"[^\"]*\")\]", lambda m: "." + m[1].strip("'\""), text).strip(
        "."
    )

"""Which of the captured activations a name means, and why one isn't there."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping

from featmagic.activations import Activation
from featmagic.support.errors import did_you_mean
from featmagic.support.text import printable


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

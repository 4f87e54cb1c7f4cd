"""What the script asks the kernel for, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from featmagic.explore.source import Source
from featmagic.support.errors import FeatmagicError

Answer = tuple[dict[str, Any], dict[str, bytes]]  # JSON, and files by their `id`


def answer(source: Source, asked: Mapping[str, Any]) -> Answer:
    """What is asked: a plate, an exact value, or the exact figures of a channel.

    Args:
        source: what the explorer shows.
        asked: with `ask`, and `layer`, `sample`, `channel`, `position` as it takes them.

    Raises:
        FeatmagicError: a question, layer, sample, channel or place that there isn't.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explore.source import source
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.tensor([[[[0.1, torch.inf]]]]))
        >>> one = source([act], View(explore=True, layout="NCHW"), {})
        >>> place = {"layer": "act", "sample": 0, "channel": 0, "position": [0, 1]}
        >>> answer(one, {"ask": "value", **place})
        ({'value': 'inf'}, {})
    """
    kind = asked.get("ask")
    found = _ANSWERS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise FeatmagicError(f"The kernel can't be asked for {kind!r}.")
    return found(source, asked["layer"], int(asked["sample"]), asked)


def _plate(source: Source, layer: str, sample: int, _: Mapping[str, Any]) -> Answer:
    plate, images, files = source.plate(layer, sample)
    return {
        "layer": layer,
        "sample": sample,
        "plate": plate,
        "image": images.get(str(sample)),
    }, files


def _value(source: Source, layer: str, sample: int, asked: Mapping[str, Any]) -> Answer:
    y, x = asked["position"]
    return {"value": _spelled(source.value(layer, sample, int(asked["channel"]), y, x))}, {}


def _channel(source: Source, layer: str, sample: int, asked: Mapping[str, Any]) -> Answer:
    found = source.figures(layer, sample, int(asked["channel"]))
    return {name: value if isfinite(value) else None for name, value in found.items()}, {}


_ANSWERS = {"plate": _plate, "value": _value, "channel": _channel}


def _spelled(value: float) -> float | str:
    """JSON has no word for what is no number."""
    return value if isfinite(value) else str(value)

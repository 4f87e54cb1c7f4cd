"""What the script asks the kernel for, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Protocol

from traitlets import TraitError

from featmagic.explorer.document import Json
from featmagic.explorer.session import Session
from featmagic.options.validators import Check, choice, number, whole
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError, did_you_mean

Answer = tuple[dict[str, Any], dict[str, bytes]]  # JSON, and files by their `id`


def answer(source: Session, asked: Mapping[str, Any]) -> Answer:
    """What is asked: a plate, an exact value, or the exact figures of a channel.

    Args:
        source: what the explorer shows.
        asked: with `ask`, and `layer`, `sample`, `channel`, `position` as it takes them.

    Raises:
        FeatmagicError: a question, layer, sample, channel or place that there isn't.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.session import open_session
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.tensor([[[[0.1, torch.inf]]]]))
        >>> one = open_session([act], View(explore=True, layout="NCHW"))
        >>> place = {"layer": "act", "sample": 0, "channel": 0, "position": [0, 1]}
        >>> answer(one, {"ask": "value", **place})
        ({'value': 'inf'}, {})
    """
    kind = asked.get("ask")
    found = _ANSWERS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise FeatmagicError(f"The kernel can't be asked for {kind!r}.")
    return found(source, asked["layer"], int(asked["sample"]), asked)


def _answer_plate(source: Session, layer: str, sample: int, _: Mapping[str, Any]) -> Answer:
    plate, images, files = source.plate(layer, sample)
    return {
        "layer": layer,
        "sample": sample,
        "plate": plate,
        "image": images.get(str(sample)),
    }, files


def _answer_value(source: Session, layer: str, sample: int, asked: Mapping[str, Any]) -> Answer:
    y, x = asked["position"]
    return {"value": _spelled(source.value(layer, sample, int(asked["channel"]), y, x))}, {}


def _answer_channel(source: Session, layer: str, sample: int, asked: Mapping[str, Any]) -> Answer:
    found = source.figures(layer, sample, int(asked["channel"]))
    return {name: value if isfinite(value) else None for name, value in found.items()}, {}


_ANSWERS = {"plate": _answer_plate, "value": _answer_value, "channel": _answer_channel}


def _spelled(value: float) -> float | str:
    """JSON has no word for what is no number."""
    return value if isfinite(value) else str(value)


class NoSuchChoice(FeatmagicError, TraitError):
    """A trait's value that can't be; a `TraitError`, on which traitlets puts several back."""


def number_of(name: str, value: Any, there: Collection[int], where: str = "") -> int:
    """The value, if it is one of the numbers that there are.

    Example:
        >>> number_of("channel", 3, range(5))
        3
    """
    found: int = whole()(name, value)
    if found in there:
        return found
    first, last = min(there), max(there)
    between = " to " if last - first + 1 == len(there) else ", ..., "
    listed = f"{first}{between}{last}" if last > first else f"{first} alone"
    raise FeatmagicError(f"No {name} {found}{where}: there is {listed}.")


def place_in(value: Any, height: int, width: int) -> tuple[int, int] | None:
    """A place (y, x) in a plane of that size, or None.

    Example:
        >>> place_in([1, 2], 8, 8), place_in(None, 8, 8)
        ((1, 2), None)
    """
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise FeatmagicError(f"position is None or (y, x), not {value!r}.")
    y, x = (whole()("position", part) for part in value)
    if not (0 <= y < height and 0 <= x < width):
        raise FeatmagicError(f"There is no place ({y}, {x}) in a plane of {height} × {width}.")
    return y, x


def settings_with(given: Any, now: Mapping[str, Any], cmaps: Collection[str]) -> dict[str, Any]:
    """The settings, with those that are given changed.

    Args:
        given: names and values; what it doesn't name stays.
        now: all settings.
        cmaps: the color maps that travelled.

    Example:
        >>> settings_with({"zoom": 4}, {"zoom": 0, "gamma": 1}, ())
        {'zoom': 4, 'gamma': 1}
    """
    if not isinstance(given, Mapping):
        raise FeatmagicError(f"settings is a mapping, not {given!r}.")
    new = dict(now)
    for name, value in given.items():
        if name not in now:
            near = did_you_mean(name, now, limit=1) if isinstance(name, str) else ""
            raise FeatmagicError(f"No setting {name!r}.{near} There are: {', '.join(now)}.")
        new[name] = _VALUES[name](name, value) if name in _VALUES else value
    cmap = new.get("cmap")
    if cmap not in ("auto", *cmaps, None):
        raise FeatmagicError(
            f"The explorer holds no colormap {cmap!r}, but {', '.join(cmaps)}: "
            f"explore(cmap={cmap!r}) brings it."
        )
    return new


def channels_of(layer: Json) -> Sequence[int]:
    """The channels that can be chosen: those of its plates.

    Example:
        >>> channels_of({"plates": {"0": {"channels": [3, 5]}}}), channels_of({"plates": {}})
        ([3, 5], [0])
    """
    plate = next(iter(layer["plates"].values()), None)
    return plate["channels"] if plate else [0]


class Chosen(Protocol):
    """What is chosen now."""

    layer: str
    settings: Mapping[str, Any] | None


def _layer(source: Session, _: Chosen, value: Any) -> str:
    key: str = source.layer(value)["key"]
    return key


def _channel(source: Session, chosen: Chosen, value: Any) -> int:
    channels = channels_of(source.layer(chosen.layer))
    return number_of("channel", value, channels, f" in {chosen.layer}")


def _sample(source: Session, _: Chosen, value: Any) -> int:
    return number_of("sample", value, range(max(it["samples"] for it in source.layers.values())))


def _position(source: Session, chosen: Chosen, value: Any) -> tuple[int, int] | None:
    plate = next(iter(source.layer(chosen.layer)["plates"].values()), {"full": (0, 0)})
    return place_in(value, *plate["full"])


def _settings(source: Session, chosen: Chosen, value: Any) -> dict[str, Any]:
    text = source.shown.text
    now = text["settings"] | (chosen.settings or {})
    return settings_with(value, now, list(text["cmaps"]))


CHECKS: dict[str, Callable[[Session, Chosen, Any], Any]] = {
    "layer": _layer,
    "channel": _channel,
    "sample": _sample,
    "position": _position,
    "settings": _settings,
}


def _check_of(name: str) -> Check:
    check: Check = View.__dataclass_fields__[name].metadata["check"]
    return check


_VALUES: dict[str, Check] = {
    "scale": choice("channel", "layer"),
    "robust": number(0, 49),
    "gamma": number(0.01, 100),
    "sort": _check_of("sort"),
    "topk": whole(0),
    "alpha": number(0, 1),
    "zoom": whole(0),
}

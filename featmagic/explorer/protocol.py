"""What the front end may ask the kernel for, and what it may choose, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Protocol

from traitlets import TraitError

from featmagic.explorer.document import LayerText
from featmagic.explorer.session import Session, check_inside
from featmagic.explorer.settings import SETTINGS
from featmagic.options.validators import whole
from featmagic.support.errors import FeatmagicError, did_you_mean

# Questions

Answer = tuple[dict[str, Any], dict[str, bytes]]  # JSON, and files by id


def answer(session: Session, question: Mapping[str, Any]) -> Answer:
    """Answer a question of the front end: for planes, an exact value, or exact figures.

    Args:
        session: What the explorer shows.
        question: `ask` names what is wanted; `layer`, `sample`, `channel` and `position` say where.

    Raises:
        FeatmagicError: If the question, layer, sample, channel or position doesn't exist.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.session import open_session
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.tensor([[[[0.1, torch.inf]]]]))
        >>> session = open_session([act], View(explore=True, layout="NCHW"))
        >>> place = {"layer": "act", "sample": 0, "channel": 0, "position": [0, 1]}
        >>> answer(session, {"ask": "value", **place})
        ({'value': 'inf'}, {})
    """
    kind = question.get("ask")
    answer_kind = _ANSWERS.get(kind) if isinstance(kind, str) else None
    if answer_kind is None:
        raise FeatmagicError(f"The kernel can't be asked for {kind!r}.")
    return answer_kind(session, question["layer"], int(question["sample"]), question)


def _answer_planes(session: Session, layer: str, sample: int, _: Mapping[str, Any]) -> Answer:
    planes, images, files = session.encoded_planes(layer, sample)
    image = images.get(str(sample))
    return {"layer": layer, "sample": sample, "plate": planes, "image": image}, files


def _answer_value(session: Session, layer: str, sample: int, question: Mapping[str, Any]) -> Answer:
    y, x = question["position"]
    value = session.value(layer, sample, int(question["channel"]), y, x)
    return {"value": value if isfinite(value) else str(value)}, {}  # JSON has no infinity


def _answer_channel(
    session: Session, layer: str, sample: int, question: Mapping[str, Any]
) -> Answer:
    figures = session.figures(layer, sample, int(question["channel"]))
    return {name: value if isfinite(value) else None for name, value in figures.items()}, {}


_ANSWERS = {"plate": _answer_planes, "value": _answer_value, "channel": _answer_channel}


# Choices


class NoSuchChoice(FeatmagicError, TraitError):
    """A value that a trait can't have; a `TraitError`, at which traitlets undoes the change."""


class Chosen(Protocol):
    """What is chosen now."""

    layer: str
    settings: Mapping[str, Any] | None


def _check_layer(session: Session, _: Chosen, value: Any) -> str:
    return session.layer(value)["key"]


def _check_channel(session: Session, chosen: Chosen, value: Any) -> int:
    channels = channels_of(session.layer(chosen.layer))
    return check_number("channel", value, channels, f" in {chosen.layer}")


def _check_sample(session: Session, _: Chosen, value: Any) -> int:
    count = max(layer["samples"] for layer in session.layers.values())
    return check_number("sample", value, range(count))


def _check_position(session: Session, chosen: Chosen, value: Any) -> tuple[int, int] | None:
    planes = next(iter(session.layer(chosen.layer)["plates"].values()), None)
    height, width = planes["full"] if planes else (0, 0)
    return check_position(value, height, width)


def _check_settings(session: Session, chosen: Chosen, value: Any) -> dict[str, Any]:
    text = session.shown.text
    now = text["settings"] | dict(chosen.settings or {})
    return change_settings(value, now, list(text["cmaps"]))


CHECKS: dict[str, Callable[[Session, Chosen, Any], Any]] = {
    "layer": _check_layer,
    "channel": _check_channel,
    "sample": _check_sample,
    "position": _check_position,
    "settings": _check_settings,
}


def channels_of(layer: LayerText) -> Sequence[int]:
    """Return the channels that can be chosen."""
    planes = next(iter(layer["plates"].values()), None)
    return planes["channels"] if planes else [0]


def check_number(name: str, value: Any, numbers: Collection[int], where: str = "") -> int:
    """Return the value if it is one of the numbers.

    Raises:
        FeatmagicError: If it isn't; the message lists the numbers.
    """
    number: int = whole()(name, value)
    if number in numbers:
        return number
    first, last = min(numbers), max(numbers)
    between = " to " if last - first + 1 == len(numbers) else ", ..., "
    listed = f"{first}{between}{last}" if last > first else f"{first} alone"
    raise FeatmagicError(f"No {name} {number}{where}: there is {listed}.")


def check_position(value: Any, height: int, width: int) -> tuple[int, int] | None:
    """Return the value if it is a position (y, x) in a plane of that size, or None.

    Raises:
        FeatmagicError: If it is neither.
    """
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise FeatmagicError(f"position is None or (y, x), not {value!r}.")
    y, x = (whole()("position", part) for part in value)
    check_inside(y, x, height, width)
    return y, x


def change_settings(changes: Any, now: Mapping[str, Any], cmaps: Collection[str]) -> dict[str, Any]:
    """Return the settings with some of them changed.

    Args:
        changes: New values by name; settings that it doesn't name stay.
        now: All settings as they are.
        cmaps: The colormaps that the document holds.

    Raises:
        FeatmagicError: If a name or a value isn't valid.

    Example:
        >>> change_settings({"zoom": 4}, {"zoom": 0, "gamma": 1}, ())
        {'zoom': 4, 'gamma': 1}
    """
    if not isinstance(changes, Mapping):
        raise FeatmagicError(f"settings is a mapping, not {changes!r}.")
    new = dict(now)
    for name, value in changes.items():
        if name not in now:
            near = did_you_mean(name, now, limit=1) if isinstance(name, str) else ""
            raise FeatmagicError(f"No setting {name!r}.{near} There are: {', '.join(now)}.")
        check = SETTINGS[name].check
        new[name] = value if check is None else check(name, value)
    cmap = new.get("cmap")
    if cmap not in ("auto", *cmaps, None):
        raise FeatmagicError(
            f"The explorer holds no colormap {cmap!r}, but {', '.join(cmaps)}: "
            f"explore(cmap={cmap!r}) brings it."
        )
    return new

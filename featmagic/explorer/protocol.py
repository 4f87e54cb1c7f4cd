"""What the front end may ask the kernel for, and what it may choose, checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any

from traitlets import TraitError

from featmagic.explorer.document import LayerText, image_text
from featmagic.explorer.session import Session, check_inside
from featmagic.explorer.settings import SETTINGS
from featmagic.options.validators import whole
from featmagic.support.errors import FeatmagicError, did_you_mean


class NoSuchChoice(FeatmagicError, TraitError):
    """A value that a trait can't have; a `TraitError`, at which traitlets undoes the change."""


def answer(
    session: Session, question: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Answer a question of the front end: for planes, an exact value, or exact figures.

    Args:
        session: What the explorer shows.
        question: `ask` names what is wanted; `layer`, `sample`, `channel` and `position` say where.

    Returns:
        JSON, in which a text or None stands for a value that isn't finite, and files by id.

    Raises:
        FeatmagicError: If the question, layer, sample, channel or position doesn't exist.
    """
    kind = question.get("ask")
    if kind not in ("plate", "value", "channel"):
        raise FeatmagicError(f"The kernel can't be asked for {kind!r}.")
    layer, sample = question["layer"], int(question["sample"])
    if kind == "plate":
        planes, png = session.encoded_planes(layer, sample)
        images, files, _ = image_text(session.activations[layer], sample, session.view)
        text = {"layer": layer, "sample": sample, "plate": planes, "image": images.get(str(sample))}
        return text, {planes["id"]: png, **files}
    if kind == "value":
        y, x = question["position"]
        value = session.value(layer, sample, int(question["channel"]), y, x)
        return {"value": value if isfinite(value) else str(value)}, {}
    figures = session.figures(layer, sample, int(question["channel"]))
    return {name: value if isfinite(value) else None for name, value in figures.items()}, {}


def check_choice(
    session: Session, layer: str, settings: Mapping[str, Any] | None, name: str, value: Any
) -> Any:
    """Return a value that is chosen, as a trait has it.

    Args:
        session: What the explorer shows.
        layer: The layer that is chosen now.
        settings: The settings as they are now.
        name: The trait: `layer`, `channel`, `sample`, `position`, `input` or `settings`.
        value: What is chosen.

    Raises:
        FeatmagicError: If the value isn't valid.
    """
    match name:
        case "layer":
            return session.layer(value)["key"]
        case "channel":
            return _check_number(name, value, channels_of(session.layer(layer)), f" in {layer}")
        case "sample":
            count = max(layer["samples"] for layer in session.layers.values())
            return _check_number(name, value, range(count))
        case "position":
            return _check_position(value, session.layer(layer))
        case "input":
            count = session.shown.text["inputs"]
            if not count:
                raise FeatmagicError(
                    "There are no inputs: explore(model=model, inputs=xs) brings some."
                )
            return _check_number(name, value, range(count))
    text = session.shown.text
    return change_settings(value, text["settings"] | dict(settings or {}), [*text["cmaps"]])


def channels_of(layer: LayerText) -> Sequence[int]:
    """Return the channels that can be chosen."""
    planes = next(iter(layer["plates"].values()), None)
    return planes["channels"] if planes else [0]


def _check_number(name: str, value: Any, numbers: Collection[int], where: str = "") -> int:
    """Return the value if it is one of the numbers, or raise an error that lists them."""
    number: int = whole()(name, value)
    if number in numbers:
        return number
    first, last = min(numbers), max(numbers)
    between = " to " if last - first + 1 == len(numbers) else ", ..., "
    listed = f"{first}{between}{last}" if last > first else f"{first} alone"
    raise FeatmagicError(f"No {name} {number}{where}: there is {listed}.")


def _check_position(value: Any, layer: LayerText) -> tuple[int, int] | None:
    """Return the value if it is a position (y, x) in a plane of the layer, or None."""
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise FeatmagicError(f"position is None or (y, x), not {value!r}.")
    y, x = (whole()("position", part) for part in value)
    planes = next(iter(layer["plates"].values()), None)
    check_inside(y, x, *(planes["full"] if planes else (0, 0)))
    return y, x


def change_settings(changes: Any, now: Mapping[str, Any], cmaps: Collection[str]) -> dict[str, Any]:
    """Return the settings with some of them changed.

    Args:
        changes: New values by name; settings that it doesn't name stay.
        now: All settings as they are.
        cmaps: The colormaps that the document holds.

    Raises:
        FeatmagicError: If a name or a value isn't valid.
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

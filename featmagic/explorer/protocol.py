"""The protocol: checks of what the front end may send and what the user may choose.

Anything without a row in `CHOICES` or `QUESTIONS` is refused, and so is a message with any invalid
part; it changes nothing. Choices made in Python pass the same checks, except for the JSON types.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from traitlets import TraitError

from featmagic.explorer.document import image_text
from featmagic.explorer.schema import LayerText
from featmagic.explorer.session import Session, check_inside
from featmagic.explorer.settings import SETTINGS, is_whole
from featmagic.options.validators import whole
from featmagic.support.errors import FeatmagicError, did_you_mean


class NoSuchChoice(FeatmagicError, TraitError):
    """An invalid value of a trait; as it is a `TraitError`, traitlets undoes the change."""


@dataclass(frozen=True)
class Place:
    """What determines the valid choices.

    Attributes:
        session: What the explorer shows.
        layer: The layer that is chosen, or is about to be.
        settings: The settings as they are now.
    """

    session: Session
    layer: Any
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """Something that the user can choose: a trait that the front end may set.

    Attributes:
        start: The value of the trait before there is a session.
        travels_as: Returns True if a value from JSON has the type of this choice.
        check: Returns the value for the trait, or raises a FeatmagicError.
    """

    start: Any
    travels_as: Callable[[object], bool]
    check: Callable[[Place, Any], Any]


def check_choice(place: Place, name: str, value: Any) -> Any:
    """Return the value of a trait for a chosen value.

    Raises:
        FeatmagicError: If the value isn't valid.
    """
    return CHOICES[name].check(place, value)


def check_state(place: Place, state: object) -> None:
    """Raise an error unless the front end may set all of a state at once.

    Args:
        place: What is chosen now.
        state: New values by trait, as they came.

    Raises:
        FeatmagicError: If a name has no row in `CHOICES`, or a value isn't valid.
    """
    if not isinstance(state, dict) or not _has_types(state, CHOICES):
        raise FeatmagicError("The front end sent a state that the protocol doesn't allow.")
    place = Place(place.session, state.get("layer", place.layer), place.settings)
    for name in CHOICES:  # the layer first, since the others depend on it
        if name in state:
            check_choice(place, name, state[name])


def _has_types(values: Mapping[Any, object], rows: Mapping[str, Choice]) -> bool:
    """Return True if all names have a row, and the values are of their types."""
    return all(name in rows and rows[name].travels_as(values[name]) for name in values)


# The choices


def channels_of(layer: LayerText) -> Sequence[int]:
    """Return the channels that can be chosen."""
    planes = next(iter(layer["plates"].values()), None)
    return planes["channels"] if planes else [0]


def _check_layer(place: Place, value: Any) -> str:
    return place.session.layer(value)["key"]


def _check_channel(place: Place, value: Any) -> int:
    channels = channels_of(place.session.layer(place.layer))
    return _check_number("channel", value, channels, f" in {place.layer}")


def _check_sample(place: Place, value: Any) -> int:
    count = max(layer["samples"] for layer in place.session.layers.values())
    return _check_number("sample", value, range(count))


def _check_slice(place: Place, value: Any) -> int | str:
    """Return the value if it is a slice of the deepest volume, or what stands for any volume's."""
    if isinstance(value, str) and value in _SLICES:
        return value
    count = max(layer["slices"] for layer in place.session.layers.values())
    if not count:
        raise FeatmagicError("There are no slices to choose from: no layer shown is a volume.")
    if isinstance(value, str):
        raise FeatmagicError(
            f"slice must be a number or one of {', '.join(_SLICES)}, not {value!r}."
        )
    return _check_number("slice", value, range(count))


def _check_position(place: Place, value: Any) -> tuple[int, int] | None:
    """Return the value if it is a position (y, x) in a plane of the layer, or None."""
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise FeatmagicError(f"position must be None or (y, x), not {value!r}.")
    y, x = (whole()("position", part) for part in value)
    planes = next(iter(place.session.layer(place.layer)["plates"].values()), None)
    check_inside(y, x, *(planes["full"] if planes else (0, 0)))
    return y, x


def _check_input(place: Place, value: Any) -> int | None:
    if value is None:
        return None
    count = place.session.shown.text["inputs"]
    if not count:
        raise FeatmagicError(
            "There are no inputs to pick: explore(model=model, inputs=xs) adds them."
        )
    return _check_number("input", value, range(count))


def _check_settings(place: Place, value: Any) -> dict[str, Any]:
    text = place.session.shown.text
    start = text["settings"]
    return change_settings(value, start | dict(place.settings), start, [*text["cmaps"]])


def _check_number(name: str, value: Any, numbers: Collection[int], where: str = "") -> int:
    """Return the value if it is one of the numbers, or raise an error that lists them."""
    number: int = whole()(name, value)
    if number in numbers:
        return number
    first, last = min(numbers), max(numbers)
    between = " to " if last - first + 1 == len(numbers) else ", ..., "
    listed = f"{first}{between}{last}" if last > first else f"only {first}"
    raise FeatmagicError(f"No {name} {number}{where}: choose {listed}.")


def change_settings(
    changes: Any, now: Mapping[str, Any], start: Mapping[str, Any], cmaps: Collection[str]
) -> dict[str, Any]:
    """Return the settings with some of them changed.

    Args:
        changes: New values by name; settings that it doesn't name stay.
        now: All settings as they are.
        start: All settings as the view asked for them, which may go beyond what a control offers.
        cmaps: The colormaps that the document holds.

    Raises:
        FeatmagicError: If a name or a value isn't valid.
    """
    if not isinstance(changes, Mapping):
        raise FeatmagicError(f"settings must be a mapping, not {changes!r}.")
    new = dict(now)
    for name, value in changes.items():
        if name not in SETTINGS:
            near = did_you_mean(name, SETTINGS, limit=1) if isinstance(name, str) else ""
            raise FeatmagicError(f"No setting {name!r}.{near} Settings: {', '.join(SETTINGS)}.")
        if type(value) is type(start[name]) and value == start[name]:
            new[name] = value
        elif name == "cmap":
            new[name] = _check_colormap(value, cmaps)
        else:
            new[name] = SETTINGS[name].check(value)
    return new


def _check_colormap(value: Any, cmaps: Collection[str]) -> str:
    if isinstance(value, str) and value in ("auto", *cmaps):
        return value
    raise FeatmagicError(
        f"The explorer has no colormap {value!r}, only {', '.join(cmaps)}: "
        f"explore(cmap={value!r}) adds it."
    )


_SLICES = ("mid", "mip", "mean")


def _is_slice(value: object) -> bool:
    return is_whole(value) or (isinstance(value, str) and value in _SLICES)


def _is_position(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_whole, value))


def _are_settings(value: object) -> bool:
    return isinstance(value, dict) and all(
        name in SETTINGS and SETTINGS[name].travels_as(value[name]) for name in value
    )


CHOICES: Mapping[str, Choice] = {
    "layer": Choice("", lambda value: isinstance(value, str), _check_layer),
    "channel": Choice(0, is_whole, _check_channel),
    "sample": Choice(0, is_whole, _check_sample),
    "slice": Choice("mid", _is_slice, _check_slice),
    "position": Choice(None, lambda value: value is None or _is_position(value), _check_position),
    "input": Choice(None, lambda value: value is None or is_whole(value), _check_input),
    "settings": Choice({}, _are_settings, _check_settings),
}


# Questions, and messages as a whole

# What a question may say besides choices; `kernel_patch` knows which channels there are.
_SAID: Mapping[str, Choice] = {
    "source": Choice(None, lambda value: value is None or is_whole(value), lambda _, value: value)
}

# What the front end may ask for, and the choices that say where; a slice only of a volume.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "here": (),  # the script has started: send what it hasn't received yet
    "plate": ("layer", "sample", "slice"),
    "value": ("layer", "sample", "slice", "channel", "position"),
    "channel": ("layer", "sample", "slice", "channel"),
    "patch": ("layer", "sample", "slice", "channel", "position", "source"),
}

# The messages of widgets, and the types of their parts.
_METHODS: Mapping[str, Mapping[str, type]] = {
    "update": {"state": dict, "buffer_paths": list},
    "request_state": {},
    "custom": {"content": dict},
}


def is_message(message: Mapping[str, Any]) -> bool:
    """Return True if a front end's message to a widget has a known form, and no binary parts."""
    data = message["content"].get("data")
    method = data.get("method") if isinstance(data, dict) else None
    if not isinstance(method, str) or method not in _METHODS:
        return False
    parts = {"method": str, **_METHODS[method]}
    has_types = all(name in parts and isinstance(data[name], parts[name]) for name in data)
    return has_types and not data.get("buffer_paths") and not message.get("buffers")


def is_question(content: object) -> bool:
    """Return True if it can be answered, even if only with an error."""
    if not isinstance(content, dict) or not isinstance(content.get("ask"), str):
        return False
    return content.get("id") is None or is_whole(content["id"])


def answer(
    session: Session, question: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Answer a question of the front end: for planes, a value, figures, or kernel and patch.

    Args:
        session: What the explorer shows.
        question: `ask` names what is wanted; the choices that `QUESTIONS` names say where.

    Returns:
        JSON, in which a text or None stands for a value that isn't finite, and files by id.

    Raises:
        FeatmagicError: If the question, layer, sample, slice, channel or position doesn't exist.
    """
    kind = question["ask"]
    given = {name: value for name, value in question.items() if name not in ("ask", "id")}
    if kind == "here" or kind not in QUESTIONS:
        raise FeatmagicError(f"The kernel can't be asked for {kind!r}.")
    rows = {**CHOICES, **_SAID}
    wanted = [name for name in QUESTIONS[kind] if name != "slice" or _has_slices(session, given)]
    if set(given) != set(wanted) or not _has_types(given, rows):
        raise FeatmagicError(f"A question for a {kind} needs {', '.join(wanted)}.")
    place = Place(session, given["layer"], {})
    chosen: dict[str, Any] = {each: rows[each].check(place, given[each]) for each in given}
    layer, sample, which = chosen["layer"], chosen["sample"], chosen.get("slice")
    if kind == "plate":
        planes, png = session.encoded_planes(layer, sample, which)
        images, files, _ = image_text(session.activations[layer], sample, session.view)
        text = {"layer": layer, "sample": sample, "plate": planes, "image": images.get(str(sample))}
        return text, {planes["id"]: png, **files}
    channel = chosen["channel"]
    if chosen.get("position", ()) is None:
        raise FeatmagicError(f"A question for a {kind} needs a position.")
    if kind == "patch":
        y, x = chosen["position"]
        said, numbers = session.patch(layer, sample, channel, y, x, chosen["source"], which)
        return {**said}, {"patch": numbers}
    if kind == "value":
        y, x = chosen["position"]
        value = session.value(layer, sample, channel, y, x, which)
        return {"value": value if isfinite(value) else str(value)}, {}
    figures = session.figures(layer, sample, channel, which)
    return {name: value if isfinite(value) else None for name, value in figures.items()}, {}


def _has_slices(session: Session, given: Mapping[str, Any]) -> bool:
    """Return True if a question is for a volume."""
    layer = given.get("layer")
    return (
        isinstance(layer, str) and layer in session.layers and session.layers[layer]["slices"] > 0
    )

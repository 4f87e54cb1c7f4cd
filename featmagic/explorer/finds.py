"""What the explorer finds in a model, once: a button of the front end and a key are a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict


class FindText(TypedDict):
    """A row of `FINDS` as it travels."""

    name: str
    label: str
    tooltip: str
    key: str
    help: str


@dataclass(frozen=True)
class Find:
    """Something that the explorer goes to at a click or a key.

    How it is found is a row of `FINDERS` in frontend/src/finds.js, and of `FINDERS` in
    `explorer/terminal/finds.py`.

    Attributes:
        name: Its name in those tables.
        label: The label of its button, and what the help says about its key.
        tooltip: What it means, in a sentence.
        key: Its key.
    """

    name: str
    label: str
    tooltip: str
    key: str


FINDS = (
    Find(
        "dead",
        "Layer with most dead channels",
        "A channel is dead if all its values are equal. This is the layer with the largest share "
        "of dead channels.",
        "d",
    ),
    Find(
        "strongest",
        "Strongest channel",
        "The channel with the largest absolute value across all layers.",
        "x",
    ),
    Find(
        "nan",
        "First NaN",
        "The first layer, in execution order, that has a NaN in its output.",
        "N",
    ),
    Find(
        "inf",
        "First infinity",
        "The first layer, in execution order, that has an infinite value in its output.",
        "I",
    ),
)


def finds() -> list[FindText]:
    """Return the rows of `FINDS` for the front end."""
    return [
        {
            "name": each.name,
            "label": each.label,
            "tooltip": each.tooltip,
            "key": each.key,
            "help": each.label,
        }
        for each in FINDS
    ]

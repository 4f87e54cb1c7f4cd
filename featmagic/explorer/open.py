"""From activations to an explorer that is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from featmagic.explorer.document import HEALTHY, Json, grid_view
from featmagic.explorer.session import Session, open_session
from featmagic.explorer.widget import Explorer
from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.recording.rerun import Rerun, rerun_of
from featmagic.render.mime_bundle import small_png
from featmagic.support.environment import running_shell
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import spoken


def open_explorer(
    activations: Sequence[Activation],
    view: View,
    maps: str = "feature_maps",
    model: Any = None,
    items: Any = None,
) -> Explorer:
    """An explorer of the activations; it is shown where it is displayed.

    Args:
        activations: in the order in which they ran.
        view: what is shown at the start, and how much may travel.
        maps: the name of the user's variable, for code that is copied.
        model: what runs again when an input is picked.
        items: the inputs.

    Raises:
        FeatmagicError: nothing to explore, inputs that can't be, or what the view asks for and
            there isn't.
    """
    # As of what was captured: a layer mustn't change in what another input doesn't.
    fields = any(one.field is not None for one in activations)
    inputs = rerun_of(model, items, [one.path for one in activations], fields=fields)
    first = open_session(activations, view, maps, len(inputs) if inputs else 0)
    if not any(layer["plates"] for layer in first.layers.values()):
        reasons = "; ".join(f"{key}: {layer['reason']}" for key, layer in first.layers.items())
        raise FeatmagicError(f"Nothing to explore: {reasons}.")
    start = first.activations[first.shown.text["start"]["layer"]]
    drawing = draw(start, grid_view(start, view, len(activations)))
    again = _again(first, inputs, maps) if inputs else None
    mosaic = drawing.mosaic
    picture = small_png(mosaic, drawing.caption) if mosaic else (b"", {})
    return Explorer(first, again, picture, spoken(drawing.caption))


def _again(first: Session, inputs: Rerun, maps: str) -> Callable[[int], Session]:
    """What an explorer shows of another input: the same layers."""

    def again(number: int) -> Session:
        run = inputs.run(number)
        there = [run.activations[key] for key in first.activations if key in run.activations]
        if not there:
            raise FeatmagicError(f"Input {number} gave none of the layers anything.")
        new = open_session(there, first.view, maps, len(inputs))
        layers = new.layers
        new.shown.text["layers"] = [
            layers.get(key) or _without(layer) for key, layer in first.layers.items()
        ]
        return Session(new.activations, new.view, new.shown)

    return again


def _without(layer: Json) -> Json:
    return {**layer, **HEALTHY, "reason": "this input gave it nothing", "plates": {}}


def show_explorer(explorer: Explorer) -> None:
    """Show it in the output of the cell that is running."""
    data, metadata = explorer._repr_mimebundle_()
    running_shell().display_pub.publish(data=data, metadata=metadata)

"""Open an explorer of activations, and show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from featmagic.explorer.document import NO_FIGURES, grid_view
from featmagic.explorer.opening import Opening
from featmagic.explorer.schema import DocumentText, LayerText
from featmagic.explorer.session import Session, open_session
from featmagic.explorer.widget import Explorer
from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.recording.rerun import Rerun, rerun_of
from featmagic.render.mime_bundle import small_png
from featmagic.render.viewport import SMALL_PAGE
from featmagic.support.environment import running_shell
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import spoken


def open_explorer(
    activations: Sequence[Activation],
    view: View,
    maps: str = "feature_maps",
    model: Any = None,
    items: Any = None,
    opening: Opening | None = None,
) -> Explorer:
    """Open an explorer of some activations; it is shown where it is displayed.

    Args:
        activations: The layers, in the order in which they ran.
        view: What is shown at the start, and how much may travel.
        maps: The name of the user's variable, for code that is copied.
        model: The model, which runs again when the user picks an input.
        items: The inputs.
        opening: Closes the widget if an interrupt prevents the caller from getting it.

    Returns:
        A widget that Python can read and steer.

    Raises:
        FeatmagicError: If there is nothing to explore, the inputs aren't valid, or something that
            the view asks for doesn't exist.
    """
    # Fields and weights as they were captured: they must not change from one input to another.
    fields = any(each.field is not None or each.keeps_input for each in activations)
    weights = any(each.hint.asked for each in activations)
    paths = [each.path for each in activations]
    inputs = rerun_of(model, items, paths, fields=fields, weights=weights)
    session = open_session(activations, view, maps, len(inputs) if inputs else 0)
    if not any(layer["plates"] for layer in session.layers.values()):
        reasons = "; ".join(f"{key}: {layer['reason']}" for key, layer in session.layers.items())
        raise FeatmagicError(f"Nothing to explore: {reasons}.")
    start = session.activations[session.shown.text["start"]["layer"]]
    drawing = draw(start, grid_view(start, view, len(activations)), SMALL_PAGE)
    picture = small_png(drawing.mosaic, drawing.caption) if drawing.mosaic else (b"", {})
    rerun = _sessions_of(inputs, session, maps) if inputs else None
    return Explorer(session, rerun, picture, spoken(drawing.caption), opening)


def _sessions_of(inputs: Rerun, first: Session, maps: str) -> Callable[[int], Session]:
    """Return the function that opens a session of another input, with the same layers."""

    def rerun(number: int) -> Session:
        run = inputs.run(number)
        keys = [each.key for each in first.activations.values()]
        activations = [run.activations[key] for key in keys if key in run.activations]
        if not activations:
            raise FeatmagicError(f"No layer returned anything for input {number}.")
        session = open_session(activations, first.view, maps, len(inputs))
        reason = "it returned nothing for this input"
        layers: list[LayerText] = [
            session.layers.get(key) or {**layer, **NO_FIGURES, "reason": reason, "plates": {}}
            for key, layer in first.layers.items()
        ]
        tree = first.shown.text["tree"]
        text: DocumentText = {
            **session.shown.text,
            "layers": layers,
            "tree": tree,
            "input": number,
        }
        return replace(session, shown=replace(session.shown, text=text))

    return rerun


def show_explorer(explorer: Explorer) -> None:
    """Show an explorer in the output of the running cell."""
    data, metadata = explorer._repr_mimebundle_()
    running_shell().display_pub.publish(data=data, metadata=metadata)

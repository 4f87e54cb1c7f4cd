"""Where the values of a pass go: the seam between hooks and whatever reads what layers return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from featmagic.recording.pytree import Reading, copied, tensors_in
from featmagic.recording.records import Activation, LayerOutput, Pass, is_in
from featmagic.support.errors import text_of


class Sink(Protocol):
    """Receives what layers return, pass by pass, while the model runs.

    The methods are called inside the user's forward pass, in the thread that runs it; where
    several threads run the model, calls overlap. They should be quick, and whatever they raise
    ends the user's forward pass.

    Every pass that began ends exactly once. If the model raised an error or was interrupted, that
    is noticed later: when the same thread begins another pass, or when the hooks come off.
    """

    def pass_began(self, forward_pass: Pass) -> None:
        """A pass began, of the model or only of parts.

        `forward_pass.inputs` is set by the time the first layer returns.
        """

    def layer_returned(self, forward_pass: Pass, value: LayerOutput) -> None:
        """A layer returned, and nothing is copied yet.

        The tensors are those that the next layer receives. A layer that works in place may
        overwrite them as soon as this method returns: a sink copies what it keeps, and one that
        only accumulates figures needs no copy.
        """

    def pass_ended(self, forward_pass: Pass) -> None:
        """No further value of this pass will come; `forward_pass.failed` if it was cut short."""


class KeepLastPass:
    """Keeps copies of what the layers return in the last pass.

    The copies are in the pass itself (`Pass.activations`), which fills as the model runs; earlier
    passes are released unless somebody holds them. `on_pass` is called when a pass begins.
    """

    def __init__(self, on_pass: Callable[[Pass], None] = lambda _: None) -> None:
        self._on_pass = on_pass

    def pass_began(self, forward_pass: Pass) -> None:
        """Hand the pass on, still without activations."""
        self._on_pass(forward_pass)

    def layer_returned(self, forward_pass: Pass, value: LayerOutput) -> None:
        """Keep a copy of every tensor that is wanted; whatever the output is, the model runs on."""
        empty = forward_pass.empty
        empty |= {value.name + suffix: reason for suffix, reason in value.empty.items()}
        reading = Reading()
        tensors = list(tensors_in(value.output, reading=reading))
        for suffix, reason in reading.unread.items():
            if value.layer.wants(suffix) or not suffix:
                empty[value.name + suffix] = reason
        for key, reason in _missing_parts(value, [suffix for suffix, _ in tensors]):
            empty.setdefault(key, reason)
        for suffix, tensor in tensors:
            if value.layer.wants(suffix):
                self._keep(forward_pass, value, suffix, tensor)

    def _keep(self, forward_pass: Pass, value: LayerOutput, suffix: str, tensor: Tensor) -> None:
        layer, key = value.layer, value.name + suffix
        hint = replace(layer.hint, asked=True) if value.asked else layer.hint
        # Nobody else has the weights that were asked for.
        is_ours = value.asked and suffix == "[1]" and not tensor.is_inference()
        try:
            kept = tensor if is_ours else copied(tensor)
            forward_pass.activations[key] = Activation(
                key, layer.path, value.kind, value.call, kept, hint, forward_pass.inputs,
                layer.cache, None if value.trace is None else value.trace.traced_of(tensor),
                forward_pass.calls,
            )  # fmt: skip
        except Exception as error:  # such as too little memory
            forward_pass.empty[key] = f"its output can't be copied: {text_of(error)}"

    def pass_ended(self, forward_pass: Pass) -> None:
        """Leave the pass as it is, complete or not."""


def _missing_parts(value: LayerOutput, suffixes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what the output doesn't hold, each with the reason."""
    if not suffixes:
        yield value.name, f"it returned no tensor ({type(value.output).__name__})"
    there = ", ".join(value.name + suffix for suffix in suffixes) or "no tensor"
    for part in value.layer.parts:
        if not any(is_in(suffix, part) for suffix in suffixes):
            yield value.name + part, f"it returned {there}"

"""Sinks: the interface between the hooks and what uses the layers' outputs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from torch import Tensor

from featmagic.recording.kept_passes import KeptPasses
from featmagic.recording.pytree import Reading, copied, tensors_in
from featmagic.recording.records import LayerOutput, Pass, is_in, one_tensor
from featmagic.support.errors import text_of


class Sink(Protocol):
    """Receives what layers return, pass by pass, while the model runs.

    The methods are called inside the user's forward pass, in the thread that runs it; if several
    threads run the model, calls overlap. The methods should be quick, and whatever they raise
    ends the user's forward pass.

    Every pass that began ends exactly once. If the model raised an error or was interrupted, the
    end comes later: when the same thread begins another pass, or when the hooks are removed.
    """

    def pass_began(self, forward_pass: Pass) -> None:
        """A pass began, of the model or of parts of it.

        `forward_pass.inputs` is set by the time the first layer returns.
        """

    def layer_returned(self, forward_pass: Pass, value: LayerOutput) -> None:
        """A layer returned; nothing has been copied yet.

        The tensors are those that the next layer receives. A layer that works in place may
        overwrite them as soon as this method returns, so a sink must copy what it keeps. A sink
        that only accumulates statistics needs no copy.
        """

    def pass_ended(self, forward_pass: Pass) -> None:
        """No further values of this pass will come; `forward_pass.failed` if it was cut short."""


class KeepPasses:
    """Keeps copies of the layers' outputs that `kept` takes.

    The copies are in the passes themselves (`Pass.activations`), which fill up as the model runs.
    What a later pass replaces is released before the new value is copied. `on_pass` is called when
    a pass begins.
    """

    def __init__(
        self, kept: KeptPasses | None = None, on_pass: Callable[[Pass], None] = lambda _: None
    ) -> None:
        self._kept = KeptPasses() if kept is None else kept
        self._on_pass = on_pass
        # Several threads may run parts of the model; one that was interrupted here may go on.
        self._lock = threading.RLock()

    def pass_began(self, forward_pass: Pass) -> None:
        """Add the pass, which has no activations yet."""
        with self._lock:
            self._kept.begin(forward_pass)
        self._on_pass(forward_pass)

    def layer_returned(self, forward_pass: Pass, value: LayerOutput) -> None:
        """Keep a copy of every selected tensor; no output stops the model."""
        with self._lock:
            if not self._kept.takes(forward_pass, value.layer.path):
                return
        if value.empty:
            for suffix, reason in value.empty.items():
                self._lack(forward_pass, value, value.name + suffix, reason)
        if type(value.output) is Tensor and not value.layer.parts:  # the usual case, in less time
            self._keep(forward_pass, value, "", value.output)
            return
        reading = Reading()
        tensors = list(tensors_in(value.output, reading=reading))
        for suffix, reason in reading.unread.items():
            if value.layer.wants(suffix) or not suffix:
                self._lack(forward_pass, value, value.name + suffix, reason)
        for key, reason in _missing_parts(value, [suffix for suffix, _ in tensors]):
            self._lack(forward_pass, value, key, reason)
        for suffix, tensor in tensors:
            if value.layer.wants(suffix):
                self._keep(forward_pass, value, suffix, tensor)

    def _keep(self, forward_pass: Pass, value: LayerOutput, suffix: str, tensor: Tensor) -> None:
        key = value.name + suffix
        while key in forward_pass.activations:  # a layer or a key of a dict may have that name, too
            key += "_"
        # Weights that a look added are used nowhere else, so they need no copy.
        is_ours = value.asked and suffix == "[1]" and not tensor.is_inference()
        try:
            kept = tensor if is_ours else copied(tensor)
            traced = None if value.trace is None else value.trace.traced_of(tensor)
            activation = forward_pass.activation(key, value, kept, traced)
            if value.given is not None:
                forward_pass.copies.add(tensor, kept, key)
        except Exception as error:  # such as too little memory
            reason = f"its output can't be copied: {text_of(error)}"
            self._lack(forward_pass, value, key, reason)
            return
        # Otherwise a later pass has run the layer meanwhile.
        if self._kept.takes(forward_pass, value.layer.path):
            forward_pass.keep(activation)

    def _lack(self, forward_pass: Pass, value: LayerOutput, key: str, reason: str) -> None:
        if self._kept.takes(forward_pass, value.layer.path):
            forward_pass.lack(value.layer.path, key, reason)

    def pass_ended(self, forward_pass: Pass) -> None:
        """Mark the pass as ended; one without activations may then be dropped."""
        forward_pass.ended = True
        forward_pass.copies.clear()


def _missing_parts(value: LayerOutput, suffixes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the key of each missing part of the output, with the reason."""
    if not suffixes:
        yield value.name, f"it returned no tensor ({type(value.output).__name__})"
    there = ", ".join(value.name + suffix for suffix in suffixes) or "no tensor"
    why = one_tensor(value.kind, value.name) if suffixes == [""] else f"it returned {there}"
    for part in value.layer.parts:
        if not any(is_in(suffix, part) for suffix in suffixes):
            yield value.name + part, why

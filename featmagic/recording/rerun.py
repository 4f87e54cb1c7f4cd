"""Running the model again with another input, as a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from featmagic.recording.eval_mode import looking
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import Pass
from featmagic.recording.selectors import Selection, select
from featmagic.support.errors import FeatmagicError


@dataclass(frozen=True, eq=False)
class Rerun:
    """A model, and inputs to choose from.

    Attributes:
        model: is run in eval mode and without gradients; everything is put back.
        items: a tensor whose first axis is the items, or a list of what each call is given: a
            tensor, a tuple of arguments, or a mapping of named ones.
        paths: the layers.
        fields: whether what their places see of the image is looked for.
    """

    model: nn.Module
    items: Tensor | Sequence[Any]
    paths: tuple[str, ...]
    fields: bool = False

    def __len__(self) -> int:
        """How many there are."""
        return len(self.items)

    def selection(self) -> Selection:
        """The modules of those paths.

        Raises:
            FeatmagicError: the model hasn't got them.
        """
        return select(self.model, self.paths)

    def run(self, number: int) -> Pass:
        """The pass that the input of that number gives.

        Raises:
            FeatmagicError: the model's own forward was not called.
            Exception: whatever the model raises.

        Example:
            >>> import torch
            >>> net = nn.Sequential(nn.ReLU())
            >>> inputs = Rerun(net, torch.eye(3), ("0",))
            >>> inputs.run(1).activations["0"].tensor
            tensor([[0., 1., 0.]])
        """
        recorder = Recorder(self.selection(), follow=self.fields)
        with looking(self.model):
            try:
                with recorder:
                    self._call(number)
            finally:
                recorder.detach()  # an interrupt may have cut the first time short
        if recorder.last is None:
            raise FeatmagicError("The model has no forward pass that could be seen.")
        return recorder.last

    def _call(self, number: int) -> None:
        if isinstance(self.items, Tensor):
            self.model(self.items[number : number + 1])
            return
        item = self.items[number]
        if isinstance(item, tuple):
            self.model(*item)
        elif isinstance(item, Mapping):
            self.model(**item)
        else:
            self.model(item)


def rerun_of(model: Any, items: Any, paths: Sequence[str], *, fields: bool = False) -> Rerun | None:
    """The inputs that can be picked, or None where none are given.

    Raises:
        FeatmagicError: inputs without a model, or the other way round; none, or nothing that has a
            length; a model without the layers.
    """
    if items is None and model is None:
        return None
    if items is None:
        raise FeatmagicError("A model has no use without inputs: explore(model=model, inputs=xs).")
    if model is None:
        raise FeatmagicError("Inputs need the model: explore(model=model, inputs=xs).")
    if not (isinstance(items, (list, tuple)) or (isinstance(items, Tensor) and items.dim())):
        kind = type(items).__name__
        raise FeatmagicError(f"inputs is a tensor of items, or a list of them, not a {kind}.")
    if not len(items):
        raise FeatmagicError("inputs has no items.")
    found = Rerun(model, items, tuple(dict.fromkeys(paths)), fields)
    found.selection()
    return found

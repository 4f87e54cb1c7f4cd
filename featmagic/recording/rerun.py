"""Running a model again on another input, as a look does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn, strided

from featmagic.recording.recorder import Recorder
from featmagic.recording.records import Pass
from featmagic.recording.selectors import select
from featmagic.support.errors import FeatmagicError


@dataclass(frozen=True, eq=False)
class Rerun:
    """A model, and inputs to choose from.

    Attributes:
        model: the model, which runs in eval mode and without gradients; its state is restored.
        items: a tensor with one item per index of its first axis, or a list with the arguments of
            each call: a tensor, a tuple of arguments, or a mapping of keyword arguments.
        paths: the layers to record.
        fields: whether receptive fields are traced.
        weights: whether attention weights are computed that a layer doesn't return.
    """

    model: nn.Module
    items: Tensor | Sequence[Any]
    paths: tuple[str, ...]
    fields: bool = False
    weights: bool = True

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self.items)

    def run(self, number: int) -> Pass:
        """Run the model on one of the inputs.

        Args:
            number: the input, from 0.

        Returns:
            The pass, with the activations of the layers.

        Raises:
            FeatmagicError: no forward pass was seen.
            Exception: whatever the model raises.

        Example:
            >>> import torch
            >>> net = nn.Sequential(nn.ReLU())
            >>> inputs = Rerun(net, torch.eye(3), ("0",))
            >>> inputs.run(1).activations["0"].tensor
            tensor([[0., 1., 0.]])
        """
        selection = select(self.model, self.paths)
        with Recorder(selection, follow=self.fields, weights=self.weights) as recorder:
            self._call(number)
        if recorder.last is None:
            raise FeatmagicError("The model ran, but no forward pass of it was observed.")
        return recorder.last

    def _call(self, number: int) -> None:
        is_tensor = isinstance(self.items, Tensor)
        item = self.items[number : number + 1] if is_tensor else self.items[number]
        if isinstance(item, tuple):
            self.model(*item)
        elif isinstance(item, Mapping):
            self.model(**item)
        else:
            self.model(item)


def rerun_of(
    model: Any, items: Any, paths: Sequence[str], *, fields: bool = False, weights: bool = True
) -> Rerun | None:
    """Check a model, the inputs to choose from and the layers; None without model and inputs."""
    if items is None and model is None:
        return None
    if items is None:
        raise FeatmagicError("model needs inputs to choose from: explore(model=model, inputs=xs).")
    if model is None:
        raise FeatmagicError("inputs needs a model to run: explore(model=model, inputs=xs).")
    if not (isinstance(items, (list, tuple)) or (isinstance(items, Tensor) and items.dim())):
        raise FeatmagicError(
            "inputs must be a tensor of items or a list of them, not a value of type "
            f"{type(items).__name__}."
        )
    if isinstance(items, Tensor) and (items.is_nested or items.layout is not strided):
        raise FeatmagicError("inputs can't be a nested or sparse tensor: give a list of its items.")
    if not len(items):
        raise FeatmagicError("inputs has no items.")
    select(model, paths)
    items = items if isinstance(items, Tensor) else [*items]  # the caller's list may change
    return Rerun(model, items, tuple(dict.fromkeys(paths)), fields, weights)

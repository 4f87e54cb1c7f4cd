"""What a pass gave: activations, one for each tensor that a module returned."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from featmagic.recording.attention import CallOutput
from featmagic.recording.inputs import PassInputs
from featmagic.recording.layer_cache import LayerCache, layer_cache_of
from featmagic.recording.layout_hints import LayoutHint, layout_hints_of
from featmagic.recording.model_tree import unwrap
from featmagic.recording.pytree import copied, tensors_in
from featmagic.recording.receptive_field.field import NO_FIELD, ReceptiveField
from featmagic.recording.receptive_field.graph import TracedTensor
from featmagic.recording.receptive_field.tracer import Trace
from featmagic.support.text import printable


@dataclass(frozen=True, eq=False)
class Activation:
    """What one call of a module returned, or one tensor of it where the return value is nested.

    Attributes:
        key: the name it goes by, such as `relu:2` or `lstm[1][0]`.
        path: the module's path.
        kind: the module's class name.
        call: which call of the module in the pass, from 1.
        counts: how often each path was called in the pass; it counts on while the pass runs.
        tensor: a detached copy on the model's device, made when the module returned.
        hint: what the module says about the tensor's axes.
        inputs: what the pass was given.
        cache: what is kept of the layer from one look to the next.
        traced: what the tensor was made of, where it was followed.
    """

    key: str
    path: str
    kind: str
    call: int
    tensor: Tensor
    hint: LayoutHint = field(default_factory=LayoutHint)
    inputs: PassInputs = field(default_factory=PassInputs)
    cache: LayerCache = field(default_factory=LayerCache)
    traced: TracedTensor | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """How often the module was called in the pass."""
        return max(self.call, self.counts.get(self.path, 0))

    @property
    def field(self) -> ReceptiveField | None:
        """What each place of a feature map sees of the image, or None where that is unknown."""
        found = None if self.traced is None or self.tensor.dim() != 4 else self.traced.field
        return None if found == NO_FIELD else found


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that is recorded: what each of its activations says, whichever call it came from."""

    path: str
    hint: LayoutHint = field(default_factory=LayoutHint)
    cache: LayerCache = field(default_factory=LayerCache)


def layers_of(tree: Mapping[str, nn.Module], modules: Mapping[str, nn.Module]) -> dict[str, Layer]:
    """The modules as layers by path, each with what it says in the light of the whole tree.

    Example:
        >>> net = nn.Sequential(nn.ReLU())
        >>> layers_of({".": net, "0": net[0]}, {"0": net[0]})["0"].path
        '0'
    """
    hint = layout_hints_of(tree, modules)
    inner = {path: unwrap(module)[-1] for path, module in modules.items()}
    return {path: Layer(path, hint[path], layer_cache_of(inner[path])) for path in modules}


@dataclass(eq=False)
class Pass:
    """One call of the whole model.

    Attributes:
        activations: by key, in the order the layers returned.
        calls: how often each layer was called.
        empty: the calls that gave no activation, each with the reason.
        inputs: what the model was given; nothing where only a part of it was called.
        failed: whether the pass was cut short, or is still under way.
        thread: the thread in which it began.
    """

    activations: dict[str, Activation] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    empty: dict[str, str] = field(default_factory=dict)
    inputs: PassInputs = field(default_factory=PassInputs)
    failed: bool = False
    thread: int = field(default_factory=threading.get_ident)

    def count(self, path: str) -> int:
        """Which call of that layer this is, from 1."""
        self.calls[path] += 1
        return self.calls[path]

    def keep(
        self,
        layer: Layer,
        module: nn.Module,
        call: int,
        returned: CallOutput,
        parts: Collection[str] = (),
        trace: Trace | None = None,
    ) -> None:
        """Keep a copy of every tensor returned, or of those in the parts that are wanted.

        Whatever it is, the user's forward goes on.
        """
        name = layer.path if call == 1 else f"{layer.path}:{call}"
        kind, output = type(unwrap(module)[-1]).__name__, returned.output
        hint = replace(layer.hint, asked=returned.asked)
        self.empty |= {name + suffix: reason for suffix, reason in returned.empty.items()}
        try:
            tensors = list(tensors_in(output))
        except Exception as error:
            self.empty[name] = f"its output can't be read: {printable(str(error))}"
            return
        if not tensors:
            self.empty[name] = f"it returned no tensor ({printable(type(output).__name__)})"
        for part in parts:
            if name + part not in self.empty and not any(_is_in(one, part) for one, _ in tensors):
                there = ", ".join(name + suffix for suffix, _ in tensors) or "no tensor"
                self.empty[name + part] = f"it returned {there}"
        for suffix, tensor in tensors:
            if parts and not any(_is_in(suffix, part) for part in parts):
                continue
            key = name + suffix
            try:
                self.activations[key] = Activation(
                    key, layer.path, kind, call, copied(tensor), hint, self.inputs, layer.cache,
                    None if trace is None else trace.traced_of(tensor), self.calls,
                )  # fmt: skip
            except Exception as error:
                self.empty[key] = f"its output can't be copied: {printable(str(error))}"


def _is_in(suffix: str, part: str) -> bool:
    """Whether a tensor lies in the part of an output: `[1][0]` in `[1]`."""
    return suffix == part or suffix.startswith(part + "[")


@dataclass(frozen=True, eq=False)
class Request:
    """What a view is asked to show.

    Attributes:
        activations: In the order in which the layers ran.
        named: Whether the layers were asked for by name: each of them has to be shown then.
        maps: The mapping that the activations are from, to find the user's variable by.
        model: Runs again on an input that is picked in an explorer.
        inputs: Can be picked in an explorer.
    """

    activations: Sequence[Activation]
    named: bool = False
    maps: object = None
    model: Any = None
    inputs: Any = None


def call_of(activation: Activation) -> str:
    """Which call of its module an activation is, in words; nothing where there was one only."""
    calls = activation.calls
    return f"call {activation.call} of {calls}" if calls > 1 else ""


def shape_of(tensor: Tensor) -> str:
    """A tensor's shape as Python writes it.

    Example:
        >>> import torch
        >>> shape_of(torch.zeros(1, 5, 24, 24))
        '(1, 5, 24, 24)'
    """
    return "(nested)" if tensor.is_nested else str(tuple(tensor.shape))

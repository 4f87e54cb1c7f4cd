"""What a pass gives: its layers' outputs as they come, and the activations that are kept."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn

from featmagic.recording.convolution import Convolution, Copies, convolution_of
from featmagic.recording.given import GivenTensors
from featmagic.recording.inputs import PassInputs
from featmagic.recording.layer_cache import LayerCache, layer_cache_of
from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.layout_hints import LayoutHint, layout_hints_of
from featmagic.recording.model_tree import unwrap, wrapped_in
from featmagic.recording.pass_number import PassNumber
from featmagic.recording.pytree import tensors_in
from featmagic.recording.receptive_field.field import NO_FIELD, ReceptiveField
from featmagic.recording.receptive_field.graph import TracedTensor
from featmagic.recording.receptive_field.tracer import Trace


class Layer(NamedTuple):
    """A module that is recorded, with what all of its activations share."""

    path: str
    hint: LayoutHint
    cache: LayerCache
    parts: frozenset[str]  # the selected parts of its output, as expressions; empty for all
    is_block: bool = False  # whether only what no other layer gave counts
    convolution: Convolution | None = None
    called: str = ""  # what the user calls the model itself, of which this is a layer

    def wants(self, suffix: str) -> bool:
        """Return True if the suffix reaches a tensor in a selected part."""
        return not self.parts or any(is_in(suffix, part) for part in self.parts)


def is_in(suffix: str, part: str) -> bool:
    """Return True if a tensor lies in a part of an output, as `[1][0]` does in `[1]`."""
    return suffix == part or suffix.startswith((part + "[", part + "."))


def one_tensor(kind: str, path: str) -> str:
    """Return the reason why a layer that returns one tensor has no parts."""
    return f"{kind} returns a single tensor; use '{path}'"


def layers_of(
    tree: Mapping[str, nn.Module],
    modules: Mapping[str, nn.Module],
    parts: Mapping[str, frozenset[str]],
    blocks: Collection[str] = (),
    called: str = "",
) -> dict[str, Layer]:
    """Return a `Layer` for each of the modules, by path; no parts means all parts.

    `called` is what the user calls the model.
    """
    hints = layout_hints_of(tree, modules)
    caches = {path: layer_cache_of(unwrap(module)[-1]) for path, module in modules.items()}
    return {
        path: Layer(
            path,
            hints[path],
            caches[path],
            parts.get(path, frozenset()),
            path in blocks,
            None if path in blocks else convolution_of(module),
            called,
        )
        for path, module in modules.items()
    }


class LayerOutput(NamedTuple):
    """What one call of a layer returned, before anything is copied."""

    layer: Layer
    module: nn.Module  # the layer's own, or a replica of it
    call: int  # which call of the layer in the pass, from 1
    output: object
    asked: bool  # whether a look added the attention weights in `output`
    empty: Mapping[str, str]  # why parts are missing, by the expression that reaches them
    trace: Trace | None  # what the tensors of the pass were computed from, if traced
    # The positional and keyword arguments of the call, if the look explores.
    given: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None

    @property
    def name(self) -> str:
        """The key of the output as a whole: `relu`, or `relu:2` for the second call."""
        path = self.layer.path
        return path if self.call == 1 else f"{path}:{self.call}"

    @property
    def kind(self) -> str:
        """The class name of the module, without wrappers."""
        if wrapped_in(self.module) is None:  # the usual case, in less time
            return type(self.module).__name__
        return type(unwrap(self.module)[-1]).__name__

    def tensors(self) -> dict[str, Tensor]:
        """Return the selected tensors in the output, by key, without copying them."""
        tensors = tensors_in(self.output)
        return {self.name + suffix: t for suffix, t in tensors if self.layer.wants(suffix)}


@dataclass(frozen=True, eq=False)
class Activation:
    """A tensor that one call of a module returned.

    Attributes:
        key: its name, such as `relu:2` or `lstm[1][0]`.
        path: the module's path.
        kind: the module's class name.
        call: which call of the module in the pass, from 1.
        tensor: a detached copy on the model's device, made when the module returned.
        hint: what the module and the modules around it imply about the tensor's axes.
        inputs: what the model was given in the pass.
        cache: what is kept of the module from one look to the next.
        traced: what the tensor was computed from; None if that wasn't traced.
        convolution: the module and its input, if it is a convolution.
        counts: how often each path was called in the pass; grows while the pass runs.
        of_pass: the pass that it comes from.
        same_as: the key of the activation before it in the pass that is of the very same tensor,
            unchanged, as an `Identity` returns it; "" if there is none or layers were named.
        called: what the user calls the model, such as `net` or `model.cnn1`; "" if unknown.
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
    convolution: Convolution | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    of_pass: PassNumber = field(default_factory=PassNumber)
    same_as: str = ""
    called: str = ""

    @property
    def label(self) -> str:
        """The key for people: the model itself goes by what the user calls it, or by its class."""
        if self.path != ROOT:  # the usual case
            return self.key
        return (self.called or self.kind) + self.key.removeprefix(ROOT)

    @property
    def calls(self) -> int:
        """How often the module was called in the pass."""
        return max(self.call, self.counts.get(self.path, 0))

    @property
    def field(self) -> ReceptiveField | None:
        """The receptive field of each place in a feature map, or None where it is unknown."""
        if self.traced is None or self.tensor.dim() != 4:
            return None
        receptive_field = self.traced.field
        return None if receptive_field == NO_FIELD else receptive_field

    @property
    def keeps_input(self) -> bool:
        """Whether the module is a convolution whose input was kept."""
        return self.convolution is not None and self.convolution.given is not None


@dataclass(eq=False)
class Pass:
    """One call of the whole model, or of parts of it on their own.

    Attributes:
        number: its number among the passes.
        activations: what is kept of it, by key, in the order in which the layers returned.
        empty: the keys that have no activation, each with the reason.
        order: the keys of all activations that it ever had, in order.
        calls: how often each layer was called, by path.
        inputs: what the model was given; empty if only parts of it were called.
        failed: whether the pass was cut short, or is still under way.
        ended: whether no further values will come.
        thread: the thread in which it began.
        copies: the copies of tensors that it made so far, if the look explores.
        given: the tensors that layers gave so far; None once it has ended, or if layers were named.
        repeated: the keys that blocks would have if a layer hadn't given the same tensor, each with
            the key that the layer gave.
    """

    number: PassNumber = field(default_factory=PassNumber)
    activations: dict[str, Activation] = field(default_factory=dict)
    empty: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    inputs: PassInputs = field(default_factory=PassInputs)
    failed: bool = False
    ended: bool = False
    thread: int = field(default_factory=threading.get_ident)
    copies: Copies = field(default_factory=Copies)
    given: GivenTensors | None = None
    repeated: dict[str, str] = field(default_factory=dict)
    # By path, the keys of `activations`, of `empty` and of `repeated`.
    _keys: dict[str, list[str]] = field(default_factory=dict)

    def activation(
        self,
        key: str,
        value: LayerOutput,
        tensor: Tensor,
        traced: TracedTensor | None,
        same_as: str = "",
    ) -> Activation:
        """Make an activation of a tensor that a layer returned in this pass."""
        layer, convolution = value.layer, value.layer.convolution
        if value.given is not None and convolution is not None:
            convolution = convolution.called(*value.given, self.copies)
        activation = object.__new__(Activation)
        # What its `__init__` does field by field, in a third of the time.
        vars(activation).update(
            key=key,
            path=layer.path,
            kind=value.kind,
            call=value.call,
            tensor=tensor,
            hint=layer.hint._replace(asked=True) if value.asked else layer.hint,
            inputs=self.inputs,
            cache=layer.cache,
            traced=traced,
            convolution=convolution,
            counts=self.calls,
            of_pass=self.number,
            same_as=same_as,
            called=layer.called,
        )
        return activation

    def keep(self, activation: Activation) -> None:
        """Keep what a call of a layer returned."""
        self.activations[activation.key] = activation
        self.order.append(activation.key)
        self._keys.setdefault(activation.path, []).append(activation.key)

    def lack(self, path: str, key: str, reason: str) -> None:
        """Note why a key of a layer has no activation, unless there is a reason already."""
        if key not in self.empty:
            self.empty[key] = reason
            self._keys.setdefault(path, []).append(key)

    def repeat(self, path: str, key: str, given_as: str) -> None:
        """Note that a block returned what a layer gave, under which key."""
        self.repeated[key] = given_as
        self._keys.setdefault(path, []).append(key)

    def release(self, path: str) -> None:
        """Drop everything that a layer returned."""
        for key in self._keys.pop(path, ()):
            self.activations.pop(key, None)
            self.empty.pop(key, None)
            self.repeated.pop(key, None)

    @property
    def holds_any(self) -> bool:
        """Whether it holds anything."""
        return bool(self._keys)


@dataclass(frozen=True, eq=False)
class Request:
    """What a view is asked to show."""

    activations: Sequence[Activation]  # in the order in which the layers ran
    named: bool = False  # whether layers were named, so that each must be shown
    maps: object = None  # the mapping that the activations are from, to find the variable by
    model: Any = None  # runs again on an input that is picked in an explorer
    inputs: Any = None  # can be picked in an explorer


def call_of(activation: Activation) -> str:
    """Return which call an activation is from, in words; "" if the module was called once."""
    calls = activation.calls
    return f"call {activation.call} of {calls}" if calls > 1 else ""


def names_apart(activations: Sequence[Activation]) -> list[str]:
    """Return a name for each activation: its key, or `cnn1@pass2` if keys repeat over passes."""
    keys = [each.key for each in activations]
    if len(set(keys)) == len(keys):
        return keys
    names: dict[str, None] = {}
    for each in activations:
        number = each.of_pass
        name = f"{each.key}@pass{number.number}" if number.is_numbered else each.key
        while name in names:  # a layer may have this name
            name += "_"
        names[name] = None
    return list(names)


def shape_of(tensor: Tensor) -> str:
    """Return a tensor's shape as Python writes it."""
    return "(nested)" if tensor.is_nested else str(tuple(tensor.shape))

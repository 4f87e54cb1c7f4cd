"""Placement: the model's device, and moving the arguments of a call there."""

from __future__ import annotations

import copy
import inspect
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from featmagic.recording.model_tree import modules_of, unwrap
from featmagic.recording.pytree import (
    MOST_CONTAINERS,
    MOST_LEVELS,
    Reading,
    attributes_of,
    is_a,
    items_without_keys,
    parts_of,
    tensors_in,
)
from featmagic.recording.torch_private import buffers_of, parameters_of
from featmagic.support.errors import one_line
from featmagic.support.text import printable

# Names of one-dimensional arguments that aren't lengths, even if their values would fit.
_NOT_LENGTHS = ("label", "target", "class", "id", "token", "offset", "index", "indices")


@dataclass
class MovedInputs:
    """What was moved to the model's device, and what wasn't.

    Attributes:
        tensors: how many tensors were moved, by the device they came from.
        left: messages on what wasn't moved.
    """

    tensors: Counter[str] = field(default_factory=Counter)
    left: dict[str, None] = field(default_factory=dict)  # in order, each once

    def __bool__(self) -> bool:
        """Return True if there is something to say."""
        return bool(self.tensors or self.left)


def device_of(model: nn.Module) -> torch.device | None:
    """Return the one device of the model's parameters, or of its buffers if it has none.

    None if there are several, as the model then places its inputs itself, or if it is "meta", where
    tensors hold no values.
    """
    modules = modules_of(model)
    devices = {p.device for module in modules for p in parameters_of(module)}
    devices = devices or {b.device for module in modules for b in buffers_of(module)}
    device = devices.pop() if len(devices) == 1 else None
    return None if device is None or device.type == "meta" else device


def move_to_device(
    device: torch.device, model: nn.Module, args: Any, kwargs: Any, moved: MovedInputs
) -> tuple[Any, Any]:
    """Return the arguments of a call of the model with their tensors on `device`.

    If any of them is on `device` already, the caller has placed them, and none is moved: a model
    may need some on the CPU. Otherwise all are moved except the lengths for `pack_padded_sequence`,
    which torch requires on the CPU.

    Containers keep their type, and the caller's own are never modified; a tensor or container that
    occurs twice is moved once and stays shared. What can't be moved is left where it is and noted
    in `moved`. No arguments make this function raise an error.
    """
    reading = Reading()
    tensors = [tensor for _, tensor in tensors_in((args, kwargs), reading=reading)]
    devices = {_device_of(tensor) for tensor in tensors}
    elsewhere = (devices | {_device_of(tensor) for tensor in reading.held}) - {device, None}
    # What can't be read is taken to be on the CPU.
    if device in devices or not (elsewhere or (reading.unread and device.type != "cpu")):
        return args, kwargs
    mover = _Mover(device, model, moved, tensors)
    names = _parameter_names(model, args)
    placed = [mover.move(arg, name) for arg, name in zip(args, names, strict=True)]
    named = {name: mover.move(arg, name) for name, arg in kwargs.items()}
    return tuple(placed), named


def _device_of(tensor: Tensor) -> torch.device | None:
    """Return the device of a tensor; None if its class raises an error when asked."""
    try:
        return tensor.device
    except Exception:
        return None


def _parameter_names(model: nn.Module, args: Any) -> list[str]:
    """Return the parameter names of the positional arguments; "" where they are unknown."""
    try:
        parameters = inspect.signature(unwrap(model)[-1].forward).parameters.values()
    except Exception:  # it has no signature
        return [""] * len(args)
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in by_place]
    return (names + [""] * len(args))[: len(args)]


class _SelfContaining(Exception):
    """A container was found inside itself."""


class _Mover:
    """Moves the tensors in the arguments of one call."""

    def __init__(
        self, device: torch.device, model: nn.Module, moved: MovedInputs, tensors: list[Tensor]
    ) -> None:
        self._device, self._model, self._moved, self._tensors = device, model, moved, tensors
        # By id. The value is kept beside its result, so that its id isn't reused.
        self._done: dict[int, tuple[Any, Any]] = {}
        self._containers = 0

    def move(self, value: Any, name: str = "", above: tuple[int, ...] = ()) -> Any:
        """Return the value with its tensors moved; the value itself if none was moved."""
        if id(value) in self._done:
            return self._done[id(value)][1]
        if is_a(value, Tensor) or is_a(value, PackedSequence):
            result = self._move_tensor(value, name)
        else:
            result = self._move_container(value, name, above)
        self._done[id(value)] = value, result
        return result

    def _move_tensor(self, value: Any, name: str) -> Any:
        source = _device_of(value if is_a(value, Tensor) else value.data)
        if source in (self._device, None):
            return value
        if is_a(value, Tensor) and self._is_lengths(value, name):
            self._leave(f"{_called(name)} stays on {source}, as pack_padded_sequence requires")
            return value
        try:
            result = value.to(self._device)
        except Exception as error:  # such as too little memory, or a tensor without values
            self._leave(f"{_called(name)} stays on {source}: {one_line(error)}")
            return value
        self._moved.tensors[str(source)] += 1
        return result

    def _move_container(self, value: Any, name: str, above: tuple[int, ...]) -> Any:
        if id(value) in above:
            raise _SelfContaining(id(value))
        self._containers += 1
        kind = printable(type(value).__name__)
        if self._containers > MOST_CONTAINERS or len(above) >= MOST_LEVELS:
            self._leave(f"a {kind} isn't moved: it is nested too deeply, or holds too much")
            return value
        above = (*above, id(value))
        counted = self._moved.tensors.copy()
        try:
            before = _parts(value)
            if before is None:
                self._leave_object(value, kind)
                return value
            parts = {
                key: self.move(part, key if type(key) is str else name, above)
                for key, part in before.items()
            }
            if all(parts[key] is part for key, part in before.items()):
                return value
            result = self._rebuilt(value, parts)
        except _SelfContaining as again:
            if again.args != (id(value),):
                raise
            self._moved.tensors = counted
            self._leave(f"a {kind} that contains itself isn't moved")
            return value
        except Exception as error:  # a container of the user's may raise anything
            self._moved.tensors = counted
            self._leave(f"a {kind} isn't moved: {one_line(error)}")
            return value
        if not _holds(result, value, parts):
            self._moved.tensors = counted
            self._leave(f"a {kind} isn't moved: it can't be rebuilt around the moved tensors")
            return value
        return result

    def _leave_object(self, value: Any, kind: str) -> None:
        reading = Reading()
        tensors = [tensor for _, tensor in tensors_in(value, reading=reading)]
        devices = {_device_of(tensor) for tensor in (*tensors, *reading.held)}
        if devices - {self._device, None}:
            self._leave(f"a {kind} isn't moved: move its tensors to the model's device yourself")

    def _leave(self, words: str) -> None:
        self._moved.left[printable(words)] = None

    def _rebuilt(self, value: Any, parts: dict[Any, Any]) -> Any:
        """Return a container of the same type that holds these parts in place of its own."""
        if is_a(value, tuple):
            items = [parts.get(place, item) for place, item in enumerate(tuple.__iter__(value))]
            try:
                result: Any = tuple.__new__(type(value), items)
            except TypeError:  # torch.return_types are constructed differently
                result = type(value)(items)
        elif is_a(value, list):
            items = [parts.get(place, item) for place, item in enumerate(list.__iter__(value))]
            result = list.__new__(type(value))
            list.extend(result, items)
        elif is_a(value, set):
            result = set.__new__(type(value))
            set.update(result, parts.values())
        elif is_a(value, frozenset):
            result = frozenset.__new__(type(value), parts.values())
        elif is_a(value, deque):
            result = copy.copy(value)
            deque.clear(result)
            deque.extend(result, parts.values())
        elif is_a(value, dict):
            result = copy.copy(value)
            for key, part in parts.items():
                dict.__setitem__(result, key, part)
        elif issubclass(type(value), Mapping):
            return self._object_rebuilt(value)
        else:
            result = copy.copy(value)
            for name, part in parts.items():
                object.__setattr__(result, name, part)
            return result
        for name, attribute in attributes_of(value).items():
            with suppress(AttributeError):  # it is one of the items, as in what torch.max returns
                object.__setattr__(result, name, self._done.get(id(attribute), (0, attribute))[1])
        return result

    def _object_rebuilt(self, value: Any) -> Any:
        """Return a copy of a mapping whose attributes hold its items, in dicts of their own."""
        result = object.__new__(type(value))
        for name, attribute in attributes_of(value).items():
            object.__setattr__(result, name, self.move(attribute))
        return result

    def _is_lengths(self, tensor: Tensor, name: str) -> bool:
        """Return True for lengths of sequences, which a recurrent model needs on the CPU.

        The parameter's name decides; if it doesn't, the values do: whether they could be lengths of
        the sequences in another argument, by its first two dimensions.
        """
        if type(tensor) is not Tensor or tensor.is_nested or tensor.device.type != "cpu":
            return False
        if tensor.dim() != 1 or tensor.dtype != torch.int64:
            return False
        if not any(isinstance(module, nn.RNNBase) for module in modules_of(self._model)):
            return False
        name = name.lower()
        if "len" in name:
            return True
        if not len(tensor) or name == "y" or any(word in name for word in _NOT_LENGTHS):
            return False
        least, most = int(tensor.min()), int(tensor.max())
        pairs = [tuple(each.shape[:2]) for each in self._tensors if _is_plain(each)]
        fits = [{(n, steps), (steps, n)} for n, steps in pairs]
        count = len(tensor)
        return least >= 1 and any(
            n == count and most <= steps for sides in fits for n, steps in sides
        )


def _parts(value: Any) -> dict[Any, Any] | None:
    """Return what a container holds by key, or by its place if it has none; None for an object."""
    items = items_without_keys(value)
    return parts_of(value) if items is None else dict(enumerate(items))


def _called(name: str) -> str:
    return f"'{name}'" if name else "a tensor"


def _is_plain(tensor: Tensor) -> bool:
    """Return True for an ordinary tensor with two dimensions or more."""
    return type(tensor) is Tensor and not tensor.is_nested and tensor.dim() >= 2


def _holds(result: Any, value: Any, parts: dict[Any, Any]) -> bool:
    """Return True if a rebuilt container has the same type and holds exactly these parts."""
    try:
        there = _parts(result) or {}
        same_keys = type(result) is type(value) and there.keys() == parts.keys()
        if is_a(value, set) or is_a(value, frozenset):  # in any order
            return same_keys and set(map(id, there.values())) == set(map(id, parts.values()))
        return same_keys and all(there[key] is part for key, part in parts.items())
    except Exception:  # a container of the user's may raise anything when it is read
        return False

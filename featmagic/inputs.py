"""Moving a call's tensors to the model's device, wherever in the arguments they are."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from featmagic.nested import parts_of


def device_of(model: nn.Module) -> torch.device | None:
    """The one device of the model's parameters; of its buffers, where it has no parameters.

    Returns:
        None where there is none, or several (the model then places its own inputs), or "meta",
        where weights are only promised.

    Example:
        >>> device_of(nn.Linear(2, 2))
        device(type='cpu')
    """
    devices = {p.device for p in model.parameters()} or {b.device for b in model.buffers()}
    device = devices.pop() if len(devices) == 1 else None
    return None if device is None or device.type == "meta" else device


def moved_to(
    device: torch.device, value: Any, moved: Counter[str], above: tuple[int, ...] = ()
) -> Any:
    """`value` with every tensor in it on `device`; the very same object where none had to move.

    Containers keep their type and the caller's own are never written to. `moved` counts what
    moved, by the device it came from.

    Example:
        >>> moved_to(torch.device("cpu"), [torch.zeros(1)], Counter())
        [tensor([0.])]
    """
    if isinstance(value, (Tensor, PackedSequence)):
        source = value.device if isinstance(value, Tensor) else value.data.device
        if source == device:
            return value
        moved[str(source)] += 1
        tensor: Any = value
        return tensor.to(device)
    if id(value) in above:  # a list may hold itself
        return value
    above = (*above, id(value))
    parts = parts_of(value)
    there = {key: moved_to(device, part, moved, above) for key, part in parts.items()}
    if all(there[key] is part for key, part in parts.items()):
        return value
    return _rebuilt(value, there)


def _rebuilt(value: Any, parts: dict[Any, Any]) -> Any:
    if isinstance(value, tuple):
        items = parts.values()
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    result = copy.copy(value)
    if isinstance(result, (MutableMapping, list)):
        for key, part in parts.items():
            result[key] = part
        return result
    if isinstance(result, Mapping):
        return type(value)(parts)
    for name, part in parts.items():
        object.__setattr__(result, name, part)
    return result

"""What a pass gave: activations, one for each tensor that a module returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass

from torch import Tensor, nn

from featmagic.tree import unwrap


@dataclass(frozen=True)
class Activation:
    """What one call of a module returned, or one tensor of it where the return value is nested.

    Attributes:
        key: the name it goes by, such as `relu:2` or `lstm[1][0]`.
        path: the module's path.
        kind: the module's class name.
        call: which call of the module in the pass, from 1.
        tensor: a detached copy on the model's device, made when the module returned.
    """

    key: str
    path: str
    kind: str
    call: int
    tensor: Tensor


@dataclass
class Pass:
    """One call of the whole model: its activations by key, in the order the layers returned."""

    activations: dict[str, Activation] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    without_tensor: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, module: nn.Module, output: object, wanted: frozenset[int]) -> None:
        """Keep a copy of every tensor in `output`, unless the call isn't among the wanted ones."""
        self.calls[path] += 1
        call = self.calls[path]
        if wanted and call not in wanted:
            return
        name = path if call == 1 else f"{path}:{call}"
        kind = type(unwrap(module)[-1]).__name__
        found = False
        for suffix, tensor in tensors_in(output):
            found = True
            # A layer that works in place may be next: keep the values, not the storage.
            kept = Activation(name + suffix, path, kind, call, tensor.detach().clone())
            self.activations[kept.key] = kept
        if not found:
            self.without_tensor[name] = type(output).__name__


def tensors_in(value: object, suffix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a module's return value, with the Python that reaches it.

    Tuples, lists, named tuples, dicts, dataclasses and what derives from them; None is skipped.

    Example:
        >>> from torch import ones
        >>> [suffix for suffix, _ in tensors_in((ones(1), {"h": ones(1), "c": None}))]
        ['[0]', "[1]['h']"]
    """
    if isinstance(value, Tensor):
        yield suffix, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from tensors_in(part, f"{suffix}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from tensors_in(part, f"{suffix}[{index}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from tensors_in(getattr(value, part.name), f"{suffix}[{part.name!r}]")

"""The graph of a traced pass: receptive fields are computed when asked for, not while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from featmagic.recording.receptive_field.field import Field, union

# A rule takes the traced output of a function, then the function's arguments, in which traced
# tensors replace tensors. It may raise an error for arguments that it isn't made for.
Rule = Callable[..., Field]

# The rule, if the function has one, and the arguments of the call.
Made = tuple["Rule | None", Sequence[Any], Mapping[str, Any]]


class TracedTensor:
    """A tensor as it was at one time: its shape, and what it was computed from.

    It holds no tensor: those that it was computed from are traced tensors, too. Its field is known
    from the start, or computed by what it was made by; unknown if neither is given.
    """

    __slots__ = ("_field", "_made", "shape")

    def __init__(
        self, shape: tuple[int, ...], field: Field = None, made: Made | None = None
    ) -> None:
        self.shape, self._field, self._made = shape, field, made

    def __reduce__(self) -> tuple[Any, ...]:
        return TracedTensor, (tuple(self.shape), self.field)

    def dim(self) -> int:
        """Return the number of axes, as a tensor's own method does."""
        return len(self.shape)

    @property
    def field(self) -> Field:
        """The receptive field of each of its places."""
        waiting = [self]  # no recursion: a network may be deeper than Python's stack
        while waiting:
            pending = [tensor for tensor in waiting[-1]._sources() if tensor._made is not None]
            waiting += pending
            if not pending:
                waiting.pop()._compute()
        return self._field

    def _sources(self) -> Iterator[TracedTensor]:
        """Yield what it was computed from, as long as its field is not known."""
        return iter(()) if self._made is None else traced_tensors_in(*self._made[1:])

    def _compute(self) -> None:
        """Compute the field from the fields of all sources, which are known."""
        if self._made is None:
            return
        rule, args, kwargs = self._made
        with suppress(Exception):  # arguments that the rule isn't made for
            self._field = _field_everywhere(self._sources())
            if self._field is None and rule is not None:
                self._field = rule(self, *args, **kwargs)
        self._made = None


def _field_everywhere(sources: Iterable[TracedTensor]) -> Field:
    """Return the union if all fields are the same everywhere: no function can make them larger."""
    fields = [source.field for source in sources]
    same = [field for field in fields if field is not None and field.is_same_everywhere]
    return union(same, (1, 1)) if same and len(same) == len(fields) else None


def traced_tensors_in(args: Iterable[Any], kwargs: Mapping[str, Any]) -> Iterator[TracedTensor]:
    """Yield the traced tensors among a function's arguments, and in lists and tuples of them."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, TracedTensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from traced_tensors_in(value, {})

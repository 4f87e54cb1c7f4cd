"""What a tensor saw of the image, worked out when somebody asks and not while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from featmagic.recording.receptive_field.field import ReceptiveField, union

# A rule is given the result's sight, then the function's arguments, with sights in the place of
# tensors; it gives None where it can't tell, and may raise where it isn't made for them.
Rule = Callable[..., "ReceptiveField | None"]


# The rule, if the function has one; what the function was called with.
Made = tuple["Rule | None", Sequence[Any], Mapping[str, Any]]


class TracedTensor:
    """A tensor as it was at one time: its shape, and what it was made of.

    It holds no tensor: those that went into it are sights, too.

    Args:
        shape: the tensor's.
        field: what each of its places sees, where that is known from the start.
        made: what it was made by and of, else; None for the unknown.

    Attributes:
        shape: the tensor's.

    Example:
        >>> TracedTensor((1, 8, 9, 9), ReceptiveField((3, 3))).field
        ReceptiveField(size=(3, 3), step=(1, 1), start=(0, 0))
    """

    __slots__ = ("_field", "_made", "shape")

    def __init__(
        self, shape: tuple[int, ...], field: ReceptiveField | None = None, made: Made | None = None
    ) -> None:
        self.shape, self._field, self._made = shape, field, made

    def __reduce__(self) -> tuple[Any, ...]:
        return TracedTensor, (tuple(self.shape), self.field)

    def dim(self) -> int:
        """How many axes the tensor has."""
        return len(self.shape)

    @property
    def field(self) -> ReceptiveField | None:
        """What each of its places sees; None where that can't be told."""
        waiting = [self]  # a network may be deeper than Python's stack
        while waiting:
            untold = [one for one in waiting[-1]._before() if one._made is not None]
            waiting += untold
            if not untold:
                waiting.pop()._tell()
        return self._field

    def _before(self) -> Iterator[TracedTensor]:
        """What went into it, until its field is told."""
        return iter(()) if self._made is None else traced_tensors_in(*self._made[1:])

    def _tell(self) -> None:
        """Work the field out, where those of all that went into it are."""
        if self._made is None:
            return
        rule, args, kwargs = self._made
        with suppress(Exception):  # arguments that the rule isn't made for
            self._field = _same(self._before())
            if self._field is None and rule is not None:
                self._field = rule(self, *args, **kwargs)
        self._made = None


def _same(sights: Iterable[TracedTensor]) -> ReceptiveField | None:
    """Of what is the same everywhere, any function makes what sees no more than that."""
    fields = [traced.field for traced in sights]
    same = [field for field in fields if field is not None and field.is_same_everywhere]
    return union(same, (1, 1)) if same and len(same) == len(fields) else None


def traced_tensors_in(args: Iterable[Any], kwargs: Mapping[str, Any]) -> Iterator[TracedTensor]:
    """The sights among a function's arguments, and in lists and tuples of them.

    Example:
        >>> len(list(traced_tensors_in(([TracedTensor((1,))], 2), {"weight": TracedTensor((1,))})))
        2
    """
    for value in (*args, *kwargs.values()):
        if isinstance(value, TracedTensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from traced_tensors_in(value, {})

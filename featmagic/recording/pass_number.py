"""The number of a pass, and how many passes there were."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(eq=False)
class PassCounts:
    """How many passes have begun; the counts grow while the model runs.

    Attributes:
        whole: calls of the whole model.
        of_parts: passes in which only parts of the model were called, on their own.
        calls: how often each layer was called in the latest pass that ran it, by path.
    """

    whole: int = 0
    of_parts: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many passes are numbered: those of the whole model, or else those of parts.

        Example:
            >>> PassCounts(whole=5, of_parts=1).total, PassCounts(of_parts=2).total
            (5, 2)
        """
        return self.whole or self.of_parts

    def begin(self, *, is_whole: bool) -> PassNumber:
        """Count another pass, and return its number."""
        self.whole += is_whole
        self.of_parts += not is_whole
        number = self.whole if is_whole else self.of_parts
        return PassNumber(number, is_whole, self.whole + self.of_parts, self)


@dataclass(frozen=True, eq=False)
class PassNumber:
    """The number of a pass.

    Attributes:
        number: counted from 1, among the passes of its kind.
        is_whole: whether the whole model was called, rather than parts of it on their own.
        began: how many passes of either kind had begun when it did, including itself.
        counts: how many passes there were.
    """

    number: int = 1
    is_whole: bool = True
    began: int = 1
    counts: PassCounts = field(default_factory=lambda: PassCounts(whole=1))

    @property
    def is_numbered(self) -> bool:
        """Whether passes of its kind are numbered: those of parts only if there are no others."""
        return self.is_whole or not self.counts.whole

    def __str__(self) -> str:
        """Return which pass this is in words; "" if there was no other.

        Example:
            >>> counts = PassCounts(whole=5, of_parts=1)
            >>> str(PassNumber(2, counts=counts)), str(PassNumber(1, is_whole=False, counts=counts))
            ('pass 2 of 5', 'called on its own')
        """
        if not self.is_numbered:
            return "called on its own"
        total = self.counts.total
        return f"pass {self.number} of {total}" if total > 1 else ""

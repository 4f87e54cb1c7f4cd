"""What is kept of several passes: of each layer the latest, one pass by its number, or each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from featmagic.recording.pass_number import PassCounts
from featmagic.recording.records import Activation, Pass
from featmagic.support.errors import FeatmagicError

_ALL = 'passes="all" (--pass all) keeps every pass.'

PassChoice = int | str  # a number from 1, or from the end as -1; "last" or "all"


class KeptPasses:
    """The passes of a recording, as far as they are kept.

    With the choice `last`, a layer has what the latest pass that ran it gave: as soon as a pass
    gives a layer anew, everything that an earlier pass gave it is released, its other calls and
    parts too. With a number, only that pass is kept; with `all` each of them, while parts that were
    called on their own beside whole passes are kept as with `last`.

    Attributes:
        choice: what is kept.
        counts: how many passes there were.
    """

    def __init__(self, choice: PassChoice = "last") -> None:
        self.choice = choice
        self.counts = PassCounts()
        self._passes: list[Pass] = []  # in the order in which they began
        self._latest: dict[str, Pass] = {}  # by path: the latest pass that gave the layer

    # While the model runs

    def begin(self, run: Pass) -> None:
        """Take note of a pass, and let go of those that are no longer kept."""
        self.counts = run.number.counts
        self._passes = [each for each in [*self._passes, run] if self._stays(each)]
        if run.number.is_whole and run.number.number == 1:
            self._release_replaced()  # the passes of parts have no numbers any more

    def takes(self, run: Pass, path: str) -> bool:
        """Return True if what the pass gives a layer is kept; what it replaces is released."""
        latest = self._latest.get(path)
        if latest is run:
            return True
        if isinstance(self.choice, int):
            return self._may_be_chosen(run)
        if latest is not None and latest.number.began > run.number.began:
            return self._is_kept_apart(run)  # passes may overlap in several threads
        self._latest[path] = run
        if latest is not None and not self._is_kept_apart(latest):
            latest.release(path)
        return True

    def _stays(self, run: Pass) -> bool:
        if isinstance(self.choice, int):
            return self._may_be_chosen(run)
        return self._is_kept_apart(run) or run.holds_any or not run.ended

    def _is_kept_apart(self, run: Pass) -> bool:
        return self.choice == "all" and run.number.is_numbered

    def _may_be_chosen(self, run: Pass) -> bool:
        """Return True if it is the pass that is wanted, or may become it as others follow."""
        number, choice = run.number, self.choice
        assert isinstance(choice, int)
        if not number.is_numbered:
            return False
        return number.number == choice if choice > 0 else number.number > self.counts.total + choice

    def _release_replaced(self) -> None:
        for path, latest in list(self._latest.items()):
            for run in self._passes:
                if run is not latest and not self._is_kept_apart(run):
                    run.release(path)

    # What there is

    @property
    def activations(self) -> dict[str, Activation]:
        """What each layer has, by key, in the order in which the layers ran.

        Where that was in several passes, the layers of the latest come in its own order, and those
        that only an earlier pass ran follow the layer that they followed there.
        """
        runs = self._chosen()
        found = {
            key: activation
            for run in runs
            for key, activation in list(run.activations.items())
            if self._is_latest(run, activation.path)
        }
        return {key: found[key] for key in _merged_order(runs) if key in found}

    def find(self, key: str) -> Activation | None:
        """Return what `activations` has under a key, without putting all of them in order."""
        for run in reversed(self._chosen()):
            activation = run.activations.get(key)
            if activation is not None and self._is_latest(run, activation.path):
                return activation
        return None

    def select(self, choice: PassChoice | None) -> list[Activation]:
        """Return the activations of the passes to show; those of one layer are next to each other.

        Args:
            choice: as of `KeptPasses`; None for what `activations` has.

        Raises:
            FeatmagicError: There is no such pass, or it wasn't kept.
        """
        if choice is None or choice == self.choice != "all":
            self._check_number()
            return list(self.activations.values())
        if choice == "all":
            return self._each_activation()
        if choice == "last" and self.choice == "all":
            return list(self.activations.values())
        return list(self._pass(-1 if isinstance(choice, str) else choice).activations.values())

    def each(self) -> list[KeptPasses]:
        """Return the passes that have numbers, each for itself.

        Raises:
            FeatmagicError: They weren't kept.
        """
        if self.choice != "all":
            raise FeatmagicError(f"{self._what_is_kept()}: {_ALL}")
        return [_only(run) for run in self._passes if run.number.is_numbered]

    @property
    def empty(self) -> dict[str, str]:
        """The keys that have no activation in any pass that is kept, each with the reason."""
        given = {key for run in self._chosen() for key in run.activations}
        runs = self._chosen()
        found = {key: reason for run in runs for key, reason in list(run.empty.items())}
        return {key: reason for key, reason in found.items() if key not in given}

    @property
    def given(self) -> set[tuple[str, int]]:
        """The path and the call of everything that is kept."""
        runs = self._chosen()
        return {(each.path, each.call) for run in runs for each in list(run.activations.values())}

    def calls(self, path: str) -> int:
        """Return how often a layer was called in the pass that is kept; else in the latest."""
        if isinstance(self.choice, int):
            return sum(run.calls[path] for run in self._chosen())
        return self.counts.calls.get(path, 0)

    @property
    def failed(self) -> bool:
        """Whether the latest of the passes that are kept was cut short."""
        runs = self._chosen()
        return bool(runs) and runs[-1].failed

    @property
    def without(self) -> str:
        """Why there is no pass of the number that was chosen; "" if there is one."""
        if not isinstance(self.choice, int) or not self.counts.total or self._chosen():
            return ""
        return _no_such_pass(self.choice, self.counts.total)

    def _chosen(self) -> list[Pass]:
        """Return the passes that are kept, the earliest first."""
        if not isinstance(self.choice, int):
            return list(self._passes)
        wanted = _from_start(self.choice, self.counts.total)
        return [run for run in self._passes if run.number.number == wanted]

    def _is_latest(self, run: Pass, path: str) -> bool:
        return isinstance(self.choice, int) or self._latest.get(path) is run

    def _each_activation(self) -> list[Activation]:
        if self.choice != "all" and self.counts.total > 1:
            raise FeatmagicError(f"{self._what_is_kept()}: {_ALL}")
        runs = self._chosen()
        return [
            run.activations[key]
            for key in _merged_order(runs)
            for run in runs
            if key in run.activations
        ]

    def _pass(self, number: int) -> Pass:
        total, wanted = self.counts.total, _from_start(number, self.counts.total)
        if total and not 1 <= wanted <= total:
            raise FeatmagicError(f"{_no_such_pass(number, total).capitalize()}.")
        found = [run for run in self._chosen() if run.number.is_numbered]
        run = next((each for each in found if each.number.number == wanted), None)
        if run is None and wanted == total and self.choice == "last":
            return Pass()  # it gave nothing
        if run is None or (len(run.activations) < len(run.order) and wanted < total):
            raise FeatmagicError(f"{self._what_is_kept()}: {_ALL}")
        if len(run.activations) < len(run.order):
            raise FeatmagicError(f"Parts of the model ran again after pass {wanted}: {_ALL}")
        return run

    def _check_number(self) -> None:
        if self.without:
            raise FeatmagicError(f"{self.without.capitalize()}.")

    def _what_is_kept(self) -> str:
        total = self.counts.total
        of_several = f" of {total} passes" if total > 1 else " pass"
        if not isinstance(self.choice, int):
            return f"Only the last{of_several} was kept"
        kept = self._chosen()
        return (
            f"Only pass {kept[0].number.number} of {total} was kept" if kept else "No pass was kept"
        )


def _only(run: Pass) -> KeptPasses:
    kept = KeptPasses(run.number.number)
    kept.begin(run)
    return kept


def _from_start(number: int, total: int) -> int:
    """Return the number of a pass, counted from 1."""
    return number if number > 0 else total + 1 + number


def _no_such_pass(number: int, total: int) -> str:
    return f"there is no pass {number}: {total} pass{'es' * (total > 1)} ran"


def _merged_order(runs: Sequence[Pass]) -> list[str]:
    """Return the keys of the passes that hold any, the earliest pass first, in one order."""
    order: list[str] = []
    for run in runs:
        if run.activations:
            order = _merge(order, list(run.order))
    return order


def _merge(before: Iterable[str], now: Sequence[str]) -> list[str]:
    """Put keys that aren't in `now` behind the key of `now` that they followed.

    Example:
        >>> _merge(["conv", "relu", "pool", "fc"], ["conv", "relu"])
        ['conv', 'relu', 'pool', 'fc']
        >>> _merge(["encoder"], ["decoder"])
        ['encoder', 'decoder']
    """
    fresh, leader = set(now), ""
    followers: dict[str, list[str]] = {}
    for key in before:
        if key in fresh:
            leader = key
        else:
            followers.setdefault(leader, []).append(key)
    placed = [each for key in now for each in (key, *followers.get(key, ()))]
    return followers.get("", []) + placed

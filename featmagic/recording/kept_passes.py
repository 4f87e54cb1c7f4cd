"""Which passes are kept: the latest pass of each layer, one pass by its number, or all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from featmagic.recording.pass_number import PassCounts
from featmagic.recording.records import Activation, Pass
from featmagic.support.errors import FeatmagicError

_ALL = 'passes="all" (--pass all) keeps every pass.'

PassChoice = int | str  # a number from 1, or from the end as -1; "last" or "all"


class KeptPasses:
    """The passes of a recording that are kept.

    With the choice `last`, each layer keeps its values from the latest pass that ran it: as soon as
    a pass runs a layer again, everything that an earlier pass recorded of it is released, including
    its other calls and parts. With a number, only that pass is kept. With `all`, every numbered
    pass is kept; passes that have no number are still kept as with `last`.

    Attributes:
        choice: what is kept.
        counts: how many passes have begun.
    """

    def __init__(self, choice: PassChoice = "last") -> None:
        self.choice = choice
        self.counts = PassCounts()
        self._passes: list[Pass] = []  # in the order in which they began
        self._latest: dict[str, Pass] = {}  # by path: the latest pass that gave the layer

    # While the model runs

    def begin(self, run: Pass) -> None:
        """Add a pass, and drop the passes that are no longer kept."""
        self.counts = run.number.counts
        self._passes = [each for each in [*self._passes, run] if self._stays(each)]
        if run.number.is_whole and run.number.number == 1:
            self._release_replaced()  # passes of parts are no longer numbered

    def takes(self, run: Pass, path: str) -> bool:
        """Return True if the pass's values of a layer are kept, and release those they replace."""
        latest = self._latest.get(path)
        if latest is run:
            return True
        if isinstance(self.choice, int):
            return self._may_be_chosen(run)
        if latest is not None and latest.number.began > run.number.began:
            return self._is_kept_apart(run)  # passes in several threads may overlap
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
        """Return True if this is the chosen pass, or may turn out to be once others follow."""
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

    # What is kept

    @property
    def activations(self) -> dict[str, Activation]:
        """The activations of each layer, by key, in the order in which the layers ran.

        If they come from several passes, the layers of the latest pass are in its own order, and a
        layer that only an earlier pass ran comes after the layer that it followed there.
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
        """Return the activation under a key, without sorting all of them."""
        for run in reversed(self._chosen()):
            activation = run.activations.get(key)
            if activation is not None and self._is_latest(run, activation.path):
                return activation
        return None

    def select(self, choice: PassChoice | None) -> list[Activation]:
        """Return the activations of the chosen passes; those of one layer are next to each other.

        Args:
            choice: as for `KeptPasses`, or None for all of `activations`.

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
        """Return each numbered pass on its own.

        Raises:
            FeatmagicError: Not all of them were kept.
        """
        if self.choice != "all":
            raise FeatmagicError(f"{self._what_is_kept()}: {_ALL}")
        return [_only(run) for run in self._passes if run.number.is_numbered]

    @property
    def empty(self) -> dict[str, str]:
        """The keys that have no activation in any of the passes kept, each with the reason."""
        runs = self._chosen()
        given = {key for run in runs for key in run.activations}
        found = {key: reason for run in runs for key, reason in list(run.empty.items())}
        return {key: reason for key, reason in found.items() if key not in given}

    @property
    def repeated(self) -> dict[str, str]:
        """The keys of what blocks returned and a layer had given, each with the layer's key."""
        return {key: given for run in self._chosen() for key, given in list(run.repeated.items())}

    @property
    def given(self) -> set[tuple[str, int]]:
        """The path and call of every activation that is kept."""
        runs = self._chosen()
        return {(each.path, each.call) for run in runs for each in list(run.activations.values())}

    def calls(self, path: str) -> int:
        """Return how often a layer was called in the chosen pass, or else in its latest pass."""
        if isinstance(self.choice, int):
            return sum(run.calls[path] for run in self._chosen())
        return self.counts.calls.get(path, 0)

    @property
    def failed(self) -> bool:
        """Whether the latest of the passes kept was cut short."""
        runs = self._chosen()
        return bool(runs) and runs[-1].failed

    @property
    def without(self) -> str:
        """Why the chosen pass doesn't exist; "" if it does, or none was chosen by number."""
        if not isinstance(self.choice, int) or not self.counts.total or self._chosen():
            return ""
        return _no_such_pass(self.choice, self.counts.total)

    def _chosen(self) -> list[Pass]:
        """Return the passes kept, the earliest first."""
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
            return Pass()  # no layer gave anything in it
        if run is None or (len(run.activations) < len(run.order) and wanted < total):
            raise FeatmagicError(f"{self._what_is_kept()}: {_ALL}")
        if len(run.activations) < len(run.order):
            raise FeatmagicError(
                f"Parts of the model ran again after pass {wanted} and replaced its values: {_ALL}"
            )
        return run

    def _check_number(self) -> None:
        if self.without:
            raise FeatmagicError(f"{self.without.capitalize()}.")

    def _what_is_kept(self) -> str:
        if not isinstance(self.choice, int):
            return "Only the latest pass of each layer was kept"
        if not (kept := self._chosen()):
            return "No pass was kept"
        return f"Only pass {kept[0].number.number} of {self.counts.total} was kept"


def _only(run: Pass) -> KeptPasses:
    kept = KeptPasses(run.number.number)
    kept.begin(run)
    return kept


def _from_start(number: int, total: int) -> int:
    """Return the number of a pass counted from 1, given one that may count from the end."""
    return number if number > 0 else total + 1 + number


def _no_such_pass(number: int, total: int) -> str:
    return f"there is no pass {number}: {total} pass{'es' * (total > 1)} ran"


def _merged_order(runs: Sequence[Pass]) -> list[str]:
    """Return the keys of all passes in one order."""
    order: list[str] = []
    for run in runs:
        if run.activations:
            order = _merge(order, list(run.order))
    return order


def _merge(before: Iterable[str], now: Sequence[str]) -> list[str]:
    """Merge two orders: a key that isn't in `now` comes after the key of `now` that it followed.

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

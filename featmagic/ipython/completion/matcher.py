"""Completion in IPython: what it asks for at the cursor, and how the answers go back.

IPython 8.6 and newer take *matchers*, which may keep others from answering and give types. In
older ones a function among those for the arguments of magics comes closest: where it finds
something, nothing else is asked, Jedi neither. (The `complete_command` hook would have Jedi's
guesses beside its own.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core import completer

from featmagic.ipython.watch import Watches
from featmagic.support.errors import FeatmagicError

if TYPE_CHECKING:
    from featmagic.ipython.completion.fragment import Suggestions
    from featmagic.ipython.completion.suggest import Known

HAS_MATCHERS = hasattr(completer, "context_matcher")


_FILES = "IPCompleter.file_matcher"


_ABSENT = object()


class Completion:
    """What IPython asks for completions, while the extension is loaded."""

    def __init__(self, shell: Any, watches: Watches) -> None:
        self._shell, self._watches = shell, watches
        self._entry = (_matcher if HAS_MATCHERS else _older)(shell, self._found)

    def load(self) -> None:
        """Have IPython ask."""
        _asked(self._shell).append(self._entry)

    def unload(self) -> None:
        """Have IPython ask no more."""
        if self._entry in _asked(self._shell):
            _asked(self._shell).remove(self._entry)

    def _found(self, line: str, cursor: int) -> Suggestions | None:
        """Suggestions, or none of any kind should anything go wrong: nobody wants to know now."""
        from featmagic.ipython.completion.suggest import suggest  # by the first Tab, to load fast

        try:
            return suggest(line, cursor, self._known())
        except Exception:
            return None

    def _known(self) -> Known:
        from featmagic.ipython.completion.suggest import Known

        names, hidden = self._shell.user_ns, self._shell.user_ns_hidden
        own = {name for name, value in hidden.items() if names.get(name, _ABSENT) is value}
        return Known(names, own, self._watched(), self._captured())

    def _watched(self) -> list[str]:
        both = [word for watch in self._watches for word in (watch.name, watch.expression)]
        return list(dict.fromkeys(both))

    def _captured(self) -> list[str]:
        try:
            return list(self._watches.last())
        except FeatmagicError:
            return []


_Find = Callable[[str, int], "Suggestions | None"]


def _asked(shell: Any) -> list[Any]:
    """What IPython asks, in its completer."""
    if HAS_MATCHERS:
        return shell.Completer.custom_matchers  # type: ignore[no-any-return]
    return shell.Completer.magic_arg_matchers  # type: ignore[no-any-return]


def _matcher(shell: Any, find: _Find) -> Any:
    @completer.context_matcher(identifier="featmagic", priority=1000)  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        found = find(context.line_with_cursor, context.cursor_position)
        if found is None:
            return {
                "completions": [],
                "suppress": False,
            }  # a new one each time: IPython writes in it
        completions = [completer.SimpleCompletion(text, type=kind) for text, kind in found.items]
        return {
            "completions": completions or _Silence(),
            "matched_fragment": found.fragment,
            "suppress": True,
            "do_not_suppress": {_FILES} if found.files else set(),
            "ordered": True,
        }

    return match


class _Silence(list[Any]):
    """No completions, which count as some: else IPython would go on and ask for files and words."""

    def __len__(self) -> int:
        return 1


def _older(shell: Any, find: _Find) -> Callable[[str], list[str]]:
    def featmagic(line: str) -> list[str]:
        cursor = len(shell.Completer.text_until_cursor)
        found = find(line, cursor)
        if found is None:
            return []
        token = shell.Completer.splitter.split_line(line, cursor)
        return [_in_place_of(token, found.fragment, item.text) for item in found.items]

    return featmagic


def _in_place_of(token: str, fragment: str, text: str) -> str:
    """What stands for the token before the cursor, when a text stands for the fragment.

    Example:
        >>> _in_place_of("layer1.c", "c", "conv1"), _in_place_of("hi", "enc['hi", "enc['hidden']")
        ('layer1.conv1', "hidden']")
    """
    more = len(token) - len(fragment)
    return token[:more] + text if more >= 0 else text[-more:]

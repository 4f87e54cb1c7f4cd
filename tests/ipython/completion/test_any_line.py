"""No line and no place of the cursor is an error."""

from __future__ import annotations

import sys
import traceback

import pytest
from helpers.completing import captured, names
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from IPython.core.completer import provisionalcompleter

from featmagic.ipython.completion.suggest import Known, suggest

words = "%hook %unhook %%featuremaps net trainer models listed maps layer1 conv1 0 -1 -- --cmap"
words += ' %featuremaps --save --into --robust = * ? : # $ { \\ ( é . [ ] " \' [" ("'
parts = st.sampled_from([*words.split(), " ", "\t", "\n"])
lines = st.one_of(
    st.text(),
    st.lists(st.one_of(parts, st.text(max_size=2)), max_size=12).map("".join),
    st.lists(parts, max_size=8).map(lambda more: "%hook " + "".join(more)),
    st.lists(parts, max_size=8).map(lambda more: "%featuremaps net " + "".join(more)),
)
KNOWN = {**names(), "maps": captured()}


@settings(deadline=None)
@given(lines, st.data())
def test_no_line_and_no_cursor_is_an_error(line, data):
    cursor = data.draw(st.integers(0, len(line)))
    found = suggest(line, cursor, Known(KNOWN, {"net"}, ["a", "net"], ["conv1", "layer1.0"]))
    if found is not None:
        assert line[:cursor].endswith(found.fragment)
        assert all(item.text.startswith(found.fragment) and item.type for item in found.items)


@settings(deadline=None)
@given(lines, st.data())
def test_ipython_gets_an_answer_for_every_line(line, data):
    # On some of these IPython 7 fails by itself, on ends of lines that are no \n a newer one too.
    assume("\\" not in line and all(c.isprintable() or c in "\n\t" for c in line))
    one = _a_shell()
    cursor = data.draw(st.integers(0, len(line)))
    failed = []
    with pytest.MonkeyPatch.context() as patch, provisionalcompleter():
        patch.setattr(sys, "excepthook", lambda *failure: failed.append(failure))
        list(one.Completer.completions(line, cursor))
    assert not [one for one in failed if "featmagic" in "".join(traceback.format_exception(*one))]


_shells = []


def _a_shell():
    """One shell for all examples: making one takes longer than a hundred completions."""
    from IPython.core.interactiveshell import InteractiveShell

    if not _shells:
        shell = InteractiveShell()
        shell.Completer.use_jedi = False
        shell.run_line_magic("load_ext", "featmagic")
        shell.user_ns.update(KNOWN)
        _shells.append(shell)
    return _shells[0]

"""Texts for people: what can't be seen is spelled out, what is too long is shortened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from featmagic.support.errors import FeatmagicError, did_you_mean, one_line
from featmagic.support.text import LONGEST_NAME, printable, readable

anything = st.text(st.characters())


@given(anything)
def test_a_printable_text_is_one_line_of_visible_letters_and_stays_as_it_is(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode("utf-8")


@given(st.text("aé あ\\'\"$<&{%·…▁שلα", max_size=60))
def test_visible_letters_stay_as_they_are(text):
    assert printable(text) == text


def test_marks_are_kept_as_far_as_a_script_needs_them_and_a_pile_is_spelled_out():
    assert printable("e\u0301\u0323") == "e\u0301\u0323"
    assert printable("a" + "\u0301" * 10) == "a" + "\u0301" * 8 + r"\u0301\u0301"


@given(st.one_of(anything, anything.map(lambda text: text * 100)))
def test_a_readable_name_is_no_longer_than_its_limit_and_keeps_both_ends(name):
    shown = readable(name)
    assert len(shown) <= LONGEST_NAME
    assert shown.isprintable()
    if len(printable(name)) <= LONGEST_NAME:
        assert shown == printable(name)


def test_a_message_keeps_both_ends_however_long_a_word_of_it_is():
    said = str(FeatmagicError(f"DNN has no layer '{'w' * 100_000}'. It has others."))
    assert said.startswith("DNN has no layer 'www")
    assert said.endswith("www'. It has others.")
    assert len(said) <= 2000


def test_an_error_that_cannot_tell_its_message_is_told_by_its_class():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    assert one_line(Silent()) == "Silent"


def test_a_very_long_word_is_compared_with_nothing():
    assert did_you_mean("w" * 10_000, ["w" * 9_999, "cnn1"]) == ""
    assert did_you_mean("con1", ["cnn1", "w" * 10_000]) == " Did you mean cnn1?"

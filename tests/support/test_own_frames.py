"""Tracebacks without frames of featmagic: the user's error, its other frames and lines stay."""

from __future__ import annotations

import sys
import traceback

import pytest

from featmagic.support.errors import FeatmagicError
from featmagic.support.interrupts import Block, uninterrupted
from featmagic.support.own_frames import hide_own_frames, without_own_frames

removes_caller = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 keeps the frame of the function that hides"
)


def functions_of(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def users_function():
    raise ValueError("mine")


@removes_caller
def test_frames_of_ours_are_removed_between_those_of_the_users():
    def calls_ours():
        uninterrupted(lambda: uninterrupted(users_function))

    with pytest.raises(ValueError, match="mine") as raised:
        without_own_frames(calls_ours)()
    assert functions_of(raised.value)[1:] == ["calls_ours", "<lambda>", "users_function"]
    before, *_ = traceback.extract_tb(raised.value.__traceback__)
    assert before.name == "test_frames_of_ours_are_removed_between_those_of_the_users"


def test_the_error_keeps_its_arguments_cause_and_notes():
    cause = OSError("cause")

    def fails():
        raise ValueError("mine", 1) from cause

    with pytest.raises(ValueError, match="mine") as raised:
        without_own_frames(fails)()
    assert raised.value.args == ("mine", 1)
    assert raised.value.__cause__ is cause
    assert not getattr(raised.value, "__notes__", [])


def test_an_unexpected_error_of_our_own_code_keeps_its_frames():
    with pytest.raises(TypeError) as raised:
        without_own_frames(uninterrupted)(None)
    assert "uninterrupted" in functions_of(raised.value)


@removes_caller
@pytest.mark.parametrize("error", [FeatmagicError("no"), KeyboardInterrupt(), MemoryError()])
def test_messages_interrupts_and_too_little_memory_keep_none(error):
    class Refuses(Block[None]):
        def open(self):
            raise error

        def close(self):
            pass

    with pytest.raises(type(error)) as raised, Refuses():
        pass
    assert functions_of(raised.value)[1:] == ["open"]  # the test's own class


def test_an_error_whose_traceback_cannot_be_set_is_left_alone():
    class Odd(ValueError):
        __traceback__ = property(lambda self: None)

    hide_own_frames(Odd())

"""Work that an interrupt doesn't cut in two, and blocks that are closed however they end."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from helpers.interrupts import interrupted, places

from featmagic.support.interrupts import Block, Lock, restore_handler, uninterrupted


def interrupt():
    signal.raise_signal(signal.SIGINT)


class Door(Block):
    def __init__(self):
        self.log = []

    def open(self):
        self.log.append("open")
        return self.log

    def close(self):
        if self.log[-1:] == ["open"]:
            self.log.append("closed")

    def report(self, error):
        self.log.append(type(error).__name__)


def test_an_interrupt_comes_after_the_work_and_only_once():
    done = []
    before = signal.getsignal(signal.SIGINT)

    def work():
        interrupt()
        interrupt()
        done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is before
    assert uninterrupted(lambda: "nothing is left to deliver") == "nothing is left to deliver"


def test_an_interrupt_in_work_within_work_comes_after_all_of_it():
    done = []

    def work():
        uninterrupted(interrupt)
        done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)
    assert done == ["the rest"]


def test_a_failure_of_the_work_is_not_lost_behind_an_interrupt():
    def work():
        interrupt()
        raise ValueError("mine")

    with pytest.raises(KeyboardInterrupt) as caught:
        uninterrupted(work)
    assert isinstance(caught.value.__context__, ValueError)


@pytest.fixture
def handler():
    """A handler of the user's own, which notes what it is called with."""
    calls = []
    before = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(signal.SIGINT, before)


def test_a_handler_of_the_users_gets_the_interrupt_and_stays(handler):
    before = signal.getsignal(signal.SIGINT)
    assert uninterrupted(lambda: (interrupt(), list(handler))[1]) == []
    assert handler == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("ignored", [signal.SIG_IGN, signal.SIG_DFL])
def test_interrupts_that_python_does_not_handle_are_left_alone(handler, ignored):
    signal.signal(signal.SIGINT, ignored)
    assert uninterrupted(lambda: signal.getsignal(signal.SIGINT)) is ignored
    assert signal.getsignal(signal.SIGINT) is ignored


def test_other_threads_work_as_they_are(handler):
    before, seen = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(
        target=uninterrupted, args=(lambda: seen.append(signal.getsignal(signal.SIGINT)),)
    )
    thread.start()
    thread.join()
    assert seen == [before]


def left_over(monkeypatch):
    """Leave the handler that holds interrupts back, as an error at the worst place does."""
    set_handler = signal.signal

    def once(number, handler):
        monkeypatch.setattr(signal, "signal", set_handler)
        return set_handler(number, handler)

    def refuse(*_):
        monkeypatch.setattr(signal, "signal", set_handler)
        raise KeyboardInterrupt

    def work():
        monkeypatch.setattr(signal, "signal", refuse)

    monkeypatch.setattr(signal, "signal", once)
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work)


def test_a_handler_that_was_left_over_passes_interrupts_on(handler, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    left_over(monkeypatch)
    assert signal.getsignal(signal.SIGINT) is not before
    interrupt()
    assert handler == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("mend", [lambda: restore_handler(None), lambda: uninterrupted(int)])
def test_a_handler_that_was_left_over_is_replaced_by_the_users(handler, monkeypatch, mend):
    before = signal.getsignal(signal.SIGINT)
    left_over(monkeypatch)
    mend()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_block_is_opened_closed_and_reported():
    with Door() as log:
        assert log == ["open"]
    assert log == ["open", "closed", "NoneType"]


def test_the_error_of_a_block_is_reported_and_goes_on():
    door = Door()
    with pytest.raises(ValueError, match="mine"), door:
        raise ValueError("mine")
    assert door.log == ["open", "closed", "ValueError"]


def test_a_block_whose_exit_never_runs_is_closed_when_the_with_statement_is_gone():
    door = Door()
    held_by_the_statement = type(door).__exit__ and door.__exit__
    door.__enter__()
    assert door.log == ["open"]
    assert door.end() is not None
    del held_by_the_statement
    assert door.log == ["open", "closed"]
    assert door.end() is None


def test_asking_for_the_exit_of_a_block_does_not_close_it():
    door = Door()
    with door:
        assert hasattr(door, "__exit__")
        assert door.log == ["open"]
    door = Door()
    door.__enter__()
    assert hasattr(door, "__exit__")
    assert door.log == ["open"]
    door.__exit__(None, None, None)
    assert door.log == ["open", "closed", "NoneType"]


def test_a_block_works_in_an_exit_stack_in_a_generator_and_twice():
    with ExitStack() as stack:
        log = stack.enter_context(Door())
        assert log == ["open"]
    assert log == ["open", "closed", "NoneType"]

    @contextmanager
    def around(door):
        with door as log:
            yield log

    generator = around(Door()).gen
    log = next(generator)
    assert log == ["open"]
    del generator
    assert log[:2] == ["open", "closed"]

    door = Door()
    for _ in range(2):
        with door:
            pass
    assert door.log == ["open", "closed", "NoneType"] * 2


def test_an_interrupt_while_a_block_closes_comes_when_it_is_closed():
    class Slow(Door):
        def close(self):
            if self.log[-1:] == ["open"]:
                interrupt()
            super().close()

    door = Slow()
    with pytest.raises(KeyboardInterrupt), door:
        pass
    assert door.log[:2] == ["open", "closed"]


LOCKED = compile("lock.alone(lambda: lock.alone(lambda: None))", "<user program>", "exec")


def can_be_taken(lock):
    """Return True if another thread gets the lock."""
    taken = threading.Event()
    threading.Thread(target=lock.alone, args=(taken.set,), daemon=True).start()
    return taken.wait(20)


def test_a_lock_can_be_taken_whatever_instruction_raised(monkeypatch):
    monkeypatch.setattr(
        "featmagic.support.interrupts._IDLE_CHECKS", 3
    )  # no other thread is under way
    before = {"lock": Lock()}
    found = places(lambda: exec(LOCKED, before))
    assert len(found) > 20
    for place in found:
        lock = Lock()
        with pytest.raises(KeyboardInterrupt) as kept:  # with all frames of its traceback
            interrupted(lambda lock=lock: exec(LOCKED, {"lock": lock}), place, "raised")
        assert can_be_taken(lock), place
        assert lock.alone(lambda: "here, too") == "here, too"
        del kept


def test_a_lock_keeps_other_threads_out_until_the_outer_work_ends():
    """However long it takes: they look at the stacks, and see that it is under way."""
    lock, order = Lock(), []
    thread = threading.Thread(target=lock.alone, args=(lambda: order.append("other"),), daemon=True)

    def outer():
        lock.alone(thread.start)
        thread.join(0.5)
        order.append("outer")

    lock.alone(outer)
    thread.join(20)
    assert order == ["outer", "other"]


def test_threads_that_share_a_lock_are_never_at_work_at_once():
    lock, inside, most = Lock(), [], []

    def work():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0)
        inside.pop()

    def run():
        for _ in range(200):
            lock.alone(work)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 1600
    assert max(most) == 1

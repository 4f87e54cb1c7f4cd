"""The frames of all threads, while other threads run."""

import gc
import threading

import pytest

from featmagic.support.thread_frames import current_frames


@pytest.mark.parametrize("collects", [True, False])
def test_the_frames_of_all_threads_are_read_and_collecting_garbage_stays_as_it_was(collects):
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        frames = current_frames()
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
        ended.set()
        thread.join()
    assert {thread.ident, threading.get_ident()} <= set(frames)

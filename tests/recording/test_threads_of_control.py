"""Whose values: a capture holds what its own thread or task ran."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from helpers.networks import DNN, flags_of, hooks_on, images
from torch import nn

import featmagic
from featmagic.recording.hooks import keep_last
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select
from featmagic.recording.sinks import KeepPasses
from featmagic.recording.torch_private import hook_tables


@pytest.fixture(autouse=True)
def _threads_take_turns_often():
    """Python changes threads wherever it may, not only after 5 ms in one of them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_thread(work):
    """Run the work in a thread of its own, to its end."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def alone(model, x):
    with torch.no_grad():
        return model.cnn1(x)


def test_threads_that_capture_the_same_model_hold_their_own_passes(model):
    barrier = threading.Barrier(4)

    def look(seed):
        x, wrong = images(1, seed), 0
        barrier.wait()
        for _ in range(30):
            with featmagic.capture(model, "cnn1") as maps:
                model(x)
            wrong += not torch.equal(maps["cnn1"], alone(model, x))
        return wrong

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(look, range(4))) == [0] * 4
    assert hooks_on(model) == []


def test_tasks_that_capture_the_same_model_hold_their_own_passes(model):
    async def look(seed):
        x = images(1, seed)
        with featmagic.capture(model, "cnn1") as maps:
            for _ in range(3):
                await asyncio.sleep(0)
                model(x)
                await asyncio.sleep(0)
        return torch.equal(maps["cnn1"], alone(model, x))

    async def all_of_them():
        return await asyncio.gather(*[look(seed) for seed in range(5)])

    assert asyncio.run(all_of_them()) == [True] * 5


@pytest.mark.parametrize("where", ["tasks", "a thread of asyncio's"])
def test_what_a_block_starts_as_tasks_belongs_to_it(model, x, where):
    async def run():
        model(x)

    async def look():
        with featmagic.capture(model, "cnn1") as maps:
            if where == "tasks":
                await asyncio.gather(run(), run())
            else:
                await asyncio.to_thread(model, x)
        return maps

    assert torch.equal(asyncio.run(look())["cnn1"], alone(model, x))


def test_a_model_that_another_thread_trains_gives_only_the_blocks_own_values(model):
    at_work, stop = threading.Event(), threading.Event()

    def train():
        at_work.set()
        while not stop.is_set():
            model(images(2, 7)).sum().backward()
            model.pool1(model.act1(model.cnn1(images(3, 8))))

    thread = threading.Thread(target=train)
    thread.start()
    at_work.wait(30)
    try:
        for seed in range(30):
            x = images(1, seed)
            with featmagic.capture(model, "cnn1") as maps:
                model(x)
            assert torch.equal(maps["cnn1"], alone(model, x))
    finally:
        stop.set()
        thread.join()
    assert hooks_on(model) == []


def test_a_layer_that_another_thread_runs_just_as_a_pass_begins_is_not_taken(model, x):
    at_work, began, ran = threading.Event(), threading.Event(), threading.Event()

    def runs_a_layer():
        at_work.set()
        began.wait(30)
        model.cnn1(images(3))
        ran.set()

    def has_begun(_):
        began.set()
        ran.wait(30)

    thread = threading.Thread(target=runs_a_layer)
    thread.start()
    at_work.wait(30)
    with Recorder(select(model, ["cnn1"]), KeepPasses(on_pass=has_begun)) as recorder:
        model(x)
    thread.join()
    assert list(recorder.last.activations) == ["cnn1"]
    assert torch.equal(recorder.last.activations["cnn1"].tensor, alone(model, x))
    assert recorder.ran_elsewhere


def test_a_thread_that_was_at_work_runs_no_layer_of_a_pass_that_a_task_of_the_block_runs(model, x):
    """The block's own thread runs a layer during a pass that it has handed to another thread."""
    began, ran = threading.Event(), threading.Event()

    def has_begun(*_):
        began.set()
        ran.wait(30)

    model.act1.register_forward_hook(has_begun)

    async def look():
        with featmagic.capture(model, "cnn1", passes="all") as maps:
            whole = asyncio.create_task(asyncio.to_thread(model, x))
            await asyncio.to_thread(began.wait, 30)
            model.cnn1(images(3))
            ran.set()
            await whole
        return maps

    maps = asyncio.run(look())
    (whole,) = maps.passes
    assert torch.equal(whole["cnn1"], alone(model, x))
    assert list(whole) == ["cnn1"]


def test_what_only_another_thread_ran_is_missing_and_said(model, x, capsys):
    model.train()
    with featmagic.capture(model, "cnn1") as maps:
        in_thread(lambda: model(x))
    assert dict(maps) == {}
    assert "it ran only in another thread or task" in maps.missing["cnn1"]
    printed = capsys.readouterr().out
    assert "Another thread or task ran the model once at the same time, in the eval mode" in printed
    assert all(flags_of(model))


def test_a_part_that_only_another_thread_ran_is_missing_and_said(model, x, capsys):
    with featmagic.capture(model, "cnn1") as maps:
        in_thread(lambda: model.cnn1(x))
    assert dict(maps) == {}
    assert "it ran only in another thread or task" in maps.missing["cnn1"]
    assert "Another thread or task ran the model at the same time" in capsys.readouterr().out


def test_a_part_that_only_another_thread_ran_is_said_by_the_magics(shell):
    shell.names["in_thread"] = in_thread
    with pytest.raises(featmagic.FeatmagicError, match="it ran only in another thread or task"):
        shell.run("%%featuremaps model cnn1\nin_thread(lambda: model.cnn1(x));")
    printed = shell.run("%hook model cnn1\nin_thread(lambda: model.cnn1(x));")
    assert "Another thread ran model: a watch captures only what the cell itself runs." in printed


def test_a_pass_that_was_under_way_elsewhere_when_a_look_began_is_said(capsys):
    started, go_on = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, x):
            started.set()
            go_on.wait(30)
            return x

    model = nn.Sequential(nn.ReLU(), Slow())
    thread = threading.Thread(target=model, args=(torch.ones(1),))
    thread.start()
    started.wait(30)
    with featmagic.capture(model, "0") as maps:
        go_on.set()
        thread.join()
        model(torch.ones(2))
    assert maps["0"].shape == (2,)
    assert "Another thread or task ran the model at the same time" in capsys.readouterr().out


def test_as_is_says_nothing_of_other_threads(model, x, capsys):
    with featmagic.capture(model, "cnn1", as_is=True) as maps:
        in_thread(lambda: model(x))
        model(images(2))
    assert len(maps["cnn1"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", range(8))
def test_a_look_may_end_in_another_thread_while_hooks_are_put_behind_the_users(model, x, line):
    other = featmagic.capture(model, "cnn1")
    other.__enter__()
    lines = 0

    def ends_at_line(frame, event, _):
        nonlocal lines
        if frame.f_code is keep_last.__code__ and event == "line":
            if lines == line:
                in_thread(partial(other.__exit__, None, None, None))
            lines += 1
        return ends_at_line

    with featmagic.capture(model, "cnn1") as maps:
        model.cnn1.register_forward_hook(lambda *_: None)
        sys.settrace(ends_at_line)
        try:
            model(x)
        finally:
            sys.settrace(None)
    assert lines > line
    assert torch.equal(maps["cnn1"], alone(model, x))
    assert len(hooks_on(model)) == 1


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_a_look_may_end_in_another_thread_while_hooks_are_searched(model, x, first):
    code = hook_tables.__code__

    def ends_at_instruction(frame, event, _):
        nonlocal count
        if frame.f_code is code or (frame.f_back and frame.f_back.f_code is code):
            frame.f_trace_opcodes = True
            if event == "opcode":
                if count == number:
                    in_thread(partial(other.__exit__, None, None, None))
                count += 1
        return ends_at_instruction

    for number in range(first, first + 20):
        other, count = featmagic.capture(model, "cnn1"), 0
        other.__enter__()
        sys.settrace(ends_at_instruction)
        try:
            with featmagic.capture(model, "cnn1") as maps:
                sys.settrace(None)
                model(x)
        finally:
            sys.settrace(None)
        assert count > number
        assert torch.equal(maps["cnn1"], alone(model, x))
        assert hooks_on(model) == []


def test_inputs_of_another_threads_pass_are_left_as_they_are(model):
    seen = []
    model.cnn1.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x = images()
    with featmagic.capture(model, "cnn1"):
        in_thread(lambda: model(x))
    assert seen[0] is x


def test_a_layer_that_another_thread_calls_between_passes_is_not_taken(model):
    with featmagic.capture(model, "cnn1") as maps:
        model(images(2))
        in_thread(lambda: model.cnn1(images(3)))
    assert len(maps["cnn1"]) == 2


def test_a_watch_keeps_what_its_cell_runs_and_says_who_else_ran_the_model(shell):
    shell.names["in_thread"] = in_thread
    shell.run("%hook model cnn1")
    printed = shell.run("in_thread(lambda: model(x));")
    assert "Another thread ran model: a watch captures only what the cell itself runs." in printed
    assert list(shell.names["feature_maps"]) == []
    shell.run("y = model(x)")
    assert list(shell.names["feature_maps"]) == ["cnn1"]


def test_blocks_closed_in_another_task_or_thread_leave_nothing(model, x):
    model.train()

    def looking():
        with featmagic.capture(model, "cnn1") as maps:
            yield maps

    generator = looking()
    next(generator)
    in_thread(generator.close)
    assert (hooks_on(model), all(flags_of(model))) == ([], True)
    with featmagic.capture(nn.ReLU()):  # gradients are this thread's own to restore
        pass
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_gradients_come_back_with_the_last_of_overlapping_blocks(model, order):
    def looking():
        with featmagic.capture(model, "cnn1"):
            yield

    generators = [looking(), looking()]
    for generator in generators:
        next(generator)
    generators[order[0]].close()
    assert not torch.is_grad_enabled()
    generators[order[1]].close()
    assert torch.is_grad_enabled()


def test_gradients_that_the_user_has_switched_on_since_stay_on(model):
    def looking():
        with featmagic.capture(model, "cnn1"):
            yield

    generator = looking()
    with torch.no_grad():
        next(generator)
    assert torch.is_grad_enabled()
    generator.close()
    assert torch.is_grad_enabled()


def test_a_block_that_was_entered_by_hand_and_dropped_is_ended_by_the_next_one(model, x):
    model.train()
    entered = featmagic.capture(model, "cnn1")
    entered.__enter__()
    del entered
    assert hooks_on(model)
    with featmagic.capture(nn.ReLU()):
        pass
    assert (hooks_on(model), all(flags_of(model)), torch.is_grad_enabled()) == ([], True, True)


def test_nothing_holds_a_model_after_a_block(x):
    model = DNN()
    with featmagic.capture(model, "cnn1") as maps:
        model(x)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert list(maps) == ["cnn1"]


def test_layers_run_by_a_pool_that_lives_longer_than_the_pass_belong_to_it():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.pool = ThreadPoolExecutor(2)

        def forward(self, x):
            return sum(self.pool.map(self.b, [self.a(x), x]))

    model, x = Pooled(), torch.ones(1, 3)
    with torch.no_grad():
        truth = model(x)  # the pool's threads are there
    for _ in range(5):
        with featmagic.capture(model) as maps:
            model(x)
        assert sorted(maps) == ["a", "b", "b:2"]
        torch.testing.assert_close(maps["b"] + maps["b:2"], truth)


def test_gradients_that_were_off_when_the_first_block_began_and_on_when_the_next_did_are_on(model):
    def looking():
        with featmagic.capture(model, "cnn1"):
            yield

    generator = looking()
    with torch.no_grad():
        next(generator)
    assert torch.is_grad_enabled()
    with featmagic.capture(model, "cnn1"):
        generator.close()
        assert not torch.is_grad_enabled()
        with featmagic.capture(model, "cnn1"):
            pass
    assert torch.is_grad_enabled()

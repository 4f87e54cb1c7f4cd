"""A capture holds the values of its own thread or task, whatever else runs the model."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers.interrupting import network
from helpers.leftovers import Before
from torch import nn

import featmagic

ROUNDS = 100
LAYERS = ("0", "1", "2")


@pytest.fixture
def model():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Tanh())
    model[1].eval()
    return model


def inputs_of(seed, n=ROUNDS):
    return list(torch.randn(n, 2, 4, generator=torch.Generator().manual_seed(seed)))


def expected_of(model, x):
    """Return what the layers return, by calling them one after the other."""
    values = []
    with torch.no_grad():
        for layer in model:
            x = layer(x)
            values.append(x)
    return values


def check(model, captured):
    """Check that each capture holds the values of a plain pass with its own input."""
    for x, maps in captured:
        assert list(maps) == list(LAYERS)
        for key, value in zip(LAYERS, expected_of(model, x), strict=True):
            assert torch.equal(maps[key], value)


def in_threads(*works):
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_two_threads_that_capture_hold_their_own_passes(model):
    before, captured, meeting = Before(model), [], threading.Barrier(2)

    def work(seed):
        for x in inputs_of(seed):
            meeting.wait()
            with featmagic.capture(model, *LAYERS) as maps:
                model(x)
            captured.append((x, maps))

    in_threads(lambda: work(1), lambda: work(2))
    assert len(captured) == 2 * ROUNDS
    check(model, captured)
    assert before.left() == {}


def test_a_thread_that_runs_the_model_all_the_time_is_never_captured(model):
    before, captured, stop = Before(model), [], threading.Event()

    def background():
        while not stop.is_set():
            with torch.no_grad():
                model(torch.full((2, 4), 7.0))

    thread = threading.Thread(target=background)
    thread.start()
    try:
        for x in inputs_of(1):
            with featmagic.capture(model, *LAYERS) as maps:
                model(x)
            captured.append((x, maps))
    finally:
        stop.set()
        thread.join()
    check(model, captured)
    assert before.left() == {}


def test_a_thread_that_trains_the_model_is_never_captured(model):
    """As the weights change meanwhile, passes are distinguished by their number of samples."""
    before, stop, shapes = Before(model), threading.Event(), set()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    steps = 0

    def train():
        nonlocal steps
        while not stop.is_set():
            optimizer.zero_grad()
            with torch.enable_grad():
                model(torch.ones(9, 4)).sum().backward()
            optimizer.step()
            steps += 1

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for x in inputs_of(1):
            with featmagic.capture(model, *LAYERS) as maps:
                y = model(x)
            assert list(maps) == list(LAYERS)
            shapes |= {tuple(value.shape) for value in maps.values()}
            assert torch.equal(maps["2"], y)
    finally:
        stop.set()
        thread.join()
    assert shapes == {(2, 4)}
    assert steps > 0
    assert before.left() == {}
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_tasks_that_take_turns_between_passes_hold_their_own(model):
    before, captured = Before(model), []

    async def work(seed):
        for x in inputs_of(seed, 20):
            with featmagic.capture(model, *LAYERS) as maps:
                await asyncio.sleep(0)
                model(x)
                await asyncio.sleep(0)
            captured.append((x, maps))

    async def run():
        await asyncio.gather(*(work(seed) for seed in range(4)))

    asyncio.run(run())
    assert len(captured) == 80
    check(model, captured)
    assert before.left() == {}


def test_a_pass_in_a_thread_that_the_task_hands_it_to_is_captured(model):
    captured = []

    async def run():
        for x in inputs_of(1, 20):
            with featmagic.capture(model, *LAYERS) as maps:
                await asyncio.to_thread(model, x)
            captured.append((x, maps))

    asyncio.run(run())
    check(model, captured)


class InThreads(nn.Module):
    """Run its layers in threads of its own."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.last = nn.Linear(4, 4)

    def forward(self, x):
        with ThreadPoolExecutor(3) as pool:
            parts = list(pool.map(lambda part: part(x), self.parts))
        return self.last(sum(parts))


def test_layers_that_the_model_runs_in_threads_of_its_own_are_captured():
    model = InThreads()
    before = Before(model)
    for x in inputs_of(1, 50):
        with featmagic.capture(model, "parts.*", "last") as maps:
            y = model(x)
        assert sorted(maps) == ["last", "parts.0", "parts.1", "parts.2"]
        assert torch.equal(maps["last"], y)
        with torch.no_grad():
            for number, part in enumerate(model.parts):
                assert torch.equal(maps[f"parts.{number}"], part(x))
    assert before.left() == {}


class InOneThreadOfMany(nn.Module):
    """Run its only layer in a thread that lives on, as a server's does."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.pool = ThreadPoolExecutor(1)

    def forward(self, x):
        return self.pool.submit(self.layer, x).result()


def test_layers_in_a_thread_that_lives_on_are_captured():
    model = InOneThreadOfMany()
    with model.pool:
        for x in inputs_of(1, 50):
            with featmagic.capture(model) as maps:
                y = model(x)
            assert torch.equal(maps["layer"], y)


def test_data_parallel_gives_the_values_of_its_own_input():
    inner = network()
    wrapped = nn.DataParallel(inner)
    before, captured = Before(wrapped), []

    def work(seed):
        torch.set_num_threads(1)
        for x in torch.rand(20, 2, 1, 5, 5, generator=torch.Generator().manual_seed(seed)):
            with featmagic.capture(wrapped, "0") as maps:
                wrapped(x)
            captured.append((x, maps))

    in_threads(lambda: work(1), lambda: work(2))
    for x, maps in captured:
        with torch.no_grad():
            assert torch.equal(maps["0"], inner[0](x))
    assert before.left() == {}


def test_a_watch_keeps_what_the_cell_runs_and_a_thread_beside_it_runs_its_own(shell):
    net = network()
    shell.names.update(net=net, threading=threading)
    before, stop = Before(net), threading.Event()

    def background():
        while not stop.is_set():
            with torch.no_grad():
                net(torch.zeros(7, 1, 5, 5))

    shell.run("%hook net 0")
    thread = threading.Thread(target=background)
    thread.start()
    try:
        for _ in range(30):
            shell.run("z = torch.rand(2, 1, 5, 5)\ny = net(z)")
            with torch.no_grad():
                assert torch.equal(shell.names["feature_maps"]["0"], net[0](shell.names["z"]))
    finally:
        stop.set()
        thread.join()
    assert before.left() == {}

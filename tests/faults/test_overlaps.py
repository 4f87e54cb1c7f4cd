"""Looks that overlap: every order of beginning and ending, in generators, tasks and threads."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from functools import partial

import pytest
import torch
from helpers.interrupting import in_a_copy, network
from helpers.leftovers import Before
from helpers.networks import hooks_on

import featmagic


def orders(looks):
    """Every order in which the looks can begin and end: `+0` begins the first, `-0` ends it."""
    steps = [f"{sign}{look}" for look in range(looks) for sign in "+-"]
    return [
        order
        for order in itertools.permutations(steps)
        if all(order.index(f"+{look}") < order.index(f"-{look}") for look in range(looks))
    ]


ORDERS = orders(3)
assert len(ORDERS) == 90


class Models:
    """Two models, the first of which has two looks, and their expected state."""

    def __init__(self, *, grad=True):
        self.models = network(), network()
        self.of = [self.models[0], self.models[0], self.models[1]]
        torch.set_grad_enabled(grad)
        self.grad = grad
        self.flags = [[m.training for m in model.modules()] for model in self.models]
        self.before = Before(*self.models)
        self.open = set()

    def step(self, step):
        """Note that a look begins or ends."""
        look = int(step[1])
        self.open = self.open | {look} if step[0] == "+" else self.open - {look}

    def check(self, order, step, *, grad=None):
        """Check that the state is what the open looks require."""
        told = f"{step} of {' '.join(order)}"
        for model, flags in zip(self.models, self.flags, strict=True):
            open_here = [look for look in self.open if self.of[look] is model]
            expected = [False] * len(flags) if open_here else flags
            assert [m.training for m in model.modules()] == expected, told
            assert bool(hooks_on(model)) == bool(open_here), told
        expected = (self.grad and not self.open) if grad is None else grad
        assert torch.is_grad_enabled() is expected, told

    def check_end(self, order):
        assert self.before.left() == {}, order


def look_at(model, **options):
    with featmagic.capture(model, "0", **options):
        yield


@pytest.fixture(autouse=True)
def _grad_mode():
    yield
    torch.set_grad_enabled(True)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("end", ["close", "next", "del"])
def test_generators_that_look_may_begin_and_end_in_any_order(end, grad):
    for order in ORDERS:
        models, running = Models(grad=grad), {}
        for step in order:
            look = int(step[1])
            if step[0] == "+":
                running[look] = look_at(models.of[look])
                next(running[look])
            elif end == "close":
                running.pop(look).close()
            elif end == "next":
                next(running.pop(look), None)
            else:
                del running[look]
            models.step(step)
            models.check(order, step)
        models.check_end(order)


def test_blocks_entered_by_hand_may_end_in_any_order():
    for order in ORDERS:
        models = Models()
        blocks = [featmagic.capture(model, "0") for model in models.of]
        for step in order:
            block = blocks[int(step[1])]
            if step[0] == "+":
                block.__enter__()
            else:
                block.__exit__(None, None, None)
            models.step(step)
            models.check(order, step)
        models.check_end(order)


def test_looks_as_is_among_others_leave_the_mode_alone():
    for order in ORDERS:
        models, running = Models(), {}
        for step in order:
            look = int(step[1])
            if step[0] == "+":
                running[look] = look_at(models.of[look], as_is=look == 1)
                next(running[look])
            else:
                running.pop(look).close()
            models.step(step)
            held = models.open - {1}
            assert torch.is_grad_enabled() is not bool(held), (order, step)
            flags = [m.training for m in models.models[0].modules()]
            expected = [False] * len(flags) if 0 in held else models.flags[0]
            assert flags == expected, (order, step)
        models.check_end(order)


def test_tasks_that_look_may_begin_and_end_in_any_order():
    async def task(model, inbox, done):
        await inbox.get()
        with featmagic.capture(model, "0"):
            done.set()
            await inbox.get()
        done.set()

    async def run(order):
        models = Models()
        inboxes, done = [asyncio.Queue() for _ in models.of], asyncio.Event()
        tasks = [
            asyncio.create_task(task(model, inbox, done))
            for model, inbox in zip(models.of, inboxes, strict=True)
        ]
        for step in order:
            done.clear()
            inboxes[int(step[1])].put_nowait(step)
            await done.wait()
            await asyncio.sleep(0)
            models.step(step)
            models.check(order, step)
        await asyncio.gather(*tasks)
        models.check_end(order)

    for order in ORDERS:
        asyncio.run(run(order))


@pytest.mark.parametrize("end", ["left", "abandoned"])
def test_tasks_that_are_cancelled_while_they_look_leave_nothing(end):
    async def task(model):
        with featmagic.capture(model, "0"):
            await asyncio.sleep(3600)

    async def run(order, models):
        tasks = [asyncio.create_task(task(model)) for model in models.of]
        await asyncio.sleep(0)
        if end == "left":
            for number in order:
                tasks[number].cancel()
                await asyncio.gather(tasks[number], return_exceptions=True)
        # asyncio.run cancels whatever is still there

    for order in itertools.permutations(range(3)):
        models = Models()
        asyncio.run(run(order, models))
        models.check_end(order)


class Worker:
    """A thread that runs one function after the other on request."""

    def __init__(self):
        self._asked, self._answered = queue.Queue(), queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def do(self, work):
        self._asked.put(work)
        result, error = self._answered.get(timeout=60)
        if error is not None:
            raise error
        return result

    def stop(self):
        self._asked.put(None)
        self._thread.join(60)

    def _run(self):
        while (work := self._asked.get()) is not None:
            try:
                self._answered.put((work(), None))
            except BaseException as error:
                self._answered.put((None, error))


def test_threads_that_look_may_begin_and_end_in_any_order():
    """The grad mode is that of each thread; training flags are shared."""
    workers = [Worker() for _ in range(3)]
    for order in ORDERS:
        models, running = Models(), {}
        for step in order:
            look = int(step[1])
            if step[0] == "+":
                running[look] = look_at(models.of[look])
                workers[look].do(partial(next, running[look]))
            else:
                workers[look].do(running.pop(look).close)
            models.step(step)
            models.check(order, step, grad=True)
            for number, worker in enumerate(workers):
                assert worker.do(torch.is_grad_enabled) is (number not in models.open)
        models.check_end(order)
    for worker in workers:
        worker.stop()


def test_a_look_that_another_thread_ends_leaves_nothing_after_the_next_one():
    """Another thread can't switch gradients on in this one; the next look does."""
    worker = Worker()
    for order in ORDERS:
        models, running = Models(), {}
        for step in order:
            look = int(step[1])
            if step[0] == "+":
                running[look] = look_at(models.of[look])
                next(running[look])
            else:
                worker.do(running.pop(look).close)
            models.step(step)
        with featmagic.capture(network(), "0"):
            pass
        models.check_end(order)
        assert worker.do(torch.is_grad_enabled)
    worker.stop()


@pytest.mark.parametrize("grad", [True, False])
def test_a_look_in_a_block_of_another_look_restores_the_blocks_grad_mode(grad):
    torch.set_grad_enabled(grad)
    with featmagic.capture(network(), "0"):
        with torch.enable_grad():
            for _ in range(2):
                with featmagic.capture(network(), "0"):
                    assert not torch.is_grad_enabled()
                assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled() is grad


def test_a_new_thread_with_the_number_of_an_ended_one_keeps_its_own_grad_mode():
    """The ended thread leaves a look that it began, and that only another thread has ended."""

    def begin():
        running.append(look_at(network()))
        next(running[-1])
        numbers.add(threading.get_ident())

    def look_without_gradients():
        with torch.no_grad():
            with featmagic.capture(network(), "0"):
                pass
            found.append((threading.get_ident() in numbers, torch.is_grad_enabled()))

    running, numbers, found = [], set(), []
    for work in (begin, look_without_gradients) * 20:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        while running:
            running.pop().close()
    assert any(again for again, _ in found)
    assert {grad for _, grad in found} == {False}


def test_what_the_user_changes_while_no_look_is_open_stays():
    for order in ORDERS:
        models, running = Models(), {}
        user = iter(itertools.product([True, False], repeat=4))
        for step in order:
            look = int(step[1])
            if step[0] == "+":
                running[look] = look_at(models.of[look])
                next(running[look])
            else:
                running.pop(look).close()
            models.step(step)
            if not models.open:
                *wanted, grad = next(user)
                for module, value in zip(models.models[0].modules(), wanted, strict=False):
                    module.training = value
                torch.set_grad_enabled(grad)
                models.flags[0] = [m.training for m in models.models[0].modules()]
                models.grad = grad
            models.check(order, step)
        torch.set_grad_enabled(True)


@pytest.mark.parametrize(
    ("block", "grad"),
    [
        (torch.no_grad, True),
        (torch.no_grad, False),
        (torch.enable_grad, True),
        (torch.inference_mode, True),
        (torch.inference_mode, False),
    ],
)
def test_a_block_of_the_users_that_begins_first_and_ends_inside_a_look_has_its_effect(block, grad):
    """Afterwards, the grad mode is the same as without a look.

    The exception is `enable_grad` with gradients off before it: at its end it switches them off
    inside the look, where they are off already, so that the look can't notice it.
    """

    def inside():
        with block():
            yield

    torch.set_grad_enabled(grad)
    outer, look = inside(), look_at(network())
    next(outer)
    next(look)
    outer.close()
    look.close()
    assert torch.is_grad_enabled() is grad
    assert not torch.is_inference_mode_enabled()


def test_compiled_code_runs_as_plain_python_while_any_look_is_open():
    def work(tell):
        import torch._dynamo.eval_frame as dynamo

        for user in ("default", "eager_on_recompile"):
            torch.compiler.set_stance(user)
            for order in ORDERS:
                models, running = Models(), {}
                for step in order:
                    look = int(step[1])
                    if step[0] == "+":
                        running[look] = look_at(models.of[look])
                        next(running[look])
                    else:
                        running.pop(look).close()
                    models.step(step)
                    expected = "force_eager" if models.open else user
                    if dynamo._stance.stance != expected:
                        tell((order, step, dynamo._stance.stance))

    if not hasattr(torch.compiler, "set_stance"):
        pytest.skip("torch 2.6 and newer")
    wrong, end = in_a_copy(work, patience=None)
    assert not end
    assert wrong == []

"""Several passes: of each layer the latest is kept, whole, and each value says where it is from."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import threading
import weakref

import pytest
import torch
from helpers.networks import DNN, Failing, images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.recording.kept_passes import KeptPasses
from featmagic.recording.pytree import copied
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select
from featmagic.recording.sinks import KeepPasses


class Steps(nn.Module):
    """Runs the layers that it is told, each adding its number to a counter of all calls."""

    def __init__(self, names):
        super().__init__()
        self.calls = 0
        for name in names:
            self.add_module(name, Step(self))

    def forward(self, names):
        for name in names:
            if name == "fail":
                raise Stop
            getattr(self, name)()


class Step(nn.Module):
    """Returns how many calls there have been in the whole model, as a tensor."""

    def __init__(self, model):
        super().__init__()
        self.count = weakref.ref(model)

    def forward(self):
        model = self.count()
        model.calls += 1
        return torch.tensor([float(model.calls)])


class Stop(Exception):
    """Ends a pass."""


def passes_of(maps):
    """Return which pass each value is from, by key."""
    return {key: str(one.of_pass) for key, one in maps.kept.activations.items()}


def run(model, *passes):
    for names in passes:
        with contextlib.suppress(Stop):
            model(names)


def values(maps):
    return {key: value.item() for key, value in maps.items()}


# What is kept


def test_a_layer_has_what_the_latest_pass_that_ran_it_gave():
    model = Steps("abc")
    with featmagic.capture(model, "a", "b", "c") as maps:
        run(model, "ab", "bc", "c")
    assert values(maps) == {"a": 1, "b": 3, "c": 5}
    assert passes_of(maps) == {"a": "pass 1 of 3", "b": "pass 2 of 3", "c": "pass 3 of 3"}
    assert maps.missing == {}


def test_a_layer_never_mixes_the_calls_of_two_passes():
    model = Steps("ab")
    with featmagic.capture(model, "a", "b") as maps:
        run(model, "aaba", "a")
    assert values(maps) == {"a": 5, "b": 3}


def test_a_layer_never_mixes_the_parts_of_two_passes():
    class Parts(nn.Module):
        def forward(self, count):
            return tuple(torch.tensor([float(count)]) for _ in range(count))

    model = nn.Sequential(Parts())
    with featmagic.capture(model, "0") as maps:
        model(3)
        model(2)
    assert {key: value.item() for key, value in maps.items()} == {"0[0]": 2, "0[1]": 2}
    with featmagic.capture(model, "0[2]", "0[0]") as maps:
        model(3)
        model(2)
    assert list(maps) == ["0[0]"]
    assert maps.missing == {"0[2]": "it returned 0[0], 0[1]"}


def test_a_single_pass_has_no_number(model, x):
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model(x)
    assert passes_of(maps) == {"cnn1": "", "act1": ""}


def test_a_part_called_on_its_own_refreshes_its_own_layers_alone(model):
    first, last = images(1, seed=1), images(2, seed=2)
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model(first)
        model.cnn1(last)
    with torch.no_grad():
        assert torch.equal(maps["cnn1"], model.cnn1(last))
        assert torch.equal(maps["act1"], model.act1(model.cnn1(first)))
    assert passes_of(maps) == {"cnn1": "called on its own", "act1": ""}
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model.cnn1(first)
        model(last)
        model(last)
    assert passes_of(maps) == {"cnn1": "pass 2 of 2", "act1": "pass 2 of 2"}


def test_where_only_parts_run_those_passes_are_numbered(model, x):
    with featmagic.capture(model, "cnn1", "act1") as maps:
        for _ in range(3):
            model.forward(x)
    assert passes_of(maps) == {"cnn1": "pass 3 of 3", "act1": "pass 3 of 3"}


def test_a_pass_of_parts_can_be_chosen_where_there_are_no_others(model):
    with featmagic.capture(model, "cnn1", passes=2) as maps:
        for n in (1, 2, 3):
            model.forward(images(n))
    assert len(maps["cnn1"]) == 2
    assert passes_of(maps) == {"cnn1": "pass 2 of 3"}


def test_a_part_called_after_a_further_pass_begins_a_pass_of_its_own(model, x):
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model.cnn1(x)
        model(x)
        model.act1(x)
    assert maps["act1"].shape == x.shape
    assert passes_of(maps) == {"cnn1": "", "act1": "called on its own"}


def test_a_pass_that_fails_leaves_what_an_earlier_one_gave_and_says_which():
    model = Steps("abcd")
    with featmagic.capture(model, "*") as maps:
        run(model, "abcd", ["a", "b", "fail"])
    assert values(maps) == {"a": 5, "b": 6, "c": 3, "d": 4}
    first, second = "pass 1 of 2", "pass 2 of 2"
    assert passes_of(maps) == {"a": second, "b": second, "c": first, "d": first}
    assert maps.missing == {}


def test_passes_that_overlap_in_threads_count_in_the_order_in_which_they_began():
    model = Steps("ab")
    began, may_end = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def forward(self):
            if threading.current_thread() is not threading.main_thread():
                began.set()
                may_end.wait(60)

    model.add_module("wait", Waits())
    with featmagic.capture(model, "a", "b") as maps:
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(model, ["b", "wait", "a", "b"])
        )
        thread.start()
        assert began.wait(60)
        model("a")
        may_end.set()
        thread.join()
    # The second pass gave a, before the first one did; b only the first one gave.
    assert values(maps) == {"b": 1, "b:2": 4, "a": 2}


def test_a_model_that_calls_itself_is_in_its_pass_until_the_outermost_call_returns():
    class Recursive(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after = nn.Identity(), nn.Identity()

        def forward(self, x, depth):
            x = self.before(x) + 1
            return self.after(self(x, depth - 1) if depth > 1 else x)

    model = Recursive()
    with featmagic.capture(model, "before", "after") as maps:
        model(torch.zeros(1), 3)
    assert {key: value.item() for key, value in maps.items()} == {
        **{"before": 0, "before:2": 1, "before:3": 2, "after": 3, "after:2": 3, "after:3": 3},
    }
    assert set(passes_of(maps).values()) == {""}
    with featmagic.capture(model, "before", "after") as maps:
        model(torch.zeros(1), 3)
        model(torch.zeros(1), 1)
    assert passes_of(maps) == {"before": "pass 2 of 2", "after": "pass 2 of 2"}


def test_a_call_of_itself_that_fails_and_is_caught_does_not_make_the_pass_one_that_failed():
    class Retries(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.after, self.unused = nn.Identity(), nn.Identity(), nn.Identity()

        def forward(self, x, again=True):
            x = self.before(x)
            if not again:
                raise ValueError
            with contextlib.suppress(ValueError):
                self(x, again=False)
            return self.after(x)

    model = Retries()
    with featmagic.capture(model, "before", "after", "unused", passes="all") as maps:
        model(torch.zeros(1))
        model(torch.ones(1))
    assert [list(each) for each in maps.passes] == [["before", "before:2", "after"]] * 2
    assert maps.missing["unused"].startswith("it was not called")


LAYERS = "abcd"
WHOLE = st.lists(st.sampled_from([*LAYERS, "fail"]), max_size=6)
# A list is a pass, a letter a part that is called on its own.
PROGRAMS = st.lists(st.one_of(WHOLE, st.sampled_from(LAYERS)), max_size=6)


def latest_by_hand(program):
    """Return what each layer gave in the latest pass that ran it: the numbers of its calls."""
    passes, of_parts = [], None
    count = 0
    for step in program:
        is_whole = isinstance(step, list)
        names = [*step, "fail"][: [*step, "fail"].index("fail")] if is_whole else [step]
        if is_whole or of_parts is None or step == of_parts:
            passes.append({})  # a pass of parts goes on until the first of them comes again
            of_parts = None if is_whole else step
        for name in names:
            count += 1
            passes[-1].setdefault(name, []).append(count)
    latest = {}
    for calls_of in passes:
        latest |= calls_of
    return {
        name if call == 1 else f"{name}:{call}": number
        for name, numbers in latest.items()
        for call, number in enumerate(numbers, 1)
    }


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS)
def test_any_sequence_of_passes_and_parts_leaves_of_each_layer_the_latest(program):
    model = Steps(LAYERS)
    with featmagic.capture(model, "*") as maps:
        for step in program:
            if isinstance(step, list):
                run(model, step)
            else:
                getattr(model, step)()
    expected = latest_by_hand(program)
    assert values(maps) == expected
    if program:
        assert set(maps.missing) == set(LAYERS) - {key[0] for key in expected}


# Order


@pytest.mark.parametrize(
    ("passes", "order"),
    [
        (["abcd", ["a", "b", "fail"]], "abcd"),  # what a pass didn't reach stays behind
        (["ac", "abc"], "abc"),  # the latest pass has the say
        (["abc", "ca"], "cab"),  # b ran behind a
        (["b", "ac"], "bac"),  # what ran first and never again
        (["abc", "b"], "abc"),
        (["ab", "cd"], "abcd"),
        (["a", "b", "c", "a"], "bca"),
    ],
)
def test_the_order_is_that_of_the_latest_pass_with_the_others_where_they_followed(passes, order):
    model = Steps("abcd")
    with featmagic.capture(model, "d", "c", "b", "a") as maps:
        run(model, *passes)
    assert "".join(maps) == order


def test_a_layer_called_twice_stands_where_its_calls_ran():
    model = Steps("abc")
    with featmagic.capture(model, "*") as maps:
        run(model, "abac", ["a", "b", "a", "fail"])
    assert list(maps) == ["a", "b", "a:2", "c"]


# Memory


def test_what_is_replaced_is_released_at_once():
    class Watched(nn.Module):
        def forward(self, x):
            gc.collect()
            alive.append(sum(ref() is not None for ref in kept))
            return x + 1

    alive, kept = [], []
    model = nn.Sequential(nn.Identity(), Watched(), nn.Identity())
    with featmagic.capture(model, "0", "2") as maps:
        model(torch.zeros(3))
        kept += [weakref.ref(maps["0"]), weakref.ref(maps["2"])]
        model(torch.zeros(3))
        assert [ref() is None for ref in kept] == [True, True]
    assert alive == [0, 1]  # in the second pass the first layer was replaced before the last one


@pytest.fixture
def copies(monkeypatch):
    """Weak references to all copies that are made."""
    made = []

    def noted(tensor):
        copy = copied(tensor)
        made.append(weakref.ref(copy))
        return copy

    monkeypatch.setattr("featmagic.recording.sinks.copied", noted)
    return made


def alive(copies):
    return sum(copy() is not None for copy in copies)


def test_a_long_loop_holds_one_pass(model, copies):
    with featmagic.capture(model, "cnn1", "fc2"):
        for seed in range(50):
            model(images(1, seed))
            assert alive(copies) == 2
    assert len(copies) == 100


@pytest.mark.parametrize(
    ("choice", "held", "copied"),
    [(2, 1, 1), (-1, 1, 9), (-3, 3, 9), ("all", 9, 9), ("last", 1, 9), (20, 0, 0)],
)
def test_no_more_is_copied_and_held_than_may_be_chosen(choice, held, copied, copies):
    model, counts = nn.Sequential(nn.Identity()), []
    with featmagic.capture(model, "0", passes=choice):
        for _ in range(9):
            model(torch.zeros(3))
            counts.append(alive(copies))
    assert (max(counts), len(copies)) == (held, copied)


def test_passes_that_hold_nothing_any_more_are_let_go():
    model, kept, refs = nn.Sequential(nn.Identity()), KeptPasses(), []
    sink = KeepPasses(kept, lambda run: refs.append(weakref.ref(run)))
    with Recorder(select(model, ["0"]), sink):
        for _ in range(20):
            model(torch.zeros(3))
    assert len(refs) == 20
    assert sum(ref() is not None for ref in refs) <= 2
    assert list(kept.activations) == ["0"]


def test_a_value_that_a_later_pass_gave_while_it_was_copied_is_not_kept(monkeypatch):
    model, made = Steps("ab"), []

    def slow(tensor):
        made.append(copied(tensor))
        if len(made) == 1:  # while the first pass copies, another thread runs a whole pass
            thread = threading.Thread(target=contextvars.copy_context().run, args=(model, "ab"))
            thread.start()
            thread.join()
        return made[int(tensor.item()) - 1]

    monkeypatch.setattr("featmagic.recording.sinks.copied", slow)
    with featmagic.capture(model, "a", "b") as maps:
        model("a")
    assert values(maps) == {"a": 2, "b": 3}
    assert sum(len(run.activations) for run in maps.kept._passes) == 2


# One pass, or each


def test_a_pass_is_chosen_by_its_number_from_either_end():
    model = Steps("ab")
    for choice, kept in ((1, {"a": 1}), (2, {"a": 2, "b": 3}), (-1, {"b": 4}), (-2, {"a": 2})):
        with featmagic.capture(model, "a", "b", passes=choice) as maps:
            model.calls = 0
            run(model, "a", "ab", "b")
        assert kept.items() <= values(maps).items()
        assert set(passes_of(maps).values()) == {f"pass {choice % 4 or 4} of 3"} or choice < 0
    assert passes_of(maps) == {"a": "pass 2 of 3", "b": "pass 2 of 3"}


def test_a_part_on_its_own_is_no_numbered_pass_beside_whole_ones(model, x):
    with featmagic.capture(model, "cnn1", "act1", passes=1) as maps:
        model.cnn1(x)
        model(x + 1)
        model.cnn1(x)
    with torch.no_grad():
        assert torch.equal(maps["cnn1"], model.cnn1(x + 1))
    assert list(maps) == ["cnn1", "act1"]


def test_a_pass_that_there_was_not_is_said_with_how_many_ran(model, x):
    for choice in (7, -7):
        with featmagic.capture(model, "cnn1", passes=choice) as maps:
            model(x)
            model(x)
        reason = f"there is no pass {choice}: 2 passes ran"
        assert maps.missing == {"cnn1": reason}
        with pytest.raises(KeyError, match=reason):
            maps["cnn1"]
        with pytest.raises(FeatmagicError, match=f"^There is no pass {choice}: 2 passes ran.$"):
            maps.show()


def test_the_last_pass_has_nothing_to_show_where_it_ran_none_of_the_layers():
    model = Steps("ab")
    with featmagic.capture(model, "a") as maps:
        run(model, "ab", "b")
    assert values(maps) == {"a": 1}
    for choice in (2, -1, "last"):
        found = [one.key for one in maps.kept.select(choice)]
        assert found == (["a"] if choice == "last" else []), choice
    assert [one.key for one in maps.kept.select(1)] == ["a"]


def test_every_pass_can_be_had_for_itself():
    model = Steps("abc")
    with featmagic.capture(model, "a", "b", "c", passes="all") as maps:
        run(model, "ab", "", "aac")
    assert values(maps) == {"a": 3, "b": 2, "a:2": 4, "c": 5}
    assert [values(one) for one in maps.passes] == [
        {"a": 1, "b": 2},
        {},
        {"a": 3, "a:2": 4, "c": 5},
    ]
    assert passes_of(maps.passes[0]) == {"a": "pass 1 of 3", "b": "pass 1 of 3"}
    assert all(isinstance(one, featmagic.FeatureMaps) for one in maps.passes)


def test_where_each_pass_is_kept_the_maps_themselves_are_those_of_the_latest():
    model = Steps("ab")
    with featmagic.capture(model, "a", "b", passes="all") as maps:
        run(model, "aab", "a")
    assert values(maps) == {"a": 4, "b": 3}
    assert len(maps) == 2
    with pytest.raises(KeyError):
        maps["a:2"]
    assert maps.passes[0]["a:2"].item() == 2


def test_parts_on_their_own_are_passes_only_where_there_are_no_others(model, x, copies):
    with featmagic.capture(model, "cnn1", passes="all") as maps:
        model.cnn1(x)
        model.cnn1(x + 1)
        assert len(maps.passes) == 2
        model(x + 2)
        model.cnn1(x + 3)
        model.cnn1(x + 4)
    with torch.no_grad():
        (only,) = maps.passes
        assert torch.equal(only["cnn1"], model.cnn1(x + 2))
        assert torch.equal(maps["cnn1"], model.cnn1(x + 4))
    assert (alive(copies), len(copies)) == (2, 5)
    assert passes_of(maps) == {"cnn1": "called on its own"}


NOT_ALL = 'Only the latest pass of each layer was kept: passes="all" (--pass all) keeps every pass.'


@pytest.mark.parametrize(
    ("kept", "asked", "message"),
    [
        ("last", 1, NOT_ALL),
        ("last", "all", NOT_ALL),
        ("last", 4, "There is no pass 4: 3 passes ran."),
        (2, 1, 'Only pass 2 of 3 was kept: passes="all" (--pass all) keeps every pass.'),
        (-2, "last", 'Only pass 2 of 3 was kept: passes="all" (--pass all) keeps every pass.'),
        ("all", -4, "There is no pass -4: 3 passes ran."),
        (9, "all", 'No pass was kept: passes="all" (--pass all) keeps every pass.'),
    ],
)
def test_a_pass_that_was_not_kept_is_said_with_what_keeps_it(kept, asked, message):
    model = Steps("a")
    with featmagic.capture(model, "a", passes=kept) as maps:
        run(model, "a", "a", "a")
    with pytest.raises(FeatmagicError) as caught:
        maps.show(passes=asked)
    assert str(caught.value) == message


def test_single_passes_need_each_to_be_kept(model, x):
    with featmagic.capture(model, "cnn1") as maps:
        model(x)
    with pytest.raises(
        FeatmagicError, match=r"^Only the latest pass of each layer was kept: passes="
    ):
        maps.passes  # noqa: B018


def test_a_pass_of_which_parts_ran_again_is_not_shown_as_if_it_were_whole(model, x):
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model(x)
        model.cnn1(x)
    with pytest.raises(FeatmagicError, match=r"^Parts of the model ran again after pass 1 and "):
        maps.show(passes=1)


@pytest.mark.parametrize("wrong", [0, "first", 1.5, True, None])
def test_what_is_no_pass_is_refused_before_anything_runs(model, wrong):
    with (
        pytest.raises(FeatmagicError, match=r"^(invalid )?passes "),
        featmagic.capture(model, passes=wrong),
    ):
        pytest.fail("the block must not run")


# What is missing


def test_missing_names_only_what_no_pass_gave():
    model = Steps("abc")
    with featmagic.capture(model, "a:3", "b", "c") as maps:
        run(model, "ab", "aa")
    why = "(direct .forward() calls and functional use of its weights can't be observed)"
    assert maps.missing == {
        "a:3": "it was called only 2 times in the last pass that ran it",
        "c": f"it was not called in any pass {why}",
    }
    with featmagic.capture(model, "a", "b", "c", passes=2) as maps:
        run(model, "ab", "a")
    assert maps.missing == dict.fromkeys("bc", f"it was not called in the pass that was kept {why}")
    with featmagic.capture(model, "a:2", passes="all") as maps:
        model.calls = 0
        run(model, "aa", "a")
    assert maps.missing == {}
    assert values(maps) == {"a:2": 2}


def test_a_layer_that_a_later_pass_gave_no_tensor_has_no_older_one():
    class Sometimes(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else None

    model = nn.Sequential(Sometimes())
    with featmagic.capture(model, "0") as maps:
        model(torch.ones(1))
        model(torch.zeros(1))
    assert dict(maps) == {}
    assert maps.missing == {"0": "it returned no tensor (NoneType)"}
    with featmagic.capture(model, "0") as maps:
        model(torch.zeros(1))
        model(torch.ones(1))
    assert list(maps) == ["0"]
    assert maps.missing == {}
    with featmagic.capture(model, "0", passes="all") as maps:
        model(torch.ones(1))
        model(torch.zeros(1))
    assert maps.missing == {}  # the first pass gave it, and was kept
    assert [list(one) for one in maps.passes] == [["0"], []]


def test_a_pass_that_failed_is_the_reason_only_for_what_no_pass_gave():
    model = nn.Sequential(nn.ReLU(), Failing(ValueError("mine")), nn.ReLU())
    with featmagic.capture(model, "0", "2") as maps:
        for _ in range(2):
            with pytest.raises(ValueError, match="mine"):
                model(torch.ones(1))
    assert maps.missing == {"2": "the pass failed before it returned"}
    assert passes_of(maps) == {"0": "pass 2 of 2"}


def test_a_failure_is_the_reason_only_if_the_latest_pass_failed():
    for passes, reason in (
        (["a", ["a", "fail"]], "the pass failed before it returned"),
        ([["a", "fail"], "a"], "it was not called in any pass"),
    ):
        with featmagic.capture(model := Steps("ab"), "a", "b") as maps:
            run(model, *passes)
        assert list(maps.missing) == ["b"]
        assert maps.missing["b"].startswith(reason)


# Real models


def gpt2():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=50, n_positions=32, n_embd=8, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("beams", [1, 2])
def test_the_tokens_that_a_language_model_generates_are_passes(beams):
    lm, ids = gpt2(), torch.arange(1, 8)[None]
    with featmagic.capture(lm, "transformer.h.1", "lm_head", passes="all") as maps:
        tokens = lm.generate(ids, max_new_tokens=4, do_sample=False, num_beams=beams)
    assert tokens.shape == (1, 11)
    (key,) = (key for key in maps if key.startswith("transformer.h.1"))
    shapes = [tuple(one[key].shape[:2]) for one in maps.passes]
    assert shapes == [(beams, 7), (beams, 1), (beams, 1), (beams, 1)]
    assert set(passes_of(maps).values()) == {"pass 4 of 4"}
    if beams == 1:  # greedy: each pass chose the token that came next
        chosen = [one["lm_head"][0, -1].argmax().item() for one in maps.passes]
        assert chosen == tokens[0, 7:].tolist()


def test_an_encoder_that_runs_once_before_generation_is_kept():
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        decoder_start_token_id=0, eos_token_id=49, pad_token_id=0,
    )  # fmt: skip
    t5 = transformers.T5ForConditionalGeneration(config).eval()
    ids = torch.arange(1, 8)[None]
    with featmagic.capture(t5, "lm_head", "encoder.final_layer_norm") as maps:
        t5.generate(ids, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert list(maps) == ["encoder.final_layer_norm", "lm_head"]
    with torch.no_grad():
        truth = t5.encoder(ids).last_hidden_state
    assert torch.equal(maps["encoder.final_layer_norm"], truth)
    assert passes_of(maps) == {
        "encoder.final_layer_norm": "called on its own",
        "lm_head": "pass 3 of 3",
    }
    assert maps.missing == {}


def test_a_discriminator_that_is_called_twice_a_step_has_two_passes():
    generator, discriminator = nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    real, noise = torch.randn(5, 4), torch.randn(5, 2)
    with featmagic.capture(discriminator, "0", as_is=True, passes="all") as maps:
        fake = generator(noise)
        loss = discriminator(real).mean() - discriminator(fake).mean()
        loss.backward()
    first, second = maps.passes
    with torch.no_grad():
        assert torch.equal(first["0"], discriminator[0](real))
        assert torch.equal(second["0"], discriminator[0](fake))
    assert all(parameter.grad is not None for parameter in discriminator.parameters())


def test_a_wrapped_model_has_a_pass_a_call(x):
    model = nn.DataParallel(DNN())
    with featmagic.capture(model, "cnn1", "fc2", passes="all") as maps:
        for n in (1, 2, 3):
            model(images(n))
    assert [len(one["fc2"]) for one in maps.passes] == [1, 2, 3]
    assert passes_of(maps) == {"cnn1": "pass 3 of 3", "fc2": "pass 3 of 3"}

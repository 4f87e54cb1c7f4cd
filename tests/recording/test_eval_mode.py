"""Eval mode: what looks hold, and what there is once the last of them has let it go."""

from __future__ import annotations

import threading

import pytest
import torch
from helpers.networks import flags_of
from torch import nn

from featmagic.recording import torch_private
from featmagic.recording.eval_mode import hold_eval_mode, release_eval_mode
from featmagic.recording.model_tree import CAN_RUN_EAGER


@pytest.fixture(autouse=True)
def _grad_mode():
    yield
    torch.set_grad_enabled(True)


def network():
    """Some modules train, and some don't."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout()).train()
    model[1].eval()
    return model


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_flags_and_gradients_come_back_when_the_last_look_lets_go(order):
    model, looks = network(), (object(), object())
    flags = flags_of(model)
    for look in looks:
        hold_eval_mode(model.modules(), look)
        assert flags_of(model) == [False] * len(flags)
        assert not torch.is_grad_enabled()
    release_eval_mode(looks[order[0]])
    release_eval_mode(looks[order[0]])  # once more changes nothing
    assert flags_of(model) == [False] * len(flags)
    assert not torch.is_grad_enabled()
    release_eval_mode(looks[order[1]])
    assert flags_of(model) == flags
    assert torch.is_grad_enabled()


def test_looks_at_parts_hold_only_what_is_theirs():
    model, whole, part = network(), object(), object()
    flags = flags_of(model)
    hold_eval_mode(model.modules(), whole)
    hold_eval_mode([model[0]], part)
    release_eval_mode(whole)
    assert flags_of(model) == [True, False, False, True]
    release_eval_mode(part)
    assert flags_of(model) == flags


def test_a_flag_that_is_set_after_a_look_is_not_set_back_by_the_next():
    model, first, second = network(), object(), object()
    hold_eval_mode(model.modules(), first)
    release_eval_mode(first)
    model[1].train()
    hold_eval_mode(model.modules(), second)
    release_eval_mode(second)
    assert flags_of(model) == [True] * 4


@pytest.mark.parametrize("before", [True, False])
def test_gradients_are_as_they_were_before_the_first_look(before):
    looks = object(), object()
    torch.set_grad_enabled(before)
    for look in looks:
        hold_eval_mode([], look)
    for look in looks:
        assert not torch.is_grad_enabled()
        release_eval_mode(look)
    assert torch.is_grad_enabled() is before


def test_gradients_that_are_switched_on_during_a_look_stay_on():
    first, second = object(), object()
    torch.set_grad_enabled(False)
    hold_eval_mode([], first)
    torch.set_grad_enabled(True)
    release_eval_mode(first)
    assert torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    hold_eval_mode([], first)
    torch.set_grad_enabled(True)
    hold_eval_mode([], second)  # off again, while it lasts
    assert not torch.is_grad_enabled()
    release_eval_mode(second)
    release_eval_mode(first)
    assert torch.is_grad_enabled()


def test_gradients_are_switched_thread_by_thread():
    look, seen = object(), []

    def elsewhere():
        seen.append(torch.is_grad_enabled())
        release_eval_mode(look)
        seen.append(torch.is_grad_enabled())

    hold_eval_mode([], look)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True, True]
    assert not torch.is_grad_enabled()  # only this thread can switch them on again
    release_eval_mode(object())
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not CAN_RUN_EAGER, reason="this torch has no stances")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_stance_comes_back_when_the_last_look_lets_go_unless_the_user_has_set_one(order):
    import torch._dynamo

    looks = object(), object()
    try:
        for users, then in ((None, "fail_on_recompile"), ("default", "default")):
            torch.compiler.set_stance("fail_on_recompile")
            for look in looks:
                hold_eval_mode([], look)
                assert torch_private.stance().stance == "force_eager"
            release_eval_mode(looks[order[0]])
            assert torch_private.stance().stance == "force_eager"
            if users:
                torch.compiler.set_stance(users)
            release_eval_mode(looks[order[1]])
            assert torch_private.stance().stance == then
    finally:
        torch.compiler.set_stance("default")

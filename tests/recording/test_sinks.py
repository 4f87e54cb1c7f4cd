"""A sink is told of every pass and every value, and decides what is kept of them."""

from __future__ import annotations

import contextvars
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from helpers.interrupts import interrupted, places
from helpers.networks import Block, Failing, hooks_on, images
from torch import nn

from featmagic import capture
from featmagic.recording.kept_passes import KeptPasses
from featmagic.recording.pytree import copied
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import Activation
from featmagic.recording.selectors import select
from featmagic.recording.sinks import KeepPasses


class Events:
    """Notes what happens, and copies nothing."""

    def __init__(self):
        self.events, self.outputs = [], []
        self.passes = []

    def pass_began(self, forward_pass):
        self.passes.append(forward_pass)
        self.events.append("began")

    def layer_returned(self, forward_pass, value):
        assert forward_pass is self.passes[-1]
        self.outputs.append(value.output)
        self.events.append(value.name)

    def pass_ended(self, forward_pass):
        self.events.append("failed" if forward_pass.failed else "ended")


class Means:
    """Adds up the mean of each channel over all passes that were completed."""

    def __init__(self):
        self.counts, self.sums = Counter(), Counter()
        self._this_pass = {}

    def pass_began(self, forward_pass):
        self._this_pass = {}

    def layer_returned(self, forward_pass, value):
        for key, tensor in value.tensors().items():
            self._this_pass[key] = len(tensor), tensor.mean((-2, -1)).sum(0)

    def pass_ended(self, forward_pass):
        if not forward_pass.failed:
            for key, (count, total) in self._this_pass.items():
                self.counts[key] += count
                self.sums[key] = self.sums[key] + total

    def means(self):
        return {key: self.sums[key] / count for key, count in self.counts.items()}


def record(model, sink, *patterns, **more):
    return Recorder(select(model, patterns), sink, **more)


def test_a_sink_is_told_when_a_pass_begins_what_layers_return_and_when_it_ends(model, x):
    sink = Events()
    with record(model, sink, "cnn1", "fc2"):
        model(x)
        model(x)
    assert sink.events == ["began", "cnn1", "fc2", "ended"] * 2


def test_a_sink_gets_the_very_tensors_and_nothing_is_copied_or_kept(monkeypatch):
    copies = []
    for module in ("sinks", "inputs"):
        name = f"featmagic.recording.{module}.copied"
        monkeypatch.setattr(name, lambda tensor: copies.append(tensor) or copied(tensor))
    model, sink = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), Events()
    returned = []
    model[1].register_forward_hook(lambda module, args, output: returned.append(output))
    with record(model, sink, "1") as recorder:
        model(torch.ones(1, 2))
        assert copies == []
    assert sink.outputs[0] is returned[0]
    assert recorder.last is sink.passes[-1]
    assert recorder.last.activations == {}
    assert recorder.last.calls == {"1": 1}


def test_figures_add_up_over_passes_without_a_copy_of_what_a_layer_overwrites():
    """In-place layers rewrite the values later, but not before the sink has read them."""
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True)).eval()
    batches = [images(2, seed=1), images(5, seed=2)]
    sink = Means()
    with record(model, sink, "0"), torch.no_grad():
        for batch in batches:
            model(batch)
    with torch.no_grad():
        truth = model[0](torch.cat(batches)).mean((0, 2, 3))
    torch.testing.assert_close(sink.means(), {"0": truth})


def test_figures_of_a_pass_that_failed_can_be_left_out():
    model = nn.Sequential(nn.Identity(), Failing(ValueError("mine")))
    sink = Means()
    with record(model, sink, "0"), pytest.raises(ValueError, match="mine"):
        model(images(2))
    assert sink.means() == {}


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_pass_that_an_error_or_an_interrupt_ended_is_told_when_the_next_one_begins(error):
    model = nn.Sequential(nn.ReLU(), Failing(error), nn.ReLU())
    sink = Events()
    with record(model, sink, "0", "2"):
        for _ in range(2):
            with pytest.raises(type(error)):
                model(torch.ones(1))
        assert sink.events == ["began", "0", "failed", "began", "0"]
    assert sink.events == ["began", "0", "failed", "began", "0", "failed"]


def test_a_layer_on_its_own_tells_that_the_pass_before_it_was_cut_short():
    model, sink = nn.Sequential(nn.ReLU(), Failing(ValueError("mine"))), Events()
    with record(model, sink, "0"):
        with pytest.raises(ValueError, match="mine"):
            model(torch.ones(1))
        model[0](torch.ones(1))
    assert sink.events == ["began", "0", "failed", "began", "0", "ended"]


def test_every_pass_ends_once_however_often_the_hooks_come_off(model, x):
    sink = Events()
    recorder = record(model, sink, "cnn1")
    with recorder:
        model(x)
        model.cnn1(x)
    recorder.detach()
    assert sink.events == ["began", "cnn1", "ended"] * 2


def test_a_pass_of_parts_ends_when_the_first_part_comes_again():
    model, sink = nn.Sequential(nn.ReLU(), nn.Tanh()), Events()
    with record(model, sink, "0", "1"):
        for _ in range(2):
            model.forward(torch.ones(1))
    assert sink.events == ["began", "0", "1", "ended"] * 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_pass_of_a_thread_that_is_gone_ends_when_another_begins(whole):
    model, sink = nn.Sequential(nn.ReLU(), Failing(ValueError("mine"))), Events()

    def work():
        with pytest.raises(ValueError, match="mine"):
            (model if whole else model.forward)(torch.ones(1))

    with record(model, sink, "0"):
        for _ in range(2):
            context = contextvars.copy_context()  # as a thread of the block's own has
            thread = threading.Thread(target=context.run, args=(work,))
            thread.start()
            thread.join()
        assert sink.events == ["began", "0", "failed" if whole else "ended", "began", "0"]


def test_what_the_model_was_given_is_known_when_a_layer_returns(model):
    x, seen = images(1), []

    class Inputs(Events):
        def layer_returned(self, forward_pass, value):
            seen.append(forward_pass.inputs.image)

    with record(model, Inputs(), "cnn1"):
        model(x)
    assert torch.equal(seen[0], x)


def test_only_the_calls_and_parts_that_were_asked_for_come():
    block, sink = Block(), Events()
    with record(block, sink, "relu:2"):
        block(torch.randn(1, 4, 8, 8))
    assert sink.events == ["began", "relu:2", "ended"]

    keys = []

    class Keys(Events):
        def layer_returned(self, forward_pass, value):
            keys.extend(value.tensors())

    model = nn.ModuleDict({"lstm": nn.LSTM(2, 3)})
    with record(model, Keys(), "lstm[1]"):
        model["lstm"](torch.ones(4, 1, 2))
    assert keys == ["lstm[1][0]", "lstm[1][1]"]


def test_what_a_sink_raises_ends_the_pass_and_leaves_no_hook():
    class Apart(Exception):
        """The values differ from those of another model, so there is no need to go on."""

    class Compare(Events):
        def layer_returned(self, forward_pass, value):
            super().layer_returned(forward_pass, value)
            if value.name == "1":
                raise Apart

    model, sink = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU()), Compare()
    with pytest.raises(Apart), record(model, sink):
        model(torch.ones(1))
    assert sink.events == ["began", "0", "1", "failed"]
    assert hooks_on(model) == []


def test_a_sink_that_keeps_all_passes_hands_on_each():
    model, passes = nn.Sequential(nn.ReLU()), []
    with record(model, KeepPasses(KeptPasses("all"), passes.append), "0"):
        for value in (1.0, 2.0):
            model(torch.tensor([value]))
    assert [run.activations["0"].tensor.item() for run in passes] == [1.0, 2.0]


def test_without_a_sink_of_its_own_a_recorder_keeps_the_last_pass(model):
    with record(model, None, "cnn1") as recorder:
        for n in (1, 2):
            model(images(n))
    assert len(recorder.last.activations["cnn1"].tensor) == 2


def test_a_pass_follows_one_that_was_interrupted_inside_of_the_sink():
    """At whichever instruction: nothing is locked for good."""
    model, x = nn.Sequential(nn.ReLU()), torch.ones(2)
    with capture(model):
        found = [p for p in places(lambda: model(x)) if p.file.endswith("recording/sinks.py")]
    assert len(found) > 20
    wrong = []

    def interrupt_each():
        for place in found:
            with capture(model) as maps:
                with suppress(KeyboardInterrupt):
                    interrupted(lambda: model(x), place, "raised")
                model(x + 1)
            if not torch.equal(maps["0"], x + 1):
                wrong.append(str(place))

    thread = threading.Thread(target=interrupt_each, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert wrong == []


class Named(nn.Module):
    """Runs its layers one after the other, the first of them twice."""

    def __init__(self, **layers):
        super().__init__()
        self._modules |= layers

    def forward(self, x):
        first, *others = self._modules.values()
        for layer in (first, first, *others):
            x = layer(x)
        return x


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        ("0", ["0[0]", "0[1][0]", "0[1][1]"]),
        ("0[0]", ["0[0]"]),
        ("0[1]", ["0[1][0]", "0[1][1]"]),
        ("0[1][1]", ["0[1][1]"]),
    ],
)
def test_a_part_is_missing_only_if_nothing_of_it_was_returned(part, keys):
    model = nn.Sequential(nn.LSTM(2, 3))
    with capture(model, part) as maps:
        model(torch.ones(4, 1, 2))
    assert list(maps) == keys
    assert maps.missing == {}
    with capture(model, f"{part}[7]", "0[0]") as maps:
        model(torch.ones(4, 1, 2))
    assert maps.missing == {f"{part}[7]": "it returned 0[0], 0[1][0], 0[1][1]"}


class Alike:
    def __repr__(self):
        return "k"


class ByKey(nn.Module):
    def forward(self, x):
        return {Alike(): x, Alike(): x + 1}


def test_values_whose_names_are_the_same_are_all_kept():
    model, x = nn.Sequential(ByKey()), torch.linspace(-1, 1, 3)
    with capture(model) as maps:
        model(x)
    assert list(maps) == ["0[k]", "0[k]_"]
    assert torch.equal(maps["0[k]"], x)
    assert torch.equal(maps["0[k]_"], x + 1)


def test_a_layer_that_is_called_as_a_call_of_another_is_kept_beside_it():
    model, x = Named(a=nn.ReLU(), **{"a:2": nn.Tanh()}), torch.linspace(-1, 1, 3)
    with capture(model) as maps:
        model(x)
    assert list(maps) == ["a", "a:2", "a:2_"]
    assert torch.equal(maps["a:2"], x.relu())
    assert torch.equal(maps["a:2_"], x.relu().tanh())


def test_an_activation_that_is_kept_has_every_field_of_its_class():
    net, kept = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), KeptPasses()
    with Recorder(select(net, ["0"]), KeepPasses(kept)):
        net(torch.ones(1, 2))
    activation = kept.activations["0"]
    assert vars(activation).keys() == {part.name for part in fields(Activation)}
    assert vars(replace(activation)) == vars(activation)  # as its own `__init__` makes it
    with pytest.raises(FrozenInstanceError):
        activation.key = "1"

"""`%%featuremaps`: a look leaves the model unchanged, shows grids, and reports what is missing."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import pytest
import torch
from helpers.networks import Block, Failing, flags_of, hooks_on, images
from torch import nn

from featmagic import FeatmagicError, FeatureMaps


def captions(printed):
    return [
        line.split("  ")[0] for line in printed.splitlines() if re.match(r"\S.*  \S+  \(", line)
    ]


def test_the_cell_runs_and_every_layer_is_shown(shell, model, x):
    printed = shell.run("%%featuremaps model cnn1 act1 pool1 --cmap gray --ncols 5\nmodel(x)")
    assert captions(printed) == ["cnn1", "act1", "pool1"]
    maps = shell.names["feature_maps"]
    assert isinstance(maps, FeatureMaps)
    with torch.no_grad():
        assert torch.equal(maps["cnn1"], model.cnn1(x))
    assert "(1, 5, 24, 24) float32 cpu" in printed
    assert "gray, color range per channel" in printed


def test_a_model_alone_means_its_own_children(shell, model):
    printed = shell.run("%%featuremaps model\nmodel(x)")
    assert captions(printed) == [name for name, _ in model.named_children()]


def test_neither_model_nor_layers_means_what_is_watched(shell):
    shell.run("%hook model cnn1 fc2 --into watched")
    printed = shell.run("%%featuremaps\nmodel(x)")
    assert captions(printed) == ["cnn1", "fc2"]
    assert list(shell.names["watched"]) == ["cnn1", "fc2"]
    assert "feature_maps" not in shell.names


def test_nothing_watched_and_nothing_named_says_what_to_type(shell):
    assert "No model is being watched" in str(shell.error("%%featuremaps\nmodel(x)"))


def test_one_of_several_watches_is_chosen_by_its_name(shell):
    shell.run("%hook model cnn1 --into one\n%hook model fc2 --into two")
    assert "--into one or --into two" in str(shell.error("%%featuremaps\nmodel(x)"))
    assert captions(shell.run("%%featuremaps --into two\nmodel(x)")) == ["fc2"]


def test_the_line_form_is_the_same_look(shell, model, x):
    printed = shell.run("%featuremaps model cnn1 --cmap gray -- y = model(x)")
    assert captions(printed) == ["cnn1"]
    assert shell.names["y"].shape == (1, 5)
    assert shell.value("%featuremaps model cnn1 -- model(x)").shape == (1, 5)
    assert shell.value("%featuremaps model cnn1 -- model(x);") is None
    assert hooks_on(model) == []


def test_what_was_captured_last_is_shown_again_and_nothing_runs(shell):
    shell.run("%%featuremaps model cnn1 act1\nmodel(x)")
    shell.run("del model.fc1")
    printed = shell.run("%featuremaps act1 --scale layer --channels 1,0")
    assert captions(printed) == ["act1"]
    assert "2 of 5 channels" in printed
    assert "shared color range" in printed
    assert captions(shell.run("%featuremaps")) == ["cnn1", "act1"]


def test_showing_again_what_the_watch_captured(shell):
    shell.run("%hook model fc2")
    shell.run("y = model(x)")
    assert captions(shell.run("%featuremaps")) == ["fc2"]


def test_showing_again_before_anything_was_captured_says_how_to_look(shell):
    assert "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x)." in str(
        shell.error("%featuremaps cnn1")
    )


def test_showing_again_holds_no_maps_that_the_user_let_go(shell):
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    shell.run("del feature_maps")
    assert "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x)." in str(
        shell.error("%featuremaps cnn1")
    )


def test_an_output_that_knows_no_isatty_will_do(shell, monkeypatch):
    import io
    import sys

    class Tee:
        def __init__(self):
            self.text = io.StringIO()
            self.write, self.flush = self.text.write, self.text.flush

    tee = Tee()
    shell.run("%hook model cnn1\ny = model(x)")
    monkeypatch.setattr(sys, "stdout", tee)
    shell.names["feature_maps"].show()
    assert tee.text.getvalue().startswith("cnn1  Conv2d")


def test_a_model_without_a_statement_is_told_that_nothing_runs(shell):
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    message = str(shell.error("%featuremaps model cnn1"))
    assert message.startswith("%featuremaps model needs code to run")
    assert "%%featuremaps, with two %" in message


def test_a_key_that_was_not_captured_says_what_was(shell):
    shell.run("%%featuremaps model cnn1 act1\nmodel(x);")
    message = str(shell.error("%featuremaps cnn2"))
    assert message == "No 'cnn2' was captured. Did you mean cnn1? Captured: cnn1, act1."


def test_a_look_puts_back_every_training_flag_and_the_grad_mode(shell):
    block = Block().train()
    block.bn2.eval()
    flags = flags_of(block)
    shell.names.update(block=block, z=torch.randn(2, 4, 8, 8))
    assert shell.value(
        "%%featuremaps block bn1\ny = block(z)\n(block.training, torch.is_grad_enabled())"
    ) == (False, False)
    assert flags_of(block) == flags
    assert torch.is_grad_enabled()
    assert block.bn1.num_batches_tracked == 0
    assert not shell.names["y"].requires_grad


def test_as_is_leaves_mode_and_gradients(shell):
    block = Block().train()
    shell.names.update(block=block, z=torch.randn(2, 4, 8, 8))
    shell.run("%%featuremaps block bn1 --as-is\ny = block(z)")
    assert block.bn1.num_batches_tracked == 1
    assert shell.names["y"].requires_grad


def test_the_maps_are_there_while_the_cell_runs(shell):
    keys = "%%featuremaps model cnn1\nbefore = list(feature_maps)\nmodel(x)\nlist(feature_maps)"
    assert shell.value(keys) == ["cnn1"]
    assert shell.names["before"] == []


def test_older_maps_that_the_user_kept_do_not_change(shell, model):
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    shell.run("kept = feature_maps; before = kept['cnn1'].clone()")
    shell.names["x"] = images(2, seed=9)
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    assert torch.equal(shell.names["kept"]["cnn1"], shell.names["before"])
    assert shell.names["feature_maps"]["cnn1"].shape[0] == 2


def test_a_variable_of_the_users_is_never_overwritten(shell, model):
    shell.run("feature_maps = {}\nran = False")
    error = shell.error("%%featuremaps model cnn1\nran = True\nmodel(x)")
    assert str(error) == (
        "feature_maps already holds a dict. Add --into NAME to store the feature maps elsewhere."
    )
    assert shell.names["feature_maps"] == {}
    assert shell.names["ran"] is False
    shell.run("%%featuremaps model cnn1 --into maps\nmodel(x);")
    assert list(shell.names["maps"]) == ["cnn1"]
    assert shell.names["feature_maps"] == {}


def test_no_pass_is_an_error_and_leaves_the_name_as_it_was(shell):
    error = shell.error("%%featuremaps model cnn1\ny = 1")
    assert isinstance(error, FeatmagicError)
    assert str(error) == "No forward pass of model ran in this cell."
    assert "feature_maps" not in shell.names
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    before = shell.names["feature_maps"]
    shell.error("%%featuremaps model cnn1\ny = 2")
    assert shell.names["feature_maps"] is before


@pytest.mark.parametrize(
    ("owner", "name"),
    [("recorder.Recorder", "attach"), ("recorder", "hold_eval_mode")],
    ids=["hooks", "eval mode"],
)
def test_an_interrupt_while_a_look_begins_leaves_name_and_model_as_they_were(
    shell, model, monkeypatch, owner, name
):
    def interrupted(*_):
        assert shell.names["feature_maps"] is not before
        raise KeyboardInterrupt

    shell.run("%%featuremaps model cnn1\nmodel(x);")
    before, flags = shell.names["feature_maps"], flags_of(model.train())
    monkeypatch.setattr(f"featmagic.recording.{owner}.{name}", interrupted)

    assert type(shell.error("%%featuremaps model fc2\nmodel(x)")) is KeyboardInterrupt

    assert shell.names["feature_maps"] is before
    assert (hooks_on(model), flags_of(model), torch.is_grad_enabled()) == ([], flags, True)


def test_a_layer_that_gave_nothing_is_named_with_the_reason(shell):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(8, 8)
            self.unused = nn.ReLU()
            self.many = nn.ModuleList([nn.ReLU()])
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.text = Text()

        def forward(self, x):
            x = self.used(x)
            self.text(x)
            return self.attention(x, x, x)[0]

    class Text(nn.Module):
        def forward(self, x):
            return "words"

    shell.names.update(odd=Odd(), z=torch.randn(1, 3, 8))
    printed = shell.run(
        "%%featuremaps odd used used:2 unused many attention.out_proj text\nodd(z);"
    )
    lines = [line for line in printed.splitlines() if "Nothing captured from" in line]
    assert lines == [
        "Nothing captured from unused: it was not called in the last pass"
        " (direct .forward() calls and functional use of its weights can't be observed).",
        "Nothing captured from many: a ModuleList only holds other modules and has no forward of "
        "its own.",
        "Nothing captured from attention.out_proj: its parent, a MultiheadAttention,"
        " uses its weights without calling it.",
        "Nothing captured from text: it returned no tensor (str).",
    ]


def test_a_second_call_that_never_came_says_how_many_there_were(shell):
    printed = shell.run("%%featuremaps model cnn1:2 act1\nmodel(x);")
    assert "Nothing captured from cnn1:2: it was called only once in the last pass." in printed


def test_calls_are_labelled(shell):
    shell.names.update(block=Block(), z=torch.randn(1, 4, 8, 8))
    printed = shell.run("%%featuremaps block relu\nblock(z);")
    assert captions(printed) == ["relu", "relu:2"]
    assert "call 1 of 2" in printed
    assert "call 2 of 2" in printed


def test_when_the_forward_fails_what_ran_before_is_kept_and_the_layer_is_named(shell):
    failing = nn.Sequential(nn.ReLU(), nn.Sequential(Failing(ValueError("mine"))), nn.Tanh())
    shell.names.update(failing=failing)
    result, printed = shell.attempt("%%featuremaps failing 0 2\nfailing(x)")
    error = result.error_in_exec
    assert type(error) is ValueError
    assert error.args == ("mine",)
    assert list(shell.names["feature_maps"]) == ["0"]
    notes = error.__notes__ if sys.version_info >= (3, 11) else [printed]
    (note,) = notes
    assert (
        "featmagic: 1.0 (Failing) failed in its own code: it received (1, 1, 28, 28) float32 cpu. "
        "The last layer captured before it, 0, returned (1, 1, 28, 28). "
        "The layers captured before it are in feature_maps; %featuremaps shows them."
    ) in note
    assert hooks_on(failing) == []


def test_a_look_says_what_runs_otherwise_because_of_it(shell):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    shell.names.update(encoder=nn.TransformerEncoder(layer, 1).eval(), z=torch.rand(1, 3, 8))
    printed = shell.run("%%featuremaps encoder layers.0\nencoder(z);")
    assert "layers.0 ran without torch's fused kernel because of the hooks" in printed
    assert "fused" not in shell.run("%%featuremaps --as-is encoder layers.0\nencoder(z);")


def test_an_error_of_the_cells_own_gets_no_hint(shell):
    error = shell.error("%%featuremaps model cnn1\nmodel(x)\n1 / 0")
    assert type(error) is ZeroDivisionError
    assert not getattr(error, "__notes__", [])
    assert list(shell.names["feature_maps"]) == ["cnn1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nosuch cnn1", "There is no variable 'nosuch'. Available models: model (DNN)."),
        (
            "modle cnn1",
            "There is no variable 'modle'. Did you mean model? Available models: model (DNN).",
        ),
        (
            "things cnn1",
            ("expected an nn.Module, but things is a list. Available models: model (DNN)."),
        ),
        (
            "x cnn1",
            "expected an nn.Module, but x is a Tensor. Available models: model (DNN). To show x "
            "itself: "
            "%featuremaps x, with one % and no statement.",
        ),
        ("model con1", "DNN has no layer 'con1'. Did you mean cnn1? %hook model lists all 7."),
        ("'model' con1", "DNN has no layer 'con1'. Did you mean cnn1? %hook model lists all 7."),
    ],
)
def test_a_wrong_model_or_layer_says_what_there_is(shell, model, line, message):
    shell.names["things"] = [model]
    error = shell.error(f"%%featuremaps {line}\nmodel(x)")
    assert isinstance(error, FeatmagicError)
    assert str(error) == message
    assert hooks_on(model) == []


@pytest.mark.parametrize(
    "call", ["make()", "models.get('a')", "models[make()]", "1 + 1", "lambda: 0"]
)
def test_a_model_is_never_called_for(shell, call):
    shell.run(
        "called = []\ndef make():\n    called.append(1)\n    return model\nmodels = {'a': model}"
    )
    assert isinstance(
        shell.error(f"%%featuremaps {call.replace(' ', '')} cnn1\nmodel(x)"), ValueError
    )
    assert shell.names["called"] == []


@pytest.mark.parametrize(
    "place",
    ["holder.model", 'models["my net"]', "models[key]", "several[0]", "several[-1]", "nest.inner"],
)
def test_a_model_may_be_an_attribute_or_an_item(shell, model, place):
    shell.names.update(
        holder=type("Holder", (), {"model": model}),
        models={"my net": model},
        key="my net",
        several=[model],
        nest=nn.ModuleDict({"inner": model}),
    )
    printed = shell.run(f"%%featuremaps {place} {place}.cnn1\nmodel(x);")
    assert captions(printed) == ["cnn1"]


def test_a_property_that_fails_is_one_line(shell):
    class Trainer:
        @property
        def model(self):
            raise RuntimeError("not ready")

    shell.names["trainer"] = Trainer()
    message = str(shell.error("%%featuremaps trainer.model cnn1\n1"))
    assert message.startswith("trainer.model can't be read: RuntimeError: not ready.")
    assert "trainer.nope can't be read" in str(shell.error("%%featuremaps trainer.nope\n1"))


def test_names_in_braces_are_filled_in(shell):
    printed = shell.run(
        "for layer in ('cnn1', 'fc2'):\n    get_ipython().run_line_magic("
        "'featuremaps', 'model {layer} -- y = model(x)')"
    )
    assert captions(printed) == ["cnn1", "fc2"]
    printed = shell.run("which = 'act1'\n%featuremaps model {which} -- y = model(**{'x': x})")
    assert captions(printed) == ["act1"]
    assert captions(shell.run("%%featuremaps model $which\nmodel(x);")) == ["act1"]


def test_a_bad_option_of_drawing_keeps_what_was_captured(shell):
    assert "No sample 7: 'cnn1' has 1" in str(
        shell.error("%%featuremaps model cnn1 --sample 7\nmodel(x)")
    )
    assert list(shell.names["feature_maps"]) == ["cnn1"]
    assert not [name for name in shell.names if " " in name]


def test_looks_nest(shell, model):
    shell.names["other"] = nn.Sequential(nn.ReLU())
    printed = shell.run(
        "%%featuremaps model cnn1 fc2\n"
        "get_ipython().run_line_magic('featuremaps', 'other 0 --into inner -- other(x)')\n"
        "y = model(x)"
    )
    assert captions(printed) == ["0", "cnn1", "fc2"]
    assert hooks_on(model) == []


def test_meta_tensors_and_empty_ones_get_a_line_and_no_picture(shell):
    shell.names["ghost"] = nn.Sequential(nn.Conv2d(1, 0, 3), nn.Conv2d(1, 2, 3)).to("meta")
    printed = shell.run("%%featuremaps ghost 1\nghost[1](x.to('meta'));")
    assert "no values on the meta device, no picture" in printed


def test_running_every_cell_twice_gives_the_same(shell, model):
    cells = [
        "%hook model cnn1",
        "y = model(x)",
        "%%featuremaps model fc2\nmodel(x);",
        "%featuremaps",
    ]
    once = [shell.run(cell) for cell in cells]
    twice = [shell.run(cell) for cell in cells]
    assert once == twice
    assert hooks_on(model) == []


def test_showing_again_takes_layers_as_a_look_does(shell):
    shell.names.update(net=nn.Sequential(Block(), nn.LSTM(8, 3)), z=torch.randn(1, 4, 8, 8))
    shell.run("%%featuremaps net 0.* 1\nh = net[0](z)[0, 0]\nnet[1](h);")
    for written, keys in [
        ("0.relu", ["0.relu", "0.relu:2"]),
        ("0.relu:1", ["0.relu"]),
        ("0.relu:2", ["0.relu:2"]),
        ("net[0].conv1", ["0.conv1"]),
        ("0.bn*", ["0.bn1", "0.bn2"]),
        ("Conv2d", ["0.conv1", "0.conv2"]),
        ("1", ["1[0]", "1[1][0]", "1[1][1]"]),
        ("1[1][0]", ["1[1][0]"]),
        ("0.bn2 0.bn*", ["0.bn2", "0.bn1"]),
    ]:
        assert captions(shell.run(f"%featuremaps {written}")) == keys, written


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("model(x).shape", True),
        ("model(x).shape;", False),
        ("model(x).shape; # a note", False),
        ("model(x).shape # ends;", True),
        ("';'.join('ab') + str(model(x).shape)", True),
    ],
)
def test_a_semicolon_behind_the_statement_keeps_its_value_back(shell, statement, shown):
    value = shell.value(f"%featuremaps model cnn1 -- {statement}")
    assert (value is not None) == shown


def test_showing_where_nothing_ran_says_so(shell):
    shell.run("%hook model cnn1")
    assert "Nothing has been captured yet" in shell.run("feature_maps.show()")


def test_a_picture_too_large_is_refused_in_one_line(shell):
    from featmagic.grid.draw import draw
    from featmagic.options.view import View
    from featmagic.recording.records import Activation

    big = Activation("cnn1", "cnn1", "Conv2d", 1, torch.zeros(1, 64, 112, 112))
    with pytest.raises(FeatmagicError, match=r"pixels is too large \(at most 100 million\)"):
        draw(big, View(zoom=50))


def test_an_error_that_takes_no_note_is_left_as_it_is(shell):
    @dataclass(frozen=True)
    class Frozen(Exception):
        code: int = 3

    shell.names["failing"] = nn.Sequential(nn.ReLU(), Failing(Frozen()))
    result, printed = shell.attempt("%%featuremaps failing 0\nfailing(x)")
    assert type(result.error_in_exec) is Frozen
    assert "1 (Failing) failed" in printed


def test_an_overview_without_layers_is_of_all_that_have_none_below_them(shell, monkeypatch):
    printed = shell.run("%%featuremaps model --overview\nmodel(x);")
    names = [name for name, module in shell.names["model"].named_modules() if name]
    assert list(shell.names["feature_maps"]) == names
    assert printed.startswith("7 layers · ")
    rows = [
        line.split()[0] for line in printed.splitlines() if " float32" in line or "(1, " in line
    ]
    assert rows == names


def test_an_overview_of_some_layers_is_of_those(shell):
    shell.run("%%featuremaps model cnn1 fc1 --overview\nmodel(x);")
    assert list(shell.names["feature_maps"]) == ["cnn1", "fc1"]


def test_a_layer_is_named_with_the_first_nan(shell):
    printed = shell.run(
        "import copy\nbroken = copy.deepcopy(model)\nbroken.fc1.weight.data[0] = float('nan')\n"
    )
    printed = shell.run("%%featuremaps broken --overview\nbroken(x);")
    assert "first NaN: fc1" in printed


def test_a_part_of_an_output_can_be_looked_at(shell):
    shell.run("lstm = torch.nn.Sequential(torch.nn.LSTM(28, 3, batch_first=True))")
    printed = shell.run("%%featuremaps lstm 0[1][0]\nlstm(x[0]);")
    assert list(shell.names["feature_maps"]) == ["0[1][0]"]
    assert "hidden state" in printed


def test_a_watch_says_why_it_has_no_attention_weights(shell):
    shell.run(
        "class Attends(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.self_attn = torch.nn.MultiheadAttention(4, 2, batch_first=True)\n"
        "    def forward(self, x):\n"
        "        return self.self_attn(x, x, x, need_weights=False)[0]\n"
        "attention = Attends()"
    )
    shell.run("%hook attention self_attn")
    shell.run("attention(torch.ones(1, 3, 4));")
    message = str(shell.error("feature_maps['self_attn[1]']"))
    assert "weights are captured only by %%featuremaps" in message
    shell.run("%%featuremaps attention self_attn\nattention(torch.ones(1, 3, 4));")
    assert shell.names["feature_maps"]["self_attn[1]"].shape == (1, 2, 3, 3)


def test_layers_that_gave_nothing_for_one_reason_are_one_line(shell):
    shell.run("several = torch.nn.ModuleDict({n: torch.nn.ReLU() for n in 'abc'})")
    shell.run("several['d'] = torch.nn.Tanh()")
    printed = shell.run("%%featuremaps several a b c d\nseveral.d(x);")
    lines = [line for line in printed.splitlines() if "Nothing captured from" in line]
    assert len(lines) == 1
    assert lines[0].startswith("Nothing captured from a, b, c: it was not called")


def test_the_model_itself_goes_by_what_was_typed(shell, model):
    printed = shell.run("%%featuremaps model.cnn1\nmodel.cnn1(x);")
    assert printed.startswith("model.cnn1  Conv2d  (")
    assert list(shell.names["feature_maps"]) == ["."]
    assert shell.run("%%featuremaps model .\nmodel(x);").startswith("model  DNN  (")
    overview = shell.run("%%featuremaps model.cnn1 --overview\nmodel.cnn1(x);")
    assert any(line.startswith("model.cnn1  Conv2d") for line in overview.splitlines())

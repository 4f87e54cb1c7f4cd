"""--explore, --inputs and --max-bytes on a magic's line: in a shell, and through a real kernel."""

from __future__ import annotations

import re

import pytest
import torch
from helpers.kernels import Kernel
from helpers.networks import Block, Failing, images
from helpers.pages import Saved
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.ipython.completion.suggest import Known, suggest
from featmagic.ipython.parser import parse_again, parse_look
from featmagic.options.view import View

WHY = "Showing still pictures instead of an explorer: "


# The line


def test_the_options_of_an_explorer_are_read():
    asked = parse_look("model cnn1 --explore --inputs batches[0] --max-bytes 4MB --sort std")
    assert asked.layers == ("cnn1",)
    assert asked.view == View(explore=True, max_bytes=4_000_000, sort="std")
    assert asked.inputs == "batches[0]"
    assert parse_again("cnn1 --explore").view.explore


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("model --inputs x", "--inputs needs --explore"),
        ("model --explore --inputs x --as-is", "can't be combined with --as-is"),
        ("model --max-bytes 4MB", "--max-bytes doesn't apply here: it needs --explore"),
        ("model --explore --ncols 4", "--ncols doesn't apply here"),
        ("model --explore --overview", "doesn't apply here"),
        ("model --explore --max-bytes lots", "max-bytes must be a number of bytes"),
        ("model --explore --inputs", "--inputs needs a value: --inputs NAME"),
        ("model --explroe", "Did you mean --explore"),
    ],
)
def test_what_cannot_be_meant_beside_an_explorer_is_one_clear_line(line, words):
    with pytest.raises(FeatmagicError, match=words) as caught:
        parse_look(line)
    assert "\n" not in str(caught.value)


def test_a_page_takes_of_the_grids_options_those_that_it_has_a_use_for():
    asked = parse_look("model --cmap gray --ncols 4 --vmin 0 --max-bytes 4MB --save a.html")
    assert asked.view == View(cmap="gray", ncols=4, vmin=0)
    assert asked.saving.view == View(explore=True, cmap="gray", max_bytes=4_000_000)


def test_a_picture_takes_of_an_explorers_options_those_that_it_has_a_use_for():
    asked = parse_look("model --explore --cmap gray --alpha 0.5 --max-bytes 4MB --save a.png")
    assert asked.saving.view == View(cmap="gray")
    assert asked.view.explore


def test_bytes_that_cannot_be_are_said_where_only_a_page_is_saved_too():
    with pytest.raises(FeatmagicError, match="max-bytes must be a number of bytes"):
        parse_look("model --save a.html --max-bytes lots")


def test_settings_for_grids_do_not_stand_in_an_explorers_way():
    asked = parse_look("model --explore", defaults={"max": 16, "cmap": "gray"})
    assert asked.view == View(explore=True, cmap="gray")


# Completion


def offered(line, **names):
    return [item.text for item in suggest(line, len(line), Known(names)).items]


def test_tab_knows_the_options():
    assert "--explore" in offered("%%featuremaps model --ex")
    assert sorted(offered("%%featuremaps model --inp")) == ["--input", "--inputs"]
    assert "--max-bytes" in offered("%featuremaps cnn1 --max")
    assert "--explore" not in offered("%%featuremaps model --explore --ex")


def test_tab_offers_what_may_be_inputs_tensors_first_and_runs_nothing():
    class Loud(list):
        def __len__(self):
            raise AssertionError("it was asked")

        __iter__ = __getitem__ = __len__

    names = {
        "batches": [1, 2],
        "b": torch.zeros(3),
        "name": "text",
        "_hidden": torch.zeros(1),
        "bold": Loud(),
        "model": nn.ReLU(),
    }
    assert offered("%%featuremaps model --explore --inputs b", **names) == ["b", "batches", "bold"]
    assert offered("%%featuremaps model --explore --inputs=ba", **names) == ["batches"]


# In a shell that has neither a notebook nor a terminal


def captions(printed):
    lines = printed.splitlines()
    return [line.split("  ")[0] for line in lines if re.match(r"\S.*  \S+  \(", line)]


def test_where_there_can_be_no_explorer_the_grids_are_shown_and_a_line_says_why(shell):
    printed = shell.run("%%featuremaps model cnn1 act1 --explore --cmap gray\nmodel(x);")
    assert captions(printed) == ["cnn1", "act1"]
    assert "gray" in printed
    assert [line for line in printed.splitlines() if line.startswith(WHY)] == (
        printed.splitlines()[-1:]
    )
    again = shell.run("%featuremaps act1 --explore")
    assert captions(again) == ["act1"]
    assert again.splitlines()[-1].startswith(WHY)


def test_an_explorer_of_a_model_alone_has_its_layers_and_what_its_blocks_add(shell):
    class Adds(Block):
        def forward(self, x):
            return super().forward(x) + 1

    shell.names["net"] = nn.Sequential(Block(1), Adds(1), nn.ReLU())
    shell.run("%%featuremaps net --explore\nnet(x)")
    layers = ["conv1", "bn1", "relu", "conv2", "bn2", "relu:2"]  # the last gives the block's output
    rows = [f"{block}.{layer}" for block in (0, 1) for layer in layers]
    maps = shell.names["feature_maps"]
    assert list(maps) == [*rows, "1", "2"]
    assert torch.equal(maps["1"], maps["1.relu:2"] + 1)


def test_an_explorer_and_a_page_are_both_made(shell, tmp_path):
    printed = shell.run(
        f"%%featuremaps model cnn1 --explore --sort std --save {tmp_path}/look.html\nmodel(x);"
    )
    assert captions(printed) == ["cnn1"]
    assert printed.splitlines()[-1] == f"Saved look.html in {tmp_path}."
    page = Saved((tmp_path / "look.html").read_bytes())
    assert page.contents["settings"]["sort"] == "std"
    shell.run(f"%featuremaps cnn1 --explore --save {tmp_path}/maps.png")
    assert (tmp_path / "maps.png").read_bytes()[1:4] == b"PNG"


def test_inputs_need_a_notebook_and_that_is_said_before_the_cell_runs(shell):
    shell.run("ran = False")
    error = shell.error("%%featuremaps model --explore --inputs x\nran = True\nmodel(x)")
    assert "--inputs works only with an explorer in a notebook" in str(error)
    assert shell.names["ran"] is False
    assert "feature_maps" not in shell.names


def test_a_cell_that_fails_opens_no_explorer(shell):
    shell.names["failing"] = nn.Sequential(nn.ReLU(), Failing(ValueError("mine")))
    result, printed = shell.attempt("%%featuremaps failing 0 --explore\nfailing(x)")
    assert type(result.error_in_exec) is ValueError
    assert WHY not in printed
    assert list(shell.names["feature_maps"]) == ["0"]


def test_show_explores_as_the_magic_does(model, capsys):
    with featmagic.capture(model, "cnn1") as maps:
        model(images())
    maps.show(explore=True)
    printed = capsys.readouterr().out
    assert captions(printed) == ["cnn1"]
    assert WHY in printed


def test_nothing_captured_is_said_as_for_grids(model, capsys):
    with featmagic.capture(model, "cnn1") as maps:
        maps.show(explore=True)
    assert "Nothing has been captured yet" in capsys.readouterr().out


def test_the_manual_explains_the_options(shell):
    from featmagic.ipython.manual import FEATUREMAPS

    for option in ("--explore", "--max-bytes SIZE", "--inputs NAME", ".html"):
        assert option in FEATUREMAPS


# Through a kernel, as a notebook has it


@pytest.fixture(scope="module")
def one_kernel():
    kernel = Kernel(stdin=True)
    kernel.good(
        "import torch\nfrom helpers.networks import DNN, Failing, hooks_on, images\n"
        "%load_ext featmagic\nmodel, x = DNN(), images(4)\nshows = print"
    )
    yield kernel
    kernel.stop()


def error_of(ran):
    """The message of the error that a cell ended with, or nothing."""
    return "".join(error.evalue for error in ran.errors)


@pytest.fixture
def kernel(one_kernel):
    pytest.importorskip("anywidget")
    one_kernel.run("%unhook\nglobals().pop('feature_maps', None)")
    return one_kernel


def test_a_look_with_explore_shows_an_explorer_and_a_picture_beside_it(kernel):
    ran = kernel.run("%%featuremaps model cnn1 act1 --explore\nmodel(x);")
    assert error_of(ran) == ""
    (explorer,) = ran.widgets
    assert "image/png" in explorer  # for those who see no widget
    assert WHY not in ran.text


def test_what_was_captured_is_explored_again(kernel):
    kernel.run("%%featuremaps model cnn1 act1\nmodel(x);")
    for line in ("%featuremaps --explore", "%featuremaps act1 --explore --cmap gray"):
        ran = kernel.run(line)
        assert (error_of(ran), len(ran.widgets)) == ("", 1)


def test_the_line_form_explores_and_show_does(kernel):
    for line in (
        "%featuremaps model cnn1 --explore -- y = model(x)",
        "feature_maps.show('cnn1', explore=True)",
    ):
        ran = kernel.run(line)
        assert (error_of(ran), len(ran.widgets)) == ("", 1)


def test_inputs_are_a_variable_an_attribute_or_an_item(kernel):
    kernel.run("class data: pass\ndata.images = x\nbatches = [x[:2], x[2:]]")
    for inputs in ("x", "data.images", "batches[0]", "batches"):
        ran = kernel.run(
            f"%%featuremaps model cnn1 --explore --inputs {inputs}\nmodel(x[:1]);\nran = True"
        )
        assert (error_of(ran), len(ran.widgets)) == ("", 1)
    assert kernel.run("print(len(hooks_on(model)))").text == "0\n"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("images(3)", "assign it to a variable first"),
        ("xx", "There is no variable 'xx'. Did you mean x?"),
        ("data.nothing", "can't be read: AttributeError"),
        ("model", "inputs must be a tensor of items or a list of them"),
        ("nothing", "inputs has no items"),
    ],
)
def test_inputs_that_cannot_be_are_said_before_the_cell_runs(kernel, inputs, words):
    kernel.run("class data: pass\nnothing = []\nran = False")
    ran = kernel.run(f"%%featuremaps model cnn1 --explore --inputs {inputs}\nran = True\nmodel(x);")
    assert words in error_of(ran)
    assert "\n" not in error_of(ran)
    assert kernel.run("print(ran, len(hooks_on(model)))").text == "False 0\n"


def test_letters_in_a_notebook_are_grids_and_a_line_says_why(kernel):
    ran = kernel.run("%%featuremaps model cnn1 --explore --renderer ascii\nmodel(x);")
    assert ran.widgets == []
    assert captions(ran.text) == ["cnn1"]
    assert ran.text.splitlines()[-1] == f"{WHY}--renderer ascii is for grids."


def test_without_anywidget_there_are_grids_and_a_line_says_why(kernel):
    ran = kernel.run(
        "import sys\nsys.modules['anywidget'] = None\n"
        "import importlib.util as util\nfind = util.find_spec\n"
        "import featmagic.render.target as possible\n"
        "possible.find_spec = lambda name: None if name == 'anywidget' else find(name)"
    )
    try:
        ran = kernel.run("%%featuremaps model cnn1 --explore\nmodel(x);")
        assert error_of(ran) == ""
        assert ran.widgets == []
        assert [list(output.data) for output in ran.pictures] == [["image/png", "text/plain"]]
        assert ran.text.splitlines()[-1] == f"{WHY}a package isn't here: pip install anywidget."
    finally:
        kernel.run("del sys.modules['anywidget']\npossible.find_spec = find")


def test_an_explorer_and_a_page_are_both_made_and_code_has_the_maps_own_name(kernel, tmp_path):
    ran = kernel.run(
        f"%%featuremaps model cnn1 --explore --into mine --save {tmp_path}/look.html\nmodel(x);"
    )
    assert (error_of(ran), len(ran.widgets)) == ("", 1)
    assert ran.text.endswith(f"Saved look.html in {tmp_path}.\n")
    assert Saved((tmp_path / "look.html").read_bytes()).contents["maps"] == "mine"


def test_a_cell_that_fails_shows_no_explorer(kernel):
    ran = kernel.run(
        "failing = torch.nn.Sequential(torch.nn.ReLU(), Failing(ValueError('mine')))\n"
    )
    ran = kernel.run("%%featuremaps failing 0 --explore\nfailing(x)")
    assert (error_of(ran), ran.pictures) == ("mine", [])
    assert kernel.run("print([*feature_maps])").text == "['0']\n"

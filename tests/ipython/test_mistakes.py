"""Typical first mistakes: each is answered by one helpful line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers.networks import DNN, hooks_on
from helpers.shells import Shell

from featmagic.support.errors import FeatmagicError


def helped(shell, cell):
    """Return the message of one line that the cell ends with."""
    error = shell.error(cell)
    assert isinstance(error, FeatmagicError)
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture
def empty():
    """A shell without variables."""
    shell = Shell()
    yield shell
    shell.ip.run_line_magic("unload_ext", "featmagic")
    shell.ip.builtin_trap.deactivate()
    shell.ip.history_manager.end_session()


WITHOUT_TORCH = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.run_line_magic("load_ext", "featmagic")
for cell in ("%hook model cnn1", "%hook model", "%%featuremaps model\\nmodel(x)"):
    print(shell.run_cell(cell).error_in_exec)
assert "torch" not in sys.modules
"""


def test_without_torch_it_says_to_import_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        capture_output=True,
        text=True,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        check=True,
    )
    said = "There is no variable 'model'. torch isn't imported yet: "
    told = [line for line in done.stdout.splitlines() if not line.startswith("Featmagic")]
    assert [line.startswith(said) for line in told] == [True, True, True]


def test_without_a_model_it_says_to_make_one(empty):
    message = helped(empty, "%hook model cnn1")
    assert message == (
        "There is no variable 'model'. No model has been defined yet: create or load an nn.Module "
        "first."
    )


@pytest.mark.parametrize("line", ["%hook cnn1 act1", "%%featuremaps cnn1 act1\nmodel(x)"])
def test_a_layer_without_its_model_is_recognized(shell, line):
    assert "It is a layer of model; name the model first: model cnn1." in helped(shell, line)


def test_a_class_without_a_model_is_recognized(shell):
    assert "name the model first: model Conv2d." in helped(shell, "%hook Conv2d")


@pytest.mark.parametrize(
    "line", ["model, cnn1, act1", "model cnn1, act1", "model cnn1,act1", "model,cnn1,act1"]
)
def test_commas_between_model_and_layers_are_recognized(shell, line):
    message = helped(shell, f"%hook {line}")
    assert message == "Separate layers with spaces: %hook model cnn1 act1"


def test_an_option_without_its_dashes_is_recognized(shell):
    message = helped(shell, "%%featuremaps model cnn1 cmap=gray\nmodel(x)")
    assert message == "Options begin with two dashes: --cmap gray"


def test_the_value_of_an_option_is_no_such_mistake(shell, tmp_path):
    shell.run(f"%%featuremaps model cnn1 --save {tmp_path}/zoom=2.png\nmodel(x);")
    assert (tmp_path / "zoom=2.png").exists()
    message = helped(shell, "%featuremaps cnn1 --channels 0,1,")
    assert message.startswith("--channels ")


def test_a_statement_behind_a_cell_magic_is_recognized(shell):
    message = helped(shell, "%%featuremaps model cnn1 -- model(x)\nmodel(x)")
    assert message.startswith("%%featuremaps takes no statement after `--`")


def test_two_dashes_without_a_statement_are_recognized(shell):
    assert helped(shell, "%featuremaps model cnn1 --").startswith("No statement after `--`:")


def test_a_key_that_is_missing_is_said_in_a_short_line(shell):
    shell.names["models"] = {}
    assert len(helped(shell, "%hook models[model] cnn1")) < 300


@pytest.mark.parametrize("line", ["%hook name cnn1", "%%featuremaps name cnn1\nmodel(x)"])
def test_a_variable_that_holds_the_models_name_is_recognized(shell, line):
    shell.names["name"] = "model"
    assert "It holds the name of a model: use model itself." in helped(shell, line)


def test_a_model_in_quotes_is_the_model(shell):
    assert shell.run("%hook 'model' cnn1") == "Watching cnn1 of model → feature_maps\n"


@pytest.mark.parametrize("magic", ["hook", "unhook"])
def test_a_percent_too_many_is_said(shell, model, magic):
    message = helped(shell, f"%%{magic} model cnn1\ny = model(x)")
    assert message.startswith(f"%{magic} is a line magic, with a single %")
    assert "y" not in shell.names
    assert hooks_on(model) == []


def test_a_percent_too_few_is_said_even_before_anything_was_captured(shell):
    message = helped(shell, "%featuremaps model cnn1\nmodel(x)")
    assert "or use %%featuremaps, with two %, on the first line" in message


@pytest.mark.parametrize(
    "cell",
    [
        "y = 1\n%%featuremaps model cnn1\nmodel(x)",
        "# a note\n%%featuremaps model cnn1\nmodel(x)",
        "if True:\n    %%featuremaps model cnn1\n    model(x)",
    ],
)
def test_a_cell_magic_below_the_first_line_is_told_where_it_belongs(shell, cell):
    assert "must be on the first line of a cell" in helped(shell, cell)


def test_the_lines_around_a_misplaced_magic_stay_as_they_are(shell):
    cell = "y = [1]\ntry:\n    %%featuremaps model cnn1\nfinally:\n    y.append(2)\ny.append(3)"
    assert "must be on the first line of a cell" in helped(shell, cell)
    assert shell.names["y"] == [1, 2]


def test_a_mistake_is_no_magic_that_is_listed(shell):
    names = shell.ip.magics_manager.magics
    assert {"hook", "unhook", "featuremaps"} <= set(names["line"])
    assert not [name for kind in names.values() for name in kind if "%" in name]
    assert "hook" not in names["cell"]


def test_a_cell_magic_in_a_string_is_the_users_text(shell):
    assert shell.value('text = """\n%%featuremaps model\n%%hook\n"""\ntext.split()') == [
        "%%featuremaps",
        "model",
        "%%hook",
    ]


def test_empty_lines_above_a_cell_magic_are_no_mistake(shell):
    assert "cnn1  Conv2d" in shell.run("\n\n%%featuremaps model cnn1\nmodel(x);")


@pytest.mark.parametrize("line", ["%hook?", "%%featuremaps?", "%featuremaps?", "%unhook?"])
def test_asking_for_help_is_no_mistake(shell, line):
    assert shell.attempt(line)[0].success


def test_a_model_as_text_in_plain_python_is_said():
    import featmagic

    with (
        pytest.raises(FeatmagicError, match=r"expected an nn\.Module, got a str"),
        featmagic.capture("model", "cnn1"),
    ):
        pass


def test_a_layer_of_another_model_in_plain_python_is_said():
    import featmagic

    with pytest.raises(FeatmagicError, match="isn't a module of the DNN"):
        featmagic.capture(DNN(), DNN().cnn1)


@pytest.mark.parametrize("magic", ["hook", "unhook"])
def test_a_space_between_two_percents_changes_nothing_about_the_mistake(shell, magic):
    assert helped(shell, f"y = 1\n% %{magic} model cnn1").startswith(
        f"%{magic} is a line magic, with a single %"
    )

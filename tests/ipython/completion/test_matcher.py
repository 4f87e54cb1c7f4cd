"""Tab in a shell, with Jedi and without."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from helpers.completing import Trainer, at_cursor, needs_matchers, residual
from helpers.networks import DNN, hooks_on
from IPython.core.completer import provisionalcompleter
from torch import nn

from featmagic.ipython.completion.matcher import HAS_MATCHERS


@pytest.fixture(params=[True, False], ids=["Jedi", "no Jedi"])
def tab(shell, request):
    """What the cell would be for each thing that Tab offers, and its type."""
    import_module("matplotlib")  # all of its colormaps are offered once it is loaded
    shell.ip.Completer.use_jedi = request.param
    shell.names.update(net=residual(), trainer=Trainer(), models={"a": DNN()})

    def pressed(cell):
        cell, cursor = at_cursor(cell)
        with provisionalcompleter():
            found = list(shell.ip.Completer.completions(cell, cursor))
        return {cell[: c.start] + c.text + cell[c.end :]: c.type for c in found}

    return pressed


@pytest.mark.parametrize(
    ("cell", "there"),
    [
        ("%hook mode|", {"%hook model": "DNN", "%hook models": "dict"}),
        ("%hook trainer.mo|", {"%hook trainer.model": "Sequential"}),
        ('%hook models["|', {'%hook models["a"]': "DNN"}),
        ("%hook net layer1.|", {"%hook net layer1.0": "Block", "%hook net layer1.1": "Block"}),
        ("%hook net layer1.0.r|", {"%hook net layer1.0.relu": "ReLU"}),
        ("x = 1\n%hook net lay|\ny = 2", {"x = 1\n%hook net layer1\ny = 2": "Sequential"}),
        ("%%featuremaps net lay|\nnet(x)", {"%%featuremaps net layer1\nnet(x)": "Sequential"}),
        ("%%featuremaps net --cmap=civi|", {f"%%featuremaps net --cmap=cividis{r}": "value"
                                           for r in ("", "_r")}),
        ("%%featuremaps net --over| conv1", {"%%featuremaps net --overlay conv1": "option",
                                             "%%featuremaps net --overview conv1": "option",
                                             "%%featuremaps net --overwrite conv1": "option"}),
        ("%featuremaps model cnn1 --as|", {"%featuremaps model cnn1 --as-is": "option"}),
    ],
)  # fmt: skip
def test_accepting_writes_the_right_text(tab, cell, there):
    found = tab(cell)
    assert set(found) == set(there)
    assert found == there or not HAS_MATCHERS


def test_a_variable_that_is_called_as_a_layer_changes_nothing(tab, shell):
    shell.names.update(layer1=3, lay=4)
    assert set(tab("%hook net layer1.|")) == {"%hook net layer1.0", "%hook net layer1.1"}
    assert set(tab("%hook net lay|")) == {"%hook net layer1"}


def test_variables_of_ipythons_own_are_not_offered(tab, shell):
    shell.value("model")  # is in Out now
    found = [cell.removeprefix("%hook ") for cell in tab("%hook |")]
    assert found == ["model", "net", "trainer", "models"]


def test_a_name_of_ipythons_that_the_user_has_bound_is_offered(tab, shell):
    assert "%hook exit" not in tab("%hook |")  # IPython's own
    shell.names.update(exit=residual(), _private=residual())
    assert tab("%hook ex|").keys() == {"%hook exit"}
    assert set(tab("%hook exit layer1.|")) == {"%hook exit layer1.0", "%hook exit layer1.1"}
    assert "%hook exit" in (found := tab("%hook |"))
    assert "%hook _private" not in found


@needs_matchers
@pytest.mark.parametrize(
    "cell",
    ["%hook net lay*|", "%hook net *|", "%hook net nosuch|", "%%featuremaps net --max |",
     "%hook net # mo|", "%unhook |", '%hook models["a"]|', "%hook models['a'].cnn1.|",
     "%hook net.conv1.|"],
)  # fmt: skip
def test_where_nothing_fits_nobody_else_answers(tab, cell):
    assert tab(cell) == {}


@needs_matchers
def test_behind_save_are_files_and_nothing_else(tab, tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    (tmp_path / "model.png").touch()
    monkeypatch.chdir(tmp_path)
    cell = "%featuremaps model --save "
    assert tab(cell + "|") == dict.fromkeys((cell + "figures", cell + "model.png"), "path")
    assert list(tab(cell + "fig|")) == [cell + "figures/"]
    assert list(tab(cell + "mod|")) == [cell + "model.png"]


def test_in_the_body_of_a_look_and_behind_its_statement_python_completes_as_ever(tab):
    assert "%%featuremaps model\nmodel.cnn1" in tab("%%featuremaps model\nmodel.cn|")
    assert "%featuremaps model -- model" in tab("%featuremaps model -- mod|")
    assert "trainer.computed" in tab("trainer.comp|")


def test_what_was_captured_and_watched_is_offered(tab, shell):
    shell.run("%hook net layer1.0.relu conv1 --into watched\nnet(torch.zeros(1, 4, 8, 8));")
    assert list(tab("%unhook |")) == ["%unhook watched", "%unhook net"]
    assert list(tab("%featuremaps c|")) == ["%featuremaps conv1"]
    assert set(tab("%featuremaps layer1.0.|")) == {
        "%featuremaps layer1.0.relu",
        "%featuremaps layer1.0.relu:2",
    }
    assert set(tab('watched["layer1.0.|')) == {
        'watched["layer1.0.relu"',
        'watched["layer1.0.relu:2"',
    }
    assert set(tab('%%featuremaps net\nwatched["c|"]')) == {'%%featuremaps net\nwatched["conv1"]'}
    assert shell.names["watched"]._ipython_key_completions_() == [
        "conv1", "layer1.0.relu", "layer1.0.relu:2",
    ]  # fmt: skip


def test_looking_for_completions_leaves_the_model_alone(tab, shell, model):
    before = {name: id(value) for name, value in shell.names.items()}
    for cell in ("%hook |", "%hook model |", "%hook model C|", "%%featuremaps model --|"):
        tab(cell)
    assert hooks_on(model) == []
    assert {name: id(value) for name, value in shell.names.items()} == before


def test_whatever_goes_wrong_is_no_trouble_of_the_users(tab, shell, capfd):
    broken = nn.Sequential.__new__(nn.Sequential)  # never initialized
    half = DNN()
    half._modules["cnn1"] = "no module"
    shell.names.update(broken=broken, half=half)
    for cell in ("%hook bro|", "%hook broken |", "%hook broken.|", "%hook half |", "%hook half C|"):
        tab(cell)
    assert "Traceback" not in "".join(capfd.readouterr())
    assert set(tab("%hook model cn|")) == {"%hook model cnn1"}  # and the next one works


def test_an_unloaded_extension_completes_nothing_and_a_reloaded_one_once(tab, shell):
    once = tab("%hook model cn|")
    shell.run("%reload_ext featmagic\n%reload_ext featmagic")
    completer = shell.ip.Completer
    asked = completer.custom_matchers if HAS_MATCHERS else completer.magic_arg_matchers
    ours = [one for one in asked if "featmagic" in one.__module__]
    assert len(ours) == 1
    assert tab("%hook model cn|") == once
    assert list(once) == ["%hook model cnn1"]
    shell.run("%unload_ext featmagic")
    assert ours[0] not in asked
    assert "%hook model cnn1" not in tab("%hook model cn|")
    shell.run("%load_ext featmagic")


def test_completing_imports_neither_torch_nor_matplotlib():
    program = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from IPython.core.completer import provisionalcompleter\n"
        "ip = InteractiveShell()\n"
        "ip.run_line_magic('load_ext', 'featmagic')\n"
        "ip.user_ns.update(model={'a': object()}, feature_maps={'conv1': 1})\n"
        "for line in ('%hook ', '%hook mo', '%hook model la', '%hook model[\"', '%unhook ',\n"
        "    '%%featuremaps model C', '%%featuremaps model --cmap vi', '%featuremaps ',\n"
        "    '%%featuremaps model --into ', '%%featuremaps model --sort ', '%hook model --',\n"
        "    'feature_maps[\"'):\n"
        "    with provisionalcompleter():\n"
        "        found = list(ip.Completer.completions(line, len(line)))\n"
        "    if 'cmap' in line:\n"
        "        print(*[one.text for one in found])\n"
        "print(*[name for name in ('torch', 'matplotlib', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["viridis", ""]
    assert "Traceback" not in done.stderr

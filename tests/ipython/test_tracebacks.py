"""What a failing cell shows: the user's own lines, never a frame of featmagic, and one note."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback

import IPython
import pytest
import torch
from helpers.expected import unwrapped
from helpers.kernels import executed
from helpers.networks import DNN
from helpers.tutorial import NETWORK
from torch import nn

LINE = "%%featuremaps model cnn1"
NOTE = (
    "featmagic: fc1 (Linear) failed: it received (1, 480) float32 cpu, but expects (…, 720) "
    "float32 cpu. The layers captured before it are in feature_maps; %featuremaps shows them."
)
FAILS = "model(x[:1, ..., :20])"
HAS_NOTES = sys.version_info >= (3, 11)
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

CELLS = {
    "a cell": f"{LINE}\n{FAILS}",
    "an empty line": f"{LINE}\n\n{FAILS}",
    "await": f"{LINE}\nimport asyncio; await asyncio.sleep(0)\n{FAILS}",
    "a coroutine": f"{LINE}\nasync def run():\n    return {FAILS}\nawait run()",
    "a magic inside": f"{LINE}\n%pwd\n{FAILS}",
    "a function": f"{LINE}\ndef run():\n    return {FAILS}\nrun()",
    "a generator": f"{LINE}\ndef run():\n    yield {FAILS}\nlist(run())",
    "exec": f"{LINE}\nexec({FAILS!r})",
    "a loop": f"{LINE}\nfor _ in range(2):\n    {FAILS}",
    "a title with quotes": f"{LINE} --cmap gray --into maps\n{FAILS}",
    "a line": f"%featuremaps model cnn1 -- {FAILS}",
    "a line that awaits": (
        f"async def run():\n    return {FAILS}\n%featuremaps model cnn1 -- await run()"
    ),
    "a call of the magic": f"get_ipython().run_cell_magic('featuremaps', 'model cnn1', {FAILS!r})",
    "a block": f"import featmagic\nwith featmagic.capture(model, 'cnn1'):\n    {FAILS}",
    "a watch": f"%hook model cnn1\n{FAILS}",
}
THROUGH_A_MAGIC = ("a line", "a line that awaits", "a call of the magic")
MODES = ["Context", "Verbose", "Plain", "Minimal"]
SHOWN = [(cell, mode) for cell in CELLS for mode in ("Context", "Plain")]
SHOWN += [(cell, mode) for cell in ("a cell", "a line", "a block") for mode in MODES[1::2]]


def assert_none_of_ours(shown):
    """No file of featmagic is named, nor anything that featmagic calls by a name of its own."""
    assert "featmagic/" not in shown.replace("\\", "/")
    assert "_featuremaps_cell_" not in shown
    assert "_featmagic" not in shown
    assert "hidden" not in shown


def shown_by(shell, cell, mode="Context"):
    shell.ip.run_line_magic("xmode", mode)
    result, printed = shell.attempt(cell)
    shell.run("%unhook")
    assert not result.success
    return ESCAPES.sub("", printed)


@pytest.mark.parametrize(("name", "mode"), SHOWN)
def test_no_frame_of_ours_is_shown(shell, name, mode):
    shown = shown_by(shell, CELLS[name], mode)
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in shown
    # Here `capture` finds no IPython that is running, and adds a note; a kernel is tried below.
    if name != "a block" or IPython.version_info >= (8, 14):
        assert len(re.findall(r"fc1 \(Linear\) failed: it received \(1, 480\)", shown)) == 1
    if HAS_NOTES or name not in THROUGH_A_MAGIC:
        assert_none_of_ours(shown)
    elif mode == "Context":  # Python 3.10 keeps the frames of a magic, and IPython hides them
        assert "featmagic/" not in shown


def test_the_first_line_is_shown_as_the_user_wrote_it(shell):
    shown = shown_by(shell, f"{LINE}\n1 / 0")
    assert re.search(r"^ +1 '%%featuremaps model cnn1 '$", shown, re.MULTILINE)
    assert re.search(r"^-+> 2 1 / 0$", shown, re.MULTILINE)


def test_every_variable_is_shown_where_the_user_asked_for_that(shell):
    shell.names["small"] = 3
    assert "small = 3" in shown_by(shell, f"{LINE}\ny = model(x)\nsmall / 0", "Verbose")


def test_a_string_that_reads_like_the_magic_is_the_users(shell):
    assert shell.value("'%%featuremaps model cnn1'\n2") == 2
    assert "feature_maps" not in shell.names


def test_a_syntax_error_is_shown_at_its_line(shell):
    shown = shown_by(shell, f"{LINE}\ny = 1\nfor")
    assert re.search(r'File "?<ipython-input-\S+(:|, line )3\b', shown)
    assert_none_of_ours(shown)


def test_the_traceback_that_debug_walks_has_every_frame_but_ours(shell):
    shell.run(f"def run():\n    return {FAILS}")
    shown_by(shell, f"{LINE}\nrun()")
    frames = traceback.extract_tb(sys.last_traceback)
    assert "run" in [frame.name for frame in frames]
    assert not [frame for frame in frames if "featmagic/" in frame.filename]
    assert [frame.lineno for frame in frames if "ipython-input" in frame.filename] == [2, 2]
    _, printed = shell.attempt("%tb")
    again = ESCAPES.sub("", printed)
    assert "RuntimeError: mat1 and mat2" in again
    assert_none_of_ours(again)


def test_the_layers_before_are_shown_on_request(shell, model):
    shown_by(shell, f"%%featuremaps model\n{FAILS}")
    with torch.no_grad():
        truth = model.cnn1(shell.names["x"][:1, ..., :20])
    assert torch.equal(shell.names["feature_maps"]["cnn1"], truth)
    printed = shell.run("%featuremaps")
    captions = unwrapped(printed).splitlines()
    named = [line.split("  ")[0] for line in captions if " · " in line]
    assert named[:3] == ["cnn1", "act1", "pool1"]
    assert "Nothing captured from fc1, act2, fc2: the pass failed before it returned." in printed
    overview = shell.run("%featuremaps --overview")
    assert [name for name in ("cnn1", "act1", "pool1", "flat") if name not in overview] == []


def test_an_overview_that_failed_is_shown_on_request(shell):
    shown = shown_by(shell, f"%%featuremaps model --overview\n{FAILS}")
    assert "fc1 (Linear) failed" in shown
    overview = shell.run("%featuremaps --overview")
    assert "pool1" in overview
    assert "fc1" in overview.splitlines()[-1]


class Interrupting(torch.Tensor):
    """A tensor whose copy is interrupted, as by Ctrl-C while a hook copies it."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in (torch.Tensor.clone, torch.Tensor.detach, torch.Tensor.contiguous):
            raise KeyboardInterrupt
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.mark.skipif(not HAS_NOTES, reason="Python 3.10 keeps one frame, which IPython hides")
@pytest.mark.parametrize("cell", ["%%featuremaps model 0\nmodel(x)", "%hook model 0\nmodel(x)"])
def test_an_interrupt_inside_a_hook_shows_no_frame_of_it(shell, cell):
    class Wraps(nn.Module):
        def forward(self, x):
            return x.as_subclass(Interrupting)

    shell.names["model"] = nn.Sequential(Wraps(), nn.ReLU())
    result, _ = shell.attempt(cell)
    shell.run("%unhook")
    assert type(result.error_in_exec) is KeyboardInterrupt
    names = [f.filename for f in traceback.extract_tb(result.error_in_exec.__traceback__)]
    assert not [name for name in names if "featmagic/" in name]


def test_a_failing_hook_of_the_users_shows_its_own_line(shell, model):
    shell.run("def mine(module, args, output):\n    return output.nope")
    shell.run("handle = model.act1.register_forward_hook(mine)")
    shown = shown_by(shell, "%%featuremaps model cnn1\nmodel(x)")
    assert "A hook on act1 (LeakyReLU) failed." in shown
    assert "return output.nope" in shown
    assert_none_of_ours(shown)


def test_an_error_in_a_thread_of_the_users_shows_no_frame_of_ours(shell):
    shell.run(
        "import threading, traceback\n"
        "def run():\n"
        f"    try:\n        {FAILS}\n"
        "    except RuntimeError as error:\n        print(*traceback.format_exception(error))\n"
    )
    printed = shell.run(f"{LINE}\nmodel(x)\nt = threading.Thread(target=run)\nt.start()\nt.join()")
    assert "RuntimeError: mat1 and mat2" in printed
    assert_none_of_ours(printed)


@pytest.mark.parametrize(
    "cell", [CELLS[name] for name in ("a cell", "await", "a line", "a generator", "a block")]
)
def test_a_kernel_sends_no_frame_of_ours(kernel, cell):
    ran = kernel.run(cell)
    assert ran.status == "error"
    (error,) = ran.errors
    shown = ESCAPES.sub("", "\n".join(error.traceback))
    if HAS_NOTES:
        assert_none_of_ours(shown)
    said = shown + ran.text
    assert said.count("fc1 (Linear) failed: it received (1, 480) float32 cpu") == 1
    kernel.good("pass")


def test_a_notebook_that_a_program_runs_has_no_frame_of_ours():
    notebook, error = executed(NETWORK, "%load_ext featmagic", f"{LINE}\n{FAILS}")
    assert error is not None
    (output,) = [o for o in notebook.cells[-1].outputs if o.output_type == "error"]
    shown = ESCAPES.sub("", "\n".join(output.traceback))
    assert_none_of_ours(shown)
    assert "'%%featuremaps model cnn1 '" in shown
    if HAS_NOTES:
        assert NOTE in shown


@pytest.mark.parametrize("mode", MODES)
def test_a_script_of_cells_in_a_terminal_shows_no_frame_of_ours(mode, tmp_path):
    script = tmp_path / "look.ipy"
    setup = "import torch\nfrom helpers.networks import DNN, images\nmodel, x = DNN(), images()\n"
    script.write_text(
        f"%load_ext featmagic\n%xmode {mode}\n{setup}%featuremaps model cnn1 -- {FAILS}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", "--no-banner", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "IPYTHONDIR": str(tmp_path), "PYTHONUTF8": "1",
             "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "RuntimeError: mat1 and mat2" in done.stdout
    assert "fc1 (Linear) failed: it received (1, 480) float32 cpu" in done.stdout
    if HAS_NOTES:
        assert_none_of_ours(done.stdout)


def test_a_model_that_fails_once_runs_as_before(shell, model):
    shown_by(shell, f"{LINE}\n{FAILS}")
    assert isinstance(shell.names["model"], DNN)
    shell.run(f"{LINE}\nmodel(x);")

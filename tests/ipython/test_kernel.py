"""Cells in a real kernel: errors at their own line, values, await, magics and hooks."""

from __future__ import annotations

import re

import pytest
from helpers.kernels import executed
from helpers.tutorial import LOOK, NETWORK
from helpers.versions import COMMAND, NUMBERS_CELLS

# Errors


@pytest.mark.parametrize(
    ("look", "kind", "says"),
    [
        (LOOK.format("con1"), "FeatmagicError", ["con1", "cnn1"]),
        ("%%featuremaps model cnn1\nmodel(x[0, 0, :3, :3])", "RuntimeError", ["cnn1"]),
        ("%%featuremaps model cnn1\n1 + 1", "FeatmagicError", ["No forward pass of model"]),
    ],
    ids=["wrong layer", "failing forward", "no forward"],
)
def test_a_look_that_fails_stops_run_all(look, kind, says):
    notebook, error = executed(NETWORK, "%load_ext featmagic", look, "after = 1")

    assert error is not None
    assert error.ename == kind
    *_, failed, after = notebook.cells
    assert after.execution_count is None
    (output,) = [o for o in failed.outputs if o.output_type == "error"]
    assert output.ename == kind
    traceback = "\n".join(output.traceback)
    assert all(word in traceback for word in says)
    if kind == "FeatmagicError":
        assert output.traceback == [f"FeatmagicError: {output.evalue}"]
        assert "\n" not in output.evalue


def without_escapes(lines):
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


@pytest.mark.parametrize(
    "cell",
    [
        "%%featuremaps model cnn1\ny = model(x[:1])\n1 / 0",
        "%%featuremaps model cnn1\n\n1 / 0\ny = model(x[:1])",
        "%%featuremaps model cnn1\ny = model(x[:1])\nif True: 1 / 0\ny",
        "%%featuremaps model cnn1\nimport asyncio; await asyncio.sleep(0)\n1 / 0",
    ],
    ids=["last line", "after an empty line", "inside a block", "with await"],
)
def test_an_error_is_shown_once_at_its_line_of_the_cell(kernel, cell):
    ran = kernel.run(cell)

    assert ran.status == "error"
    (error,) = ran.errors
    shown = without_escapes(error.traceback)
    assert error.ename == "ZeroDivisionError"
    if NUMBERS_CELLS:
        assert re.findall(r"Cell In\[(\d+)\], line (\d+)", shown) == [(str(ran.number), "3")]
    assert re.findall(r"-+> (\d+) .*1 / 0", shown) == ["3"]
    assert shown.count("ZeroDivisionError:") == 1
    assert "featmagic" not in shown


def test_an_error_in_the_forward_names_the_layer_and_keeps_what_ran_before(kernel):
    ran = kernel.run(
        "%%featuremaps model cnn1 pool1 fc1\nmodel.fc1 = nn.Linear(3, 3)\ny = model(x[:1])"
    )

    assert ran.status == "error"
    (error,) = ran.errors
    shown = without_escapes(error.traceback)
    assert error.ename == "RuntimeError"
    assert re.search(r"-+> 3 y = model\(x\[:1\]\)", shown)
    assert "featmagic: fc1 (Linear) failed" in shown + ran.text
    kept = kernel.good("print({name: tuple(maps.shape) for name, maps in feature_maps.items()})")
    assert kept.text == "{'cnn1': (1, 5, 24, 24), 'pool1': (1, 5, 12, 12)}\n"


def test_a_syntax_error_is_shown_at_its_line_of_the_cell(kernel):
    ran = kernel.run("%%featuremaps model cnn1\ny = model(x[:1])\nz = = 1\n")

    (error,) = ran.errors
    assert error.ename == "SyntaxError"
    place = r"Cell In\[\d+\]" if NUMBERS_CELLS else r'File "\S+/ipykernel_\S+"'
    assert re.search(rf"{place}, line 3\b", without_escapes(error.traceback))


# The cell stays the user's own


def test_the_value_of_the_body_is_the_cells(kernel):
    ran = kernel.good("%%featuremaps model cnn1\ny = model(x[:1])\n40 + 2")

    (value,) = ran.values
    assert value.data["text/plain"] == "42"
    assert value.execution_count == ran.number
    again = kernel.good(f"print(_, Out[{ran.number}])")
    assert again.text == "42 42\n"


def test_a_semicolon_silences_the_value(kernel):
    ran = kernel.good("%%featuremaps model cnn1\nmodel(x[:1]);")

    assert len(ran.pictures) == 1
    assert ran.values == []


def test_the_body_can_await(kernel):
    ran = kernel.good(
        "%%featuremaps model cnn1\n"
        "async def later(image):\n"
        "    await asyncio.sleep(0)\n"
        "    return model(image)\n"
        "\n"
        "y = await later(x[500].unsqueeze(0))\n"
        "tuple((await later(x[:3])).shape)"
    )

    assert ran.values[0].data["text/plain"] == "(3, 5)"
    assert "(3, 5, 24, 24)" in ran.pictures[0].data["text/plain"]


def test_the_body_can_hold_magics_and_shell_commands(kernel):
    ran = kernel.good(
        "%%featuremaps model cnn1\n"
        "!echo from the shell\n"
        "%time y = model(x[:1])\n"
        f"shell_lines = {COMMAND}echo kept\n"
        "shell_lines[0]"
    )

    assert "from the shell" in ran.text
    assert "Wall time" in ran.text
    assert len(ran.pictures) == 1
    assert ran.values[0].data["text/plain"] == "'kept'"


def test_the_feature_maps_can_be_read_in_the_same_cell(kernel):
    ran = kernel.good(
        "%%featuremaps model cnn1\n"
        "print(len(feature_maps))\n"
        "y = model(x[:1])\n"
        "seen = feature_maps['cnn1']\n"
        "torch.equal(seen, nn.functional.conv2d(x[:1], model.cnn1.weight, model.cnn1.bias))"
    )

    assert ran.text.startswith("0\n")
    assert ran.values[0].data["text/plain"] == "True"


def test_a_look_leaves_no_name_but_the_feature_maps(kernel):
    kernel.good("names = set(); names = set(dir())")

    kernel.good("%%featuremaps model cnn1\nmodel(x[:1])")

    ran = kernel.good("print({n for n in set(dir()) - names if not n.startswith('_')})")
    assert ran.text == "{'feature_maps'}\n"


# Hooks


def test_a_hooked_layer_is_refreshed_in_later_cells(kernel):
    kernel.good("%hook model cnn1")
    equal = "torch.equal(feature_maps['cnn1'], nn.functional.conv2d(x[{0}], *of(model.cnn1)))"
    kernel.good("def of(layer): return layer.weight, layer.bias")

    kernel.good("y = model(x[:1])")
    first = kernel.good(equal.format(":1"))
    kernel.good("y = model(x[3:5])")
    second = kernel.good(equal.format("3:5"))
    old = kernel.good(equal.format(":1"))

    values = [ran.values[0].data["text/plain"] for ran in (first, second, old)]
    assert values == ["True", "True", "False"]


def test_no_hook_stays_between_cells_however_a_cell_ends(kernel):
    kernel.good("%hook model cnn1 act1")
    kernel.good("hooks_between_cells.clear()")
    inside = int(kernel.good("print(len(hooks_on(model)))").text)
    kernel.good("model(x[:1]);")
    kernel.run("model(x[0, 0, :3, :3])")
    kernel.run("model(x[:1]) +")
    kernel.good("%%featuremaps model cnn1\nmodel(x[:1]);")
    kernel.run("%%featuremaps model nothing\nmodel(x[:1]);")
    kernel.run("%%featuremaps model cnn1\nmodel(x[0, 0, :3, :3])")
    kernel.run("%%featuremaps model cnn1\n1 + 1")
    kernel.good("%featuremaps model cnn1 -- model(x[:1]);")
    kernel.good("%unhook")

    ran = kernel.good("print(len(hooks_on(model)), len(hooks_between_cells), *hooks_between_cells)")

    now, cells, *between = map(int, ran.text.split())
    assert inside > 0
    assert now == 0
    assert cells >= 10
    assert set(between) == {0}


def test_the_users_own_hooks_stay(kernel):
    kernel.good("seen = []\nmodel.cnn1.register_forward_hook(lambda *_: seen.append(1))")
    kernel.good("%hook model cnn1")
    kernel.good("model(x[:1]);")
    kernel.good("%%featuremaps model cnn1\nmodel(x[:1]);")
    kernel.good("%unhook")

    ran = kernel.good("print(len(seen), len(hooks_on(model)))")

    assert ran.text == "2 1\n"


@pytest.mark.parametrize(
    "cell",
    ["%%featuremaps model cnn1 act2\nmodel(x[:1])", "model(x[:1])"],
    ids=["in a look", "under a watch"],
)
def test_an_interrupt_leaves_no_hook_and_every_flag_as_it_was(kernel, cell):
    kernel.good("%hook model cnn1 --into watched")
    kernel.good(
        "class Slow(nn.Module):\n"
        "    def forward(self, x):\n"
        "        print('asleep', flush=True)\n"
        "        time.sleep(600)\n"
        "        return x\n"
        "model.act2 = Slow()\n"
        "model.pool1.eval()\n"
        "flags = flags_of(model)\n"
    )

    ran = kernel.run(cell, interrupt_at="asleep")

    assert ran.status == "error"
    assert ran.errors[0].ename == "KeyboardInterrupt"
    kernel.good("%unhook")
    after = kernel.good(
        "print(flags_of(model) == flags, len(set(flags)), torch.is_grad_enabled())\n"
        "print(len(hooks_on(model)), hooks_between_cells[-2:])"
    )
    assert after.text == "True 2 True\n0 [0, 0]\n"
    kernel.good("model.act2 = nn.ReLU()")
    again = kernel.good("%%featuremaps model cnn1 act2\nmodel(x[:1]);")
    assert len(again.pictures) == 2

"""Through a real kernel: what a notebook shows, and what it stores."""

from __future__ import annotations

import base64
import io
import itertools
import re
from dataclasses import dataclass

import nbformat
import numpy as np
import pytest
from helpers import TESTS
from helpers.expected import (
    centered,
    layers_of,
    model_and_images,
    possible_colors,
    ranges_of,
    unwrapped,
    wrong_pixels,
)
from helpers.streams import joined
from helpers.tiles import as_shown, tiles_in
from helpers.versions import COMMAND, NUMBERS_CELLS
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from featmagic.render.font import LINE

SECONDS = 120  # a kernel that is silent for so long is stuck
NETWORK = """\
import asyncio, time
import torch
from torch import nn

class DNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn1 = nn.Conv2d(1, 5, kernel_size=5)
        self.act1 = nn.LeakyReLU(0.01)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.flat = nn.Flatten()
        self.fc1 = nn.Linear(5 * 12 * 12, 100)
        self.act2 = nn.ReLU()
        self.fc2 = nn.Linear(100, 5)

    def forward(self, x):
        x = self.pool1(self.act1(self.cnn1(x)))
        return self.fc2(self.act2(self.fc1(self.flat(x))))

from helpers.expected import model_and_images
like, x = model_and_images()
model = DNN()
model.load_state_dict(like.state_dict())
"""
# Hooks between cells are counted by a callback that stands before featmagic's own.
BEFORE_LOADING = """
from helpers.networks import flags_of, hooks_on
hooks_between_cells = []
def count():
    hooks_between_cells.append(len(hooks_on(model)))
get_ipython().events.register("pre_execute", count)
"""
AS_AT_FIRST = """
%unhook
globals().pop("feature_maps", None)
model = DNN()
model.load_state_dict(like.state_dict())
hooks_between_cells.clear()
"""


@dataclass
class Ran:
    """What a cell sent, in the order it came, and whether it succeeded."""

    outputs: list
    status: str
    number: int

    @property
    def text(self):
        """What it printed."""
        return "".join(o.text for o in self.outputs if o.output_type == "stream")

    @property
    def pictures(self):
        return [o for o in self.outputs if o.output_type == "display_data"]

    @property
    def values(self):
        """What it displayed as its value: one or none."""
        return [o for o in self.outputs if o.output_type == "execute_result"]

    @property
    def errors(self):
        return [o for o in self.outputs if o.output_type == "error"]


class Kernel:
    def __init__(self, manager, client):
        self._manager, self._client = manager, client

    def run(self, code, *, interrupt_at=None):
        """Run a cell; interrupt the kernel when the cell prints `interrupt_at`."""
        outputs = []

        def hook(message):
            if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                outputs.append(nbformat.v4.output_from_msg(message))
            if interrupt_at and interrupt_at in message["content"].get("text", ""):
                self._manager.interrupt_kernel()

        # ipykernel 6.17 would for a moment refuse what comes after a cell that failed.
        reply = self._client.execute_interactive(
            code, output_hook=hook, timeout=SECONDS, allow_stdin=False, stop_on_error=False
        )["content"]
        return Ran(joined(outputs), reply["status"], reply["execution_count"])

    def good(self, code):
        """Run a cell that must not fail."""
        ran = self.run(code)
        assert ran.status == "ok", ran.outputs
        return ran


@pytest.fixture(scope="module", autouse=True)
def _no_profile_of_the_users(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield


@pytest.fixture(scope="module")
def one_kernel():
    manager, client = start_new_kernel(cwd=str(TESTS))
    kernel = Kernel(manager, client)
    kernel.good(NETWORK + BEFORE_LOADING)
    kernel.good("%load_ext featmagic")
    yield kernel
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(one_kernel):
    one_kernel.good(AS_AT_FIRST)
    return one_kernel


@pytest.fixture(scope="module")
def layers():
    """What the layers give for image 500."""
    model, x = model_and_images()
    return layers_of(model, x[500])


def executed(*cells):
    """A notebook that has run the cells in a kernel of its own, and the error that ended it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(TESTS)}})
    try:
        client.execute()
    except CellExecutionError as error:
        return notebook, error
    return notebook, None


# Pictures


def picture_of(output):
    image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    return as_shown(image, output.metadata["image/png"])


def tiles_of(output, shape):
    """The tiles of a picture; the colors under them, which a shared range has, are cut off."""
    pixels = np.asarray(picture_of(output).convert("RGB"))
    if "own range" not in output.data["text/plain"]:
        pixels = pixels[: -LINE - 12]
    return tiles_in(pixels, shape)


def assert_holds(output, planes, cmap, ranges):
    """The picture's tiles are these planes, in this order, each colored over its range."""
    tiles = tiles_of(output, planes.shape[1:])
    assert len(tiles) == len(planes)
    for tile, plane, ends in zip(tiles, planes, ranges, strict=True):
        assert wrong_pixels(tile.colors, possible_colors(plane, ends, cmap)) == 0


LOOK = "%%featuremaps model {}\nmodel(x[500].unsqueeze(0));"


def test_the_tutorials_session_gives_the_tutorials_outputs(layers):
    hook = "%hook model cnn1 act1 pool1"
    run = "y = model(x[500].unsqueeze(0))"
    loop = (
        "for layer_name, feature_map in feature_maps.items(): "
        'print(f"{layer_name}: {feature_map.shape}")'
    )
    shape = 'feature_maps["cnn1"].squeeze().cpu().numpy()'
    look = "%%featuremaps model cnn1 act1 pool1 --cmap gray --ncols 5\nmodel(x[500].unsqueeze(0))"
    shapes = (
        "cnn1: torch.Size([1, 5, 24, 24])\n"
        "act1: torch.Size([1, 5, 24, 24])\n"
        "pool1: torch.Size([1, 5, 12, 12])\n"
    )

    notebook, error = executed(
        NETWORK,
        "%load_ext featmagic",
        f"{hook}\n{run}\n{loop}",  # the session in one cell,
        "%unhook\ndel feature_maps",
        *(hook, run, loop, shape, "_.shape"),  # then a cell a line
        look,
    )

    assert error is None
    ran = [Ran(cell.outputs, "ok", cell.execution_count) for cell in notebook.cells]
    assert ran[2].text.endswith(shapes)
    assert ran[6].text == shapes
    assert ran[7].values[0].data["text/plain"].startswith("array([[[")
    assert ran[8].values[0].data["text/plain"] == "(5, 24, 24)"
    pictures = ran[9].pictures
    assert len(pictures) == 3
    for picture, name in zip(pictures, ("cnn1", "act1", "pool1"), strict=True):
        assert_holds(picture, layers[name], "gray", ranges_of(layers[name]))
    assert ran[9].values[0].data["text/plain"].startswith("tensor([[")
    nbformat.validate(notebook)


def test_the_kernel_shows_one_png_a_layer_each_under_its_caption(kernel):
    ran = kernel.good(LOOK.format("cnn1 act1 pool1"))

    assert [o.output_type for o in ran.outputs] == ["stream", "display_data"] * 3
    for name, stream, picture in zip(
        ("cnn1", "act1", "pool1"), ran.outputs[::2], ran.outputs[1::2], strict=True
    ):
        (caption,) = unwrapped(stream.text).splitlines()
        assert caption.split()[0] == name
        assert set(picture.data) == {"image/png", "text/plain"}
        assert picture.data["text/plain"].split(",")[0] == name


def test_a_picture_is_an_opaque_palette_png_of_two_pixels_to_a_css_pixel(kernel):
    ran = kernel.good(LOOK.format("cnn1 act1 pool1 flat act2"))

    assert len(ran.pictures) == 5
    for output in ran.pictures:
        image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
        assert (image.format, image.mode) == ("PNG", "P")
        assert "transparency" not in image.info
        assert tuple(2 * side for side in picture_of(output).size) == image.size


def test_a_caption_says_what_the_layer_gave(kernel, layers):
    ran = kernel.good(LOOK.format("cnn1 pool1"))

    for line, name, kind, shape in zip(
        unwrapped(ran.text).splitlines(),
        ("cnn1", "pool1"),
        ("Conv2d", "MaxPool2d"),
        ("(1, 5, 24, 24)", "(1, 5, 12, 12)"),
        strict=True,
    ):
        assert line.startswith(
            f"{name}  {kind}  {shape} float32 cpu · NCHW: 5 of 5 channels, sample 0"
        )
        low, high, mean, std = (
            float(number)
            for number in re.search(r"· (\S+) [▁-█]{8} (\S+)  mean (\S+)  std (\S+)", line).groups()
        )
        values = layers[name]
        assert low == pytest.approx(values.min(), rel=5e-3)
        assert high == pytest.approx(values.max(), rel=5e-3)
        assert mean == pytest.approx(values.mean(), rel=5e-3, abs=1e-6)
        assert std == pytest.approx(values.std(), rel=5e-3)


@pytest.mark.parametrize("name", ["cnn1", "act1", "pool1"])
@pytest.mark.parametrize("ncols", ["", "--ncols 5", "--ncols 2"])
def test_every_tile_holds_its_own_channel_over_its_own_range(kernel, layers, name, ncols):
    ran = kernel.good(LOOK.format(f"{name} --cmap gray {ncols}"))

    assert_holds(ran.pictures[0], layers[name], "gray", ranges_of(layers[name]))


@pytest.mark.parametrize("name", ["cnn1", "act1", "pool1"])
def test_both_signs_are_drawn_in_red_and_blue_with_zero_in_the_middle(kernel, layers, name):
    planes = layers[name]
    assert planes.min() < 0 < planes.max()

    ran = kernel.good(LOOK.format(name))

    assert "RdBu_r centred on 0" in ran.text
    assert_holds(ran.pictures[0], planes, "RdBu_r", [centered(plane) for plane in planes])


def test_one_sign_is_drawn_in_viridis_and_a_vector_row_by_row(kernel, layers):
    values = layers["act2"]
    assert values.min() == 0

    ran = kernel.good(LOOK.format("act2"))

    assert "viridis" in ran.text
    plane = values.reshape(1, 10, 10)
    assert_holds(ran.pictures[0], plane, "viridis", ranges_of(plane))


@pytest.mark.parametrize("cmap", ["gray", "RdBu_r"])
def test_scale_layer_draws_all_channels_over_one_range(kernel, layers, cmap):
    planes = layers["cnn1"]

    ran = kernel.good(LOOK.format(f"cnn1 --cmap {cmap} --scale layer"))

    ends = centered(planes) if cmap == "RdBu_r" else (planes.min(), planes.max())
    assert_holds(ran.pictures[0], planes, cmap, [ends] * 5)


@pytest.mark.parametrize(
    ("asked", "channels"), [("3,1", [3, 1]), ("4,0:2", [4, 0, 1]), ("-1:1:-1", [4, 3, 2])]
)
def test_channels_are_drawn_in_the_order_that_was_asked_for(kernel, layers, asked, channels):
    planes = layers["cnn1"][channels]

    ran = kernel.good(LOOK.format(f"cnn1 --cmap gray --channels {asked}"))

    assert_holds(ran.pictures[0], planes, "gray", ranges_of(planes))
    assert f"{len(channels)} of 5 channels" in ran.text


def test_a_sample_of_the_batch_can_be_chosen(kernel):
    model, x = model_and_images()
    planes = layers_of(model, x[7])["cnn1"]

    ran = kernel.good("%%featuremaps model cnn1 --sample 2 --cmap gray\nmodel(x[5:9]);")

    assert_holds(ran.pictures[0], planes, "gray", ranges_of(planes))


def ink_above(ran, shape):
    """Where the strip above each tile has ink."""
    strips = [tile.strip for tile in tiles_of(ran.pictures[0], shape)]
    return [(strip != strip[0, 0]).any(-1) for strip in strips]


def test_labels_are_indices_and_stand_in_the_strip_above_their_tile(kernel):
    everything = kernel.good(LOOK.format("cnn1 --zoom 3"))
    some = kernel.good(LOOK.format("cnn1 --zoom 3 --channels 3,1,3"))

    all_five = ink_above(everything, (24, 24))
    for first, second in itertools.combinations(all_five, 2):
        assert first.any()
        assert not np.array_equal(first, second)
    for found, channel in zip(ink_above(some, (24, 24)), (3, 1, 3), strict=True):
        np.testing.assert_array_equal(found, all_five[channel])


def test_labels_of_two_digits_are_two_digits(kernel):
    ran = kernel.good(
        "many = nn.Sequential(nn.Conv2d(1, 22, 5))\n"
        'from featmagic import capture\nwith capture(many, "0") as maps: many(x[:1])\n'
        "maps.show(zoom=2)"
    )

    ink = ink_above(ran, (24, 24))

    def written(first, second, wide):
        label = ink[first].copy()
        label[:, wide:] |= ink[second][:, :-wide]
        return label

    wide = [w for w in range(1, 12) if np.array_equal(ink[11], written(1, 1, w))]
    assert len(wide) == 1
    for number in range(10, 22):
        np.testing.assert_array_equal(ink[number], written(*divmod(number, 10), *wide))


def test_tiles_too_small_for_their_labels_have_none(kernel):
    ran = kernel.good(
        "small = nn.Sequential(nn.Conv2d(1, 12, 25))\n"
        'from featmagic import capture\nwith capture(small, "0") as maps: small(x[:1])\n'
        "maps.show(zoom=1)"
    )

    ink = ink_above(ran, (4, 4))
    assert len(ink) == 12
    assert not any(strip.any() for strip in ink)


def test_text_in_a_notebook_has_no_escape_sequences(kernel):
    ran = [
        kernel.run(cell)
        for cell in (
            "%hook model",
            "%hook model cnn1 nothing",
            "%hook model cnn1 flat",
            "%hook",
            "model(x[:1]);",
            LOOK.format(""),
            "%featuremaps model cnn1 -- model(x[:1]);",
            "%featuremaps cnn1 --cmap gray",
            "feature_maps",
            "feature_maps.show()",
            "%featuremaps model con1 -- model(x[:1]);",
            "%unhook",
        )
    ]

    assert [r.status for r in ran].count("error") == 2
    texts = [r.text for r in ran]
    texts += [o.data["text/plain"] for r in ran for o in r.pictures + r.values]
    texts += [line for r in ran for o in r.errors for line in o.traceback]
    assert len([text for text in texts if text]) > 20
    assert not [text for text in texts if "\x1b" in text]


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

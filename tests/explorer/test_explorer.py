"""The explorer as a widget: a real kernel, and a front end that speaks the widgets' protocol."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from helpers import TESTS
from helpers.expected import layers_of, model_and_images, possible_colors, ranges_of, wrong_pixels
from helpers.kernels import SECONDS, RunningKernel, executed
from helpers.tiles import tiles_in
from nbconvert import HTMLExporter
from PIL import Image

from featmagic.explorer.widget import VIEW

SETUP = """\
import gc, weakref
import torch
from torch import nn
import featmagic
from helpers.expected import model_and_images
from helpers.networks import DNN, flags_of, hooks_on
from ipywidgets.widgets.widget import _instances
model, images = model_and_images()
%load_ext featmagic
def looked(*layers, batch=images[499:501]):
    with featmagic.capture(model, *layers, fields=True) as feature_maps:
        model(batch)
    return feature_maps
"""
FRESH = """\
for widget in list(_instances.values()):
    widget.close()
ex = other = None
Out.clear(); _ = __ = ___ = None
feature_maps = looked()
"""
JUPYTERLAB = {"deletedCells": [], "recordTiming": False}


class FrontEnd(RunningKernel):
    """What a front end is to a kernel: it runs cells, and keeps the widgets that were opened."""

    def __init__(self):
        super().__init__()
        self.states, self.messages = {}, {}
        self._shown, self._done = {}, set()  # by message: what was shown; those that are done

    def run(self, code, **how):
        """Run a cell as JupyterLab does; what it printed and displayed."""
        return self.finish(self.start(code, **how))

    def start(self, code, *, cell=None, stdin=True, lab=True, subshell=None, **metadata):
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": stdin,
            "stop_on_error": False,
        }
        if lab:
            metadata = {**JUPYTERLAB, "cellId": cell or "a cell"}
        message = self._client.session.msg("execute_request", content, metadata=metadata)
        return self._send(message, subshell)

    def good(self, code, **how):
        outputs = self.run(code, **how)
        errors = [it for it in outputs if it.output_type == "error"]
        assert not errors, errors
        return outputs

    def printed(self, code, **how):
        outputs = self.good(code, **how)
        return "".join(it.text for it in outputs if it.output_type == "stream").rstrip()

    def error(self, code, **how):
        """The error that the cell ends with, as it is shown."""
        (error,) = [it for it in self.run(code, **how) if it.output_type == "error"]
        return error

    def set(self, widget, *, subshell=None, **state):
        """The user chooses: what a widget manager sends."""
        self.states[widget].update(state)
        update = {"method": "update", "state": state, "buffer_paths": []}
        return self._comm(widget, update, subshell)

    def ask(self, widget, **asked):
        """The script asks; the answer, with its files by name."""
        before = len(self.messages[widget])
        self._comm(widget, {"method": "custom", "content": {"id": 7, **asked}})
        return self.messages[widget][before:]

    def close(self, widget):
        content = {"comm_id": widget, "data": {}}
        self.finish(self._send(self._client.session.msg("comm_close", content)))
        self.states.pop(widget)

    def subshell(self):
        """A new one, or None where the kernel knows none."""
        info = self._client.kernel_info(reply=True, timeout=SECONDS)["content"]
        if "kernel subshells" not in info.get("supported_features", []):
            return None
        control = self._client.control_channel
        control.send(self._client.session.msg("create_subshell_request", {}))
        return self._client.get_control_msg(timeout=SECONDS)["content"]["subshell_id"]

    def until(self, true):
        while not true():
            self._next()

    def finish(self, message):
        """Read all that comes until the kernel is done with it; what was shown."""
        name = message["header"]["msg_id"]
        self.until(lambda: name in self._done)
        return self._shown.pop(name, [])

    def _next(self):
        got = self._client.get_iopub_msg(timeout=SECONDS)
        name = got["parent_header"].get("msg_id")
        if got["msg_type"].startswith("comm_"):
            self._heard(got)
        elif got["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            self._shown.setdefault(name, []).append(nbformat.v4.output_from_msg(got))
        elif got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
            self._done.add(name)

    def _comm(self, widget, data, subshell=None):
        content = {"comm_id": widget, "data": data}
        return self.finish(self._send(self._client.session.msg("comm_msg", content), subshell))

    def _send(self, message, subshell=None):
        if subshell:
            message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)
        return message

    def _heard(self, message):
        content, buffers = message["content"], [bytes(it) for it in message["buffers"]]
        name, data = content["comm_id"], content["data"]
        if message["msg_type"] == "comm_close":
            self.states.pop(name, None)
        elif message["msg_type"] == "comm_open":
            self.states[name], self.messages[name] = {}, []
            self._update(name, data, buffers)
        elif data["method"] == "custom":
            files = dict(zip(data["content"].get("ids", []), buffers, strict=True))
            self.messages[name].append((data["content"], files))
        elif data["method"] == "update":
            self._update(name, data, buffers)

    def _update(self, name, data, buffers):
        state = data["state"]
        for path, given in zip(data["buffer_paths"], buffers, strict=True):
            place = state
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = given
        self.states[name].update(state)

    @property
    def explorers(self):
        return [name for name, state in self.states.items() if "_contents" in state]

    @property
    def explorer(self):
        (name,) = self.explorers
        return name


@pytest.fixture(scope="module")
def one_front():
    front = FrontEnd()
    front.good(SETUP)
    yield front
    front.stop()


@pytest.fixture
def front(one_front):
    one_front.good(FRESH, cell="fresh")
    assert not one_front.explorers
    return one_front


@pytest.fixture(scope="module")
def values():
    """What the layers give for images 499 and 500, by layer: `(N, ...)`."""
    model, images = model_and_images()
    both = [layers_of(model, image) for image in images[499:501]]
    return {name: np.stack([one[name] for one in both]) for name in both[0]}


def layer_of(state, key):
    return next(it for it in state["_contents"]["layers"] if it["key"] == key)


def codes_in(png, plate):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture).reshape(-1, plate["height"], plate["width"]).astype(float)


def assert_says(plate, png, planes):
    """The bytes say the planes' values, within half a step."""
    low, high = (np.array(plate[end], float)[:, None, None] for end in ("low", "high"))
    said = low + codes_in(png, plate) / 239 * (high - low)
    assert (np.abs(said - planes) <= (high - low) / 478 + 1e-6).all()


# What travels


def test_with_the_widget_travels_what_is_seen_first_and_the_rest_when_the_script_is_there(
    front, values
):
    front.good("ex = feature_maps.explore()")
    state = front.states[front.explorer]

    assert [it["key"] for it in state["_contents"]["layers"]] == [
        *("cnn1", "act1", "pool1", "flat", "fc1", "act2", "fc2"),
    ]
    assert set(state["_bytes"]) == {"cnn1/0", "image/0"}
    plate = layer_of(state, "cnn1")["plates"]["0"]
    assert_says(plate, state["_bytes"]["cnn1/0"], values["cnn1"][0])

    sent = front.ask(front.explorer, ask="here")
    files = {name: png for _, parcel in sent for name, png in parcel.items()}
    assert set(files) == {"act1/0", "pool1/0", "flat/0", "fc1/0", "act2/0", "fc2/0"}
    for name in ("act1", "pool1"):
        assert_says(layer_of(state, name)["plates"]["0"], files[f"{name}/0"], values[name][0])
    assert not front.ask(front.explorer, ask="here")  # once


def test_a_front_end_that_comes_later_is_given_everything(front):
    front.good("ex = feature_maps.explore()")
    name = front.explorer

    front._comm(name, {"method": "request_state"})

    state = front.states[name]
    wanted = {plate["id"] for it in state["_contents"]["layers"] for plate in it["plates"].values()}
    assert set(state["_bytes"]) == {*wanted, "image/0"}


def test_an_exact_value_is_the_tensors_own(front):
    front.good("ex = feature_maps.explore()")
    place = {"layer": "act1", "sample": 1, "channel": 3, "position": [7, 9]}

    ((content, _),) = front.ask(front.explorer, ask="value", **place)

    own = front.printed("print(feature_maps['act1'][1, 3, 7, 9].item().hex())")
    assert content["answer"] == 7
    assert content["value"].hex() == own


def test_what_is_no_number_is_answered_in_words(front):
    front.good(
        "strange = torch.tensor([[torch.nan, torch.inf], [-torch.inf, 1]])\n"
        "feature_maps['cnn1'][0, 1, :2, :2] = strange"
    )
    front.good("ex = feature_maps.explore('cnn1')")
    said = []
    for place in ([0, 0], [0, 1], [1, 0]):
        where = {"layer": "cnn1", "sample": 0, "channel": 1, "position": place}
        ((content, _),) = front.ask(front.explorer, ask="value", **where)
        said.append(content["value"])
    assert said == ["nan", "inf", "-inf"]


def test_a_channels_figures_are_exact(front, values):
    front.good("ex = feature_maps.explore()")
    where = {"layer": "act2", "sample": 1, "channel": 0}

    ((content, _),) = front.ask(front.explorer, ask="channel", **where)

    plane = values["act2"][1].astype(np.float64)
    assert content["low"] == pytest.approx(plane.min(), abs=1e-7)
    assert content["high"] == pytest.approx(plane.max(), rel=1e-6)
    assert content["mean"] == pytest.approx(plane.mean(), rel=1e-5)
    assert content["std"] == pytest.approx(plane.std(), rel=1e-5)
    assert content["zeros"] == pytest.approx((plane == 0).mean())


def test_a_sample_that_did_not_travel_is_sent_with_its_input(front, values):
    front.good("ex = feature_maps.explore()")

    ((content, files),) = front.ask(front.explorer, ask="plate", layer="act1", sample=1)

    assert_says(content["plate"], files["act1/1"], values["act1"][1])
    assert content["image"]["id"] == "image/1"
    assert set(files) == {"act1/1", "image/1"}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"ask": "plate", "layer": "act9", "sample": 0}, "no layer 'act9'"),
        ({"ask": "plate", "layer": "act1", "sample": 5}, "sample"),
        ({"ask": "value", "layer": "act1", "sample": 0, "channel": 99, "position": [0, 0]}, "99"),
        (
            {"ask": "value", "layer": "act1", "sample": 0, "channel": 0, "position": [24, 0]},
            "(24, 0)",
        ),
        ({"ask": "coffee", "layer": "act1", "sample": 0}, "coffee"),
        ({"ask": "value"}, "layer"),
    ],
)
def test_a_question_that_has_no_answer_is_answered_by_one_line(front, asked, error):
    front.good("ex = feature_maps.explore()")

    ((content, files),) = front.ask(front.explorer, **asked)

    assert (content["answer"], files) == (7, {})
    assert error in content["error"]
    assert "\n" not in content["error"]


# Choosing, from either side


def test_what_python_chooses_the_browser_sees(front):
    front.good("ex = feature_maps.explore()")
    front.good("ex.layer, ex.channel, ex.sample, ex.position = 'pool1', 3, 1, (4, 5)")
    front.good("ex.settings = {'cmap': 'gray', 'zoom': 3}")

    state = front.states[front.explorer]
    assert [state[name] for name in ("layer", "channel", "sample")] == ["pool1", 3, 1]
    assert list(state["position"]) == [4, 5]
    assert state["settings"] == {
        **{"cmap": "gray", "scale": "channel", "robust": 0, "gamma": 1},
        **{"sort": "index", "topk": 0, "alpha": 0.7, "zoom": 3},
        "shared": False,
    }


def test_what_the_browser_chooses_python_sees_observes_and_links(front):
    front.good(
        """
        import traitlets
        from ipywidgets import IntText
        ex, seen, text = feature_maps.explore(), [], IntText()
        ex.observe(lambda change: seen.append((change.name, change.new)), ["layer", "channel"])
        traitlets.link((ex, "channel"), (text, "value"))
        """.replace("\n        ", "\n")
    )
    front.set(front.explorer, layer="act1", channel=2, sample=1, position=[3, 4])

    assert front.printed("print(seen, text.value, ex.sample, ex.position)") == (
        "[('layer', 'act1'), ('channel', 2)] 2 1 (3, 4)"
    )
    front.good("text.value = 4")
    assert front.states[front.explorer]["channel"] == 4


def test_the_selection_is_the_channels_own_memory(front):
    front.good("ex = feature_maps.explore()")
    front.set(front.explorer, layer="act1", channel=2, sample=1)

    assert (
        front.printed(
            "own = feature_maps['act1'][1, 2]\n"
            "print(tuple(ex.selection.shape), torch.equal(ex.selection, own), "
            "ex.selection.data_ptr() == own.data_ptr(), ex.selection.device)"
        )
        == "(24, 24) True True cpu"
    )


@pytest.mark.parametrize("name", ["fc1", "fc2"])
def test_the_selection_of_single_values_holds_them_all(front, name):
    """A few stand apart, a tile each; many are one plane, row by row."""
    front.good(f"ex = feature_maps.explore('{name}')\nex.sample = 1")
    own, got = json.loads(
        front.printed(
            f"import json\nprint(json.dumps([feature_maps['{name}'][1].tolist(), "
            "ex.selection.flatten().tolist()]))"
        )
    )
    if name == "fc2":
        assert got == own[:1]
    else:
        assert got[: len(own)] == own


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ex.layer = 'cnn2'", "The explorer has no layer 'cnn2'. Did you mean cnn1? It has: "),
        ("ex.layer = 3", "The explorer has no layer 3. It has: cnn1, act1"),
        ("ex.layer = None", "The explorer has no layer None."),
        ("ex.channel = None", "channel must be a whole number, not None."),
        ("ex.settings = None", "settings must be a mapping, not None."),
        ("ex.channel = 5", "No channel 5 in cnn1: choose 0 to 4."),
        ("ex.channel = torch.tensor(2.7)", "channel must be a whole number, not tensor(2.7000)."),
        ("ex.channel = images[:2]", "channel must be a whole number, not a Tensor."),
        ("ex.channel = 'red'", "channel must be a whole number, not 'red'."),
        ("ex.sample = 2", "No sample 2: choose 0 to 1."),
        ("ex.position = (24, 0)", "Position (24, 0) is outside a plane of 24 × 24."),
        ("ex.position = 3", "position must be None or (y, x), not 3."),
        ("ex.settings = {'cmapp': 'gray'}", "No setting 'cmapp'. Did you mean cmap? Settings: "),
        ("ex.settings = {'gamma': -1}", "gamma must be from 0.1 to 5, not -1."),
        ("ex.settings = {'cmap': 'jet'}", "The explorer has no colormap 'jet', only viridis, "),
        ("ex.input = 1", "There are no inputs to pick: explore(model=model, inputs=xs) adds them."),
        ("feature_maps.explore('cnn9')", "No 'cnn9' was captured. Did you mean cnn1? "),
        ("feature_maps.explore(cmapp='gray')", "There is no option 'cmapp'. Did you mean cmap?"),
        ("featmagic.FeatureMaps().explore()", "Nothing to explore: the model has not run"),
        (
            "feature_maps.explore(inputs=images)",
            "inputs needs a model to run: explore(model=model, ",
        ),
        ("feature_maps.explore(model=model)", "model needs inputs to choose from: "),
        (
            "feature_maps.explore(model=model, inputs=3)",
            "inputs must be a tensor of items or a list ",
        ),
        ("feature_maps.explore(model=model, inputs=[])", "inputs has no items."),
        ("feature_maps.explore(model=nn.ReLU(), inputs=images)", "ReLU has no layer 'cnn1'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_changes(front, code, message):
    front.good("ex = feature_maps.explore()")
    before = {**front.states[front.explorer]}

    error = front.error(code)

    assert error.evalue.startswith(message)
    assert len(error.traceback) == 1
    assert front.states[front.explorer] == before
    assert len(front.explorers) == 1


def test_several_choices_at_once_are_all_made_or_none(front):
    front.good("ex = feature_maps.explore()\nex.channel = 1")
    front.error("with ex.hold_trait_notifications():\n    ex.layer = 'fc2'\n    ex.channel = 99")

    assert front.printed("print(ex.layer, ex.channel)") == "cnn1 1"


def test_what_the_browser_cannot_choose_is_put_back_there(front):
    front.good("ex = feature_maps.explore()")
    front.set(front.explorer, layer="nowhere")

    assert front.states[front.explorer]["layer"] == "cnn1"
    assert front.printed("print(ex.layer)") == "cnn1"


SCRIPT = "export default { render() { steal(); } }"


@pytest.mark.parametrize(
    ("message", "buffers"),
    [
        ({"method": "update", "state": {"settings": 1, "layer": "nope"}}, []),
        ({"method": "update", "state": {"channel": 1, "_esm": SCRIPT}}, []),
        ({"method": "update", "state": {"channel": 1, "_contents": {"layers": []}}}, []),
        ({"method": "update", "state": {"channel": True}}, []),
        ({"method": "update", "state": {"channel": 1, "layer": "x" * 10**7}}, []),
        ({"method": "update", "state": {"channel": 1}, "buffer_paths": [["nowhere", 3]]}, [b"0"]),
        ({"method": "update", "state": [["channel", 1]]}, []),
        ({"method": ["update"], "state": {"channel": 1}}, []),
        ({"method": "custom", "content": {"ask": "value", "id": {"a": 1}}}, []),
        ({"state": {"channel": 1}}, []),
        (None, []),
    ],
)
def test_a_kernel_takes_nothing_of_a_malformed_message_and_says_nothing_in_a_cell(
    front, message, buffers
):
    front.good("ex = feature_maps.explore()")
    name = front.explorer
    before = {**front.states[name]}
    content = {"comm_id": name, "data": message}
    sent = front._client.session.msg("comm_msg", content)
    front._client.session.send(front._client.shell_channel.socket, sent, buffers=buffers)

    assert front.finish(sent) == []  # no traceback, and nothing printed
    assert front.states[name] == before
    assert front.messages[name] == []
    assert front.printed("print(ex.layer, ex.channel, tuple(ex.selection.shape))") == (
        "cnn1 0 (24, 24)"
    )
    front.set(name, channel=1)
    assert front.printed("print(ex.channel)") == "1"


def test_another_layer_keeps_what_it_has_of_the_choice(front):
    front.good("ex = feature_maps.explore()\nex.channel, ex.position = 4, (20, 3)")
    front.good("ex.layer = 'act1'")
    assert front.printed("print(ex.channel, ex.position)") == "4 (20, 3)"
    front.good("ex.layer = 'pool1'")
    assert front.printed("print(ex.channel, ex.position)") == "4 None"
    front.good("ex.layer = 'fc1'")
    assert front.printed("print(ex.channel, ex.position)") == "0 None"


# What is displayed


def pixels_of(output):
    """One to a CSS pixel: a picture that the explorer stands in for has to be small."""
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    size = output.metadata["image/png"]
    assert picture.size == (size["width"], size["height"])
    return np.asarray(picture.convert("RGBA"))


def assert_is_the_grid(output, planes):
    tiles = tiles_in(pixels_of(output), planes.shape[1:], density=1)
    assert len(tiles) == len(planes)
    for tile, plane, ends in zip(tiles, planes, ranges_of(planes), strict=True):
        assert wrong_pixels(tile.colors, possible_colors(plane, ends, "gray")) == 0


def test_jupyterlab_is_given_the_grid_alone_which_the_script_knows_by_its_end(front, values):
    (output,) = front.good("ex = feature_maps.explore(cmap='gray')\nex")

    assert set(output.data) == {"image/png", "text/plain"}
    assert_is_the_grid(output, values["cnn1"][0])
    assert output.data["text/plain"].startswith("cnn1, Conv2d")
    end = front.states[front.explorer]["_picture"]
    assert len(end) > 99
    assert output.data["image/png"].endswith(end)


def test_two_explorers_of_the_same_maps_know_their_own_pictures(front):
    front.good("ex, other = feature_maps.explore(), feature_maps.explore()")
    one, other = (front.states[name]["_picture"] for name in front.explorers)
    assert one != other


def test_other_front_ends_are_given_the_widget_beside_the_grid(front, values):
    (output,) = front.good("feature_maps.explore(cmap='gray')", lab=False)

    assert set(output.data) == {VIEW, "image/png", "text/plain"}
    assert output.data[VIEW]["model_id"] == front.explorer
    assert_is_the_grid(output, values["cnn1"][0])


def test_a_cell_may_show_it_as_a_magic_does(front):
    code = "from featmagic.explorer.open import show_explorer\n"
    (output,) = front.good(f"{code}show_explorer(feature_maps.explore())")
    assert output.output_type == "display_data"
    assert set(output.data) == {"image/png", "text/plain"}


def test_what_the_explorer_shows_is_named_as_the_user_named_it(front):
    front.good("mine = looked('act1')\nex = mine.explore()\ndel mine")
    assert front.states[front.explorer]["_contents"]["maps"] == "mine"


def test_a_notebook_that_a_program_runs_has_the_grid_in_it_and_no_bytes_of_a_widget(values):
    grid = "feature_maps = looked()\nfeature_maps.explore(cmap='gray')"
    notebook, error = executed(SETUP, grid)

    assert error is None
    (output,) = notebook.cells[1].outputs
    assert VIEW not in output.data
    assert_is_the_grid(output, values["cnn1"][0])
    states = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    (explorer,) = [it for it in states.values() if "_contents" in it["state"]]
    assert explorer["state"]["_contents"] == {}
    assert "buffers" not in explorer

    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert re.findall(r'<img[^>]*src="data:image/png;base64,([^"]*)"', page) == [
        output.data["image/png"]
    ]
    assert "widget-view+json" not in page.partition("<main")[2]


# Closing


def test_a_closed_explorer_holds_nothing_and_says_so(front):
    front.good(
        "feature_maps = looked('act1', 'pool1')\n"
        "ex = feature_maps.explore(model=model, inputs=images[:3])\n"
        "ex.input = 1\nplane = ex.selection"
    )
    held = (
        "[weakref.ref(it) for it in (feature_maps['act1'], ex._session.activations['act1'].tensor)]"
    )
    front.good(f"held, dead = {held}, weakref.ref(ex)\nex.close()\ndel feature_maps, plane")

    assert front.printed("gc.collect(); print([it() is None for it in held])") == "[True, True]"
    assert front.printed("print(len(_instances), ex)") == "0 <Explorer: closed>"
    assert not front.explorers
    for code in ("ex.selection", "ex.layer = 'pool1'", "ex.input = 2", "ex.channel = 1"):
        assert front.error(code).evalue == (
            "This explorer is closed: feature_maps.explore() opens another."
        )
    front.good("ex.close()")
    front.error("1 / 0")  # IPython keeps the last error, and what stood in its frames
    front.good("del ex")
    assert front.printed("gc.collect(); print(dead() is None)") == "True"


def test_a_front_end_can_close_it(front):
    front.good("ex = feature_maps.explore()")
    front.close(front.explorer)
    assert front.printed("print(ex, len(_instances))") == "<Explorer: closed> 0"


def test_a_cell_that_runs_again_closes_what_it_made_before(front):
    cell = "ex = feature_maps.explore()\nother = feature_maps.explore('act1')\nex"
    front.good(f"held = []\n{cell}\nheld.append(weakref.ref(ex))", cell="one")
    assert len(front.explorers) == 2
    front.good("ex = None", cell="another")
    for _ in range(3):
        front.good(cell, cell="one")
        assert len(front.explorers) == 2
        assert front.printed("print(len(_instances))", cell="another") == "4"  # with their layouts
    front.good("third = feature_maps.explore()", cell="another")
    assert len(front.explorers) == 3
    assert front.printed("gc.collect(); print(held[0]() is None)") == "True"


COLAB = [{"colab": {"cell_id": name}} for name in ("one", "another")]


def test_a_cell_of_colab_that_runs_again_closes_what_it_made_before(front):
    for _ in range(3):
        front.good("ex = feature_maps.explore()", lab=False, **COLAB[0])
    assert len(front.explorers) == 1
    front.good("other = feature_maps.explore()", lab=False, **COLAB[1])
    assert len(front.explorers) == 2


AGAIN = "feature_maps = looked()\nheld += [weakref.ref(it) for it in feature_maps.values()]\n"
ALIVE = "gc.collect(); print(sum(it() is not None for it in held) / 7)"  # of 7 layers a run


def test_without_ids_of_cells_the_same_code_run_30_times_holds_the_tensors_of_two(front):
    front.good("held = []", lab=False)
    for _ in range(30):
        front.good(AGAIN + "ex = feature_maps.explore()", lab=False)
    assert front.printed(ALIVE, lab=False) == "2.0"
    front.good("ex.selection", lab=False)

    first, *_, last_but_one, last = front.explorers  # all still show what they were sent
    assert [front.states[name]["_alive"] for name in (first, last_but_one, last)] == [
        *(False, True, True),
    ]
    ((told, _),) = front.messages[first]
    assert told["busy"] is False
    assert told["error"].endswith("run its cell again for exact values and other samples")
    assert front.messages[last] == []


def test_without_ids_of_cells_a_variable_keeps_an_explorer_open(front):
    front.good("kept = ex = feature_maps.explore()", lab=False)
    for _ in range(3):
        front.good("ex = feature_maps.explore()", lab=False)
    assert front.printed("print(kept.selection.shape == ex.selection.shape)", lab=False) == "True"
    assert front.messages[front.explorers[0]] == []
    front.good("del kept", lab=False)


def test_without_ids_of_cells_the_explorers_of_eight_cells_hold_their_tensors(front):
    """Those used last: by a click, or since they are new."""
    for number in range(8):
        front.good(f"feature_maps.explore()  # cell {number}", lab=False)
    names = front.explorers
    front.set(names[0], channel=1)
    front.good("feature_maps.explore()  # one more", lab=False)

    alive = [front.states[name]["_alive"] for name in names]
    assert alive == [True, False, *[True] * 6]


def test_what_a_loop_opens_in_one_cell_stays_open(front):
    front.good("all_of_them = [feature_maps.explore() for _ in range(12)]", lab=False)
    assert front.printed("print(len({tuple(it.selection.shape) for it in all_of_them}))") == "1"


# Inputs

PICKED = "ex = feature_maps.explore(model=model, inputs=images[:4])\n"


def test_a_picked_input_shows_its_own_values(front):
    front.good(PICKED)
    name = front.explorer
    assert front.states[name]["_contents"]["inputs"] == 4
    assert front.states[name]["input"] is None
    front.ask(name, ask="here")
    front.messages[name].clear()
    front.set(name, input=2, channel=3)

    assert [it["busy"] for it, _ in front.messages[name] if "busy" in it] == [True, False]
    told = [(content, files) for content, files in front.messages[name] if "changed" in content]
    ((content, files),) = told
    model, images = model_and_images()
    own = layers_of(model, images[2])
    assert {it["key"] for it in content["changed"]} == {*own, "flat"}
    layer = next(it for it in content["changed"] if it["key"] == "act1")
    assert layer["samples"] == 1
    assert_says(layer["plates"]["0"], files["act1/0"], own["act1"])
    assert "image/0" in files
    assert front.states[name]["input"] == 2
    assert (
        front.printed(
            "print(ex.input, torch.equal(ex.selection, looked(batch=images[2:3])['cnn1'][0, 3]))"
        )
        == "2 True"
    )


def test_an_input_picked_before_the_script_was_there_is_told_when_it_is(front):
    front.good(PICKED + "ex.input = 2")  # a cell may do so before anything is on the page
    name = front.explorer
    front.messages[name].clear()

    changed, files = {}, {}
    for content, sent in front.ask(name, ask="here"):
        changed |= {it["key"]: it for it in content["changed"]}
        files |= sent

    model, images = model_and_images()
    own = layers_of(model, images[2])
    assert set(changed) == {*own, "flat"}
    for key in own:
        plate = changed[key]["plates"]["0"]
        assert plate["id"] in files
    assert_says(changed["act1"]["plates"]["0"], files["act1/0"], own["act1"])
    assert "image/0" in files


def test_another_input_keeps_what_it_has_of_the_choice(front):
    front.good(
        "ex = feature_maps.explore(model=model, inputs=[images[:2], images[:1]])\n"
        "ex.layer, ex.channel, ex.position, ex.sample = 'act1', 2, (20, 3), 1\nex.input = 0"
    )
    assert front.printed("print(ex.channel, ex.position, ex.sample)") == "2 (20, 3) 1"
    front.good("ex.input = 1")
    assert front.printed("print(ex.channel, ex.position, ex.sample)") == "2 (20, 3) 0"
    assert front.states[front.explorer]["sample"] == 0

    front.good(
        "net = nn.Sequential(nn.Conv2d(1, 4, 3))\n"
        "with featmagic.capture(net) as other:\n    net(images[:1])\n"
        "ex = other.explore(model=net, inputs=[images[:1, :, :9, :9]])\n"
        "ex.position = (20, 3)\nex.input = 0"
    )
    assert front.printed("print(ex.position, tuple(ex.selection.shape))") == "None (7, 7)"


def test_the_selection_of_a_tensor_without_strides_holds_its_values(front):
    front.good(
        "class Sparse(nn.Module):\n    def forward(self, x):\n        return x.to_sparse()\n"
        "net = nn.Sequential(Sparse())\n"
        "with featmagic.capture(net) as other:\n    net(torch.eye(4)[None, None])\n"
        "ex = other.explore(layout='NCHW')"
    )
    assert front.printed("print(torch.equal(ex.selection, torch.eye(4)))") == "True"


def test_an_option_for_some_of_the_layers_is_taken_whichever_comes_first(front):
    front.good(
        "net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Unflatten(0, (1, 1)), nn.Conv3d(1, 2, 1))\n"
        "with featmagic.capture(net, '0', '2') as other:\n    net(images[:1])\n"
        "ex = other.explore(slice=1)\nex.layer, ex.channel = '2', 1"
    )
    assert front.printed("print(torch.equal(ex.selection, other['2'][0, 1, 1]))") == "True"


def test_only_the_layers_that_changed_travel(front):
    front.good(
        "same = images[500:501]\nfeature_maps = looked(batch=same)\n"
        "ex = feature_maps.explore(model=model, inputs=[same, same + 0])"
    )
    name = front.explorer
    front.messages[name].clear()
    front.set(name, input=1)

    ((content, files),) = [it for it in front.messages[name] if "changed" in it[0]]
    assert (content["changed"], files) == ([], {})


@pytest.mark.parametrize(
    "inputs",
    ["images[:4]", "[it[None] for it in images[:4]]", "[(it[None],) for it in images[:4]]",
     "[{'x': it[None]} for it in images[:4]]"],
)  # fmt: skip
def test_inputs_are_a_tensor_of_items_or_a_list_of_what_the_model_is_given(front, inputs):
    front.good(f"ex = feature_maps.explore('fc2', model=model, inputs={inputs})\nex.input = 3")
    assert (
        front.printed(
            "with torch.no_grad():\n"
            "    print(torch.equal(ex.selection[0, 0], model(images[3:4])[0, 0]))"
        )
        == "True"
    )


def test_a_look_at_another_input_leaves_the_model_and_what_was_captured_alone(front):
    front.good("model.train()\nmodel.flat.eval()\nbefore, seen = flags_of(model), []\n" + PICKED)
    front.good("held = {key: value.clone() for key, value in feature_maps.items()}")
    note = "lambda *_: seen.append((any(flags_of(model)), torch.is_grad_enabled()))"
    front.good(f"own = model.register_forward_hook({note})\nex.input = 1\nown.remove()")
    assert front.printed("print(seen)") == "[(False, False)]"

    assert (
        front.printed(
            "print(flags_of(model) == before, len(hooks_on(model)), torch.is_grad_enabled(), "
            "all(torch.equal(held[key], feature_maps[key]) for key in held))"
        )
        == "True 0 True True"
    )
    front.good("model.eval()")


def test_what_was_captured_can_be_seen_again(front):
    front.good(PICKED + "ex.input = 1\nex.input = None\nex.sample = 1")
    assert front.printed("print(torch.equal(ex.selection, feature_maps['cnn1'][1, 0]))") == "True"


def test_a_model_is_never_run_beside_a_cell_that_is_running(front):
    """JupyterLab has clicks heard in a thread of their own, where the kernel knows subshells.

    ipykernel 7.4 does so only for a widget that was made, or last spoke, in that thread.
    """
    if (subshell := front.subshell()) is None:
        pytest.skip("this ipykernel has no subshells")
    front.good("import threading\ndone, started = threading.Event(), threading.Event()")
    front.good(PICKED, subshell=subshell)
    name = front.explorer
    front.messages[name].clear()

    cell = front.start("started.set(); done.wait()")
    front.good("started.wait()", subshell=subshell)
    front.set(name, input=1, subshell=subshell)
    assert front.messages[name] == []
    assert front.printed("print(ex.input, len(hooks_on(model)))", subshell=subshell) == "None 0"
    front.good("done.set()", subshell=subshell)
    front.finish(cell)

    front.until(lambda: front.states[name]["input"] == 1)
    assert front.printed("print(ex.input, ex.selection.shape[0])") == "1 24"


def test_of_the_inputs_picked_while_a_cell_runs_the_last_one_is_run(front):
    if (subshell := front.subshell()) is None:
        pytest.skip("this ipykernel has no subshells")
    front.good("import threading\ndone, started = threading.Event(), threading.Event()")
    front.good(PICKED, subshell=subshell)
    front.good("runs = []\ncounting = model.register_forward_hook(lambda *_: runs.append(1))")
    name = front.explorer
    cell = front.start("started.set(); done.wait()")
    front.good("started.wait()", subshell=subshell)
    for number in [0, 1, 2, 3] * 10:
        front.set(name, input=number, subshell=subshell)
    front.good("done.set()", subshell=subshell)
    front.finish(cell)

    front.until(lambda: {"busy": False} in [content for content, _ in front.messages[name]])
    assert front.printed("counting.remove(); print(ex.input, len(runs))") == "3 1"


def test_an_input_that_the_model_cannot_take_is_said_and_nothing_changes(front):
    front.good(
        "bad = [images[:1], torch.zeros(3)]\n"
        "ex = feature_maps.explore(model=model, inputs=bad)\nex.input = 0"
    )
    name = front.explorer

    error = front.error("ex.input = 1")
    assert error.ename == "RuntimeError"
    assert front.printed("print(ex.input, len(hooks_on(model)))") == "0 0"

    front.messages[name].clear()
    outputs = front.set(name, input=1)
    said = [content for content, _ in front.messages[name] if "error" in content]
    assert len(said) == 1
    assert said[0]["error"].startswith("RuntimeError: ")
    assert "\n" not in said[0]["error"]
    assert not outputs  # no traceback in somebody's cell
    assert front.states[name]["input"] == 0
    assert front.messages[name][-1][0]["busy"] is False
    assert front.printed("print(ex.input, len(hooks_on(model)))") == "0 0"


# Interrupts

INTERRUPTED = """\
import sys
from comm import get_comm_manager
from featmagic.explorer import show
from featmagic.options.view import View
from featmagic.render.target import current_target
PARTS = tuple(f"/{name}/" for name in ("featmagic/explorer", "ipywidgets", "anywidget", "comm"))
OPENING = ("show.py", "open.py", "opening.py", "widget.py", "cell_runs.py")
refs, left = [], []

class Interrupted:
    \"\"\"Raises KeyboardInterrupt at the n-th step of what the explorer and its libraries do.\"\"\"
    def __init__(self, n):
        self.n, self.steps, self.own = n, 0, {}
    def __call__(self, frame, event, _):
        name = frame.f_code.co_filename
        if not any(part in name for part in PARTS) or event == "return":
            return None if event == "call" else self
        if PARTS[0] in name and name.endswith(OPENING):
            self.own.setdefault((name, frame.f_lineno), self.steps)
        self.steps += 1
        if self.steps - 1 == self.n:
            sys.settrace(None)
            raise KeyboardInterrupt
        return self

def attempt(does, n=None):
    maps = looked("cnn1", "act1")
    refs.extend(weakref.ref(it) for it in maps.values())
    request, trace = maps._request((), View()), Interrupted(n)
    before = {*_instances}, {*get_comm_manager().comms}
    sys.settrace(trace)
    try:
        does(request)
    except KeyboardInterrupt:
        sys.settrace(None)
        if ({*_instances}, {*get_comm_manager().comms}) != before:
            left.append(n)
    finally:
        sys.settrace(None)
    for widget in list(_instances.values()):
        widget.close()
    return trace

def shown(request):
    show.show(request, View(explore=True), current_target("auto"))

def returned(request):
    show.explore(request, View(explore=True))
"""


@pytest.mark.parametrize("does", ["shown", "returned"])
def test_an_explorer_whose_opening_is_interrupted_leaves_nothing(front, does):
    pytest.importorskip("comm")  # older kernels have comms of their own
    front.good(INTERRUPTED)
    front.good(
        f"trace = attempt({does})\n"
        "places = {*trace.own.values(), *range(0, trace.steps, trace.steps // 50)}\n"
        f"for n in places:\n    attempt({does}, n)\n"
    )
    assert int(front.printed("print(len(places))")) > 100
    assert front.printed("print(left)") == "[]"
    assert front.printed(
        "feature_maps = None; gc.collect(); print(sum(it() is not None for it in refs))"
    ) == "0"  # fmt: skip


def test_a_widget_that_was_announced_as_the_interrupt_came_is_closed_in_the_front_end(monkeypatch):
    comm = pytest.importorskip("comm")
    from featmagic.explorer.opening import Opening
    from featmagic.explorer.widget import _NotedLayout

    sent = []

    class Announced(comm.base_comm.BaseComm):
        def publish_msg(self, kind, *args, **kwargs):
            sent.append((kind, self.comm_id))
            if kind == "comm_open":
                raise KeyboardInterrupt

    monkeypatch.setattr(comm, "create_comm", Announced)
    opening, before = Opening(), {*comm.get_comm_manager().comms}
    with pytest.raises(KeyboardInterrupt):
        _NotedLayout(opening)
    opening.undo()
    assert [kind for kind, _ in sent] == ["comm_open", "comm_close"]
    assert len({name for _, name in sent}) == 1
    assert {*comm.get_comm_manager().comms} == before


# Elsewhere


def plain(code):
    """What a Python without IPython prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_plain_python_is_told_of_the_page():
    code = (
        "import sys, torch, featmagic\n"
        "with featmagic.capture(net := torch.nn.Sequential(torch.nn.ReLU())) as maps:\n"
        "    net(torch.zeros(1, 2, 3, 3))\n"
        "try:\n    maps.explore()\n"
        "except featmagic.FeatmagicError as error:\n    print(error)\n"
        "print('anywidget' in sys.modules, 'ipywidgets' in sys.modules)"
    )
    assert plain(code).splitlines() == [
        "An explorer needs a notebook or IPython; feature_maps.save('explorer.html') saves it as "
        "an HTML page.",
        "False False",
    ]


def test_what_is_not_explored_imports_no_widgets():
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "import sys\nip = InteractiveShell()\nip.run_line_magic('load_ext', 'featmagic')\n"
        "import featmagic.feature_maps, featmagic.api\n"
        "print('anywidget' in sys.modules, 'ipywidgets' in sys.modules)"
    )
    assert plain(code).splitlines()[-1] == "False False"

"""Engines of ipyparallel: what their clients show, and what they get when they pull."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from helpers import TESTS
from helpers.expected import centered, layers_of, model_and_images, ranges_of, unwrapped
from helpers.kernels import SECONDS, Kernel
from helpers.tiles import assert_holds
from traitlets.config import Config

ipp = pytest.importorskip("ipyparallel")

WITHOUT_NANNY = "--IPEngine.enable_nanny=False"  # which takes seconds to go
IMAGES = {0: 500, 1: 7}  # which image each engine reads
ON_ENGINES = f"""\
import sys
sys.path.insert(0, {str(TESTS)!r})
from helpers.expected import model_and_images
model, x = model_and_images()
image = x[number].unsqueeze(0)
"""
LOOK = "%%featuremaps model cnn1 act1\nmodel(image);"
ON_ONE = "%%featuremaps model {'cnn9' if number == 7 else 'cnn1'}\nmodel(image);"
NO_LAYER = "FeatmagicError: DNN has no layer 'cnn9'. Did you mean cnn1? %hook model lists all 7."


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two engines on the loopback; every process started for them is gone afterwards."""
    folder = tmp_path_factory.mktemp("cluster")
    before = processes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(folder))
        cluster = ipp.Cluster(
            n=2,
            profile_dir=str(folder / "profile"),
            log_level=40,
            config=Config(EngineLauncher={"engine_args": [WITHOUT_NANNY]}),
        )
        try:
            cluster.start_cluster_sync()
            yield cluster
        finally:
            started = processes() - before  # some are nobody's children once others are gone
            cluster.stop_cluster_sync()
    _, alive = psutil.wait_procs(started, timeout=SECONDS)
    assert not alive


def processes():
    return set(psutil.Process().children(recursive=True))


@pytest.fixture(scope="module")
def engines(cluster):
    """A plain client's view of both engines, with everything loaded there."""
    client = cluster.connect_client_sync()
    client.wait_for_engines(2, timeout=SECONDS, interactive=False)
    for engine, number in IMAGES.items():
        client[engine].push({"number": number}, block=True)
    view = client[:]
    view.block = True
    view.execute("%load_ext featmagic")
    view.execute(ON_ENGINES)
    yield view
    client.close()


@pytest.fixture(scope="module")
def connection(cluster):
    """The file that a client elsewhere connects with."""
    return next(Path(cluster.profile_dir).glob("security/*-client.json"))


@pytest.fixture(scope="module")
def client(engines, connection):
    """A kernel that is a client of the engines, like a notebook's kernel."""
    kernel = Kernel()
    kernel.good(
        f"import ipyparallel as ipp\nclient = ipp.Client({str(connection)!r})\n"
        "view = client[:]\nview.block = True\nview.activate()"
    )
    yield kernel
    kernel.stop()


@pytest.fixture(scope="module")
def truth():
    """The layers' outputs for the image of each engine."""
    model, x = model_and_images()
    return {engine: layers_of(model, x[number]) for engine, number in IMAGES.items()}


def by_engine(outputs):
    """Group displayed outputs by the label above them, which must be the engine that sent them."""
    found, label = {}, None
    for output in outputs:
        text = output.data["text/plain"]
        if match := re.fullmatch(r"\[output:(\d+)\]", text):
            label = int(match[1])
        else:
            assert output.metadata["engine"] == label
            found.setdefault(label, []).append(output)
    return found


def assert_grids(outputs, planes):
    """Each layer has a caption, then a picture whose tiles are these planes."""
    assert len(outputs) == 2 * len(planes)
    for words, picture, (name, values) in zip(
        outputs[::2], outputs[1::2], planes.items(), strict=True
    ):
        caption = unwrapped(words.data["text/plain"])
        assert list(words.data) == ["text/plain"]
        assert caption.startswith(f"{name}  ")
        kind, shape = type(model_and_images()[0].get_submodule(name)).__name__, values.shape
        short = f"{name}, {kind}, {(1, *shape)} float32 on cpu"
        assert picture.data["text/plain"] == f"{short}; as a picture."
        alt = picture.metadata["image/png"]["alt"]
        assert alt.startswith(f"{short}.\nNCHW, ")
        assert alt.endswith(f"{caption.rpartition(' · ')[2]}.")
        signs = [centered(plane) for plane in values]
        ranges = signs if "RdBu_r" in caption else ranges_of(values)
        cmap = "RdBu_r" if "RdBu_r" in caption else "viridis"
        picture.data["text/plain"] = caption  # by which the tiles are found
        assert_holds(picture, values, cmap, ranges)


WAYS = {
    "as it comes": ["%%px\n" + LOOK],
    "by type": ["%%px --no-stream\n" + LOOK],
    "by engine": ["%%px --no-stream --group-outputs engine\n" + LOOK],
    "later": ["%%px --noblock\n" + LOOK + "\nnumber", "%pxresult"],
    "by itself": ["%autopx", LOOK, "%autopx"],
    "in one line": ["%px %featuremaps model cnn1 act1 -- model(image);"],
    "with it loaded here too": [
        "%load_ext featmagic\n%autopx",
        LOOK,
        "%autopx",
        "%unload_ext featmagic",
    ],
}


@pytest.mark.parametrize("cells", WAYS.values(), ids=WAYS)
def test_each_engines_grids_stand_under_its_number(client, truth, cells):
    outputs = [output for cell in cells for output in client.good(cell).outputs]
    shown = by_engine(
        o for o in outputs if o.output_type == "display_data" and "Out[" not in str(o)
    )
    assert sorted(shown) == [0, 1]
    for engine, layers in truth.items():
        assert_grids(shown[engine], {name: layers[name] for name in ("cnn1", "act1")})


def test_a_caption_comes_right_before_its_picture_where_outputs_are_grouped(client):
    outputs = client.good("%%px --no-stream\n" + LOOK).outputs
    kinds = ["picture" if "image/png" in o.data else o.data["text/plain"][:10] for o in outputs]
    assert [kind.split()[0] for kind in kinds] == [
        *("[output:0]", "cnn1", "picture", "act1", "picture"),
        *("[output:1]", "cnn1", "picture", "act1", "picture"),
    ]


def test_an_overview_comes_in_one_picture_an_engine(client):
    shown = by_engine(client.good("%%px\n%%featuremaps model --overview\nmodel(image);").outputs)
    for engine in IMAGES:
        words, picture = shown[engine]
        assert words.data["text/plain"].startswith("7 layers · 29.6 kB of activations")
        assert picture.data["text/plain"].startswith("cnn1, Conv2d, (1, 5, 24, 24), from ")
        assert picture.metadata["image/png"]["width"] == 1000


def test_one_engines_error_is_one_line_beside_the_others_grids(client, truth):
    for option in ("", " --no-stream"):
        ran = client.run(f"%%px{option}\n{ON_ONE}")
        assert ran.status == "error"
        shown = by_engine(o for o in ran.outputs if o.output_type == "display_data")
        assert list(shown) == [0]
        assert_grids(shown[0], {"cnn1": truth[0]["cnn1"]})
        [error] = ran.errors
        said = ran.text + "\n".join(error.traceback)
        assert re.findall(r"\[1:execute\]:?\n(.*)\n", said) == [NO_LAYER]
        assert "Traceback" not in said


def test_a_failing_forward_names_the_layer_on_every_engine(client):
    ran = client.run("%%px\n%%featuremaps model cnn1\nmodel(image[..., :20]);")
    assert ran.status == "error"
    note = "featmagic: fc1 (Linear) failed: it received (1, 480) float32 cpu, but expects (…, 720)"
    said = "".join(o.get("text") or str(o.get("data")) for o in ran.outputs)
    said += "".join("\n".join(error.traceback) for error in ran.errors)
    assert said.count(note) == 2  # printed, where errors take no notes
    assert "featmagic/ipython" not in said
    assert "_featuremaps_cell_" not in said


def test_a_terminal_shows_each_caption_once_under_its_engines_number(connection, engines, truth):
    program = (
        f"import ipyparallel as ipp; view = ipp.Client({str(connection)!r})[:]; view.block = True; "
        f"view.activate(); get_ipython().run_cell_magic('px', '--no-stream', {LOOK!r})"
    )
    shell = ("-m", "IPython", "--colors=NoColor", "--no-term-title")
    shown = printed_by(*shell, "-c", program).splitlines()
    goes_on = ("  ", "NCHW, ")
    first_words = [line.split(" · ")[0].strip() for line in shown if not line.startswith(goes_on)]
    cnn1 = "cnn1  Conv2d  (1, 5, 24, 24) float32 cpu"
    act1 = "act1  LeakyReLU  (1, 5, 24, 24) float32 cpu"
    grids = [cnn1, spoken(cnn1), act1, spoken(act1)]
    assert [line for line in first_words if line] == ["[output:0]", *grids, "[output:1]", *grids]


def spoken(words):
    """Return the text of a picture whose caption is shown above it."""
    return words.replace("  ", ", ").replace(" cpu", " on cpu; as a picture.")


def printed_by(*arguments):
    environment = {**os.environ, "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# Pulling


@pytest.fixture
def looked(engines):
    engines.execute("%%featuremaps model cnn1 fc2\nmodel(image);", silent=True)
    return engines


def raw(view, expression):
    """Return the bytes of a tensor on each engine."""
    return view.pull(f"{expression}.numpy().tobytes()")


def test_feature_maps_pull_as_arrays_bit_for_bit(looked, truth):
    one = looked.client[0]
    for maps in (looked["feature_maps"], looked.pull("feature_maps")):
        assert [type(each) for each in maps] == [dict, dict]
        for name in ("cnn1", "fc2"):
            arrays = [each[name] for each in maps]
            assert {type(array) for array in arrays} == {np.ndarray}
            assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
            assert [a.tobytes() for a in arrays] == raw(looked, f"feature_maps['{name}']")
            for engine, array in enumerate(arrays):
                assert np.allclose(array[0], truth[engine][name], atol=1e-5)
    assert list(one["feature_maps"]) == ["cnn1", "fc2"]
    several = one.pull(["feature_maps", "number"], block=True)
    assert type(several[0]) is dict
    returned = one.apply_sync(eval, "feature_maps", {"feature_maps": ipp.Reference("feature_maps")})
    assert type(returned) is dict


def test_the_client_needs_neither_torch_nor_featmagic(looked, connection, tmp_path):
    program = (
        "import sys\nsys.modules['torch'] = sys.modules['featmagic'] = None\n"
        "import numpy as np, ipyparallel as ipp\n"
        f"maps = ipp.Client({str(connection)!r})[1]['feature_maps']\n"
        f"np.savez({str(tmp_path / 'maps.npz')!r}, **maps)"
    )
    printed_by("-c", program)
    with np.load(tmp_path / "maps.npz") as arrays:
        for name in ("cnn1", "fc2"):
            assert arrays[name].tobytes() == raw(looked, f"feature_maps['{name}']")[1]


def test_what_numpy_has_no_dtype_for_pulls_as_float32_with_the_same_values(looked):
    looked.execute(
        "import torch, featmagic\nnet = torch.nn.Sequential(torch.nn.Linear(3, 4)).bfloat16()\n"
        "with featmagic.capture(net, '0') as halved:\n    net(torch.ones(2, 3).bfloat16())"
    )
    arrays = [maps["0"] for maps in looked["halved"]]
    assert {(array.dtype, array.shape) for array in arrays} == {(np.dtype(np.float32), (2, 4))}
    assert [array.tobytes() for array in arrays] == raw(looked, "halved['0'].float()")


def test_what_is_no_array_is_an_error_that_names_it(looked):
    looked.execute(
        "import featmagic, torch\nnet = torch.nn.Identity()\n"
        "rows = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])\n"
        "with featmagic.capture(net, '.', as_is=True) as uneven:\n    net(rows)"
    )
    with pytest.raises(
        ipp.RemoteError, match=r"\. can't be an array: a nested tensor isn't an array"
    ):
        looked.client[0]["uneven"]


def test_an_unload_leaves_pulling_to_pickle_again(looked):
    from featmagic import FeatureMaps

    looked.execute("%unload_ext featmagic")
    try:
        maps = looked["feature_maps"]
        assert [type(each) for each in maps] == [FeatureMaps, FeatureMaps]
    finally:
        looked.execute("%load_ext featmagic")
    assert [type(each) for each in looked["feature_maps"]] == [dict, dict]


def test_where_there_is_no_engine_ipyparallel_is_left_alone(shell):
    from ipyparallel.serialize import can_map

    shell.run("%reload_ext featmagic")
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    assert not [key for key in can_map if "featmagic" in str(key)]
    program = (
        "import sys, featmagic.ipython.ipyparallel, featmagic.ipython.extension\n"
        "print(*[name for name in ('ipyparallel', 'torch') if name in sys.modules])"
    )
    assert printed_by("-c", program) == "\n"

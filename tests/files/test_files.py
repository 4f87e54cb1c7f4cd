"""What is saved: every format read back, whole files or none, and never over the user's."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from helpers import TESTS
from helpers.networks import Failing, hooks_on, images
from helpers.tiles import below_heading, page_image
from PIL import Image
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.files.paths import target_files
from featmagic.files.transaction import write_whole
from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.recording.records import Activation


class Gives(nn.Module):
    """A layer that returns what it was made with."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value


def captured(**layers):
    """Maps that hold these tensors, by layer."""
    net = nn.Sequential(OrderedDict((name, Gives(value)) for name, value in layers.items()))
    with featmagic.capture(net, as_is=True) as maps:
        net(torch.zeros(1))
    return maps


@pytest.fixture
def maps(model, x):
    with featmagic.capture(model, "cnn1", "act1", "fc2") as maps:
        model(x)
    return maps


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_layer_is_one_file_and_several_are_one_each_beside_it(maps, tmp_path):
    assert maps.save(tmp_path / "one.png", "cnn1") == [tmp_path / "one.png"]
    written = maps.save(tmp_path / "maps.png", "cnn1", "act1", cmap="magma")
    assert written == [tmp_path / "maps-cnn1.png", tmp_path / "maps-act1.png"]
    assert files_in(tmp_path) == ["maps-act1.png", "maps-cnn1.png", "one.png"]
    for path, key, kind in zip(written, ("cnn1", "act1"), ("Conv2d", "ReLU"), strict=True):
        truth = draw(Activation(key, key, kind, 1, maps[key]), View(cmap="magma")).mosaic
        with Image.open(path) as picture:
            assert (below_heading(picture, truth) == page_image(truth)).all()


def test_no_layer_named_means_all_of_them(maps, tmp_path):
    written = maps.save(tmp_path / "maps.svg")
    assert [path.name for path in written] == ["maps-cnn1.svg", "maps-act1.svg", "maps-fc2.svg"]
    assert maps.save(tmp_path / "maps.npz") == [tmp_path / "maps.npz"]
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as arrays:
        assert list(arrays) == ["cnn1", "act1", "fc2"]


def test_layers_are_named_as_for_a_look(maps, tmp_path):
    maps.save(tmp_path / "maps.npz", "Conv2d", "model.fc*")
    with np.load(tmp_path / "maps.npz") as arrays:
        assert list(arrays) == ["cnn1", "fc2"]


DTYPES = [
    *(torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
    *(torch.uint16, torch.uint32, torch.uint64),
]


def bits(dtype):
    """Every bit pattern that two random bytes make, NaNs among them, as that dtype."""
    raw = torch.randint(0, 256, (3, 4, 16), dtype=torch.uint8)
    return raw % 2 > 0 if dtype == torch.bool else raw.view(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_npz_holds_every_bit_of_what_numpy_has_a_dtype_for(tmp_path, dtype, capsys):
    value = bits(dtype)
    captured(one=value, empty=value[:0], single=value[0, 0, 0]).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["one"].dtype == value.numpy().dtype
        assert arrays["one"].tobytes() == value.numpy().tobytes()
        assert arrays["empty"].shape == (0, *value.shape[1:])
        assert arrays["single"].shape == ()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz"])
def test_what_numpy_has_no_dtype_for_becomes_float32_and_that_is_said(tmp_path, name, capsys):
    value = torch.randn(2, 3).to(getattr(torch, name))
    captured(one=value, other=value, plain=torch.ones(1)).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["one"].dtype == np.float32
        assert (arrays["one"] == value.float().numpy()).all()
    assert capsys.readouterr().out == f"In .npz files, {name} is stored as float32: one, other.\n"


def kept_apart():
    dense = torch.tensor([[0.0, 2.0], [0.0, -1.0]])
    quantized = torch.quantize_per_tensor(torch.tensor([0.5, 1.0]), 0.5, 0, torch.quint8)
    half = torch.tensor([1 + 2j, 3.5]).to(torch.complex32)
    return dense, quantized, half


@pytest.mark.filterwarnings("ignore:.*[Ss]parse|.*ComplexHalf|.*quanti:UserWarning")
def test_sparse_quantized_strided_and_conjugate_tensors_are_saved_by_value(tmp_path, capsys):
    dense, quantized, half = kept_apart()
    captured(
        sparse=dense.to_sparse(),
        rows=dense.to_sparse_csr(),
        quantized=quantized,
        halved=half,
        conjugate=torch.tensor([1 + 2j]).conj(),
        channels_last=torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last),
    ).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert (arrays["sparse"] == dense.numpy()).all()
        assert (arrays["rows"] == dense.numpy()).all()
        assert arrays["quantized"].tolist() == [0.5, 1.0]
        assert arrays["halved"].dtype == np.complex64
        assert arrays["halved"].tolist() == [1 + 2j, 3.5]
        assert arrays["conjugate"].tolist() == [1 - 2j]
        assert arrays["channels_last"].ravel().tolist() == list(range(24))
    assert capsys.readouterr().out.splitlines() == [
        "In .npz files, sparse tensors are stored dense: sparse, rows.",
        "In .npz files, quint8 is stored as float32: quantized.",
        "In .npz files, complex32 is stored as complex64: halved.",
    ]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_any_text_is_a_key(tmp_path, suffix, capsys):
    keys = ["file", "a/b", "args", "arr_0", "a/b:2", "あ", "<&>", "a b", "Conv", "conv", "*"]
    net = nn.Sequential(OrderedDict((key, Gives(torch.tensor([n]))) for n, key in enumerate(keys)))
    # Numpy takes x.npy for the key x, should both be there.
    net.x = nn.Sequential(OrderedDict(npy=Gives(torch.tensor([98])), last=Gives(torch.ones(1))))
    with featmagic.capture(net, ".", "x.npy", *net._modules, as_is=True) as maps:
        net(torch.zeros(1))
    maps.save(tmp_path / f"a{suffix}")
    loaded = loaded_from(tmp_path / f"a{suffix}")
    assert set(loaded) == set(maps)
    assert {"x", "x.npy", ".", *keys} <= set(loaded)
    assert all(loaded[key].tolist() == maps[key].tolist() for key in maps)
    assert capsys.readouterr().out == ""


def loaded_from(path):
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays}
    return pytest.importorskip("safetensors.torch").load_file(path)


def test_calls_and_parts_of_a_layer_have_the_keys_they_go_by(tmp_path):
    lstm = nn.Sequential(nn.LSTM(2, 3))
    with featmagic.capture(lstm, "0") as maps:
        lstm(torch.randn(4, 1, 2))
    maps.save(tmp_path / "a.npz")
    assert list(loaded_from(tmp_path / "a.npz")) == ["0[0]", "0[1][0]", "0[1][1]"]
    written = maps.save(tmp_path / "a.png")
    assert [path.name for path in written] == ["a-0[0].png", "a-0[1][0].png", "a-0[1][1].png"]


def test_a_key_that_a_file_cannot_hold_is_spelled_out_and_that_is_said(tmp_path, capsys):
    net = nn.Sequential()
    for name in ("a\0b", "a\\x00b", "\ud800"):
        net.add_module(name, Gives(torch.tensor([len(name)])))
    with featmagic.capture(net, as_is=True) as maps:
        net(torch.zeros(1))
    maps.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        values = {key: arrays[key].item() for key in arrays}
    assert values == {"a_b": 3, "a_x00b": 6, "_": 1}
    assert capsys.readouterr().out == (
        "Renamed keys that aren't safe in .npz files: "
        "a\\x00b as a_b, a\\x00b as a_x00b, \\ud800 as _.\n"
    )


@pytest.mark.parametrize(
    "dtype", [*DTYPES, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str
)
def test_safetensors_holds_every_bit(tmp_path, dtype):
    safetensors = pytest.importorskip("safetensors.torch")
    maps = captured(one=bits(dtype))
    if dtype == torch.complex128:
        with pytest.raises(FeatmagicError, match=r"one is complex128, .* \.npz files do"):
            maps.save(tmp_path / "a.safetensors")
        assert files_in(tmp_path) == []
        return
    maps.save(tmp_path / "a.safetensors")
    loaded = safetensors.load_file(tmp_path / "a.safetensors")["one"]
    assert loaded.dtype == dtype
    assert torch.equal(loaded.view(torch.uint8), maps["one"].view(torch.uint8))


@pytest.mark.filterwarnings("ignore:.*[Ss]parse|.*ComplexHalf|.*quanti:UserWarning")
def test_safetensors_takes_sparse_quantized_and_half_complex_tensors_by_value(tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.torch")
    dense, quantized, half = kept_apart()
    maps = captured(sparse=dense.to_sparse(), quantized=quantized, halved=half, __metadata__=dense)
    maps.save(tmp_path / "a.safetensors")
    loaded = safetensors.load_file(tmp_path / "a.safetensors")
    assert torch.equal(loaded["sparse"], dense)
    assert loaded["quantized"].tolist() == [0.5, 1.0]
    assert loaded["halved"].tolist() == [1 + 2j, 3.5]
    assert torch.equal(loaded["__metadata___"], dense)
    assert "__metadata__ as __metadata___" in capsys.readouterr().out


def test_others_may_read_a_safetensors_file_as_any_other(maps, tmp_path):
    pytest.importorskip("safetensors")
    (file,) = maps.save(tmp_path / "a.safetensors")
    (tmp_path / "usual").touch()
    assert file.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_without_safetensors_one_line_names_the_extra(tmp_path):
    program = (
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n: None if n == 'safetensors' else find(n)\n"
        "from featmagic.files.paths import target_files\n"
        "target_files('a.safetensors', ['cnn1'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stderr.strip().endswith("pip install featmagic[safetensors].")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".npz", ".safetensors"])
def test_the_same_maps_are_the_same_bytes_in_every_process(model, x, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    torch.save((model.state_dict(), x), tmp_path / "state.pt")
    program = (
        "import torch, featmagic\n"
        "from helpers.networks import DNN\n"
        f"state, x = torch.load({str(tmp_path / 'state.pt')!r})\n"
        "model = DNN(); model.load_state_dict(state)\n"
        "with featmagic.capture(model, 'cnn1') as maps: model(x)\n"
        "kind = {} if path.endswith(('npz', 'safetensors')) else {'scale': 'layer'}\n"
        "maps.save(path, 'cnn1', **kind)\n"
    )
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(TESTS),
        }
        source = f"path = {str(tmp_path / seed) + suffix!r}\n" + program
        subprocess.run([sys.executable, "-c", source], check=True, env=environment)
    assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()


def test_a_zip_of_arrays_is_in_order(maps, tmp_path):
    maps.save(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["cnn1.npy", "act1.npy", "fc2.npy"]


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["relu", "relu:2"], ["m-relu.png", "m-relu_2.png"]),
        (["relu_2", "relu:2"], ["m-relu_2.png", "m-relu_2_2.png"]),
        (
            ["a/b", "a\\b", "a:b", "a_b_2"],
            ["m-a_b.png", "m-a_b_2.png", "m-a_b_3.png", "m-a_b_2_2.png"],
        ),
        (["Conv", "conv"], ["m-Conv.png", "m-conv_2.png"]),
        ([".", "\x1b"], ["m-_.png", "m-__2.png"]),
        (["enc['h']", "あ"], ["m-enc['h'].png", "m-あ.png"]),
    ],
)
def test_no_two_keys_come_to_the_same_file(tmp_path, keys, names):
    assert [path.name for path in target_files(tmp_path / "m.png", keys)] == names


def test_a_very_long_key_is_cut_to_what_a_file_system_takes(tmp_path):
    made = target_files(tmp_path / "m.png", ["あ" * 300, "あ" * 301])
    assert len(set(made)) == 2
    for path in made:
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("maps.jpg", r"can't save as 'maps.jpg': .* Did you mean .png\?"),
        ("maps.npy", r"Did you mean .npz\?"),
        ("maps.safetensor", r"Did you mean .safetensors\?"),
        ("maps", r".png, .svg, .pdf, .html, .npz or .safetensors.* Did you mean maps.png\?"),
        ("no/maps.png", r"There is no folder .*no to save maps.png in\."),
        ("file.txt/maps.png", r"There is no folder .*file.txt to save maps.png in\."),
        ("folder.png", r"folder.png is a folder: name a file in it"),
        ("", r"is a folder: name a file in it"),
        ("a\0b.png", r"'.*a\\x00b\.png' isn't a valid file name: it has a NUL character"),
        ("\ud800.png", r"'.*\\ud800\.png' isn't a valid file name: .* can't be encoded"),
        ("mine.png", r"mine.png already exists; add --overwrite to replace it"),
        ("n" * 300 + ".png", "can't be written: File name too long"),
    ],
)
def test_a_path_that_cannot_be_is_one_line_before_anything_is_drawn(tmp_path, name, words):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").write_text("mine")
    (tmp_path / "mine.png").write_text("mine")
    before = files_in(tmp_path)
    maps = captured(bad=torch.zeros(1, 64, 112, 112))
    with pytest.raises(FeatmagicError, match=words) as caught:
        # Drawing it would fail in other words.
        maps.save(f"{tmp_path}/{name}", "bad", zoom=50)
    assert "\n" not in str(caught.value)
    assert files_in(tmp_path) == before
    assert (tmp_path / "mine.png").read_text() == "mine"


def test_every_target_is_checked_before_one_is_written(maps, tmp_path):
    (tmp_path / "maps-fc2.png").write_text("mine")
    with pytest.raises(FeatmagicError, match=r"maps-fc2\.png already exists"):
        maps.save(tmp_path / "maps.png")
    assert files_in(tmp_path) == ["maps-fc2.png"]
    maps.save(tmp_path / "maps.png", overwrite=True)
    with Image.open(tmp_path / "maps-fc2.png") as picture:
        assert picture.format == "PNG"


def test_the_home_folder_is_filled_in(maps, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert maps.save("~/cnn1.png", "cnn1") == [tmp_path / "cnn1.png"]
    assert (tmp_path / "cnn1.png").is_file()
    with pytest.raises(FeatmagicError, match="nobody-of-that-name"):
        maps.save("~nobody-of-that-name/cnn1.png", "cnn1")


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there_and_no_other_file(tmp_path, failure):
    old, new = tmp_path / "old.png", tmp_path / "new.png"
    old.write_text("mine")

    def fail(path):
        path.write_bytes(b"half")
        raise failure

    expected = FeatmagicError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_whole({new: lambda path: path.write_bytes(b"whole"), old: fail}, overwrite=True)
    assert files_in(tmp_path) == ["old.png"]
    assert old.read_text() == "mine"
    if expected is FeatmagicError:
        assert str(caught.value) == f"{old} can't be written: No space left on device."


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_tensor_that_cannot_be_written_leaves_no_file(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    maps = captured(good=torch.ones(3), bits=torch.empty(2, dtype=torch.bits8))
    with pytest.raises(FeatmagicError, match=f"bits is bits8, which {suffix} files don't take"):
        maps.save(tmp_path / f"a{suffix}")
    assert files_in(tmp_path) == []


def test_a_figure_that_cannot_be_drawn_leaves_no_file(maps, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def interrupted(self, renderer):
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "draw", interrupted)
    for suffix in (".svg", ".pdf"):
        with pytest.raises(KeyboardInterrupt):
            maps.save(tmp_path / f"a{suffix}", "cnn1")
    assert files_in(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_a_link(maps, tmp_path):
    real, link = tmp_path / "real.npz", tmp_path / "link.npz"
    real.write_text("old")
    link.symlink_to(real)
    maps.save(link, overwrite=True)
    assert link.is_symlink()
    assert set(loaded_from(real)) == set(maps)


def test_options_of_pictures_have_no_place_in_arrays(maps, tmp_path):
    with pytest.raises(FeatmagicError) as caught:
        maps.save(tmp_path / "a.npz", "cnn1", cmap="gray", ncols=3)
    assert str(caught.value) == "ncols, cmap don't apply to .npz files, which hold whole tensors."
    assert files_in(tmp_path) == []
    maps.save(tmp_path / "a.npz", "cnn1", max=64)


def test_what_has_no_values_is_named_and_the_rest_is_saved(tmp_path, capsys):
    maps = captured(ghost=torch.ones(1, 2, 4, 4, device="meta"), real=torch.ones(1, 2, 4, 4))
    assert maps.save(tmp_path / "a.png") == [tmp_path / "a-real.png"]
    assert "Not saved: ghost  Gives" in capsys.readouterr().out
    maps.save(tmp_path / "a.npz")
    assert capsys.readouterr().out == "Not saved: ghost: no values on the meta device\n"
    assert list(loaded_from(tmp_path / "a.npz")) == ["real"]
    for suffix, words in ((".svg", "Nothing to draw: ghost"), (".npz", "No array to save: ghost")):
        with pytest.raises(FeatmagicError, match=words):
            maps.save(tmp_path / f"b{suffix}", "ghost")


def test_before_any_pass_there_is_nothing_to_save(model, tmp_path):
    nothing = pytest.raises(FeatmagicError, match=r"^Nothing has been captured yet\.")
    with featmagic.capture(model, "cnn1") as maps, nothing:
        maps.save(tmp_path / "a.png")


def test_a_look_shows_and_saves(shell, tmp_path):
    printed = shell.run(
        f"%%featuremaps model cnn1 act1 --cmap gray --save {tmp_path}/m.png\nmodel(x);"
    )
    assert "cnn1  Conv2d" in printed
    assert printed.splitlines()[-1] == f"Saved m-cnn1.png, m-act1.png in {tmp_path}."
    maps = shell.names["feature_maps"]
    truth = draw(Activation("act1", "act1", "ReLU", 1, maps["act1"]), View(cmap="gray")).mosaic
    with Image.open(tmp_path / "m-act1.png") as picture:
        assert (below_heading(picture, truth) == page_image(truth)).all()


def test_the_line_forms_save_too_in_any_format(shell, tmp_path):
    shell.run(f"%featuremaps model cnn1 --save '{tmp_path}/a b.npz' --cmap gray -- y = model(x)")
    assert list(loaded_from(tmp_path / "a b.npz")) == ["cnn1"]
    shell.run(f"path = {str(tmp_path / 'again.svg')!r}")
    printed = shell.run("%featuremaps cnn1 --save {path}")
    assert printed.endswith(f"Saved again.svg in {tmp_path}.\n")
    assert (tmp_path / "again.svg").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--save {0}/no/m.png", "There is no folder"),
        ("--save {0}/m.jpg", "Did you mean .png?"),
        ("--save {0}/mine.png", "mine.png already exists"),
        ("--save {0}", "is a folder"),
        ("--overwrite", "--overwrite needs --save PATH"),
        ("--save", "--save needs a value: --save PATH"),
    ],
)
def test_a_wrong_path_is_said_before_the_cell_runs_and_leaves_nothing(
    shell, model, tmp_path, words, message
):
    (tmp_path / "mine.png").write_text("mine")
    shell.run("ran = False")
    words = words.format(tmp_path)
    error = shell.error(f"%%featuremaps model cnn1 {words}\nran = True\nmodel(x)")
    assert isinstance(error, FeatmagicError)
    assert message in str(error)
    assert shell.names["ran"] is False
    assert "feature_maps" not in shell.names
    assert hooks_on(model) == []
    assert files_in(tmp_path) == ["mine.png"]
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    result, printed = shell.attempt(f"%featuremaps cnn1 {words}")
    assert message in str(result.error_in_exec)
    assert "Conv2d" not in printed


def test_several_layers_are_checked_by_the_files_they_would_have(shell, tmp_path):
    (tmp_path / "m-act1.png").write_text("mine")
    line = f"%%featuremaps model cnn1 act1 --save {tmp_path}/m.png"
    assert "m-act1.png already exists" in str(shell.error(f"{line}\nmodel(x)"))
    assert "feature_maps" not in shell.names
    shell.run(f"{line} --overwrite\nmodel(x);")
    assert (tmp_path / "m-act1.png").read_bytes()[1:4] == b"PNG"


def test_a_cell_that_fails_saves_nothing(shell, tmp_path):
    shell.names["failing"] = nn.Sequential(nn.ReLU(), Failing(ValueError("mine")))
    result, _ = shell.attempt(f"%%featuremaps failing 0 --save {tmp_path}/m.npz\nfailing(x)")
    assert type(result.error_in_exec) is ValueError
    assert files_in(tmp_path) == []
    assert list(shell.names["feature_maps"]) == ["0"]


def test_the_file_is_where_it_was_asked_for_wherever_the_cell_goes(shell, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    shell.run("%%featuremaps model cnn1 --save m.npz\nimport os; os.chdir('other'); model(x);")
    assert files_in(tmp_path) == ["m.npz", "other"]
    assert files_in(tmp_path / "other") == []


def test_a_picture_is_saved_from_the_device_the_activations_are_on(tmp_path):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = nn.Sequential(nn.Conv2d(1, 5, 5)).to(device)
    with featmagic.capture(net, "0") as maps:
        net(images())
    maps.save(tmp_path / "a.npz")
    assert (loaded_from(tmp_path / "a.npz")["0"] == maps["0"].cpu().numpy()).all()

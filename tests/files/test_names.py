"""What files and the members of archives are called, whatever layers are called."""

from __future__ import annotations

import ntpath
import os
import posixpath
import re
import shutil
import subprocess
import unicodedata
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

import featmagic
from featmagic.files.arrays import write_arrays
from featmagic.files.names import file_names, members, stored_names
from featmagic.files.paths import target_files

# Text that is hard on names: separators, detours, drives, devices, letters of two cases or forms.
PIECES = [
    *("/", "\\", "..", ".", ":", "C:", "a", "A", "é", "e\u0301", "ß", "ss", "\0", "\x1b", " "),
    *("\ud800", ".npy", "con", "NUL", "_", "_2", "2", "[0]", "あ" * 100, "x" * 10_000),
]
KEYS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join) | st.text(min_size=1)
SETS_OF_KEYS = st.lists(KEYS, min_size=2, max_size=8, unique=True)


class Gives(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value


def captured(**layers):
    net = nn.Sequential(OrderedDict((name, Gives(value)) for name, value in layers.items()))
    with featmagic.capture(net, as_is=True) as maps:
        net(torch.zeros(1))
    return maps


@settings(deadline=None, max_examples=200)
@given(SETS_OF_KEYS)
@example(["x" * 250 + "a", "x" * 250 + "b", "X" * 300])
def test_files_of_any_layers_are_distinct_on_every_system_and_short_enough(keys):
    from pathlib import Path

    names = file_names(Path("maps.png"), keys)
    assert len(names) == len(keys)
    same = {unicodedata.normalize("NFC", unicodedata.normalize("NFD", n).casefold()) for n in names}
    assert len(same) == len(keys)
    for name in names:
        assert len(name.encode()) <= 255
        assert not set(name) & set('<>:"/\\|?*\0')
        assert name.isprintable()
        assert name.startswith("maps-")
        assert name.endswith(".png")


def test_twins_of_any_number_fit(tmp_path):
    keys = [f"{'あ' * 100}{number}" for number in range(1200)]
    for file in target_files(tmp_path / "maps.png", keys):
        file.touch(exist_ok=False)
    assert len(list(tmp_path.iterdir())) == 1200


def test_keys_of_ten_thousand_letters_have_files_of_their_own(tmp_path):
    maps = captured(**{"x" * 10_000 + end: torch.zeros(1, 1, 2, 2) for end in "ab"})
    written = maps.save(tmp_path / "maps.png")
    assert len(set(written)) == 2
    assert sorted(written) == sorted(tmp_path.iterdir())
    maps.save(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz") as arrays:
        assert list(arrays) == list(maps)


def leads_out(member):
    """Whether a path leads out of the folder that it is taken in, here or on Windows."""
    paths = [(posixpath, "/folder"), (ntpath, "d:\\folder")]
    for system, folder in paths:
        joined = system.normpath(system.join(folder, member))
        if not joined.startswith(folder + system.sep):
            return True
    return False


def test_the_oracle_knows_what_leads_out():
    out = ["../a", "/a", "a/../../b", "..\\a", "\\a", "C:a", "C:/a", "\\\\host\\a", "a\\..\\..\\b"]
    assert all(map(leads_out, out))
    assert not any(map(leads_out, ["a", "a/b", "..a", "a..", ".npy", "relu:2.npy"]))


@settings(deadline=None, max_examples=300)
@given(SETS_OF_KEYS)
@example(["/a", "_/a", "../a", "..\\a"])
@example(["a", "a.npy"])
@example(["::", "0:", "/"])
@example([".. /a", "C:a", "C:\\a", "c:/a", "\\\\host\\a"])
def test_no_member_leads_out_of_its_folder_and_all_are_distinct(keys):
    names = stored_names(keys, ".npz")
    assert len(set(names.values())) == len(keys)
    found = members(names).values()
    assert len(set(found)) == len(keys)
    for key, member in zip(keys, found, strict=True):
        # "a:2" is the second call of a layer a, not a file of the drive A.
        assert not leads_out(member.replace(":", "_", 1) if re.match(r".:\d", key) else member)
        assert not any(part.strip(" .") == "" for part in member.split("/")[:-1])
        assert member.isprintable()


KEPT = [
    "file",
    "a/b",
    "relu:2",
    "a:2",
    "a:2[0]",
    "enc['h']",
    "0[1][0]",
    ".",
    "あ",
    "a b",
    "*",
    "a.",
]


def test_a_key_that_is_safe_is_its_own_name():
    assert stored_names(KEPT, ".npz") == dict(zip(KEPT, KEPT, strict=True))
    assert stored_names(["../a", "/a", "\\"], ".safetensors") == {
        key: key for key in ("../a", "/a", "\\")
    }


def test_hostile_keys_stay_in_the_folder_they_are_unpacked_in_and_load_by_the_names_said(
    tmp_path, capsys
):
    net = nn.Sequential(Gives({
        "../../up": torch.tensor([0]), "/root": torch.tensor([1]), "/../..": torch.tensor([2]),
        "..\\..\\up": torch.tensor([3]), "\x1b[2J": torch.tensor([4]), "fine": torch.tensor([5]),
    }), Gives({"/root": torch.tensor([6])}))  # fmt: skip
    net._modules["/etc/x"] = Gives(torch.tensor([7]))
    net._modules["_/etc/x"] = Gives(torch.tensor([8]))
    with featmagic.capture(net, as_is=True) as maps:
        net(torch.zeros(1))
    assert len(maps) == 9
    file = maps.save(tmp_path / "a.npz")[0]
    said = capsys.readouterr().out
    with np.load(file) as arrays:
        loaded = {name: arrays[name].item() for name in arrays}
    truth = stored_names(list(maps), ".npz")
    assert loaded == {truth[key]: maps[key].item() for key in maps}
    assert loaded["0['fine']"] == 5
    assert (loaded["_/etc/x_2"], loaded["_/etc/x"]) == (7, 8)
    assert "Renamed keys that aren't safe in .npz files: " in said
    assert "/etc/x as _/etc/x_2" in said
    assert "\x1b" not in said
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    before = set(tmp_path.iterdir())
    if shutil.which("unzip"):
        done = subprocess.run(["unzip", "-:", "-q", file], cwd=folder, check=False)
        assert done.returncode == 0
    else:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(archive.read(name))
    assert set(tmp_path.iterdir()) == before
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]
    inside = [path for path in folder.rglob("*") if path.is_file()]
    assert sorted(np.load(path).item() for path in inside) == sorted(loaded.values())


@settings(deadline=None, max_examples=60)
@given(SETS_OF_KEYS)
def test_every_array_loads_again_by_its_stored_name(tmp_path_factory, keys):
    file = tmp_path_factory.mktemp("arrays") / "a.npz"
    tensors = {key: torch.tensor([number]) for number, key in enumerate(keys)}
    write_arrays(file, tensors, ".npz")
    with np.load(file, allow_pickle=False) as arrays:
        loaded = {key: arrays[name].item() for key, name in stored_names(keys, ".npz").items()}
    assert loaded == {key: tensor.item() for key, tensor in tensors.items()}


def test_a_key_longer_than_a_zip_can_hold_is_cut(tmp_path, capsys):
    keys = ["あ" * 30_000, "あ" * 30_001]
    lines = write_arrays(tmp_path / "a.npz", dict(zip(keys, torch.eye(2), strict=True)), ".npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert [arrays[name].tolist() for name in arrays] == [[1, 0], [0, 1]]
    assert lines[0].startswith("Renamed keys that aren't safe in .npz files: あああ")


def test_tensors_that_share_memory_are_all_in_a_safetensors_file(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    whole = torch.arange(6.0)
    tensors = {"whole": whole, "same": whole, "part": whole[2:4], "wide": whole[:1].expand(5)}
    write_arrays(tmp_path / "a.safetensors", tensors, ".safetensors")
    loaded = safetensors.load_file(tmp_path / "a.safetensors")
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[key], tensors[key]) for key in tensors)


@pytest.mark.skipif(os.name == "nt", reason="names are counted in letters there")
def test_a_name_that_is_too_long_with_its_key_is_one_line(tmp_path):
    with pytest.raises(featmagic.FeatmagicError, match="can't be written: File name too long") as e:
        target_files(tmp_path / f"{'x' * 250}.png", ["a", "b"])
    assert "\n" not in str(e.value)
    made = target_files(tmp_path / f"{'x' * 248}.png", ["abcdef", "abcdeg"])
    assert [len(file.name) for file in made] == [255, 255]

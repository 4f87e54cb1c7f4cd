"""What stands in a file's place: links, rights, what is no file, and folders that resist."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.savers import SUFFIXES, maps_of, outcome

from featmagic import FeatmagicError
from featmagic.files.paths import target_files
from featmagic.files.transaction import write_whole

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, owners and rights are others there")


@pytest.fixture(scope="module")
def maps():
    return maps_of(0)


def write(path):
    path.write_bytes(b"new")


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def line(act, *arguments, **options):
    """The one line of the error that is raised."""
    with pytest.raises(FeatmagicError) as caught:
        act(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_overwriting_keeps_the_mode_and_a_new_file_has_that_of_open(maps, tmp_path, suffix):
    before = os.umask(0o027)
    try:
        (tmp_path / "usual").touch()
        new, private, shared = (tmp_path / f"{name}{suffix}" for name in ("new", "mine", "all"))
        for file, rights in ((private, 0o600), (shared, 0o664)):
            file.touch()
            file.chmod(rights)
            maps.save(file, overwrite=True)
            assert mode(file) == rights
        maps.save(new)
        assert mode(new) == mode(tmp_path / "usual") == 0o640
        maps.save(new, overwrite=True)
        assert mode(new) == 0o640
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", [0o777, 0o222])
def test_any_umask_will_do(tmp_path, umask):
    found = outcome("save_as_nobody", tmp_path, False, umask)
    assert found == {"new": "saved", "old": "saved"}
    assert mode(tmp_path / "new.npz") == 0o666 & ~umask
    assert mode(tmp_path / "old.npz") == 0o644


def test_what_takes_the_place_of_a_file_that_is_gone_meanwhile_is_a_new_file(tmp_path):
    file = tmp_path / "a.png"
    file.touch(0o600)
    (tmp_path / "usual").touch()

    def and_gone(path):
        path.write_bytes(b"new")
        file.unlink()

    write_whole({file: and_gone}, overwrite=True)
    assert mode(file) == mode(tmp_path / "usual")


def test_no_right_to_run_as_somebody_else_is_handed_on(tmp_path):
    file = tmp_path / "a.png"
    file.touch()
    file.chmod(0o4755)
    write_whole({file: write}, overwrite=True)
    assert mode(file) == 0o755


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_a_file_to_its_owner(tmp_path):
    file = tmp_path / "a.png"
    file.touch()
    os.chown(file, 1234, 2345)
    write_whole({file: write}, overwrite=True)
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 2345)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
def test_where_the_group_cannot_be_kept_it_may_do_no_more_than_all_others(tmp_path):
    file = tmp_path / "old.npz"
    file.touch()
    os.chown(file, 1234, 2345)
    file.chmod(0o664)
    assert outcome("save_as_nobody", tmp_path, False)["old"] == "saved"
    assert file.stat().st_uid == 65534
    assert mode(file) == 0o644


def test_extended_attributes_are_kept(tmp_path):
    file = tmp_path / "a.png"
    file.touch()
    try:
        os.setxattr(file, "user.note", b"mine")
    except (AttributeError, OSError):
        pytest.skip("no extended attributes here")
    write_whole({file: write}, overwrite=True)
    assert file.read_bytes() == b"new"
    assert os.getxattr(file, "user.note") == b"mine"


@pytest.mark.skipif(not shutil.which("setfacl"), reason="no access control lists here")
def test_rights_of_single_users_are_kept_and_none_are_added(tmp_path):
    old, plain = tmp_path / "old.png", tmp_path / "plain.png"
    for file in (old, plain):
        file.touch(0o600)
    subprocess.run(["setfacl", "-m", "u:1234:r", old], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:2345:rw", tmp_path], check=True)
    kept = {file: os.listxattr(file) for file in (old, plain)}
    write_whole({old: write, plain: write}, overwrite=True)
    assert {file: os.listxattr(file) for file in (old, plain)} == kept


def test_a_file_of_several_names_is_refused_before_any_work(maps, tmp_path):
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    one.write_text("mine")
    os.link(one, other)
    said = line(maps.save, one, overwrite=True)
    assert said == (
        f"{one} has 2 hard links, and replacing it would separate them: "
        "delete it first, or save under another name."
    )
    assert said == line(target_files, one, ["0"], overwrite=True)
    assert one.samefile(other)
    assert one.read_text() == "mine"
    one.unlink()
    maps.save(one, overwrite=True)
    assert other.read_text() == "mine"


def test_a_link_to_a_file_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    real = tmp_path / "far" / "real.npz"
    real.write_text("old")
    real.chmod(0o600)
    (tmp_path / "middle.npz").symlink_to("far/real.npz")
    link = tmp_path / "link.npz"
    link.symlink_to("middle.npz")
    assert "already exists" in line(target_files, link, ["0"])
    write_whole({link: write}, overwrite=True)
    assert link.readlink() == Path("middle.npz")
    assert real.read_bytes() == b"new"
    assert mode(real) == 0o600
    assert files_in(tmp_path / "far") == ["real.npz"]


def make(kind, path):
    """Put something that is no file in a place; what a message calls it."""
    if kind == "pipe":
        os.mkfifo(path)
        return "is a named pipe; only regular files can be replaced"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
        return "is a socket; only regular files can be replaced"
    if kind == "device":
        path.symlink_to("/dev/null")
        return "is a device; only regular files can be replaced"
    if kind == "folder":
        path.mkdir()
        return "is a folder: name a file in it"
    if kind == "loop":
        path.symlink_to(path.name)
        return "can't be written: Too many levels of symbolic links."
    path.symlink_to("gone/maps.png")
    return "is a symbolic link to gone/maps.png, where there is nothing"


KINDS = ["pipe", "socket", "device", "folder", "loop", "dangling link"]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("through_a_link", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_told_before_any_work_and_stays(
    maps, tmp_path, monkeypatch, kind, through_a_link, overwrite
):
    monkeypatch.chdir(tmp_path)  # the paths of sockets are short
    file = tmp_path / "a.png"
    words = make(kind, file)
    was = file.lstat()
    if through_a_link:
        file = tmp_path / "link.png"
        file.symlink_to("a.png")
        words = words.replace("gone/maps.png", "a.png")
    # Drawing it would fail in other words.
    assert words in line(maps.save, file, overwrite=overwrite, zoom=99, channels="7")
    assert words in line(target_files, file, ["0"], overwrite=overwrite)
    there = (tmp_path / "a.png").lstat()
    assert (there.st_ino, there.st_mode) == (was.st_ino, was.st_mode)


def test_what_comes_meanwhile_is_not_replaced(tmp_path):
    for kind in KINDS:
        file = tmp_path / f"{kind}.png"

        def then(path, kind=kind, file=file):
            path.write_bytes(b"new")
            make(kind, file)

        if kind != "socket":
            line(write_whole, {file: then}, overwrite=False)
            assert stat.S_ISREG(file.lstat().st_mode) is False
    file = tmp_path / "mine.png"

    def mine(path):
        path.write_bytes(b"new")
        file.write_bytes(b"mine")

    said = line(write_whole, {file: mine}, overwrite=False)
    assert (
        said == f"{file} already exists; add --overwrite to replace it (in Python, overwrite=True)."
    )
    assert file.read_bytes() == b"mine"


def test_two_links_to_one_file_are_not_saved_over_each_other(tmp_path):
    (tmp_path / "real.png").touch()
    for key in ("a", "b"):
        (tmp_path / f"maps-{key}.png").symlink_to("real.png")
    said = line(target_files, tmp_path / "maps.png", ["a", "b"], overwrite=True)
    assert "maps-a.png and " in said
    assert "maps-b.png lead to the same file" in said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "\ud800.png",
            r"'\ud800.png' isn't a valid file name: it has characters that can't be",
        ),
        ("no\ud800/a.png", r"'no\ud800/a.png' isn't a valid file name: it has characters"),
        ("a\0/b.png", r"'a\x00/b.png' isn't a valid file name: it has a NUL character"),
        ("loop/a.png", "There is no folder loop to save a.png in."),
        (b"a.png", "A file name must be a str or a Path, not a value of type bytes."),
        (None, "A file name must be a str or a Path, not a value of type NoneType."),
        ("~nobody-of-that-name/a.png", "~nobody-of-that-name/a.png: "),
    ],
)
def test_a_name_that_no_file_can_have_is_one_line(maps, tmp_path, monkeypatch, path, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert words in line(maps.save, path)
    assert files_in(tmp_path) == ["loop"]


def test_a_magic_says_the_same_before_its_cell_runs(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.npz")
    shell.run("ran = False")
    for path, words in {
        "pipe.npz": "pipe.npz is a named pipe",
        "{chr(0xd800)}.png": "it has characters that can't be encoded",
        "{chr(0)}.png": "it has a NUL character",
    }.items():
        cell = f"%%featuremaps model cnn1 --overwrite --save {path}\nran = True\nmodel(x)"
        assert words in str(shell.error(cell))
    assert shell.names["ran"] is False


def test_bytes_that_are_no_text_are_a_name_as_well(maps, tmp_path):
    (file,) = maps.save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.npz")))
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"\xff.npz"]
    with np.load(file) as arrays:
        assert torch.equal(torch.from_numpy(arrays["0"]), maps["0"])


def test_in_a_folder_that_is_gone_nothing_is_saved_and_that_is_one_line(
    maps, shell, tmp_path, monkeypatch
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert line(maps.save, "a.npz") == "a.npz can't be written: No such file or directory."
    error = shell.error("%%featuremaps model cnn1 --save a.npz\nmodel(x)")
    assert str(error) == "a.npz can't be written: No such file or directory."


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_that_vanishes_meanwhile_is_one_line(tmp_path, overwrite):
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "a.png"

    def vanish(path):
        path.write_bytes(b"new")
        shutil.rmtree(folder)

    said = line(write_whole, {file: vanish}, overwrite=overwrite)
    assert said == f"{file} can't be written: No such file or directory."
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("overwrite", [True, False])
def test_where_the_third_file_cannot_be_put_the_message_names_the_two_before(tmp_path, overwrite):
    files = [tmp_path / f"maps-{key}.png" for key in "abcd"]

    def last(path):
        path.write_bytes(b"new")
        files[2].mkdir()

    writers = dict.fromkeys(files[:3], write) | {files[3]: last}
    said = line(write_whole, writers, overwrite=overwrite)
    assert said == (
        f"{files[2]} is a folder: name a file in it, such as {files[2]}/maps.png. "
        "Already written: maps-a.png, maps-b.png."
    )
    assert files_in(tmp_path) == ["maps-a.png", "maps-b.png", "maps-c.png"]
    assert files[0].read_bytes() == files[1].read_bytes() == b"new"


def test_where_the_third_file_cannot_be_made_none_is_written(tmp_path):
    files = [tmp_path / f"maps-{key}.png" for key in "abc"]
    files[0].write_bytes(b"old")

    def fail(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    said = line(write_whole, {files[0]: write, files[1]: write, files[2]: fail}, overwrite=True)
    assert said == f"{files[2]} can't be written: No space left on device."
    assert files_in(tmp_path) == ["maps-a.png"]
    assert files[0].read_bytes() == b"old"


def test_a_file_that_another_program_holds_on_windows_is_one_line(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(b"old")

    def held(*_):
        raise PermissionError(13, "The process cannot access the file", str(file), 32, str(file))

    monkeypatch.setattr(Path, "replace", held)
    said = line(write_whole, {file: write}, overwrite=True)
    assert said == f"{file} can't be written: The process cannot access the file."
    assert files_in(tmp_path) == ["a.png"]
    assert file.read_bytes() == b"old"


def test_only_what_replaces_a_file_waits_for_the_disk(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def counted(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    file = tmp_path / "a.png"
    write_whole({file: write}, overwrite=True)
    assert synced == []
    write_whole({file: write}, overwrite=True)
    assert synced == [file.stat().st_ino]


def test_a_folder_without_rights_is_one_line_before_any_work(tmp_path):
    (tmp_path / "old.npz").write_text("mine")
    found = outcome("save_as_nobody", tmp_path, True)
    assert found["new"].endswith("new.npz can't be written: Permission denied.")
    assert found["old"].endswith("old.npz can't be written: Permission denied.")
    assert files_in(tmp_path) == ["old.npz"]


def test_a_file_that_may_not_grow_is_one_line_and_the_old_one_stays(tmp_path):
    for suffix, (said, there, same) in outcome("save_in_little_room", tmp_path).items():
        target = tmp_path / suffix[1:] / f"maps{suffix}"
        assert said == f"{target} can't be written: File too large."
        assert there == [f"maps{suffix}"]
        assert same is True


def test_a_full_disk_and_a_read_only_one_are_one_line(tmp_path):
    if not shutil.which("unshare"):
        pytest.skip("no namespaces here")
    mounted = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=256k none "$0" && exec "$@"')
    if subprocess.run([*mounted, tmp_path, "true"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    found = outcome("fill_the_disk", tmp_path, prefix=(*mounted, str(tmp_path)))
    for suffix in SUFFIXES:
        said, there, same = found[suffix]
        assert said == f"{tmp_path}/maps{suffix} can't be written: No space left on device."
        assert there == ["filling", f"maps{suffix}"]
        assert same is True
    assert found["read-only"] == f"{tmp_path}/maps.npz can't be written: Read-only file system."

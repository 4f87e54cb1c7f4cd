"""Saving that is killed, interrupted, or done twice at once: whole files, nothing left behind."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading

import pytest
from helpers import TESTS
from helpers.savers import names_in, outcome

from featmagic.files.temporary import make_temporary, remove_leftovers
from featmagic.files.transaction import write_whole

posix = pytest.mark.skipif(os.name == "nt", reason="processes can't be forked there")


@posix
def test_a_process_killed_at_any_moment_leaves_the_old_or_the_new_file(tmp_path):
    # 6 formats, 17 times each: over a hundred.
    for suffix, found in outcome("kill_at_random", tmp_path, 17).items():
        old, new, broken = found["seen"]
        assert old + new == 17, suffix
        assert broken == 0
        assert found["there"] == [f"maps{suffix}"]


@posix
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_process_killed_at_any_instruction_leaves_whole_files_and_is_swept_up_after(
    tmp_path, overwrite
):
    # The function itself asserts that after one more save there is nothing but the files.
    found = outcome("kill_at_every_step", tmp_path, overwrite, 41)
    before = "old" if overwrite else "none"
    assert found["states"] == sorted(["new new", f"new {before}", f"{before} {before}"])
    assert found["left"] > 5


@posix
@pytest.mark.parametrize(
    ("overwrite", "without_links"), [(True, False), (False, False), (False, True)]
)
def test_an_interrupt_at_any_instruction_leaves_whole_files(tmp_path, overwrite, without_links):
    found = outcome("interrupt_at_every_step", tmp_path, overwrite, 13, without_links)
    before = "old" if overwrite else "none"
    assert found["states"] == sorted(["new new", f"new {before}", f"{before} {before}"])
    assert found["interrupts"] > 50


@posix
def test_ctrl_c_while_a_file_is_written_leaves_the_old_one_and_nothing_else(tmp_path):
    (tmp_path / "maps.npz").write_bytes(b"mine")
    program = (
        "from helpers.savers import maps_of\n"
        "import numpy as np, time\n"
        "maps, write = maps_of(0), np.lib.format.write_array\n"
        "def slowly(file, *rest, **more):\n"
        "    write(file, *rest, **more); print('writing', flush=True); time.sleep(60)\n"
        "np.lib.format.write_array = slowly\n"
        "maps.save('maps.npz', overwrite=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        **{"cwd": tmp_path, "env": environment, "stdout": -1, "stderr": -1},
    ) as saver:
        assert saver.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == 2
        saver.send_signal(signal.SIGINT)
        assert saver.communicate()[1].splitlines()[-1] == b"KeyboardInterrupt"
    assert [path.name for path in tmp_path.iterdir()] == ["maps.npz"]
    assert (tmp_path / "maps.npz").read_bytes() == b"mine"


@posix
@pytest.mark.parametrize("without_links", [False, True])
def test_of_two_who_save_at_once_under_a_new_name_one_is_refused(tmp_path, without_links):
    import numpy as np
    from helpers.savers import maps_of

    truth = [maps_of(number)["0"].numpy() for number in range(2)]
    rounds = outcome("race", tmp_path, ".npz", 100, without_links)
    assert len(rounds) == 100
    for number, said in enumerate(rounds):
        file = tmp_path / f"{number}.npz"
        (refused,) = [words for words in said if not words.startswith("saved")]
        assert (
            refused
            == f"{file} already exists; add --overwrite to replace it (in Python, overwrite=True)."
        )
        (saved,) = [int(words[-1]) for words in said if words.startswith("saved")]
        with np.load(file) as arrays:
            assert (arrays["0"] == truth[saved]).all()
    assert not list(tmp_path.glob(".featmagic*"))


def write(path):
    path.write_bytes(b"new")


def test_what_is_used_and_what_is_not_ours_is_not_swept_up(tmp_path):
    made = make_temporary(tmp_path)
    process, thread = str(os.getpid()), str(threading.get_ident())
    assert f"-{process}-{thread}-" in made.name
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        living = made.with_name(made.name.replace(f"-{process}-", f"-{other.pid}-"))
        foreign = made.with_name(made.name.replace(made.name[11:19], "01234567"))
        mine = [made.with_name(name) for name in (".featmagic-mine", ".featmagic-1-2-3", "mine")]
        for folder in (living, foreign, *mine):
            folder.mkdir()
            (folder / "complete").write_bytes(b"half")
        write_whole({tmp_path / "a.png": write}, overwrite=False)
        assert not made.exists()  # this thread is done with it
        assert all((folder / "complete").exists() for folder in (living, foreign, *mine))
        other.communicate(b"\n")
    write_whole({tmp_path / "b.png": write}, overwrite=False)
    if os.name != "nt":
        assert not living.exists()
    assert all((folder / "complete").exists() for folder in (foreign, *mine))


def test_a_save_in_another_thread_is_not_swept_up(tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(path):
        path.write_bytes(b"half")
        begun.set()
        go_on.wait(60)
        path.write_bytes(b"whole")

    slow = threading.Thread(target=write_whole, args=({tmp_path / "slow.png": slowly},),
                            kwargs={"overwrite": False})  # fmt: skip
    slow.start()
    begun.wait(60)
    write_whole({tmp_path / "quick.png": write}, overwrite=False)
    go_on.set()
    slow.join()
    assert (tmp_path / "slow.png").read_bytes() == b"whole"
    assert names_in(tmp_path) == ["quick.png", "slow.png"]


@pytest.mark.skipif(os.name == "nt", reason="folders have no such rights there")
def test_nobody_else_can_read_what_is_not_complete(tmp_path):
    seen = []

    def look(path):
        path.write_bytes(b"new")
        seen.append(path.parent.stat().st_mode & 0o777)

    write_whole({tmp_path / "a.png": look}, overwrite=False)
    assert seen == [0o700]


def test_a_leftover_folder_is_not_mistaken_for_that_of_a_host_of_another_name(
    tmp_path, monkeypatch
):
    from featmagic.files import temporary

    made = make_temporary(tmp_path)
    temporary._host.cache_clear()
    monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    try:
        remove_leftovers(tmp_path)
        assert made.exists()
    finally:
        temporary._host.cache_clear()

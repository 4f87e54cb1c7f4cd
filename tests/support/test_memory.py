"""Too little memory: told from other errors, and what was captured is kept and shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import featmagic
from featmagic.support.errors import FeatmagicError
from featmagic.support.memory import out_of_memory, unless_out_of_memory

TESTS = Path(__file__).parents[1]


def raised(action):
    try:
        action()
    except Exception as error:
        return error
    pytest.fail("no error")


def test_numpy_and_torch_are_understood_when_they_have_too_little():
    by_numpy = raised(lambda: np.empty(2**58, np.uint8))
    assert out_of_memory(by_numpy) == "not enough memory (256 PiB more needed)"
    by_torch = raised(lambda: torch.empty(2**54))
    assert out_of_memory(by_torch) == "not enough memory (72058 TB more needed)"
    on_a_gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 ...")
    assert out_of_memory(on_a_gpu) == "not enough memory (20.00 GiB more needed)"
    assert out_of_memory(MemoryError()) == "not enough memory"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("expected 2 sizes"), ValueError("out of memory"), KeyError("x")],
    ids=repr,
)
def test_other_errors_are_raised_as_they_are(error):
    def fail():
        raise error

    assert out_of_memory(error) is None
    assert raised(lambda: unless_out_of_memory(fail, str)) is error


def test_what_was_computed_is_let_go_before_going_on():
    """The frames of the failed work hold its values, which would take the memory that's left."""
    held = []

    class Values:
        def __del__(self):
            held.remove(id(self))

    def fail():
        values = Values()
        held.append(id(values))
        raise MemoryError

    assert unless_out_of_memory(fail, lambda words: (words, list(held))) == (
        "not enough memory",
        [],
    )


@pytest.fixture(scope="module")
def seen():
    """What a process saw whose memory was enough for small layers alone."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux")
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    script = TESTS / "helpers" / "little_memory.py"
    run = subprocess.run(
        [sys.executable, str(script)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    return json.loads(run.stdout.splitlines()[-1])


NEEDED = "not enough memory (268 MB more needed)"


@pytest.mark.parametrize("look", ["--max 0", "--overview"])
def test_a_look_shows_the_layers_there_is_memory_for_and_says_what_is_left_out(seen, look):
    lines = [line for line in seen[look].splitlines() if "Identity" in line]
    assert [line.split()[0] for line in lines] == ["first", "large", "last"]
    assert [NEEDED in line for line in lines] == [False, True, False]
    assert "no NaN" not in seen["--overview"]  # nobody knows of the layer that wasn't read


def test_the_feature_maps_are_bound_and_whole_afterwards(seen):
    assert seen["kept"] == ["first", "large", "last"]
    assert seen["whole"]


def test_saving_and_figures_refuse_in_a_line_and_leave_no_file(seen):
    for refused in (seen["figure"], seen["saved named"]):
        assert refused.endswith(NEEDED)
        assert "\n" not in refused
    assert seen["files after refusal"] == []


def test_the_others_of_several_layers_are_saved(seen):
    assert seen["saved"] == ["b-first.png", "b-last.png"]


def test_a_page_holds_the_others_and_the_reason(seen):
    assert seen["page"] is None
    assert seen["in page"] > 0


@pytest.fixture
def maps():
    net = nn.Sequential(nn.Identity(), nn.Identity())
    with featmagic.capture(net, "0", "1") as maps:
        net(torch.randn(1, 4, 8, 8))
    return maps


@pytest.mark.parametrize(
    ("place", "use"),
    [
        ("featmagic.render.image.encode_png", lambda maps, folder: maps.pictures()),
        ("featmagic.overview.image.encode_png", lambda maps, folder: maps.pictures(overview=True)),
        ("featmagic.overview.filmstrip.to_host", lambda maps, folder: maps.show(overview=True)),
        ("featmagic.render.image.encode_png", lambda maps, folder: maps.save(folder / "a.png")),
        ("featmagic.render.figure.with_marks", lambda maps, folder: maps.save(folder / "a.svg")),
        ("featmagic.render.figure.with_marks", lambda maps, folder: maps.figure("0")),
        ("featmagic.explorer.html.save.page", lambda maps, folder: maps.save(folder / "a.html")),
        ("featmagic.files.arrays.np.lib.format.write_array",
         lambda maps, folder: maps.save(folder / "a.npz")),
    ],
)  # fmt: skip
def test_wherever_memory_runs_out_a_line_says_so(maps, tmp_path, monkeypatch, place, use):
    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(place, fail)
    before = {key: value.clone() for key, value in maps.items()}
    with pytest.raises(FeatmagicError, match=r"^Can't \w+ this: not enough memory\. .* kept") as no:
        use(maps, tmp_path)
    assert no.value.__context__ is None  # its frames would hold what was computed
    assert list(tmp_path.iterdir()) == []
    assert all(torch.equal(maps[key], value) for key, value in before.items())


def test_a_picture_that_cant_be_shown_doesnt_keep_the_next_from_it(shell, monkeypatch):
    from featmagic.grid import show

    failures = iter([MemoryError])
    real = show.mosaic_lines

    def fail_once(*args):
        for error in failures:
            raise error
        return real(*args)

    monkeypatch.setattr(show, "mosaic_lines", fail_once)
    monkeypatch.setenv("TERM", "dumb")
    printed = shell.run("%%featuremaps model cnn1 act1 --renderer ascii\nmodel(x);")
    first, second = printed.index("cnn1  Conv2d"), printed.index("act1  LeakyReLU")
    assert "The picture can't be shown: not enough memory." in printed[first:second]
    assert len(printed[second:].splitlines()) > 10

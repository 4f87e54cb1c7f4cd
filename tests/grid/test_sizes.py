"""Pictures that would be too large are refused by their shapes, before anything is computed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from featmagic import FeatureMaps
from featmagic.grid.draw import draw
from featmagic.grid.outline import check_sizes
from featmagic.options.view import View
from featmagic.recording.records import Activation, Pass
from featmagic.render.viewport import PAGE
from featmagic.support.errors import FeatmagicError

TOO_LARGE = [
    ((1, 4, 8192, 8192), {"zoom": 1}),
    ((1, 4, 8192, 8192), {"zoom": 1, "sort": "mean"}),
    ((1, 4, 8192, 8192), {"zoom": 1, "topk": 2}),
    ((1, 4, 8192, 8192), {"zoom": 2, "reduce": "mean"}),
    ((1, 4, 8192, 8192), {"zoom": 2, "reduce": "pca"}),
    ((1, 4, 8192, 8192), {"zoom": 1, "channels": "0,3"}),
    ((4, 1, 8192, 8192), {"zoom": 1, "sample": "all"}),
    ((1, 64, 56, 56), {"zoom": 10**9}),
    ((1, 64, 56, 56), {"zoom": 10**400}),
    ((1, 64, 56, 56), {"zoom": 500, "ncols": 10**9}),
    ((1, 2**20, 16, 16), {"max": 0}),
    ((1, 300_000, 8, 8), {"max": 0}),
    ((1, 2**14, 2**15), {"layout": "NLC", "zoom": 1}),
]


def activation(shape, dtype=torch.float32):
    """Return an activation that takes the memory of one value."""
    return Activation("c", "c", "Conv2d", 1, torch.zeros((), dtype=dtype).expand(shape))


@pytest.mark.parametrize(("shape", "options"), TOO_LARGE, ids=str)
def test_what_is_too_large_is_refused_by_its_shape(shape, options):
    with pytest.raises(FeatmagicError, match=r"is too large \(at most 100 million\)") as refused:
        check_sizes([activation(shape)], View(**options), PAGE)
    assert len(str(refused.value)) < 150


def test_refusing_takes_no_memory():
    """In a process of its own, whose memory is what the kernel counts, torch's included."""
    script = f"""
        import json, resource, sys
        import torch
        from featmagic.grid.draw import draw
        from featmagic.options.view import View
        from featmagic.recording.records import Activation, Pass
        from featmagic.support.errors import FeatmagicError
        cases = {[case for case in TOO_LARGE if case[1].get("zoom", 1) < 10**9]!r}
        draw(Activation("c", "c", "Conv2d", 1, torch.randn(1, 8, 32, 32)), View())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refused = 0
        for shape, options in cases:
            for dtype in (torch.float32, torch.float16, torch.uint8):
                tensor = torch.zeros((), dtype=dtype).expand(shape)
                try:
                    draw(Activation("c", "c", "Conv2d", 1, tensor), View(**options))
                except FeatmagicError:
                    refused += 1
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        unit = 1 if sys.platform == "darwin" else 1024
        print(json.dumps([refused, len(cases) * 3, grown * unit]))
    """
    run = subprocess.run(
        [sys.executable, "-c", dedent(script)], check=True, capture_output=True, text=True
    )
    refused, cases, grown = json.loads(run.stdout)
    assert refused == cases > 30
    assert grown < 100 * 2**20


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 64, 56, 56), {"zoom": 16}),
        ((1, 2048, 7, 7), {"max": 0}),
        ((1, 3, 1000, 1000), {"zoom": 3}),
        ((1, 3, 1000, 1000), {}),
        ((1, 50_000), {"max": 0}),
        ((1, 400, 1000), {"layout": "NCL"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("more", [{}, {"sort": "mean"}, {"topk": 3}, {"reduce": "norm"}], ids=str)
def test_what_fits_is_drawn(shape, options, more):
    drawing = draw(activation(shape), View(**options, **more))
    assert drawing.mosaic is not None


TOO_LARGE_FOR_A_FIGURE = [
    ((1, 1, 6000, 6000), {"zoom": 1}),
    ((1, 1, 600, 600), {"zoom": 10}),
    ((1, 30_000, 3, 3), {"zoom": 1, "max": 0}),
    ((1, 30_000, 3, 3), {"max": 0}),
]


@pytest.mark.parametrize(("shape", "options"), TOO_LARGE_FOR_A_FIGURE, ids=str)
def test_a_figure_that_would_be_too_large_is_refused_by_its_shape(
    shape, options, tmp_path, monkeypatch
):
    maps = feature_maps_of(torch.zeros(()).expand(shape))
    monkeypatch.setattr("featmagic.grid.prepare.measure", None)  # nothing is read
    for refuse in (
        lambda: maps.figure("c", **options),
        lambda: maps.save(tmp_path / "a.svg", **options),
        lambda: maps.save(tmp_path / "a.pdf", **options),
    ):
        with pytest.raises(FeatmagicError, match="at most 30 million pixels, 20,000 tiles"):
            refuse()
    assert list(tmp_path.iterdir()) == []


def test_a_figure_as_large_as_may_be_is_made():
    assert feature_maps_of(torch.rand(1, 20, 500, 500)).figure("c", zoom=1, max=0) is not None


def feature_maps_of(tensor):
    """Return feature maps that hold the tensor, even if it is an expanded one."""
    maps = FeatureMaps()
    forward_pass = Pass()
    maps.kept.begin(forward_pass)
    assert maps.kept.takes(forward_pass, "c")
    forward_pass.keep(Activation("c", "c", "Conv2d", 1, tensor))
    return maps


def test_drawing_makes_no_copy_of_all_values_as_numbers():
    """Three copies of a byte a value at most: indices, tiles and page; all else is in blocks."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux")
    script = Path(__file__).parents[2] / "benchmarks" / "peak_memory.py"
    run = subprocess.run(
        [sys.executable, str(script), "1", "256", "224", "224"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    used = json.loads(run.stdout)
    assert used["peak"] < 1.25 * used["drawn"]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 30, 1000, 1000), {"zoom": 1}),
        ((1, 3, 1000, 1000), {"zoom": 3}),
        ((1, 1, 500, 500), {"zoom": 10}),
        ((30, 1, 1000, 1000), {"zoom": 1, "sample": "all"}),
        ((1, 20_000, 4, 4), {"max": 0, "zoom": 1}),
    ],
    ids=str,
)
def test_a_figure_has_up_to_30_million_pixels_and_20_000_tiles(shape, options):
    check_sizes([activation(shape)], View(**options), PAGE, figures=True)
    height, width = shape[2:]
    taller = (*shape[:2], height * 5 // 4, width)
    more = (shape[0], shape[1] + 1, height, width) if shape[1] == 20_000 else taller
    with pytest.raises(FeatmagicError, match=r"A figure of .* is too large"):
        check_sizes([activation(more)], View(**options), PAGE, figures=True)
    check_sizes([activation(more)], View(**options), None, figures=True)  # no picture is wanted

"""Which planes come first, and how many are kept, compared with NumPy's own figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featmagic.options.view import View
from featmagic.planes.planes import Planes
from featmagic.planes.ranking import rank
from featmagic.recording.layer_cache import LayerCache
from featmagic.support.errors import FeatmagicError

KEYS = {
    "mean": lambda plane: plane.mean(),
    "absmean": lambda plane: np.abs(plane).mean(),
    "max": lambda plane: plane.max(),
    "std": lambda plane: plane.std(),
    "sparsity": lambda plane: (plane == 0).sum(),
}


def planes_of(count=9, rows=1, **about):
    generator = torch.Generator().manual_seed(count)
    values = torch.randn(rows, count, 5, 4, generator=generator)
    values *= torch.rand(count, generator=generator).view(1, -1, 1, 1)
    values = values.where(torch.rand(values.shape, generator=generator) < 0.8, 0)
    about = {"samples": tuple(range(rows)), **about}
    return Planes(values, tuple(range(10, 10 + count)), 99, "channels", **about)


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("rows", [1, 3])
def test_planes_are_sorted_by_all_of_their_values_in_all_samples_the_largest_first(by, rows):
    planes = planes_of(rows=rows)
    ranked, order = rank(planes, View(sort=by))
    strengths = [KEYS[by](planes.values[:, n].double().numpy()) for n in range(9)]
    assert order.tolist() == sorted(range(9), key=lambda n: -strengths[n])
    assert torch.equal(ranked.values, planes.values[:, order])
    assert ranked.words == (f"by {by}",)
    assert ranked.indices == planes.indices  # put in order once the order is on the host


def test_without_a_wish_the_planes_stay_as_they_are():
    planes = planes_of()
    assert rank(planes, View()) == (planes, None)


def test_equal_planes_stay_in_their_order_and_those_of_nan_come_last():
    values = torch.ones(1, 5, 2, 2)
    values[0, 1, 0, 0] = torch.nan
    planes = Planes(values, (0, 1, 2, 3, 4), 5, "channels")
    assert rank(planes, View(sort="mean"))[1].tolist() == [0, 2, 3, 4, 1]


def test_the_strongest_few_are_kept_with_what_belongs_to_them():
    prefix = torch.arange(9.0).view(1, 9, 1)
    planes = planes_of(prefix=prefix, names=("CLS",))
    ranked, order = rank(planes, View(topk=3))
    strengths = planes.values.abs().mean((0, 2, 3))
    assert order.tolist() == strengths.argsort(descending=True)[:3].tolist()
    assert ranked.prefix.flatten().tolist() == order.tolist()
    assert ranked.words == ("by absmean",)
    assert len(rank(planes, View(topk=3, sort="std"))[1]) == 3


def test_as_many_tiles_are_kept_as_are_shown_and_all_rows_of_a_heat_map():
    planes = planes_of(70)
    assert len(rank(planes, View(sort="mean"))[1]) == 64
    assert len(rank(planes, View(sort="mean", max=5))[1]) == 5
    assert len(rank(planes, View(sort="mean", max=0))[1]) == 70
    assert len(rank(planes, View(sort="mean", channels="0:"))[1]) == 70
    heat_map = planes_of(70, form="rows")
    assert len(rank(heat_map, View(sort="mean"))[1]) == 70
    assert len(rank(heat_map, View(sort="mean", max=5))[1]) == 5
    assert len(rank(heat_map, View(topk=5))[1]) == 5


def test_a_montage_keeps_its_order():
    slices = planes_of(rows=2)
    montage = slices.__class__(**{**vars(slices), "rows": ("0", "1"), "is_montage": True})
    with pytest.raises(FeatmagicError, match="slices in order"):
        rank(montage, View(sort="mean"))
    samples = slices.__class__(**{**vars(slices), "rows": ("s0", "s1")})
    assert rank(samples, View(sort="mean"))[1] is not None


def test_an_order_by_likeness_is_kept_for_the_layer_and_for_parts_of_it():
    planes, cache = planes_of(), LayerCache()
    first, order = rank(planes, View(sort="similar"), "conv", cache)
    assert first.words == ("similar ones side by side",)
    changed = Planes(planes.values.flip(1), planes.indices, 99, "channels", samples=(0,))
    again, kept = rank(changed, View(sort="similar"), "conv", cache)
    assert again.words == ("similar ones side by side, reusing an earlier order",)
    assert kept.tolist() == order.tolist()
    other, _ = rank(planes, View(sort="similar"), "other", cache)
    assert other.words == ("similar ones side by side",)


def test_a_part_of_the_channels_keeps_the_order_of_all():
    values = torch.randn(1, 6, 5, 4)
    cache = LayerCache()
    everything = Planes(values, tuple(range(6)), 6, "channels")
    order = rank(everything, View(sort="similar"), "conv", cache)[1].tolist()
    part = Planes(values[:, [4, 1, 3]], (4, 1, 3), 6, "channels")
    ranked, places = rank(part, View(sort="similar"), "conv", cache)
    assert [part.indices[place] for place in places] == [n for n in order if n in part.indices]
    assert "reusing an earlier order" in ranked.words[0]

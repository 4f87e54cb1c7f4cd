"""The components of several layers in one look: whose basis, which signs, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.grid.draw import draw_all
from featmagic.options.view import View
from featmagic.recording.layer_cache import LayerCache
from featmagic.recording.records import Activation

PCA = View(reduce="pca")


def layer(key, values, cache=None):
    return Activation(key, key, "Conv2d", 1, values, cache=cache or LayerCache())


def drawn(*layers, view=PCA):
    return list(draw_all(layers, view))


def colors(drawing):
    """The RGB of each position, 0 to 1, as it is drawn."""
    return drawing.mosaic.indices[0, :, 0].astype(np.float64) / 255


def points(values):
    """The positions of the first sample, `(n, C)`, in float64."""
    return values[0].flatten(1).T.numpy().astype(np.float64)


def shared_basis(*layers):
    """The origin, axes and ranges by their definition: each layer centered, and of equal weight."""
    parts = [points(values) for values in layers]
    centered = [part - part.mean(0) for part in parts]
    stacked = np.concatenate([part / np.linalg.norm(part) for part in centered])
    axes = np.linalg.svd(stacked, full_matrices=False)[2][:3]
    axes *= np.sign(axes[np.arange(3), np.abs(axes).argmax(1)])[:, None]
    origin = np.mean([part.mean(0) for part in parts], 0)
    along = np.concatenate([(part - origin) @ axes.T for part in parts])
    return origin, axes, along.min(0), along.max(0)


def turned(channels, side, scale=1.0, shift=0.0):
    """A layer whose channels vary along axes of their own, strongly enough apart to be told."""
    axes, _ = torch.linalg.qr(torch.randn(channels, channels))
    strengths = torch.arange(1, channels + 1.0) ** -1
    values = (torch.randn(side * side, channels) * strengths) @ axes.T
    return (scale * values + shift).T.reshape(1, channels, side, side)


@pytest.mark.parametrize("channels", [6, 40, 200])
def test_layers_of_equal_width_share_the_basis_that_an_exact_decomposition_gives(channels):
    layers = turned(channels, 12), turned(channels, 7, 30.0), turned(channels, 9, 0.1, shift=2.0)
    origin, axes, low, high = shared_basis(*layers)
    made = drawn(*(layer(str(n), values) for n, values in enumerate(layers)))
    for values, drawing in zip(layers, made, strict=True):
        side = values.shape[-1]
        expected = ((points(values) - origin) @ axes.T - low) / (high - low)
        assert np.abs(colors(drawing) - expected.reshape(side, side, 3)).max() < 0.02
        assert "as red, green, blue, basis shared by 3 layers" in drawing.caption
        assert "compared" not in drawing.caption


def test_the_same_values_have_the_same_color_in_every_layer():
    one = torch.randn(1, 12, 8, 8)
    other = torch.randn(1, 12, 8, 8) * 4 + 1
    other[..., :4] = one[..., :4]
    first, second = map(colors, drawn(layer("a", one), layer("b", other)))
    assert (first[:, :4] == second[:, :4]).all()
    assert not (first[:, 4:] == second[:, 4:]).all()
    twice, same = map(colors, drawn(layer("a", one), layer("b", one.clone())))
    assert (twice == same).all()


def test_layers_count_equally_however_large_their_values_and_grids_are():
    """Of a layer of many large values and one of few small ones, both have their first axis."""
    large, small = torch.zeros(1, 5, 40, 40), torch.zeros(1, 5, 4, 4)
    large[0, 0], large[0, 1] = 1000 * torch.randn(40, 40), 10 * torch.randn(40, 40)
    small[0, 2], small[0, 3] = torch.randn(4, 4), 0.1 * torch.randn(4, 4)
    made = drawn(layer("large", large), layer("small", small))
    assert np.ptp(colors(made[1]), axis=(0, 1)).max() > 0.9


def test_layers_of_other_widths_are_aligned_and_the_caption_says_that_bases_differ():
    torch.manual_seed(1)
    picture = nn.functional.interpolate(torch.randn(1, 3, 5, 5), (24, 24), mode="bilinear")
    picture = picture * torch.tensor([3.0, 1.5, 0.7]).view(1, 3, 1, 1)
    weights = [torch.linalg.qr(torch.randn(width, 3))[0] for width in (8, 16, 9)]
    for flips in range(8):  # the signs that a decomposition happens to give don't matter
        signs = torch.tensor([1 - 2 * (flips >> n & 1) for n in range(3)]).view(1, 3, 1, 1)
        layers = [
            torch.einsum("ck,nkhw->nchw", one, picture * (signs if n == 1 else 1))
            for n, one in enumerate(weights)
        ]
        layers[1] = nn.functional.avg_pool2d(layers[1], 2)  # and another grid
        first, second, third = map(colors, made := drawn(*(
            layer(str(n), values) for n, values in enumerate(layers)
        )))  # fmt: skip
        assert (first[1:-1, 1:-1] - third[1:-1, 1:-1] < 0.1).all()
        halved = first.reshape(12, 2, 12, 2, 3).mean((1, 3))
        for channel in range(3):
            r = np.corrcoef(halved[..., channel].ravel(), second[..., channel].ravel())[0, 1]
            assert r > 0.9
        words = "basis of its own: colors can't be compared with other layers"
        assert [drawing.caption.endswith(words) for drawing in made] == [True] * 3


def test_the_caption_says_how_many_layers_share_a_basis_beside_others():
    layers = [layer(str(n), turned(width, 6)) for n, width in enumerate((8, 8, 9))]
    captions = [drawing.caption for drawing in drawn(*layers)]
    for caption in captions[:2]:
        assert "basis shared by 2 layers" in caption
        assert "bases differ between widths: colors can't be compared with other layers" in caption
    assert "basis of its own: colors can't be compared with other layers" in captions[2]
    assert "shared" not in captions[2]
    alone = drawn(layers[2])[0].caption
    assert "basis of its own" not in alone


def test_the_next_look_at_the_same_layers_or_some_of_them_has_the_same_colors():
    values, caches = [turned(8, 6) for _ in range(3)], [LayerCache() for _ in range(3)]
    layers = [layer(str(n), *pair) for n, pair in enumerate(zip(values, caches, strict=True))]
    first = drawn(*layers)
    again, alone = drawn(*layers), drawn(layers[1])
    assert all("reusing an earlier basis" in each.caption for each in (*again, *alone))
    for one, two in zip((*first, first[1]), (*again, *alone), strict=True):
        assert (colors(one) == colors(two)).all()
    # Layers without a common basis get one.
    more = drawn(*layers, layer("new", turned(8, 6)))
    assert all("reusing" not in each.caption for each in more)
    assert all("shared by 4 layers" in each.caption for each in more)


def test_channels_that_are_chosen_from_layers_of_other_widths_share_no_basis():
    made = drawn(layer("a", turned(8, 6)), layer("b", turned(12, 6)), view=View(
        reduce="pca", channels="0:6",
    ))  # fmt: skip
    assert all("basis of its own" in drawing.caption for drawing in made)


def test_a_named_basis_is_made_of_all_layers_of_a_look_and_holds_for_others():
    named = View(reduce="pca", pca_basis="of two layers")
    one, two = turned(8, 6), turned(8, 6, 3.0)
    first = drawn(layer("a", one), layer("b", two), view=named)
    assert all('kept as PCA basis "of two layers"' in each.caption for each in first)
    origin, axes, low, high = shared_basis(one, two)
    expected = ((points(one) - origin) @ axes.T - low) / (high - low)
    assert np.abs(colors(first[0]) - expected.reshape(6, 6, 3)).max() < 0.02
    (later,) = drawn(layer("c", one), view=named)
    assert (colors(later) == colors(first[0])).all()
    assert 'reusing PCA basis "of two layers"' in later.caption


def test_a_named_basis_is_for_layers_of_one_width_and_nothing_is_kept_of_others():
    named = View(reduce="pca", pca_basis="of one width")
    with pytest.raises(FeatmagicError, match="a has 8 channels, but b has 9"):
        drawn(layer("a", turned(8, 6)), layer("b", turned(9, 6)), view=named)
    (made,) = drawn(layer("b", turned(9, 6)), view=named)
    assert 'kept as PCA basis "of one width"' in made.caption


def test_layers_with_nothing_to_decompose_disturb_no_other():
    values = turned(8, 6)
    dead, odd = torch.ones(1, 8, 6, 6), torch.full((1, 8, 6, 6), torch.nan)
    made = drawn(layer("a", values), layer("dead", dead), layer("nan", odd))
    assert "3 principal components" in made[0].caption
    assert np.ptp(colors(made[0]), axis=(0, 1)).min() > 0.5
    assert np.ptp(colors(made[1]), axis=(0, 1)).max() == 0


def test_pictures_figures_and_files_have_the_same_colors(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 9, 3))
    x = torch.randn(1, 3, 16, 16)

    def captured():
        with featmagic.capture(model, "0", "1", "2") as maps:
            model(x)
        return maps

    shown = [png for _, png in captured().pictures(reduce="pca")]
    again = [file.read_bytes() for file in captured().save(tmp_path / "a.png", reduce="pca")]
    assert len(shown) == len(again) == 3
    figure = captured().figure("1", reduce="pca").axes[0].get_title(loc="left")
    assert "reusing an earlier basis" in figure.replace("\n", " ")

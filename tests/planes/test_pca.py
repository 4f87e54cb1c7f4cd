"""The principal components of a layer's channels."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional

from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.planes.pca import coordinates, principal_components
from featmagic.recording.records import Activation


def exact(points, count=3):
    """The mean, the axes and their singular values, from a decomposition in float64."""
    points = points.double()
    mean = points.mean(0)
    _, values, axes = torch.linalg.svd(points - mean, full_matrices=False)
    return mean, axes[:count], values[:count]


def apart(axes, expected):
    """How far each axis is from the expected one or its opposite."""
    axes = axes.double()
    signs = torch.sign((axes * expected).sum(1, keepdim=True))
    return torch.linalg.vector_norm(axes - signs * expected, dim=1)


def explained(points, axes):
    """The square of what the axes have of the points, less their mean."""
    points = points.double()
    return ((points - points.mean(0)) @ axes.double().T).square().sum()


def picture(side):
    """A smooth random image: large shapes that are strong, and small ones that are weak."""
    image = torch.zeros(1, 3, side, side)
    for cells in (2, 4, 8, 16, 32, 64, 128):
        image += functional.interpolate(torch.randn(1, 3, cells, cells), (side, side)) / cells**0.8
    return image


def activation(model, path, side):
    """What one layer of a network gives for the picture, as points of channels."""
    kept = []
    module = model.get_submodule(path)
    handle = module.register_forward_hook(lambda *call: kept.append(call[-1].detach()[0]))
    with torch.no_grad():
        model(picture(side))
    handle.remove()
    return kept[0].flatten(1).T if kept[0].dim() == 3 else kept[0]


def turned(values):
    """Points with these standard deviations along axes that aren't the channels."""
    axes, _ = torch.linalg.qr(torch.randn(len(values), len(values)))
    return (torch.randn(900, len(values)) * values) @ axes.T


@pytest.mark.parametrize(
    ("path", "side"),
    [("conv1", 224), ("layer1", 224), ("layer2", 224), ("layer3", 320), ("layer4", 512)],
)
def test_components_of_a_convolutional_network_are_those_of_an_exact_decomposition(path, side):
    points = activation(torchvision.models.resnet18(), path, side)
    assert (apart(principal_components(points).axes, exact(points)[1]) < 1e-3).all()


def test_components_of_a_transformer_are_those_of_an_exact_decomposition():
    model = torchvision.models.vit_b_16(num_classes=2)
    points = activation(model.eval(), "encoder.layers.encoder_layer_5", 224)
    assert (apart(principal_components(points).axes, exact(points)[1]) < 1e-3).all()


@pytest.mark.parametrize("channels", [40, 200, 500])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_components_of_many_channels_are_those_of_an_exact_decomposition(channels, power):
    points = turned(torch.arange(1, channels + 1.0) ** -power)
    assert (apart(principal_components(points).axes, exact(points)[1]) < 1e-3).all()


def test_components_are_found_where_products_are_coarse():
    points = turned(torch.arange(1, 301.0) ** -0.5)
    with torch.autocast("cpu", torch.bfloat16):
        found = principal_components(points)
    assert (apart(found.axes, exact(points)[1]) < 1e-3).all()


def test_of_a_spectrum_that_falls_slowly_as_much_is_explained_as_can_be():
    left, right = (torch.linalg.qr(torch.randn(side, 700))[0] for side in (1000, 700))
    points = left @ (torch.linspace(1, 2, 700)[:, None] * right.T)
    _, _, values = exact(points)
    assert explained(points, principal_components(points).axes) > 0.999 * values.square().sum()


@pytest.mark.parametrize("shape", [(900, 400), (400, 900), (400, 20), (20, 400), (300, 300)])
def test_of_noise_as_much_is_explained_as_can_be(shape):
    points = torch.randn(shape)
    _, _, values = exact(points)
    assert explained(points, principal_components(points).axes) > 0.99 * values.square().sum()


def test_of_a_flat_spectrum_any_directions_will_do():
    points, _ = torch.linalg.qr(torch.randn(900, 400))
    _, _, values = exact(points)
    assert explained(points, principal_components(points).axes) > 0.99 * values.square().sum()


@pytest.mark.parametrize("shape", [(900, 400), (400, 900), (900, 30), (30, 900)])
def test_points_on_a_plane_have_two_components_and_none_of_rounding(shape):
    points = torch.randn(shape[0], 2) @ torch.randn(2, shape[1]) + 7
    found = principal_components(points)
    assert (apart(found.axes[:2], exact(points, 2)[1]) < 1e-3).all()
    assert not found.axes[2].any()
    assert found.low[2] == found.high[2] == 0


@pytest.mark.parametrize("count", [1, 3, 6])
def test_axes_are_orthonormal_by_decreasing_variance_and_of_one_sign(count):
    points = turned(torch.linspace(1, 3, 300))
    found = principal_components(points, count)
    assert torch.allclose(found.axes @ found.axes.T, torch.eye(count), atol=1e-5)
    spread = coordinates(points, found).std(0)
    assert torch.equal(spread, spread.sort(descending=True).values)
    assert (found.axes.amax(1) == found.axes.abs().amax(1)).all()


def test_coordinates_are_the_points_in_the_basis_and_their_range_is_kept():
    points = turned(torch.linspace(1, 3, 50))
    mean, axes, _ = exact(points)
    found = principal_components(points)
    expected = (points.double() - mean) @ axes.T
    found_at = coordinates(points, found)
    assert torch.allclose(found_at.abs().double(), expected.abs(), atol=1e-3)
    assert torch.allclose(found.low, found_at.amin(0), atol=1e-5)
    assert torch.allclose(found.high, found_at.amax(0), atol=1e-5)


def test_other_points_are_placed_in_the_same_basis():
    found = principal_components(turned(torch.linspace(1, 3, 50)))
    assert torch.allclose(coordinates(found.mean[None], found), torch.zeros(1, 3))
    step = coordinates(found.mean + 2 * found.axes, found)
    assert torch.allclose(step, 2 * torch.eye(3), atol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_rows_that_are_not_finite_are_left_out(value):
    points = turned(torch.linspace(1, 3, 50))
    spoiled = torch.cat([points[:100], torch.full((1, 50), value), points[100:]])
    spoiled[100, :40] = 0
    expected, found = principal_components(points), principal_components(spoiled)
    assert torch.allclose(found.mean, expected.mean, atol=1e-5)
    assert torch.allclose(found.axes, expected.axes, atol=1e-4)
    assert torch.allclose(found.high, expected.high, atol=1e-4)
    assert coordinates(spoiled, found)[:100].isfinite().all()


@pytest.mark.parametrize("channels", [30, 300])
@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1e20, 1e37])
def test_axes_do_not_depend_on_the_magnitude(channels, scale):
    points = turned(torch.arange(1, channels + 1.0) ** -1)
    expected, found = principal_components(points), principal_components(points * scale)
    assert torch.allclose(found.axes, expected.axes, atol=2e-3)
    assert torch.allclose(found.high / scale, expected.high, rtol=1e-2)


def test_a_mean_much_larger_than_the_variation_does_not_hide_it():
    points = turned(torch.arange(1, 301.0) ** -1) + 1e4
    assert (apart(principal_components(points).axes, exact(points)[1]) < 1e-3).all()


@pytest.mark.parametrize("shape", [(500, 300), (1, 5), (2, 5), (5, 1), (5, 2), (0, 5), (5, 0)])
@pytest.mark.parametrize("value", [0.1, float("nan")])
def test_what_does_not_vary_has_no_component(shape, value):
    found = principal_components(torch.full(shape, value))
    assert found.axes.shape == (3, shape[1])
    assert not torch.cat([found.axes.flatten(), found.low, found.high]).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_result_has_the_dtype_of_the_points(dtype):
    points = torch.randn(200, 150, dtype=dtype)
    found = principal_components(points)
    parts = (found.mean, found.axes, found.low, found.high, coordinates(points, found))
    assert {part.dtype for part in parts} == {dtype}


def test_points_laid_out_by_channel_or_by_position_give_the_same():
    points = turned(torch.linspace(1, 3, 300) ** 2)
    by_channel = points.T.contiguous().T
    assert torch.allclose(
        principal_components(points).axes, principal_components(by_channel).axes, atol=1e-3
    )


def test_neither_the_points_nor_the_random_state_change_and_it_is_the_same_each_time():
    points = torch.randn(500, 300, requires_grad=True)
    before, state = points.detach().clone(), torch.get_rng_state()
    first, second = principal_components(points), principal_components(points)
    assert torch.equal(points, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.axes, second.axes)
    assert not first.axes.requires_grad
    assert not coordinates(points, first).requires_grad


def test_a_default_device_of_the_users_is_not_in_the_way():
    points = torch.randn(500, 300)
    expected = principal_components(points)
    with torch.device("meta"):
        found = principal_components(points)
    assert torch.equal(found.axes, expected.axes)


_any_points = arrays.arrays(
    "float32",
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9),
    elements=st.floats(width=32) | st.sampled_from([0.0, 1.0, float("nan"), 2.0**127, -(2.0**127)]),
)


@given(_any_points, st.integers(1, 4))
def test_whatever_the_points_nothing_is_nan_and_axes_are_of_length_one_or_zero(points, count):
    found = principal_components(torch.from_numpy(points), count)
    assert not any(part.isnan().any() for part in (found.mean, found.axes, found.low, found.high))
    lengths = torch.linalg.vector_norm(found.axes, dim=1)
    assert (torch.isclose(lengths, torch.ones(count)) | (lengths == 0)).all()
    assert (found.low <= found.high).all()


def test_what_is_too_large_for_an_exact_search_is_approximated_and_says_so(monkeypatch):
    noise = torch.randn(1, 300, 20, 20)
    points = noise[0].flatten(1).T
    monkeypatch.setattr("featmagic.planes.pca._MOST", 32)  # too few for noise to converge
    found = principal_components(points)
    assert not found.approximate
    monkeypatch.setattr("featmagic.planes.pca._LARGEST", 299)
    rough = principal_components(points)
    assert rough.approximate
    assert explained(points, rough.axes) > 0.8 * explained(points, found.axes)
    caption = draw(Activation("c", "c", "Conv2d", 1, noise), View(reduce="pca")).caption
    assert "approximate: too many channels and positions" in caption


def test_of_many_channels_that_a_search_does_not_part_components_are_exact(monkeypatch):
    monkeypatch.setattr("featmagic.planes.pca._MOST", 16)
    for shape in ((900, 400), (400, 900)):
        points = torch.randn(shape)
        _, _, values = exact(points)
        found = principal_components(points)
        assert not found.approximate
        assert explained(points, found.axes) > 0.9999 * values.square().sum()

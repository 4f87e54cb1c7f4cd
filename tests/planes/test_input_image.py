"""The input of a pass as an image of the size that there is room for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featmagic.options.view import View
from featmagic.planes.input_image import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputImages,
    explorer_image,
    fit,
    input_images,
    resize,
)
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError


def images(height, width):
    return InputImages(torch.rand(1, 3, height, width), "")


def test_an_image_in_gray_has_three_equal_colors():
    gray = torch.rand(1, 1, 4, 4)
    made = input_images(gray, (), View())
    assert made.words == "input as it is"
    assert torch.equal(made.pixels, gray.expand(1, 3, 4, 4))


@pytest.mark.parametrize("size", [(2, 2), (4, 4), (12, 7), (3, 9)])
def test_images_are_resized_to_any_size(size):
    assert resize(images(4, 4), *size).shape == (1, *size, 3)


@pytest.mark.parametrize(
    ("side", "highest", "size"),
    [(20, None, (8, 16)), (20, 4, (4, 8)), (8, None, (4, 8)), (6, None, (3, 6)), (6, 2, (2, 4))],
)
def test_a_small_image_grows_by_a_whole_number_and_a_large_one_shrinks_to_what_fits(
    side, highest, size
):
    assert fit(images(4, 8), side, highest).shape == (1, *size, 3)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((4, 8), (4, 8)),
        ((448, 448), (448, 448)),
        ((896, 224), (448, 112)),
        ((300, 600), (224, 448)),
    ],
)
def test_an_explorer_shrinks_large_images_and_leaves_small_ones_as_they_are(size, shown):
    inputs = PassInputs(torch.rand(2, 3, *size))
    activation = Activation("conv", "conv", "Conv2d", 1, torch.zeros(2, 1, 4, 4), inputs=inputs)
    pixels, words = explorer_image(activation, 1, View())
    assert pixels.shape == (*shown, 3)
    assert words == "input as it is"
    assert explorer_image(activation, 2, View()) == (None, "")


def unit_of(image, *samples, **view):
    made = input_images(image, samples, View(input=True, **view))
    return made.pixels, made.words


def rgb(*ends):
    """An image whose colors run from one end to the other."""
    return torch.linspace(*ends, 48).reshape(1, 3, 4, 4)


@pytest.mark.parametrize(
    ("image", "truth", "words"),
    [
        (rgb(0, 1), lambda x: x, "input as it is"),
        (rgb(-0.01, 1.01), lambda x: x.clamp(0, 1), "input as it is"),  # as resampling leaves it
        (rgb(-1, 1), lambda x: (x + 1) / 2, "input from -1 … 1"),
        (rgb(-0.5, 0.5), lambda x: (x + 1) / 2, "input from -1 … 1"),
        (rgb(-1.01, 1.01), lambda x: ((x + 1) / 2).clamp(0, 1), "input from -1 … 1"),
        (rgb(0, 255), lambda x: x / 255, "input from 0 … 255"),
        (rgb(3, 33), lambda x: x / 255, "input from 0 … 255"),
        (rgb(0, 32), lambda x: x / 32, "input stretched from 0 … 32"),
        (rgb(0, 256), lambda x: x / 256, "input stretched from 0 … 256"),
        (rgb(-5, 100), lambda x: (x + 5) / 105, "input stretched from -5 … 100"),
        (rgb(7, 7), lambda x: x * 0, "input stretched from 7 … 7"),
        ((rgb(0, 255)).byte(), lambda x: x / 255, "input as it is"),
    ],
)
def test_the_range_of_an_image_becomes_0_to_1(image, truth, words):
    pixels, told = unit_of(image)
    assert told == words
    torch.testing.assert_close(pixels, truth(image.float()), atol=1e-6, rtol=0)


def test_imagenets_normalization_is_undone_where_every_color_could_come_from_it():
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (IMAGENET_MEAN, IMAGENET_STD))
    plain = torch.rand(1, 3, 4, 4)
    plain[0, :, 0, 0], plain[0, :, 0, 1] = 0, 1
    pixels, words = unit_of((plain - mean) / std)
    assert words == "input shown with ImageNet normalization undone"
    torch.testing.assert_close(pixels, plain, atol=1e-6, rtol=0)
    # One color out of reach, and an image in gray, are stretched.
    beyond = (plain - mean) / std
    beyond[0, 2, 0, 0] = -2.2  # red could be so low, blue could not
    assert unit_of(beyond)[1].startswith("input stretched")
    assert unit_of(beyond[:, :1])[1].startswith("input stretched")


def test_a_given_normalization_is_undone_for_all_colors_or_for_each():
    plain = torch.rand(2, 3, 4, 4)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([2.0, 3.0, 4.0])
    given = (plain - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    pixels, words = unit_of(given, 1, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    assert words == "input shown with --mean and --std undone"
    torch.testing.assert_close(pixels, plain[1:], atol=1e-6, rtol=0)
    for view, scaled in (({"mean": 0.5}, plain - 0.5), ({"std": 0.25}, plain / 0.25)):
        torch.testing.assert_close(unit_of(scaled, **view)[0], plain[:1], atol=1e-6, rtol=0)


def test_what_has_no_finite_value_is_black_and_the_rest_of_an_image_keeps_its_range():
    pixels, words = unit_of(torch.full((1, 3, 4, 4), torch.inf))
    assert (pixels.max(), words) == (0, "input without a finite value")
    image = rgb(2, 4)
    image[0, 0, 0, 0], image[0, 0, 0, 1] = torch.nan, torch.inf
    pixels, words = unit_of(image)
    assert words == "input stretched from 2.09 … 4"
    assert ((pixels >= 0) & (pixels <= 1)).all()


def test_the_alpha_of_an_image_is_not_shown_and_a_sample_out_of_reach_is_refused():
    image = torch.rand(2, 4, 4, 4)
    assert torch.equal(unit_of(image, 1)[0], image[1:, :3])
    with pytest.raises(FeatmagicError, match="No input image 2: the pass was given 2"):
        unit_of(image, 2)
    with pytest.raises(FeatmagicError, match="no image-like input"):
        unit_of(None)


def test_pixels_are_repeated_in_a_larger_image_and_averaged_in_a_smaller_one():
    image = InputImages(torch.rand(2, 3, 4, 6), "")
    exact = (image.pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(resize(image, 4, 6), exact)
    np.testing.assert_array_equal(resize(image, 12, 12), exact.repeat(3, 1).repeat(2, 2))
    ramp = InputImages(torch.full((1, 3, 8, 8), 0.5), "")
    ramp.pixels[:, :, :4] = 1.0
    small = resize(ramp, 2, 2)[0, :, :, 0]
    assert (small[0] > 220).all()  # mostly of the upper half, a little of the lower
    assert (small[1] < 160).all()
    assert small.min() >= 127
    thinner = resize(ramp, 8, 2)
    assert thinner.shape == (1, 8, 2, 3)
    assert thinner[0, 0].tolist() == [[255] * 3] * 2


def test_an_image_shrinks_to_the_largest_size_that_fits_and_never_to_nothing():
    assert fit(images(100, 200), 50).shape == (1, 25, 50, 3)
    assert fit(images(100, 200), 50, 10).shape == (1, 10, 20, 3)
    assert fit(images(1000, 2), 50).shape == (1, 50, 1, 3)
    assert fit(images(3, 5), 16).shape == (1, 9, 15, 3)
    assert fit(images(4, 4), 8, 7).shape == (1, 4, 4, 3)


def test_an_explorer_says_why_an_image_that_changed_is_not_there():
    x = torch.rand(1, 3, 4, 4)
    inputs = PassInputs(x, (), x._version)
    activation = Activation("conv", "conv", "Conv2d", 1, torch.zeros(1, 1, 4, 4), inputs=inputs)
    assert explorer_image(activation, 0, View())[0].shape == (4, 4, 3)
    x += 1
    pixels, words = explorer_image(activation, 0, View())
    assert pixels is None
    assert "changed in place" in words
    nothing = Activation("conv", "conv", "Conv2d", 1, torch.zeros(1, 1, 4, 4))
    assert explorer_image(nothing, 0, View()) == (None, "")

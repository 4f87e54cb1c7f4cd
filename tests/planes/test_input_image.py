"""The input of a pass as an image of the size that there is room for."""

from __future__ import annotations

import pytest
import torch

from featmagic.options.view import View
from featmagic.planes.input_image import InputImages, explorer_image, fit, input_images, resize
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation


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

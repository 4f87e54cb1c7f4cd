"""The grid that tokens lie on: the one that was asked for, or one that fits the input."""

from __future__ import annotations

import pytest
import torch

from featmagic.options.view import View
from featmagic.planes.patch_grid import PatchGrid, patch_grid_of
from featmagic.recording.inputs import PassInputs
from featmagic.support.errors import FeatmagicError

REGISTERS = tuple(f"R{n}" for n in range(1, 64))


def found(count, *grids, batch=1, images=1, **view):
    image = torch.rand(images, 3, 8, 8) if images else None
    return patch_grid_of(count, batch, PassInputs(image, grids), View(**view), "blocks.0")


@pytest.mark.parametrize(
    ("count", "grid", "prefix"),
    [
        (12, (3, 4), ()),
        (13, (3, 4), ("CLS",)),
        (17, (3, 4), ("CLS", *REGISTERS[:4])),
        (23, (3, 4), ("CLS", *REGISTERS[:10])),  # fewer than there are patches
        (6, (2, 3), ()),
        (7, (2, 3), ("CLS",)),
        (200, (14, 14), ("CLS", "R1", "R2", "R3")),
        (196 + 64, (14, 14), ("CLS", *REGISTERS)),
    ],
)
def test_tokens_lie_on_a_grid_of_the_input_behind_class_token_and_registers(count, grid, prefix):
    assert found(count, grid) == PatchGrid(grid, prefix)
    assert found(count, grid, (1, 1)) == PatchGrid(grid, prefix)


def test_the_first_grid_with_exactly_as_many_patches_counts():
    assert found(6, (3, 4), (3, 2), (2, 3)).grid == (3, 2)
    assert found(13, (3, 4), (1, 13)) == PatchGrid((1, 13))  # before 12 and a class token
    assert found(13, (3, 4), (2, 2)) == PatchGrid((3, 4), ("CLS",))


@pytest.mark.parametrize("count", [24, 11, 196 + 65])
def test_tokens_too_many_or_too_few_for_a_grid_say_which_square_would_leave_how_many(count):
    grid = (14, 14) if count > 100 else (3, 4)
    side = int(count**0.5)
    words = f"{count} tokens fit no grid of the input: --grid {side}x{side} would leave "
    assert found(count, grid) == PatchGrid(words=(f"{words}{count - side * side}",))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_tokens_are_no_grid_and_need_no_words(count):
    assert found(count, (4, 4)) == PatchGrid()


@pytest.mark.parametrize(
    ("count", "side", "prefix"),
    [(4, 2, ()), (5, 2, ("CLS",)), (9, 3, ()), (10, 3, ("CLS",)), (14, 3, ("CLS", *REGISTERS[:4])),
     (49, 7, ()), (50, 7, ("CLS",))],
)  # fmt: skip
def test_windows_of_images_are_assumed_to_be_square(count, side, prefix):
    """More samples than images: each is a part of one, and no grid of the whole image fits."""
    words = (f"{side} x {side} grid assumed",)
    assert found(count, (30, 40), batch=6, images=2) == PatchGrid((side, side), prefix, words)
    assert found(count, batch=1) == PatchGrid((side, side), prefix, words)  # the input has no grid
    if not prefix:
        assert found(count, (side, side), batch=6, images=2).words == words
        assert found(count, (side, side), batch=2, images=2).words == ()


def test_windows_that_are_no_square_lie_on_no_grid():
    assert found(8, (30, 40), batch=6).grid is None
    assert found(3, (30, 40), batch=6) == PatchGrid()


def test_without_an_image_there_is_no_grid_unless_it_is_asked_for():
    assert found(16, (4, 4), images=0) == PatchGrid()
    assert found(16, images=0, grid="4x4") == PatchGrid((4, 4))
    assert found(17, images=0, grid="4x4") == PatchGrid((4, 4), ("CLS",))
    assert found(17, images=0, prefix_tokens=1) == PatchGrid((4, 4), ("CLS",))
    assert found(16, images=0, prefix_tokens=0) == PatchGrid((4, 4))


def test_the_grid_and_the_number_of_tokens_that_are_asked_for_go_before_those_that_fit():
    assert found(12, (3, 4), grid="2x6") == PatchGrid((2, 6))
    assert found(12, (3, 4), grid="2x4") == PatchGrid((2, 4), ("CLS", "R1", "R2", "R3"))
    assert found(12, (3, 4), grid="2x4", prefix_tokens=4).grid == (2, 4)
    assert found(13, (3, 3), (2, 6), prefix_tokens=1) == PatchGrid((2, 6), ("CLS",))
    assert found(68, grid="2x2") == PatchGrid((2, 2), ("CLS", *REGISTERS))


@pytest.mark.parametrize(
    ("count", "view", "says"),
    [
        (12, {"grid": "4x4"}, "12 tokens don't form a 4 x 4 grid: 12 = 3 x 4."),
        (13, {"grid": "4x4"}, "13 tokens don't form a 4 x 4 grid: 13 = 3 x 4 + 1 prefix token."),
        (14, {"grid": "4x4"}, "14 tokens don't form a 4 x 4 grid: 14 = 3 x 4 + 2 prefix tokens."),
        (
            12,
            {"prefix_tokens": 2},
            "12 tokens don't form a grid after 2 prefix tokens: 12 = 3 x 4.",
        ),
        (12, {"prefix_tokens": 12}, "12 tokens don't form a grid after 12 prefix tokens"),
        (12, {"prefix_tokens": 13}, "12 tokens don't form a grid after 13 prefix tokens"),
        (
            12,
            {"grid": "3x3", "prefix_tokens": 1},
            "12 tokens don't form a 3 x 3 grid after 1 prefix token: 12 = 3 x 4.",
        ),
        (80, {"grid": "3x4"}, "80 tokens don't form a 3 x 4 grid: 80 = 8 x 8 + 16 prefix tokens."),
    ],
)
def test_what_does_not_fit_says_what_would(count, view, says):
    with pytest.raises(FeatmagicError) as caught:
        found(count, (3, 4), **view)
    assert str(caught.value).startswith(f"blocks.0: {says}")

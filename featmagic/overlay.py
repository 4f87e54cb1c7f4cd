"""Maps on the input image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from featmagic.mosaic import Mosaic, shaped
from featmagic.norms import Colours
from featmagic.palette import GAP, LEVELS
from featmagic.planes.dtypes import Pixels


def overlaid(
    mosaic: Mosaic, pictures: Pixels, colours: Colours | None, alpha: float, *, by_row: bool
) -> Mosaic:
    """The tiles on the input, the more opaque the larger the magnitude.

    The rule is FiftyOne's: opacity in proportion to |value|, or to the distance from the middle of
    a centred range; under a norm that isn't linear, to what the norm makes of it.

    Args:
        mosaic: of palette indices, or of RGB, which is opaque everywhere.
        pictures: the input at the size of an enlarged tile, `(S, h * zoom, w * zoom, 3)`.
        colours: the ranges behind the indices.
        alpha: how opaque the largest value is, 0 to 1.
        by_row: whether each row of tiles has a picture of its own.

    Returns:
        A mosaic of RGB pixels, with zoom 1.

    Example:
        >>> import torch
        >>> from featmagic.mosaic import tile
        >>> from featmagic.room import Arrangement
        >>> tiles = tile(torch.zeros(1, 2, 2).byte(), ("",), bytes(768), Arrangement(1, 3, 1))
        >>> ends = np.zeros(1), np.ones(1)
        >>> grey = np.full((1, 6, 6, 3), 9, np.uint8)
        >>> colours = Colours("gray", None, True, *ends)
        >>> overlaid(tiles, grey, colours, 0.5, by_row=False).indices[0, 0, 0, 0]
        array([9, 9, 9], dtype=uint8)
    """
    rows = len(mosaic.indices)
    under = pictures if by_row else np.broadcast_to(pictures[:1], (rows, *pictures.shape[1:]))
    if mosaic.is_rgb or colours is None:
        over, opacity = shaped(mosaic), np.array(alpha)
    else:
        tiles = shaped(mosaic)
        over, opacity = mosaic.colours[tiles], alpha * _opacity(mosaic, tiles, colours)[..., None]
    blended = under[:, :, None] * (1 - opacity) + over * opacity
    if spare := rows * mosaic.indices.shape[2] - len(mosaic.labels):
        blended[-1, :, -spare:] = mosaic.colours[GAP]
    return replace(mosaic, indices=blended.round().astype(np.uint8), zoom=1)


def _opacity(mosaic: Mosaic, tiles: Pixels, colours: Colours) -> NDArray[np.float64]:
    """How opaque each pixel of the tiles is, 0 to 1."""
    rows, _, ncols, _ = mosaic.indices.shape
    by_tile = np.zeros((rows * ncols, 256))
    by_tile[: len(mosaic.labels)] = opacities(colours)
    result: NDArray[np.float64] = by_tile[np.arange(rows * ncols).reshape(rows, 1, ncols, 1), tiles]
    return result


def opacities(colours: Colours) -> NDArray[np.float64]:
    """How opaque each of the 256 palette indices is in each plane, `(P, 256)`, 0 to 1.

    Example:
        >>> ends = np.full(1, 1.0), np.full(1, 2.0)
        >>> opacities(Colours("viridis", None, True, *ends))[0, [0, 247]].tolist()
        [0.5, 1.0]
    """
    place = np.linspace(0, 1, LEVELS)
    low, high = colours.low[:, None], colours.high[:, None]
    if colours.center is not None:
        opaque = np.broadcast_to(np.abs(2 * place - 1), (len(low), LEVELS))
    elif colours.norm != "linear":
        opaque = np.broadcast_to(place, (len(low), LEVELS))
    else:
        most = np.maximum(np.abs(low), np.abs(high))
        opaque = np.abs(low + place * (high - low)) / np.where(most > 0, most, 1)
    others = np.ones((len(low), 256 - LEVELS))
    others[:, GAP - LEVELS] = 0
    return np.concatenate([opaque, others], 1)

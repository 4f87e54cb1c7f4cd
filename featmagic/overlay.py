"""Maps on the input image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from featmagic.mosaic import Mosaic, Pixels, enlarged
from featmagic.norms import Colours
from featmagic.palette import GAP, LEVELS


def overlaid(
    mosaic: Mosaic, pictures: Pixels, colours: Colours | None, alpha: float, *, by_row: bool
) -> Mosaic:
    """The tiles on the input, the more opaque the larger the magnitude.

    The rule is FiftyOne's, opacity in proportion to |value|; measured from the middle of a centred
    range, and from the end that is nearer to 0 of any other.

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
        over, opacity = enlarged(mosaic), np.array(alpha)
    else:
        tiles = enlarged(mosaic)
        over, opacity = mosaic.colours[tiles], (opacities(colours) * alpha)[tiles][..., None]
    blended = under[:, :, None] * (1 - opacity) + over * opacity
    if spare := rows * mosaic.indices.shape[2] - len(mosaic.labels):
        blended[-1, :, -spare:] = mosaic.colours[GAP]
    return replace(mosaic, indices=blended.round().astype(np.uint8), zoom=1)


def opacities(colours: Colours) -> NDArray[np.float64]:
    """How opaque each of the 256 palette indices is, 0 to 1, by the magnitude it stands for.

    Example:
        >>> ends = np.full(1, -1.0), np.ones(1)
        >>> opacities(Colours("RdBu_r", 0.0, True, *ends))[[0, 249]].tolist()
        [1.0, 1.0]
    """
    place = np.arange(LEVELS) / (LEVELS - 1)
    if colours.center is not None:
        place = np.abs(2 * place - 1)
    elif colours.high.max() <= 0:
        place = 1 - place
    others = np.ones(256 - LEVELS)
    others[GAP - LEVELS] = 0
    return np.concatenate([place, others])

"""Principal components as tiles."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, uint8
from torch.nn.functional import avg_pool2d

from featmagic.mosaic import Mosaic, tile
from featmagic.palette import NAN
from featmagic.planes.heat_map import shrunk
from featmagic.planes.reduction import RGB
from featmagic.room import Arrangement
from featmagic.shapes import letters_of


def coloured(rgb: RGB, colours: bytes, arrangement: Arrangement, *, strange: bool) -> Mosaic:
    """A tile a sample; what is no number has NaN's colour, and where there is room its shape.

    Args:
        rgb: the components.
        colours: a palette.
        arrangement: of the tiles.
        strange: whether any value may be no number.

    Example:
        >>> import torch
        >>> blank, lost = torch.zeros(1, 2, 2, 3).byte(), torch.eye(2)[None] > 0
        >>> made = RGB(blank, 3, False, 0, lost)
        >>> coloured(made, bytes(768), Arrangement(1, 1, 1), strange=True).strange
        ('×',)
    """
    small = _small(rgb.rgb, arrangement.shrink)
    labels = ("",) * len(small)
    made = tile(small, labels, colours, arrangement)
    if not strange:
        return made
    lost = shrunk(rgb.missing.float(), arrangement.shrink)[0] > 0
    missing = tile((lost * NAN).to(uint8), labels, colours, arrangement).indices
    letters = letters_of(missing)[: len(small)]
    made.indices[missing == NAN] = made.colours[NAN]
    return replace(made, strange=letters, missing=missing) if any(letters) else made


def _small(rgb: Tensor, shrink: int) -> Tensor:
    """Pictures `(R, H, W, 3)` with every `shrink` x `shrink` pixels averaged."""
    if shrink == 1:
        return rgb
    small = avg_pool2d(rgb.permute(0, 3, 1, 2).float(), shrink, ceil_mode=True)
    return small.round().to(uint8).permute(0, 2, 3, 1)

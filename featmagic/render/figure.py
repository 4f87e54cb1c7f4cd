"""A mosaic as a matplotlib figure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from featmagic.mosaic import Mosaic, image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100


def figure(mosaic: Mosaic, title: str) -> Figure:
    """A figure of one image, the mosaic, under the title; pyplot knows nothing of it.

    A notebook shows it as it shows any figure, and also where pyplot was never imported.

    Example:
        >>> import torch
        >>> from featmagic.layout import Layout
        >>> from featmagic.mosaic import tile
        >>> mosaic = tile(torch.zeros(1, 9, 9).byte(), ("0",), bytes(768), Layout(1, 4, 1))
        >>> len(figure(mosaic, "fc").axes)
        1
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that displays itself where nobody else does it."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", bbox_inches="tight")
            return file.getvalue()

        def __reduce__(self) -> tuple[Any, ...]:
            """A pickle holds matplotlib's own class."""
            return Figure.__new__, (Figure,), self.__getstate__()  # type: ignore[attr-defined]

    pixels = image(mosaic)
    colours = np.frombuffer(mosaic.palette, np.uint8).reshape(-1, 3)[pixels]
    height, width = pixels.shape
    made = ShownFigure(figsize=(width / _DPI, (height + 40) / _DPI), dpi=_DPI)
    FigureCanvasAgg(made)
    axes = made.add_axes((0, 0, 1, height / (height + 40)))
    axes.imshow(colours, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, wrap=True, parse_math=False)
    return made

"""Which axis of an activation is what."""

from __future__ import annotations

from dataclasses import dataclass

from featmagic.letters import letters_of, suffix_of
from featmagic.options.view import View
from featmagic.recording.inputs import Given
from featmagic.recording.records import Activation, shape_of
from featmagic.support.errors import FeatmagicError
from featmagic.tokens import Tokens, tokens_of

_LAYOUTS = {
    1: ("C", "L"),
    2: ("NC", "LC", "CL", "HW", "QK"),
    3: ("CHW", "HWC", "NLC", "NCL", "NCW", "LNC", "NHW", "NQK", "AQK", "SNC"),
    4: ("NCHW", "NHWC", "CDHW", "DHWC", "NAQK"),
    5: ("NCDHW", "NDHWC", "NDCHW"),
}


class LayoutMismatch(FeatmagicError):
    """A layout with more or fewer axes than the activation has."""


@dataclass(frozen=True)
class Axes:
    """What the axes of an activation are.

    Attributes:
        letters: one a dimension: N batch, C channels, features or units, H height, W width, D depth
            or time of a volume, L length, time or tokens, A attention heads, Q queries, K keys,
            S stacked states (layers x directions).
        words: what was assumed or couldn't be told, for the caption.
        grid: the patch grid (height, width) that the tokens, or the keys, lie on.
        prefix: the names of the tokens before those of the grid: "CLS", "R1", "R2" and so on.
        signed: centred on 0 whatever the values.
    """

    letters: str
    words: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()
    signed: bool = False


def axes_of(activation: Activation, view: View) -> Axes:
    """What the axes of the activation are: by the view's layout, else by the module it came from.

    Raises:
        LayoutMismatch: the view's layout has another number of axes.
        FeatmagicError: its grid or its number of prefix tokens doesn't fit.

    Example:
        >>> from torch import zeros
        >>> axes_of(Activation("act", "act", "ReLU", 1, zeros(5, 8, 8)), View()).words
        ('CHW assumed',)
        >>> axes_of(Activation("act", "act", "ReLU", 1, zeros(5, 8, 8)), View(layout="NLC")).letters
        'NLC'
    """
    letters, words = letters_of(activation)
    if view.layout is not None:
        letters, words = _laid_out(activation, view.layout), ()
    tokens = _tokens(activation, view, letters)
    signed = bool(activation.traits.recurrent)
    return Axes(letters, (*words, *tokens.words), tokens.grid, tokens.prefix, signed)


def layouts_for(rank: int) -> tuple[str, ...]:
    """The layouts that would fit a tensor of so many axes, the most usual first.

    Example:
        >>> layouts_for(5)
        ('NCDHW', 'NDHWC', 'NDCHW')
    """
    return _LAYOUTS.get(rank, ())


def _laid_out(activation: Activation, layout: str) -> str:
    rank = activation.tensor.dim()
    if len(layout) != rank:
        axes, those = f"{rank} ax{'i' if rank == 1 else 'e'}s", ", ".join(layouts_for(rank))
        raise LayoutMismatch(
            f"{activation.key} has {axes} {shape_of(activation.tensor)}, and layout {layout} has "
            f"{len(layout)}. These would fit: {those}."
        )
    return layout.replace("T", "D" if "H" in layout and "W" in layout else "L")


def _tokens(activation: Activation, view: View, letters: str) -> Tokens:
    """Where the tokens, or the keys of attention, lie."""
    axis = "K" if "K" in letters else "L"
    wanted = view.grid is not None or view.prefix_tokens is not None
    is_tokens = axis == "K" or letters in ("NLC", "LC", "LNC") or ("L" in letters and wanted)
    if not is_tokens or activation.traits.recurrent:
        return Tokens()
    shape = activation.tensor.shape
    batch = shape[letters.index("N")] if "N" in letters else 1
    of_text = activation.traits.text or "'text" in suffix_of(activation)
    given = Given() if of_text else activation.given
    return tokens_of(shape[letters.index(axis)], batch, given, view, activation.key)

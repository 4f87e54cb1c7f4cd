"""The planes of an activation, to choose from and to draw."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes to choose from, on the activation's device.

    Attributes:
        values: `(R, P, H, W)`, float32 or float64, in the model's own units: `P` planes of each of
            `R` rows, which are samples, or channels where `montage` lays out their slices.
        indices: of each of the `P` planes, among the `total` there are.
        total: how many there are.
        noun: what a plane is, in the plural.
        form: `tiles`, a picture a plane; or all planes in one picture: `rows` and `columns` of a
            heat map, `fold` where each is a single value.
        words: what was done to the values and what was left out, for the caption.
        read: how a heat map is read: what runs down and what across.
        rows: what the rows are called, if there are several.
        samples: which samples are shown; empty where there is no axis for them.
        prefix: `(R, P, T)`, what the prefix tokens have in each plane.
        names: those of the prefix tokens.
        spatial: whether a plane lies over the input image.
        signed: whether 0 is the middle of the range, whatever the values.
        used: the options that made a difference.
        labels: what stands above each plane; None: its index.
    """

    values: Tensor
    indices: tuple[int, ...]
    total: int
    noun: str
    form: str = "tiles"
    words: tuple[str, ...] = ()
    read: str = ""
    rows: tuple[str, ...] = ()
    samples: tuple[int, ...] = ()
    prefix: Tensor | None = None
    names: tuple[str, ...] = ()
    spatial: bool = False
    signed: bool = False
    used: frozenset[str] = frozenset()
    labels: tuple[str, ...] | None = None

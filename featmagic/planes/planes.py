"""Planes: the 2-D slices of a tensor whose dimensions are known, for the samples asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.planes.dtypes import real_rows, sliceable, to_real
from featmagic.planes.layout import Layout
from featmagic.support.errors import FeatmagicError

_MOST_NAMED = 5  # prefix tokens: CLS and four registers

# What runs down and what runs across a plane, by its dimensions.
_PLANE_AXES = {
    "HW": ("row", "column"),
    "QK": ("query", "key"),
    "H": ("row", ""),
    "W": ("", "column"),
    "LC": ("token", "feature"),
}


@dataclass(frozen=True)
class Slice:
    """What planes show of a volume.

    Attributes:
        which: the number of the slice; or `mip` or `mean`, made of all of them.
        of: how many slices there are.
        words: the same for the caption.
    """

    which: int | str
    of: int
    words: str


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes to choose from, on the activation's device.

    Attributes:
        values: `(R, P, H, W)`, float32 or float64, in the model's own units: `P` planes of each of
            `R` rows, which are samples, passes, or channels where `montage` lays out their slices.
        indices: of each of the `P` planes, among the `total`.
        total: how many planes the activation has.
        noun: what a plane is, in the plural.
        form: `tiles` for a picture of each plane; or, for one picture of all planes, `rows` or
            `columns` of a heat map, or `fold` if each plane is a single value.
        words: what was done to the values and what was left out, for the caption.
        read: how to read a heat map: what runs down and what across.
        rows: the names of the rows, if there are several.
        down: the names of what runs down a heat map, where these are samples or passes.
        is_montage: whether the rows are channels, whose slices lie side by side.
        samples: which samples are shown; empty if no dimension holds them.
        batch: what they are: "sample", or "window" of one.
        prefix: `(R, P, T)`, the values of the prefix tokens in each plane.
        names: of the prefix tokens.
        spatial: whether a plane lies over the input image.
        signed: whether 0 is the middle of the range, whatever the values.
        used: the groups of options that made a difference.
        labels: what stands above each plane; its index, if None.
        item: what one of the planes is.
        axes: what runs down and what runs across a plane; "" where nothing does.
        slice: what the planes show of a volume; None if there is none, or a montage of it.
    """

    values: Tensor
    indices: tuple[int, ...]
    total: int
    noun: str
    form: str = "tiles"
    words: tuple[str, ...] = ()
    read: str = ""
    rows: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    is_montage: bool = False
    samples: tuple[int, ...] = ()
    batch: str = "sample"
    prefix: Tensor | None = None
    names: tuple[str, ...] = ()
    spatial: bool = False
    signed: bool = False
    used: frozenset[str] = frozenset()
    labels: tuple[str, ...] | None = None
    item: str = ""
    axes: tuple[str, str] = ("", "")
    slice: Slice | None = None


def planes_of(tensor: Tensor, layout: Layout, view: View, key: str = "the activation") -> Planes:
    """Return the planes of the samples asked for; nothing else is computed.

    Args:
        tensor: of 1 to 5 dimensions.
        layout: what its dimensions are.
        view: its `sample`, `channels`, `max`, `slice` and `attn` choose.
        key: the activation's name, for messages.

    Returns:
        Real values; the magnitude of complex ones.

    Raises:
        FeatmagicError: there is no such sample, channel, slice or token.

    Example:
        >>> planes_of(torch.zeros(2, 5, 8, 6), Layout("NCHW"), View(channels="1:3")).values.shape
        torch.Size([1, 2, 8, 6])
    """
    tensor, dims = _squeeze_pooled(sliceable(tensor), layout.dims)
    samples = _samples(tensor, dims, view, key, layout.batch)
    if "N" in dims:
        place = dims.index("N")
        parts = [tensor.select(place, sample) for sample in samples]
    else:
        parts = [tensor]
    by_sample = [_sample_planes(part, dims.replace("N", ""), layout, view) for part in parts]
    planes = replace(_joined(by_sample), batch=layout.batch)
    return _with_samples(planes, samples, view)


def _squeeze_pooled(tensor: Tensor, dims: str) -> tuple[Tensor, str]:
    """Drop the dimensions of planes of one pixel: pooled features are single values."""
    if {"H", "W"} <= set(dims) and "C" in dims:
        plane = [place for place, letter in enumerate(dims) if letter in "DHW"]
        if all(tensor.shape[place] == 1 for place in plane):
            left = "".join(letter for letter in dims if letter not in "DHW")
            return tensor.squeeze(tuple(plane)), left
    return tensor, dims


def _samples(tensor: Tensor, dims: str, view: View, key: str, noun: str) -> tuple[int, ...]:
    """Return which samples are shown; none if no dimension holds them."""
    if "N" not in dims:
        return ()
    count = tensor.shape[dims.index("N")]
    if view.sample == "all":
        return tuple(range(count))
    try:
        return tuple(picked(view.sample, count, noun))
    except FeatmagicError as error:
        raise FeatmagicError(str(error).replace("there are", f"'{key}' has")) from None


def _joined(by_sample: list[Planes]) -> Planes:
    """Join the planes of all samples: a row for each."""
    first = by_sample[0]
    if len(by_sample) == 1:
        return first
    prefix = [planes.prefix for planes in by_sample if planes.prefix is not None]
    return replace(
        first,
        values=torch.cat([planes.values for planes in by_sample]),
        prefix=torch.cat(prefix) if prefix else None,
    )


def _with_samples(planes: Planes, samples: tuple[int, ...], view: View) -> Planes:
    """Add the samples' numbers, words for the caption, and names of the rows."""
    if not samples:
        if view.sample in ("0", "all"):
            return planes
        return replace(planes, words=(*planes.words, "no batch dimension"))
    if len(samples) == 1:
        words = (f"{planes.batch} {samples[0]}", *planes.words)
        return replace(planes, words=words, samples=samples)
    if planes.rows:
        raise FeatmagicError(
            f"A montage shows one sample: --sample {samples[0]}, or another --slice."
        )
    listed = f"{planes.batch}s {', '.join(map(str, samples[:8]))}{', …' * (len(samples) > 8)}"
    words = (listed, *planes.words)
    names = tuple(f"{planes.batch[0]}{sample}" for sample in samples)
    return _with_rows(replace(planes, words=words, samples=samples), names, f"{planes.batch}s")


def in_rows(parts: list[Planes], names: tuple[str, ...], noun: str) -> Planes:
    """Join planes of equal sizes, which have one row each: a row for each, with its name."""
    return _with_rows(_joined(parts), names, noun)


def _with_rows(planes: Planes, names: tuple[str, ...], noun: str) -> Planes:
    """Name the rows; single values become one heat map: a row each, a column for each value."""
    if planes.form != "fold":
        return replace(planes, rows=names)
    values, read = planes.values[:, :, 0].permute(2, 1, 0)[..., None], f"{noun} down, values across"
    return replace(planes, values=values, form="columns", read=read, down=names)


def _sample_planes(part: Tensor, dims: str, layout: Layout, view: View) -> Planes:
    """Return the planes of one sample."""
    used = frozenset[str]()
    words: tuple[str, ...] = layout.words
    shown: Slice | None = None
    if "D" in dims:
        part, dims, shown = _slice_depth(part, dims, view)
        words, used = words + ((shown.words,) if shown else ()), used | {"volume"}
    if "K" in dims and view.attn is not None:
        part, dims, more = _select_query(part, dims, layout, view)
        words, used = words + more, used | {"attention"}
    planes = _planes_by_dims(part, dims, layout, view)
    return replace(planes, words=words + planes.words, used=used | planes.used, slice=shown)


def _slice_depth(part: Tensor, dims: str, view: View) -> tuple[Tensor, str, Slice | None]:
    """Reduce a volume to a slice; a montage keeps its depth."""
    place, how = dims.index("D"), view.slice
    depth, left = part.shape[place], dims.replace("D", "")
    along = "time" if view.layout and "T" in view.layout else "depth"
    if how == "montage":
        return part, dims, None
    if how == "mip":
        return to_real(part)[0].amax(place), left, Slice(how, depth, f"largest of {depth} slices")
    if how == "mean":
        return to_real(part)[0].mean(place), left, Slice(how, depth, f"mean of {depth} slices")
    index = depth // 2 if isinstance(how, str) else picked(str(how), depth, "slice")[0]
    words = f"slice {index} of {depth} along {along}"
    return part.select(place, index), left, Slice(index, depth, words)


def _select_query(
    part: Tensor, dims: str, layout: Layout, view: View
) -> tuple[Tensor, str, tuple[str, ...]]:
    """Select what one query attends to, or the mean; the keys are left, as tokens."""
    place, how = dims.index("Q"), view.attn
    left = dims.replace("Q", "").replace("K", "L").replace("A", "C")
    if how == "mean":
        return to_real(part)[0].mean(place), left, ("mean over the queries",)
    has_cls = layout.prefix[:1] == ("CLS",)
    if how == "cls" and layout.grid and not has_cls:
        height, width = layout.grid
        raise FeatmagicError(
            f"There is no CLS token: {part.shape[place]} tokens = {height} x {width} patches. "
            "Use --attn mean or --attn N."
        )
    index = 0 if how == "cls" else picked(str(how), part.shape[place], "token")[0]
    name = "CLS" if has_cls and index == 0 else index
    return part.select(place, index), left, (f"query {name}",)


def _planes_by_dims(part: Tensor, dims: str, layout: Layout, view: View) -> Planes:
    """Return the planes of `(C, ...)`, or of a tensor without channels."""
    channel = next((letter for letter in "AC" if letter in dims), "")
    inner = dims.replace(channel, "") if channel else dims
    part = part.movedim(dims.index(channel), 0) if channel else part[None]
    noun = {"A": "heads", "": "planes"}.get(channel, "channels")
    if view.attn is not None and "K" in layout.dims:
        noun = "heads"
    item = noun.removesuffix("s")
    if inner == "":
        single = item if item == "head" or "H" in layout.dims else "unit"
        values = part.reshape(len(part), 1, 1)
        return replace(_pick(values, view, "values", "fold", layout), item=single)
    if len(inner) == 3:  # a volume's slices, side by side: its channels are the rows
        return _montage(part, view, noun)
    if inner in ("HW", "QK", "H", "W"):
        axes = _PLANE_AXES[inner]
        part = {"W": part[:, None], "H": part[..., None]}.get(inner, part)
        planes = _pick(part, view, noun, "tiles", layout)
        return replace(planes, item=item, axes=axes, spatial=inner == "HW")
    if inner in ("LC", "CL") and channel == "A":
        return _features_of_heads(part, inner, noun, view, layout)
    if inner == "L" and layout.grid:
        return replace(_patches(part, view, noun, layout), item=item, axes=_PLANE_AXES["HW"])
    if inner in ("L", "S", "K"):
        return _heat_map(part, dims, noun, view, layout)
    raise FeatmagicError(f"There is no picture for the layout {layout.dims}.")


def _features_of_heads(part: Tensor, inner: str, noun: str, view: View, layout: Layout) -> Planes:
    """Put the features of each head in a picture of its own: a heat map of tokens."""
    part = part if inner == "LC" else part.transpose(1, 2)
    planes = _pick(part, view, noun, "tiles", layout)
    words = f"{_plural(part.shape[1], 'token')} down, {_plural(part.shape[2], 'feature')} across"
    axes = _PLANE_AXES["LC"]
    return replace(planes, words=(*planes.words, words), item=noun.removesuffix("s"), axes=axes)


def _montage(part: Tensor, view: View, noun: str) -> Planes:
    indices = view.pick(len(part))
    values, words = real_rows(part, indices)
    rows = tuple(map(str, indices))
    slices = tuple(range(values.shape[1]))
    words = (f"{len(indices)} of {len(part)} {noun} down", *words)
    planes = Planes(values, slices, len(slices), "slices", words=words, rows=rows, is_montage=True)
    return replace(planes, item="slice", axes=_PLANE_AXES["HW"])


def _patches(part: Tensor, view: View, noun: str, layout: Layout) -> Planes:
    """Lay tokens `(C, L)` out on their patch grid; the prefix tokens stay apart."""
    height, width = layout.grid or (1, 1)
    tokens = _pick(part[:, None], view, noun, "tiles", layout)
    before = part.shape[1] - height * width
    patches = tokens.values[..., before:].reshape(1, -1, height, width)
    words = [f"{height} × {width} patches"]
    if before:
        few = before <= _MOST_NAMED
        names = ", ".join(layout.prefix) if few else f"{before} prefix tokens"
        words.append(f"{names} {'left out' if view.reduce == 'pca' else 'in a strip'}")
    return replace(
        tokens,
        values=patches,
        words=tokens.words + tuple(words),
        prefix=tokens.values[:, :, 0, :before] if before else None,
        names=layout.prefix,
        spatial=True,
        used=frozenset({"tokens"}),
    )


def _heat_map(part: Tensor, dims: str, noun: str, view: View, layout: Layout) -> Planes:
    """Put all channels in one picture: signals and units run down, tokens down and features across.

    The other dimension runs across, or down.
    """
    if "S" in dims and part.shape[1] == 1:
        return replace(_pick(part[..., None], view, "values", "fold", layout), item="unit")
    if layout.signed or dims[0] in "CA":
        what = "key" if "K" in layout.dims else "state" if "S" in dims else "step"
        noun = "units" if layout.signed else noun
        read = f"{noun} down, {_plural(part.shape[1], what)} across"
        planes = _pick(part[:, None], view, noun, "rows", layout)
        return replace(planes, read=read, item=noun.removesuffix("s"), axes=("", what))
    read = f"{_plural(part.shape[1], 'token')} down, features across"
    planes = _pick(part[..., None], view, "features", "columns", layout)
    item = "unit" if "C" in dims else ""  # else there is one plane, which is no unit
    return replace(planes, read=read, item=item, axes=("token", ""))


def _pick(part: Tensor, view: View, noun: str, form: str, layout: Layout) -> Planes:
    """Pick the planes that the view asks for: all of a heat map, if it names none."""
    every = form != "tiles" and view.channels is None and view.max == View.max
    indices = list(range(len(part))) if every else view.pick(len(part))
    values, words = real_rows(part, indices)
    return Planes(values[None], tuple(indices), len(part), noun, form, words, signed=layout.signed)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"

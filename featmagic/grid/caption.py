"""The fourth stage: an activation in a few lines of words and figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from featmagic.grid.pass_rows import words_of_passes
from featmagic.grid.prepare import Prepared, Undrawable
from featmagic.planes.planes import Planes
from featmagic.planes.reduction import PCAImage
from featmagic.planes.statistics import Statistics
from featmagic.recording.records import Activation, call_of, shape_of
from featmagic.render.color import Range, clipped, is_signed
from featmagic.render.viewport import GridLayout
from featmagic.support.text import percent, percentile, plural, readable, sparkline

LONGEST_LINE = 127  # letters of 13 CSS pixels in 1,000
# Whether planes, figures, colors and input stand in the first line, in the order of preference.
_USUAL = (
    (False, False, False, False),
    (False, False, False, True),
    (True, False, False, False),
    (True, False, False, True),
)
# What is said in fewer words where a caption would have more than two lines.
_SHORTER = {
    r"input shown with ImageNet normalization undone": "input denormalized",
    r"ImageNet normalization undone": "denormalized",
    r"principal components as red, green, blue": "principal components as RGB",
    r"shared color range across all layers": "range shared by all layers",
    r"color range per": "range per",
    r"R1, (?:R\d+, )*R(\d+)": r"R1–R\1",
}
# What is left out if that isn't enough: mean and deviation, the histogram, a count of all.
_FEWER = {r", mean .*": "", "[▁-█]{2,}": "…", r"\b(\d+) of \1 ": r"\1 "}
_COLORS = ("red", "red and green", "red, green, blue")


def caption(prepared: Prepared, color_range: Range, grid_layout: GridLayout | None) -> str:
    """Return what is shown, in two lines: what it is, then what is shown of it and how.

    Only what may be wrong (NaN, constant or clipped channels, near-duplicates) has a third line.
    What the second line has no room for goes to the first, if that has.
    """
    parts = describe(prepared, color_range, grid_layout)
    what, planes = _what(prepared.rows), _describe_planes(prepared.planes, prepared.dims)
    figures, strip, prefix = _describe_figures(prepared.measured).partition(", strip: ")
    groups = planes, (figures, (strip + prefix)[2:]), parts.colors, parts.source
    findings = (*parts.findings, *_differing_bases(prepared.rgb))
    lines = [*_two_lines(what, *groups), findings]
    return "\n".join(" · ".join(line) for line in lines if line)


@dataclass(frozen=True)
class Description:
    """What a caption says of a picture, in words that layers may have in common.

    Attributes:
        colors: the color map and its range, or the principal components; what had to be different.
        source: how the tiles lie on the input, and what was done to that.
        findings: what may be wrong.
    """

    colors: tuple[str, ...]
    source: tuple[str, ...]
    findings: tuple[str, ...]


def describe(prepared: Prepared, color_range: Range, grid_layout: GridLayout | None) -> Description:
    """Describe how a layer is drawn, and what may be wrong with it."""
    outside = _clipped(prepared, color_range)
    colors = _describe_drawing(prepared, color_range, grid_layout)
    if not outside and prepared.view.robust is not None:
        colors.append(_describe_limits(prepared.view.robust))
    findings = _findings(prepared.measured, prepared.planes)
    return Description(
        tuple(colors), tuple(_describe_input(prepared, color_range)), (*findings, *outside)
    )


def caption_of_undrawable(undrawable: Undrawable) -> str:
    """Return what the activation is, and why it can't be drawn."""
    return " · ".join([_what([undrawable.activation]), undrawable.reason])


def _two_lines(what: str, *groups: Sequence[str]) -> list[list[str]]:
    """Distribute the parts of a caption over two lines that are short enough, if that can be.

    Parts stay in the order in which they are usually said, in either line. Where no way of
    distributing them helps, some are said in fewer words, and then the least of them is left out.
    """
    shorter = [[_replaced(part, _SHORTER) for part in group] for group in groups]
    fewer = [[_replaced(part, _FEWER) for part in group] for group in shorter]
    for given in (groups, shorter, fewer):
        usual = _distributed(what, given, _USUAL)
        best = min(usual, key=_excess)
        if _excess(best):
            count = sum(map(len, given))
            best = min(_distributed(what, given, product((True, False), repeat=count)), key=_excess)
        if not _excess(best):
            return best
    return best


def _distributed(
    what: str, groups: Sequence[Sequence[str]], ways: Iterable[Sequence[bool]]
) -> Iterator[list[list[str]]]:
    """Yield the two lines of each way, which says what stands in the first: groups, or parts."""
    count = len(groups)
    for way in ways:
        by_part = iter(way)
        lines: list[list[str]] = [[what], []]
        for number, group in enumerate(groups):
            ups = (
                [way[number]] * len(group) if len(way) == count else [next(by_part) for _ in group]
            )
            for line, is_up in zip(lines, (True, False), strict=True):
                parts = [part for part, up in zip(group, ups, strict=True) if up is is_up and part]
                line += [", ".join(parts)] if parts else []
        yield lines


def _replaced(part: str, words: Mapping[str, str]) -> str:
    for pattern, others in words.items():
        part = re.sub(pattern, others, part)
    return part


def _excess(lines: Sequence[Sequence[str]]) -> int:
    """Return by how many letters the longer of the lines is too long."""
    return max(max(0, len(" · ".join(line)) - LONGEST_LINE) for line in lines)


def _what(rows: Sequence[Activation]) -> str:
    """Return the activation's name, class, shape, dtype, device, call and pass."""
    activation = rows[0]
    tensor = activation.tensor
    dtype = str(tensor.dtype).removeprefix("torch.")
    name, kind = readable(activation.label), readable(activation.kind)
    named = name if name == kind else f"{name}  {kind}"
    what = f"{named}  {shape_of(tensor)} {dtype} {tensor.device}"
    return " · ".join(filter(None, [what, call_of(activation), words_of_passes(rows)]))


def _describe_planes(planes: Planes, dims: str) -> tuple[str, str]:
    """Return the layout, which planes are shown and of how many; and how they were made."""
    count = f"{len(set(planes.indices))} of {planes.total} {planes.noun}"
    read = planes.read if planes.form in ("rows", "columns") else ""
    words = list(filter(None, [*planes.words, read]))
    of_sample = 1 if planes.samples else 0  # the words begin with the samples, if there are any
    return ", ".join([dims, count, *words[:of_sample]]), ", ".join(words[of_sample:])


def describe_values(measured: Statistics, planes: Planes) -> str:
    """Return the range with a histogram, mean, standard deviation, zeros, and what is wrong."""
    return ", ".join([_describe_figures(measured), *_findings(measured, planes)])


def _describe_figures(measured: Statistics) -> str:
    """Return the range, mean, standard deviation and zeros, and the range of the prefix tokens.

    The order is that of lovely-tensors: the histogram stands between the ends of the range.
    """
    return ", ".join([*_range_and_moments(measured), *_prefix_tokens(measured)])


def _range_and_moments(measured: Statistics) -> list[str]:
    is_finite = measured.has_finite
    if not is_finite.any():
        return ["no finite value"]
    # Adding 0.0 turns -0.0 into 0.0.
    low, high = measured.low[is_finite].min() + 0.0, measured.high[is_finite].max() + 0.0
    between = sparkline(measured.histogram) if low < high else "…"
    zeros = [f"zeros {percent(measured.zeros)}"] if measured.zeros else []
    moments = f"mean {_mean(measured)}", f"std {measured.std:.3g}"
    return [f"{low:.3g} {between} {high:.3g}", *moments, *zeros]


def _mean(measured: Statistics) -> str:
    """Return the mean in three digits, or fewer if it is small against the deviation."""
    small = (abs(measured.mean) * part < measured.std for part in (10, 100))
    return f"{measured.mean + 0.0:.{3 - sum(small)}g}"


def _nonfinite(nan: int, inf: int) -> list[str]:
    return [f"{count} {name}" for count, name in ((nan, "NaN"), (inf, "inf")) if count]


def _prefix_tokens(measured: Statistics) -> list[str]:
    """Return the range of the prefix tokens, which no other figure includes."""
    if measured.prefix is None:
        return []
    low, high, *nonfinite = measured.prefix
    ends = [f"{low + 0.0:.3g} … {high + 0.0:.3g}"] if low <= high else []
    return [" ".join(["strip:", ", ".join([*ends, *_nonfinite(*nonfinite)])])]


def _findings(measured: Statistics, planes: Planes) -> list[str]:
    """Return what may be wrong: non-finite values, constant planes, and near-duplicates."""
    findings = [", ".join(_nonfinite(measured.nan, measured.inf)), *_constant(measured, planes)]
    if measured.duplicates is None:
        findings.append("near-duplicates not counted: too many values")
    elif measured.duplicates:
        findings.append(f"{plural(measured.duplicates, 'near-duplicate')} (|r| > 0.99)")
    return list(filter(None, findings))


def findings_in_short(findings: Sequence[str]) -> list[str]:
    """Return the same without the names of channels, but with how many there are."""
    return [part for text in findings for part in text.partition(": ")[0].split(", ")]


def _constant(measured: Statistics, planes: Planes) -> list[str]:
    """Return the planes that are constant in every sample shown."""
    if planes.form == "fold" or planes.values.shape[2:].numel() == 1 or planes.labels:
        return []  # a single value isn't a plane
    constant = measured.constant.reshape(len(planes.values), -1).all(0)
    places = [str(planes.indices[place]) for place in np.flatnonzero(constant)]
    if not places:
        return []
    names = ", ".join(places[:8]) + (", …" if len(places) > 8 else "")
    noun = planes.noun.removesuffix("s")
    return [f'{len(places)} constant ("dead") {noun}{"s" * (len(places) != 1)}: {names}']


def _clipped(prepared: Prepared, color_range: Range) -> list[str]:
    """Return how many values, or positions of a PCA, have a color that isn't exactly theirs."""
    if prepared.rgb is not None:
        return [f"{plural(prepared.rgb.clipped, 'position')} clipped"] * bool(prepared.rgb.clipped)
    outside = clipped(prepared.planes.values.flatten(0, 1), color_range, prepared.measured)
    if not outside:
        return []
    return [f"{plural(outside, 'value')} {_describe_limits(prepared.view.robust) or 'clipped'}"]


def _describe_drawing(
    prepared: Prepared, color_range: Range, grid_layout: GridLayout | None
) -> list[str]:
    """Return the colors, and what had to be different from what was asked for."""
    if prepared.rgb is not None:
        return components(prepared.rgb) + _sharing(prepared.rgb)
    words = _describe_colors(prepared, color_range)
    words += _describe_layout(prepared, grid_layout) if grid_layout else []
    return words


def _describe_input(prepared: Prepared, color_range: Range) -> list[str]:
    """Return how the tiles lie on the input, and what was done to it."""
    words = []
    if prepared.overlays:
        gray = " in gray" * (prepared.rgb is None and is_signed(color_range))
        words.append(f"over the input{gray}, alpha {prepared.view.alpha:g}")
    if prepared.images:
        done = prepared.images.words
        words.append(done.removeprefix("input shown with ") if words else done)
    return words


def _describe_colors(prepared: Prepared, color_range: Range) -> list[str]:
    """Return the colormap, its norm, and what shares its range."""
    view, planes = prepared.view, prepared.planes
    center = "" if color_range.center is None else f" centered on {color_range.center:g}"
    words = [color_range.cmap + center]
    words += [] if color_range.norm == "linear" else [f"{color_range.norm} norm"]
    if planes.values.shape[:2].numel() > 1 or view.scale == "all":
        noun = "channels" if planes.noun == "slices" else planes.noun
        shared = "shared color range" + " across all layers" * (view.scale == "all")
        words.append(
            f"color range per {noun.removesuffix('s')}" if color_range.own_range else shared
        )
    return words


def _describe_limits(robust: float | None) -> str:
    """Return at which percentiles values are clipped; "" if the view doesn't ask for it."""
    if robust is None:
        return ""
    if not robust:
        return "no clipping"
    return f"clipped at the {percentile(robust)} and {percentile(100 - robust)} percentile"


def _describe_layout(prepared: Prepared, grid_layout: GridLayout) -> list[str]:
    """Return what had to be different from what was asked for, for want of space."""
    view, words = prepared.view, []
    if grid_layout.shrink > 1:
        words.append(f"shrunk: {grid_layout.shrink} × {grid_layout.shrink} values averaged")
    if view.ncols is not None and grid_layout.ncols < min(view.ncols, prepared.tiling.count):
        words.append(f"{grid_layout.ncols} in a row: no room for more")
    if view.zoom is not None and grid_layout.zoom < view.zoom:
        words.append(f"zoom {grid_layout.zoom}: no room for more")
    return words


def components(rgb: PCAImage) -> list[str]:
    """Return which colors the components have, and whose basis that is."""
    if not rgb.count:
        return ["no principal component: all positions alike, or none finite"]
    words = [f"{plural(rgb.count, 'principal component')} as {_COLORS[rgb.count - 1]}"]
    if rgb.approximate:
        words.append("approximate: too many channels and positions for an exact search")
    if rgb.kept:
        words.append(f'reusing PCA basis "{rgb.name}"' if rgb.name else "reusing an earlier basis")
    elif rgb.name:
        words.append(f'kept as PCA basis "{rgb.name}"')
    return words


def _sharing(rgb: PCAImage) -> list[str]:
    return [f"basis shared by {rgb.sharing} layers"] if rgb.count and rgb.sharing > 1 else []


def _differing_bases(rgb: PCAImage | None) -> list[str]:
    """Return that other layers of the look have other bases, if any."""
    if rgb is None or not rgb.others or not rgb.count:
        return []
    which = "bases differ between widths" if rgb.sharing > 1 else "basis of its own"
    return [f"{which}: colors can't be compared with other layers"]

"""Layers with one picture each: side by side in a strip, under one caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from re import fullmatch

from featmagic.grid.caption import (
    LONGEST_LINE,
    Description,
    caption,
    components,
    describe,
    findings_in_short,
)
from featmagic.grid.compose import color_range_of, compose
from featmagic.grid.page_layout import FLAT
from featmagic.grid.pass_rows import words_of_passes
from featmagic.grid.prepare import Prepared
from featmagic.planes.reduction import PCAImage
from featmagic.recording.records import call_of, shape_of
from featmagic.render.color import Range
from featmagic.render.raster import Raster
from featmagic.render.strip import (
    Strip,
    StripPicture,
    columns_of,
    fair_side,
    strip_raster,
    with_shared_ends,
)
from featmagic.render.viewport import GridLayout, Viewport
from featmagic.support.text import readable

_SMALLEST, _LARGEST = 116, 240  # CSS pixels: the width of a picture


@dataclass(frozen=True, eq=False)
class StripDrawing:
    """Layers in a strip as they are shown.

    Attributes:
        caption: What they have in common, then what may be wrong with some.
        details: The whole caption of each layer.
        strip: The pictures.
    """

    caption: str
    details: tuple[str, ...]
    strip: Strip

    @property
    def picture(self) -> Raster:
        """The strip as a picture."""
        return strip_raster(self.strip)


@dataclass(frozen=True, eq=False)
class StripLayer:
    """A layer that is drawn for a strip."""

    prepared: Prepared
    color_range: Range
    description: Description
    caption: str
    picture: StripPicture


def fits_strip(prepared: Prepared) -> bool:
    """Return True if a layer has one picture, which may stand beside those of others."""
    view, viewport, tiling = prepared.view, prepared.viewport, prepared.tiling
    if viewport is None or viewport.strict or not view.reduce or view.zoom is not None:
        return False
    height, width = tiling.size
    is_single = tiling.form == "tiles" and tiling.count == 1 and len(prepared.planes.values) == 1
    is_compact = max(height, width) < FLAT * min(height, width) and height * width > 1
    return is_single and is_compact and not (view.input and prepared.images)


def strip_layouts(layers: Sequence[Prepared]) -> tuple[int, int, list[GridLayout]]:
    """Return how many pictures stand in a row, how wide each may be, and how it is drawn."""
    viewport, view = _viewport(layers[0]), layers[0].view
    ncols, room = columns_of(len(layers), viewport.width, _SMALLEST, _LARGEST, view.ncols)
    d = viewport.density
    shrinks = [ceil(max(layer.tiling.size) / (room * d)) for layer in layers]
    longest = [
        ceil(max(layer.tiling.size) / shrink) for layer, shrink in zip(layers, shrinks, strict=True)
    ]
    side = fair_side(longest, room * d, d)
    layouts = []
    for layer, shrink, values in zip(layers, shrinks, longest, strict=True):
        height, width = (
            max(d, round(each * side / max(layer.tiling.size))) for each in layer.tiling.size
        )
        zoom = max(1, side // values)
        layouts.append(GridLayout(1, zoom, shrink, density=d, size=(height, width)))
    return ncols, room, layouts


def _viewport(layer: Prepared) -> Viewport:
    assert layer.viewport is not None
    return layer.viewport


def strip_layer(layer: Prepared, grid_layout: GridLayout, shown: Sequence[Prepared]) -> StripLayer:
    """Draw one layer for a strip; all layers shown may share its color range."""
    color_range = color_range_of(layer, shown)
    mosaic = compose(layer, color_range, grid_layout)
    picture = StripPicture(mosaic, _name(layer), _facts(layer, color_range))
    whole = caption(layer, color_range, grid_layout)
    description = describe(layer, color_range, grid_layout)
    return StripLayer(layer, color_range, description, whole, picture)


def strip_drawing(
    layers: Sequence[StripLayer], ncols: int, room: int, of_layers: int
) -> StripDrawing:
    """Put layers in a strip.

    Args:
        layers: Those that were drawn.
        ncols: How many stand in a row.
        room: The width that each picture has, in CSS pixels.
        of_layers: How many there would be without an interrupt.
    """
    pictures = tuple(layer.picture for layer in layers)
    if len({layer.prepared.activation.kind for layer in layers}) == 1:  # the caption says it
        pictures = tuple(
            replace(each, facts=(each.facts[0][-1:], *each.facts[1:])) for each in pictures
        )
    strip = Strip(pictures, ncols, room, pictures[0].mosaic.density)
    first = layers[0]
    shares = first.prepared.scale == "all" and first.prepared.rgb is None
    if shares and first.picture.mosaic.ends:
        strip = with_shared_ends(strip)
    details = tuple(layer.caption for layer in layers)
    return StripDrawing(_caption(layers, of_layers), details, strip)


def _name(layer: Prepared) -> str:
    """Return what the layer is called, and which call and pass it is if there are several."""
    activation = layer.activation
    numbers = (call_of(activation), words_of_passes(layer.rows))
    return ", ".join(filter(None, [readable(activation.label), *numbers]))


def _facts(layer: Prepared, color_range: Range) -> tuple[tuple[str, ...], ...]:
    """Return what stands below a name: class and shape, prefix tokens, and the color range."""
    planes, measured, shape = layer.planes, layer.measured, shape_of(layer.activation.tensor)
    prefix, ends = "", ""
    if measured.prefix is not None:
        low, high, *nonfinite = measured.prefix
        names = planes.names[0] if len(planes.names) == 1 else f"{len(planes.names)} tokens"
        prefix = f"{names}: {_span(low, high)}{', NaN or inf' * any(nonfinite)}"
    if layer.rgb is None and measured.has_finite.any():
        ends = _span(float(color_range.low.min()), float(color_range.high.max()))
    elif layer.rgb is None:
        ends = "no finite value"
    return (f"{readable(layer.activation.kind)} {shape}", shape), (prefix,), (ends,)


def _span(low: float, high: float) -> str:
    ends = [f"{end + 0.0:.3g}" for end in (low, high) if abs(end) != inf]
    return " … ".join(dict.fromkeys(ends))


def _caption(layers: Sequence[StripLayer], of_layers: int) -> str:
    """Return what all layers have in common in two lines, and what may be wrong with some."""
    count = f"{len(layers)} of {of_layers}" if len(layers) < of_layers else str(len(layers))
    prepared = [layer.prepared for layer in layers]
    first = prepared[0]
    over = _words([[_counted(each)] for each in prepared])
    words = _words([_done(each) for each in prepared])
    kinds = list({readable(each.activation.kind) for each in prepared})
    what = f"{count} layer{'s' * (count != '1')}{f' ({kinds[0]})' * (len(kinds) == 1)}"
    if first.rgb is None:
        what = f"{what}, {first.view.reduce} over {' or '.join(over)}"
        colors = _words([layer.description.colors for layer in layers])
    else:
        images = [each.rgb for each in prepared if each.rgb is not None]
        made, *colors = _words([components(image) for image in images])
        part = [f"of {each}" for each in over if not each.startswith("all ")]
        what = ", ".join([what, made, *part])
        colors += _bases(images)
    source = _words([layer.description.source for layer in layers])
    tensors = [each.activation.tensor for each in prepared]
    dtypes = [f"{str(t.dtype).removeprefix('torch.')} {t.device}" for t in tensors]
    optional = [*_words([[each.dims] for each in prepared]), *_words([[dtype] for dtype in dtypes])]
    lines = _in_two([what, *colors, *words, *source], optional)
    wrong = _by_finding(layers)
    return "\n".join([*lines, *([" · ".join(wrong)] if wrong else [])])


def _bases(images: Sequence[PCAImage]) -> list[str]:
    """Return which layers of a strip have the same basis."""
    most = max(image.sharing for image in images)
    if len(images) == 1 or not any(image.count for image in images):
        return []
    if most > 1:
        return ["one basis" + " for layers of equal width" * any(i.others for i in images)]
    return ["each layer has a basis of its own: colors can't be compared"]


def _by_finding(layers: Sequence[StripLayer]) -> list[str]:
    """Return what may be wrong, each with the layers where it is and how often it is there."""
    found: dict[str, list[str]] = {}
    for layer in layers:
        for finding in findings_in_short(layer.description.findings):
            counted = fullmatch(r"(\d+) (.+)", finding)
            count, what = counted.groups() if counted else ("", finding)
            what = f"{what}s" if count == "1" and f"{what}s" in found else what
            found.setdefault(what, []).append(f"{layer.picture.name} {count}".rstrip())
    return [f"{what}: {', '.join(names)}" for what, names in found.items()]


def _counted(layer: Prepared) -> str:
    """Return over how many planes a layer is reduced."""
    planes, noun = layer.planes, layer.planes.noun
    count = len(set(planes.indices))
    return f"all {noun}" if count == planes.total else f"{count} of {planes.total} {noun}"


def _done(layer: Prepared) -> list[str]:
    """Return what was done to a layer's values, but for its reduction."""
    words = [word for word in layer.planes.words if word != f"their {layer.view.reduce}"]
    return [word.replace("in a strip", "not shown") for word in words]


def _words(by_layer: Sequence[Sequence[str]]) -> list[str]:
    """Return each word once, in order; of one that not all layers have, for how many it holds."""
    counts = Counter(word for words in by_layer for word in dict.fromkeys(words))
    return [
        word if count == len(by_layer) else f"{word} ({count} layer{'s' * (count > 1)})"
        for word, count in counts.items()
    ]


def _in_two(parts: Sequence[str], optional: Sequence[str]) -> list[str]:
    """Distribute parts over two lines; optional ones take what room is left."""
    lines: list[str] = []
    for part in parts:
        if lines and len(longer := f"{lines[-1]} · {part}") <= LONGEST_LINE:
            lines[-1] = longer
        else:
            lines.append(part)
    for part in optional:
        if len(longer := f"{lines[-1]} · {part}") <= LONGEST_LINE:
            lines[-1] = longer
    return lines

"""Finished pictures, read by their colors and held against what must be on them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from PIL import Image

from featmagic.render.lettering import shaded, text_width
from featmagic.render.palette import CONSTANT, TRACK, page_colors, palette
from helpers.expected import possible_colors, wrong_pixels
from helpers.tiles import LONG, longest_runs, runs

COLORS = page_colors(palette("gray"))
D = 2  # pixels to a CSS pixel
LABEL, BETWEEN = 13 * D, 5 * D  # pixels: a tile's label, the least gap between two tiles
TEXT = 12 * D  # from one line of text to the next
BAR_TOP, BAR, MARGIN = 2 * D, 3 * D, 4 * D


@dataclass
class Truth:
    """What a picture and its caption must hold.

    `tiles` are the values of each tile, in reading order, and `norms` their ranges: one object for
    all where they share it. `channels` are those that the caption speaks of, by default the tiles.
    """

    tiles: list
    norms: list
    facts: tuple
    cmap: str
    labels: list
    channels: np.ndarray
    indices: list | None = None  # of the channels, where they aren't counted from 0
    rows: tuple = ()  # what stands left of each row of tiles
    lines: Callable | None = None  # what stands left of a row of values
    axes: tuple = ("", "")  # what runs down and what runs across the values
    strip: dict = field(default_factory=dict)  # the values of each prefix token
    inputs: tuple = ()  # photographs beside the tiles
    over: np.ndarray | None = None  # a photograph under the tiles
    alpha: float = 0.7
    strengths: list | None = None  # of the tiles, where they don't show all values
    pixels: list | None = None  # colors 0 to 1, where they don't follow from one value each

    @property
    def shared(self):
        return all(norm is self.norms[0] for norm in self.norms)

    @property
    def dead(self):
        """The channels of one value."""
        indices = self.indices or range(len(self.channels))
        return [n for n, plane in zip(indices, self.channels, strict=True) if is_dead(plane)]


def is_dead(plane):
    return plane.size > 1 and plane.min() == plane.max()


def places(values, norm):
    """Where values lie in their range, 0 to 1, by matplotlib's norm."""
    return np.asarray(norm(values.clip(norm.vmin, norm.vmax)), np.float64)


def filled(opacity):
    """The opacities without what is empty around them."""
    down, across = (np.flatnonzero((opacity > 0).any(axis)) for axis in (1, 0))
    return opacity[down[0] : down[-1] + 1, across[0] : across[-1] + 1] if len(down) else opacity[:0]


def letters(text):
    """How opaque each pixel of the text is."""
    return COLORS[shaded(text, D)][..., 3]


class Picture:
    """A PNG: its blocks of colors, found by what is transparent around them, and what is left."""

    def __init__(self, caption, data):
        self.caption = caption
        self.image = Image.open(io.BytesIO(data))
        pixels = np.asarray(self.image.convert("RGBA"))
        self.rgb, self.alpha = pixels[..., :3], pixels[..., 3]
        self.left_over = self.alpha > 0
        self.blocks = sorted(self._found(), key=lambda box: (box[0].start, box[1].start))

    def _found(self):
        """The boxes of all that is opaque and no letter, nor the bar under a tile."""
        opaque = self.alpha == 255
        for band in runs(longest_runs(opaque) >= LONG * D):
            for across in runs(opaque[band].any(0)):
                end = -1
                for part in runs(opaque[band, across].any(1)):
                    down = slice(band.start + part.start, band.start + part.stop)
                    is_long = (longest_runs(opaque[down, across]) >= LONG * D).any()
                    if is_long and not self._is_bar(down, across, end):
                        yield down, across
                    end = down.stop

    def _is_bar(self, down, across, end):
        above = self.alpha[down.start - BAR_TOP - 1, across]
        return down.stop - down.start == BAR and (end > 0 or above.any())

    def take(self, box):
        """The colors there, which are accounted for with that."""
        self.left_over[box] = False
        return self.rgb[box]

    def says(self, text, down, across):
        """Whether just this text stands there."""
        found = filled(self.alpha[down, across])
        self.left_over[down, across] = False
        return np.array_equal(found, filled(letters(text)))

    def parts(self, truth):
        """The boxes of the strip, of the inputs, of the tiles and of the colors' bar."""
        blocks = list(self.blocks)
        bar = blocks.pop() if truth.shared and truth.pixels is None else None
        strip, rest = blocks[: len(truth.strip)], blocks[len(truth.strip) :]
        leftmost = sorted(rest, key=lambda box: (box[1].start, box[0].start))
        inputs = sorted(leftmost[: len(truth.inputs)], key=lambda box: box[0].start)
        return strip, inputs, [box for box in rest if box not in inputs], bar


def assert_shows(picture, truth):
    """The picture shows all that the truth holds, in its place, and nothing else."""
    strip, inputs, tiles, bar = picture.parts(truth)
    assert len(tiles) == len(truth.tiles)
    leads = len(inputs) == 1 and not truth.rows and not truth.lines
    assert_grid([*inputs, *tiles] if leads else tiles, len(truth.rows), leads=leads)
    for number, box in enumerate(tiles):
        assert_tile(picture, truth, number, box)
        assert_label(picture, truth.labels[number], box)
    assert_bars(picture, truth, tiles)
    assert_ticks(picture, truth, tiles, inputs)
    assert_axes(picture, truth, tiles[0])
    assert_strip(picture, truth, strip)
    assert_inputs(picture, truth, inputs, tiles)
    if bar is not None:
        assert_color_bar(picture, truth, bar)
    assert not picture.left_over.any()
    colored = bool(truth.inputs) or truth.over is not None or truth.pixels is not None
    assert (picture.image.format, picture.image.mode) == ("PNG", "RGBA" if colored else "P")
    assert picture.image.width <= 2000
    assert_caption(picture.caption, truth)


def assert_grid(tiles, rows, *, leads=False):
    """Tiles of one size, side by side with equal gaps, the rows full but for the last."""
    sizes = {(down.stop - down.start, across.stop - across.start) for down, across in tiles[leads:]}
    assert len(sizes) == 1
    ((_, wide),) = sizes
    ncols = sum(down.start == tiles[0][0].start for down, _ in tiles)
    assert not rows or (rows, len(tiles)) == (rows, rows * ncols)
    gaps = []
    for number, (down, across) in enumerate(tiles):
        assert across.start == tiles[number % ncols][1].start
        assert down.start == tiles[number - number % ncols][0].start
        if number % ncols:
            gaps.append(across.start - tiles[number - 1][1].start - wide)
    if gaps:
        assert min(gaps) >= BETWEEN
        assert max(gaps) - min(gaps) <= D
        if len(tiles) > 2 and max(gaps) > BETWEEN:  # the last one ends where the page does
            assert tiles[ncols - 1][1].start + wide == 2000


def assert_tile(picture, truth, number, box):
    """Every value is a rectangle of one color, that of its place in the range."""
    values, colors = truth.tiles[number], picture.take(box)
    height, width = values.shape[:2]
    tall, wide = colors.shape[0] // height, colors.shape[1] // width
    assert colors.shape == (height * tall, width * wide, 3)
    assert tall == wide or (width >= 8 * height and tall > wide)  # what is flat is drawn taller
    if truth.over is not None:
        assert_overlay(truth, number, colors, tall)
        return
    squares = colors.reshape(height, tall, width, wide, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    shown = squares[:, 0, :, 0]
    if truth.pixels is not None:
        assert np.abs(shown - truth.pixels[number] * 255).max() < 1
        return
    place = places(values, truth.norms[number])
    hatch, beside = hatched(values), beside_the_hatch(values, own_range=not truth.shared)
    assert (shown[hatch] == COLORS[CONSTANT, :3]).all()
    opaque = picture.alpha[box].reshape(height, tall, width, wide)[:, 0, :, 0]
    assert ((opaque == 0) == beside).all()
    rest = ~(hatch | beside)
    assert wrong_pixels(shown[rest], possible_colors(place[rest], (0, 1), truth.cmap)) == 0


def hatched(values):
    """What is marked of a dead channel: its frame and every third diagonal; of others nothing."""
    down, across = np.indices(values.shape)
    edge = (down % (len(values) - 1 or 1) == 0) | (across % (values.shape[1] - 1 or 1) == 0)
    return (edge | ((down + across) % 3 == 0)) & is_dead(values)


def beside_the_hatch(values, *, own_range):
    """What is transparent between the lines of the hatch: all, or a diagonal of a shared range."""
    down, across = np.indices(values.shape)
    dark = own_range | ((down + across) % 3 == 1)
    return dark & ~hatched(values) & is_dead(values)


def assert_overlay(truth, number, colors, zoom):
    """The photograph shows through: where the magnitude is 0 it is all that is seen."""
    values, norm = truth.tiles[number], truth.norms[number]
    most = np.abs([norm.vmin, norm.vmax]).max()
    opacity = np.abs(values) / most if most else values
    top = possible_colors(places(values, norm) if most else values, (0, 1), truth.cmap)[1]
    if is_dead(values):
        opacity, top = (
            hatched(values).astype(float),
            np.broadcast_to(palette_color(CONSTANT), top.shape),
        )
    opacity, top = (np.kron(one, np.ones((zoom, zoom, 1))) for one in (opacity[..., None], top))
    under = resized(truth.over, *colors.shape[:2])
    if truth.cmap == "RdBu_r":  # both signs: a color each, on gray, and weak values are lifted
        opacity = opacity ** (2 / 3)
        under = 48 + (under @ [0.299, 0.587, 0.114])[..., None] * 160 / 255
        if not is_dead(values):
            reds = np.kron(values > 0, np.ones((zoom, zoom)))[..., None]
            top = np.where(reds, *strongest_colors(truth.cmap))
    blended = under * (1 - truth.alpha * opacity) + top * truth.alpha * opacity
    assert np.abs(colors - blended).max() < 5
    assert np.abs(colors - blended).mean() < 1


def strongest_colors(cmap):
    """The most saturated color of the upper half of a map, and that of the lower half."""
    steps = matplotlib.colormaps[cmap](np.linspace(0, 1, 512))[:, :3] * 255
    halves = steps[256:], steps[:256]
    return [half[np.ptp(half, axis=1).argmax()] for half in halves]


def palette_color(index):
    """The color of an index in a picture that isn't drawn on a page."""
    return np.frombuffer(palette("gray"), np.uint8).reshape(-1, 3)[index]


def assert_label(picture, label, box):
    down, across = box
    space = slice(max(0, down.start - LABEL), down.start)
    wide = max(across.stop - across.start, text_width(label, D) if label else 0)
    if label:
        assert picture.says(label, space, slice(across.start, across.start + wide))


def assert_bars(picture, truth, tiles):
    """Under each tile a bar as long as it is strong against the strongest, if ranges differ."""
    strengths = np.array(truth.strengths or [np.abs(values).max() for values in truth.tiles])
    wanted = not truth.shared and truth.pixels is None
    for strength, (down, across) in zip(strengths, tiles, strict=True):
        if not wanted:
            continue
        under = slice(down.stop + BAR_TOP, down.stop + BAR_TOP + BAR)
        bar = picture.alpha[under, across]
        picture.left_over[under, across] = False
        length = int((bar[0] == 255).sum())
        track = np.where(np.arange(bar.shape[1]) < length, 255, COLORS[TRACK, 3])
        assert (bar == track).all()
        assert abs(length - strength / strengths.max() * bar.shape[1]) < 0.51


def assert_ticks(picture, truth, tiles, inputs):
    """Left of the tiles stands what each row of them is, or what rows of values are."""
    across = slice(max((box[1].stop for box in inputs), default=0), tiles[0][1].start)
    ncols = sum(down == tiles[0][0] for down, _ in tiles)
    for text, (down, _) in zip(truth.rows, tiles[::ncols], strict=bool(truth.rows)):
        assert picture.says(text, slice(down.start, down.start + TEXT), across)
    if truth.lines:
        (down, beside), (rows, width) = tiles[0], truth.tiles[0].shape
        zoom, side = (down.stop - down.start) // rows, (beside.stop - beside.start) // width
        for row in range(0, rows, round_step(zoom, TEXT)):
            middle = zoom // side // 2 * side + side // 2  # of rows that are drawn taller
            top = down.start + row * zoom + middle - TEXT // 2
            assert picture.says(truth.lines(row), slice(max(0, top), top + TEXT), across)


def round_step(zoom, room):
    return next(step for step in (1, 2, 5, 10, 20, 50, 100) if step * zoom >= room)


def assert_axes(picture, truth, box):
    """Above a heat map what runs down, and below it what runs across, with figures."""
    (down, across), (below, beside) = box, truth.axes
    if below:
        wide = text_width(below, D)
        left = max(0, across.start - MARGIN - wide)
        assert picture.says(below, slice(0, down.start - MARGIN), slice(left, left + wide))
    if not beside:
        return
    width = truth.tiles[0].shape[1]
    zoom = (across.stop - across.start) // width
    line = slice(down.stop + 2 * D, down.stop + 2 * D + TEXT)
    expected = np.zeros((TEXT, picture.alpha.shape[1] + 99), np.uint8)
    right = across.stop
    if text_width(beside, D) + 12 * D < across.stop - across.start:
        right -= text_width(beside, D)
        expected[:, right:][:, : letters(beside).shape[1]] = letters(beside)
        right -= 6 * D
    end = -99
    for column in range(0, width, round_step(zoom, (len(str(width - 1)) * 7 + 10) * D)):
        wide = text_width(str(column), D)
        left = across.start + column * zoom + (zoom - wide) // 2
        if left >= end + 6 * D and left + wide <= right:
            expected[:, left:][:, :wide] = letters(str(column))
            end = left + wide
    found = picture.alpha[line]
    picture.left_over[line] = False
    assert np.array_equal(found, expected[:, : found.shape[1]])


def assert_strip(picture, truth, strip):
    """A line a prefix token: its name, and a cell a channel in the colors of its range."""
    for (name, values), box in zip(truth.strip.items(), strip, strict=True):
        cells = picture.take(box)
        wide = cells.shape[1] // len(values)
        assert cells.shape[1] == wide * len(values)
        assert (cells == cells[:1, ::wide].repeat(wide, 1)).all()
        norms = truth.norms[: len(values)]  # of a row of tiles
        place = [places(values[n : n + 1], norm)[0] for n, norm in enumerate(norms)]
        assert (
            wrong_pixels(cells[0, ::wide], possible_colors(np.array(place), (0, 1), truth.cmap))
            == 0
        )
        top = max(0, box[0].start - D)
        assert picture.says(name, slice(top, top + TEXT - D), slice(0, box[1].start))


def assert_inputs(picture, truth, inputs, tiles):
    """The photographs, in their proportions and level with the tiles."""
    ncols = sum(down == tiles[0][0] for down, _ in tiles)
    for photograph, box, (down, _) in zip(truth.inputs, inputs, tiles[::ncols], strict=False):
        shown = picture.take(box)
        height, width = shown.shape[:2]
        assert box[0].start == down.start
        assert abs(width - height * photograph.shape[1] / photograph.shape[0]) <= 1
        assert np.abs(shown - resized(photograph, height, width)).max() <= 3
        name = slice(down.start - LABEL, down.start), slice(box[1].start, box[1].start + 60)
        assert picture.says("input", *name)


def resized(photograph, height, width):
    """Pixels are averaged to fewer, or repeated to more."""
    tall, wide = photograph.shape[:2]
    if height >= tall and width >= wide:
        down, across = np.arange(height) * tall // height, np.arange(width) * wide // width
        return photograph[down[:, None], across].astype(np.float64)
    image = Image.fromarray(photograph).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).astype(np.float64)


def assert_color_bar(picture, truth, box):
    """All colors from the low end to the high end, and the figures of both and of the middle."""
    colors, norm, (down, across) = picture.take(box), truth.norms[0], box
    width = across.stop - across.start
    steps = possible_colors(np.linspace(0, 1, width), (0, 1), truth.cmap)
    assert all(wrong_pixels(row, steps) == 0 for row in colors)
    below = slice(down.stop, down.stop + 2 * D + TEXT)
    expected = np.zeros((TEXT, picture.image.width), np.uint8)
    for text, place in zip(figures(norm), (0, 0.5, 1), strict=True):
        left = across.start + round(place * (width - text_width(text, D)))
        expected[:, left:][:, : letters(text).shape[1]] = letters(text)
    found = picture.alpha[below]
    picture.left_over[below] = False
    assert np.array_equal(found[2 * D :], expected)


def figures(norm):
    """The values at the low end, in the middle and at the high end of the colors."""
    low, middle, high = (float(np.ravel(norm.inverse(np.array([p])))[0]) for p in (0.0, 0.5, 1.0))
    middle = 0.0 if abs(middle) < 1e-9 * high else middle
    return [f"{value:.3g}" for value in (low, middle, high)]


# Captions


def spelled_out(caption):
    """A caption with the words that it has where there is more room."""
    for short, long in {
        r"(?<!color )range per": "color range per",
        r"range shared by all layers": "shared color range across all layers",
        r"input denormalized": "input shown with ImageNet normalization undone",
        r"denormalized": "ImageNet normalization undone",
        r"as RGB": "as red, green, blue",
        r"R1–R4": "R1, R2, R3, R4",
        r"(N\w+, )(\d+) (?!of)": r"\1\2 of \2 ",
    }.items():
        caption = re.sub(short, long, caption)
    return caption


def holds(caption, fact):
    """Whether a caption says all parts of a fact, in their order."""
    return re.search(".*".join(map(re.escape, fact.split(", "))), caption, re.DOTALL)


def assert_caption(caption, truth):
    written, caption = caption, spelled_out(caption)
    for fact in truth.facts:
        assert holds(caption, fact)
    shared = truth.shared and len(truth.channels) > 1
    drawn = truth.pixels is None
    assert (f"· {truth.cmap}" in caption) == drawn
    usual = truth.over is None and not truth.strip and drawn and "earlier" not in caption
    if usual and len(written.partition("  ")[0]) <= 12:
        assert max(map(len, written.splitlines()[:2])) <= 127  # as 1,000 CSS pixels have room for
    assert (truth.cmap + " centered on " in caption) == (drawn and truth.cmap == "RdBu_r")
    assert ("color range per " in caption) == (drawn and not truth.shared)
    assert ("shared color range" in caption) == (drawn and shared)
    assert ("in a strip" in caption) == bool(truth.strip)
    assert (" undone" in caption) == (bool(truth.inputs) or truth.over is not None)
    outside = sum(
        int(((values < norm.vmin) | (values > norm.vmax)).sum())
        for values, norm in zip(truth.tiles, truth.norms, strict=True)
        if drawn
    )
    assert re.findall(r"(\d+) values? clipped", caption) == ([str(outside)] if outside else [])
    dead = ", ".join(map(str, truth.dead))
    assert re.findall(r'(\d+) constant \("dead"\) \w+: ([\d, ]*\d)', caption) == (
        [(str(len(truth.dead)), dead)] if dead else []
    )
    alike = near_duplicates(truth.channels) if drawn and not truth.rows else 0
    assert re.findall(r"(\d+) near-duplicate", caption) == ([str(alike)] if alike else [])
    if ", mean " in caption:
        assert_figures(caption, truth.channels)
    else:  # there is no room for all figures
        assert truth.strip
        low, high = (f"{end:.3g}" for end in (truth.channels.min(), truth.channels.max()))
        assert f"{low} … {high}" in caption


def assert_figures(caption, channels):
    """Range, histogram, mean, deviation, zeros and near-duplicates, of all values together."""
    told = r"(\S+) ([▁-█]{8}) (\S+), mean (\S+), std ([\d.e+-]+)"
    found = re.search(told, caption).groups()
    counts = np.histogram(channels, bins=8)[0]
    exact = channels.min(), channels.max(), channels.mean(), channels.std()
    for figure, value in zip((found[0], *found[2:]), exact, strict=True):
        # What is small against the deviation has fewer digits.
        assert abs(float(figure) - value) <= max(5e-3 * abs(value), 5e-3 * exact[3])
    assert found[1] == "".join("▁▂▃▄▅▆▇█"[round(7 * n / counts.max())] for n in counts)
    zeros = (channels == 0).mean()
    share = "< 1" if zeros < 0.01 else f"{100 * zeros:.0f}"
    assert re.findall(r"zeros (.*?) %", caption) == ([share] if zeros else [])


def near_duplicates(channels):
    """How many channels are like one before them."""
    planes = [plane.ravel() for plane in channels if plane.size >= 9 and not is_dead(plane)]
    r = np.abs(np.corrcoef(planes)) if len(planes) > 1 else np.zeros((1, 1))
    return int((np.tril(r, -1) > 0.99).any(1).sum())

"""The document: everything that an explorer's front end reads, as JSON and as PNG files."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from featmagic.explorer.budget import Share, fits, limits, shares
from featmagic.explorer.encoding import EncodedPlanes, dead_in, encode_planes
from featmagic.explorer.planes import SamplePlanes, sample_planes, samples_in
from featmagic.explorer.settings import COLORMAPS, settings_of
from featmagic.options.colormaps import is_diverging
from featmagic.options.indexing import picked
from featmagic.options.view import AXES, TAKEN, View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.input_image import explorer_image
from featmagic.planes.layout import check_used, fitting
from featmagic.recording.records import Activation, shape_of
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF, palette
from featmagic.render.png import encode_png
from featmagic.support.errors import FeatmagicError

# The schema: every key of the document that the front end reads


class PlaceIndexText(TypedDict):
    """Where in the tensor each value of the planes lies, as in `PlaceIndex`."""

    shape: tuple[int, ...]
    steps: tuple[int, ...]


class PrefixText(TypedDict):
    """The prefix tokens: their names, and their values for each plane."""

    names: list[str]
    values: list[list[float | None]]


class PlanesText(TypedDict):
    """The planes of one layer and sample; the file with the given id holds their values.

    The file is an 8-bit gray PNG of all planes under each other, `height` by `width` pixels each,
    where `shrink` by `shrink` values of a plane of the size `full` are averaged to a pixel. The
    lists have an item for each plane: None stands for a statistic of no finite value.
    """

    id: str
    height: int
    width: int
    full: list[int]
    shrink: int
    channels: list[int]
    low: list[float | None]
    high: list[float | None]
    mean: list[float | None]
    std: list[float | None]
    absmean: list[float | None]
    zeros: list[float | None]
    nan: list[int]
    inf: list[int]
    order: list[int] | None
    reach: PlaceIndexText | None
    prefix: PrefixText | None


class LayerFiguresText(TypedDict):
    """What the values of a layer's first sample add up to, and how its planes are drawn."""

    dead: int
    dead_of: int
    nan: int
    inf: int
    spatial: bool
    signed: bool
    field: list[int] | None


class LayerText(LayerFiguresText):
    """A layer; `plates` holds its planes by sample, none where `reason` says why."""

    key: str
    path: str
    call: int
    calls: int
    kind: str
    shape: str
    dtype: str
    device: str
    reason: str | None
    plates: dict[str, PlanesText]
    words: list[str]
    noun: str
    of: int
    samples: int


class ImageText(TypedDict):
    """The input image of one sample; the file with the given id holds its pixels."""

    id: str
    height: int
    width: int
    full: list[int]
    words: str


class StartText(TypedDict):
    """The selection at the start."""

    layer: str
    channel: int
    sample: int


class DocumentText(TypedDict):
    """The whole document, without the files.

    A byte below `levels` in a file of planes is a level of its plane's range: b stands for the
    value low + b / (levels - 1) * (high - low). `codes` names the other bytes, and `special` has
    their colors as RGB. `cmaps` has the colors of the levels, as base64 text of RGB bytes.
    """

    layers: list[LayerText]
    cmaps: dict[str, str]
    diverging: list[str]
    special: dict[str, list[int]]
    levels: int
    codes: dict[str, int]
    settings: dict[str, Any]
    start: StartText
    inputs: int
    maps: str
    images: dict[str, ImageText]
    words: list[str]


CODES = {
    "nan": NAN,
    "+inf": POSITIVE_INF,
    "-inf": NEGATIVE_INF,
    "constant": CONSTANT,
    "gap": GAP,
}


# The document


# Bytes of text besides those of planes: for the colormaps and such, and for each layer.
_BYTES_OF_DOCUMENT, _BYTES_OF_LAYER = 15_000, 700


@dataclass(frozen=True, eq=False)
class Document:
    """The contents of an explorer.

    Attributes:
        text: What travels as JSON.
        files: The PNGs, by the ids in the text.
        plan: How much of each layer travels, by key.
    """

    text: DocumentText
    files: dict[str, bytes]
    plan: Mapping[str, Share]


def document(
    activations: Sequence[Activation],
    view: View,
    *,
    maps: str = "feature_maps",
    inputs: int = 0,
) -> Document:
    """Make the document of some activations, within the `max_bytes` of the view.

    Of each layer it holds the first sample that the view names.

    Args:
        activations: The layers, in the order in which they ran.
        view: What is shown at the start, and how much may travel.
        maps: The name of the user's variable, for code that is copied.
        inputs: How many inputs the user can pick from.

    Raises:
        FeatmagicError: If there is nothing to show, or a sample, channel or layout doesn't exist.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(1, 3, 8, 8))
        >>> made = document([act], View(explore=True, layout="NCHW"))
        >>> made.text["layers"][0]["of"], list(made.files)
        (3, ['act/0'])
    """
    if not activations:
        raise FeatmagicError("Nothing to explore: no pass of the model has run yet.")
    views = {each.key: fitting(each, view, len(activations)) for each in activations}
    samples = {each.key: first_sample(each, views[each.key]) for each in activations}
    planes = {
        each.key: None
        if undrawable(each.tensor)
        else sample_planes(each, views[each.key], samples[each.key])
        for each in activations
    }
    _check_used(planes.values(), views.values(), view)
    images, files, words = image_text(activations[0], max(samples.values()), view)
    spent = sum(map(len, files.values())) + _BYTES_OF_DOCUMENT + _BYTES_OF_LAYER * len(planes)
    plan, is_kept = _plan(planes, view.max_bytes - spent)
    layers = []
    for activation in activations:
        key = activation.key
        encoded = _encoded(planes[key], samples[key], plan[key])
        if encoded is not None:
            files[planes_id(key, encoded.sample)] = encoded.png
        layers.append(layer_text(activation, planes[key], encoded, views[key]))
    counts = {key: len(each.channels) for key, each in planes.items() if each is not None}
    words += limits(layers, counts, view.max_bytes, held=is_kept)
    cmaps = list(dict.fromkeys([*COLORMAPS, *filter(None, [view.cmap])]))
    text: DocumentText = {
        "layers": layers,
        "cmaps": {name: _color_table(name) for name in cmaps},
        "diverging": [name for name in cmaps if is_diverging(name)],
        "special": _special_colors(),
        "levels": LEVELS,
        "codes": CODES,
        "settings": settings_of(view),
        "start": _start(layers),
        "inputs": inputs,
        "maps": maps,
        "images": images,
        "words": words,
    }
    return Document(text, files, plan)


def first_sample(activation: Activation, view: View) -> int:
    """Return the first sample that the view names; 0 where the activation has no such axis."""
    if undrawable(activation.tensor) or view.sample in ("0", "all"):
        return 0
    count = samples_in(activation, view)
    return picked(view.sample, count, "sample")[0] if count > 1 else 0


def grid_view(activation: Activation, view: View, layers: int) -> View:
    """Return the view of a layer's grid, for readers who don't see the explorer.

    Args:
        activation: One of the layers that are explored.
        view: The explorer's.
        layers: The number of layers that are explored: a layout may be meant for others.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(2, 5, 8, 6))
        >>> explored = View(explore=True, layout="NCHW", slice="mip", alpha=0.5)
        >>> grid_view(act, explored, 1) == View(layout="NCHW")
        True
    """
    view = fitting(activation, view, layers).only(*TAKEN["grid"])
    if undrawable(activation.tensor):
        return view
    used = sample_planes(activation, view, first_sample(activation, view)).used
    return view.without(*AXES - {"layout"} - used)


def _check_used(planes: Iterable[SamplePlanes | None], views: Iterable[View], view: View) -> None:
    """Refuse an option that makes no difference to any layer."""
    drawable = [each for each in planes if each is not None]
    used = {option for each in drawable for option in each.used}
    used |= {"layout"} if any(each.layout for each in views) else set()
    if drawable:
        check_used(used, view)


def _plan(planes: Mapping[str, SamplePlanes | None], budget: int) -> tuple[dict[str, Share], bool]:
    """Return how much of each layer travels, by key, and whether that keeps the budget."""
    sizes = [(0, 0, 0) if each is None else _size_of(each) for each in planes.values()]
    plan = shares(sizes, budget)
    return dict(zip(planes, plan, strict=True)), fits(sizes, plan, budget)


def _size_of(planes: SamplePlanes) -> tuple[int, int, int]:
    count, height, width = planes.values.shape
    return count, height, width


def _encoded(planes: SamplePlanes | None, sample: int, share: Share) -> EncodedPlanes | None:
    return None if planes is None else encode_planes(planes, sample, share.shrink, share.most)


def _start(layers: Sequence[LayerText]) -> StartText:
    """Select the first channel of the first layer that has a picture."""
    layer = next((each for each in layers if each["plates"]), layers[0])
    sample, planes = next(iter(layer["plates"].items()), ("0", None))
    channel = planes["channels"][0] if planes else 0
    return {"layer": layer["key"], "channel": channel, "sample": int(sample)}


def _color_table(cmap: str) -> str:
    """Return the colors of the levels, RGB, as base64 text."""
    return b64encode(palette(cmap)[: 3 * LEVELS]).decode()


def _special_colors() -> dict[str, list[int]]:
    """Return the colors of the bytes that are no levels: they are the same in all colormaps."""
    colors = np.frombuffer(palette("gray"), np.uint8).reshape(-1, 3)
    return {name: colors[code].tolist() for name, code in CODES.items()}


def image_text(
    activation: Activation, sample: int, view: View
) -> tuple[dict[str, ImageText], dict[str, bytes], list[str]]:
    """Return the input image of a sample, its file, and the reason if there should be one."""
    pixels, words = explorer_image(activation, sample, view)
    if pixels is None or activation.inputs.image is None:
        return {}, {}, [words] * bool(words)
    image: ImageText = {
        "id": f"image/{sample}",
        "height": len(pixels),
        "width": pixels.shape[1],
        "full": list(activation.inputs.image.shape[-2:]),
        "words": words,
    }
    return {str(sample): image}, {image["id"]: encode_png(pixels, b"")}, []


_NO_FIGURES: LayerFiguresText = {
    "dead": 0,
    "dead_of": 0,
    "nan": 0,
    "inf": 0,
    "spatial": False,
    "signed": False,
    "field": None,
}


def layer_text(
    activation: Activation,
    planes: SamplePlanes | None,
    encoded: EncodedPlanes | None,
    view: View,
) -> LayerText:
    """Return the text of a layer.

    Args:
        activation: The layer as it was captured.
        planes: Its planes; None if it has no picture.
        encoded: What travels of them; None if it has no picture.
        view: How its axes are read.
    """
    tensor = activation.tensor
    text: LayerText = {
        "key": activation.key,
        "path": activation.path,
        "call": activation.call,
        "calls": activation.calls,
        "kind": activation.kind,
        "shape": shape_of(tensor),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "device": str(tensor.device),
        "reason": undrawable(tensor),
        "plates": {},
        "words": [],
        "noun": "",
        "of": 0,
        "samples": 1,
        **_NO_FIGURES,
    }
    if planes is None or encoded is None:
        return text
    dead, dead_of = dead_in(planes)
    nan, inf = _nonfinite(planes, encoded)
    return {
        **text,
        "plates": {str(encoded.sample): planes_text(activation.key, planes, encoded)},
        "words": list(planes.words),
        "noun": planes.noun,
        "of": planes.total,
        "samples": samples_in(activation, view),
        "dead": dead,
        "dead_of": dead_of,
        "nan": nan,
        "inf": inf,
        "spatial": planes.spatial,
        "signed": planes.signed,
        "field": _field(activation, planes),
    }


def layer_without_planes(layer: LayerText, reason: str) -> LayerText:
    """Return the text of a layer that has no picture this time, and why."""
    return {**layer, **_NO_FIGURES, "reason": reason, "plates": {}}


def _field(activation: Activation, planes: SamplePlanes) -> list[int] | None:
    """Return the receptive field of a value, if the planes are as the module returned them."""
    as_returned = activation.tensor.shape[-2:] == planes.values.shape[-2:]
    field = activation.field if planes.spatial and as_returned else None
    return None if field is None else field.as_list()


def _nonfinite(planes: SamplePlanes, encoded: EncodedPlanes) -> tuple[int, int]:
    """Count NaN and infinities, also in the planes that don't travel."""
    figures = encoded.figures
    nan, inf = figures.nan.sum(), figures.inf.sum()
    rest = planes.values[len(figures.nan) :]
    if len(rest):
        nan, inf = nan + int(rest.isnan().sum()), inf + int(rest.isinf().sum())
    return int(nan), int(inf)


def planes_id(key: str, sample: int) -> str:
    """Return the id of the file with the planes of a layer and sample."""
    return f"{key}/{sample}"


_EXACT, _ROUGH = 9, 5  # digits: of the ends of a range, as float32 has them; of other figures


def planes_text(key: str, planes: SamplePlanes, encoded: EncodedPlanes) -> PlanesText:
    """Return the text of the planes of one sample; their file travels beside it.

    Args:
        key: The activation's key.
        planes: The planes.
        encoded: What travels of them.
    """
    figures = encoded.figures
    exact = _EXACT if planes.values.dtype == torch.float32 else None
    has_values = figures.low <= figures.high  # else no value is finite, and there is no mean
    return {
        "id": planes_id(key, encoded.sample),
        "height": encoded.size[0],
        "width": encoded.size[1],
        "full": list(encoded.full),
        "shrink": encoded.shrink,
        "channels": list(encoded.channels),
        "low": _rounded(figures.low, exact),
        "high": _rounded(figures.high, exact),
        "mean": _rounded(np.where(has_values, figures.mean, np.nan), _ROUGH),
        "std": _rounded(np.where(has_values, figures.std, np.nan), _ROUGH),
        "absmean": _rounded(np.where(has_values, figures.absmean, np.nan), _ROUGH),
        "zeros": _rounded(figures.zeros, _ROUGH),
        "nan": figures.nan.astype(int).tolist(),
        "inf": figures.inf.astype(int).tolist(),
        "order": None if planes.order is None else list(planes.order),
        "reach": _place_index(planes),
        "prefix": _prefix(encoded),
    }


def _rounded(numbers: NDArray[np.float64], digits: int | None) -> list[Any]:
    """Round numbers to some digits (to none if None), with None for those that aren't finite."""
    finite = np.isfinite(numbers)
    rounded = numbers if digits is None else _shortened(numbers, digits)
    if not finite.all():
        rounded = rounded.astype(object)
        rounded[~finite] = None
    items: list[Any] = rounded.tolist()
    return items


def _shortened(numbers: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Round numbers to some digits, except those for which the factor is out of range."""
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(np.where(numbers == 0, 1, numbers))))
        factor = 10.0**places
        short = np.round(numbers * factor) / factor
    return np.where(np.isfinite(short), short, numbers)


def _place_index(planes: SamplePlanes) -> PlaceIndexText | None:
    index = planes.place_index
    return None if index is None else {"shape": index.shape, "steps": index.steps}


def _prefix(encoded: EncodedPlanes) -> PrefixText | None:
    if encoded.prefix is None:
        return None
    values, names = encoded.prefix
    return {"names": list(names), "values": _rounded(values, _ROUGH)}

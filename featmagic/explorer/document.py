"""The document: everything that an explorer's front end reads, as JSON and as PNG files."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from featmagic.explorer.budget import Share, limits, shares
from featmagic.explorer.encoding import PlanesText, encode_planes, plate_key, sample_in
from featmagic.explorer.finds import finds
from featmagic.explorer.layer_tree import layer_tree
from featmagic.explorer.places import NO_AXES, attention_text, axes_text
from featmagic.explorer.planes import SamplePlanes, sample_planes, samples_in
from featmagic.explorer.schema import (
    DocumentText,
    ImageText,
    LayerFiguresText,
    LayerText,
    StartText,
    TreeRowText,
)
from featmagic.explorer.settings import COLORMAPS, controls, selectors, settings_of
from featmagic.explorer.words import KEYS, TIPS
from featmagic.options.colormaps import is_diverging
from featmagic.options.groups import AXES, TAKEN
from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.input_image import explorer_image
from featmagic.planes.layout import check_used, fitting
from featmagic.planes.measurements import constant_planes, to_host, value_range
from featmagic.recording.records import Activation, shape_of
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF, palette
from featmagic.render.png import encode_png
from featmagic.render.raster import raster_of
from featmagic.support.errors import FeatmagicError
from featmagic.support.memory import unless_out_of_memory
from featmagic.support.text import printable, readable

CODES = {
    "nan": NAN,
    "+inf": POSITIVE_INF,
    "-inf": NEGATIVE_INF,
    "constant": CONSTANT,
    "gap": GAP,
}

# The document

# Bytes of text besides those of planes: for the colormaps and such, and for each layer.
_BYTES_OF_DOCUMENT, _BYTES_OF_LAYER = 15_000, 850


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
    activations: Sequence[Activation], view: View, *, maps: str = "feature_maps", inputs: int = 0
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
        raise FeatmagicError("Nothing to explore: the model has not run yet.")
    views = [fitting(each, view, len(activations)) for each in activations]
    samples = [first_sample(each, own) for each, own in zip(activations, views, strict=True)]
    planes = list(map(_planes_or_reason, activations, views, samples))
    _check_used(planes, views, view)
    images, files, words = image_text(activations[0], max(samples), view)
    spent = sum(map(len, files.values())) + _BYTES_OF_DOCUMENT + _BYTES_OF_LAYER * len(planes)
    sizes = [(0, 0, 0) if isinstance(each, str) else each.values.shape for each in planes]
    plan = shares(sizes, view.max_bytes - spent)
    words += limits(sizes, plan, view.max_bytes - spent, view.max_bytes)
    layers, names = [], _harmless([activation.key for activation in activations])
    for of_layer, read, share in zip(
        zip(names, activations, views, samples, strict=True), planes, plan, strict=True
    ):
        write = partial(_layer_text, *of_layer, share=share)
        layer, file = unless_out_of_memory(partial(write, read), write)
        layers.append(layer)
        files |= file
    cmaps = list(dict.fromkeys([*COLORMAPS, *filter(None, [view.cmap])]))
    colors = np.frombuffer(palette("gray"), np.uint8).reshape(-1, 3)
    text: DocumentText = {
        "layers": layers,
        "tree": _tree(layers),
        "cmaps": {name: b64encode(palette(name)[: 3 * LEVELS]).decode() for name in cmaps},
        "diverging": [name for name in cmaps if is_diverging(name)],
        # The bytes that are no levels have the same colors in all colormaps.
        "special": {name: colors[code].tolist() for name, code in CODES.items()},
        "levels": LEVELS,
        "codes": CODES,
        "selectors": selectors(),
        "controls": controls(cmaps),
        "finds": finds(),
        "keys": [*KEYS],
        "tips": TIPS,
        "settings": settings_of(view),
        "start": _start(layers, view),
        "inputs": inputs,
        "input": None,
        "maps": maps,
        "images": images,
        "words": words,
    }
    return Document(text, files, dict(zip(names, plan, strict=True)))


def _harmless(keys: Sequence[str]) -> list[str]:
    """Return each key as people read it, all of them distinct."""
    names: dict[str, None] = {}
    for key in keys:
        name = readable(key)
        while name != key and (name in keys or name in names):
            name += "_"
        names[name] = None
    return list(names)


def _tree(layers: Sequence[LayerText]) -> list[TreeRowText]:
    """Return the rows of the tree of layers."""
    keys = [layer["key"] for layer in layers]
    return [
        {
            "name": row.name,
            "level": row.level,
            "layer": None if row.layer is None else keys[row.layer],
            "parent": row.parent,
            "end": row.end,
        }
        for row in layer_tree(keys, [layer["path"] for layer in layers])
    ]


def _quoted(key: str) -> str:
    """Return the key as code without invisible characters, to be copied from an explorer."""
    return json.dumps(key, ensure_ascii=False) if printable(key) == key else ascii(key)


def first_sample(activation: Activation, view: View) -> int:
    """Return the first sample that the view names; 0 where the activation has no such axis."""
    if undrawable(activation.tensor) or view.sample in ("0", "all"):
        return 0
    count = samples_in(activation, view)
    return picked(view.sample, count, "sample")[0] if count > 1 else 0


def grid_view(activation: Activation, view: View, layers: int) -> View:
    """Return the view of a layer's grid, for readers who don't see the explorer of all layers."""
    view = fitting(activation, view, layers).only(*TAKEN["grid"])
    if undrawable(activation.tensor):
        return view
    used = sample_planes(activation, view, first_sample(activation, view)).used
    return view.without(*AXES - {"layout"} - used)


def _planes_or_reason(activation: Activation, view: View, sample: int) -> SamplePlanes | str:
    """Return the planes of a sample, or why there are none."""
    if reason := undrawable(activation.tensor):
        return reason
    read: Callable[[], SamplePlanes | str] = partial(sample_planes, activation, view, sample)
    return unless_out_of_memory(read, str)


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
    return {str(sample): image}, {image["id"]: encode_png(raster_of(pixels))}, []


def _check_used(planes: Iterable[SamplePlanes | str], views: Iterable[View], view: View) -> None:
    """Refuse an option that makes no difference to any layer."""
    drawable = [each for each in planes if not isinstance(each, str)]
    used = {option for each in drawable for option in each.used}
    used |= {"layout"} if any(each.layout for each in views) else set()
    used |= {"tokens"} if any(each.tokens and each.tokens.grid for each in drawable) else set()
    if drawable:
        check_used(used, view)


def _start(layers: Sequence[LayerText], view: View) -> StartText:
    """Select the first channel of the first layer that has a picture."""
    which, deepest = view.slice, max(layer["slices"] for layer in layers)
    layer = next((each for each in layers if each["plates"]), layers[0])
    key, planes = next(iter(layer["plates"].items()), ("0", None))
    return {
        "layer": layer["key"],
        "channel": planes["channels"][0] if planes else 0,
        "sample": sample_in(key),
        "slice": which + deepest if isinstance(which, int) and which < 0 else which,
    }


NO_FIGURES: LayerFiguresText = {
    "dead": 0,
    "dead_of": 0,
    "nan": 0,
    "inf": 0,
    "spatial": False,
    "signed": False,
    "field": None,
}


def _layer_text(
    name: str,
    activation: Activation,
    view: View,
    sample: int,
    planes: SamplePlanes | str,
    *,
    share: Share,
) -> tuple[LayerText, dict[str, bytes]]:
    """Return the text of a layer, and the file of its planes; or the reason why it has none."""
    tensor = activation.tensor
    text: LayerText = {
        "key": name,
        "code": _quoted(activation.key),
        "path": printable(activation.path),
        "call": activation.call,
        "calls": activation.calls,
        "kind": readable(activation.kind),
        "convolution": activation.convolution is not None,
        "shape": shape_of(tensor),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "device": str(tensor.device),
        "reason": planes if isinstance(planes, str) else None,
        "plates": {},
        "first": "",
        "words": [],
        "noun": "",
        "item": "",
        "axes": NO_AXES,
        "of": 0,
        "samples": 1,
        "slices": 0,
        "attention": None,
        **NO_FIGURES,
    }
    if isinstance(planes, str):
        return text, {}
    encoded, png = encode_planes(name, sample, planes, share)
    text = {
        **text,
        "plates": {plate_key(sample, encoded["slice"]): encoded},
        "first": plate_key(sample, encoded["slice"]),
        "words": [*planes.words],
        "noun": planes.noun,
        "item": planes.item,
        "axes": axes_text(planes),
        "of": planes.total,
        "samples": samples_in(activation, view),
        "slices": planes.slice.of if planes.slice else 0,
        "attention": attention_text(planes),
        **_figures(activation, planes, encoded),
    }
    return text, {encoded["id"]: png}


def _figures(activation: Activation, planes: SamplePlanes, encoded: PlanesText) -> LayerFiguresText:
    dead, dead_of = _dead(planes)
    nan, inf = sum(encoded["nan"]), sum(encoded["inf"])
    rest = planes.values[len(encoded["channels"]) :]  # the planes that don't travel
    if len(rest):
        nan, inf = nan + int(rest.isnan().sum()), inf + int(rest.isinf().sum())
    # The field is that of a value, if the planes are as the module returned them.
    as_returned = activation.tensor.shape[-2:] == planes.values.shape[-2:]
    field = activation.field if planes.spatial and as_returned else None
    return {
        "dead": dead,
        "dead_of": dead_of,
        "nan": nan,
        "inf": inf,
        "spatial": planes.spatial,
        "signed": planes.signed,
        "field": None if field is None else field.as_list(),
    }


def _dead(planes: SamplePlanes) -> tuple[int, int]:
    """Return how many channels are constant, and how many could be checked."""
    rows = planes.channel_values.flatten(1)
    if rows.shape[1] < 2:
        return 0, 0
    (ends,) = to_host(value_range(rows, 1))
    return int(np.count_nonzero(constant_planes(**ends))), len(rows)

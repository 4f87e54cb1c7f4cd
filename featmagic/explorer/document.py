"""All that an explorer shows: text for the script, and bytes beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featmagic.explorer.budget import Share, fits, limits, shares
from featmagic.explorer.encoding import EncodedPlanes, dead_in, encode_planes
from featmagic.explorer.planes import SamplePlanes, sample_planes, samples_in
from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, is_diverging
from featmagic.options.indexing import picked
from featmagic.options.view import AXES, TAKEN, View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.input_image import explorer_image
from featmagic.planes.layout import check_used, fitting
from featmagic.recording.records import Activation, shape_of
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF, palette
from featmagic.render.png import encode_png
from featmagic.support.errors import FeatmagicError

CMAPS = (SEQUENTIAL, "magma", "cividis", "gray", DIVERGING, "coolwarm", "PuOr_r")


_FIXED, _OF_A_LAYER = 15_000, 700  # bytes of text besides those of planes: color maps and such


@dataclass(frozen=True, eq=False)
class Document:
    """What an explorer holds.

    Attributes:
        text: as the script reads it; JSON can be made of it.
        files: the PNGs, by the `id` that the text names.
        plan: how much of each layer travels, by key.
    """

    text: Json
    files: dict[str, bytes]
    plan: Mapping[str, Share]


def document(
    activations: Sequence[Activation],
    view: View,
    *,
    maps: str = "feature_maps",
) -> Document:
    """What an explorer of those activations holds, within the view's `max_bytes`.

    Of each layer the view's first sample travels.

    Args:
        activations: in the order in which they ran.
        view: what is shown at the start, and how much may travel.
        maps: the name of the user's variable, for code that is copied.

    Raises:
        FeatmagicError: nothing to show, or a sample, channel or layout that isn't there.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(1, 3, 8, 8))
        >>> made = document([act], View(explore=True, layout="NCHW"))
        >>> made.text["layers"][0]["of"], list(made.files)
        (3, ['act/0'])
    """
    if not activations:
        raise FeatmagicError("Nothing to explore: no pass of the model has run yet.")
    views = {one.key: fitting(one, view, len(activations)) for one in activations}
    samples = {one.key: first_sample(one, views[one.key]) for one in activations}
    spreads = {
        one.key: None
        if undrawable(one.tensor)
        else sample_planes(one, views[one.key], samples[one.key])
        for one in activations
    }
    used = {option for one in spreads.values() if one for option in one.used}
    used |= {"layout"} if any(how.layout for how in views.values()) else set()
    if any(spreads.values()):
        check_used(used, view)
    first = activations[0]
    shown, files, words = image_text(first, max(samples.values()), view)
    spent = sum(map(len, files.values())) + _FIXED + _OF_A_LAYER * len(activations)
    plan, held = planned(spreads, view.max_bytes - spent)
    layers = []
    for one in activations:
        made = encoded_planes_of(spreads[one.key], samples[one.key], plan[one.key])
        files |= {plate_id(one.key, each.sample): each.png for each in made}
        layers.append(layer_text(one, spreads[one.key], made, views[one.key]))
    planes = {key: len(one.channels) for key, one in spreads.items() if one}
    words += limits(layers, planes, view.max_bytes, held=held)
    text = opening(layers, view) | {"maps": maps, "images": shown, "words": words}
    return Document(text, files, plan)


def first_sample(activation: Activation, view: View) -> int:
    """The first of the view's samples that the activation is asked for; 0 where it has none.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(4, 3, 8, 8))
        >>> first_sample(act, View(sample="-1", layout="NCHW"))
        3
    """
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


def encoded_planes_of(one: SamplePlanes | None, sample: int, share: Share) -> list[EncodedPlanes]:
    """The one plate of a sample; none where there is no picture."""
    return [] if one is None else [encode_planes(one, sample, share.shrink, share.most)]


def planned(
    spreads: Mapping[str, SamplePlanes | None], budget: int
) -> tuple[dict[str, Share], bool]:
    """How much of each layer travels, by key; and whether the budget holds that."""
    shapes = [(0, 0, 0) if one is None else one.values.shape for one in spreads.values()]
    sizes = [(planes, height, width) for planes, height, width in shapes]
    found = shares(sizes, budget)
    return dict(zip(spreads, found, strict=True)), fits(sizes, found, budget)


def image_text(
    activation: Activation, sample: int, view: View
) -> tuple[Json, dict[str, bytes], list[str]]:
    """The input of that sample as the script reads it, its PNG, and why there is none."""
    pixels, words = explorer_image(activation, sample, view)
    if pixels is None or activation.inputs.image is None:
        return {}, {}, [words] * bool(words)
    name, full = f"image/{sample}", list(activation.inputs.image.shape[-2:])
    text = {"id": name, "height": len(pixels), "width": pixels.shape[1], "full": full}
    return {str(sample): text | {"words": words}}, {name: encode_png(pixels, b"")}, []


def opening(layers: Sequence[Json], view: View) -> Json:
    """Colors, settings and selection at the start."""
    names = list(dict.fromkeys([*CMAPS, *filter(None, [view.cmap])]))
    start = next((text for text in layers if text["plates"]), layers[0])
    plates = start["plates"]
    channels = next(iter(plates.values()))["channels"] if plates else [0]
    return {
        "layers": list(layers),
        "cmaps": {name: table(name) for name in names},
        "diverging": [name for name in names if is_diverging(name)],
        "special": special(),
        "settings": settings(view),
        "start": {
            "layer": start["key"],
            "channel": channels[0],
            "sample": int(next(iter(plates), 0)),
        },
        "inputs": 0,
    }


def settings(view: View) -> dict[str, Any]:
    """The display settings that the view asks for; the script can change them all.

    Example:
        >>> settings(View(robust=2))["robust"]
        2.0
    """
    return {
        "cmap": view.cmap or "auto",
        "scale": view.scale or "channel",
        "robust": view.robust or 0,
        "gamma": 1,
        "sort": "absmean" if view.topk and view.sort == "index" else view.sort,
        "topk": view.topk or 0,
        "alpha": view.alpha,
        "zoom": view.zoom or 0,
    }


def table(cmap: str) -> str:
    """A color map's `LEVELS` colors, RGB, as base64 text.

    Example:
        >>> len(table("gray"))
        992
    """
    return b64encode(palette(cmap)[: 3 * LEVELS]).decode()


def special() -> dict[str, list[int]]:
    """The colors of what is no number, of a channel of one value, and of gaps."""
    colors = np.frombuffer(palette("gray"), np.uint8).reshape(-1, 3)
    named = {"nan": NAN, "+inf": POSITIVE_INF, "-inf": NEGATIVE_INF, "constant": CONSTANT}
    return {name: colors[at].tolist() for name, at in (named | {"gap": GAP}).items()}


Json = dict[str, Any]


def layer_text(
    activation: Activation,
    one: SamplePlanes | None,
    plates: Iterable[EncodedPlanes],
    view: View,
) -> Json:
    """A layer, as the script reads it.

    Args:
        activation: as it was captured.
        one: its planes; None where there is no picture of it.
        plates: what travels of them, a sample each.
        view: how its axes are read.

    Example:
        >>> import torch
        >>> act = Activation("fc", "fc", "Linear", 1, torch.zeros(()))
        >>> layer_text(act, None, [], View())["reason"]
        'the single value 0'
    """
    tensor = activation.tensor
    text: Json = {
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
    }
    if one is None:
        return text | {"words": [], "noun": "", "of": 0, "samples": 1, **HEALTHY}
    made = list(plates)
    dead, of = dead_in(one)
    nan, inf = _nonfinite(one, made)
    return text | {
        "words": list(one.words),
        "noun": one.noun,
        "of": one.of,
        "samples": samples_in(activation, view),
        "dead": dead,
        "dead_of": of,
        "nan": nan,
        "inf": inf,
        "spatial": one.spatial,
        "signed": one.signed,
        "field": _field(activation, one),
        "plates": {str(plate.sample): plate_text(activation.key, one, plate) for plate in made},
    }


def _field(activation: Activation, one: SamplePlanes) -> list[int] | None:
    """What a place sees of the input, where the planes are as the module gave them."""
    as_given = activation.tensor.shape[-2:] == one.values.shape[-2:]
    field = activation.field if one.spatial and as_given else None
    return None if field is None else field.as_list()


def _nonfinite(one: SamplePlanes, made: list[EncodedPlanes]) -> tuple[int, int]:
    """How many values are NaN and infinite: in planes that don't travel too."""
    there = made[0].figures
    nan, inf = there.nan.sum(), there.inf.sum()
    rest = one.values[len(there.nan) :]
    if len(rest):
        nan, inf = nan + int(rest.isnan().sum()), inf + int(rest.isinf().sum())
    return int(nan), int(inf)


# Of a layer without a picture.
HEALTHY: Json = {
    **{"dead": 0, "dead_of": 0, "nan": 0, "inf": 0},
    **{"spatial": False, "signed": False, "field": None},
}


def plate_id(key: str, sample: int) -> str:
    """What a plate's PNG goes by.

    Example:
        >>> plate_id("layer1.0.conv1", 3)
        'layer1.0.conv1/3'
    """
    return f"{key}/{sample}"


def plate_text(key: str, one: SamplePlanes, plate: EncodedPlanes) -> Json:
    """A plate, as the script reads it; its PNG travels beside.

    Args:
        key: the activation's.
        one: the planes that it was made of.
        plate: what travels of them.
    """
    figures, reach = plate.figures, one.reach
    exact = _EXACT if one.values.dtype == torch.float32 else None
    some = figures.low <= figures.high  # else no value is finite, and there is no mean
    return {
        "id": plate_id(key, plate.sample),
        "height": plate.size[0],
        "width": plate.size[1],
        "full": list(plate.full),
        "shrink": plate.shrink,
        "channels": list(plate.channels),
        "low": _rounded(figures.low, exact),
        "high": _rounded(figures.high, exact),
        "mean": _rounded(np.where(some, figures.mean, np.nan), _ROUGH),
        "std": _rounded(np.where(some, figures.std, np.nan), _ROUGH),
        "absmean": _rounded(np.where(some, figures.absmean, np.nan), _ROUGH),
        "zeros": _rounded(figures.zeros, _ROUGH),
        "nan": figures.nan.astype(int).tolist(),
        "inf": figures.inf.astype(int).tolist(),
        "order": None if one.order is None else list(one.order),
        "reach": None if reach is None else {"shape": reach.shape, "steps": reach.steps},
        "prefix": _prefix(plate),
    }


def _rounded(numbers: NDArray[np.float64], digits: int | None) -> list[Any]:
    """Numbers of so many digits (all, if None), short as text; None for what is no number."""
    finite = np.isfinite(numbers)
    exact = numbers if digits is None else _shortened(numbers, digits)
    if not finite.all():
        exact = exact.astype(object)
        exact[~finite] = None
    found: list[Any] = exact.tolist()
    return found


def _shortened(numbers: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Numbers of so many digits; those stay as they are that float64 can't shorten."""
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(np.where(numbers == 0, 1, numbers))))
        factor = 10.0**places
        short = np.round(numbers * factor) / factor
    return np.where(np.isfinite(short), short, numbers)


_EXACT, _ROUGH = 9, 5  # digits: of the ends of a range, as float32 has them; of other figures


def _prefix(plate: EncodedPlanes) -> Json | None:
    if plate.prefix is None:
        return None
    values, names = plate.prefix
    return {"names": list(names), "values": _rounded(values, _ROUGH)}

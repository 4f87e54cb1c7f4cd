"""The schema: every key of the document that the front end reads."""

from __future__ import annotations

from typing import Any, TypedDict

from featmagic.explorer.encoding import PlanesText
from featmagic.explorer.finds import FindText
from featmagic.explorer.places import AttentionText, AxesText
from featmagic.explorer.settings import ControlText
from featmagic.explorer.words import KeysText


class LayerFiguresText(TypedDict):
    """Summary figures of a layer's first sample, and how its planes are drawn."""

    dead: int
    dead_of: int
    nan: int
    inf: int
    spatial: bool
    signed: bool
    field: list[int] | None


class LayerText(LayerFiguresText):
    """A layer; `plates` holds its planes by `plate_key`, none where `reason` says why.

    `first` is the key of those that the figures are of.

    The `key` is safe to show in any front end; `code` is the real key as a Python literal. `noun`
    is what the planes are, in the plural, and `item` what one channel is, whether it has a plane of
    its own or not. `slices` is 0 for what is no volume. Of a convolution, the front end may ask for
    the patch and the kernel that give a value.
    """

    key: str
    code: str
    path: str
    call: int
    calls: int
    kind: str
    convolution: bool
    shape: str
    dtype: str
    device: str
    reason: str | None
    plates: dict[str, PlanesText]
    first: str
    words: list[str]
    noun: str
    item: str
    axes: AxesText
    of: int
    samples: int
    slices: int
    attention: AttentionText | None


class ImageText(TypedDict):
    """The input image of one sample; the file with the given id holds its pixels."""

    id: str
    height: int
    width: int
    full: list[int]
    words: str


class TreeRowText(TypedDict):
    """A `TreeRow` of the tree of layers; `layer` is a key, None for a header."""

    name: str
    level: int
    layer: str | None
    parent: int | None
    end: int


class StartText(TypedDict):
    """The selection at the start."""

    layer: str
    channel: int
    sample: int
    slice: int | str


class DocumentText(TypedDict):
    """The whole document, without the files.

    A byte below `levels` in a file of planes is a level of its plane's range: b stands for the
    value low + b / (levels - 1) * (high - low). `codes` names the other bytes, and `special` has
    their colors as RGB. `cmaps` has the colors of the levels, as base64 text of RGB bytes. `input`
    is the one of the `inputs` that the layers are of; None for that of the pass.
    """

    layers: list[LayerText]
    tree: list[TreeRowText]
    cmaps: dict[str, str]
    diverging: list[str]
    special: dict[str, list[int]]
    levels: int
    codes: dict[str, int]
    selectors: list[ControlText]
    controls: list[ControlText]
    finds: list[FindText]
    keys: list[KeysText]
    tips: dict[str, str]
    settings: dict[str, Any]
    start: StartText
    inputs: int
    input: int | None
    maps: str
    images: dict[str, ImageText]
    words: list[str]

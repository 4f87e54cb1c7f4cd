"""`Explorer`: layers and channels to click through, as a widget that Python can read and steer."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakSet

import anywidget
import traitlets
from torch import Tensor

from featmagic.explorer.protocol import CHECKS, NoSuchChoice, answer, channels_of, number_of
from featmagic.explorer.session import Session, changed
from featmagic.support.environment import (
    is_jupyterlab,
    is_run_by_a_program,
    run_in_main_thread,
    running_shell,
)
from featmagic.support.errors import FeatmagicError, one_line

_STATIC = Path(__file__).parent / "static"


_PARCEL = 2 * 10**6  # bytes of a message, so that what is clicked on needn't wait for all the rest


def _script() -> str:
    """The explorer, and behind it what a notebook needs beside."""
    explorer = (_STATIC / "explorer.js").read_text("utf-8")
    notebook = (_STATIC / "notebook.js").read_text("utf-8")
    return explorer.replace("\nexport default {", "\nconst live = {", 1) + notebook


class KernelWidget(anywidget.AnyWidget):
    """A widget whose script asks the kernel for more, as long as it has a source.

    With the widget travels what is seen first; the rest follows when the script says that it is
    there. A program that runs notebooks (nbclient) says nothing, and keeps all that travels first.
    """

    _esm = _script()
    _css = (_STATIC / "explorer.css").read_text("utf-8")

    # What these hold is in the source, once: a trait's own value would be compared and copied.
    _contents = traitlets.Any().tag(sync=True, to_json=lambda _, it: it._text_sent())
    _bytes = traitlets.Any().tag(sync=True, to_json=lambda _, it: it._files_sent())
    _alive = traitlets.Bool(True).tag(sync=True)

    def __init__(self, source: Session, **traits: Any) -> None:
        self._source: Session | None = source
        self._opened: Session | None = source  # what travelled first
        self._alone = is_run_by_a_program()
        self._travelled = set() if self._alone else _first(source)
        self._opening = True
        super().__init__(**{"model_id": uuid4().hex, **traits})
        self._opening = False
        self.on_msg(KernelWidget._asked)
        if self.comm is not None and hasattr(self.comm, "on_close"):
            self.comm.on_close(lambda _: self.close())

    def close(self) -> None:
        """Let go of the source, and of the widget in the browser."""
        layout = self.layout if getattr(self, "comm", None) is not None else None
        if getattr(self, "_source", None) is not None:
            self._alive = False
        self._source = self._opened = None
        super().close()
        if layout is not None:
            layout.close()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser chose; what can't be is put back there."""
        if self._source is None:
            return
        given = dict(sync_data)
        picked = "input" in given
        number = given.pop("input", None)
        try:
            super().set_state(given)
        except FeatmagicError:
            self.send_state([name for name in given if name in self.keys])
        if picked:
            run_in_main_thread(partial(self._pick, number))

    def _pick(self, number: Any) -> None:
        """Take the input that the browser picked, and tell it of an error."""
        try:
            self.input = number
        except (Exception, KeyboardInterrupt) as error:
            self.send_state("input")
            self.send({"busy": False, "error": one_line(error)})

    def _asked(self, asked: Any, _: Any) -> None:
        """Answer what the script asks, or say in a line why not."""
        if not isinstance(asked, dict) or self._source is None:
            return
        if asked.get("ask") == "here":
            self._send_rest(self._source)
            return
        try:
            text, files = answer(self._source, asked)
        except Exception as error:
            text, files = {"error": one_line(error)}, {}
        self._tell({"answer": asked.get("id"), **text}, files)

    def _show(self, source: Session) -> None:
        """Show another source; only what changed travels."""
        if self._source is not None:
            self._tell(*changed(self._source.shown, source.shown))
        self._source = source

    def _tell(self, text: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.send({**text, "ids": list(files)}, buffers=list(files.values()))

    def _send_rest(self, source: Session) -> None:
        shown = source.shown
        if self._alone:
            self.send_state(["_contents", "_bytes"])
            self._alone = False
            self._travelled.update(shown.files)
        elif self._opened is not None and source is not self._opened:
            text, files = changed(self._opened.shown, shown)  # nobody heard of it before
            self._tell(text, files)
            self._travelled.update(files)
        rest = {name: png for name, png in shown.files.items() if name not in self._travelled}
        for files in _parcels(rest):
            self._tell({"changed": [], "images": shown.text["images"]}, files)
        self._travelled.update(rest)

    def _text_sent(self) -> dict[str, Any]:
        if self._source is None or (self._opening and self._alone):
            return {}
        return self._source.shown.text

    def _files_sent(self) -> dict[str, bytes]:
        files = {} if self._source is None else self._source.shown.files
        return {name: files[name] for name in self._travelled} if self._opening else files


def _first(source: Session) -> set[str]:
    """The files that are seen first: the start layer's, and its input."""
    text = source.shown.text
    sample = str(text["start"]["sample"])
    plate = source.layers[text["start"]["layer"]]["plates"].get(sample)
    return {it["id"] for it in (plate, text["images"].get(sample)) if it}


def _parcels(files: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """The files, a few MB at once."""
    parcel: dict[str, bytes] = {}
    for name, data in files.items():
        parcel[name] = data
        if sum(map(len, parcel.values())) > _PARCEL:
            yield parcel
            parcel = {}
    if parcel:
        yield parcel


VIEW = "application/vnd.jupyter.widget-view+json"


TAIL = 128  # letters of base64 that hold the mark at the end of a PNG


class _Closes(Protocol):
    def close(self) -> None: ...


def marked(png: bytes, name: str) -> bytes:
    r"""The PNG with a name in it, by which it is told from others of the same pixels.

    Example:
        >>> import numpy as np
        >>> from featmagic.render.png import encode_gray_png
        >>> png = marked(encode_gray_png(np.zeros((1, 1), np.uint8)), "a1")
        >>> png[-29:-16]
        b'tEXtwidget\x00a1'
    """
    body, end = png[:-12], png[-12:]
    text = b"tEXt" + b"widget\0" + name.encode()
    size, check = struct.pack(">I", len(text) - 4), struct.pack(">I", zlib.crc32(text))
    return body + size + text + check + end


def tail(png: bytes) -> str:
    """The end of a PNG as base64 text: enough to know it by, where it is marked."""
    return b64encode(png).decode()[-TAIL:]


_made: dict[str, tuple[str, WeakSet[Any]]] = {}  # by cell: the run that made them, and what


def made_here(widget: _Closes) -> None:
    """Note that the cell made the widget; those of its earlier runs are closed."""
    kernel = getattr(running_shell(), "kernel", None)
    parent = (kernel.get_parent() if kernel is not None else None) or {}
    cell = (parent.get("metadata") or {}).get("cellId")
    if cell is None:
        return
    run = parent["header"]["msg_id"]
    before, widgets = _made.get(cell, (run, WeakSet()))
    if before != run:
        for old in list(widgets):
            old.close()
        widgets = WeakSet()
    widgets.add(widget)
    _made[cell] = run, widgets


def _choice(default: Any) -> Any:
    """A synced trait that the explorer checks itself; `traitlets.Any` has None go unchecked."""
    return traitlets.TraitType(default).tag(sync=True)


class Explorer(KernelWidget):
    """An explorer of feature maps: what `FeatureMaps.explore()` makes.

    Its traits can be read, set, observed, and linked to those of other widgets; a click in the
    browser sets them too. A value that can't be is refused, and nothing changes.

    Attributes:
        layer: key of the chosen layer.
        channel: number of the chosen channel.
        sample: number of the chosen item of the batch.
        position: the chosen place `(y, x)` in the channel, in the tensor's own pixels, or None.
        input: number of the input that was picked, or None for what was captured. Setting it runs
            the model, as a look; an error of the model's is raised, and nothing changes.
        settings: how it is drawn: cmap, scale, robust, gamma, sort, topk, alpha, zoom. Those that
            aren't named when it is set keep their values.

    The activations, and the model and inputs where they were given, are held until `close()`.

    Raises:
        FeatmagicError: a trait is set to a value that can't be, or anything used after `close()`.
    """

    layer = _choice("")
    channel = _choice(0)
    sample = _choice(0)
    position = _choice(None)
    input = _choice(None)
    settings = _choice({})
    _picture = traitlets.Unicode().tag(sync=True)  # the end of the picture that it stands in for

    def __init__(
        self,
        source: Session,
        again: Callable[[int], Session] | None = None,
        picture: tuple[bytes, dict[str, Any]] = (b"", {}),
        words: str = "",
    ) -> None:
        """Open it.

        Args:
            source: what it shows.
            again: what it shows of the input of a number; None where there are no inputs.
            picture: the grid, as a PNG with what front ends are told of it.
            words: the grid in words.
        """
        self._again = again
        self._picked: int | None = None
        name, start = uuid4().hex, source.shown.text
        self._png = marked(picture[0], name) if picture[0] else b""
        self._size, self._words = picture[1], words
        chosen = {**start["start"], "settings": start["settings"], "_picture": tail(self._png)}
        super().__init__(source, model_id=name, **chosen)
        made_here(self)

    def __repr__(self) -> str:
        if self._source is None:
            return "<Explorer: closed>"
        return f"<Explorer: {len(self._source.layers)} layers, at {self.layer}>"

    @property
    def selection(self) -> Tensor:
        """The chosen channel of the chosen sample, `(H, W)`, on the model's device.

        Raises:
            FeatmagicError: there is no picture of the layer, or the explorer is closed.
        """
        source = self._there()
        sample = min(self.sample, source.layer(self.layer)["samples"] - 1)
        return source.plane(self.layer, sample, self.channel)

    def close(self) -> None:
        """Let go of every tensor; a notebook shows the grid in its place."""
        super().close()
        self._again = None

    def _there(self) -> Session:
        if self._source is None:
            raise FeatmagicError("This explorer is closed: feature_maps.explore() opens another.")
        return self._source

    @traitlets.validate(*CHECKS)
    def _checked(self, proposal: Any) -> Any:
        try:
            check = CHECKS[proposal["trait"].name]
            return check(self._there(), self, proposal["value"])
        except FeatmagicError as error:
            raise NoSuchChoice(str(error)) from None

    @traitlets.observe("layer", "input")
    def _moved(self, _: Any) -> None:
        """Choose what there is, where what was chosen isn't there any more."""
        source = self._there()
        channels = channels_of(source.layer(self.layer))
        for name, other in (("channel", channels[0]), ("sample", 0), ("position", None)):
            try:
                CHECKS[name](source, self, getattr(self, name))
            except FeatmagicError:
                setattr(self, name, other)

    @traitlets.validate("input")
    def _shown(self, proposal: Any) -> int | None:
        """Show the input, unless it is shown; what fails leaves everything as it was."""
        number = self._number_of_input(proposal["value"])
        if number == self._picked:
            return number
        if number is None or self._again is None:
            self._show(self._opened or self._there())
        else:
            self._show(self._run(self._again, number))
        self._picked = number
        return number

    def _number_of_input(self, value: Any) -> int | None:
        if value is None:
            return None
        there = self._there().shown.text["inputs"]
        if not there:
            raise NoSuchChoice("There are no inputs: explore(model=model, inputs=xs) brings some.")
        try:
            return number_of("input", value, range(there))
        except FeatmagicError as error:
            raise NoSuchChoice(str(error)) from None

    def _run(self, again: Callable[[int], Session], number: int) -> Session:
        self.send({"busy": True})
        try:
            return again(number)
        finally:
            self.send({"busy": False})

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The grid, for all who show no widgets; and the widget, but where its script stands in."""
        data, told = super()._repr_mimebundle_() or ({}, {})
        data["text/plain"] = self._words or repr(self)
        if self._png:
            data["image/png"] = b64encode(self._png).decode()
            told = {**told, "image/png": self._size}
            if is_run_by_a_program() or is_jupyterlab():
                data.pop(VIEW, None)
                told.pop(VIEW, None)
        return data, told

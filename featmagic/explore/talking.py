"""What travels between an explorer's script and the kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

from featmagic.explore.answers import answer
from featmagic.explore.source import Source, changed
from featmagic.support.environment import in_turn, nobody_watches, one_line
from featmagic.support.errors import FeatmagicError

_HERE = Path(__file__).parent
_PARCEL = 2 * 10**6  # bytes of a message, so that what is clicked on needn't wait for all the rest


def _script() -> str:
    """The explorer, and behind it what a notebook needs beside."""
    explorer = (_HERE / "explorer.js").read_text("utf-8")
    notebook = (_HERE / "notebook.js").read_text("utf-8")
    return explorer.replace("\nexport default {", "\nconst live = {", 1) + notebook


class Talking(anywidget.AnyWidget):
    """A widget whose script asks the kernel for more, as long as it has a source.

    With the widget travels what is seen first; the rest follows when the script says that it is
    there. A program that runs notebooks (nbclient) says nothing, and keeps all that travels first.
    """

    _esm = _script()
    _css = (_HERE / "explorer.css").read_text("utf-8")

    # What these hold is in the source, once: a trait's own value would be compared and copied.
    _contents = traitlets.Any().tag(sync=True, to_json=lambda _, it: it._text_sent())
    _bytes = traitlets.Any().tag(sync=True, to_json=lambda _, it: it._files_sent())
    _alive = traitlets.Bool(True).tag(sync=True)

    def __init__(self, source: Source, **traits: Any) -> None:
        self._source: Source | None = source
        self._opened: Source | None = source  # what travelled first
        self._alone = nobody_watches()
        self._travelled = set() if self._alone else _first(source)
        self._opening = True
        super().__init__(**{"model_id": uuid4().hex, **traits})
        self._opening = False
        self.on_msg(Talking._asked)
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
            in_turn(partial(self._pick, number))

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

    def _show(self, source: Source) -> None:
        """Show another source; only what changed travels."""
        if self._source is not None:
            self._tell(*changed(self._source.shown, source.shown))
        self._source = source

    def _tell(self, text: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.send({**text, "ids": list(files)}, buffers=list(files.values()))

    def _send_rest(self, source: Source) -> None:
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


def _first(source: Source) -> set[str]:
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

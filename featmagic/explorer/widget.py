"""`Explorer`: layers and channels to click through, as a widget that Python can read and steer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets
from ipywidgets import Layout
from torch import Tensor

from featmagic.explorer.cell_runs import note_run, note_use
from featmagic.explorer.opening import Opening
from featmagic.explorer.picture_mark import mark_png, tail
from featmagic.explorer.protocol import (
    CHOICES,
    NoSuchChoice,
    Place,
    answer,
    channels_of,
    check_choice,
    check_state,
    is_message,
    is_question,
)
from featmagic.explorer.session import Session, changes
from featmagic.explorer.settings import SETTINGS
from featmagic.support.environment import (
    is_jupyterlab,
    is_run_by_a_program,
    run_in_main_thread,
)
from featmagic.support.errors import FeatmagicError, one_line
from featmagic.support.text import readable, truncate

VIEW = "application/vnd.jupyter.widget-view+json"

_STATIC = Path(__file__).parent / "static"

# Bytes in a message: small enough that what the user clicks on needn't wait for all the rest.
_PARCEL = 2 * 10**6

_LONGEST_ERROR = 500  # characters of an error that are sent; it may quote the question

_RETIRED = (
    "this explorer released its tensors because newer ones were opened: run its cell again for "
    "exact values and other samples"
)


class _NotedLayout(Layout):  # type: ignore[misc]
    """A layout that is noted before it opens."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(model_id=opening.note(self))


class KernelWidget(anywidget.AnyWidget):
    """A widget whose script asks the kernel for more, as long as it has a session.

    The files that are seen first travel with the widget; the others follow when the script says
    that it has started. A program that runs notebooks (nbclient) never does, and saves only what
    traveled first.
    """

    _esm = (_STATIC / "explorer.js").read_text("utf-8")
    _css = (_STATIC / "explorer.css").read_text("utf-8")

    # The session holds their values, once: traitlets would compare and copy a value of their own.
    _contents = traitlets.Any().tag(sync=True, to_json=lambda _, widget: widget._text_to_send())
    _bytes = traitlets.Any().tag(sync=True, to_json=lambda _, widget: widget._files_to_send())
    _alive = traitlets.Bool(True).tag(sync=True)

    def __init__(self, session: Session, opening: Opening, **traits: Any) -> None:
        name = opening.note(self)
        self._session: Session | None = session
        self._first_session: Session | None = session
        self._has_no_reader = is_run_by_a_program()
        self._sent = set() if self._has_no_reader else _seen_first(session)
        self._is_opening = True
        super().__init__(model_id=name, layout=_NotedLayout(opening), **traits)
        self._is_opening = False
        self.on_msg(KernelWidget._hear)
        if self.comm is not None and hasattr(self.comm, "on_close"):
            self.comm.on_close(lambda _: self.close())

    def close(self) -> None:
        """Release every tensor, and close the widget; a notebook shows the grid in its place."""
        layout = self.layout if getattr(self, "comm", None) is not None else None
        if getattr(self, "_session", None) is not None:
            self._release()
            self._alive = False
        super().close()
        if layout is not None:
            layout.close()

    def retire(self) -> None:
        """Release the session; the browser keeps what it was sent, and says so."""
        if self._session is not None:
            self._release()
            self._alive = False
            self._tell({"busy": False, "error": _RETIRED}, {})

    def _release(self) -> None:
        self._session = self._first_session = None

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        """Handle a message from the front end; ignore one that the protocol doesn't allow.

        ipywidgets would put binary parts anywhere in a state, and print a traceback if it can't.
        """
        note_use(self)
        if is_message(msg):
            super()._handle_msg(msg)

    def _hear(self, question: Any, _: Any) -> None:
        """Answer a question of the script; the answer to an invalid one says what is wrong."""
        if not is_question(question) or self._session is None:
            return
        if question["ask"] == "here":
            self._send_rest(self._session)
            return
        try:
            text, files = answer(self._session, question)
        except Exception as error:
            text, files = {"error": truncate(one_line(error), _LONGEST_ERROR)}, {}
        self._tell({"answer": question.get("id"), **text}, files)

    def _show(self, session: Session) -> None:
        """Show another session; only what is different travels."""
        if self._session is not None:
            self._tell(*changes(self._session.shown, session.shown))
        self._session = session

    def _tell(self, text: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.send({**text, "ids": list(files)}, buffers=list(files.values()))

    def _send_rest(self, session: Session) -> None:
        """Send what hasn't traveled yet to the script, which has started."""
        shown = session.shown
        if self._has_no_reader:
            self.send_state(["_contents", "_bytes"])
            self._has_no_reader = False
            self._sent.update(shown.files)
        elif self._first_session is not None and session is not self._first_session:
            text, files = changes(self._first_session.shown, shown)  # no script heard of it before
            self._tell(text, files)
            self._sent.update(files)
        rest = {name: png for name, png in shown.files.items() if name not in self._sent}
        for files in _parcels(rest):
            self._tell({"changed": [], "images": shown.text["images"]}, files)
        self._sent.update(rest)

    def _text_to_send(self) -> Mapping[str, Any]:
        if self._session is None or (self._is_opening and self._has_no_reader):
            return {}
        return self._session.shown.text

    def _files_to_send(self) -> dict[str, bytes]:
        files = {} if self._session is None else self._session.shown.files
        return {name: files[name] for name in self._sent} if self._is_opening else files


def _seen_first(session: Session) -> set[str]:
    """Return the ids of the files that are seen first: the start layer's, and its input's."""
    text = session.shown.text
    plates = session.layers[text["start"]["layer"]]["plates"].values()
    planes, image = next(iter(plates), None), text["images"].get(str(text["start"]["sample"]))
    return {each["id"] for each in (planes, image) if each is not None}


def _parcels(files: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Yield the files, a few megabytes at a time."""
    parcel: dict[str, bytes] = {}
    for name, data in files.items():
        parcel[name] = data
        if sum(map(len, parcel.values())) > _PARCEL:
            yield parcel
            parcel = {}
    if parcel:
        yield parcel


def _choice(name: str) -> Any:
    """Make the trait of a choice, which `Explorer` checks; `traitlets.Any` doesn't check None."""
    return traitlets.TraitType(CHOICES[name].start).tag(sync=True)


_NONE = object()  # no input waits to be picked


class Explorer(KernelWidget):
    """The widget that `FeatureMaps.explore()` returns: an interactive view of feature maps.

    Its traits can be read, set, observed, and linked to those of other widgets; clicks in the
    browser set them too. If a value is invalid, an error is raised and nothing changes.

    Attributes:
        layer: The key of the selected layer.
        channel: The index of the selected channel.
        sample: The index of the selected sample in the batch.
        slice: The slice of a volume that is shown: an index, or "mid" for the middle slice, "mip"
            for the maximum over depth, or "mean" for the mean over depth.
        position: The selected position `(y, x)` in the channel, in elements of the tensor, or None.
        input: The index of the selected item of `inputs`, or None for the captured input. Setting
            it runs the model in eval mode and without gradients; if the model fails, its error is
            raised and nothing changes.
        settings: A dict of how the layer is drawn: {settings}. Settings that are left out when it
            is set keep their values.

    The explorer holds the captured tensors, and the model and inputs if any, until `close()`.

    Raises:
        FeatmagicError: If a trait is set to an invalid value, or is used after `close()`.

    Example::

        ex = feature_maps.explore()
        ex.layer, ex.channel = "conv1", 3
        ex.selection.mean()
    """

    layer = _choice("layer")
    channel = _choice("channel")
    sample = _choice("sample")
    slice = _choice("slice")
    position = _choice("position")
    input = _choice("input")
    settings = _choice("settings")
    _picture = traitlets.Unicode().tag(sync=True)  # the end of the picture that it replaces

    def __init__(
        self,
        session: Session,
        rerun: Callable[[int], Session] | None = None,
        picture: tuple[bytes, dict[str, Any]] = (b"", {}),
        words: str = "",
        opening: Opening | None = None,
    ) -> None:
        """Open an explorer.

        Args:
            session: What it shows.
            rerun: Returns a session of the input with a number; None if there are no inputs.
            picture: The grid, as a PNG with its metadata for front ends.
            words: The grid in words.
            opening: Closes the widget if an interrupt prevents the caller from getting it.
        """
        self._rerun = rerun
        self._picked: int | None = None
        self._wanted: Any = _NONE
        text = session.shown.text
        self._png = mark_png(picture[0], uuid4().hex) if picture[0] else b""
        self._metadata, self._words = picture[1], words
        self._last_settings: Mapping[str, Any] = text["settings"]
        chosen = {**text["start"], "settings": text["settings"], "_picture": tail(self._png)}
        super().__init__(session, opening or Opening(), **chosen)
        note_run(self)

    def __repr__(self) -> str:
        if self._session is None:
            return "<Explorer: closed>"
        return f"<Explorer: {len(self._session.layers)} layers, at {readable(self.layer)}>"

    @property
    def selection(self) -> Tensor:
        """The selected channel of the selected sample, a tensor `(H, W)` on the model's device.

        Raises:
            FeatmagicError: If the layer has no picture, or the explorer is closed.
        """
        session = self._open_session()
        layer = session.layer(self.layer)
        sample, which = min(self.sample, layer["samples"] - 1), self.slice
        if isinstance(which, int):  # of the deepest volume
            which = min(which, layer["slices"] - 1) if layer["slices"] else None
        return session.plane(self.layer, sample, self.channel, which)

    def _release(self) -> None:
        super()._release()
        self._rerun = None

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the user chose in the browser, all of it or nothing.

        What isn't valid is undone there.
        """
        if self._session is None:
            return
        try:
            check_state(self._place(), sync_data)
        except FeatmagicError:
            self.send_state([*CHOICES])
            return
        chosen = dict(sync_data)
        number = chosen.pop("input", _NONE)
        super().set_state(chosen)
        if number is _NONE:
            return
        waits, self._wanted = self._wanted is not _NONE, number
        if not waits:  # else the last one that was picked is shown once the cell is done
            run_in_main_thread(self._pick)

    def _pick(self) -> None:
        """Take the input that the user picked in the browser, and report an error there."""
        number, self._wanted = self._wanted, _NONE
        try:
            self.input = number
        except (Exception, KeyboardInterrupt) as error:
            self.send_state("input")
            self.send({"busy": False, "error": truncate(one_line(error), _LONGEST_ERROR)})

    def _open_session(self) -> Session:
        if self._session is None:
            raise FeatmagicError("This explorer is closed: feature_maps.explore() opens another.")
        return self._session

    def _place(self) -> Place:
        return Place(self._open_session(), self.layer, self._last_settings)

    @traitlets.validate(*[name for name in CHOICES if name != "input"])
    def _check(self, proposal: Any) -> Any:
        """Check a choice; any error becomes one for which traitlets undoes the change."""
        name, value = proposal["trait"].name, proposal["value"]
        try:
            return check_choice(self._place(), name, value)
        except FeatmagicError as error:
            raise NoSuchChoice(str(error)) from None
        except Exception as error:  # the user's object can't be read
            raise NoSuchChoice(f"{name} can't be read: {one_line(error)}") from error

    @traitlets.observe("settings")
    def _keep_settings(self, change: Any) -> None:
        self._last_settings = change["new"]

    @traitlets.observe("layer", "input")
    def _choose_what_exists(self, _: Any) -> None:
        """Choose again where the layer or input lacks what was chosen before."""
        place = self._place()
        channels = channels_of(place.session.layer(self.layer))
        others = {"channel": channels[0], "sample": 0, "slice": "mid", "position": None}
        for name, other in others.items():
            try:
                check_choice(place, name, getattr(self, name))
            except FeatmagicError:
                setattr(self, name, other)

    @traitlets.validate("input")
    def _show_input(self, proposal: Any) -> int | None:
        """Show an input unless it is shown already; if that fails, nothing changes."""
        number = None if proposal["value"] is None else self._check(proposal)
        if number == self._picked:
            return number
        if number is None or self._rerun is None:
            self._show(self._first_session or self._open_session())
        else:
            self._show(self._run(self._rerun, number))
        self._picked = number
        return number

    def _run(self, rerun: Callable[[int], Session], number: int) -> Session:
        self.send({"busy": True})
        try:
            return rerun(number)
        finally:
            self.send({"busy": False})

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the grid for front ends without widgets, and the widget.

        The widget's view is left out where the script replaces the grid by the explorer.
        """
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        data["text/plain"] = self._words or repr(self)
        if self._png:
            data["image/png"] = b64encode(self._png).decode()
            metadata = {**metadata, "image/png": self._metadata}
            if is_run_by_a_program() or is_jupyterlab():
                data.pop(VIEW, None)
                metadata.pop(VIEW, None)
        return data, metadata


if Explorer.__doc__:  # python -OO has none
    Explorer.__doc__ = Explorer.__doc__.format(settings=", ".join(SETTINGS))

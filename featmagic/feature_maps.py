"""`FeatureMaps`: what a pass gave, as a mapping that can show itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from featmagic.explorer.html.save import save_page
from featmagic.explorer.terminal.open import browse
from featmagic.files.arrays import check_whole, save_arrays
from featmagic.files.paths import holds_arrays, holds_page, target_files, write_whole
from featmagic.grid import show as grid
from featmagic.grid.draw import Drawing, draw_all
from featmagic.options.defaults import session_defaults
from featmagic.options.view import TAKEN, View, view_of, view_with_defaults
from featmagic.overview import show as overview
from featmagic.overview.filmstrip import Filmstrip, filmstrip
from featmagic.overview.image import filmstrip_png
from featmagic.overview.table import filmstrip_text
from featmagic.recording.diagnostics import missing_lines, why_missing
from featmagic.recording.records import Activation, Pass, shape_of
from featmagic.recording.selectors import matching_keys
from featmagic.render.figure import mosaic_figure
from featmagic.render.image import mosaic_png
from featmagic.render.target import Target, current_target, why_no_widget
from featmagic.support.environment import name_of, running_shell, runs_widgets
from featmagic.support.errors import FeatmagicError, MissingMap
from featmagic.support.text import printable, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from featmagic.explorer.widget import Explorer


class FeatureMaps(Mapping[str, Tensor]):
    """The activations of the last pass, by key, in the order in which the layers ran.

    A key is a layer's path, with `:2` for its second call in the pass and so on, and with the
    Python that reaches a tensor in a nested return value: `lstm[1][0]`, `enc['hidden']`. A value
    is a detached copy on the model's device, in the shape the layer gave it.

    Attributes:
        missing: the layers that were asked for and gave nothing, each with the reason.

    Raises:
        MissingMap: (a `KeyError`) for a key that isn't there; it says what is.

    Example:
        >>> import featmagic, torch
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 5, 5), torch.nn.ReLU())
        >>> with featmagic.capture(net, "0") as feature_maps:
        ...     y = net(torch.zeros(1, 1, 28, 28))
        >>> for name, maps in feature_maps.items():
        ...     print(name, tuple(maps.shape))
        0 (1, 5, 24, 24)
    """

    def __init__(self) -> None:
        self._pass = Pass()
        self.missing: Mapping[str, str] = {}

    def __getitem__(self, key: str) -> Tensor:
        return self._activation(key).tensor

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._pass.activations))

    def __len__(self) -> int:
        return len(self._pass.activations)

    # A mapping is compared by its values; tensors have no one answer to that.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<FeatureMaps: {self.shapes()}>"

    def shapes(self) -> str:
        """Every key with its shape, in one line."""
        shapes = (f"{printable(key)} {shape_of(maps)}" for key, maps in self.items())
        return ", ".join(shapes) or "nothing captured"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def show(self, *layers: str, **view: Any) -> None:
        """Show the grids, each under its caption: what `%%featuremaps` shows.

        Args:
            layers: keys, or layers as they are written for a look; all, if none is given.
            **view: the fields of `View`, such as `cmap="gray"` or `channels="0:16"`.

        Raises:
            FeatmagicError: a key or an option that isn't there, or a value that can't be.
        """
        self.show_view(layers, view_with_defaults(view, session_defaults()))

    def show_view(
        self, layers: tuple[str, ...], view: View, *, model: Any = None, inputs: Any = None
    ) -> None:
        """`show`, with a `View` made before; an explorer may have inputs to pick from."""
        where = current_target(view.renderer)
        if view.explore and self:
            self._open(layers, view, where, model, inputs)
        else:
            self._show(layers, view.only(*TAKEN["grid"]) if view.explore else view, where)
        if layers:
            return
        for line in missing_lines(self.missing):
            say(line)
        if not self and not self.missing:
            say("Nothing to show: no pass of the model has run yet.")

    def _show(self, layers: tuple[str, ...], view: View, where: Target) -> None:
        """Show the grids, or the film."""
        wanted = self._named(layers)
        if view.overview:
            overview.show(film := filmstrip(wanted, view, where.viewport), where)
            if film.interrupted:
                raise KeyboardInterrupt
        else:
            with closing(draw_all(wanted, view, where.viewport)) as drawings:
                for drawing in drawings:
                    grid.show(drawing, where, view.rows)

    def _open(
        self, layers: tuple[str, ...], view: View, where: Target, model: Any, inputs: Any
    ) -> None:
        """Show an explorer; or the grids, where there can be none, and why."""
        if not runs_widgets():
            browse(self._named(layers), view, where)
        elif reason := why_no_widget(where):
            self._show(layers, view.only(*TAKEN["grid"]), where)
            say(f"Shown without an explorer: {reason}.")
        else:
            from featmagic.explorer.open import show_explorer  # anywidget takes its time

            explorer = self.explore_view(layers, view, model=model, inputs=inputs)
            if explorer is not None:
                show_explorer(explorer)

    def explore(
        self, *layers: str, model: nn.Module | None = None, inputs: Any = None, **view: Any
    ) -> Explorer | None:
        """An explorer of the maps, to click through: what `%%featuremaps --explore` shows.

        Args:
            layers: keys, or layers as they are written for a look; all, if none is given.
            model: what gave the maps, if inputs can be picked; it is held until the explorer is
                closed.
            inputs: what can be picked: a tensor whose first axis is the items, or a list of what
                each call of the model is given: a tensor, a tuple of arguments, or a dict of named
                ones. Picking one runs the model in the kernel, as a look.
            **view: the fields of `View`, such as `max_bytes="8MB"` or `cmap="gray"`.

        Returns:
            A widget, which a notebook shows where it is the value of a cell. In a terminal of
            IPython a browser of text opens at once, and None is returned once it is closed.

        Raises:
            FeatmagicError: a key or an option that isn't there, nothing to explore, or no IPython
                to show it.
        """
        how = view_with_defaults({**view, "explore": True}, session_defaults())
        return self.explore_view(layers, how, model=model, inputs=inputs)

    def explore_view(
        self, layers: tuple[str, ...], view: View, *, model: Any = None, inputs: Any = None
    ) -> Explorer | None:
        """`explore`, with a `View` made before."""
        activations = self._named(layers)
        if runs_widgets():
            from featmagic.explorer.open import open_explorer

            name = name_of(self, "feature_maps")
            return open_explorer(activations, view, name, model, inputs)
        if running_shell() is None:
            raise FeatmagicError(
                "An explorer needs a notebook or IPython; feature_maps.save('look.html') writes "
                "the same as a page."
            )
        if model is not None or inputs is not None:
            raise FeatmagicError("Inputs are for an explorer in a notebook, not in a terminal.")
        browse(activations, view, current_target(view.renderer))
        return None

    def pictures(self, *layers: str, **view: Any) -> list[tuple[str, bytes]]:
        """What `show` shows, as captions and PNGs: for a page of one's own.

        Returns:
            A caption and a PNG for each layer, or for all of them with `overview=True`; no bytes
            where there is no picture.

        Raises:
            FeatmagicError: as `show`.
        """
        activations, how = self._named(layers), _of_a_picture(view)
        if how.overview:
            film = self._film(activations, how)
            return [(filmstrip_text(film), filmstrip_png(film))]
        drawings = self._drawings(activations, how)
        return [(one.caption, mosaic_png(one.mosaic) if one.mosaic else b"") for one in drawings]

    def figure(self, layer: str, **view: Any) -> Figure:
        """A matplotlib Figure of one layer's grid, to go on with.

        Raises:
            FeatmagicError: no such key or option, or nothing to draw.
        """
        how = _of_a_picture(view)
        if how.overview:
            raise FeatmagicError("An overview is a PNG: save('overview.png', overview=True).")
        drawing = self._drawings([self._activation(layer)], how)[0]
        if drawing.mosaic is None:
            raise FeatmagicError(f"Nothing to draw: {drawing.caption}")
        return mosaic_figure(drawing.mosaic, drawing.caption)

    def save(
        self, path: str | os.PathLike[str], *layers: str, overwrite: bool = False, **view: Any
    ) -> list[Path]:
        """Write grids as a picture (.png, .svg, .pdf), an explorer as a page (.html), or tensors.

        Pictures of several layers are a file each, `maps-cnn1.png` for `maps.png`; a page holds
        them all, with as many samples as there is room for, and runs in any browser, offline; whole
        tensors are in one file (.npz, .safetensors), by key. No file is ever there in half.

        Args:
            path: where to; its suffix says what.
            layers: keys, or layers as they are written for a look; all, if none is given.
            overwrite: whether files that are there already may be replaced.
            **view: the fields of `View`, for pictures; for a page those of an explorer.

        Returns:
            The files that were written.

        Raises:
            FeatmagicError: no such key, option, suffix or folder, nothing to draw, an option of
                pictures for tensors, or a file that is there already.
        """
        if holds_page(path):
            how = _of_a_page(view)
        else:
            check_whole(path, view_of(**view))
            how = _of_a_picture(view)
        return self.save_view(path, layers, how, overwrite=overwrite)

    def save_view(
        self, path: str | os.PathLike[str], layers: tuple[str, ...], view: View, *, overwrite: bool
    ) -> list[Path]:
        """`save`, with a `View` made before, of which tensors take no notice."""
        activations = self._named(layers)
        targets = self.targets(path, layers, view, overwrite=overwrite)
        if view.overview and not holds_arrays(targets[0]):
            picture = filmstrip_png(self._film(activations, view))
            return write_whole({targets[0]: lambda beside: beside.write_bytes(picture)})
        if holds_arrays(targets[0]):
            return save_arrays(targets[0], activations, named=bool(layers))
        if holds_page(targets[0]):
            return save_page(targets[0], activations, view, maps=name_of(self, "feature_maps"))
        drawings = self._drawings(activations, view)
        return grid.save(targets, drawings, named=bool(layers))

    def targets(
        self, path: str | os.PathLike[str], layers: tuple[str, ...], view: View, *, overwrite: bool
    ) -> list[Path]:
        """The files that `save` would write, once it is sure that it may.

        Raises:
            FeatmagicError: as `save`, for a path or a layer.
        """
        keys = [activation.key for activation in self._named(layers)]
        if not keys:
            raise FeatmagicError("Nothing to save: no pass of the model has run yet.")
        if view.overview and not holds_arrays(Path(path)):
            return [overview.overview_target(path, overwrite=overwrite)]
        return target_files(path, keys, overwrite=overwrite)

    def begin(self, run: Pass) -> None:
        """Hold a pass in place of the last one; it goes on filling as the model runs."""
        self._pass = run
        self.missing = {}

    def _named(self, layers: tuple[str, ...]) -> list[Activation]:
        """The activations that the layers stand for, each once; all, if none is given."""
        for name in layers:
            if not isinstance(name, str):
                raise FeatmagicError(f"A layer is named by text, as in '0', not {name!r}.")
        there = list(self._pass.activations.values())
        keys = [key for name in layers for key in matching_keys(name, there) or [name]]
        return [self._activation(key) for key in dict.fromkeys(keys)] if layers else there

    def _film(self, activations: list[Activation], view: View) -> Filmstrip:
        """The whole film, as `pictures` and `save` have it."""
        film = filmstrip(activations, view)
        if film.interrupted:
            raise KeyboardInterrupt
        return film

    def _drawings(self, activations: list[Activation], view: View) -> list[Drawing]:
        """A drawing for each, as `mosaic_figure` and `save` have them."""
        return list(draw_all(activations, view))

    def _activation(self, key: str) -> Activation:
        activations = self._pass.activations
        if isinstance(key, str) and key in activations:
            return activations[key]
        raise MissingMap(printable(why_missing(str(key), activations, self.missing)))


def _of_a_picture(view: Mapping[str, Any]) -> View:
    """The view of a picture that isn't shown on a screen."""
    _check_no_screen(view)
    if view.get("explore"):
        raise FeatmagicError("An explorer is a page: save('look.html').")
    return view_with_defaults(view, session_defaults())


def _of_a_page(view: Mapping[str, Any]) -> View:
    """The view of an explorer that isn't shown on a screen."""
    _check_no_screen(view)
    if view.get("overview"):
        raise FeatmagicError("An overview is saved as .png: a page holds an explorer.")
    return view_with_defaults({**view, "explore": True}, session_defaults())


def _check_no_screen(view: Mapping[str, Any]) -> None:
    for name in ("renderer", "rows"):
        if name in view:
            raise FeatmagicError(f"{name} is for what is shown, and has no use here.")

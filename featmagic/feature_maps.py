"""`FeatureMaps`: what layers returned as a mapping, and the views that show it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from featmagic.explorer import show as explorer
from featmagic.files.arrays import check_whole, save_arrays
from featmagic.files.paths import holds_arrays, holds_page, target_files
from featmagic.grid.draw import draw_all
from featmagic.grid.outline import check_sizes
from featmagic.grid.pass_rows import drawn_names
from featmagic.grid.show import titled, warn_of_missing
from featmagic.options.defaults import page_view, picture_view, session_defaults
from featmagic.options.view import View, view_of, view_with_defaults
from featmagic.recording.diagnostics import missing_lines, why_missing
from featmagic.recording.kept_passes import KeptPasses, PassChoice
from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.records import Activation, Request, shape_of
from featmagic.recording.selectors import matching_keys, wider_pattern
from featmagic.recording.variables import kept_variables
from featmagic.render.figure import mosaic_figure
from featmagic.render.target import current_target
from featmagic.render.viewport import PAGE
from featmagic.support.environment import name_of
from featmagic.support.errors import FeatmagicError, MissingMap
from featmagic.support.text import readable, say
from featmagic.views.glance import EMPTY, Glance
from featmagic.views.kinds import STILLS, VIEWS, in_memory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from featmagic.explorer.widget import Explorer


_NOT_THEN = "it has no output in that pass"


class FeatureMaps(Mapping[str, Tensor]):
    """A mapping from layers to the tensors that they returned.

    A key is a layer's path, such as `layer1.0.conv1`. It ends with `:2` for the layer's second call
    in the pass (and so on), and with the Python expression that reaches a tensor in a nested
    output: `lstm[1][0]`, `enc['hidden']`, or `rois.boxes` for a public attribute of a plain object.
    Tensors deeper inside such an object are only mentioned in `missing`. Both `"."` and `""` refer
    to the model itself. A value is a detached copy with the shape, dtype and device of the output.

    If the model ran several times, all values of a layer come from the latest pass that ran it.
    Keys are in the order in which the layers ran in the latest pass; a layer that only an earlier
    pass ran comes after the layer that it followed there.

    Attributes:
        kept: The passes that were kept.
        missing: A mapping from each selected layer that has no output to the reason.

    Raises:
        MissingMap: If a key doesn't exist; a `KeyError` whose message lists the existing keys.

    Example:
        >>> import featmagic, torch
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 5, 5), torch.nn.ReLU())
        >>> with featmagic.capture(net, "0") as feature_maps:
        ...     y = net(torch.zeros(1, 1, 28, 28))
        >>> for name, maps in feature_maps.items():
        ...     print(name, tuple(maps.shape))
        0 (1, 5, 24, 24)
    """

    def __init__(self, passes: PassChoice = "last") -> None:
        self._hold(KeptPasses(passes))

    def _hold(self, kept: KeptPasses) -> None:
        self.kept = kept
        self.missing: Mapping[str, str] = {}

    @property
    def passes(self) -> tuple[FeatureMaps, ...]:
        """The feature maps of each pass in order, if all were kept with `capture(passes="all")`.

        A pass is a call of the whole model or, if the whole model wasn't called, of parts of it.

        Raises:
            FeatmagicError: If not all passes were kept.
        """
        return tuple(_maps_of(kept) for kept in self.kept.each())

    def __getitem__(self, key: str) -> Tensor:
        return self._activation(key).tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept.activations)

    def __len__(self) -> int:
        return len(self.kept.activations)

    # Mappings compare by value, but comparing tensors gives no single truth value.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return self._glance().text

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        return self._glance().bundle()

    def _mime_(self) -> tuple[str, str]:
        """Return what marimo shows."""
        return self._glance().html()

    def _glance(self) -> Glance:
        shown = tuple(self.kept.activations.values())
        return Glance(shown, name_of(self, "feature_maps"), tuple(self.missing))

    def shapes(self) -> str:
        """Return a string that lists each key with its shape, such as `cnn1 (1, 5, 24, 24)`."""
        kept = self.kept.activations.items()
        shapes = (f"{readable(key)} {shape_of(each.tensor)}" for key, each in kept)
        return ", ".join(shapes) or "nothing captured"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def show(self, *layers: str, **view: Any) -> None:
        """Show the feature maps of each layer as a grid under a caption, as `%%featuremaps` does.

        Args:
            layers: Keys, globs or class names, as for `capture`. Default: all layers.
            **view: Display options, the fields of `View`, such as `cmap="gray"` or
                `channels="0:16"`.

        Raises:
            FeatmagicError: If a layer or option doesn't exist, or a value is invalid.

        Example::

            feature_maps.show("conv1", topk=8, scale="layer")
        """
        show_view(self, layers, view_with_defaults(view, session_defaults()))

    def explore(
        self, *layers: str, model: nn.Module | None = None, inputs: Any = None, **view: Any
    ) -> Explorer | None:
        """Return an interactive explorer, as `%%featuremaps --explore` shows it.

        Args:
            layers: Keys, globs or class names, as for `capture`. Default: all layers.
            model: The model that was captured; needed with `inputs`. The explorer keeps a reference
                to it until it is closed.
            inputs: Inputs to choose from: a tensor whose first dimension indexes the inputs, or a
                list with one tensor, tuple of arguments or dict of keyword arguments per input.
                Choosing one runs the model in eval mode and without gradients.
            **view: Display options, the fields of `View`, such as `max_bytes="8MB"`.

        Returns:
            In a notebook, a widget that is displayed if it is the value of a cell. In an IPython
            terminal, None, once the explorer that opens has been closed.

        Raises:
            FeatmagicError: If a layer or option doesn't exist, there is nothing to explore, or
                neither a notebook nor an IPython terminal is available.

        Example::

            ex = feature_maps.explore(model=model, inputs=images)
        """
        explorer_view = view_with_defaults({**view, "explore": True}, session_defaults())
        request = self._request(layers, explorer_view, model, inputs)
        return in_memory("show", partial(explorer.explore, request, explorer_view))

    def pictures(self, *layers: str, **view: Any) -> list[tuple[str, bytes]]:
        """Return the pictures that `show` displays as captions and PNGs, for your own pages.

        Args:
            layers: Keys, globs or class names, as for `capture`. Default: all layers.
            **view: Display options, the fields of `View`.

        Returns:
            A list with a tuple `(caption, png)` for each layer, or a single one with
            `overview=True`. `png` is empty if the layer can't be drawn. Passes of different shapes
            get separate pictures.

        Raises:
            FeatmagicError: If a layer or option doesn't exist, or a value is invalid.
        """
        drawn_view = picture_view(view)
        request = self._request(layers, drawn_view)
        make = partial(STILLS[drawn_view.kind].pictures, request, drawn_view)
        return in_memory("draw", make)

    def figure(self, layer: str, **view: Any) -> Figure:
        """Return the grid of one layer as a matplotlib `Figure`.

        Args:
            layer: A key.
            **view: Display options, the fields of `View`.

        Raises:
            FeatmagicError: If the key or an option doesn't exist, or the layer can't be drawn.

        Example::

            feature_maps.figure("conv1", cmap="gray").savefig("conv1.pdf")
        """
        drawn_view = picture_view(view)
        if drawn_view.overview:
            raise FeatmagicError(
                "An overview can't be a Figure: use save('overview.png', overview=True)."
            )
        activations = self._request((layer,), drawn_view).activations
        if activations[0].key != layer:
            raise self._missing_map(layer)  # a pattern may mean several
        check_sizes(activations, drawn_view, PAGE, figures=True)
        drawing, *more = draw_all(activations, drawn_view)
        if more:
            raise FeatmagicError(
                f"'{readable(layer)}' changes shape between passes: choose a pass, as in passes=-1."
            )
        if drawing.mosaic is None:
            raise FeatmagicError(f"Nothing to draw: {drawing.caption}")
        title = drawn_view.title or ""
        warn_of_missing(title)
        make = partial(mosaic_figure, drawing.mosaic, titled(drawing.caption, title), title)
        return in_memory("draw", make)

    def save(
        self, path: str | os.PathLike[str], *layers: str, overwrite: bool = False, **view: Any
    ) -> list[Path]:
        """Save pictures (.png, .svg, .pdf), an explorer (.html) or tensors (.npz, .safetensors).

        Pictures of several layers go to one file each: `maps.png` becomes `maps-cnn1.png` and so
        on. An .html file contains all layers, with as many samples as `max_bytes` allows, and works
        offline in any browser. Tensors are saved whole in one file under their keys, or as
        `cnn1@pass2` if all passes were kept; keys that are unsafe in an .npz (`../a`) are renamed,
        with a message.

        Each file is written completely or not at all; several files are put in place once all are
        complete. A replaced file keeps its mode, extended attributes and, where possible, its
        owner; symbolic links are followed. Files with several hard links are refused.

        Args:
            path: The file; its suffix determines the format.
            layers: Keys, globs or class names, as for `capture`. Default: all layers.
            overwrite: If True, replace existing files.
            **view: Display options, the fields of `View`: those of a grid for pictures, those of an
                explorer for .html, and `passes` for tensors.

        Returns:
            The paths of the files that were written.

        Raises:
            FeatmagicError: If a layer, option or folder doesn't exist, the suffix is unknown, there
                is nothing to draw, or a file already exists or can't be written. The message names
                files that were written before the error.

        Example::

            feature_maps.save("maps.pdf", "conv1", cmap="gray")
        """
        if holds_page(path):
            file_view = page_view(view)
        else:
            check_whole(path, view_of(**view))
            file_view = picture_view(view)
        return save_view(self, path, layers, file_view, overwrite=overwrite)

    def _request(
        self,
        layers: tuple[str, ...],
        view: View,
        model: nn.Module | None = None,
        inputs: Any = None,
    ) -> Request:
        """Return the activations of these layers, each once, or of all if no layer is given.

        If several passes are shown, the activations of one layer are next to each other.
        """
        for name in layers:
            if not isinstance(name, str):
                raise FeatmagicError(f"Layer names must be strings, as in '0', not {name!r}.")
        # A grid shows all passes that were kept; the other views show one pass.
        every = view.passes is None and self.kept.choice == "all" and view.kind == "grid"
        activations = self.kept.select("all" if every else view.passes)
        if layers:
            by_key: dict[str, list[Activation]] = {}
            for each in activations:
                by_key.setdefault(each.key, []).append(each)
            keys = [key for name in layers for key in matching_keys(name, activations) or [name]]
            for key in keys:
                if key not in by_key:
                    raise self._missing_map(key)
            activations = [each for key in dict.fromkeys(keys) for each in by_key[key]]
        return Request(activations, bool(layers), self, model, inputs)

    def _activation(self, key: str) -> Activation:
        key = ROOT if isinstance(key, str) and not key else key  # "" is torch's name for the model
        found = self.kept.find(key) if isinstance(key, str) else None
        if found is None:
            raise self._missing_map(key)
        return found

    def _missing_map(self, key: object) -> MissingMap:
        captured = self.kept.activations
        if key in captured:
            return MissingMap(f"Nothing captured from '{key}': {_NOT_THEN}.")
        if wider := wider_pattern(str(key), captured.values()):
            return MissingMap(f"`{key}` matches nothing one level down; use `{wider}`.")
        return MissingMap(why_missing(str(key), captured, self.missing, self.kept.repeated))


def _maps_of(kept: KeptPasses) -> FeatureMaps:
    """Return the feature maps of a pass that has ended."""
    maps = FeatureMaps()
    maps._hold(kept)
    maps.missing = kept.empty
    return maps


def maps_of_variables(values: Mapping[str, object]) -> FeatureMaps:
    """Return the user's tensors and arrays as feature maps, by the expressions that reach them.

    Raises:
        FeatmagicError: A value can't be read or copied, or holds no tensor or too many.
    """
    return _maps_of(in_memory("show", partial(kept_variables, values)))


def show_view(
    maps: FeatureMaps,
    layers: tuple[str, ...],
    view: View,
    *,
    model: nn.Module | None = None,
    inputs: Any = None,
) -> None:
    """Show these layers, or all of them and what is missing, in the requested view.

    An explorer offers `inputs`, on which `model` can run again.
    """
    target, request = current_target(view.renderer), maps._request(layers, view, model, inputs)
    in_memory("show", partial(VIEWS[view.kind].show, request, view, target))
    if layers:
        return
    shown = {activation.key for activation in request.activations}
    elsewhere = [key for key in maps.kept.activations if key not in shown]
    for line in missing_lines({**maps.missing, **dict.fromkeys(elsewhere, _NOT_THEN)}):
        say(line)
    if not maps and not maps.missing:
        say(EMPTY)


def save_view(
    maps: FeatureMaps,
    path: str | os.PathLike[str],
    layers: tuple[str, ...],
    view: View,
    *,
    overwrite: bool,
) -> list[Path]:
    """Write these layers, or all of them, as tensors or in the requested view."""
    request = maps._request(layers, view)
    files = files_of(maps, path, layers, view, overwrite=overwrite)
    if holds_arrays(files[0]):
        save = partial(
            save_arrays, files[0], request.activations, named=request.named, overwrite=overwrite
        )
    else:
        save = partial(VIEWS[view.kind].save, request, view, files, overwrite=overwrite)
    return in_memory("save", save)


def files_of(
    maps: FeatureMaps,
    path: str | os.PathLike[str],
    layers: tuple[str, ...],
    view: View,
    *,
    overwrite: bool,
) -> list[Path]:
    """Return the files that `save_view` would write, or raise an error if it can't."""
    activations = maps._request(layers, view).activations
    if not activations:
        why = next(iter(missing_lines(maps.missing)), "")
        raise FeatmagicError(f"Nothing to save. {why}" if why else EMPTY)
    return files_for(path, drawn_names(activations, view), view, overwrite=overwrite)


def files_for(
    path: str | os.PathLike[str], keys: Sequence[str], view: View, *, overwrite: bool
) -> list[Path]:
    """Return the files for these keys, captured or not; raise an error if they can't be written."""
    if holds_arrays(path):
        return target_files(path, keys, overwrite=overwrite)
    return VIEWS[view.kind].targets(path, keys, overwrite=overwrite)

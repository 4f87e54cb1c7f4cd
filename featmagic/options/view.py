"""How to draw: every display option, once.

The options of the magics, the keyword arguments of `show`, `figure` and `save`, and the help are
all made from the fields of `View`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from math import isclose
from typing import Any

from featmagic.options import validators
from featmagic.options.indexing import all_or_indices, indices, is_truth, picked
from featmagic.options.validators import Check, choice, number, optional, whole
from featmagic.support.errors import FeatmagicError, did_you_mean


def _option(default: Any, metavar: str, help: str, check: Check, **kwargs: Any) -> Any:
    """A field; `check` makes its value from what a person wrote, as text or as Python.

    `const` is the value of an option that stands alone; without a `metavar` it always does.
    `written` is the default as a person writes it, where that is more than its text.
    """
    return field(
        default=default, metadata={"metavar": metavar, "help": help, "check": check, **kwargs}
    )


def _percent(name: str, value: Any) -> float | None:
    if value is None or is_truth(value):
        return 2.0 if value else None
    percent: float = number(0, 49)(name, value)
    return percent


@dataclass(frozen=True, kw_only=True)
class View:
    """How to draw activations.

    Raises:
        FeatmagicError: a value that can't be meant, such as `ncols=0` or an unknown colormap.

    Example:
        >>> View(channels="0:16,40", cmap="gray").max
        64
    """

    channels: str | None = _option(
        None,
        "0:16,40",
        "channels to show, as indices and Python slices; in that order",
        optional(indices),
    )
    max: int = _option(
        64, "N", "show the first N channels, where --channels names none; 0 shows all", whole(0)
    )
    sort: str = _option(
        "index",
        "index|mean|absmean|max|std|sparsity|similar",
        "which channels come first: those with the largest mean, absmean ..., the most zeros "
        "(sparsity), or by their likeness, those alike side by side",
        choice("index", "mean", "absmean", "max", "std", "sparsity", "similar"),
    )
    topk: int | None = _option(
        None,
        "K",
        "show the K channels that come first by --sort; by absmean, if there is none",
        optional(whole(1)),
    )
    sample: str = _option(
        "0",
        "I",
        "which item of the batch, -1 being the last; for 0,3,7 or all a row each",
        all_or_indices,
    )
    ncols: int | None = _option(
        None, "N", "tiles in a row; by default as many as fit the width", optional(whole(1))
    )
    zoom: int | None = _option(
        None,
        "N",
        "pixels to a value, in each direction; by default by the room there is",
        optional(whole(1)),
    )
    cmap: str | None = _option(
        None,
        "NAME",
        "any matplotlib colormap; by default viridis, or RdBu_r centred on 0 for both signs",
        optional(validators.colormap_name),
    )
    scale: str | None = _option(
        None,
        "channel|layer|all",
        "who shares a range: nobody, the layer's channels, or all layers shown; by default channel "
        "for grids and layer for heat maps",
        optional(choice("channel", "layer", "all")),
    )
    vmin: float | None = _option(
        None, "X", "the low end of the range, one for all channels", optional(number())
    )
    vmax: float | None = _option(None, "X", "the high end of the range", optional(number()))
    center: float | None = _option(
        None, "X", "the value in the middle of the colours", optional(number())
    )
    robust: float | None = _option(
        None,
        "[PERCENT]",
        "leave so much of the values outside at each end of the range (2)",
        _percent,
        const=2.0,
    )
    norm: str = _option(
        "linear",
        "linear|log|symlog|asinh",
        "how colours follow values; symlog and asinh are linear within 1 % of the largest",
        choice("linear", "log", "symlog", "asinh"),
    )
    layout: str | None = _option(
        None,
        "NCHW",
        "what the axes are, a letter each: NHWC, NLC (tokens), NCL (signals), NCW (a strip a "
        "channel), NCDHW ...; by default what the module says",
        optional(validators.layout),
    )
    grid: tuple[int, int] | None = _option(
        None,
        "HxW",
        "the patches that tokens stand for; by default by the input",
        optional(validators.size),
    )
    prefix_tokens: int | None = _option(
        None, "N", "how many tokens stand before the patches: CLS, registers", optional(whole(0))
    )
    slice: str | int = _option(
        "mid",
        "mid|N|montage|mip|mean",
        "of volumes: the middle, a slice, all of them, the largest values, or the mean",
        choice("mid", "montage", "mip", "mean", other=whole()),
    )
    attn: str | int | None = _option(
        None,
        "cls|mean|N",
        "of attention: what the CLS token, all on average, or token N look at, on the patch grid",
        optional(choice("cls", "mean", other=whole())),
    )
    reduce: str | None = _option(
        None,
        "mean|max|absmax|norm|pca",
        "one picture a layer: channels put together, or as pca their three principal components "
        "as red, green and blue",
        optional(choice("mean", "max", "absmax", "norm", "pca")),
    )
    pca_basis: str | None = _option(
        None,
        "NAME",
        "components kept under this name, for colours that mean the same in several models",
        optional(validators.word),
    )
    input: bool = _option(False, "", "the input image beside the grid", validators.flag, const=True)
    mean: tuple[float, ...] | None = _option(
        None,
        "R,G,B",
        "what was subtracted from the input; by default ImageNet's, if it looks so",
        optional(validators.numbers),
    )
    std: tuple[float, ...] | None = _option(
        None, "R,G,B", "what the input was divided by then", optional(validators.numbers)
    )
    overlay: bool = _option(
        False,
        "",
        "the maps on the input, opaque where values are large",
        validators.flag,
        const=True,
    )
    alpha: float = _option(
        0.7, "A", "how opaque the largest value is on the input, 0 to 1", number(0, 1)
    )
    overview: bool = _option(
        False,
        "",
        "a film strip instead: one row a layer, with its state of health",
        validators.flag,
        const=True,
    )
    explore: bool = _option(
        False,
        "",
        "an explorer instead: click through layers and channels; in a terminal with keys",
        validators.flag,
        const=True,
    )
    max_bytes: int = _option(
        24_000_000,
        "SIZE",
        "how much an explorer may hold: beyond it maps are made smaller, or channels left out",
        validators.size_in_bytes,
        written="24MB",
    )
    renderer: str = _option(
        "auto",
        "auto|png|blocks|ascii|none",
        "what draws: png in notebooks and where the terminal shows images, blocks in colour, "
        "plain letters (ascii), or captions alone (none); by default the best that is there",
        choice("auto", "png", "blocks", "ascii", "none"),
    )
    rows: int | None = _option(
        None,
        "N",
        "rows of tiles shown at most, 0 for all; by default all, but in a terminal as many as fit",
        optional(whole(0)),
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            value = option.metadata["check"](spelled(option.name), getattr(self, option.name))
            object.__setattr__(self, option.name, value)
        if self.vmin is not None and self.vmax is not None and self.vmin >= self.vmax:
            raise FeatmagicError(f"vmin is below vmax, not {self.vmin:g} and {self.vmax:g}.")
        if self.std is not None and min(self.std) <= 0:
            raise FeatmagicError(f"std is above 0, not {min(self.std):g}.")
        if self.center is not None and not self._fits(self.center):
            raise FeatmagicError(
                f"center is in the middle of vmin and vmax, not {self.center:g}: leave one of the "
                "three to the others."
            )
        self._check_together()

    def _fits(self, center: float) -> bool:
        """Whether the given ends leave that value in the middle."""
        low, high = self.vmin, self.vmax
        if low is not None and high is not None:
            return isclose(low + high, 2 * center, abs_tol=1e-9 * (high - low))
        return (low is None or low < center) and (high is None or high > center)

    @property
    def may_center(self) -> bool:
        """Whether 0 can be in the middle of the range."""
        return self._fits(0.0)

    def _check_together(self) -> None:
        """Refuse options that would change nothing beside the others."""
        pca = self.reduce == "pca"
        on_input = self.overlay or self.input or self.explore
        for use, names, why in (
            (self.overlay or self.explore, ("alpha",), "without --overlay"),
            (on_input, ("mean", "std"), "without --input or --overlay"),
            (pca, ("pca_basis",), "without --reduce pca"),
            (not pca, _COLORING, "with --reduce pca, which has colours of its own"),
            (not self.reduce, ("sort", "topk"), "with --reduce, which takes all channels together"),
            (not self.overview, _NOT_IN_AN_OVERVIEW, "in an overview"),
            (self.explore, ("max_bytes",), "without --explore"),
            (not self.explore, _NOT_IN_AN_EXPLORER, "in an explorer"),
        ):
            for name in () if use else names:
                if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                    raise FeatmagicError(f"--{spelled(name)} has no use {why}.")
        if self.explore and (self.scale == "all" or self.slice == "montage"):
            what = "--scale all" if self.scale == "all" else "--slice montage"
            raise FeatmagicError(
                f"{what} has no use in an explorer, which shows a layer at a time."
            )

    def pick(self, count: int) -> list[int]:
        """The indices of the channels to choose from, of `count`.

        Raises:
            FeatmagicError: a single index that isn't there; slices are cut as Python's are.

        Example:
            >>> View(channels="0:3,-1").pick(10)
            [0, 1, 2, 9]
        """
        if self.channels is not None:
            return picked(self.channels, count, "channel")
        every = self.sorts or self.reduce is not None
        return list(range(count if every else min(count, self.max or count)))

    @property
    def sorts(self) -> bool:
        """Whether all channels have to be read to know which come first."""
        return self.sort != "index" or self.topk is not None

    @property
    def most(self) -> int | None:
        """How many channels are shown at most, once they are in order."""
        return self.topk or (self.max if self.channels is None and self.max else None)


_COLORING = ("cmap", "scale", "vmin", "vmax", "center", "robust", "norm")


_IN_AN_OVERVIEW = {
    *("overview", "renderer", "sample", "channels", "cmap"),
    *("layout", "grid", "prefix_tokens", "slice", "attn"),
}


_IN_AN_EXPLORER = {
    *("explore", "max_bytes", "renderer", "sample", "channels", "sort", "topk", "zoom"),
    *("cmap", "scale", "robust", "layout", "grid", "prefix_tokens", "slice", "attn"),
    *("mean", "std", "alpha"),
}


_NOT_IN_AN_EXPLORER = tuple(f.name for f in fields(View) if f.name not in _IN_AN_EXPLORER)


_NOT_IN_AN_OVERVIEW = tuple(f.name for f in fields(View) if f.name not in _IN_AN_OVERVIEW)


def spelled(name: str) -> str:
    """A field's name, as it is said to the user.

    Example:
        >>> spelled("prefix_tokens")
        'prefix-tokens'
    """
    return name.replace("_", "-")


def view_of(**options: Any) -> View:
    """A `View` from keyword arguments.

    Raises:
        FeatmagicError: an option that there isn't; the nearest one is named.
    """
    names = [f.name for f in fields(View)]
    for name in options:
        if name not in names:
            near = did_you_mean(name, names, limit=1)
            raise FeatmagicError(
                f"No view option '{name}'.{near or ' There are: ' + ', '.join(names) + '.'}"
            )
    return View(**options)


def for_explorer(view: View, **given: Any) -> View:
    """The view of an explorer: the given options, and those of the view that it has a use for.

    Example:
        >>> for_explorer(View(cmap="gray", ncols=4)) == View(explore=True, cmap="gray")
        True
    """
    return usual_view({"explore": True, **given}, _asked(view))


def for_pictures(view: View) -> View:
    """The view of pictures: of an explorer's options those that a grid has a use for.

    Example:
        >>> for_pictures(View(explore=True, cmap="gray", max_bytes="4MB")) == View(cmap="gray")
        True
    """
    asked = _asked(view)
    return usual_view({}, {name: asked[name] for name in asked if name != "explore"})


def _asked(view: View) -> dict[str, Any]:
    """The options that aren't at their defaults."""
    values = {option.name: getattr(view, option.name) for option in fields(view)}
    defaults = {option.name: option.default for option in fields(view)}
    return {name: value for name, value in values.items() if value != defaults[name]}


def usual_view(given: Mapping[str, Any], usual: Mapping[str, Any]) -> View:
    """A `View` of the given options, and of the usual ones that they leave a place for.

    Raises:
        FeatmagicError: as `view_of`, for the given ones.

    Example:
        >>> usual_view({"ncols": 4}, {"cmap": "gray"}) == View(ncols=4, cmap="gray")
        True
        >>> usual_view({"reduce": "pca"}, {"cmap": "gray"}) == View(reduce="pca")
        True
    """
    view = view_of(**given)
    for name, value in usual.items():
        if name not in given:
            with suppress(FeatmagicError):
                view = replace(view, **{name: value})
    return view

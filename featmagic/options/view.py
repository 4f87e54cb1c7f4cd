"""How to draw: every display option, defined once.

The options of the magics, the keyword arguments of `show`, `explore`, `pictures`, `figure` and
`save`, and the help are all generated from the fields of `View`. Each field names its group; a view
(the grids, the overview, the explorer) is described by the groups it takes, and accepts every
option in them; a stage of the view then has to use it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields, replace
from math import isclose
from typing import Any

from featmagic.options import validators
from featmagic.options.indexing import all_or_indices, indices, is_boolean, picked
from featmagic.options.validators import Check, choice, number, optional, whole
from featmagic.support.errors import FeatmagicError, did_you_mean

# Options that say which dimension of an activation is what, and how it is reduced to 2-D planes.
AXES = frozenset({"layout", "tokens", "volume", "attention"})

# Options of what is shown on a screen; files take none of them.
SCREEN = frozenset({"renderer", "rows"})

GROUPS = (
    AXES
    | SCREEN
    | {"passes", "selection", "order", "tiles", "zoom", "color", "range", "limits", "reduction"}
    | {"input", "overlay", "input image", "overview", "explorer", "title"}
)

# The groups of options that each view takes; all others are refused.
TAKEN: Mapping[str, frozenset[str]] = {
    "grid": GROUPS - {"overview", "explorer"},
    "overview": AXES | {"overview", "passes", "selection", "color", "renderer", "title"},
    "explorer": AXES
    | {"explorer", "passes", "selection", "order", "zoom", "color", "range", "input image"}
    | {"renderer", "title"},
}


def _option(
    group: str, default: Any, metavar: str, check: Check, help: str, **metadata: Any
) -> Any:
    """Define a field of `View`, which takes None as well if that is its default.

    Args:
        group: one of `GROUPS`.
        default: the value where nothing else is given.
        metavar: stands for the value in the help; empty for an option without a value.
        check: converts text or a Python value to the option's value, or refuses it.
        help: the line of help.
        **metadata: `const`, the value of an option that is given without one; `written`, the
            default as the help spells it.
    """
    described = {"group": group, "metavar": metavar, "help": help}
    check = optional(check) if default is None else check
    return field(default=default, metadata={**described, "check": check, **metadata})


def _flag(group: str, help: str) -> Any:
    """Define a field of `View` that is False unless it is given, without a value."""
    return _option(group, False, "", validators.flag, help, const=True)


def _percent(name: str, value: Any) -> float | None:
    """Return a percentage; True and False stand for 2 and for none."""
    if is_boolean(value):
        return 2.0 if value else None
    percent: float = number(0, 49)(name, value)
    return percent


@dataclass(frozen=True, kw_only=True)
class View:
    """How to draw activations: immutable, with every value checked and converted.

    Raises:
        FeatmagicError: A value is invalid, such as `ncols=0` or an unknown colormap, or an option
            has no effect beside the others.

    Example:
        >>> View(channels="0:16,40", cmap="gray").max
        64
    """

    # Each option: group, default, metavar and check on one line, then its help.
    # fmt: off
    channels: str | None = _option(
        "selection", None, "0:16,40", indices,
        "channels to show, as indices and Python slices; in that order",
    )
    max: int = _option(
        "tiles", 64, "N", whole(0),
        "show the first N channels, where --channels names none; 0 shows all",
    )
    sort: str = _option(
        "order", "index", "index|mean|absmean|max|std|sparsity|similar",
        choice("index", "mean", "absmean", "max", "std", "sparsity", "similar"),
        "which channels come first: those with the largest mean, absmean ..., the most zeros "
        "(sparsity), or by their likeness, those alike side by side",
    )
    topk: int | None = _option(
        "order", None, "K", whole(1),
        "show the K channels that come first by --sort; by absmean, if there is none",
    )
    sample: str = _option(
        "selection", "0", "I", all_or_indices,
        "which item of the batch, -1 being the last; for 0,3,7 or all a row each",
    )
    passes: int | str | None = _option(
        "passes", None, "N|last|all", validators.pass_choice,
        "which pass to keep and show if the model runs several times: N counts from 1, or from the "
        "end as -1; all shows a row for each; by default, the latest pass of each layer",
    )
    ncols: int | None = _option(
        "tiles", None, "N", whole(1),
        "tiles in a row; by default as many as fit the width",
    )
    zoom: int | None = _option(
        "zoom", None, "N", whole(1),
        "pixels to a value, in each direction; by default by the room there is",
    )
    cmap: str | None = _option(
        "color", None, "NAME", validators.colormap_name,
        "any matplotlib colormap; by default viridis, or RdBu_r centred on 0 for both signs",
    )
    scale: str | None = _option(
        "range", None, "channel|layer|all", choice("channel", "layer", "all"),
        "who shares a range: nobody, the layer's channels, or all layers shown; by default channel "
        "for grids and layer for heat maps",
    )
    vmin: float | None = _option(
        "limits", None, "X", number(),
        "the low end of the range, one for all channels",
    )
    vmax: float | None = _option(
        "limits", None, "X", number(),
        "the high end of the range",
    )
    center: float | None = _option(
        "limits", None, "X", number(),
        "the value in the middle of the colours",
    )
    robust: float | None = _option(
        "range", None, "[PERCENT]", _percent,
        "leave so much of the values outside at each end of the range (2)", const=2.0,
    )
    norm: str = _option(
        "limits", "linear", "linear|log|symlog|asinh", choice("linear", "log", "symlog", "asinh"),
        "how colours follow values; symlog and asinh are linear within 1 % of the largest",
    )
    layout: str | None = _option(
        "layout", None, "NCHW", validators.layout,
        "what the axes are, a letter each: NHWC, NLC (tokens), NCL (signals), NCW (a strip a "
        "channel), NCDHW ...; by default what the module says",
    )
    grid: tuple[int, int] | None = _option(
        "tokens", None, "HxW", validators.size,
        "the patches that tokens stand for; by default by the input",
    )
    prefix_tokens: int | None = _option(
        "tokens", None, "N", whole(0),
        "how many tokens stand before the patches: CLS, registers",
    )
    slice: str | int = _option(
        "volume", "mid", "mid|N|montage|mip|mean",
        choice("mid", "montage", "mip", "mean", other=whole()),
        "of volumes: the middle, a slice, all of them, the largest values, or the mean",
    )
    attn: str | int | None = _option(
        "attention", None, "cls|mean|N", choice("cls", "mean", other=whole()),
        "of attention: what the CLS token, all on average, or token N look at, on the patch grid",
    )
    reduce: str | None = _option(
        "reduction", None, "mean|max|absmax|norm|pca",
        choice("mean", "max", "absmax", "norm", "pca"),
        "one picture a layer: channels put together, or as pca their three principal components as "
        "red, green and blue",
    )
    pca_basis: str | None = _option(
        "reduction", None, "NAME", validators.word,
        "components kept under this name, for colours that mean the same in several models",
    )
    input: bool = _flag("input", "the input image beside the grid")
    mean: tuple[float, ...] | None = _option(
        "input image", None, "R,G,B", validators.numbers,
        "what was subtracted from the input; by default ImageNet's, if it looks so",
    )
    std: tuple[float, ...] | None = _option(
        "input image", None, "R,G,B", validators.numbers,
        "what the input was divided by then",
    )
    overlay: bool = _flag("overlay", "the maps on the input, opaque where values are large")
    alpha: float = _option(
        "input image", 0.7, "A", number(0, 1),
        "how opaque the largest value is on the input, 0 to 1",
    )
    overview: bool = _flag(
        "overview",
        "a film strip instead: one row a layer, with its state of health",
    )
    explore: bool = _flag(
        "explorer",
        "an explorer instead: click through layers and channels; in a terminal with keys",
    )
    max_bytes: int = _option(
        "explorer", 24_000_000, "SIZE", validators.size_in_bytes,
        "how much an explorer may hold: beyond it maps are made smaller, or channels left out",
        written="24MB",
    )
    renderer: str = _option(
        "renderer", "auto", "auto|png|blocks|ascii|none",
        choice("auto", "png", "blocks", "ascii", "none"),
        "what draws: png in notebooks and where the terminal shows images, blocks in colour, plain "
        "letters (ascii), or captions alone (none); by default the best that is there",
    )
    title: str | None = _option(
        "title", None, "TEXT", validators.text,
        "heading of the picture, figure or file, in any script; quote it if it has spaces",
    )
    rows: int | None = _option(
        "rows", None, "N", whole(0),
        "rows of tiles shown at most, 0 for all; by default all, but in a terminal as many as fit",
    )
    # fmt: on

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
        for _, message in _without_effect(vars(self)):
            raise FeatmagicError(message)

    def _fits(self, center: float) -> bool:
        """Return True if the given limits leave `center` in the middle of the range."""
        low, high = self.vmin, self.vmax
        if low is not None and high is not None:
            return isclose(low + high, 2 * center, abs_tol=1e-9 * (high - low))
        return (low is None or low < center) and (high is None or high > center)

    @property
    def may_center(self) -> bool:
        """Whether the range can be centered on 0."""
        return self._fits(0.0)

    @property
    def kind(self) -> str:
        """The view that is asked for: `grid`, `overview` or `explorer`, a key of `TAKEN`."""
        return "overview" if self.overview else "explorer" if self.explore else "grid"

    def changed(self, *groups: str) -> list[str]:
        """Return the names of the options in these groups that aren't at their defaults."""
        return [name for name in _names_in(groups) if getattr(self, name) != _DEFAULTS[name]]

    def only(self, *groups: str, **options: Any) -> View:
        """Return a view with only the options of these groups; all others are at their defaults.

        An option that has no effect without one that is left out is left out as well.

        Args:
            groups: Names from `GROUPS`.
            **options: Options to set in addition.

        Raises:
            ValueError: There is no such group.

        Example:
            >>> view = View(layout="NHWC", cmap="gray", overlay=True, alpha=0.5)
            >>> view.only("layout", "color") == View(layout="NHWC", cmap="gray")
            True
        """
        if unknown := set(groups) - GROUPS:
            raise ValueError(f"no group of options is called {', '.join(sorted(unknown))}")
        kept = {name: getattr(self, name) for name in _names_in(groups)}
        values = {**_DEFAULTS, **kept, **options}
        idle = dict(_without_effect(values))
        return View(**{name: value for name, value in values.items() if name not in idle})

    def without(self, *groups: str) -> View:
        """Return a view with the options of these groups at their defaults."""
        return self.only(*GROUPS.difference(groups))

    def pick(self, count: int) -> list[int]:
        """Return the indices of the channels to choose from, of `count` channels.

        Raises:
            FeatmagicError: A single index is out of range. Slices are clipped as in Python.
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
        """The largest number of channels to show once they are sorted; None for all."""
        return self.topk or (self.max if self.channels is None and self.max else None)


_DEFAULTS: Mapping[str, Any] = {option.name: option.default for option in fields(View)}


def options_in(groups: Collection[str]) -> list[Field[Any]]:
    """Return the fields of `View` in these groups, in the order in which `View` defines them."""
    return [option for option in fields(View) if option.metadata["group"] in groups]


def _names_in(groups: Collection[str]) -> list[str]:
    return [option.name for option in options_in(groups)]


def _without_effect(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each option that changes nothing beside the others, and a message that says why."""
    overlay, explore, reduce = values["overlay"], values["explore"], values["reduce"]
    coloring, order = _names_in({"color", "range", "limits"}), _names_in({"order"})
    not_in_overview, not_in_explorer = (
        _names_in(GROUPS - TAKEN[kind]) for kind in ("overview", "explorer")
    )
    on_input = overlay or values["input"] or explore
    for is_idle, names, why in (
        (not overlay and not explore, ["alpha"], "without --overlay"),
        (not on_input, ["mean", "std"], "without --input or --overlay"),
        (reduce != "pca", ["pca_basis"], "without --reduce pca"),
        (reduce == "pca", coloring, "with --reduce pca, which has colours of its own"),
        (reduce, order, "with --reduce, which takes all channels together"),
        (values["overview"], not_in_overview, "in an overview"),
        (not explore, ["max_bytes"], "without --explore"),
        (explore, not_in_explorer, "in an explorer"),
    ):
        for name in names if is_idle else ():
            if values[name] != _DEFAULTS[name]:
                yield name, f"--{spelled(name)} has no use {why}."
    for is_asked, kind in ((values["overview"], "an overview"), (explore, "an explorer")):
        if is_asked and values["passes"] == "all":
            yield "passes", f"--pass all doesn't apply to {kind}, which shows one pass at a time."
    for name, value in (("scale", "all"), ("slice", "montage")):
        if explore and values[name] == value:
            what = f"--{name} {value}"
            yield name, f"{what} has no use in an explorer, which shows a layer at a time."


def spelled(name: str) -> str:
    """Return the name of a field as messages and the command line spell it: `prefix-tokens`."""
    return "pass" if name == "passes" else name.replace("_", "-")  # pass is a word of Python's


def view_of(**options: Any) -> View:
    """Return a `View` made of keyword arguments.

    Raises:
        FeatmagicError: There is no such option (the message names the nearest one), or a value is
            invalid.
    """
    names = [option.name for option in fields(View)]
    for name in options:
        if name not in names:
            near = did_you_mean(name, names, limit=1)
            raise FeatmagicError(
                f"No view option '{name}'.{near or ' There are: ' + ', '.join(names) + '.'}"
            )
    return View(**options)


def view_with_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> View:
    """Return a `View` of the given options, and of those defaults that have an effect beside them.

    Raises:
        FeatmagicError: As for `view_of`, for the given options.
    """
    view = view_of(**given)
    for name, value in defaults.items():
        if name not in given:
            with suppress(FeatmagicError):
                view = replace(view, **{name: value})
    return view

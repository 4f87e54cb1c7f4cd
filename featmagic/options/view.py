"""How to draw: every display option, defined once.

The options of the magics, the keyword arguments of `show`, `explore`, `pictures`, `figure` and
`save`, and the help are all generated from the fields of `View`. Each field names its group; a view
(the grids, the overview, the explorer) is described by the groups it takes. Adding an option to a
group is all it takes to add it to every view that takes the group.
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

# Options that say which color a value has.
_COLORING = frozenset({"color", "range", "limits"})

GROUPS = (
    AXES
    | SCREEN
    | {"selection", "order", "tiles", "zoom", "color", "range", "limits", "reduction"}
    | {"input", "overlay", "input image", "overview", "explorer"}
)

# The groups of options that each view takes; all others are refused.
TAKEN: Mapping[str, frozenset[str]] = {
    "grid": GROUPS - {"overview", "explorer"},
    "overview": AXES | {"overview", "selection", "color", "renderer"},
    "explorer": AXES
    | {"explorer", "selection", "order", "zoom", "color", "range", "input image", "renderer"},
}


def _option(
    group: str, default: Any, metavar: str, help: str, check: Check, **metadata: Any
) -> Any:
    """Define a field of `View`.

    Args:
        group: one of `GROUPS`.
        default: the value where nothing else is given.
        metavar: stands for the value in the help; empty for an option without a value.
        help: the line of help.
        check: converts text or a Python value to the option's value, or refuses it.
        **metadata: `const`, the value of an option that is given without one; `written`, the
            default as the help spells it.
    """
    described = {"group": group, "metavar": metavar, "help": help, "check": check}
    return field(default=default, metadata={**described, **metadata})


def _percent(name: str, value: Any) -> float | None:
    if value is None or is_boolean(value):
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

    channels: str | None = _option(
        "selection",
        None,
        "0:16,40",
        "channels to show, as indices and Python slices; in that order",
        optional(indices),
    )
    max: int = _option(
        "tiles",
        64,
        "N",
        "show the first N channels, where --channels names none; 0 shows all",
        whole(0),
    )
    sort: str = _option(
        "order",
        "index",
        "index|mean|absmean|max|std|sparsity|similar",
        "which channels come first: those with the largest mean, absmean ..., the most zeros "
        "(sparsity), or by their likeness, those alike side by side",
        choice("index", "mean", "absmean", "max", "std", "sparsity", "similar"),
    )
    topk: int | None = _option(
        "order",
        None,
        "K",
        "show the K channels that come first by --sort; by absmean, if there is none",
        optional(whole(1)),
    )
    sample: str = _option(
        "selection",
        "0",
        "I",
        "which item of the batch, -1 being the last; for 0,3,7 or all a row each",
        all_or_indices,
    )
    ncols: int | None = _option(
        "tiles",
        None,
        "N",
        "tiles in a row; by default as many as fit the width",
        optional(whole(1)),
    )
    zoom: int | None = _option(
        "zoom",
        None,
        "N",
        "pixels to a value, in each direction; by default by the room there is",
        optional(whole(1)),
    )
    cmap: str | None = _option(
        "color",
        None,
        "NAME",
        "any matplotlib colormap; by default viridis, or RdBu_r centred on 0 for both signs",
        optional(validators.colormap_name),
    )
    scale: str | None = _option(
        "range",
        None,
        "channel|layer|all",
        "who shares a range: nobody, the layer's channels, or all layers shown; by default channel "
        "for grids and layer for heat maps",
        optional(choice("channel", "layer", "all")),
    )
    vmin: float | None = _option(
        "limits", None, "X", "the low end of the range, one for all channels", optional(number())
    )
    vmax: float | None = _option(
        "limits", None, "X", "the high end of the range", optional(number())
    )
    center: float | None = _option(
        "limits", None, "X", "the value in the middle of the colours", optional(number())
    )
    robust: float | None = _option(
        "range",
        None,
        "[PERCENT]",
        "leave so much of the values outside at each end of the range (2)",
        _percent,
        const=2.0,
    )
    norm: str = _option(
        "limits",
        "linear",
        "linear|log|symlog|asinh",
        "how colours follow values; symlog and asinh are linear within 1 % of the largest",
        choice("linear", "log", "symlog", "asinh"),
    )
    layout: str | None = _option(
        "layout",
        None,
        "NCHW",
        "what the axes are, a letter each: NHWC, NLC (tokens), NCL (signals), NCW (a strip a "
        "channel), NCDHW ...; by default what the module says",
        optional(validators.layout),
    )
    grid: tuple[int, int] | None = _option(
        "tokens",
        None,
        "HxW",
        "the patches that tokens stand for; by default by the input",
        optional(validators.size),
    )
    prefix_tokens: int | None = _option(
        "tokens",
        None,
        "N",
        "how many tokens stand before the patches: CLS, registers",
        optional(whole(0)),
    )
    slice: str | int = _option(
        "volume",
        "mid",
        "mid|N|montage|mip|mean",
        "of volumes: the middle, a slice, all of them, the largest values, or the mean",
        choice("mid", "montage", "mip", "mean", other=whole()),
    )
    attn: str | int | None = _option(
        "attention",
        None,
        "cls|mean|N",
        "of attention: what the CLS token, all on average, or token N look at, on the patch grid",
        optional(choice("cls", "mean", other=whole())),
    )
    reduce: str | None = _option(
        "reduction",
        None,
        "mean|max|absmax|norm|pca",
        "one picture a layer: channels put together, or as pca their three principal components "
        "as red, green and blue",
        optional(choice("mean", "max", "absmax", "norm", "pca")),
    )
    pca_basis: str | None = _option(
        "reduction",
        None,
        "NAME",
        "components kept under this name, for colours that mean the same in several models",
        optional(validators.word),
    )
    input: bool = _option(
        "input", False, "", "the input image beside the grid", validators.flag, const=True
    )
    mean: tuple[float, ...] | None = _option(
        "input image",
        None,
        "R,G,B",
        "what was subtracted from the input; by default ImageNet's, if it looks so",
        optional(validators.numbers),
    )
    std: tuple[float, ...] | None = _option(
        "input image",
        None,
        "R,G,B",
        "what the input was divided by then",
        optional(validators.numbers),
    )
    overlay: bool = _option(
        "overlay",
        False,
        "",
        "the maps on the input, opaque where values are large",
        validators.flag,
        const=True,
    )
    alpha: float = _option(
        "input image",
        0.7,
        "A",
        "how opaque the largest value is on the input, 0 to 1",
        number(0, 1),
    )
    overview: bool = _option(
        "overview",
        False,
        "",
        "a film strip instead: one row a layer, with its state of health",
        validators.flag,
        const=True,
    )
    explore: bool = _option(
        "explorer",
        False,
        "",
        "an explorer instead: click through layers and channels; in a terminal with keys",
        validators.flag,
        const=True,
    )
    max_bytes: int = _option(
        "explorer",
        24_000_000,
        "SIZE",
        "how much an explorer may hold: beyond it maps are made smaller, or channels left out",
        validators.size_in_bytes,
        written="24MB",
    )
    renderer: str = _option(
        "renderer",
        "auto",
        "auto|png|blocks|ascii|none",
        "what draws: png in notebooks and where the terminal shows images, blocks in colour, "
        "plain letters (ascii), or captions alone (none); by default the best that is there",
        choice("auto", "png", "blocks", "ascii", "none"),
    )
    rows: int | None = _option(
        "rows",
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
        names = _names_in(groups)
        return [name for name in names if getattr(self, name) != _DEFAULTS[name]]

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
            >>> view.only("input image") == View()
            True
        """
        if unknown := set(groups) - GROUPS:
            raise ValueError(f"no group of options is called {', '.join(sorted(unknown))}")
        kept = {name: getattr(self, name) for name in _names_in(groups)}
        values = {**_DEFAULTS, **kept, **options}
        idle = dict(_without_effect(values))
        return View(**{name: value for name, value in values.items() if name not in idle})

    def without(self, *groups: str) -> View:
        """Return a view with the options of these groups at their defaults.

        Example:
            >>> View(layout="NHWC", cmap="gray").without("layout") == View(cmap="gray")
            True
        """
        return self.only(*GROUPS.difference(groups))

    def pick(self, count: int) -> list[int]:
        """Return the indices of the channels to choose from, of `count` channels.

        Raises:
            FeatmagicError: A single index is out of range. Slices are clipped as in Python.

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
        """The largest number of channels to show once they are sorted; None for all."""
        return self.topk or (self.max if self.channels is None and self.max else None)


_DEFAULTS: Mapping[str, Any] = {option.name: option.default for option in fields(View)}


def options_in(groups: Collection[str]) -> list[Field[Any]]:
    """Return the fields of `View` in these groups, in the order in which `View` defines them."""
    return [option for option in fields(View) if option.metadata["group"] in groups]


def _names_in(groups: Collection[str]) -> list[str]:
    return [option.name for option in options_in(groups)]


def _without_effect(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each option that changes nothing beside the others, and a message that says why.

    Args:
        values: A value for every field of `View`.
    """
    overlay, explore, pca = values["overlay"], values["explore"], values["reduce"] == "pca"
    on_input = overlay or values["input"] or explore
    for is_idle, names, why in (
        (not overlay and not explore, ["alpha"], "without --overlay"),
        (not on_input, ["mean", "std"], "without --input or --overlay"),
        (not pca, ["pca_basis"], "without --reduce pca"),
        (pca, _names_in(_COLORING), "with --reduce pca, which has colours of its own"),
        (
            values["reduce"],
            _names_in({"order"}),
            "with --reduce, which takes all channels together",
        ),
        (values["overview"], _names_in(GROUPS - TAKEN["overview"]), "in an overview"),
        (not explore, ["max_bytes"], "without --explore"),
        (explore, _names_in(GROUPS - TAKEN["explorer"]), "in an explorer"),
    ):
        for name in names if is_idle else ():
            if values[name] != _DEFAULTS[name]:
                yield name, f"--{spelled(name)} has no use {why}."
    for name, value in (("scale", "all"), ("slice", "montage")):
        if explore and values[name] == value:
            what = f"--{name} {value}"
            yield name, f"{what} has no use in an explorer, which shows a layer at a time."


def spelled(name: str) -> str:
    """Return the name of a field as messages and the command line spell it.

    Example:
        >>> spelled("prefix_tokens")
        'prefix-tokens'
    """
    return name.replace("_", "-")


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

    Example:
        >>> view_with_defaults({"ncols": 4}, {"cmap": "gray"}) == View(ncols=4, cmap="gray")
        True
        >>> view_with_defaults({"reduce": "pca"}, {"cmap": "gray"}) == View(reduce="pca")
        True
    """
    view = view_of(**given)
    for name, value in defaults.items():
        if name not in given:
            with suppress(FeatmagicError):
                view = replace(view, **{name: value})
    return view

"""How to draw: every display option, defined once.

The options of the magics, the keyword arguments of `show`, `explore`, `pictures`, `figure` and
`save`, and the help are all generated from the fields of `View`. Each field names its group; a view
(the grids, the overview, the explorer) is described by the groups it takes, and accepts every
option in them; a stage of the view then has to use it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, fields, replace
from math import isclose
from typing import Any

from featmagic.options import validators
from featmagic.options.conflicts import without_effect
from featmagic.options.groups import GROUPS
from featmagic.options.hints import PYTHON, hint_for
from featmagic.options.indexing import all_or_indices, indices, is_boolean, picked
from featmagic.options.line_options import LineOptions
from featmagic.options.option import option, spelled, switch
from featmagic.options.validators import choice, number, whole
from featmagic.support.errors import FeatmagicError, short

_WRITTEN = (str, int, float)  # types whose values a hint repeats


@dataclass(frozen=True, kw_only=True)
class View:
    """The display options of feature maps, checked and immutable.

    Its fields are the keyword arguments of `FeatureMaps.show`, `explore`, `pictures`, `figure` and
    `save`, and the options of `%%featuremaps`, whose help describes them.

    Raises:
        FeatmagicError: If a value is invalid, such as `ncols=0` or an unknown colormap, or if an
            option would have no effect.

    Example:
        >>> View(channels="0:16,40", cmap="gray").max
        64
    """

    # Each option: group, default, metavar and check, then its help, then other words for it.
    # fmt: off
    channels: str | None = option(
        "selection", None, "0:16,40", indices,
        "channels to show, in this order: indices and Python slices",
        also="channel ch c head heads feature features filter filters neuron neurons unit "
        "units fmap maps index indices idx which select",
        joined=",",
    )
    max: int = option(
        "tiles", 64, "N", whole(0),
        "show at most N channels, unless --channels names some; 0 shows all",
        also="limit n num count maximum max-channels max-tiles nmax number n-channels "
        "num-channels first cap",
    )
    sort: str = option(
        "order", "index", "index|mean|absmean|max|std|sparsity|similar",
        choice("index", "mean", "absmean", "max", "std", "sparsity", "similar"),
        "order of the channels: largest mean, absmean, max or std first, most zeros first "
        "(sparsity), or similar channels side by side",
        also="sort-by order order-by rank ranking ranked by cluster=similar variance=std "
        "var=std magnitude=absmean",
    )
    topk: int | None = option(
        "order", None, "K", whole(1),
        "show the first K channels in the order of --sort (absmean if --sort isn't given)",
        also="top top-k k best strongest largest most-active highest",
    )
    sample: str = option(
        "selection", "0", "I", all_or_indices,
        "samples of the batch to show: an index (-1 is the last), a list such as 0,3,7, or all, "
        "one row each",
        also="s batch item example batch-index batch-size samples image images img index idx "
        "instance nth b batch-idx sample-index element all-samples=all",
        joined=",",
    )
    passes: int | str | None = option(
        "passes", None, "N|last|all", validators.pass_choice,
        "pass to keep and show if the model runs several times: N counts from 1, or from the end "
        "as -1, and all shows one row per pass; default: the latest pass of each layer",
        also="call calls step steps iteration iter epoch timestep run runs forward passes "
        "repeat pass-number",
    )
    ncols: int | None = option(
        "tiles", None, "N", whole(1),
        "tiles per row; default: as many as fit the width",
        also="columns cols col ncol column n-cols num-cols num-columns nrow per-row "
        "tiles-per-row",
    )
    zoom: int | None = option(
        "zoom", None, "N", whole(1),
        "pixels per value; default: chosen to fit the available space",
        also="scale-factor size tile-size upscale magnify magnification enlarge pixels px "
        "pixel-size factor resize upsample bigger",
    )
    cmap: str | None = option(
        "color", None, "NAME", validators.colormap_name,
        "any matplotlib colormap; default: viridis, or RdBu_r centered on 0 for values of both "
        "signs",
        also="colormap color-map colors color palette lut cm map colorscheme color-scheme "
        "cmap-name grayscale=gray bw=gray",
    )
    scale: str | None = option(
        "range", None, "channel|layer|all", choice("channel", "layer", "all"),
        "share the color range per channel, per layer, or across all layers; default: channel for "
        "grids, layer for heat maps",
        also="share shared share-range sharing shared-scale scale-each=channel "
        "per-channel=channel per-layer=layer global=all colorbar=layer",
    )
    vmin: float | None = option(
        "limits", None, "X", number(),
        "lower limit of the color range, for all channels",
        also="minimum lower low lo clip-min zmin cmin range limits clim lim vrange",
    )
    vmax: float | None = option(
        "limits", None, "X", number(),
        "upper limit of the color range, for all channels",
        also="upper high hi clip-max zmax cmax range limits clim lim vrange",
    )
    center: float | None = option(
        "limits", None, "X", number(),
        "value at the middle of the colormap",
        also="vcenter midpoint middle pivot symmetric=0 diverging=0 zero=0 zero-center=0 "
        "centered=0",
    )
    robust: float | None = option(
        "range", None, "[PERCENT]", validators.percent,
        "clip PERCENT of the values at each end (default: 2)",
        also="normalize normalise normalized percentile percentiles clip clipping quantile "
        "outliers trim saturate winsorize contrast autocontrast stretch",
        const=2.0,
    )
    norm: str = option(
        "limits", "linear", "linear|log|symlog|asinh", choice("linear", "log", "symlog", "asinh"),
        "how values map to colors; symlog and asinh are linear within 1 % of the largest "
        "absolute value",
        also="log=log logarithmic=log log-scale=log logscale=log log10=log lognorm=log "
        "log-norm=log symmetric-log=symlog normalization gamma power",
    )
    layout: str | None = option(
        "layout", None, "NCHW", validators.layout,
        "what the dimensions are, one letter each: NHWC, NLC (tokens), NCL (signals), NCW (one "
        "strip per channel), NCDHW ...; default: inferred from the module",
        also="axes axis dims dim dimensions shape data-format dim-order memory-format "
        "channels-last=NHWC channels-first=NCHW channel-last=NHWC",
        joined="",
    )
    grid: tuple[int, int] | None = option(
        "tokens", None, "HxW", validators.size,
        "patch grid that the tokens form, height x width; default: inferred from the input",
        also="patch patches patch-grid patch-size tokens hw token-grid grid-size n-patches",
        joined="x",
    )
    prefix_tokens: int | None = option(
        "tokens", None, "N", whole(0),
        "number of tokens before the patches, such as CLS and register tokens",
        also="registers register-tokens special-tokens skip skip-tokens num-prefix-tokens "
        "class-token cls-token prefix tokens n-prefix drop-tokens",
    )
    slice: str | int = option(
        "volume", "mid", "mid|N|montage|mip|mean",
        choice("mid", "montage", "mip", "mean", other=whole()),
        "slices of a volume to show: the middle one, slice N, all of them (montage), the maximum "
        "over depth (mip), or the mean",
        also="time depth frame frames z plane t slices volume d projection=mip",
    )
    attn: str | int | None = option(
        "attention", None, "cls|mean|N", choice("cls", "mean", other=whole()),
        "attention weights on the patch grid: what the CLS token, all tokens on average, or "
        "token N attend to",
        also="attention query head heads attend attention-map attn-map token tokens cls "
        "rollout=mean",
    )
    reduce: str | None = option(
        "reduction", None, "mean|max|absmax|norm|pca",
        choice("mean", "max", "absmax", "norm", "pca"),
        "one picture per layer: the mean, max, absmax or norm over the channels, or their first "
        "three principal components as red, green and blue (pca)",
        also="reduction aggregate agg pool average=mean avg=mean combine merge collapse "
        "rgb=pca components=pca principal-components=pca channel-mean=mean",
    )
    pca_basis: str | None = option(
        "reduction", None, "NAME", validators.word,
        "with --reduce pca, keep the basis under NAME and reuse it, so that colors are comparable",
        also="basis pca-name shared-basis fit",
    )
    input: bool = switch(
        "input", "show the input image beside the grid",
        also="image images img photo original source show-input with-input input-image "
        "show-image",
    )
    mean: tuple[float, ...] | None = option(
        "input image", None, "R,G,B", validators.numbers,
        "with --input or --overlay, mean used to normalize the input; default: ImageNet's, if "
        "detected",
        also="mu input-mean mean-rgb",
        joined=",",
    )
    std: tuple[float, ...] | None = option(
        "input image", None, "R,G,B", validators.numbers,
        "with --input or --overlay, standard deviation used to normalize the input",
        also="sigma stddev input-std std-rgb",
        joined=",",
    )
    overlay: bool = switch(
        "overlay", "draw the maps over the input, more opaque where values are large",
        also="superimpose on-input on-image heatmap heat-map blend on-top overlaid",
    )
    alpha: float = option(
        "input image", 0.7, "A", number(0, 1),
        "with --overlay, opacity of the largest value, 0 to 1",
        also="opacity transparency opaque blend-factor overlay-alpha",
    )
    overview: bool = switch(
        "overview", "one summary row per layer: thumbnails, histogram, constant channels, NaN",
        also="summary all stats statistics table report health info all-layers everything "
        "histogram hist summarize film-strip filmstrip",
    )
    explore: bool = switch(
        "explorer", "interactive explorer of layers and channels; controlled by keys in a terminal",
        also="html widget interactive gui browser app explorer click ui dashboard hover "
        "zoomable",
    )
    max_bytes: int = option(
        "explorer", 24_000_000, "SIZE", validators.size_in_bytes,
        "with --explore, size limit in bytes; beyond it, maps are downsampled or channels omitted",
        also="memory budget max-size size-limit limit-bytes bytes mb max-memory max-mb",
        written="24MB",
        joined="",
    )
    renderer: str = option(
        "renderer", "auto", "auto|png|blocks|ascii|none",
        choice("auto", "png", "blocks", "ascii", "none"),
        "how pictures are drawn: png (notebooks, and terminals that show images), blocks (colored "
        "half blocks), ascii (letters), none (only captions), or auto, the best available",
        also="text=ascii backend engine plain=ascii unicode=blocks quiet=none silent=none "
        "captions=none no-images=none terminal=blocks render half-blocks=blocks "
        "sixel=png",
    )
    title: str | None = option(
        "title", None, "TEXT", validators.text,
        "title of the picture, figure or file, in any script; quote it if it contains spaces",
        also="caption label heading suptitle header text name-of-figure",
    )
    rows: int | None = option(
        "rows", None, "N", whole(0),
        "maximum number of tile rows, 0 for all; default: all, but in a terminal as many as fit",
        also="nrows n-rows max-rows lines num-rows row",
    )
    # fmt: on

    def __post_init__(self) -> None:
        for each in fields(self):
            value = each.metadata["check"](spelled(each.name), getattr(self, each.name))
            object.__setattr__(self, each.name, value)
        if self.vmin is not None and self.vmax is not None and self.vmin >= self.vmax:
            raise FeatmagicError(f"vmin ({self.vmin:g}) must be less than vmax ({self.vmax:g}).")
        if self.std is not None and min(self.std) <= 0:
            raise FeatmagicError(f"std must be greater than 0, not {min(self.std):g}.")
        if self.center is not None and not self._fits(self.center):
            raise FeatmagicError(f"center ({self.center:g}) must be {self._where_centered()}.")
        for _, message in without_effect(vars(self), _OPTIONS):
            raise FeatmagicError(message)

    def _fits(self, center: float) -> bool:
        """Return True if the given limits leave `center` in the middle of the range."""
        low, high = self.vmin, self.vmax
        if low is not None and high is not None:
            return isclose(low + high, 2 * center, abs_tol=1e-9 * (high - low))
        return (low is None or low < center) and (high is None or high > center)

    def _where_centered(self) -> str:
        """Say where the center has to be, given a limit or both."""
        if self.vmin is not None and self.vmax is not None:
            return "halfway between vmin and vmax: omit one of the three"
        if self.vmin is not None:
            return f"greater than vmin ({self.vmin:g})"
        return f"less than vmax ({self.vmax:g})"

    @property
    def may_center(self) -> bool:
        """Whether the range can be centered on 0."""
        return self._fits(0.0)

    @property
    def kind(self) -> str:
        """The requested view: `grid`, `overview` or `explorer`, a key of `TAKEN`."""
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
        idle = dict(without_effect(values, _OPTIONS))
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


_OPTIONS: Mapping[str, Field[Any]] = {each.name: each for each in fields(View)}
_DEFAULTS: Mapping[str, Any] = {name: each.default for name, each in _OPTIONS.items()}


def options_in(groups: Collection[str]) -> list[Field[Any]]:
    """Return the fields of `View` in these groups, in the order in which `View` defines them."""
    return [each for each in fields(View) if each.metadata["group"] in groups]


def _names_in(groups: Collection[str]) -> list[str]:
    return [each.name for each in options_in(groups)]


def _unknown_keyword(name: str, value: Any) -> str:
    """Return the message for a keyword argument that is no option."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    is_written = not any(is_boolean(part) or not isinstance(part, _WRITTEN) for part in parts)
    text = ",".join(map(str, parts)) if is_written else None
    hint = hint_for(name, text, [*fields(View), *fields(LineOptions)], PYTHON)
    return f"There is no option {short(name)}. {hint or 'help(featmagic.View) lists them.'}"


def view_of(**options: Any) -> View:
    """Return a `View` made of keyword arguments.

    Raises:
        FeatmagicError: There is no such option (the message says what to use instead), or a value
            is invalid.
    """
    for name, value in options.items():
        if name not in _OPTIONS:
            raise FeatmagicError(_unknown_keyword(name, value))
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

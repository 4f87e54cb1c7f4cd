"""The manual pages that `%hook?`, `%unhook?` and `%%featuremaps?` show."""

from __future__ import annotations

from dataclasses import Field, fields
from textwrap import wrap
from typing import Any

from featmagic.options.line_options import LineOptions
from featmagic.options.option import flag
from featmagic.options.view import View

_WIDTH = 90
_INDENT = 26


def option_usage(option: Field[Any]) -> str:
    """Return an option as a user writes it, such as `--max N`."""
    return f"{flag(option)} {option.metadata['metavar']}".strip()


def option_help(option: Field[Any]) -> str:
    """Return what an option does, and its default in parentheses."""
    written = option.metadata.get("written", option.default)
    default = "" if option.default in (None, False) else f" (default: {written})"
    return f"{option.metadata['help']}{default}"


def options_of_view() -> str:
    """Return a line or two of help for each option of `View`."""
    return _entries(View)


def _entries(kind: type[View | LineOptions]) -> str:
    return "\n".join(_entry(option_usage(each), option_help(each)) for each in fields(kind))


def _entry(usage: str, text: str) -> str:
    """Lay out an option and its help in two columns."""
    first = f"{usage:<{_INDENT - 1}} " if len(usage) < _INDENT else f"{usage}\n{'':{_INDENT}}"
    return first + f"\n{'':{_INDENT}}".join(wrap(text, _WIDTH - _INDENT))


_MODEL_AND_LAYER = """\
MODEL is a variable, an attribute or an item: model, trainer.model, models["a"].
LAYER is a path (layer1.0.conv1), its Python spelling (layer1[0].conv1), a glob, a
class name (Conv2d: every module of that class), or a dot for the model itself. In a
glob, * matches one level and ** any number of levels: blocks.* matches the blocks,
blocks.** all layers below them, and **.conv1 every conv1. relu:2 is the second call of
a layer that runs several times, lstm[1][0] one part of a nested output."""

HOOK = f"""\
Watch layers of a model: every later cell that runs the model updates `feature_maps`.

    %hook model                           list the layers of the model
    %hook model cnn1 act1                 watch two of them
    y = model(x)                          any code that runs the model

Synopsis
    %hook MODEL LAYER ... [--into NAME]   watch these layers
    %hook MODEL [--depth N]               list the layers as a tree: class and sizes,
                                          parameters, and output shapes if known
    %hook                                 list what is watched

{_MODEL_AND_LAYER}

Options
{_entry("--into NAME", "name of the variable to update (default: feature_maps)")}
{
    _entry(
        "--depth N",
        "list N levels; 0 or all lists every module (default: all levels, with repeated blocks "
        "folded if the tree is long)",
    )
}

Each name holds the feature maps of one model: watching with the same name again replaces
the earlier watch. The model runs as usual: training mode, gradients and inputs are
unchanged, and its hooks exist only while a cell runs. Model and layers are looked up at
the beginning of each cell, so a new model in the same variable is watched too.

Examples
    %hook model cnn1 act1 pool1
    y = model(x)
    feature_maps["cnn1"]                  Tensor (1, 5, 24, 24), a copy

    %hook trainer.model Conv2d --into convolutions

    %hook models["a"] layer1[0].* relu:2
"""

UNHOOK = """\
Stop watching layers.

Synopsis
    %unhook            stop watching everything
    %unhook NAME ...   stop updating these variables, or stop watching these models

Examples
    %unhook
    %unhook feature_maps
    %unhook trainer.model
"""

FEATUREMAPS = f"""\
Run a cell, or a statement, and show the feature maps of a model.

    %%featuremaps model cnn1 act1 pool1          run the cell, show three layers
    model(x);

    %featuremaps model cnn1 -- model(x);         the same for one statement
    %featuremaps cnn1 --cmap gray                show cnn1 again, in gray

Synopsis
    %%featuremaps [MODEL [LAYER ...]] [options]            run the rest of the cell
    %featuremaps MODEL [LAYER ...] [options] -- STATEMENT  run one statement
    %featuremaps [LAYER ...] [options]                     draw again what was captured
    %featuremaps NAME [LAYER ...] [options]                show what a variable holds

{_MODEL_AND_LAYER}
Without LAYER, the children of the model are shown; with --overview or --explore, all
layers, and blocks whose output differs from that of the layers inside them.
Without MODEL, the layers that %hook watches are shown.

NAME  a variable, an attribute or an item: feature maps (--into NAME, capture), a tensor or a
      NumPy array (batch[0], model.conv1.weight), or a list or dict of tensors. A matrix is
      one picture, (C, H, W) and (N, C, H, W) are channels, (H, W, 3) and (N, H, W, 3) images.
      Weights of a convolution have one filter per tile, and --sample is the input channel.
      A captured layer of that name takes precedence; (NAME) means the variable.

Options
{options_of_view()}
{_entries(LineOptions)}

%config FeatMagic lists the options that can be set for a whole session, here or in
ipython_config.py: cmap, max, scale, zoom, renderer and into. Options on the line take
precedence.

The cell runs with the model in eval mode and without gradients, and inputs are moved to
the model's device if all of them are elsewhere. The model is left unchanged: every
training flag is restored, and all hooks are removed. `feature_maps` maps the name of
each layer to its output; it can be used inside the cell, and if a forward pass fails,
it holds the layers that ran before. If the model runs several times, it holds each
layer's output in the latest pass that ran the layer, and the caption names that pass.

Examples
    %%featuremaps model cnn1 act1 pool1 --cmap gray --ncols 5
    model(x[500].unsqueeze(0));

    %featuremaps model layer1.*.conv1 --channels 0:16,40 -- model(x);

    %featuremaps cnn1 --scale layer --save "figures/cnn 1.pdf"

    %featuremaps cnn1 --cmap gray --title "CNN出力 (特徴マップ)"

    %featuremaps model.cnn1.weight

    %featuremaps model lm_head --pass all -- model.generate(ids);

    %%featuremaps model --explore --inputs images --save explorer.html
    model(images[:1]);
"""

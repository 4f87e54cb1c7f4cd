"""The manual pages that `%hook?`, `%unhook?` and `%%featuremaps?` show."""

from __future__ import annotations

from dataclasses import Field, fields
from textwrap import wrap
from typing import Any

from featmagic.ipython.parser import flag
from featmagic.options.view import View

_WIDTH = 90
_INDENT = 26


def option_usage(option: Field[Any]) -> str:
    """Return an option as a user writes it, such as `--max N`."""
    return f"{flag(option)} {option.metadata['metavar']}".strip()


def option_help(option: Field[Any]) -> str:
    """Return what an option does, and its default in parentheses."""
    written = option.metadata.get("written", option.default)
    default = "" if option.default in (None, False) else f" ({written})"
    return f"{option.metadata['help']}{default}"


LINE_OPTIONS = {
    "--into NAME": "bind NAME instead of feature_maps",
    "--as-is": "leave mode, gradients and inputs as they are",
    "--inputs NAME": (
        "with --explore: a tensor or a list, one of which can be picked in the explorer, and the "
        "model runs on it"
    ),
    "--save PATH": (
        "save it too: a picture as .png, .svg or .pdf, an explorer for any browser as .html, whole "
        "tensors as .npz or .safetensors; of several layers maps.png becomes maps-cnn1.png, "
        "maps-act1.png ..., while an explorer or arrays are in one file"
    ),
    "--overwrite": "even over files that are there already",
}


def options_of_view() -> str:
    """Return a line or two of help for each option of `View`."""
    return "\n".join(_entry(option_usage(field), option_help(field)) for field in fields(View))


def _entry(usage: str, text: str) -> str:
    """Lay out an option and its help in two columns."""
    first = f"{usage:<{_INDENT - 1}} " if len(usage) < _INDENT else f"{usage}\n{'':{_INDENT}}"
    return first + f"\n{'':{_INDENT}}".join(wrap(text, _WIDTH - _INDENT))


_MODEL_AND_LAYER = """\
MODEL is a variable, an attribute or an item: model, trainer.model, models["a"].
LAYER is a path (layer1.0.conv1), its Python spelling (layer1[0].conv1), a glob, a
class name (Conv2d: every module of that class), or a dot: the model itself. In a glob,
* stands for one level and ** for any number of levels: blocks.* is the blocks,
blocks.** all layers below them, and **.conv1 every conv1. relu:2 is the second call of
a layer that runs more than once, lstm[1][0] one part of what a layer returns."""

_LINE_ENTRIES = "\n".join(_entry(*option) for option in LINE_OPTIONS.items())

HOOK = f"""\
Watch layers of a model: every later cell that runs it refreshes `feature_maps`.

Synopsis
    %hook MODEL LAYER ... [--into NAME]   watch these layers
    %hook MODEL [--depth N]               list the layers as a tree: class and sizes,
                                          parameters, output shapes of the last look
    %hook                                 what is watched now

{_MODEL_AND_LAYER}

Options
{_entry("--into NAME", "refresh the variable NAME (feature_maps)")}
{
    _entry(
        "--depth N",
        "list N levels; 0 or all lists every module, while a long tree otherwise "
        "folds repeated blocks",
    )
}

A name holds the maps of one model: a second %hook with the same name takes the first
one's place. The model runs as always: training mode, gradients and inputs are left
alone, and hooks are on it only while a cell runs. Layers and model are looked up anew
at each cell, so a variable bound to a new model is followed.

Examples
    %hook model cnn1 act1 pool1
    y = model(x)
    feature_maps["cnn1"]                  Tensor (1, 5, 24, 24), a copy

    %hook trainer.model Conv2d --into convolutions

    %hook models["a"] layer1[0].* relu:2
"""

UNHOOK = """\
Stop watching.

Synopsis
    %unhook            everything
    %unhook NAME ...   what refreshes these names, or what watches these models

Examples
    %unhook
    %unhook feature_maps
    %unhook trainer.model
"""

FEATUREMAPS = f"""\
Run a cell, or a statement, and show the feature maps of a model.

Synopsis
    %%featuremaps [MODEL [LAYER ...]] [options]            run the cell, show the grids
    %featuremaps MODEL [LAYER ...] [options] -- STATEMENT  the same in one line
    %featuremaps [LAYER ...] [options]                     show again, drawn another way

{_MODEL_AND_LAYER}
With a model alone: its own children, or for --overview and --explore all layers, and of
the blocks around them those that return what no layer in them did.
With neither: what %hook watches.

Options, with their defaults
{options_of_view()}
{_LINE_ENTRIES}

%config FeatMagic lists what can be set for a whole session, or in ipython_config.py:
cmap, max, scale, zoom, renderer and into. A line's own options come first.

The model runs in eval mode, without gradients, with its inputs moved to its device if
all of them are elsewhere; afterwards every training flag is as before and no hook is
left. `feature_maps` is a mapping from layer to tensor; it is there as the cell begins,
and keeps what ran before a forward pass failed. If the model runs several times, each
layer keeps its output in the latest pass that ran it, and its caption says which pass
that was.

Examples
    %%featuremaps model cnn1 act1 pool1 --cmap gray --ncols 5
    model(x[500].unsqueeze(0))

    %featuremaps model layer1.*.conv1 --channels 0:16,40 -- model(x)

    %featuremaps cnn1 --scale layer --save "figures/cnn 1.pdf"

    %featuremaps model lm_head --pass all -- model.generate(ids)

    %%featuremaps model --explore --inputs images --save look.html
    model(images[:1])
"""

"""Lines that people type by mistake, and what each is answered: one line that says what to type.

The hints are written by hand, by what the line means. The corrected line, which somebody who
follows the hint would type, has to work.
"""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
import torch
from helpers.networks import DNN, images
from helpers.shells import Shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featmagic.ipython.parser import options_of, parse_again, parse_hook, parse_look
from featmagic.options.line_options import LineOptions
from featmagic.options.notes import NOTES
from featmagic.options.option import flag, spelled
from featmagic.options.view import View, view_of
from featmagic.support.errors import FeatmagicError

LONGEST_ANSWER = 240

# An option as it is typed behind `%%featuremaps model cnn1`, the hint, and what to type instead.
OPTIONS = [
    # Which channels, which samples
    ("--batch 0", "Use --sample 0", "--sample 0"),
    ("--batch", "Use --sample I", "--sample 0"),
    ("--item 0", "Use --sample 0", "--sample 0"),
    ("--index 0", "Use --channels 0 or --sample 0", "--channels 0"),
    ("--image 0", "Use --sample 0", "--sample 0"),
    ("--image", "Use --input", "--input"),
    ("--idx=0", "--sample 0", "--sample 0"),
    ("--channel 0,1", "Use --channels 0,1", "--channels 0,1"),
    ("-c 0", "Use --channels 0", "--channels 0"),
    ("--filters 2", "Use --channels 2", "--channels 2"),
    ("--head 3", "Use --channels 3 or --attn 3", "--channels 3"),
    ("--channels 0 1 2", "--channels takes one value, without spaces: --channels 0,1,2",
     "--channels 0,1,2"),
    ("--channels 0, 1, 2", "--channels 0,1,2", "--channels 0,1,2"),
    ("--channels 0 - 2", "Code goes after `--`", "--channels 0:2"),
    ("--channels a", "--channels must be indices and slices separated by commas, such as 0:16,40",
     "--channels 0:2"),
    ("--channels 99", "No channel 99: there are 5, 0 to 4.", "--channels 4"),
    ("--sample 0 0", "--sample takes one value, without spaces: --sample 0,0", "--sample 0,0"),
    ("--sample first", "--sample must be indices and slices", "--sample 0"),
    ("--limit 8", "Use --max 8", "--max 8"),
    ("--n 8", "Use --max 8", "--max 8"),
    ("--num 8", "Use --max 8", "--max 8"),
    ("-n 8", "Use --max 8", "--max 8"),
    ("-n8", "Use --max 8", "--max 8"),
    ("--max8", "Use --max 8.", "--max 8"),
    ("--max 4 8", "--max takes one value: --max 4", "--max 4"),
    ("--max many", "--max must be a whole number, not 'many'", "--max 4"),
    ("--max -1", "--max must be 0 or more, not -1", "--max 0"),
    ("--best 2", "Use --topk 2", "--topk 2"),
    ("--top 2", "Use --topk 2", "--topk 2"),
    ("--rank std", "Use --sort std", "--sort std"),
    ("--order std", "Use --sort std", "--sort std"),
    ("--sort-by variance", "Use --sort index|mean|absmean|max|std|sparsity|similar", "--sort std"),
    ("--cluster", "Use --sort similar", "--sort similar"),
    ("--sort none", "invalid --sort 'none': choose index, mean", "--sort index"),
    ("--step 1", "Use --pass 1", "--pass 1"),
    ("--call 1", "Use --pass 1", "--pass 1"),
    ("--pass first", "invalid --pass 'first': choose last, all or a whole number", "--pass 1"),
    ("--pass 0", "--pass can't be 0: passes are numbered from 1", "--pass 1"),
    # What the dimensions are
    ("--axes NCHW", "Use --layout NCHW", "--layout NCHW"),
    ("--channels-last", "Use --layout NHWC", "--layout NHWC"),
    ("--nchw", "Use --layout NCHW", "--layout NCHW"),
    ("--layout N C H W", "--layout takes one value, without spaces: --layout NCHW",
     "--layout NCHW"),
    ("--layout channels_last", "--layout must have one letter per dimension, such as NCHW, NHWC",
     "--layout NHWC"),
    ("--patch 14x14", "Use --grid 14x14", ""),
    ("--grid 14 14", "--grid takes one value, without spaces: --grid 14x14", ""),
    ("--grid 14", "--grid must be height x width, such as 14x14, not '14'", ""),
    ("--tokens", "Use --grid HxW, --prefix-tokens N or --attn cls|mean|N", ""),
    ("--registers 4", "Use --prefix-tokens 4", ""),
    ("--time 3", "Use --slice 3", ""),
    ("--depth 2", "Use --slice 2", ""),
    ("--cls", "Use --attn cls|mean|N", ""),
    ("--attention mean", "Use --attn mean", ""),
    # Colors and ranges
    ("--colormap gray", "Use --cmap gray", "--cmap gray"),
    ("--colors gray", "Use --cmap gray", "--cmap gray"),
    ("--palette magma", "Use --cmap magma", "--cmap magma"),
    ("--colour gray", "Use --cmap gray", "--cmap gray"),
    ("--color_map gray", "Use --cmap gray", "--cmap gray"),
    ("-cmap gray", "Use --cmap gray.", "--cmap gray"),
    ("---cmap gray", "Use --cmap gray.", "--cmap gray"),
    ("—cmap gray", "Use --cmap gray.", "--cmap gray"),
    ("--CMAP gray", "Use --cmap gray.", "--cmap gray"),
    ("--cmapgray", "Use --cmap gray.", "--cmap gray"),
    ("--colmap gray", "Did you mean --cmap?", "--cmap gray"),
    ("--cmap", "--cmap needs a value: --cmap NAME (any matplotlib colormap)", "--cmap gray"),
    ("--cmap=", "--cmap needs a value: --cmap NAME", "--cmap=gray"),
    ("--cmap grays_", "There is no colormap 'grays_'. Did you mean", "--cmap gray"),
    ("cmap=gray", "Options begin with two dashes: --cmap gray", "--cmap=gray"),
    ("colormap=gray", "Use --cmap gray", "--cmap=gray"),
    ("cmap = gray", "Options begin with two dashes: --cmap gray", "--cmap=gray"),
    ("cmap gray", "Options begin with two dashes: --cmap gray", "--cmap gray"),
    ("--grayscale", "Use --cmap gray", "--cmap gray"),
    ("--reverse", "Add _r to the colormap's name, as in --cmap gray_r", "--cmap gray_r"),
    ("--normalize", "Use --robust", "--robust"),
    ("--percentile 5", "Use --robust 5", "--robust 5"),
    ("--percentile 98", "Use --robust", "--robust"),
    ("--clip 1", "Use --robust 1", "--robust 1"),
    ("--robust 60", "--robust must be from 0 to 49, not 60", "--robust 40"),
    ("--robust 2 98", "--robust takes one value: --robust 2", "--robust 2"),
    ("--log", "Use --norm log", "--norm log"),
    ("--norm log2", "invalid --norm 'log2': choose linear, log, symlog or asinh.", "--norm log"),
    ("--scale global", "invalid --scale 'global': choose channel, layer or all", "--scale all"),
    ("--share layer", "Use --scale layer", "--scale layer"),
    ("--per-channel", "Use --scale channel", "--scale channel"),
    ("--range 0,1", "Use --vmin X and --vmax X", "--vmin 0 --vmax 1"),
    ("--vmin 0 1", "--vmin 0 --vmax 1", "--vmin 0 --vmax 1"),
    ("--vmin 1 --vmax 0", "vmin (1) must be less than vmax (0)", "--vmin 0 --vmax 1"),
    ("--vmin -inf", "--vmin must be a finite number, not -inf", "--vmin -1"),
    ("--vmin low", "--vmin must be a number, not 'low'", "--vmin -1"),
    ("--centre 0", "Use --center 0.", "--center 0"),
    ("--symmetric", "Use --center 0", "--center 0"),
    ("--threshold 0.5", "--vmin X draws all values below X in the lowest color", "--vmin 0.5"),
    # One picture per layer, and the input
    ("--pca", "Use --reduce pca", "--reduce pca"),
    ("--avg", "Use --reduce mean", "--reduce mean"),
    ("--reduce sum", "invalid --reduce 'sum': choose mean, max, absmax, norm or pca",
     "--reduce mean"),
    ("--pca_basis a", "Use --pca-basis a.", "--reduce pca --pca-basis a"),
    ("--pca-basis a", "--pca-basis doesn't apply here: it needs --reduce pca",
     "--reduce pca --pca-basis a"),
    ("--reduce pca --cmap gray", "--cmap doesn't apply here: --reduce pca has its own colors",
     "--reduce pca"),
    ("--original", "Use --input", "--input"),
    ("--input 3", "--input takes no value: write --input alone", "--input"),
    ("--input true", "--input takes no value: write --input alone", "--input"),
    ("--input=1", "--input takes no value: write --input alone", "--input"),
    ("--no-input", "Leave --input out", ""),
    ("--imagenet", "Use --input, which undoes ImageNet normalization", "--input"),
    ("--mean 0.5 0.5 0.5 --input", "--mean takes one value, without spaces: --mean 0.5,0.5,0.5",
     "--mean 0.5,0.5,0.5 --input"),
    ("--mean 0.5,0.5 --input", "--mean must be one number or three separated by commas, not 2",
     "--mean 0.5 --input"),
    ("--heatmap", "Use --overlay", "--overlay"),
    ("--overlay 0.5", "--overlay takes no value: write --overlay alone; --alpha 0.5",
     "--overlay --alpha 0.5"),
    ("--opacity .5", "Use --alpha .5: with --overlay", "--overlay --alpha .5"),
    ("--alpha 0.5", "--alpha doesn't apply here: it needs --overlay", "--alpha 0.5 --overlay"),
    ("--alpha 2 --overlay", "--alpha must be from 0 to 1, not 2", "--alpha 1 --overlay"),
    # Size, and everything at once
    ("--columns 5", "Use --ncols 5", "--ncols 5"),
    ("--cols 5", "Use --ncols 5", "--ncols 5"),
    ("--nrow 5", "Use --ncols 5", "--ncols 5"),
    ("--nclos 5", "Did you mean --ncols?", "--ncols 5"),
    ("--ncols five", "--ncols must be a whole number, not 'five'", "--ncols 5"),
    ("--ncols 0", "--ncols must be 1 or more, not 0", "--ncols 1"),
    ("--scale-factor 4", "Use --zoom 4", "--zoom 4"),
    ("--size 4", "Use --zoom 4", "--zoom 4"),
    ("--zoom 1.5", "--zoom must be a whole number, not '1.5'", "--zoom 2"),
    ("--figsize 8 6", "Use --zoom N (pixels per value), or in Python feature_maps.figure(",
     "--zoom 4"),
    ("--dpi 200", 'savefig("cnn1.png", dpi=200)', "--zoom 4"),
    ("--width 800", "Use --zoom N (pixels per value) and --ncols N (tiles per row)", "--ncols 3"),
    ("--summary", "Use --overview", "--overview"),
    ("--all", "Use --overview", "--overview"),
    ("--stats", "Use --overview", "--overview"),
    ("--over", "Use --overwrite, --overlay or --overview", "--overview"),
    ("--overview --ncols 3", "--ncols doesn't apply here: --overview doesn't use it", "--overview"),
    ("--html", "Use --save explorer.html or --explore", "--save explorer.html"),
    ("--widget", "Use --explore", None),
    ("--interactive", "Use --explore", None),
    ("--explore --ncols 3", "--ncols doesn't apply here: --explore doesn't use it", None),
    ("--memory 8MB", "Use --max-bytes 8MB: with --explore", None),
    ("--ascii", "Use --renderer ascii", "--renderer ascii"),
    ("--text", "Use --renderer ascii", "--renderer ascii"),
    ("--backend blocks", "Use --renderer blocks", "--renderer blocks"),
    ("--renderer html", "invalid --renderer 'html': choose auto, png, blocks, ascii or none",
     "--renderer ascii"),
    ("--quiet", "Use --renderer none", "--renderer none"),
    ("--max-rows 2", "Use --rows 2", "--rows 2"),
    # Of the line itself
    ("--out a.png", "Use --save a.png", "--save a.png"),
    ("--output a.png", "Use --save a.png", "--save a.png"),
    ("--file a.png", "Use --save a.png", "--save a.png"),
    ("-o a.png", "Use --save a.png", "--save a.png"),
    ("--png", "Use --save maps.png", "--save maps.png"),
    ("--npz", "Use --save maps.npz", "--save maps.npz"),
    ("--format svg", "The file's suffix sets the format: --save maps.png", "--save a.svg"),
    ("--save", "--save needs a value: --save PATH", "--save a.png"),
    ("--save --overwrite", "--save needs a value: --save PATH", "--save a.png --overwrite"),
    ("--save a.jpg", "can't save as 'a.jpg': the file name must end with .png, .svg",
     "--save a.png"),
    ("--save maps", "Did you mean maps.png?", "--save maps.png"),
    ("--save no/a.png", "There is no folder no to save a.png in", "--save a.png"),
    ("--save there.png", "there.png already exists; add --overwrite to replace it",
     "--save there.png --overwrite"),
    ("--overwrite", "--overwrite needs --save PATH", "--save there.png --overwrite"),
    ("--force", "Use --overwrite", "--save there.png --overwrite"),
    ("-f", "Use --overwrite", "--save there.png --overwrite"),
    ("--name maps", "Use --into maps", "--into maps"),
    ("--as maps", "Use --into maps", "--into maps"),
    ("--into 2x", "--into must be the name of a variable, such as maps_a, not '2x'", "--into x2"),
    ("--into class", "--into must be the name of a variable", "--into classes"),
    ("--into x", "x already holds a Tensor. Add --into NAME", "--into maps"),
    ("--into", "--into needs a value: --into NAME", "--into maps"),
    ("--as_is", "Use --as-is.", "--as-is"),
    ("--asis", "Use --as-is", "--as-is"),
    ("--train", "The model runs in eval mode; --as-is keeps its current mode",
     "--as-is"),
    ("--eval", "The model already runs in eval mode without gradients", ""),
    ("--no-grad", "already runs in eval mode without gradients; --as-is turns that off", ""),
    ("--device cuda", 'move the model: model.to("cuda")', ""),
    ("--cuda", "Inputs are moved to the model's device", ""),
    ("--inputs x", "--inputs needs --explore", None),
    # What is no option
    ("--layers cnn1", "Name layers without an option: %%featuremaps model cnn1", ""),
    ("--layer act1", "%%featuremaps model act1", "act1"),
    ("--model model", "The model comes first, without an option: %%featuremaps model cnn1", ""),
    ("--help", "%%featuremaps? shows the help", ""),
    ("-h", "%%featuremaps? shows the help", ""),
    ("--grad", "with --as-is, autograd stays on and the cell can call backward()", "--as-is"),
    ("--gradient", "Gradients aren't shown", "--as-is"),
    ("--compare",
     "Side-by-side comparison isn't supported: show one after the other with the same --vmin and "
     "--vmax",
     "--vmin 0 --vmax 1"),
    ("--diff", "Side-by-side comparison isn't supported", "--vmin 0 --vmax 1"),
    ("--animate", "Animations aren't supported; --pass all shows one row per pass", "--pass all"),
    ("--kernels", "To show weights", ""),
    ("--x", "The input is what your code passes to the model", ""),
    ("--qqqq", "%%featuremaps? shows its options", ""),
    ("-- model(x)", "%%featuremaps takes no statement after `--`: put it on the next line", ""),
    ("- model(x)", "Code goes after `--`: %featuremaps MODEL ... -- model(x)", ""),
]  # fmt: skip

# A cell, the hint, and the cell that it asks for.
CELLS = [
    ("%hook off", "%unhook stops watching", "%unhook"),
    ("%hook --off", "%unhook stops watching", "%unhook"),
    ("%hook list", "%hook alone lists what is watched; %hook model lists the layers",
     "%hook model"),
    ("%hook help", "%hook? shows the help", "%hook?"),
    ("%hook --help", "%hook? shows the help", "%hook?"),
    ("%unhook all", "%unhook alone stops watching everything", "%unhook"),
    ("%unhook --all", "Use %unhook alone to stop watching everything", "%unhook"),
    ("%unhook nothing", "No watch is named 'nothing'", "%unhook"),
    ("%unhok", "There is no magic %unhok. Did you mean %unhook?", "%unhook"),
    ("%hook model.cnn1", "To watch it: %hook model cnn1", "%hook model cnn1"),
    ("%hook model.cnn1 model.act1", "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ("%hook model cnn1, act1", "Separate layers with spaces: %hook model cnn1 act1",
     "%hook model cnn1 act1"),
    ("%hook model cnn1,act1", "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ("%hook model [cnn1, act1]", "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ('%hook model ["cnn1", "act1"]', "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ('%hook model ["cnn1","act1"]', "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ("%hook model (cnn1, act1)", "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ('%hook model "cnn1", "act1"', "%hook model cnn1 act1", "%hook model cnn1 act1"),
    ('%hook model "cnn1 act1"', "Don't put several layers in one pair of quotes: %hook model cnn1",
     "%hook model cnn1 act1"),
    ("%hook model, cnn1", "Separate layers with spaces: %hook model cnn1", "%hook model cnn1"),
    ("%hook model,cnn1", "Separate layers with spaces: %hook model cnn1", "%hook model cnn1"),
    ("%hook model CNN1", "Did you mean cnn1?", "%hook model cnn1"),
    ("%hook model con1", "Did you mean cnn1?", "%hook model cnn1"),
    ("%hook model conv2d", "Did you mean Conv2d", "%hook model Conv2d"),
    ("%hook cnn1", "name the model first: model cnn1", "%hook model cnn1"),
    ("%hook Model cnn1", "There is no variable 'Model'. Did you mean model?", "%hook model cnn1"),
    ("%hook x cnn1", "expected an nn.Module, but x is a Tensor", "%hook model cnn1"),
    ("%hook model(x)", "can't use 'model(x)' as a model: leave out the call and write model",
     "%hook model"),
    ("%hook DNN() cnn1", "can't use 'DNN()' as a model: assign it to a variable first",
     "net = DNN()\n%hook net cnn1"),
    ("%hook model all", "Name layers by class or glob, such as %hook model Conv2d",
     "%hook model Conv2d"),
    ("%hook model cnn1 --cmap gray", "In %featuremaps, use --cmap gray",
     "%featuremaps model cnn1 --cmap gray -- model(x);"),
    ("%hook model cnn1 --name a", "Use --into a", "%hook model cnn1 --into a"),
    ("%hook model cnn1 -- model(x)", "%hook takes no statement after `--`", "%hook model cnn1"),
     ("%%hook model cnn1\nmodel(x)", "%hook is a line magic", "%hook model cnn1\nmodel(x);"),
    ("%hooks model", "Did you mean %hook?", "%hook model"),
    ("%watch model cnn1", "Did you mean %hook?", "%hook model cnn1"),
    ("%featuremap model cnn1 -- model(x)",
     "There is no magic %featuremap. Did you mean %featuremaps?",
     "%featuremaps model cnn1 -- model(x);"),
    ("%%featuremap model cnn1\nmodel(x)", "Did you mean %%featuremaps?",
     "%%featuremaps model cnn1\nmodel(x);"),
    ("%feature_maps cnn1", "Did you mean %featuremaps?", "%featuremaps model cnn1 -- model(x);"),
    ("y = 1\n%featuremap cnn1", "Did you mean %featuremaps?", "%featuremaps model -- model(x);"),
    ("%featuremaps model(x)", "Code goes after `--`: %featuremaps model -- model(x)",
     "%featuremaps model -- model(x)"),
    ("%featuremaps model(x, 1)", "Code goes after `--`: %featuremaps model -- model(x, 1)",
     "%featuremaps model -- model(x)"),
    ("%featuremaps model cnn1 model(x)", "%featuremaps model cnn1 -- model(x)",
     "%featuremaps model cnn1 -- model(x)"),
    ("%featuremaps model cnn1", "needs code to run: add `-- model(x)`, or use %%featuremaps",
     "%featuremaps model cnn1 -- model(x)"),
    ("%featuremaps cnn1", "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x).",
     "%featuremaps model cnn1 -- model(x)"),
    ("%featuremaps model cnn1 --", "No statement after `--`: %featuremaps MODEL ... -- model(x)",
     "%featuremaps model cnn1 -- model(x)"),
    ("%featuremaps model cnn1 — model(x)", "Code goes after `--`: %featuremaps MODEL ... --",
     "%featuremaps model cnn1 -- model(x)"),
    ("%featuremaps model cnn1 -- cmap gray",
     "Remove the space after the dashes: --cmap gray",
     "%featuremaps model cnn1 --cmap gray -- model(x)"),
    ("%featuremaps model cnn1 -- model(", "The statement isn't valid Python",
     "%featuremaps model cnn1 -- model(x)"),
    ("%featuremaps cnn1 --into maps", "without code to run: add `-- model(x)`",
     "%featuremaps model cnn1 --into maps -- model(x)"),
    ("%featuremaps cnn1 --name maps",
     "Use --into maps: name of the variable for the feature maps. It needs",
     "%featuremaps model cnn1 --into maps -- model(x)"),
    ("%featuremaps help", "%featuremaps? shows the help", "%featuremaps?"),
    ("%%featuremaps model(x)\nmodel(x)", "leave out the call and write model",
     "%%featuremaps model\nmodel(x);"),
    ("%%featuremaps model cnn1 model(x)\nmodel(x)", "Code goes on the next line",
     "%%featuremaps model cnn1\nmodel(x);"),
    ("%%featuremaps\nmodel(x)", "No model is being watched: name one",
     "%%featuremaps model cnn1\nmodel(x);"),
    ("%%featuremaps cnn1\nmodel(x)", "name the model first: model cnn1",
     "%%featuremaps model cnn1\nmodel(x);"),
    ("%%featuremaps model all\nmodel(x)", "%%featuremaps model --overview",
     "%%featuremaps model --overview\nmodel(x);"),
    ("%%featuremaps model cnn1, act1\nmodel(x)", "%%featuremaps model cnn1 act1",
     "%%featuremaps model cnn1 act1\nmodel(x);"),
    ("%%featuremaps model [cnn1]\nmodel(x)", "%%featuremaps model cnn1",
     "%%featuremaps model cnn1\nmodel(x);"),
    ('%%featuremaps "model cnn1"\nmodel(x)', "%%featuremaps model cnn1",
     "%%featuremaps model cnn1\nmodel(x);"),
    ("%%featuremaps model cnn1 'act1\nmodel(x)", "A quote is not closed in: 'act1",
     "%%featuremaps model cnn1 'act1'\nmodel(x);"),
    ("%%featuremaps model cnn1\nx", "No forward pass of model ran in this cell",
     "%%featuremaps model cnn1\nmodel(x);"),
    ("y = 1\n%%featuremaps model\nmodel(x)", "%%featuremaps must be on the first line of a cell",
     "%%featuremaps model\nmodel(x);"),
]  # fmt: skip

KEYWORDS = [
    ({"colormap": "gray"}, "Use cmap='gray'"),
    ({"colour": "gray"}, "Use cmap='gray'"),
    ({"Cmap": "gray"}, "Use cmap='gray'."),
    ({"colmap": "gray"}, "Did you mean cmap?"),
    ({"n": 8}, "Use max=8"),
    ({"batch": 0}, "Use sample=0"),
    ({"channel": [0, 1]}, "Use channels=(0,1)"),
    ({"percentile": 98}, "Use robust=True"),
    ({"log": True}, "Use norm='log'"),
    ({"columns": 4}, "Use ncols=4"),
    ({"html": True}, "Use explore=True"),
    ({"layers": ["cnn1"]}, 'Pass layers by position: show("cnn1").'),
    ({"save": "a.png"}, 'Use feature_maps.save("maps.png").'),
    ({"overwrite": True}, "Use save(..., overwrite=True)."),
    ({"into": "maps"}, "with capture(...) as maps_a"),
    ({"as_is": True}, "Use capture(model, ..., as_is=True)."),
    ({"inputs": 1}, "Use explore(model=model, inputs=images)."),
    ({"figsize": (8, 6)}, 'figure("cnn1").savefig("cnn1.png", dpi=200)'),
    ({"grad": True}, "in capture(..., as_is=True), autograd stays on"),
    ({"qqqq": 1}, "help(featmagic.View) lists them."),
]


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """Run a cell in a fresh state of one shell; return its error and what it printed."""
    shell = Shell()
    folder = tmp_path_factory.mktemp("typed")

    def run(cell):
        shell.names.update(model=DNN(), x=images(), torch=torch, DNN=DNN)
        for name in ("feature_maps", "maps", "net"):
            shell.names.pop(name, None)
        shell.attempt("%unhook")
        (folder / "there.png").write_bytes(b"")
        shell.ip.run_line_magic("cd", f"-q {folder}")
        result, printed = shell.attempt(cell)
        for file in folder.iterdir():
            file.unlink()
        return result.error_in_exec or result.error_before_exec, printed

    yield run
    shell.close()


def test_there_are_more_than_enough_wrong_lines():
    lines = [line for line, *_ in (*OPTIONS, *CELLS)]
    assert len(set(lines)) == len(lines) >= 200


def check_answer(error, hint):
    assert isinstance(error, FeatmagicError), error
    said = str(error)
    assert hint in said
    assert "\n" not in said
    assert len(said) <= LONGEST_ANSWER
    assert len(set(re.findall(r"--[a-z][\w-]*", said))) <= 8
    assert error._render_traceback_() == [f"{type(error).__name__}: {said}"]


@pytest.mark.parametrize(("line", "hint", "right"), OPTIONS, ids=[o[0] for o in OPTIONS])
def test_a_wrong_option_is_answered_by_what_it_means(typed, line, hint, right):
    error, _ = typed(f"%%featuremaps model cnn1 {line}\nmodel(x);")
    check_answer(error, hint)
    if right is not None:  # an explorer needs a terminal or a notebook
        error, printed = typed(f"%%featuremaps model cnn1 {right}\nmodel(x);")
        assert error is None
        assert "Conv2d" in printed


@pytest.mark.parametrize(("cell", "hint", "right"), CELLS, ids=[c[0] for c in CELLS])
def test_a_wrong_line_is_answered_by_what_it_means(typed, cell, hint, right):
    error, _ = typed(cell)
    check_answer(error, hint)
    assert typed(right)[0] is None


@pytest.mark.parametrize(("options", "hint"), KEYWORDS, ids=[next(iter(k[0])) for k in KEYWORDS])
def test_a_wrong_keyword_is_answered_by_the_same_table(options, hint):
    with pytest.raises(FeatmagicError) as caught:
        view_of(**options)
    check_answer(caught.value, hint)


@pytest.mark.parametrize("line", ["--vmin -1", "--vmin -.5", "--vmin=-1e-3", "--center -0.5",
                                  "--sample -1", "--channels -3:", "--pass -1"])  # fmt: skip
def test_negative_values_are_no_mistake(typed, line):
    assert typed(f"%%featuremaps model cnn1 {line}\nmodel(x);")[0] is None


@pytest.mark.parametrize("line", ["--cmap gray model cnn1", "--input model cnn1", "--robust model"])
def test_options_before_the_model_are_no_mistake(typed, line):
    assert typed(f"%%featuremaps {line}\nmodel(x);")[0] is None


def test_a_layer_is_no_mistake_whatever_its_name_looks_like(typed):
    names = ["all", "off", "help", "true", "cmap", "1", "2", "a,b", "a=b", "f(x)", "=", "two words"]
    layers = ", ".join(f"({name!r}, torch.nn.Identity())" for name in names)
    cell = (
        f"from collections import OrderedDict\nodd = torch.nn.Sequential(OrderedDict([{layers}]))"
    )
    quoted = " ".join(f"'{name}'" for name in names)
    assert typed(f"{cell}\n%hook odd {quoted}")[0] is None
    assert typed("%featuremaps odd --input 1 2 true -- odd(x);")[0] is None
    assert typed("%featuremaps odd --channels 0 1 2 -- odd(x);")[0] is None


def also(option):
    return [word.partition("=") for word in option.metadata["also"].split()]


EVERY = [*fields(View), *fields(LineOptions)]
MEANT = {
    word: [o for o in EVERY if word in [w for w, *_ in also(o)]]
    for o in EVERY
    for word, *_ in also(o)
}


@pytest.mark.parametrize("word", MEANT)
def test_every_other_word_for_an_option_is_answered_with_that_option(word):
    with pytest.raises(FeatmagicError) as caught:
        parse_look(f"model --{word}")
    used = re.fullmatch(r".* has no option '\S+'\. Use (--.*)", str(caught.value))[1]
    named = {option for option in MEANT[word] if flag(option) in used}
    alone = {
        option for option in MEANT[word] if "const" in option.metadata or implied(word, option)
    }
    assert named == (alone or set(MEANT[word]))
    for option in named:
        if value := implied(word, option):
            assert f"{flag(option)} {value}" in used
            assert option.metadata["check"](flag(option), value) is not None


def implied(word, option):
    return {other: value for other, _, value in also(option)}[word]


def test_no_word_is_an_option_and_another_word_for_one():
    names, others = {spelled(option.name) for option in EVERY}, set(MEANT)
    noted = [word for note in NOTES for word in note.words.split()]
    assert not names & others
    assert not names & set(noted)
    assert not others & set(noted)
    assert len(set(noted)) == len(noted)


words = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=200)


@given(words, st.sampled_from([parse_look, parse_again, parse_hook]))
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_any_unknown_option_is_answered_in_one_short_line(word, parse):
    word = word.replace("'", "").replace('"', "")
    if f"--{word}".partition("=")[0] in options_of("%%featuremaps"):
        return
    try:
        parse(f"model --{word}")
    except FeatmagicError as error:
        said = str(error)
        assert "\n" not in said
        assert len(said) <= LONGEST_ANSWER
        assert said.count("--") <= 8

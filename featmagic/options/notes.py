"""Words that people mistake for options, with hints about what to use instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Note(NamedTuple):
    """What to say about a word that is no option.

    Attributes:
        words: The words.
        line: The sentence for a magic's line; `{magic}` stands for the magic, `{line}` for it
            and the model, `{layer}` and `{model}` for the word behind the option.
        python: The sentence for keyword arguments; the line's if it is empty.
    """

    words: str
    line: str
    python: str = ""


NOTES = (
    Note(
        "help h usage man manual docs doc options version",
        "{magic}? shows the help.",
        "help(featmagic.View) lists the options.",
    ),
    Note(
        "layer layers module modules node nodes target targets at hook block blocks return-nodes",
        "Name layers without an option: {line} {layer}",
        'Pass layers by position: show("{layer}").',
    ),
    Note(
        "model net network m",
        "The model comes first, without an option: {magic} {model} cnn1",
        "Only explore() takes model=; the other methods show what was captured.",
    ),
    Note(
        "grad grads gradient gradients backward backprop saliency gradcam grad-cam cam "
        "integrated-gradients attribution attributions retain-graph",
        "Gradients aren't shown; with --as-is, autograd stays on and the cell can call backward().",
        "Gradients aren't shown; in capture(..., as_is=True), autograd stays on for backward().",
    ),
    Note(
        "no-grad eval inference inference-mode eval-mode torch-no-grad detach",
        "The model already runs in eval mode without gradients; --as-is turns that off.",
        "capture() already runs the model in eval mode without gradients; as_is=True turns that "
        "off.",
    ),
    Note(
        "train training train-mode mode dropout",
        "The model runs in eval mode; --as-is keeps its current mode.",
        "capture() runs the model in eval mode; capture(..., as_is=True) keeps its current mode.",
    ),
    Note(
        "imagenet denormalize unnormalize denorm unnorm imagenet-mean imagenet-std imagenet-norm",
        "Use --input, which undoes ImageNet normalization if it detects it; otherwise set --mean "
        "and --std.",
        "Use input=True, which undoes ImageNet normalization if it detects it; otherwise set mean "
        "and std.",
    ),
    Note(
        "device cuda gpu cpu mps to-device",
        "Inputs are moved to the model's device; to change that, move the model: "
        'model.to("cuda").',
    ),
    Note(
        "compare diff difference versus vs delta against other side-by-side",
        "Side-by-side comparison isn't supported: show one after the other with the same --vmin "
        "and --vmax.",
        "Side-by-side comparison isn't supported: show one after the other with the same vmin and "
        "vmax.",
    ),
    Note(
        "animate animation gif video movie mp4 fps",
        "Animations aren't supported; --pass all shows one row per pass.",
        'Animations aren\'t supported; passes="all" shows one row per pass.',
    ),
    Note(
        "dpi figsize fig-size resolution fig figure",
        "Use --zoom N (pixels per value), or in Python "
        'feature_maps.figure("cnn1").savefig("cnn1.png", dpi=200).',
        'Use zoom=N (pixels per value), or figure("cnn1").savefig("cnn1.png", dpi=200).',
    ),
    Note(
        "width height w",
        "Use --zoom N (pixels per value) and --ncols N (tiles per row).",
        "Use zoom=N (pixels per value) and ncols=N (tiles per row).",
    ),
    Note(
        "weights weight parameters params kernel kernels",
        "To show weights, use %featuremaps model.conv1.weight.",
        "Only outputs are shown here; in IPython, %featuremaps model.conv1.weight shows weights.",
    ),
    Note(
        "reverse invert inverted flip reversed",
        "Add _r to the colormap's name, as in --cmap gray_r.",
        'Add _r to the colormap\'s name, as in cmap="gray_r".',
    ),
    Note(
        "threshold thresh mask above below",
        "Values aren't masked; --vmin X draws all values below X in the lowest color.",
        "Values aren't masked; vmin=X draws all values below X in the lowest color.",
    ),
    Note(
        "x data tensor input-data input-tensor url image-path",
        "The input is what your code passes to the model, as in model(x).",
    ),
    Note(
        "format ext extension suffix filetype file-type",
        "The file's suffix sets the format: --save maps.png, maps.svg or maps.npz.",
        'The file\'s suffix sets the format: save("maps.svg").',
    ),
    Note(
        "list ls tree print-layers list-layers",
        "%hook model lists the layers.",
        "model.named_modules() lists the layers.",
    ),
    Note(
        "off stop remove clear delete unhook disable reset kill detach-hooks",
        "%unhook stops watching.",
        "Hooks are removed when the with block ends.",
    ),
    Note(
        "show display plot view grids",
        "Feature maps are shown without an option.",
    ),
    Note(
        "bins nbins",
        "Each caption has a histogram; its bins can't be changed.",
    ),
    Note(
        "quantize fp16 half dtype precision amp float16 bf16",
        "Values keep the dtype that the layer returned.",
    ),
)

NOTE_OF: Mapping[str, Note] = {word: note for note in NOTES for word in note.words.split()}

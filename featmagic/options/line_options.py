"""The options of a magic's line that don't say how to draw."""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import Any

from featmagic.options.option import option, switch
from featmagic.support.errors import FeatmagicError, short


def variable(name: str, value: Any) -> str:
    """Return the value of an option if it can be the name of a variable, or raise our error.

    Args:
        name: The option's name, for the message.
        value: What the user gave.
    """
    if not isinstance(value, str) or not value.isidentifier() or keyword.iskeyword(value):
        raise FeatmagicError(
            f"{name} must be the name of a variable, such as maps_a, not {short(value)}."
        )
    return value


def _any_text(name: str, value: Any) -> Any:
    return value


@dataclass(frozen=True, kw_only=True)
class LineOptions:
    """Where the feature maps go, and how the model is run."""

    into: str | None = option(
        "line", None, "NAME", variable,
        "name of the variable for the feature maps; default: feature_maps",
        also="name as var variable variable-name result to store assign bind return output-name "
        "alias keep",
        python="Name the variable in the with statement: with capture(...) as maps_a.",
    )  # fmt: skip
    as_is: bool = switch(
        "line",
        "leave training mode, autograd and the inputs' devices unchanged",
        also="unchanged untouched no-eval keep-mode keep-grad enable-grad requires-grad with-grad",
        python="Use capture(model, ..., as_is=True).",
    )
    inputs: str | None = option(
        "line", None, "NAME", _any_text,
        "with --explore, a tensor or list of inputs; the model runs on the one that you choose",
        also="examples dataset candidates run-on pick dataloader loader input-list",
        python="Use explore(model=model, inputs=images).",
    )  # fmt: skip
    save: str | None = option(
        "line", None, "PATH", _any_text,
        "also save to a file: pictures as .png, .svg or .pdf (one file per picture, such as "
        "maps-cnn1.png and maps-act1.png), an explorer as .html, tensors as .npz or .safetensors",
        also="out output file path filename file-name fname export write dump dest destination "
        "savefig save-as save-to o outfile output-file outdir output-dir folder dir to-file "
        "download png=maps.png svg=maps.svg pdf=maps.pdf jpg=maps.png jpeg=maps.png "
        "npz=maps.npz npy=maps.npz csv=maps.npz numpy=maps.npz pickle=maps.npz pt=maps.npz "
        "safetensors=maps.safetensors tensors=maps.npz raw=maps.npz arrays=maps.npz "
        "page=explorer.html html=explorer.html",
        python='Use feature_maps.save("maps.png").',
    )  # fmt: skip
    overwrite: bool = switch(
        "line",
        "overwrite existing files",
        also="force f y yes replace exist-ok clobber overwrite-existing",
        python="Use save(..., overwrite=True).",
    )

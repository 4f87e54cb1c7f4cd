"""The explorer as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from featmagic.explorer.document import document
from featmagic.explorer.html.more_samples import with_samples
from featmagic.explorer.html.page import page
from featmagic.explorer.html.still import Wanted, still
from featmagic.files.paths import write_whole
from featmagic.options.view import View


def save_page(
    target: Path, wanted: Wanted, view: View, *, calls: Mapping[str, int], maps: str
) -> list[Path]:
    """Write a page that explores the activations, within the view's `max_bytes`.

    Args:
        target: the file.
        wanted: activations, each with more words for its caption.
        view: an explorer's.
        calls: how often each path was called in the pass.
        maps: the name of the user's variable, for code that is copied.

    Returns:
        The file.

    Raises:
        FeatmagicError: what can't be read as the view says, or a file that can't be written.
    """
    picture = still(wanted, view, view.max_bytes // 8)
    within = replace(view, max_bytes=max(1, view.max_bytes - len(picture.picture)))
    activations = [activation for activation, _ in wanted]
    first = document(activations, within, calls=calls, maps=maps)
    made = with_samples(first, activations, within)
    written = page(made.text, made.files, picture)
    return write_whole({target: lambda beside: beside.write_bytes(written)})

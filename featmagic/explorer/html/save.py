"""The explorer as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from featmagic.explorer.document import document
from featmagic.explorer.html.more_samples import with_samples
from featmagic.explorer.html.page import page
from featmagic.explorer.html.still import still
from featmagic.files.paths import write_whole
from featmagic.options.view import View
from featmagic.recording.records import Activation


def save_page(
    target: Path, activations: Sequence[Activation], view: View, *, maps: str
) -> list[Path]:
    """Write a page that explores the activations, within the view's `max_bytes`.

    Args:
        target: the file.
        activations: as they were captured.
        view: an explorer's.
        maps: the name of the user's variable, for code that is copied.

    Returns:
        The file.

    Raises:
        FeatmagicError: what can't be read as the view says, or a file that can't be written.
    """
    picture = still(activations, view, view.max_bytes // 8)
    within = replace(view, max_bytes=max(1, view.max_bytes - len(picture.picture)))
    first = document(activations, within, maps=maps)
    made = with_samples(first, activations, within)
    written = page(made.text, made.files, picture)
    return write_whole({target: lambda beside: beside.write_bytes(written)})

"""Save an explorer as a page."""

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
    """Write a page that explores some activations, within the `max_bytes` of the view.

    Args:
        target: The file to write.
        activations: The layers, in the order in which they ran.
        view: The view of an explorer.
        maps: The name of the user's variable, for code that is copied.

    Returns:
        The file that was written.

    Raises:
        FeatmagicError: If a layer can't be read as the view says, or the file can't be written.
    """
    picture = still(activations, view, view.max_bytes // 8)
    rest = replace(view, max_bytes=max(1, view.max_bytes - len(picture.picture)))
    contents = with_samples(document(activations, rest, maps=maps), activations, rest)
    written = page(contents.text, contents.files, picture)
    return write_whole({target: lambda beside: beside.write_bytes(written)})

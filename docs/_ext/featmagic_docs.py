"""Sphinx extension: reference pages from the code, pictures with their alt text, files of pages.

`{featmagic-options}` documents every option, `{featmagic-manual}` shows a magic's manual page,
`{featmagic-settings}` what `%config FeatMagic` sets, and `{featmagic-keys}` the explorer's keys.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import NbElementRenderer
from option_pages import keys_page, options_page, settings_page
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from featmagic.ipython import manual

_FROM_ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//[^>]*>",
    re.IGNORECASE,
)

# Sphinx takes the file's name where there is no alt text.
_WITHOUT_ALT_TEXT = re.compile(
    r"<img\b(?![^>]*\balt=\"[^\"])[^>]*>|<img\b[^>]*\balt=\"[./]*_images/[^>]*>"
)


class _Generated(SphinxDirective):
    """A directive whose content is text that is made from the code."""

    def text(self) -> str:
        """Return the text, in MyST Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the text in the place of the directive."""
        return self.parse_text_to_nodes(self.text(), allow_section_headings=True)


class Options(_Generated):
    """`{featmagic-options}`: every option of the magics, in sections."""

    def text(self) -> str:
        """Return a section for each kind of option."""
        return options_page()


class Settings(_Generated):
    """`{featmagic-settings}`: the settings of a session."""

    def text(self) -> str:
        """Return an entry for each setting."""
        return settings_page()


class Keys(_Generated):
    """`{featmagic-keys}`: the keys of the explorer in a notebook or a page."""

    def text(self) -> str:
        """Return a table of the keys."""
        return keys_page()


class Manual(SphinxDirective):
    """`{featmagic-manual} HOOK`: what `%hook?` shows."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the manual page as it is shown in IPython."""
        text = getattr(manual, self.arguments[0])
        return [nodes.literal_block(text, text, language="none", classes=["manual"])]


def _with_alt_text(render: Any) -> Any:
    """Return MyST-NB's renderer of pictures, which then keeps the alt text that a picture has."""

    def render_image(self: NbElementRenderer, data: Any) -> list[nodes.Element]:
        rendered: list[nodes.Element] = render(self, data)
        if alt := data.output_metadata.get(data.mime_type, {}).get("alt"):
            for image in rendered:
                image["alt"] = alt
        return rendered

    return render_image


def _unless_empty(render: Any) -> Any:
    """Return MyST-NB's renderer of text without output for empty text: a bar that was cleared."""

    def render_text_plain(self: NbElementRenderer, data: Any) -> list[nodes.Element]:
        return render(self, data) if data.string.strip() else []

    return render_text_plain


def _add_files(app: Sphinx, error: Exception | None) -> None:
    """Copy the files that the notebooks saved for their pages beside the pages."""
    files = Path(os.environ["FEATMAGIC_DOCS_FILES"])
    if error is None and app.builder.format == "html" and files.is_dir():
        shutil.copytree(files, Path(app.outdir) / "_files", dirs_exist_ok=True)


def _check_pages(app: Sphinx, error: Exception | None) -> None:
    """Make sure that no page loads anything from elsewhere or has a picture without alt text."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text("utf-8")
        if found := _FROM_ELSEWHERE.search(text):
            raise ExtensionError(f"{page.name} loads something from elsewhere: {found[0]}")
        if found := _WITHOUT_ALT_TEXT.search(text):
            raise ExtensionError(f"{page.name} has a picture without alt text: {found[0]}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives to Sphinx."""
    app.add_directive("featmagic-options", Options)
    app.add_directive("featmagic-settings", Settings)
    app.add_directive("featmagic-keys", Keys)
    app.add_directive("featmagic-manual", Manual)
    app.connect("build-finished", _add_files)
    app.connect("build-finished", _check_pages)
    NbElementRenderer.render_text_plain = _unless_empty(NbElementRenderer.render_text_plain)
    NbElementRenderer.render_image = _with_alt_text(NbElementRenderer.render_image)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

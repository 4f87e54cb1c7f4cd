"""The page: HTML around the document, the script and the styles of an explorer."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from featmagic.support.text import printable, readable, spoken


@dataclass(frozen=True)
class Still:
    """The picture that the page shows where no script runs.

    Attributes:
        caption: The caption of the picture.
        picture: A PNG; no bytes if there is none.
    """

    caption: str
    picture: bytes


def page(
    text: Mapping[str, Any], images: Mapping[str, bytes], still: Still, title: str = ""
) -> bytes:
    """Return a page that shows an explorer wherever it is opened: on a disk, in a frame, offline.

    Its policy allows the script and the styles by their hashes, and nothing else: no request, and
    no text of a model, even if it were taken for HTML.

    Args:
        text: The text of the explorer's document.
        images: The PNGs of the document, by id.
        still: What is shown where no script runs.
        title: The title of the page; "" for the names of the first layers.

    Returns:
        HTML in UTF-8.
    """
    script, style = _own("explorer.js"), _own("explorer.css")
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    parts = {
        "policy": policy,
        "licenses": _own("LICENSES.txt"),
        "title": _words(title or _title(text)),
        "style": style,
        "words": _words(_without_scripts(text)),
        "still": _picture(still),
        "contents": _json(text),
        "script": script,
    }
    before, after = (part.format(**parts).encode() for part in (_BEFORE, _AFTER))
    return b"".join([before, *_bytes(images), after])


_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; "
    "img-src data:; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_BEFORE = """\
<!DOCTYPE html>
<!--
LICENSES.txt of the script below:

{licenses}-->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1 id="featmagic-title">{title}</h1>
<div id="featmagic-here"></div>
<div id="featmagic-still">
<noscript><p>{words}</p></noscript>
{still}
</div>
</main>
<script type="application/json" id="featmagic-contents">{contents}</script>
<script type="application/json" id="featmagic-bytes">"""

_AFTER = """</script>
<script type="module">{script}</script>
</body>
</html>
"""


def _own(name: str) -> str:
    """Return a file of `static/`, with line ends as an HTML parser leaves them: it is hashed."""
    static = files("featmagic.explorer") / "static"
    return (static / name).read_bytes().decode().replace("\r\n", "\n")


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _words(text: str) -> str:
    return escape(printable(text))


# These characters only occur in strings of JSON, where the escapes mean the same. So no text of a
# model can end the element, or begin a comment that hides its end.
_UNSAFE = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&"})


def _json(value: object) -> str:
    """Return JSON in ASCII that is safe in a `<script>`."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _bytes(images: Mapping[str, bytes]) -> Iterator[bytes]:
    """Yield the JSON of PNGs as base64, which needs no escapes: looking would take long."""
    for place, (id, image) in enumerate(images.items()):
        yield (b"," if place else b"{") + _json(id).encode() + b':"'
        yield b64encode(image)
        yield b'"'
    yield b"}" if images else b"{}"


def _title(text: Mapping[str, Any]) -> str:
    """Return the title of the page, with the names of the first layers."""
    keys = [readable(layer["key"]) for layer in text["layers"]]
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"Feature maps of {', '.join(keys[:3]) or 'no layer'}{more}"


def _without_scripts(text: Mapping[str, Any]) -> str:
    """Return what the page says where no script runs."""
    count = len(text["layers"])
    return (
        f"Scripts are disabled, so this page shows a picture of one layer of {count}. "
        "With scripts, it is an interactive explorer of all layers; it needs no network."
    )


def _picture(still: Still) -> str:
    caption = "<br>".join(map(_words, still.caption.split("\n")))
    if not still.picture:
        return f"<p>{caption}</p>"
    data, alt = b64encode(still.picture).decode(), _words(spoken(still.caption))
    width, height = struct.unpack(">II", still.picture[16:24])
    size = f'width="{width}" height="{height}"'
    image = f'<img src="data:image/png;base64,{data}" {size} alt="{alt}">'
    return f'<p aria-hidden="true">{caption}</p>\n{image}'

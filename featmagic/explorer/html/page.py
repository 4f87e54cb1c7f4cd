"""The explorer as a page: one HTML file that runs by itself and fetches nothing."""

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

from featmagic.support.text import printable, spoken


@dataclass(frozen=True)
class Still:
    """The picture that stands where no script runs.

    Attributes:
        caption: as it stands above a grid.
        picture: a PNG; no bytes where there is none.
    """

    caption: str
    picture: bytes


def page(contents: Mapping[str, Any], images: Mapping[str, bytes], still: Still) -> bytes:
    """A page that shows the explorer, wherever it is opened: from a disk, in a frame, offline.

    What runs and what styles it are allowed by their hashes, and nothing else is: neither text
    that comes from a model, should it ever be taken for HTML, nor any request.

    Args:
        contents: what the explorer shows; JSON.
        images: PNGs by the ids that the contents name.
        still: a picture of it for readers without scripts.

    Returns:
        HTML in UTF-8.

    Example:
        >>> made = page({"maps": "feature_maps", "layers": []}, {}, Still("fc  Linear", b""))
        >>> made[:15], b"default-src 'none'" in made
        (b'<!DOCTYPE html>', True)
    """
    script, style = _own("explorer.js") + _own("page.js"), _own("explorer.css") + _own("page.css")
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    parts = {
        "policy": policy,
        "title": _words(_title(contents)),
        "style": style,
        "words": _words(_without_scripts(contents)),
        "still": _picture(still),
        "contents": _json(contents),
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
    """A file of `static/`, with line ends as an HTML parser leaves them: they are hashed."""
    static = files("featmagic.explorer") / "static"
    return (static / name).read_bytes().decode().replace("\r\n", "\n")


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _words(text: str) -> str:
    return escape(printable(text))


# In a string of JSON these are the same, and outside of one they don't come: no text of a model's
# can end the element, or begin what hides its end (a comment).
_UNSAFE = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&"})


def _json(value: object) -> str:
    r"""JSON in ASCII, as it may stand in a `<script>`.

    Example:
        >>> _json({"key": "</script>"})
        '{"key":"\\u003c/script\\u003e"}'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _bytes(images: Mapping[str, bytes]) -> Iterator[bytes]:
    """The same of PNGs as base64, which is not looked through once more: it may be long."""
    for place, (id, image) in enumerate(images.items()):
        yield (b"," if place else b"{") + _json(id).encode() + b':"'
        yield b64encode(image)
        yield b'"'
    yield b"}" if images else b"{}"


def _title(contents: Mapping[str, Any]) -> str:
    """The first layers by name.

    Example:
        >>> _title({"layers": [{"key": "cnn1"}, {"key": "act1"}]})
        'Feature maps of cnn1, act1'
    """
    keys = [layer["key"] for layer in contents["layers"]]
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"Feature maps of {', '.join(keys[:3]) or 'no layer'}{more}"


def _without_scripts(contents: Mapping[str, Any]) -> str:
    count = len(contents["layers"])
    return (
        f"No script runs here: this is one layer of {count}, as a picture. "
        "In a browser that runs scripts this page is an explorer of them all; it needs no network."
    )


def _picture(still: Still) -> str:
    caption = _words(still.caption)
    if not still.picture:
        return f"<p>{caption}</p>"
    data, alt = b64encode(still.picture).decode(), _words(spoken(still.caption))
    width, height = struct.unpack(">II", still.picture[16:24])
    size = f'width="{width}" height="{height}"'
    image = f'<img src="data:image/png;base64,{data}" {size} alt="{alt}">'
    return f'<p aria-hidden="true">{caption}</p>\n{image}'

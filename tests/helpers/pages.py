"""A saved page, read as a browser reads it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from html.parser import HTMLParser

import numpy as np
from PIL import Image


class Saved(HTMLParser):
    """The elements of a page in order, each with the text inside it if it has no children."""

    def __init__(self, page: bytes):
        super().__init__()
        self.elements, self._open = [], None
        self.feed(page.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag, attributes):
        self._open = [tag, dict(attributes), ""]
        self.elements.append(self._open)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self._open[2] += data

    def all(self, tag):
        """Return attributes and text of all elements with that tag."""
        return [(attributes, text) for name, attributes, text in self.elements if name == tag]

    def one(self, tag, **having):
        (found,) = [
            (attributes, text)
            for attributes, text in self.all(tag)
            if having.items() <= attributes.items()
        ]
        return found

    @property
    def policy(self):
        """The content security policy, as sources by directive."""
        attributes, _ = self.one("meta", **{"http-equiv": "Content-Security-Policy"})
        directives = (part.split() for part in attributes["content"].split(";"))
        return {name: sources for name, *sources in directives}

    @property
    def contents(self):
        return json.loads(self.one("script", id="featmagic-contents")[1])

    @property
    def images(self):
        """The PNGs by id."""
        held = json.loads(self.one("script", id="featmagic-bytes")[1])
        return {id: base64.b64decode(text, validate=True) for id, text in held.items()}

    def layer(self, key):
        (found,) = [layer for layer in self.contents["layers"] if layer["key"] == key]
        return found

    def values(self, key, sample=0):
        """Return a plate's values of each plane (NaN for non-finite ones), and their tolerances."""
        plate = self.layer(key)["plates"][str(sample)]
        with Image.open(io.BytesIO(self.images[plate["id"]])) as picture:
            assert picture.mode == "L"
            levels = np.asarray(picture).astype(float)
        levels = levels.reshape(len(plate["channels"]), plate["height"], plate["width"])
        low, high = (np.array(plate[end], float)[:, None, None] for end in ("low", "high"))
        count = self.contents["levels"]
        values = np.where(levels < count, low + levels / (count - 1) * (high - low), np.nan)
        return values, (high - low) / (count - 1) / 2


def hash_of(text):
    """Return the hash of an element's text, as a content security policy writes it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

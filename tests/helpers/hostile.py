"""Texts that do harm where they are shown as they are, and a model that has one everywhere."""

from __future__ import annotations

import re
import unicodedata

import torch
from torch import nn

import featmagic

# What follows a break must not look like a line of ours.
FORGED = "FORGED"

TEXTS = {
    "escape sequence": "a\x1b[2J\x1b[31mb",
    "window title": "a\x1b]0;owned\x07b",
    "hyperlink (OSC 8)": "a\x1b]8;;https://example.org\x1b\\b\x1b]8;;\x1b\\",
    "clipboard (OSC 52)": "a\x1b]52;c;cm0gLXJmIC8=\x07b",
    "escapes in 8 bits": "a\x9b2J\x9d0;owned\x9cb",
    "all C1 controls": "".join(map(chr, range(0x80, 0xA0))),
    "null": "a\0b",
    "delete": "a\x7fb",
    "backspaces": "safe\b\b\b\bevil",
    "carriage return": f"a\r{FORGED}",
    "tabs": "a\tb\t\t\tc",
    "line break": f"a\n{FORGED}",
    "vertical tab and form feed": f"a\v{FORGED}\f{FORGED}",
    "other line breaks": f"a\x85{FORGED}\x1c{FORGED}",
    "JavaScript's line breaks": f"a\u2028{FORGED}\u2029{FORGED}",
    "bidirectional overrides": "a\u202eb\u202dc\u202c",
    "bidirectional isolates": "a\u2066b\u2067c\u2068d\u2069\u200f",
    "right to left": "שלום عليكم",
    "zero width": "a\u200bb\u200cc\u2060d\ufeffe\u034ff\u3164g",
    "a flood of marks": "a" + "\u0301" * 200,
    "lone surrogates": "a\ud800b\udc80",
    "beyond the first plane": "𝔄𝕓𠀀",
    "emoji with joiners": "👩\u200d👩\u200d👧❤\ufe0f",
    "invisible tags": "a\U000e0041\U000e007fb",
    "very long": "w" * 10_000,
    "very long and invisible": "\x1b" * 10_000,
    "script": "</script><script>alert(1)</script>",
    "comment": "--><!--<script>",
    "attribute": "\"' onerror=alert(1) x='",
    "entities": "&lt;b&gt;&amp;&#x1b;",
    "mathtext": r"$x^2$ $\frac{1}{$",
    "LaTeX": r"\input{/etc/passwd} \write18{ls} %",
    "escapes spelled out": r"a\n\x1b[2J\u202e",
    "quotes and backslashes": "'\"`´“”‘’\\\\",
    "braces and percents": "{x} {0!r} %s %(x)d %n",
    "path upwards": "../../../etc/passwd",
    "absolute path": "/etc/passwd",
    "drive and stream": "C:\\x:stream",
    "reserved name": "CON",
    "leading dashes": "--rm -rf",
    "Markdown and YAML": "# a\u00a0[b](javascript:x) - !!python/object: |",
    "JSON and SQL": "\"}],'; DROP TABLE x; --",
    "empty": "",
    "blanks": "   ",
    "private use": "a\ue000\U0010fffdb",
    "noncharacters": "a\ufffe\uffffb",
}


def joined(texts, most=200):
    """Return the same texts, as many in one as have no more than so many letters."""
    together = {}
    for kind, text in texts.items():
        last = next(reversed(together), None)
        if last is not None and len(together[last] + text) <= most:
            together[f"{last}, {kind}"] = f"{together.pop(last)} {text}"
        else:
            together[kind] = text
    return together


_COLOR = re.compile(r"\x1b\[[0-9;]*m")  # what the renderers write themselves
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]")


def assert_harmless(said, *, drawn=False, whole=False):
    """All of the text is visible letters in lines of our own; it may be drawn in colors.

    A very long name is shortened, unless it has to stay whole.
    """
    for line in (_COLOR.sub("", said) if drawn else said).split("\n"):
        hidden = [letter for letter in line if not letter.isprintable()]
        assert not hidden, (hidden, line[:300])
        assert not _INVISIBLE.search(line), line[:300]
        assert not line.lstrip(" ,;·").startswith(FORGED), line[:300]
        assert _longest_pile(line) <= 8, line[:300]
        assert whole or len(line) < 6_000, line[:300]


def _longest_pile(line):
    """Return the most marks that stand on one letter."""
    longest = pile = 0
    for letter in line:
        pile = pile + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        longest = max(longest, pile)
    return longest


def class_named(text, base=nn.Module, **members):
    """Return a class of that name, as far as Python allows it."""
    name = text.replace("\0", "").encode(errors="ignore").decode()
    return type(base)(name, (base,), members)


def hostile_model(text):
    """Return a model that has the text as a module's name, a class's, and a key of an output."""

    def gives(self, x):
        return {text: x * 2}

    def fails_to_give(self, x):
        return class_named(text, object)()

    model = class_named(text, forward=_each_child)()
    model._modules[text] = class_named(text, forward=gives)()
    model._modules["none"] = class_named(text, forward=fails_to_give)()
    model._modules["conv"] = class_named(text, nn.Conv2d)(1, 2, 3)
    return model


def _each_child(self, x):
    for child in self._modules.values():
        child(x)
    return x


def hostile_maps(text):
    """Return what that model gave."""
    model = hostile_model(text)
    with featmagic.capture(model, *model._modules) as maps:
        model(torch.rand(1, 1, 6, 6))
    return maps

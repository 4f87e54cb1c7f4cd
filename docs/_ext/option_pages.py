"""Reference pages as MyST Markdown, read from the fields of `View` and the explorer's tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

from featmagic.explorer.words import KEYS
from featmagic.ipython.config import FeatMagic
from featmagic.ipython.manual import option_help, option_usage
from featmagic.options.groups import TAKEN
from featmagic.options.line_options import LineOptions
from featmagic.options.view import View

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
_KNOWN = {
    option_usage(option).split()[0] for kind in (View, LineOptions) for option in fields(kind)
}

# A section of the page for the groups of `View`, in the order in which people ask.
SECTIONS = {
    "Channels and samples": ("selection", "tiles", "order"),
    "Passes": ("passes",),
    "Colors and ranges": ("color", "range", "limits"),
    "One picture per layer": ("reduction",),
    "With the input": ("input", "overlay", "input image"),
    "Axes": ("layout", "tokens", "volume", "attention"),
    "Size, title and output": ("zoom", "title", "rows", "renderer"),
    "Overview and explorer": ("overview", "explorer"),
}
OTHERS = "More options"
OF_THE_LINE = "Running and saving"


def sections() -> Iterator[tuple[str, list[Field[Any]]]]:
    """Yield each section with its options; what no section names comes last."""
    named = {group for groups in SECTIONS.values() for group in groups}
    others = {option.metadata["group"] for option in fields(View)} - named
    for title, groups in {**SECTIONS, OTHERS: tuple(others)}.items():
        options = [option for option in fields(View) if option.metadata["group"] in groups]
        if options:
            yield title, options


def options_page() -> str:
    """Return a section for each kind of option, with an entry for each option."""
    parts = [f"## {title}\n\n{''.join(map(_entry, options))}" for title, options in sections()]
    of_the_line = "".join(
        _described(option_usage(each), _sentence(option_help(each))) for each in fields(LineOptions)
    )
    return "\n".join([*parts, f"## {OF_THE_LINE}\n\n{of_the_line}"])


def settings_page() -> str:
    """Return an entry for each setting of a session."""
    traits = FeatMagic.class_traits(config=True)
    return "\n".join(
        f"`FeatMagic.{name}`\n: {_sentence(trait.help)} Default: `{trait.default_value}`.\n"
        for name, trait in traits.items()
    )


def keys_page() -> str:
    """Return a table of the explorer's keys."""
    rows = "".join(f"| {_keys(row['shown'])} | {_sentence(row['help'])} |\n" for row in KEYS)
    return f"| Key | Action |\n| --- | --- |\n{rows}"


def _keys(shown: str) -> str:
    return " ".join(f"{{kbd}}`{key}`" for key in shown.split())


def _entry(option: Field[Any]) -> str:
    """Describe an option of `View`: help, default, keyword argument and the views that take it."""
    data, name = option.metadata, option.name
    lines = [_sentence(data["help"])]
    if data.get("written") or option.default not in (None, False):
        lines.append(f"Default: `{data.get('written', option.default)}`.")
    views = [view for view, groups in TAKEN.items() if data["group"] in groups]
    lines.append(f"Keyword argument: `{name}`. Views: {', '.join(views)}.")
    return _described(option_usage(option), " ".join(lines))


def _described(usage: str, text: str) -> str:
    return f":::{{option}} {usage}\n{_escaped(text)}\n:::\n\n"


def _sentence(text: str) -> str:
    """Return a help text as a sentence: with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _escaped(text: str) -> str:
    """Return help as Markdown: options and spellings as code, no accidental markup."""
    parts = text.split("`")
    for number in range(0, len(parts), 2):
        plain = parts[number].replace("*", r"\*").replace("_", r"\_")
        parts[number] = _OPTION.sub(_linked, plain)
    return "`".join(parts)


def _linked(found: re.Match[str]) -> str:
    """Return an option's name in a text as a link to its entry."""
    return f"{{option}}`{found[0]}`" if found[0] in _KNOWN else f"`{found[0]}`"

"""A magic's line as a frozen value; no model is touched here.

argparse does the parsing. Options may stand between layers, and an unknown one is answered with the
nearest known one.
"""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields
from itertools import pairwise
from typing import Any, NoReturn

from featmagic.ipython.tokenizer import NEGATIVE_NUMBER, join_negative_numbers, words_of
from featmagic.options.view import TAKEN, View, spelled, view_with_defaults
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.interrupts import uninterrupted

DEFAULT_NAME = "feature_maps"

_NO_DEFAULTS: Mapping[str, Any] = {}
_AMOUNT = re.compile(r"\d+(\.\d*)?|\.\d+")


@dataclass(frozen=True)
class HookLine:
    """The arguments of `%hook`."""

    model: str | None
    layers: tuple[str, ...]
    into: str
    depth: int | None = None  # how many levels are listed; 0 for all, without folding


@dataclass(frozen=True)
class Saving:
    """Where to save what is shown, whether over existing files, and how to draw it."""

    path: str
    overwrite: bool
    view: View


@dataclass(frozen=True)
class AgainLine:
    """The arguments of `%featuremaps` without a statement."""

    layers: tuple[str, ...]
    view: View
    saving: Saving | None


@dataclass(frozen=True)
class LookLine(AgainLine):
    """The arguments of `%%featuremaps`, or of `%featuremaps` with a statement."""

    model: str | None
    into: str | None
    as_is: bool
    inputs: str | None


def parse_hook(line: str, into: str = DEFAULT_NAME) -> HookLine:
    """Parse `MODEL LAYER ... [--into NAME]` or `MODEL [--depth N]`.

    `into` is the name if the line gives none.
    """
    parsed = _hook_parser().read(line)
    model, *layers = parsed.words or [None]
    name = variable(into if parsed.into is None else parsed.into)
    return HookLine(model, tuple(layers), name, _depth(parsed.depth, model, layers))


def _depth(written: str | None, model: str | None, layers: list[str]) -> int | None:
    """Return how many levels are listed; None if the line doesn't say."""
    if written is None:
        return None
    if model is None or layers:
        raise FeatmagicError("--depth is for listing the layers of a model: %hook MODEL --depth N.")
    if not re.fullmatch(r"\d{1,9}|all", written, re.ASCII):
        raise FeatmagicError(
            f"invalid --depth '{written}': choose a number of levels, or 0 for every module."
        )
    return 0 if written == "all" else int(written)


def parse_look(
    line: str, magic: str = "%%featuremaps", defaults: Mapping[str, Any] = _NO_DEFAULTS
) -> LookLine:
    """Parse `[MODEL [LAYER ...]]` and options, of which `--explore` may have `--inputs NAME`.

    The defaults are view options that hold unless the line says otherwise.
    """
    parsed = _look_parser(magic).read(line)
    model, *layers = parsed.words or [None]
    into = None if parsed.into is None else variable(parsed.into)
    view, saving = _views(parsed, defaults)
    if parsed.inputs is not None and not view.explore:
        raise FeatmagicError("--inputs goes with --explore, where one of them can be picked.")
    if parsed.inputs is not None and parsed.as_is:
        raise FeatmagicError(
            "--inputs runs the model in eval mode, so it can't be combined with --as-is."
        )
    return LookLine(tuple(layers), view, saving, model, into, parsed.as_is, parsed.inputs)


def parse_again(line: str, defaults: Mapping[str, Any] = _NO_DEFAULTS) -> AgainLine:
    """Parse `[LAYER ...]`, view options and where to save."""
    parsed = _look_parser("%featuremaps", runs=False).read(line)
    return AgainLine(tuple(parsed.words), *_views(parsed, defaults))


def parse_names(line: str) -> tuple[str, ...]:
    """Parse `[NAME ...]`, the arguments of `%unhook`."""
    return tuple(_Parser("%unhook").read(line).words)


def options_of(magic: str) -> dict[str, argparse.Action]:
    """Return the options of a magic by their spelling; one that takes no value has `nargs=0`."""
    if magic == "%unhook":
        return {}
    parser = _hook_parser() if magic == "%hook" else _look_parser(magic)
    return dict(parser._option_string_actions)


def flag(option: Field[Any]) -> str:
    """Return a magic's option for a field of `View`, such as `--prefix-tokens`."""
    return f"--{spelled(option.name)}"


def variable(name: object, option: str = "--into") -> str:
    """Return the value of an option if it can be the name of a variable, or raise our error."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise FeatmagicError(f"{option} takes the name of a variable, not '{name}'.")
    return name


def with_implied_values(words: Iterable[str]) -> list[str]:
    """Add the implied value to an option whose value may be left out.

    Example:
        >>> with_implied_values(["--robust", "cnn1"]), with_implied_values(["--robust", "5"])
        (['--robust=2.0', 'cnn1'], ['--robust', '5'])
    """
    implied = {
        flag(option): option.metadata["const"]
        for option in fields(View)
        if option.metadata["metavar"] and "const" in option.metadata
    }
    return [
        f"{word}={implied[word]}" if word in implied and not _AMOUNT.fullmatch(after) else word
        for word, after in pairwise([*words, ""])
    ]


def _hook_parser() -> _Parser:
    parser = _Parser("%hook")
    parser.add_argument("--into", metavar="NAME")
    parser.add_argument("--depth", metavar="N")
    return parser


def _look_parser(magic: str, *, runs: bool = True) -> _Parser:
    """Return the parser of a magic that shows feature maps, and may run a model for them."""
    parser = _Parser(magic)
    if runs:
        parser.add_argument("--into", metavar="NAME")
        parser.add_argument("--as-is", action="store_true")
        parser.add_argument("--inputs", metavar="NAME")
    parser.add_argument("--save", metavar="PATH")
    parser.add_argument("--overwrite", action="store_true")
    for option in fields(View):
        how: dict[str, Any] = {} if option.metadata["metavar"] else {"action": "store_true"}
        parser.add_argument(flag(option), dest=option.name, default=argparse.SUPPRESS, **how)
    return parser


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises our errors and takes words in any place."""

    def __init__(self, magic: str) -> None:
        super().__init__(prog=magic, add_help=False)
        self.add_argument("words", nargs="*", default=[])

    def read(self, line: str) -> argparse.Namespace:
        """Parse a line; the words that belong to no option are in `words`."""
        words = join_negative_numbers(words_of(line))
        for word in words:
            self._check_option(word)
        # An interrupt in the midst of it would become an error of argparse's own.
        parsed = uninterrupted(lambda: self.parse_intermixed_args(with_implied_values(words)))
        for word in parsed.words:
            self._check_word(word)
        return parsed

    def error(self, message: str) -> NoReturn:
        """Raise argparse's own error as ours."""
        raise FeatmagicError(f"{self.prog}: {message}. {self.prog}? explains.")

    def _check_word(self, word: str) -> None:
        """Refuse a word that can't be a model or a layer, though it may be an option's value."""
        name, equals, _ = word.partition("=")
        if equals and f"--{name}" in self._option_string_actions:
            raise FeatmagicError(f"An option begins with two dashes: --{word}")
        if word.endswith(","):
            raise FeatmagicError(
                f"{word} has a comma: model and layers are words, with spaces between them."
            )

    def _check_option(self, word: str) -> None:
        """Refuse an option that the magic doesn't have, and a statement."""
        known = self._option_string_actions
        word = word.partition("=")[0]
        if word == "--":
            raise FeatmagicError(
                f"{self.prog} takes no statement after --: that is for %featuremaps, with one %."
            )
        if word.startswith("-") and not NEGATIVE_NUMBER.match(word) and word not in known:
            near = did_you_mean(word, known, limit=1)
            options = near or f" There are: {', '.join(known) or 'none'}."
            raise FeatmagicError(
                f"{self.prog} has no option '{word}'.{options} {self.prog}? explains."
            )


def _views(parsed: argparse.Namespace, defaults: Mapping[str, Any]) -> tuple[View, Saving | None]:
    """Return the views of what is shown and what is saved: one may be an explorer."""
    given = {f.name: getattr(parsed, f.name) for f in fields(View) if f.name in parsed}
    if parsed.save is None:
        if parsed.overwrite:
            raise FeatmagicError("--overwrite goes with --save PATH: nothing else is written.")
        return view_with_defaults(given, defaults), None
    from featmagic.files.paths import holds_page  # keeps loading the extension fast

    page, of_page = holds_page(parsed.save), {}
    if page and "explore" not in given and "max_bytes" in given:
        of_page = {"max_bytes": given.pop("max_bytes")}
    view = saved = view_with_defaults(given, defaults)
    if page and view.passes == "all":
        raise FeatmagicError("A page shows one pass at a time: use --pass all with .png or .npz.")
    if page and not view.explore:
        saved = view.only(*TAKEN["explorer"], explore=True, **of_page)
    elif view.explore and not page:
        saved = view.only(*TAKEN["grid"])
    return view, Saving(parsed.save, parsed.overwrite, saved)

"""A magic's line as a frozen value; no model is touched here.

argparse does the parsing. Options may stand between layers, and an unknown one is answered with the
nearest known one.
"""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, NoReturn

from featmagic.ipython.tokenizer import NEGATIVE_NUMBER, join_negative_numbers, words_of
from featmagic.options.view import TAKEN, View, view_with_defaults
from featmagic.support.errors import FeatmagicError, did_you_mean

DEFAULT_NAME = "feature_maps"

_NO_DEFAULTS: Mapping[str, Any] = {}
_AMOUNT = re.compile(r"\d+\.?\d*|\.\d+")


@dataclass(frozen=True)
class HookLine:
    """The arguments of `%hook`."""

    model: str | None
    layers: tuple[str, ...]
    into: str


@dataclass(frozen=True)
class Saving:
    """Where to save what is shown, whether over existing files, and how to draw it."""

    path: str
    overwrite: bool
    view: View = field(default_factory=View)


@dataclass(frozen=True)
class LookLine:
    """The arguments of `%%featuremaps`, or of `%featuremaps` with a statement."""

    model: str | None
    layers: tuple[str, ...]
    into: str | None
    as_is: bool
    view: View
    saving: Saving | None = None
    inputs: str | None = None


@dataclass(frozen=True)
class AgainLine:
    """The arguments of `%featuremaps` without a statement."""

    layers: tuple[str, ...]
    view: View
    saving: Saving | None = None


def parse_hook(line: str, into: str = DEFAULT_NAME) -> HookLine:
    """Parse `MODEL LAYER ... [--into NAME]`.

    Args:
        line: the text after `%hook`.
        into: the name if the line gives none.

    Raises:
        FeatmagicError: if an option is unknown, or the name can't be that of a variable.

    Example:
        >>> parse_hook("model cnn1 act1  # the first two")
        HookLine(model='model', layers=('cnn1', 'act1'), into='feature_maps')
    """
    parsed = _hook_parser(into).read(line)
    model, *layers = parsed.words or [None]
    return HookLine(model, tuple(layers), variable(parsed.into))


def parse_look(
    line: str, magic: str = "%%featuremaps", defaults: Mapping[str, Any] = _NO_DEFAULTS
) -> LookLine:
    """Parse `[MODEL [LAYER ...]] [view options] [--into NAME] [--as-is] [--save PATH ...]`.

    `--explore` may be combined with `--inputs NAME`.

    Args:
        line: the text after the magic.
        magic: the magic as errors spell it.
        defaults: view options that hold unless the line says otherwise.

    Raises:
        FeatmagicError: if an option is unknown, or a value is invalid.

    Example:
        >>> parse_look("model cnn1 --cmap gray act1").layers
        ('cnn1', 'act1')
    """
    parsed = _look_parser(magic).read(line)
    model, *layers = parsed.words or [None]
    into = None if parsed.into is None else variable(parsed.into)
    view, saving = _views(parsed, defaults)
    if parsed.inputs is not None and not view.explore:
        raise FeatmagicError("--inputs goes with --explore, where one of them can be picked.")
    if parsed.inputs is not None and parsed.as_is:
        raise FeatmagicError("--inputs runs the model in eval mode, as a look: not with --as-is.")
    return LookLine(model, tuple(layers), into, parsed.as_is, view, saving, parsed.inputs)


def parse_again(line: str, defaults: Mapping[str, Any] = _NO_DEFAULTS) -> AgainLine:
    """Parse `[LAYER ...] [view options] [--save PATH [--overwrite]]`.

    Args:
        line: the text after `%featuremaps`.
        defaults: view options that hold unless the line says otherwise.

    Raises:
        FeatmagicError: if an option is unknown, or a value is invalid.

    Example:
        >>> parse_again("enc['hidden'] --sample -1").layers
        ("enc['hidden']",)
    """
    parser = _Parser("%featuremaps")
    _add_save(parser)
    _add_view(parser)
    parsed = parser.read(line)
    return AgainLine(tuple(parsed.words), *_views(parsed, defaults))


def parse_names(line: str) -> tuple[str, ...]:
    """Parse `[NAME ...]`, the arguments of `%unhook`."""
    return tuple(_Parser("%unhook").read(line).words)


def options_of(magic: str) -> dict[str, argparse.Action]:
    """Return the options of a magic by their spelling; one that takes no value has `nargs=0`.

    Example:
        >>> list(options_of("%hook"))
        ['--into']
    """
    parser = _Parser(magic) if magic == "%unhook" else _look_parser(magic)
    return dict((_hook_parser() if magic == "%hook" else parser)._option_string_actions)


def flag(option: Field[Any]) -> str:
    """Return a magic's option for a field of `View`.

    Example:
        >>> flag(fields(View)[0])
        '--channels'
    """
    return "--" + option.name.replace("_", "-")


def variable(name: object, option: str = "--into") -> str:
    """Return the name if it can be that of a variable.

    Args:
        name: the value to check.
        option: the option that it was given for, as errors spell it.

    Raises:
        FeatmagicError: if it can't be the name of a variable.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise FeatmagicError(f"{option} takes the name of a variable, not '{name}'.")
    return name


def with_implied_values(words: Iterable[str]) -> list[str]:
    """Add the implied value to an option whose value may be left out.

    Example:
        >>> with_implied_values(["--robust", "cnn1"]), with_implied_values(["--robust", "5"])
        (['--robust=2.0', 'cnn1'], ['--robust', '5'])
    """
    implied = {flag(f): f.metadata["const"] for f in fields(View) if _has_implied_value(f)}
    words = list(words)
    following = [*words, ""][1:]
    return [
        f"{word}={implied[word]}" if word in implied and not _AMOUNT.fullmatch(after) else word
        for word, after in zip(words, following, strict=True)
    ]


def _hook_parser(into: str = DEFAULT_NAME) -> _Parser:
    parser = _Parser("%hook")
    _add_into(parser, into)
    return parser


def _look_parser(magic: str) -> _Parser:
    parser = _Parser(magic)
    _add_into(parser, None)
    parser.add_argument("--as-is", action="store_true", dest="as_is")
    parser.add_argument("--inputs", metavar="NAME")
    _add_save(parser)
    _add_view(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises our errors and takes words in any place."""

    def __init__(self, magic: str) -> None:
        super().__init__(prog=magic, add_help=False, allow_abbrev=False)
        self.add_argument("words", nargs="*", default=[])

    def read(self, line: str) -> argparse.Namespace:
        """Parse a line; the words that belong to no option are in `words`."""
        words = join_negative_numbers(words_of(line))
        for word in words:
            self._check_option(word)
        parsed = self.parse_intermixed_args(with_implied_values(words))
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
                f"{self.prog} takes no statement behind --: that is for %featuremaps, with one %."
            )
        if word.startswith("-") and not NEGATIVE_NUMBER.match(word) and word not in known:
            near = did_you_mean(word, known, limit=1)
            options = near or f" There are: {', '.join(known) or 'none'}."
            raise FeatmagicError(
                f"{self.prog} has no option '{word}'.{options} {self.prog}? explains."
            )


def _add_into(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("--into", metavar="NAME", default=default)


def _add_save(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--save", metavar="PATH")
    parser.add_argument("--overwrite", action="store_true")


def _add_view(parser: argparse.ArgumentParser) -> None:
    for option in fields(View):
        how: dict[str, Any] = {} if option.metadata["metavar"] else {"action": "store_true"}
        parser.add_argument(flag(option), dest=option.name, default=argparse.SUPPRESS, **how)


def _has_implied_value(option: Field[Any]) -> bool:
    return bool(option.metadata["metavar"]) and "const" in option.metadata


def _views(parsed: argparse.Namespace, defaults: Mapping[str, Any]) -> tuple[View, Saving | None]:
    """Return the views of what is shown and what is saved: one may be an explorer."""
    given = {f.name: getattr(parsed, f.name) for f in fields(View) if f.name in parsed}
    if parsed.save is None:
        if parsed.overwrite:
            raise FeatmagicError("--overwrite goes with --save PATH: nothing else is written.")
        return view_with_defaults(given, defaults), None
    from featmagic.files.paths import holds_page  # keeps loading the extension fast

    of_page: dict[str, Any] = {}
    if (page := holds_page(parsed.save)) and "explore" not in given and "max_bytes" in given:
        of_page = {"max_bytes": given.pop("max_bytes")}
    view = view_with_defaults(given, defaults)
    saved = view
    if page and not view.explore:
        saved = view.only(*TAKEN["explorer"], explore=True, **of_page)
    elif view.explore and not page:
        saved = view.only(*TAKEN["grid"])
    return view, Saving(parsed.save, parsed.overwrite, saved)

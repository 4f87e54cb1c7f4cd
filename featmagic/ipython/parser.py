"""A magic's line as a frozen value; no model is touched here.

argparse does the parsing. Options may stand between layers, and an unknown one is answered with
what to use instead.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from itertools import pairwise
from typing import Any, NoReturn

from featmagic.ipython.misreadings import call_hint, misreadings, plain
from featmagic.ipython.tokenizer import NEGATIVE_NUMBER, join_negative_numbers, words_of
from featmagic.options.groups import TAKEN
from featmagic.options.hints import LINE, LONGEST_WORD, hint_for, normalized
from featmagic.options.line_options import LineOptions, variable
from featmagic.options.option import flag, summary
from featmagic.options.view import View, view_with_defaults
from featmagic.support.errors import FeatmagicError
from featmagic.support.interrupts import uninterrupted
from featmagic.support.text import readable

DEFAULT_NAME = "feature_maps"

_NO_DEFAULTS: Mapping[str, Any] = {}
_AMOUNT = re.compile(r"\d+(\.\d*)?|\.\d+")

_OF_THE_LINE = {flag(each): each for each in fields(LineOptions)}
_OF_VIEW = {flag(each): each for each in fields(View)}
_ALL = {**_OF_THE_LINE, **_OF_VIEW}


@dataclass(frozen=True)
class HookLine:
    """The arguments of `%hook`; `misread` has hints for words that turn out to mean nothing."""

    model: str | None
    layers: tuple[str, ...]
    into: str
    depth: int | None = None  # how many levels are listed; 0 for all, without folding
    misread: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class UnhookLine:
    """The arguments of `%unhook`."""

    names: tuple[str, ...]
    misread: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Saving:
    """Where to save what is shown, whether over existing files, and how to draw it."""

    path: str
    overwrite: bool
    view: View


@dataclass(frozen=True, kw_only=True)
class AgainLine:
    """The arguments of `%featuremaps` without a statement."""

    layers: tuple[str, ...]
    view: View
    saving: Saving | None
    misread: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
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
    name = variable("--into", into if parsed.into is None else parsed.into)
    depth = _depth(parsed.depth, model, layers)
    return HookLine(model, tuple(layers), name, depth, parsed.misread)


def _depth(written: str | None, model: str | None, layers: list[str]) -> int | None:
    """Return how many levels are listed; None if the line doesn't say."""
    if written is None:
        return None
    if model is None or layers:
        raise FeatmagicError("--depth applies only to listing layers: %hook MODEL --depth N.")
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
    into = None if parsed.into is None else variable("--into", parsed.into)
    view, saving = _views(parsed, defaults)
    if parsed.inputs is not None and not view.explore:
        raise FeatmagicError("--inputs needs --explore, where you choose one of the inputs.")
    if parsed.inputs is not None and parsed.as_is:
        raise FeatmagicError(
            "--inputs runs the model in eval mode, so it can't be combined with --as-is."
        )
    return LookLine(
        layers=tuple(layers),
        view=view,
        saving=saving,
        misread=parsed.misread,
        model=model,
        into=into,
        as_is=parsed.as_is,
        inputs=parsed.inputs,
    )


def parse_again(line: str, defaults: Mapping[str, Any] = _NO_DEFAULTS) -> AgainLine:
    """Parse `[LAYER ...]`, view options and where to save."""
    parsed = _look_parser("%featuremaps", runs=False).read(line)
    view, saving = _views(parsed, defaults)
    layers = tuple(parsed.words)
    return AgainLine(layers=layers, view=view, saving=saving, misread=parsed.misread)


def parse_unhook(line: str) -> UnhookLine:
    """Parse `[NAME ...]`."""
    parsed = _Parser("%unhook").read(line)
    return UnhookLine(tuple(parsed.words), parsed.misread)


def options_of(magic: str) -> dict[str, argparse.Action]:
    """Return the options of a magic by their spelling; one that takes no value has `nargs=0`."""
    if magic == "%unhook":
        return {}
    parser = _hook_parser() if magic == "%hook" else _look_parser(magic)
    return dict(parser._option_string_actions)


def with_implied_values(words: Iterable[str]) -> list[str]:
    """Add the implied value to an option whose value may be left out.

    Example:
        >>> with_implied_values(["--robust", "cnn1"]), with_implied_values(["--robust", "5"])
        (['--robust=2.0', 'cnn1'], ['--robust', '5'])
    """
    implied = {
        name: option.metadata["const"]
        for name, option in _OF_VIEW.items()
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
        named = readable(words[0], LONGEST_WORD) if words and words[0][:1] != "-" else "model"
        for word, after in pairwise([*words, ""]):
            self._check_option(word, after, named)
        self._check_values(words)
        # An interrupt in the midst of it would become an error of argparse's own.
        parsed = uninterrupted(lambda: self.parse_intermixed_args(with_implied_values(words)))
        parsed.misread = misreadings(words, self._options(), self.prog)
        for position, word in enumerate(parsed.words):
            if word.endswith(",") and word in parsed.misread:
                raise FeatmagicError(parsed.misread[word])
            self._check_word(word, parsed.words[:position], parsed.words[position:])
        return parsed

    def error(self, message: str) -> NoReturn:
        """Raise argparse's own error as ours."""
        raise FeatmagicError(f"{self.prog}: {message}. {self.prog}? shows the help.")

    def _options(self) -> dict[str, Field[Any]]:
        """Return the options that the magic has, as they are defined."""
        return {name: _ALL[name] for name in self._option_string_actions if name in _ALL}

    def _check_word(self, word: str, before: list[str], rest: list[str]) -> None:
        """Refuse a word that can't be a model or a layer, though it may be an option's value."""
        name, equals, value = word.partition("=")
        if name and equals and f"--{normalized(name)}" in self._option_string_actions:
            raise FeatmagicError(f"Options begin with two dashes: --{normalized(name)} {value}")
        if not word.endswith(","):
            return
        if "(" in word[1:]:
            raise FeatmagicError(call_hint(self.prog, before, rest))
        words = plain([*before, *rest])
        raise FeatmagicError(
            f"Separate the model and layers with spaces, not commas: {self.prog} {' '.join(words)}"
        )

    def _check_values(self, words: list[str]) -> None:
        """Refuse an option whose value is missing, and a value where none is taken."""
        for word, after in pairwise([*words, ""]):
            name, equals, value = word.partition("=")
            action = self._option_string_actions.get(name)
            if action is None:
                continue
            if action.nargs == 0 and equals:
                raise FeatmagicError(f"{name} takes no value: write {name} alone.")
            option = _ALL.get(name)
            optional = option is not None and "const" in option.metadata
            is_missing = not value if equals else not after or after.startswith("--")
            if action.nargs != 0 and is_missing and not (optional and not equals):
                usage = f"{name} {option.metadata['metavar'] if option else action.metavar}"
                text = f" ({summary(option)})" if option else ""
                raise FeatmagicError(f"{name} needs a value: {usage}{text}.")

    def _check_option(self, word: str, after: str, named: str) -> None:
        """Refuse an option that the magic doesn't have, and a statement."""
        if word == "--":
            raise FeatmagicError(self._why_no_statement())
        name, equals, value = word.partition("=")
        known = self._option_string_actions
        if not word.startswith("-") or NEGATIVE_NUMBER.match(word) or name in known:
            return
        if word == "-":
            raise FeatmagicError("Code goes after `--`: %featuremaps MODEL ... -- model(x)")
        follows = None if not after or after.startswith("-") else after
        raise FeatmagicError(self._unknown_option(name, value if equals else follows, named))

    def _why_no_statement(self) -> str:
        """Say why code can't follow here."""
        if self.prog == "%%featuremaps":
            return (
                "%%featuremaps takes no statement after `--`: put it on the next line, or use "
                "%featuremaps, with one %."
            )
        return f"{self.prog} takes no statement after `--`: run the model in another cell."

    def _unknown_option(self, name: str, value: str | None, named: str) -> str:
        """Say that an option doesn't exist, and what to use instead."""
        magic, shown = self.prog, readable(name, LONGEST_WORD)
        own = f"--{normalized(name)}"
        said = f"{magic} has no option '{shown}'."
        if own in self._option_string_actions and own not in _ALL:
            return f"{said} Use {own}."
        if magic == "%unhook":
            return f"{said} Use %unhook alone to stop watching everything, or %unhook NAME."
        runs = magic == "%hook" or "--into" in self._option_string_actions
        if own in _OF_THE_LINE and not runs:
            code = "add `-- model(x)`, or use %%featuremaps"
            return f"{magic} has no option '{shown}' without code to run: {code}."
        if not runs:
            hint = hint_for(name, value, list(_ALL.values()), LINE, magic, "")
            missing = _OF_THE_LINE.keys() - self._option_string_actions.keys()
            if any(f"{flag} " in hint for flag in missing) and "needs" not in hint:
                hint += " It needs code to run: add `-- model(x)`."
            return f"{said} {hint or f'{magic}? shows its options.'}"
        hint = hint_for(name, value, list(self._options().values()), LINE, magic, named)
        if not hint:
            hint = hint_for(name, value, list(_ALL.values()), LINE, "%featuremaps", named)
            if hint.startswith("Use "):
                hint = f"In %featuremaps, use {hint.removeprefix('Use ')}"
        return f"{said} {hint or f'{magic}? shows its options.'}"


def _checked(option: Field[Any], parsed: argparse.Namespace) -> Any:
    """Return the value of an option, or raise an error that shows how to write it."""
    try:
        return option.metadata["check"](flag(option), getattr(parsed, option.name))
    except FeatmagicError:
        for hint in parsed.misread.values():
            if hint.startswith(f"{flag(option)} takes one value, without spaces"):
                raise FeatmagicError(hint) from None
        raise


def _views(parsed: argparse.Namespace, defaults: Mapping[str, Any]) -> tuple[View, Saving | None]:
    """Return the views of what is shown and what is saved: one may be an explorer."""
    given = {each.name: _checked(each, parsed) for each in fields(View) if each.name in parsed}
    if parsed.save is None:
        if parsed.overwrite:
            raise FeatmagicError("--overwrite needs --save PATH.")
        return view_with_defaults(given, defaults), None
    from featmagic.files.paths import holds_page  # keeps loading the extension fast

    page, of_page = holds_page(parsed.save), {}
    if page and "explore" not in given and "max_bytes" in given:
        of_page = {"max_bytes": given.pop("max_bytes")}
    view = saved = view_with_defaults(given, defaults)
    if page and view.passes == "all":
        raise FeatmagicError(
            "An .html file shows one pass at a time: save --pass all as .png or .npz."
        )
    if page and not view.explore:
        saved = view.only(*TAKEN["explorer"], explore=True, **of_page)
    elif view.explore and not page:
        saved = view.only(*TAKEN["grid"])
    return view, Saving(parsed.save, parsed.overwrite, saved)

"""From the line behind a magic to values: no model is touched here.

argparse does the parsing; options may stand between layers, and a wrong one is answered with the
nearest right one.
"""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, NoReturn

from featmagic.ipython.tokenizer import NUMBER, join_negative_numbers, words_of
from featmagic.options.view import TAKEN, View, view_with_defaults
from featmagic.support.errors import FeatmagicError, did_you_mean

DEFAULT_NAME = "feature_maps"


_NOTHING: Mapping[str, Any] = {}


def parse_hook(line: str, into: str = DEFAULT_NAME) -> HookLine:
    """`MODEL LAYER ... [--into NAME]`.

    Args:
        line: what stands behind `%hook`.
        into: the name where the line gives none.

    Raises:
        FeatmagicError: an option that there isn't, or a name that can't be a variable.

    Example:
        >>> parse_hook("model cnn1 act1  # the first two")
        HookLine(model='model', layers=('cnn1', 'act1'), into='feature_maps')
    """
    found = _hook_parser(into).read(line)
    model, *layers = found.words or [None]
    return HookLine(model, tuple(layers), variable(found.into))


def parse_look(
    line: str, magic: str = "%%featuremaps", usual: Mapping[str, Any] = _NOTHING
) -> LookLine:
    """`[MODEL [LAYER ...]] [view options] [--into NAME] [--as-is] [--save PATH [--overwrite]]`.

    `--explore` may have `--inputs NAME` beside it.

    Args:
        line: what stands behind the magic.
        magic: as errors spell it.
        usual: view options that hold where the line doesn't say otherwise.

    Raises:
        FeatmagicError: an option or a value that there isn't.

    Example:
        >>> parse_look("model cnn1 --cmap gray act1").layers
        ('cnn1', 'act1')
    """
    found = _look_parser(magic).read(line)
    model, *layers = found.words or [None]
    into = None if found.into is None else variable(found.into)
    view, saving = _views(found, usual)
    if found.inputs is not None and not view.explore:
        raise FeatmagicError("--inputs goes with --explore, where one of them can be picked.")
    if found.inputs is not None and found.as_is:
        raise FeatmagicError("--inputs runs the model in eval mode, as a look: not with --as-is.")
    return LookLine(model, tuple(layers), into, found.as_is, view, saving, found.inputs)


def parse_again(line: str, usual: Mapping[str, Any] = _NOTHING) -> AgainLine:
    """`[LAYER ...] [view options] [--save PATH [--overwrite]]`.

    Args:
        line: what stands behind the magic.
        usual: view options that hold where the line doesn't say otherwise.

    Raises:
        FeatmagicError: an option or a value that there isn't.

    Example:
        >>> parse_again("enc['hidden'] --sample -1").layers
        ("enc['hidden']",)
    """
    parser = _Parser("%featuremaps")
    _add_save(parser)
    _add_view(parser)
    found = parser.read(line)
    return AgainLine(tuple(found.words), *_views(found, usual))


def parse_names(line: str) -> tuple[str, ...]:
    """`[NAME ...]`, behind `%unhook`.

    Example:
        >>> parse_names("feature_maps  # and no more")
        ('feature_maps',)
    """
    return tuple(_Parser("%unhook").read(line).words)


def options_of(magic: str) -> dict[str, argparse.Action]:
    """The options of a magic, by how they are written; one without a value has `nargs=0`.

    Example:
        >>> list(options_of("%hook"))
        ['--into']
    """
    parser = _Parser(magic) if magic == "%unhook" else _look_parser(magic)
    return dict((_hook_parser() if magic == "%hook" else parser)._option_string_actions)


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
    """argparse, with our errors and without what a magic's line doesn't have."""

    def __init__(self, magic: str) -> None:
        super().__init__(prog=magic, add_help=False, allow_abbrev=False)
        self.add_argument("words", nargs="*", default=[])

    def read(self, line: str) -> argparse.Namespace:
        words = join_negative_numbers(words_of(line))
        for word in words:
            self._check(word)
        found = self.parse_intermixed_args(standing_alone(words))
        for word in found.words:
            self._check_word(word)
        return found

    def _check_word(self, word: str) -> None:
        """Refuse what can't be meant as a model or a layer; the values of options may be so."""
        name, equals, _ = word.partition("=")
        if equals and f"--{name}" in self._option_string_actions:
            raise FeatmagicError(f"An option begins with two dashes: --{word}")
        if word.endswith(","):
            raise FeatmagicError(
                f"{word} has a comma: model and layers are words, with spaces between them."
            )

    def _check(self, word: str) -> None:
        known = self._option_string_actions
        word = word.partition("=")[0]
        if word == "--":
            raise FeatmagicError(
                f"{self.prog} takes no statement behind --: that is for %featuremaps, with one %."
            )
        if word.startswith("-") and not NUMBER.match(word) and word not in known:
            near = did_you_mean(word, known, limit=1)
            there = near or f" There are: {', '.join(known) or 'none'}."
            raise FeatmagicError(
                f"{self.prog} has no option '{word}'.{there} {self.prog}? explains."
            )

    def error(self, message: str) -> NoReturn:
        raise FeatmagicError(f"{self.prog}: {message}. {self.prog}? explains.")


def _add_into(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("--into", metavar="NAME", default=default)


def _add_save(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--save", metavar="PATH")
    parser.add_argument("--overwrite", action="store_true")


def _add_view(parser: argparse.ArgumentParser) -> None:
    for option in fields(View):
        how: dict[str, Any] = {} if option.metadata["metavar"] else {"action": "store_true"}
        parser.add_argument(flag(option), dest=option.name, default=argparse.SUPPRESS, **how)


def standing_alone(words: Iterable[str]) -> list[str]:
    """The words, with its value given to an option that has one when it stands alone.

    Example:
        >>> standing_alone(["--robust", "cnn1"]), standing_alone(["--robust", "5"])
        (['--robust=2.0', 'cnn1'], ['--robust', '5'])
    """
    alone = {flag(f): f.metadata["const"] for f in fields(View) if _has_a_usual_value(f)}
    words = list(words)
    behind = [*words, ""][1:]
    return [
        f"{word}={alone[word]}" if word in alone and not _AMOUNT.fullmatch(after) else word
        for word, after in zip(words, behind, strict=True)
    ]


_AMOUNT = re.compile(r"\d+\.?\d*|\.\d+")


def _has_a_usual_value(option: Field[Any]) -> bool:
    return bool(option.metadata["metavar"]) and "const" in option.metadata


def flag(option: Field[Any]) -> str:
    """The option of a magic for a field of `View`.

    Example:
        >>> flag(fields(View)[0])
        '--channels'
    """
    return "--" + option.name.replace("_", "-")


def _views(found: argparse.Namespace, usual: Mapping[str, Any]) -> tuple[View, Saving | None]:
    """How to draw what is shown, and what is saved: one may be an explorer, and the other grids."""
    given = {one.name: getattr(found, one.name) for one in fields(View) if one.name in found}
    if found.save is None:
        if found.overwrite:
            raise FeatmagicError("--overwrite goes with --save PATH: nothing else is written.")
        return view_with_defaults(given, usual), None
    from featmagic.files.paths import holds_page  # where something is saved: to load fast

    of_page: dict[str, Any] = {}
    if (page := holds_page(found.save)) and "explore" not in given and "max_bytes" in given:
        of_page = {"max_bytes": given.pop("max_bytes")}
    view = view_with_defaults(given, usual)
    saved = view
    if page and not view.explore:
        saved = view.only(*TAKEN["explorer"], explore=True, **of_page)
    elif view.explore and not page:
        saved = view.only(*TAKEN["grid"])
    return view, Saving(found.save, found.overwrite, saved)


def variable(name: object, option: str = "--into") -> str:
    """The name, if it can be that of a variable.

    Args:
        name: what was given.
        option: what it was given for, as errors spell it.

    Raises:
        FeatmagicError: it can't.

    Example:
        >>> variable("maps")
        'maps'
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise FeatmagicError(f"{option} takes the name of a variable, not '{name}'.")
    return name


@dataclass(frozen=True)
class HookLine:
    """What stood behind `%hook`."""

    model: str | None
    layers: tuple[str, ...]
    into: str


@dataclass(frozen=True)
class Saving:
    """Where to save what is shown, whether over files that are there already, and drawn how."""

    path: str
    overwrite: bool
    view: View = field(default_factory=View)


@dataclass(frozen=True)
class LookLine:
    """What stood behind `%%featuremaps`, or behind `%featuremaps` with a statement."""

    model: str | None
    layers: tuple[str, ...]
    into: str | None
    as_is: bool
    view: View
    saving: Saving | None = None
    inputs: str | None = None


@dataclass(frozen=True)
class AgainLine:
    """What stood behind `%featuremaps` without a statement."""

    layers: tuple[str, ...]
    view: View
    saving: Saving | None = None

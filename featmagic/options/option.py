"""One option: its value, its help, and the other words that people use for it."""

from __future__ import annotations

from dataclasses import Field, field
from typing import Any

from featmagic.options import validators
from featmagic.options.validators import Check, optional


def option(
    group: str,
    default: Any,
    metavar: str,
    check: Check,
    help: str,
    *,
    also: str = "",
    **metadata: Any,
) -> Any:
    """Define an option as a field of a dataclass; it takes None as well if that is its default.

    Args:
        group: What the option is about, such as "color".
        default: The value where nothing else is given.
        metavar: Stands for the value in the help; empty for an option without a value.
        check: Converts text or a Python value to the option's value, or refuses it.
        help: The line of help. What comes before the first semicolon is used in hints.
        also: Other words for the option, which are answered with its name. `log=log` is a word for
            the option with the value behind `=`.
        **metadata: `const`, the value of an option that is given without one; `written`, the
            default as the help spells it; `joined`, the text between the parts of a value that are
            typed as several words by mistake; `python`, what to do in Python, where the option is
            no keyword argument.
    """
    described = {"group": group, "metavar": metavar, "help": help, "also": also}
    check = optional(check) if default is None else check
    return field(default=default, metadata={**described, "check": check, **metadata})


def switch(group: str, help: str, *, also: str = "", **metadata: Any) -> Any:
    """Define an option without a value, which is False unless it is given."""
    return option(group, False, "", validators.flag, help, also=also, const=True, **metadata)


def spelled(name: str) -> str:
    """Return the name of a field as messages and the command line spell it: `prefix-tokens`."""
    return "pass" if name == "passes" else name.replace("_", "-")  # pass is a word of Python's


def flag(option: Field[Any]) -> str:
    """Return an option as a line has it, such as `--prefix-tokens`."""
    return f"--{spelled(option.name)}"


def summary(option: Field[Any]) -> str:
    """Return what an option does, in a few words."""
    text: str = option.metadata["help"]
    return text.partition(";")[0].partition(" (")[0].partition(": ")[0]

"""Options that change nothing beside others: they are refused, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field
from typing import Any

from featmagic.options.groups import GROUPS, TAKEN
from featmagic.options.option import flag


def without_effect(
    values: Mapping[str, Any], options: Mapping[str, Field[Any]]
) -> Iterator[tuple[str, str]]:
    """Yield each option that changes nothing beside the others, and a message that says why.

    Args:
        values: The value of each option, by its name.
        options: The options by their names.
    """

    def named(groups: frozenset[str]) -> list[str]:
        return [name for name, each in options.items() if each.metadata["group"] in groups]

    overlay, explore, reduce = values["overlay"], values["explore"], values["reduce"]
    coloring = named(frozenset({"color", "range", "limits"}))
    on_input = overlay or values["input"] or explore
    for is_idle, names, why in (
        (not overlay and not explore, ["alpha"], "it needs --overlay"),
        (not on_input, ["mean", "std"], "it needs --input or --overlay"),
        (reduce != "pca", ["pca_basis"], "it needs --reduce pca"),
        (reduce == "pca", coloring, "--reduce pca has its own colors"),
        (reduce, named(frozenset({"order"})), "--reduce combines all channels"),
        (values["overview"], named(GROUPS - TAKEN["overview"]), "--overview doesn't use it"),
        (not explore, ["max_bytes"], "it needs --explore"),
        (explore, named(GROUPS - TAKEN["explorer"]), "--explore doesn't use it"),
    ):
        for name in names if is_idle else ():
            if values[name] != options[name].default:
                yield name, f"{flag(options[name])} doesn't apply here: {why}."
    for is_asked, kind in ((values["overview"], "--overview"), (explore, "--explore")):
        if is_asked and values["passes"] == "all":
            yield "passes", f"--pass all doesn't apply here: {kind} shows one pass at a time."
    for name, value in (("scale", "all"), ("slice", "montage")):
        if explore and values[name] == value:
            what = f"--{name} {value}"
            yield name, f"{what} doesn't apply here: --explore shows one layer at a time."

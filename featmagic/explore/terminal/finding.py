"""Keys while a layer is looked for by its name."""

from __future__ import annotations

from featmagic.explore.terminal.browser import Browser


def find(browser: Browser) -> None:
    """Begin to look for a layer by its name."""
    browser.mode, browser.typed, browser.before = "find", "", browser.at


def type_in(browser: Browser, letters: str) -> None:
    """More of the name: the first layer that has it is chosen."""
    browser.typed += "".join(filter(str.isprintable, letters))
    _choose(browser)


def untype(browser: Browser) -> None:
    """One letter less."""
    browser.typed = browser.typed[:-1]
    _choose(browser)


def _choose(browser: Browser) -> None:
    there = found(browser)
    browser.go(there[0] if there and browser.typed else browser.before)


def found(browser: Browser) -> list[int]:
    """The layers that have what was typed in their names, in capitals or not."""
    wanted = browser.typed.casefold()
    return [n for n, one in enumerate(browser.layers) if wanted in one.cells[0].casefold()]


def next_found(browser: Browser) -> None:
    """To the next layer that was found; behind the last comes the first."""
    if there := found(browser):
        browser.go(next((n for n in there if n > browser.at), there[0]))


def previous_found(browser: Browser) -> None:
    """To the layer that was found before."""
    if there := found(browser):
        browser.go(next((n for n in reversed(there) if n < browser.at), there[-1]))


def give_up(browser: Browser) -> None:
    """Back to the layer that was chosen before."""
    browser.mode = "grid"
    browser.go(browser.before)


def take(browser: Browser) -> None:
    """Stay with the layer that was found."""
    browser.mode = "grid"
    if not found(browser):
        browser.go(browser.before)
        browser.message = f"No layer has '{browser.typed}' in its name."

"""Text for people: printable, wrapped, truncated, read aloud; shares, sizes and histograms."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from itertools import accumulate

BLOCKS = "▁▂▃▄▅▆▇█"
LONGEST_NAME = 240  # characters of a name in text for people

# Invisible in Unicode (Default_Ignorable_Code_Point), but printable to Python.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
# Combining marks per letter: no script needs more, and a stack of them covers other lines.
_MOST_MARKS = 8
_UNITS = ("B", "kB", "MB", "GB", "TB")
_AS_SPOKEN = {
    "≈ and histograms": "≈",
    ", …": " and others",
    rf"(?:from )?(\S+) (?:…|[{BLOCKS}]+) (\S+)": r"from \1 to \2",
    r"(\) [a-z]+\d\w*) ([a-z]+(?::\d+)?)(?= · |\n|$)": r"\1 on \2",  # dtype and device
    " · ": "; ",
    " {2,}": ", ",
}


def printable(text: str) -> str:
    r"""Return a text in one line, with every invisible character spelled out as an escape.

    A name in a model may contain anything: terminal control codes, line breaks, bidirectional
    marks, lone surrogates. This is the one function that makes text harmless for terminals, plain
    text and screen readers; applying it twice changes nothing more.

    Example:
        >>> printable("a\x1b[2J")
        'a\\x1b[2J'
    """
    if text.isascii() and text.isprintable():  # the usual case, in less time
        return text
    return spelled_out(text, lambda letter: letter.encode("unicode_escape").decode())


def spelled_out(text: str, spell: Callable[[str], str]) -> str:
    """Return the text with every invisible character replaced by what `spell` returns for it."""
    marks = accumulate(map(_is_mark, text), lambda before, is_mark: (before + 1) * is_mark)
    return "".join(
        letter
        if letter.isprintable() and letter not in _INVISIBLE and count <= _MOST_MARKS
        else spell(letter)
        for letter, count in zip(text, marks, strict=True)
    )


def _is_mark(letter: str) -> int:
    return int(letter >= "\u0300" and unicodedata.category(letter) in ("Mn", "Me"))


def readable(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name as people read it: printable, and shortened in the middle if very long.

    Every name from a model goes through this before layout, which may be slow for long text.

    Example:
        >>> readable("layer1.0.conv1"), len(readable("w" * 10_000))
        ('layer1.0.conv1', 240)
    """
    if len(name) <= most and name.isascii() and name.isprintable():  # the usual case, in less time
        return name
    return truncate(printable(truncate(name, most)), most)


def say(text: str) -> None:
    """Print a line; letters that the output's encoding lacks become question marks."""
    _print(printable(text))


def say_lines(text: str) -> None:
    """Print a text of several lines, with control codes spelled out."""
    _print(printable_lines(text))


def say_drawn(text: str) -> None:
    """Print lines that a renderer has drawn, including their color codes."""
    _print(text)


def printable_lines(text: str) -> str:
    """Return a text of several lines, each printable."""
    return "\n".join(map(printable, text.split("\n")))


def _print(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def sparkline(histogram: tuple[int, ...]) -> str:
    """Return a histogram as blocks, as tall as the parts are full.

    Example:
        >>> sparkline((1, 0, 3))
        '▃▁█'
    """
    most = max(histogram, default=0) or 1
    return "".join(BLOCKS[round(count / most * 7)] for count in histogram)


def spoken(caption: str) -> str:
    """Return a caption as a sentence to be read aloud, for alt texts; each line is a sentence.

    A screen reader would read each block of a histogram, and pause at no gap.

    Example:
        >>> spoken("fc  Linear  (1, 5) float32 cpu · NC, 5 of 5 values · 0 █▁▁█ 2, mean 1")
        'fc, Linear, (1, 5) float32 on cpu; NC, 5 of 5 values; from 0 to 2, mean 1.'
    """
    for pattern, words in _AS_SPOKEN.items():
        caption = re.sub(pattern, words, caption)
    return "\n".join(f"{line}." for line in caption.splitlines())


def percent(share: float) -> str:
    """Return a share of 0 to 1 as a percentage, in which a little isn't 0 % nor almost all 100 %.

    Example:
        >>> percent(0.001), percent(0.5)
        ('< 1 %', '50 %')
    """
    if 0 < share < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < share < 1 else f"{share * 100:.0f} %"


def plural(count: int, noun: str) -> str:
    """Return a number of things.

    Example:
        >>> plural(1, "value"), plural(2, "value")
        ('1 value', '2 values')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def percentile(share: float) -> str:
    """Return which percentile that is, as an ordinal number.

    Example:
        >>> percentile(2), percentile(98), percentile(11), percentile(2.5)
        ('2nd', '98th', '11th', '2.5th')
    """
    digits = f"{share:g}"
    teen = digits[-2:-1] == "1" and "." not in digits
    ending = {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1:], "th")
    return digits + ("th" if teen or "." in digits else ending)


def format_bytes(count: int) -> str:
    """Return a number of bytes in the unit that suits it.

    Example:
        >>> format_bytes(802816)
        '803 kB'
    """
    power = min(len(_UNITS) - 1, max(0, (len(str(count)) - 1) // 3))
    value = count / 1000**power
    digits = ".0f" if power == 0 or value >= 100 else ".3g"
    return f"{value:{digits}} {_UNITS[power]}"


def truncate(text: str, most: int) -> str:
    """Return a text of at most `most` letters, shortened in the middle.

    Example:
        >>> truncate("layer1.0.downsample.conv1", 12)
        'layer1…conv1'
    """
    if len(text) <= most:
        return text
    kept = most // 2
    return text[:kept] + "…" + text[len(text) - (most - kept - 1) :]


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if _is_mark(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def with_article(word: str) -> str:
    """Return a word with its indefinite article.

    Example:
        >>> with_article("int"), with_article("str")
        ('an int', 'a str')
    """
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def wrap(caption: str, columns: int | None, *, indented: bool = True) -> str:
    """Break a caption into lines of `columns` letters, between its parts or after commas.

    None leaves the lines as long as they are. The lines that the caption has itself are indented,
    too, unless a picture follows that tells it from the next caption.

    Example:
        >>> print(wrap("fc  Linear · 5 of 5 values · viridis", 30))
        fc  Linear · 5 of 5 values
          viridis
    """
    given = (caption.replace("\n", "\n  ") if indented else caption).split("\n")
    if columns is None:
        return "\n".join(given)
    lines = [part for line in given for part in broken(line, " · ", columns, "  ")]
    # After commas, but not those inside a shape, and at double blanks.
    separators = r"(?<=,) (?![^(]*\))|(?<=\S)  (?=\S)"
    return "\n".join(part for line in lines for part in broken(line, separators, columns, "    "))


def broken(
    line: str, separators: str, columns: int, indent: str, width: Callable[[str], int] = len
) -> list[str]:
    """Break a line at separators, given as a pattern, if it is too wide; all but the first indent.

    A part between two separators is never broken: it may be wider than the columns.
    """
    first, *others = re.split(f"({separators})", line)
    lines = [first]
    for separator, part in zip(others[::2], others[1::2], strict=True):
        longer = f"{lines[-1]}{separator}{part}"
        if width(longer) <= columns:
            lines[-1] = longer
        else:
            lines.append(f"{indent}{part}")
    return lines

"""The fonts in which a text is set: DejaVu Sans, or what is installed for other scripts."""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

USUAL = "DejaVu Sans"  # matplotlib's own, so that it is always there

# Families that are known to look well beside it; any other comes after them. Those of macOS and
# Windows have the names that their systems use.
_PREFERRED = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Source Han Sans JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Meiryo",
    "BIZ UDGothic",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "MS Gothic",
    "Noto Sans CJK SC",
    "PingFang SC",
    "PingFang HK",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Zen Hei",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "Noto Emoji",
    "Symbola",
)
# They have a box or nothing for every letter.
_PLACEHOLDERS = ("Last Resort", "LastResort", "Adobe Blank", "Color Emoji")
# Packages that bring a Japanese font along. Importing them would change matplotlib's settings.
_PACKAGES = ("matplotlib_fontja", "japanize_matplotlib")
_BOLD = 700
JOINERS = "\u200c\u200d"  # they join letters or keep them apart, and have no shape of their own
_CJK = "fonts-noto-cjk, or pip install matplotlib-fontja"


@dataclass(frozen=True)
class FontFile:
    """A font on this computer: its file, the number of the face in it, family and weight."""

    path: str
    index: int
    family: str
    weight: int
    plain: bool = True  # whether it is neither italic nor condensed

    @property
    def _rank(self) -> tuple[object, ...]:
        """Return a key that sorts fonts, the most suitable first."""
        name = self.family.casefold()
        known = _PREFERRED.index(self.family) if self.family in _PREFERRED else len(_PREFERRED)
        other = any(word in name for word in ("serif", "mincho", "song", "ming", "mono"))
        return known, not self.plain, other, self.family, abs(self.weight - _BOLD), self.path


@dataclass(frozen=True)
class Typeface:
    """The fonts that draw a text.

    Attributes:
        fonts: each letter is drawn in the first of them that has it.
        missing: the letters that no font on this computer has, each once.
    """

    fonts: tuple[FontFile, ...]
    missing: str = ""

    @property
    def families(self) -> list[str]:
        """The names of the families, for matplotlib."""
        return [font.family for font in self.fonts]

    @property
    def note(self) -> str:
        """Return in which font the text is set, for a caption; "" if it is the usual one."""
        others = [name for name in self.families if name != USUAL]
        return f"title set in {', '.join(others)}" if others else ""

    @property
    def warning(self) -> str:
        """Return which letters are missing and what to install, in a line; "" if none are."""
        if not self.missing:
            return ""
        shown = " ".join(self.missing[:12]) + " …" * (len(self.missing) > 12)
        east = any(unicodedata.east_asian_width(letter) in "WF" for letter in self.missing)
        is_emoji = all(unicodedata.category(letter) == "So" for letter in self.missing)
        what = "a font that has them, such as Noto Emoji" if is_emoji else "a font that has them"
        install = _CJK if east and not is_emoji else what
        return f"No installed font has {shown} of the title: install {install}."

    def font_of(self, letter: str) -> FontFile:
        """Return the font that draws a letter; the usual one draws a box for a missing one."""
        return next((font for font in self.fonts if has(font, letter)), self.fonts[-1])


def typeface_of(text: str, *, bold: bool = False) -> Typeface:
    """Return the fonts for a text: one for all of it where possible, or else as few as needed.

    Example:
        >>> typeface_of("feature maps").families
        ['DejaVu Sans']
    """
    letters = "".join(dict.fromkeys(c for c in text if c not in JOINERS and c.isprintable()))
    usual = _usual(bold)
    if all(has(usual, letter) for letter in letters):
        return Typeface((usual,))
    # The user may have installed a font, or added one to matplotlib, since the last call.
    lacking = "".join(letter for letter in letters if not has(usual, letter))
    for fonts in _lists_of_fonts():
        ranked = tuple(sorted(fonts, key=lambda font: font._rank))
        whole = _covering(letters, ranked)[:1]
        is_whole = all(has(font, letter) for font in whole for letter in letters)
        chosen = whole if is_whole else _covering(lacking, ranked)
        left = [c for c in lacking if not any(has(font, c) for font in chosen)]
        if not left:
            break
    weighted = [_with_weight(font, fonts, letters, bold) for font in chosen]
    return Typeface((*weighted, usual), "".join(left))


def known_to_matplotlib(typeface: Typeface) -> list[str]:
    """Return the families of a typeface, having told matplotlib of fonts that it doesn't know."""
    from matplotlib.font_manager import fontManager

    known = {(entry.fname, entry.name) for entry in fontManager.ttflist}
    for font in typeface.fonts:
        if (font.path, font.family) not in known:
            fontManager.addfont(font.path)
    return typeface.families


def has(font: FontFile, letter: str) -> bool:
    """Return True if the font has a glyph for the letter, or if nothing is drawn for it."""
    if letter in JOINERS:
        return True
    code = ord(letter)
    return not 0xD800 <= code < 0xE000 and _glyphs(font.path, font.index, code)


@lru_cache(maxsize=65536)
def _glyphs(path: str, index: int, code: int) -> bool:
    face = _face(path)
    return face is not None and bool(face.get_char_index(code))  # type: ignore[attr-defined]


@lru_cache(maxsize=64)
def _face(path: str) -> object | None:
    """Open the first face of a font file, since all of them have about the same letters."""
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(path)
    except Exception:  # a file that is damaged, or gone
        return None
    return face if getattr(face, "scalable", True) else None  # an emoji font of fixed size


@lru_cache(maxsize=2)
def _usual(bold: bool) -> FontFile:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return FontFile(str(path), 0, USUAL, _BOLD if bold else 400)


def _lists_of_fonts() -> Iterator[list[FontFile]]:
    """Yield the fonts that matplotlib knows, and then those that it doesn't know yet as well."""
    from matplotlib import font_manager

    known = [font for font in map(_font_of_entry, font_manager.fontManager.ttflist) if font]
    yield known
    paths = {font.path for font in known}
    bundled = [str(path) for name in _PACKAGES for path in _fonts_in(name)]
    found = [path for path in [*bundled, *font_manager.findSystemFonts()] if path not in paths]
    yield [*known, *filter(None, map(_font_of_file, dict.fromkeys(found)))]


def _fonts_in(package: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    folders = (spec.submodule_search_locations or []) if spec else []
    return sorted(path for folder in folders for path in Path(folder).glob("fonts/*.tt[fc]"))


def _font_of_entry(entry: object) -> FontFile | None:
    """Return a font in matplotlib's list; None for one that can't be used."""
    from matplotlib.font_manager import weight_dict

    name, weight = str(entry.name), entry.weight  # type: ignore[attr-defined]
    index = getattr(entry, "index", 0)
    if any(word.casefold() in name.casefold() for word in _PLACEHOLDERS):
        return None
    number = weight if isinstance(weight, int) else weight_dict.get(str(weight), 400)
    plain = entry.style == "normal" and entry.stretch == "normal"  # type: ignore[attr-defined]
    return FontFile(str(entry.fname), index, name, number, plain)  # type: ignore[attr-defined]


@lru_cache(maxsize=4096)
def _font_of_file(path: str) -> FontFile | None:
    from matplotlib.font_manager import ttfFontProperty
    from matplotlib.ft2font import FT2Font

    try:
        return _font_of_entry(ttfFontProperty(FT2Font(path)))
    except Exception:  # matplotlib can't read it
        return None


@lru_cache(maxsize=256)
def _covering(letters: str, fonts: tuple[FontFile, ...]) -> tuple[FontFile, ...]:
    """Return the first font that has all letters, or else those that have most of what is left."""
    chosen: list[FontFile] = []
    left, first_faces = letters, [font for font in fonts if font.index == 0]
    while left and len(chosen) < 4:
        best, most = None, 0
        for font in first_faces:
            count = sum(has(font, letter) for letter in left)
            if count > most:
                best, most = font, count
            if count == len(left):
                break
        if best is None:
            break
        chosen.append(best)
        left = "".join(letter for letter in left if not has(best, letter))
    return tuple(chosen)


def _with_weight(font: FontFile, fonts: Iterable[FontFile], letters: str, bold: bool) -> FontFile:
    """Return the font of the same family whose weight comes closest to bold, or to regular."""
    wanted = _BOLD if bold else 400
    needed = [letter for letter in letters if has(font, letter)]
    siblings = [
        other
        for other in fonts
        if (other.family, other.index, other.plain) == (font.family, font.index, font.plain)
    ]
    siblings.sort(key=lambda other: (abs(other.weight - wanted), other.path))
    fitting = (other for other in siblings if all(has(other, letter) for letter in needed))
    return next(fitting, font)

"""Names of files and archive members that are distinct and safe on every system."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from featmagic.support.text import printable, spelled_out

_LONGEST_NAME = 255  # bytes, on almost every file system
_LONGEST_MEMBER = 65_000  # bytes: the zip format stores a name's length in 16 bits
_METADATA = "__metadata__"  # a key that .safetensors files reserve


def file_names(file: Path, keys: Sequence[str]) -> list[str]:
    """Return a name of a file for each key: `maps-cnn1.png` for `maps.png`.

    A key can be any text. The names contain no characters that a file system refuses, aren't too
    long for it, and differ even if it ignores case.

    Example:
        >>> file_names(Path("maps.png"), ["cnn1", "relu:2", "ReLU:2"])
        ['maps-cnn1.png', 'maps-relu_2.png', 'maps-ReLU_2_2.png']
    """
    before, after = f"{file.stem}-", file.suffix
    room = max(1, _longest_name_in(file.parent) - len(os.fsencode(before + after)))
    return [f"{before}{name}{after}" for name in distinct(map(_safe, keys), room)]


def distinct(names: Iterable[str], longest: int) -> list[str]:
    """Shorten the names to a number of bytes, and number those that would be the same file.

    Example:
        >>> distinct(["relu_2", "ReLU_2", "fc", "a long name", "a long one"], 8)
        ['relu_2', 'ReLU_2_2', 'fc', 'a long n', 'a long o']
    """
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    unique = []
    for name in names:
        free = _cut(name, longest)
        folded = _folded(free)
        while _folded(free) in taken:
            numbers[folded] += 1
            ending = f"_{numbers[folded] + 1}"
            free = _cut(name, longest - len(ending)) + ending
        taken.add(_folded(free))
        unique.append(free)
    return unique


def stored_names(keys: Collection[str], suffix: str) -> dict[str, str]:
    """Return the name of each key in a file of arrays: the key itself, if possible and safe.

    To a program that unpacks an .npz, its members are files. No member may lead out of the folder
    in which it is unpacked, on any system. So `_` replaces `..` and empty parts of a key (an
    absolute path begins with one), the colon of a drive (`C:x`, but not `a:2`, the second call of a
    layer `a`), backslashes, and invisible characters.

    Example:
        >>> stored_names(["a/b", "relu:2", "../a", "_/a"], ".npz")
        {'a/b': 'a/b', 'relu:2': 'relu:2', '../a': '_/a_2', '_/a': '_/a'}
    """
    storable = _member if suffix == ".npz" else _tensor_name
    names = {key: storable(key) for key in keys}
    taken = {key for key, name in names.items() if key == name}
    numbers: Counter[str] = Counter()
    for key, name in names.items():
        free = name
        while free != key and free in taken:
            numbers[name] += 1
            free = f"{name}_{numbers[name] + 1}"
        taken.add(free)
        names[key] = free
    return names


def members(names: Mapping[str, str]) -> dict[str, str]:
    """Return for each key the member of an .npz that holds it, given its stored name.

    `numpy.load` looks up "x.npy" first as the name of a member and then as a key. If both "x" and
    "x.npy" are keys, the member of the first has no suffix.
    """
    taken = set(names.values())
    with_suffix = {key: f"{name}.npy" for key, name in names.items()}
    return {key: names[key] if name in taken else name for key, name in with_suffix.items()}


def _longest_name_in(folder: Path) -> int:
    """Return how many bytes a name may have in a folder; encrypted folders allow fewer."""
    with suppress(AttributeError, OSError, ValueError):
        return min(os.pathconf(folder, "PC_NAME_MAX"), _LONGEST_NAME)
    return _LONGEST_NAME


def _safe(key: str) -> str:
    """Return the key without characters that file systems refuse."""
    letters = ("_" if c in '<>:"/\\|?*' else c for c in _visible(key))
    return "".join(letters).strip(" .") or "_"


def _visible(key: str) -> str:
    return spelled_out(key, lambda _: "_")


def _cut(name: str, longest: int) -> str:
    return name.encode()[: max(0, longest)].decode(errors="ignore")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _member(key: str) -> str:
    """Return the key as a relative path without `..`; the suffix isn't added yet."""
    if key == ".":  # the model itself: "..npy"
        return key
    letters = _visible(key).replace("\\", "_")
    if re.match(".:", letters) and not re.fullmatch(r".:\d+(\[[^/]*)?", letters):  # a drive
        letters = f"{letters[0]}_{letters[2:]}"
    # Windows reads ".. " as "..".
    parts = ("_" if re.fullmatch("[. ]*", part) else part for part in letters.split("/"))
    return _cut("/".join(parts), _LONGEST_MEMBER)


def _tensor_name(key: str) -> str:
    return f"{key}_" if key == _METADATA else printable(key)

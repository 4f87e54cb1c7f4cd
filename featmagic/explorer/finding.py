"""Which layers a query means: text in a name or a class, or a glob."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from featmagic.recording.globs import LONGEST_GLOB, glob, is_glob, wider_glob
from featmagic.recording.layer_syntax import with_dots
from featmagic.support.text import readable


def finds_layer(query: str) -> Callable[[str, str, str], bool]:
    """Return what tells by key, path and class name whether a query means a layer.

    A word is text that is contained in the key, the path or the class name. A word with `*`, `?` or
    `[` is also a glob of the whole of one of them: `*` stands for one level, `**` for any number of
    levels, and `layer1[0].*` is `layer1.0.*`. Words are separated by blanks and must all match;
    case doesn't count. A query without words means every layer. The front end has the same rules in
    frontend/src/matching.js.

    Example:
        >>> finds = finds_layer("layer1.*.conv? Conv2d")
        >>> finds("layer1.0.conv1", "layer1.0.conv1", "Conv2d"), finds("fc", "fc", "Linear")
        (True, False)
    """
    tests = [_test(word) for word in dict.fromkeys(query.lower().split())]

    def finds(key: str, path: str, kind: str) -> bool:
        texts = [text.lower() for text in (key, path, kind)]
        return all(any(map(test, texts)) for test in tests)

    return finds


def _test(word: str) -> Callable[[str], bool]:
    """Return what tells whether a word means a text; both are in lower case."""
    if not is_glob(word) or len(word) > LONGEST_GLOB:
        return lambda text: word in text
    globs = [glob(pattern) for pattern in (word, with_dots(word))]
    return lambda text: word in text or any(matches(text) for matches in globs)


def wider_words(query: str, layers: Iterable[Collection[str]]) -> str:
    """Say which `**` would make a word of the query match; "" if that helps none.

    Args:
        query: What finds no layer.
        layers: The key, path and class name of each layer.

    Example:
        >>> wider_words("*.conv1", [("layer1.0.conv1", "layer1.0.conv1", "Conv2d")])
        '`*.conv1` matches nothing one level down; use `**.conv1`.'
    """
    texts = [text.lower() for names in layers for text in names]
    for word in query.lower().split():
        if is_glob(word) and not any(map(_test(word), texts)):
            wider = wider_glob(with_dots(word), texts)
            if wider is not None:
                return (
                    f"`{readable(word)}` matches nothing one level down; use `{readable(wider)}`."
                )
    return ""

"""What modules say about the axes of what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from featmagic.says import SEQUENTIAL, Says, batch_first, heads_of, own_says, reshapes
from featmagic.tree import ROOT, ancestors, unwrap


@dataclass(frozen=True)
class Traits:
    """What a module says about the axes of what it returns.

    Attributes:
        says: by itself and the modules in it, in the order of their registration; of a module
            that says nothing, what the nearest before it says, or else those around it.
        around: what those around it say, of a module that knows no number of features.
        own: whether that is the module's own word, which needs no comparing with shapes.
        order: of a sequence's axes, "NLC" or "LNC", or "" where nothing in it or near it has one.
        sure: whether the order is that of torch's own module, or of one of its parts.
        recurrent: whether it is torch's LSTM, GRU or RNN ("layer"), or a "cell" of one.
        attention: "torch" for an `nn.MultiheadAttention`, "self" for another module that is called
            an attention, "inside" for a module in one, "around" for one that has one in it.
        heads: how many heads the attention has, or None.
        text: whether it is in a branch of the model that embeds words and sees no image.
        asked: whether its attention weights were asked for beside the user's call.
    """

    says: tuple[Says, ...] = ()
    around: tuple[Says, ...] = ()
    own: bool = False
    order: str = ""
    sure: bool = False
    recurrent: str = ""
    attention: str = ""
    heads: int | None = None
    text: bool = False
    asked: bool = False


def traits_of(tree: Mapping[str, nn.Module], paths: Iterable[str]) -> dict[str, Traits]:
    """The traits of the modules at `paths`.

    Args:
        tree: every module of the model by path, as `tree.walk` gives them.
        paths: of the modules in question.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> traits_of({".": net, "0": net[0], "1": net[1]}, ["1"])["1"].says
        (Says(place='first', count=8, spatial=2),)
    """
    reader = _Reader(tree)
    return {path: reader.traits(path) for path in paths}


class _Reader:
    """Reads modules in the light of what is before, around and in them."""

    def __init__(self, tree: Mapping[str, nn.Module]) -> None:
        self._tree = {path: unwrap(module)[-1] for path, module in tree.items()}
        self._children: dict[str, list[str]] = {path: [] for path in tree}
        for path in tree:
            if path != ROOT:
                self._children[path.rpartition(".")[0] or ROOT].append(path)
        self._said: dict[str, tuple[Says, ...]] = {}
        self._images = self._above(self._sees_pixels)
        self._texts = self._above(self._embeds_words)

    def traits(self, path: str) -> Traits:
        module = self._tree[path]
        own = own_says(module)
        order, sure = self._order(path)
        attention, heads = self._attention(path)
        cell = "cell" if isinstance(module, nn.RNNCellBase) else ""
        recurrence = "layer" if isinstance(module, nn.RNNBase) else cell
        inside = self._in(path)
        return Traits(
            inside or self._near(path),
            () if any(says.count for says in inside) else self._around(path),
            len(own) == 1 or reshapes(module),
            order,
            sure,
            recurrence,
            attention,
            heads,
            self._is_text(path),
        )

    def _in(self, path: str) -> tuple[Says, ...]:
        """What the module says; of a composite, what its own modules say together."""
        if path not in self._said:
            own = own_says(self._tree[path])
            below = (says for child in self._children[path] for says in self._in(child))
            last_first = dict.fromkeys(reversed(own or tuple(below)))
            self._said[path] = tuple(reversed(last_first))
        return self._said[path]

    def _near(self, path: str) -> tuple[Says, ...]:
        """What the nearest module before it says, or else those around it."""
        if path == ROOT or reshapes(self._tree[path]):
            return ()
        parent = ancestors(path)[0]
        siblings = self._children[parent]
        before = (self._in(sibling) for sibling in reversed(siblings[: siblings.index(path)]))
        return next(filter(None, before), self._in(parent) or self._near(parent))

    def _around(self, path: str) -> tuple[Says, ...]:
        return () if path == ROOT or reshapes(self._tree[path]) else self._in(ancestors(path)[0])

    def _order(self, path: str) -> tuple[str, bool]:
        for up in (path, *ancestors(path)):
            if isinstance(self._tree[up], SEQUENTIAL):
                return ("NLC" if batch_first(self._tree[up]) else "LNC"), True
        inside = [m for m in self._tree[path].modules() if isinstance(m, SEQUENTIAL)]
        beside = ([self._tree[child] for child in self._children[up]] for up in ancestors(path))
        near = ([m for m in modules if isinstance(m, SEQUENTIAL)] for modules in beside)
        found = inside or next(filter(None, near), [])
        if not found:
            return "", False
        return ("NLC" if all(batch_first(m) for m in found) else "LNC"), False

    def _attention(self, path: str) -> tuple[str, int | None]:
        if isinstance(module := self._tree[path], nn.MultiheadAttention):
            return "torch", module.num_heads
        for role, up in zip(("self", "inside"), (path, *ancestors(path)), strict=False):
            module = self._tree[up]
            if _is_attention(module):
                heads = heads_of(module)
                over_pixels = any(isinstance(m, nn.Conv2d) for m in module.modules())
                return ("" if heads is None and over_pixels else role), heads
        heads = next((heads_of(m) for m in self._tree[path].modules() if _is_attention(m)), None)
        return ("" if heads is None else "around"), heads

    def _is_text(self, path: str) -> bool:
        for up in (path, *ancestors(path)):
            if up in self._images or up in self._texts:
                return up not in self._images
        return False

    def _above(self, is_one: Callable[[str], bool]) -> set[str]:
        return {up for path in filter(is_one, self._tree) for up in ancestors(path)}

    def _sees_pixels(self, path: str) -> bool:
        module = self._tree[path]
        return isinstance(module, nn.Conv2d) and module.in_channels in (1, 3, 4)

    def _embeds_words(self, path: str) -> bool:
        """An embedding, but for one of relative positions, which is in an attention."""
        around = self._tree[(ancestors(path) or [path])[0]]
        return isinstance(self._tree[path], nn.Embedding) and not _is_attention(around)


def _is_attention(module: nn.Module) -> bool:
    return "Attention" in type(module).__name__

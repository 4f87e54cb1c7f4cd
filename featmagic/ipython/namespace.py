"""The user's variables: finding a model among them, and binding the feature maps."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from featmagic.support.errors import FeatmagicError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

    from featmagic.feature_maps import FeatureMaps

Namespace = MutableMapping[str, Any]


def find_model(expression: str, namespace: Mapping[str, Any]) -> nn.Module:
    """The model that a variable, an attribute or an item is now: `model`, `models["a"]`.

    Raises:
        FeatmagicError: nothing of that name, or something that isn't a model; the models that
            there are are named.
    """
    value = _Place(expression, namespace).value()
    torch = sys.modules.get("torch")  # whoever has a model has it loaded
    if torch and isinstance(value, torch.nn.Module):
        model: nn.Module = value
        return model
    hint = ""
    if isinstance(value, str) and value in modules_in(namespace):
        hint = f" Write {value} without the variable that holds its name."
    raise FeatmagicError(
        f"{expression} is {_a(type(value).__name__)}, not a torch.nn.Module."
        f"{hint} {_models(namespace)}"
    )


def find_inputs(expression: str, namespace: Mapping[str, Any]) -> Any:
    """The inputs that a variable, an attribute or an item holds now: `x`, `batch["images"]`.

    Raises:
        FeatmagicError: nothing of that name, or no such expression.

    Example:
        >>> find_inputs("batches[0]", {"batches": ["first"]})
        'first'
    """
    return _Inputs(expression, namespace).value()


def modules_in(namespace: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The user's variables that are models.

    Example:
        >>> modules_in({"x": 1})
        {}
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        name: value
        for name, value in list(namespace.items())
        if isinstance(value, torch.nn.Module) and not name.startswith("_")
    }


def check_free(name: str, namespace: Mapping[str, Any]) -> None:
    """Make sure that `name` may be written: it is absent, or holds feature maps of ours.

    Raises:
        FeatmagicError: it is the user's.
    """
    if name in namespace and not is_ours(namespace[name]):
        raise FeatmagicError(
            f"{name} is {_a(type(namespace[name]).__name__)} of yours. "
            "Add --into NAME to put the feature maps elsewhere."
        )


def is_ours(value: object) -> bool:
    """Whether a variable holds feature maps, which may be replaced by newer ones."""
    from featmagic.feature_maps import FeatureMaps

    return isinstance(value, FeatureMaps)


def may_bind(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether `check_free` would let `name` be written."""
    return name not in namespace or is_ours(namespace[name])


class Binding:
    """A name of the user's that stands for feature maps from now on.

    `undo` puts back what the name was, unless the user has bound it anew meanwhile.
    """

    def __init__(self, name: str, maps: FeatureMaps, namespace: Namespace) -> None:
        check_free(name, namespace)
        self.name, self._maps, self._namespace = name, maps, namespace
        self._was_there, self._before = name in namespace, namespace.get(name)
        namespace[name] = maps

    def undo(self) -> None:
        """Bind the name as it was, or not at all."""
        if self._namespace.get(self.name) is self._maps:
            del self._namespace[self.name]
            if self._was_there:
                self._namespace[self.name] = self._before


@dataclass(frozen=True)
class _Place:
    """A chain of names, attributes and constant items that stands for a model; nothing is called.

    Attributes:
        expression: as it was written.
        namespace: the user's variables.
    """

    expression: str
    namespace: Mapping[str, Any]

    def value(self) -> Any:
        """What it stands for now."""
        try:
            return self._value(ast.parse(self.expression, mode="eval").body)
        except SyntaxError:
            raise self._not_a_place() from None

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id in self.namespace:
                return self.namespace[node.id]
            raise FeatmagicError(f"There is no variable {node.id}.{self._instead_of(node.id)}")
        if isinstance(node, ast.Attribute):
            owner = self._value(node.value)
            return _read(node, owner, lambda: getattr(owner, node.attr))
        if isinstance(node, ast.Subscript):
            owner, key = self._value(node.value), self._key(node.slice)
            return _read(node, owner, lambda: owner[key])
        raise self._not_a_place()

    def _key(self, node: ast.expr) -> Any:
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._value(node)
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise self._not_a_place() from None

    def _instead_of(self, name: str) -> str:
        near = _as_layer(name, self.namespace) or did_you_mean(name, modules_in(self.namespace))
        return f"{near} {_models(self.namespace)}"

    def _not_a_place(self) -> FeatmagicError:
        return FeatmagicError(
            f"{self.expression} is neither a variable nor an attribute or item of one: "
            f"{self._written()}, and never called here."
        )

    def _written(self) -> str:
        return 'a model is written model, trainer.model or models["a"]'


class _Inputs(_Place):
    """The same for inputs."""

    def _instead_of(self, name: str) -> str:
        own = [word for word in self.namespace if not word.startswith("_")]
        return did_you_mean(name, own)

    def _written(self) -> str:
        return "inputs are written x, data.images or batches[0]"


def _read(node: ast.Attribute | ast.Subscript, owner: object, get: Callable[[], Any]) -> Any:
    """An attribute or item; reading it may run the user's code, which may fail in any way."""
    try:
        return get()
    except Exception as error:
        near = did_you_mean(node.attr, dir(owner)) if isinstance(node, ast.Attribute) else ""
        raise FeatmagicError(
            f"{ast.unparse(node)} can't be read: {type(error).__name__}: {_short(error)}.{near}"
        ) from error


def _short(error: Exception) -> str:
    """What an error says, in a line: that of a KeyError may be a whole model."""
    return shorten(str(error), 120, placeholder=" …")


def _models(namespace: Mapping[str, Any]) -> str:
    there = [f"{name} ({type(value).__name__})" for name, value in modules_in(namespace).items()]
    if there:
        return f"Modules here: {', '.join(there)}."
    if "torch" not in sys.modules:
        return "There is no module here, nor torch: import it and make a model first."
    return "There is no module here yet: make or load a model first."


def _as_layer(name: str, namespace: Mapping[str, Any]) -> str:
    """A hint where the model was left out, and a layer named at once."""
    for variable, model in modules_in(namespace).items():
        if name in model._modules or any(type(m).__name__ == name for m in model.modules()):
            return f" It is a layer of {variable}, and the model comes first: {variable} {name}."
    return ""


def _a(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"

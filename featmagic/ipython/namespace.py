"""The user's variables: finding a model among them, and binding the feature maps."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from featmagic.ipython.value_types import class_of, is_maps, is_module, is_shown
from featmagic.support.errors import FeatmagicError, did_you_mean, text_of
from featmagic.support.text import readable, with_article

if TYPE_CHECKING:
    from torch import nn

    from featmagic.feature_maps import FeatureMaps

Namespace = MutableMapping[str, Any]

# What parsing an expression may raise besides a SyntaxError: for a null byte, a lone surrogate, an
# item by a list, or deeply nested brackets.
_UNPARSABLE = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)


def find_model(expression: str, namespace: Mapping[str, Any]) -> nn.Module:
    """Return the model that an expression such as `model` or `models["a"]` refers to now.

    If there is none, the error lists the models in the namespace.
    """
    value = _ModelExpression(expression, namespace).value()
    if _has_children(value):
        return value
    if is_module(value):
        raise FeatmagicError(
            f"{expression} is {with_article(class_of(value))} that isn't initialized: its __init__ "
            "must call super().__init__() first."
        )
    hint = ""
    if type(value) is str and value in modules_in(namespace):
        hint = f" It holds the name of a model: use {value} itself."
    raise FeatmagicError(
        f"expected an nn.Module, but {expression} is {with_article(class_of(value))}.{hint} "
        f"{_list_of_models(namespace)}{_how_to_show(expression, value)}"
    )


def _how_to_show(expression: str, value: object) -> str:
    if not is_shown(value):
        return ""
    return f" To show {expression} itself: %featuremaps {expression}, with one % and no statement."


def find_inputs(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Return the inputs that an expression such as `x` or `batch["images"]` refers to now."""
    return _InputsExpression(expression, namespace).value()


def find_value(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Return what an expression such as `x`, `batch[0]` or `model.conv1.weight` refers to now.

    Raises:
        NoVariable: it doesn't begin with the name of a variable.
        FeatmagicError: it can't be read.
    """
    return _ValueExpression(expression, namespace).value()


def modules_in(namespace: Mapping[str, Any]) -> dict[str, nn.Module]:
    """Return the user's variables that are models."""
    named = list(namespace.items())
    return {
        name: value
        for name, value in named
        if type(name) is str and name[:1] != "_" and is_module(value)
    }


def _has_children(value: Any) -> TypeGuard[nn.Module]:
    """Return True for an initialized module, or a proxy that stands for one.

    A mock that claims to be a module has no table of its children.
    """
    torch = sys.modules.get("torch")  # loaded if there is any model
    if torch is None:
        return False
    with suppress(Exception):  # a class of the user's may raise anything when asked
        claims_to_be_one = isinstance(value, torch.nn.Module)
        if not claims_to_be_one:
            return False
        from featmagic.recording.torch_private import children_of

        return isinstance(children_of(value), Mapping) or is_module(value)
    return False


class NoVariable(FeatmagicError):
    """An expression that doesn't begin with the name of a variable, or isn't one."""


class Binding:
    """A free name in the user's namespace that refers to feature maps while a look runs."""

    def __init__(self, name: str, maps: FeatureMaps, namespace: Namespace) -> None:
        check_free(name, namespace)
        self.name, self._maps, self._namespace = name, maps, namespace
        self._was_bound, self._before = name in namespace, namespace.get(name)

    def bind(self) -> None:
        """Bind the name to the feature maps."""
        self._namespace[self.name] = self._maps

    def undo(self) -> None:
        """Restore what the name referred to, unless the user has rebound it meanwhile."""
        if self._namespace.get(self.name) is self._maps:
            del self._namespace[self.name]
            if self._was_bound:
                self._namespace[self.name] = self._before


def check_free(name: str, namespace: Mapping[str, Any]) -> None:
    """Raise an error if `name` refers to something of the user's own."""
    if not may_bind(name, namespace):
        raise FeatmagicError(
            f"{name} already holds {with_article(class_of(namespace[name]))}. Add --into NAME to "
            "store the feature maps elsewhere."
        )


def may_bind(name: str, namespace: Mapping[str, Any]) -> bool:
    """Return True if the name is unbound, or refers to feature maps."""
    return name not in namespace or is_maps(namespace[name])


@dataclass(frozen=True)
class _ModelExpression:
    """A chain of names, attributes and constant items that refers to a model; nothing is called."""

    role: ClassVar = "a model"
    examples: ClassVar = 'model, trainer.model or models["a"]'
    expression: str
    namespace: Mapping[str, Any]

    def value(self) -> Any:
        """Return what it refers to now."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about unknown escapes in a key
                tree = ast.parse(self.expression, mode="eval")
            return self._value(tree.body)
        except FeatmagicError:
            raise
        except _UNPARSABLE:
            raise self._not_allowed() from None

    def _value(self, node: ast.expr) -> Any:
        steps: list[ast.Attribute | ast.Subscript] = []
        while isinstance(
            node, (ast.Attribute, ast.Subscript)
        ):  # a loop, so that a long chain needs no deep recursion
            steps.append(node)
            node = node.value
        if not isinstance(node, ast.Name):
            raise self._not_allowed()
        if node.id not in self.namespace:
            raise FeatmagicError(
                f"There is no variable '{readable(node.id)}'.{self._alternatives(node.id)}"
            )
        value = self.namespace[node.id]
        for step in reversed(steps):
            value = self._below(value, step)
        return value

    def _below(self, owner: Any, node: ast.Attribute | ast.Subscript) -> Any:
        if isinstance(node, ast.Attribute):
            return _read(node, owner, lambda: getattr(owner, node.attr))
        key = self._key(node.slice)
        return _read(node, owner, lambda: owner[key])

    def _key(self, node: ast.expr) -> Any:
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._value(node)
        return ast.literal_eval(node)

    def _alternatives(self, name: str) -> str:
        hint = _as_layer(name, self.namespace) or did_you_mean(name, modules_in(self.namespace))
        return f"{hint} {_list_of_models(self.namespace)}"

    def _not_allowed(self) -> FeatmagicError:
        callee = self.expression.partition("(")[0]
        if self.expression.endswith(")") and callee in modules_in(self.namespace):
            how = f"leave out the call and write {callee}"
        elif "(" in self.expression:
            how = "assign it to a variable first"
        else:
            how = f"write {self.examples}, and assign anything else to a variable first"
        return FeatmagicError(f"can't use '{readable(self.expression)}' as {self.role}: {how}.")


class _InputsExpression(_ModelExpression):
    """The same for inputs."""

    role = "inputs"
    examples = "x, data.images or batches[0]"

    def _alternatives(self, name: str) -> str:
        words = [word for word in self.namespace if type(word) is str and word[:1] != "_"]
        return did_you_mean(name, words)


class _ValueExpression(_InputsExpression):
    """The same for what is shown; an item may be a slice."""

    how_written = 'a variable is written x, batch[0] or runs["a"]'

    def _value(self, node: ast.expr) -> Any:
        root: ast.AST = node
        while isinstance(root, (ast.Attribute, ast.Subscript)):
            root = root.value
        if not isinstance(root, ast.Name) or root.id not in self.namespace:
            raise self._not_allowed()
        return super()._value(node)

    def _key(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(map(self._key, node.elts))
        if isinstance(node, ast.Slice):
            return slice(*(end and self._key(end) for end in (node.lower, node.upper, node.step)))
        return super()._key(node)

    def _not_allowed(self) -> FeatmagicError:
        return NoVariable(str(super()._not_allowed()))


def _read(node: ast.Attribute | ast.Subscript, owner: object, get: Callable[[], Any]) -> Any:
    """Read an attribute or item; this may run the user's code, which may fail in any way."""
    try:
        return get()
    except Exception as error:
        near = did_you_mean(node.attr, _names_in(owner)) if isinstance(node, ast.Attribute) else ""
        # The text of a KeyError may be a whole model.
        text = shorten(text_of(error), 120, placeholder=" …")
        raise FeatmagicError(
            f"{ast.unparse(node)} can't be read: {type(error).__name__}: {text}.{near}"
        ) from error


def _names_in(owner: object) -> list[str]:
    """Return the names of an object's attributes, if its class can list them."""
    with suppress(Exception):
        return [name for name in dir(owner) if type(name) is str]
    return []


def _list_of_models(namespace: Mapping[str, Any]) -> str:
    models = [f"{name} ({class_of(value)})" for name, value in modules_in(namespace).items()]
    if models:
        more = f" and {len(models) - 8} more" if len(models) > 8 else ""
        return f"Available models: {', '.join(models[:8])}{more}."
    if "torch" not in sys.modules:
        return "torch isn't imported yet: import it, and create or load a model first."
    return "No model has been defined yet: create or load an nn.Module first."


def _as_layer(name: str, namespace: Mapping[str, Any]) -> str:
    """Return a hint if the model was left out and the name is that of a layer."""
    for variable, model in modules_in(namespace).items():
        with suppress(Exception):  # a class of the user's may raise anything; then there is no hint
            from featmagic.recording.model_tree import modules_of
            from featmagic.recording.torch_private import children_of

            if name in children_of(model) or any(class_of(m) == name for m in modules_of(model)):
                return f" It is a layer of {variable}; name the model first: {variable} {name}."
    return ""

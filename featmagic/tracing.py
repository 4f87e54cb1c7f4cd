"""Following an image through a pass: what each tensor made of it sees."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn, overrides
from torch.overrides import TorchFunctionMode

from featmagic.fields import NOTHING, Field
from featmagic.functions import field_after
from featmagic.given import image_in
from featmagic.rules import tensors_of
from featmagic.tree import CAN_RUN_EAGER

# They take another path, which gives other last bits, while any mode is on.
_FAST_PATHS = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
_any: Any = Tensor
_stack: Any = overrides
_QUIET = frozenset({Tensor.dim, Tensor.size, _any.shape.__get__})
# After these, values may change while the tensor's version does not.
_OPENING = frozenset(
    {_any.data.__get__, _any.data.__set__, Tensor.numpy, Tensor.__array__, Tensor.untyped_storage,
     Tensor.set_, Tensor.__dlpack__}
)  # fmt: skip
# Modes of the user's, and of looks around this one, see nothing of the work done here.
_unseen: Any = torch._C.DisableTorchFunction
# What they return, others fill.
_EMPTY = frozenset({torch.empty_like, Tensor.new_empty, Tensor.new_empty_strided})


class Trace(TorchFunctionMode):
    """Sees every function of torch that is called in one pass, and changes nothing.

    A tensor is known by its identity and its version: what was made or changed by anything that no
    rule is for is unknown, and so is what is made of it.

    Args:
        image: what the pass is given.
        model: whose buffers don't depend on the image.

    Attributes:
        axes: how many axes the image has, and so maps of it.
    """

    def __init__(self, image: Tensor, model: nn.Module) -> None:
        super().__init__()
        self.axes = image.dim()
        self._known: dict[int, tuple[Callable[[], Tensor | None], int, Field]] = {}
        self._is_on = False
        with _unseen():
            for buffer in model.buffers():
                self._learn(buffer, NOTHING)
            self._learn(image, Field())

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _QUIET:
            return func(*args, **kwargs)
        seen: dict[int, Field] = {}
        with _unseen(), suppress(Exception):  # whatever a container of the user's raises
            seen = self._seen(func, args, kwargs)
        output = func(*args, **kwargs)
        if seen and isinstance(output, (Tensor, tuple, list)):
            with _unseen(), suppress(Exception):  # arguments that no rule is made for
                self._follow(func, seen, output, args, kwargs)
        return output

    def _seen(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, Field]:
        """What is known of the arguments, by identity, before they are worked on in place."""
        found = {}
        for tensor in tensors_of(args, kwargs):
            if (field := self.field_of(tensor)) is not None:
                found[id(tensor)] = field
        if func in _OPENING:
            for number in found:
                self._known.pop(number, None)
            return {}
        return {} if func in _EMPTY else found

    def _follow(
        self, func: Any, seen: dict[int, Field], output: Any, args: tuple[Any, ...], kwargs: Any
    ) -> None:
        """Learn what the result sees, if that can be told."""
        field = field_after(func, lambda one: seen.get(id(one)), output, args, kwargs)
        if field is not None:
            for tensor in tensors_of((output,), {}):
                self._learn(tensor, field)

    def _learn(self, tensor: Tensor, field: Field) -> None:
        # An inference tensor has no version that would tell of changes.
        if not tensor.is_inference():
            self._known[id(tensor)] = weakref.ref(tensor), tensor._version, field

    def field_of(self, tensor: Tensor) -> Field | None:
        """What the tensor sees as it is now, or None."""
        known = self._known.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return known[2] if known[1] == tensor._version else None
        return NOTHING if isinstance(tensor, nn.Parameter) else None

    def switch_on(self) -> None:
        """Follow what this thread computes from now on."""
        _stack._push_mode(self)
        self._is_on = True

    def switch_off(self) -> None:
        """Follow nothing any more, in the thread that was followed; again does no harm."""
        stack = _stack._get_current_function_mode_stack()
        if self in stack:
            above = [_stack._pop_mode() for _ in stack[stack.index(self) + 1 :]]
            _stack._pop_mode()
            for mode in reversed(above):
                _stack._push_mode(mode)
        elif self._is_on and stack:
            # An interrupt left it on under the user's own modes, which took it for themselves.
            _stack._pop_mode()
        self._is_on = False
        self._known = {}


def trace_of(model: nn.Module, args: Any, kwargs: Any) -> Trace | None:
    """What follows the image through a call of the model.

    Returns:
        None where the call is given no image, or where the model would take note of being followed.

    Example:
        >>> trace_of(nn.ReLU(), (torch.zeros(2, 3),), {}) is None
        True
    """
    compiles = "torch._dynamo" in sys.modules and not CAN_RUN_EAGER
    if compiles or any(isinstance(module, _FAST_PATHS) for module in model.modules()):
        return None
    image = image_in(model, args, kwargs)
    if image is None or torch._C._functorch.is_functorch_wrapped_tensor(image):
        return None
    return Trace(image, model)


def hide(error: BaseException | None) -> None:
    """Take the frames in which the functions were followed out of an error's traceback.

    Example:
        >>> hide(ValueError())
    """
    ours = {Trace.__torch_function__.__code__, overrides.handle_torch_function.__code__}
    above = None if error is None else error.__traceback__
    while above is not None:
        while above.tb_next is not None and above.tb_next.tb_frame.f_code in ours:
            above.tb_next = above.tb_next.tb_next
        above = above.tb_next

"""The tracer: follows an image through a pass, and what each tensor is computed from."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from types import FrameType, GeneratorType
from typing import Any

import torch
from torch import Tensor, nn, overrides
from torch.overrides import TorchFunctionMode

from featmagic.recording.model_tree import CAN_RUN_EAGER, is_compiled
from featmagic.recording.receptive_field.field import NO_FIELD, ReceptiveField
from featmagic.recording.receptive_field.graph import TracedTensor, traced_tensors_in
from featmagic.recording.receptive_field.rules import rule_of
from featmagic.recording.torch_private import (
    CAN_TRACE,
    buffers_of,
    is_wrapped,
    mode_stack,
    unseen,
    version_of,
)

# While any mode is on, these leave their fast path, which changes the last bits of their results.
_FAST_PATHS = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)

_any: Any = Tensor
_functions: Any = TorchFunctionMode

# Functions that return no tensor and are called often.
_QUIET = frozenset({Tensor.dim, Tensor.size, _any.shape.__get__})
# After these, values may change while the tensor's version doesn't.
_OPENING = frozenset(
    {_any.data.__get__, _any.data.__set__, Tensor.numpy, Tensor.__array__, Tensor.untyped_storage,
     Tensor.set_, Tensor.__dlpack__}
)  # fmt: skip
# They return memory that other functions fill.
_EMPTY = frozenset({torch.empty_like, Tensor.new_empty, Tensor.new_empty_strided})

# Values that hold no tensor.
_PLAIN = frozenset({int, float, bool, str, type(None)})
_UNKNOWN = TracedTensor(())


class Trace(TorchFunctionMode):
    """Observes every torch function that is called in one pass, and changes nothing.

    A tensor is known by its identity and its version. What was computed or changed by a function
    without a rule is unknown, and so is whatever is computed from it.
    """

    def __init__(self, image: Tensor, constants: Constants) -> None:
        super().__init__()
        self._constants = constants
        self._known: dict[int, tuple[Callable[[], Tensor | None], int, TracedTensor]] = {}
        self._is_on = False
        with unseen():
            self._learn(image, TracedTensor(image.shape, ReceptiveField()))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # Nothing of this may get into what is compiled meanwhile.
        if torch.compiler.is_compiling() or func in _QUIET:
            return func(*args, **kwargs)
        before = None
        with unseen(), suppress(Exception):  # a container of the user's may raise anything
            before = self._traced_arguments(func, args, kwargs)
        output = func(*args, **kwargs)
        if before is not None and isinstance(output, (Tensor, tuple, list)):
            with unseen(), suppress(Exception):
                self._follow(func, output, *before)
        return output

    def _traced_arguments(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]] | None:
        """Return the arguments as they are before the call; None if nothing of them is known."""
        if func in _OPENING:
            self._forget(args[0])
            return None
        if func in _EMPTY or "out" in kwargs:
            return None
        traced = [value if type(value) in _PLAIN else self._stand_in(value) for value in args]
        named = {
            name: value if type(value) in _PLAIN else self._stand_in(value)
            for name, value in kwargs.items()
        }
        return (traced, named) if traced and traced[0] is not _UNKNOWN else None

    def _forget(self, tensor: Tensor) -> None:
        """Make the tensor, and all that share its memory, unknown from now on."""
        memory = tensor.untyped_storage().data_ptr()
        for number, (reference, _, _) in list(self._known.items()):
            other = reference()
            if other is None or other.untyped_storage().data_ptr() == memory:
                del self._known[number]

    def _stand_in(self, value: Any) -> Any:
        """Return what is known of a tensor in its place, in lists and tuples too."""
        if isinstance(value, Tensor):
            known = self._known.get(id(value))
            if known is not None and known[0]() is value:
                return known[2] if known[1] == version_of(value) else _UNKNOWN
            return TracedTensor(value.shape, NO_FIELD) if self._constants.has(value) else _UNKNOWN
        # A list of a million numbers isn't searched.
        if isinstance(value, (list, tuple)) and (len(value) < 16 or isinstance(value[0], Tensor)):
            return type(value)([self._stand_in(part) for part in value])
        return value

    def _follow(self, func: Any, output: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Keep what the result was computed from, and by which rule."""
        rule = rule_of(func)
        if rule is None:
            args, kwargs = list(traced_tensors_in(args, kwargs)), {}  # nothing else is kept alive
        for tensor in (output,) if isinstance(output, Tensor) else output:
            if isinstance(tensor, Tensor):
                self._learn(tensor, TracedTensor(tensor.shape, None, (rule, args, kwargs)))

    def _learn(self, tensor: Tensor, traced: TracedTensor) -> None:
        # The version of these doesn't tell of all changes.
        if not tensor.is_inference() and not is_wrapped(tensor):
            self._known[id(tensor)] = weakref.ref(tensor), version_of(tensor), traced

    def traced_of(self, tensor: Tensor) -> TracedTensor | None:
        """Return what is known of the tensor as it is now, or None."""
        with unseen():
            traced: TracedTensor = self._stand_in(tensor)
        return None if traced is _UNKNOWN else traced

    def switch_on(self) -> None:
        """Trace what this thread computes from now on."""
        self._is_on = True
        _push(self)

    def switch_off(self) -> None:
        """Stop, in the thread that was traced; may be called again."""
        if self._is_on and self not in mode_stack():
            _end_suspended(self)
        stack = mode_stack()
        if self in stack:
            above = stack[stack.index(self) + 1 :]
            for _ in (self, *above):
                _pop(self)
            for mode in above:
                _push(mode)
        elif self._is_on and stack:
            # After an interrupt, a mode of the user's has removed this one in place of itself.
            _pop(self)
        self._is_on = False
        self._known = {}


def _end_suspended(mode: TorchFunctionMode) -> None:
    """Have torch put a mode back on now, if an interrupt came while torch had taken it off.

    Torch does that in a generator (`torch.overrides._pop_mode_temporarily`). One that was never
    resumed ends when the traceback of the interrupt is released, perhaps much later, and would put
    the mode back on then.
    """
    # Python 3.10 keeps the variables of a generator in a frame of its own.
    for holder in gc.get_referrers(mode):
        found = gc.get_referrers(holder) if isinstance(holder, FrameType) else [holder]
        for one in found:
            if isinstance(one, GeneratorType) and one.gi_code.co_filename == overrides.__file__:
                one.close()


def _push(mode: TorchFunctionMode) -> None:
    _functions.__enter__(mode)


def _pop(mode: TorchFunctionMode) -> None:
    """Pop the innermost mode, whichever it is."""
    _functions.__exit__(mode, None, None, None)


class Constants:
    """Tensors that don't depend on the inputs of a model: its parameters and buffers."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._buffers: dict[int, tuple[Callable[[], Tensor | None], int]] = {}
        for module in modules:
            for buffer in buffers_of(module):
                # Inference tensors have no version, uninitialized ones have nothing.
                with suppress(Exception):
                    self._buffers[id(buffer)] = weakref.ref(buffer), version_of(buffer)

    def has(self, tensor: Tensor) -> bool:
        """Return True if the tensor is one of them, and has not been changed."""
        if type(tensor) is nn.Parameter:
            return True
        buffer = self._buffers.get(id(tensor))
        return buffer is not None and buffer[0]() is tensor and buffer[1] == version_of(tensor)


def constants_of(modules: Collection[nn.Module]) -> Constants | None:
    """Return the constants; None if tracing would change the last bits of what modules compute."""
    if not CAN_TRACE or any(isinstance(module, _FAST_PATHS) for module in modules):
        return None
    if not CAN_RUN_EAGER and any(map(is_compiled, modules)):
        return None  # it would be compiled anew
    return Constants(modules)


def hide_frames(error: BaseException | None) -> None:
    """Remove the frames of the tracer from an error's traceback."""
    ours = {Trace.__torch_function__.__code__, overrides.handle_torch_function.__code__}
    above = None if error is None else error.__traceback__
    while above is not None:
        while above.tb_next is not None and above.tb_next.tb_frame.f_code in ours:
            above.tb_next = above.tb_next.tb_next
        above = above.tb_next

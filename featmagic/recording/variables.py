"""Tensors that are the user's own variables, as activations, so that every view can show them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from featmagic.recording.kept_passes import KeptPasses
from featmagic.recording.layout_hints import LayoutHint
from featmagic.recording.pass_number import PassCounts
from featmagic.recording.pytree import Reading, copied, is_a, parts_of, tensors_in
from featmagic.recording.records import Activation, Pass
from featmagic.support.errors import FeatmagicError, text_of

MOST_TENSORS = 256  # in one list or dict: nobody wants to see more at once
_COLORS = (1, 3, 4)  # as many channels as an image has
_WEIGHTS = (".weight", ".weight.data", ".weight.grad")
_USUAL = {2: "HW", 3: "CHW", 4: "NCHW", 5: "NCDHW"}
_CONTAINERS, _LEVELS = (dict, list, tuple), 4  # in which NumPy arrays are found
_KERNELS = {4: "CNHW", 5: "CNDHW"}  # (out, in, height, width): a filter is a channel of the result


def kept_variables(values: Mapping[str, object]) -> KeptPasses:
    """Return values as if one pass had given them, under the expressions that reach them.

    Args:
        values: tensors, NumPy arrays, or containers of them, by the expression that the user typed.

    Raises:
        FeatmagicError: a value can't be read or copied, or holds no tensor or too many.

    Example:
        >>> list(kept_variables({"batch": {"x": torch.zeros(3, 8, 8), "n": 1}}).activations)
        ["batch['x']"]
    """
    kept = KeptPasses()
    run = Pass(PassCounts().begin(is_whole=True))
    kept.begin(run)
    for name, value in values.items():
        reading, arrays = Reading(), set[str]()
        found = list(tensors_in(_with_tensors(name, value, arrays), name, reading))
        if not found:
            why = next(iter(reading.unread.values()), "it holds no tensor and no NumPy array")
            raise FeatmagicError(f"{name} can't be shown: {why}.")
        if len(found) > MOST_TENSORS:
            raise FeatmagicError(
                f"{name} holds {len(found):,} tensors, and at most {MOST_TENSORS} are shown: name "
                f"some of them, such as {found[0][0]}."
            )
        for key, tensor in found:
            kept.takes(run, key)
            run.keep(_activation(key, tensor, "ndarray" if key in arrays else _class(tensor)))
    run.ended = True
    return kept


def holds_tensors(value: object) -> bool:
    """Return True for a tensor, a NumPy array, and a container that holds one of them."""
    if is_a(value, Tensor) or is_array(value):
        return True
    if is_a(value, nn.Module) or is_a(value, type):
        return False
    return any(is_array(part) for part in _parts(value)) or any(True for _ in tensors_in(value))


def is_array(value: object) -> bool:
    """Return True for a NumPy array."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(type(value), numpy.ndarray)


def _activation(key: str, tensor: Tensor, kind: str) -> Activation:
    try:
        tensor = copied(tensor)
    except Exception as error:  # such as too little memory, or a class that refuses
        raise FeatmagicError(f"{key} can't be copied: {text_of(error)}.") from error
    dims, words = _layout(key, tensor, kind)
    return Activation(key, key, kind, 1, tensor, hint=LayoutHint(own=True, dims=dims, words=words))


def _layout(key: str, tensor: Tensor, kind: str) -> tuple[str, tuple[str, ...]]:
    """Return what each dimension is taken for, and what has to be said about that.

    A matrix is one picture. Three dimensions are channels, four are samples of channels. Images
    whose last dimension holds the colors are recognized by its size. Of a convolution's weights,
    each filter is a tile and `--sample` chooses the input channel.
    """
    if tensor.is_nested or tensor.dim() not in _USUAL:
        return "", ()
    shape, rank = tuple(tensor.shape), tensor.dim()
    is_weight = kind == "Parameter" or key.endswith(_WEIGHTS)
    if is_weight and rank in _KERNELS and shape[0] > 1:
        return _KERNELS[rank], ("one filter per tile", "samples are input channels")
    first = shape[rank - 3] if rank in (3, 4) else 0
    if first and shape[-1] in _COLORS and first not in _COLORS and not is_weight:
        dims = "HWC" if rank == 3 else "NHWC"
        return dims, (f"{dims} assumed",)
    return _USUAL[rank], ("CHW assumed",) if rank == 3 else ()


def _with_tensors(name: str, value: Any, arrays: set[str], levels: int = _LEVELS) -> Any:
    """Return a value with a tensor in place of each NumPy array; `arrays` gets their names."""
    if is_array(value):
        arrays.add(name)
        return _as_tensor(name, value)
    if not levels or type(value) not in _CONTAINERS:
        return value
    parts = parts_of(value) or {}
    changed = {
        key: _with_tensors(f"{name}[{key!r}]", part, arrays, levels - 1)
        for key, part in parts.items()
        if is_array(part) or type(part) in _CONTAINERS
    }
    return parts | changed if arrays else value


def _parts(value: Any, levels: int = _LEVELS) -> Iterator[Any]:
    """Yield a value and what is in it, as far as arrays are looked for."""
    yield value
    if levels and type(value) in _CONTAINERS:
        for part in (parts_of(value) or {}).values():
            yield from _parts(part, levels - 1)


def _class(tensor: Tensor) -> str:
    return type(tensor).__name__


def _as_tensor(name: str, array: Any) -> Tensor:
    """Return a NumPy array as a tensor; its values aren't copied unless they have to be."""
    try:
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if min(array.strides, default=0) < 0:
            array = array.copy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about arrays that can't be written to: nothing is
            return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        raise FeatmagicError(
            f"{name} can't be shown: it is an array of {array.dtype}, not of numbers."
        ) from error

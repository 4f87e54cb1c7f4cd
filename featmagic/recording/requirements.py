"""Requirements: what a layer of torch.nn takes, and the likely fix if it got something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from featmagic.recording.torch_private import (
    CONVOLUTION,
    NORM,
    buffers_of,
    parameters_of,
)

_PLACES = {"1d": "L", "2d": "H, W", "3d": "D, H, W"}
_LAST_TO_FIRST = {1: "x.transpose(1, 2)", 2: "x.permute(0, 3, 1, 2)", 3: "x.permute(0, 4, 1, 2, 3)"}
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_POOLINGS = (  # by the number of dimensions of places
    (nn.MaxPool1d, nn.AvgPool1d),
    (nn.MaxPool2d, nn.AvgPool2d),
    (nn.MaxPool3d, nn.AvgPool3d),
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_NORMS_OF_LAST_DIMS = tuple(filter(None, (nn.LayerNorm, getattr(nn, "RMSNorm", None))))


class Given(NamedTuple):
    """What a layer was given.

    Attributes:
        values: the tensors, by the names of the arguments; if there is none, the other arguments.
        is_input: whether the first tensor is one that the model itself was given.
        device: the device on which the whole model is; None if it is on several.
    """

    values: Mapping[str, Any]
    is_input: bool = False
    device: torch.device | None = None

    @property
    def first(self) -> Tensor | None:
        """The first tensor."""
        return next((value for value in self.values.values() if isinstance(value, Tensor)), None)


# What a layer takes


def takes(module: nn.Module) -> str:
    """Return what a layer takes: shapes, dtype and device; "" if nothing is known of it.

    Example:
        >>> takes(nn.Linear(512, 10))
        '(…, 512) float32 cpu'
        >>> takes(nn.Embedding(1000, 8))
        'integers from 0 to 999 on cpu'
    """
    if any(map(is_lazy, parameters_of(module))):
        return ""
    weight = weight_of(module)
    shapes = _shapes(module) if runs_torchs_forward(module) else ""
    if isinstance(module, _EMBEDDINGS) and shapes:
        return f"{shapes} on {weight.device}" if weight is not None else shapes
    kind = "" if weight is None else f"{dtype_of(weight)} {weight.device}"
    return " ".join(filter(None, [shapes, kind]))


def runs_torchs_forward(module: nn.Module) -> bool:
    """Return True if the forward is one of torch.nn's own, in a subclass too."""
    forward = getattr(type(module), "forward", None)
    origin = getattr(forward, "__module__", None) or ""
    return origin.startswith("torch.nn.modules.") and "forward" not in vars(module)


def weight_of(module: nn.Module) -> Tensor | None:
    """Return the first floating-point parameter of the module itself, or else such a buffer."""
    tensors = [*parameters_of(module), *buffers_of(module)]
    return next((tensor for tensor in tensors if tensor.is_floating_point()), None)


def dtype_of(tensor: Tensor) -> str:
    """Return the name of a tensor's dtype as captions have it."""
    return str(tensor.dtype).removeprefix("torch.")


def _shapes(module: nn.Module) -> str:
    """Return the shapes that one of torch's own layers takes; "" if it takes any."""
    for kinds, words in _SHAPES:
        if isinstance(module, kinds):
            return words(module)
    forward = type(module).forward
    places = _PLACES.get(forward.__qualname__.partition(".")[0][-2:])
    is_pooling = forward.__module__ == "torch.nn.modules.pooling"
    return f"(N, C, {places})" if is_pooling and places else ""


def _image(module: nn.Module, channels: object) -> str:
    return f"(N, {channels}, {_PLACES[f'{_places_of(module)}d']})"


def _norm(module: Any) -> str:
    channels = module.num_features if module.num_features else "C"
    if isinstance(module, nn.BatchNorm1d):
        return f"(N, {channels}) or (N, {channels}, L)"
    places = _PLACES.get(type(module).__name__[-2:], "…")
    return f"(N, {channels}, {places})"


def _recurrent(module: Any) -> str:
    first = "N, L" if module.batch_first else "L, N"
    shape = f"({first}, {module.input_size})"
    if module.proj_size:
        return shape
    layers = module.num_layers * (1 + module.bidirectional)
    return f"{shape} and states ({layers}, N, {module.hidden_size})"


def _attention(module: Any) -> str:
    query, other = ("N, L", "N, S") if module.batch_first else ("L, N", "S, N")
    return (
        f"query ({query}, {module.embed_dim}), key ({other}, {module.kdim}), "
        f"value ({other}, {module.vdim})"
    )


def _last_dims(module: Any) -> str:
    return f"(…, {', '.join(map(str, module.normalized_shape))})"


# The first row whose classes fit: what such a module takes.
_SHAPES: list[tuple[Any, Callable[[Any], str]]] = [
    (nn.Linear, lambda m: f"(…, {m.in_features})"),
    (nn.Bilinear, lambda m: f"(…, {m.in1_features}) and (…, {m.in2_features})"),
    (CONVOLUTION, lambda m: _image(m, m.in_channels)),
    (NORM, _norm),
    (nn.GroupNorm, lambda m: f"(N, {m.num_channels}, …)"),
    (_NORMS_OF_LAST_DIMS, _last_dims),
    (_EMBEDDINGS, lambda m: f"integers from 0 to {m.num_embeddings - 1}"),
    (nn.RNNBase, _recurrent),
    (nn.RNNCellBase, lambda m: f"(N, {m.input_size})"),
    (nn.MultiheadAttention, _attention),
    (nn.PReLU, lambda m: "" if m.num_parameters == 1 else f"(N, {m.num_parameters}, …)"),
]


def _places_of(module: Any) -> int:
    """Return how many dimensions of places a convolution has: 2 for images."""
    return len(module.kernel_size)


# The likely fix


def fix(module: nn.Module, given: Given) -> str:
    """Return a sentence with the likely fix, where what was given makes it certain; else "".

    Nothing is certain of a module with a forward of its own.

    Example:
        >>> fix(nn.Linear(8, 2), Given({"input": torch.zeros(1, 2, 2, 2)}))
        'Flatten it first: torch.flatten(x, 1).'
    """
    x = given.first
    if not runs_torchs_forward(module) or any(map(is_lazy, parameters_of(module))):
        return ""
    if x is None:
        return _fix_of_type(given)
    weight = weight_of(module)
    found = _fix_of_dtype(module, x, weight) or _fix_of_device(module, given, x, weight)
    if found or x.is_nested:
        return found
    for kinds, rule in _FIXES:
        if isinstance(module, kinds) and (found := rule(module, given, x)):
            return found
    return ""


def _fix_of_type(given: Given) -> str:
    kinds = {type(value).__name__ for value in given.values.values()}
    return "Convert it to a tensor first: torch.from_numpy(x)." if kinds == {"ndarray"} else ""


def _fix_of_dtype(module: nn.Module, x: Tensor, weight: Tensor | None) -> str:
    if isinstance(module, _EMBEDDINGS):
        is_index = x.dtype in (torch.int32, torch.int64)
        return "" if is_index else "Indices must be integers: x.long()."
    if weight is None or x.dtype == weight.dtype or x.is_complex():
        return ""
    if x.dtype == torch.uint8:
        return "Convert the image to floats first: x.float() / 255."
    if x.is_floating_point() and _is_autocast(x.device.type):
        return ""
    return f"Convert it first: x.to({weight.dtype})."


def _is_autocast(device: str) -> bool:
    try:
        return torch.is_autocast_enabled(device)
    except (TypeError, RuntimeError):  # a device without autocast
        return False


def _fix_of_device(module: nn.Module, given: Given, x: Tensor, weight: Tensor | None) -> str:
    on = {tensor.device for tensor in [*parameters_of(module), *buffers_of(module)]}
    if weight is None or on == {x.device}:
        return ""
    if given.device is None:  # the model is on several devices
        return (
            f"Layer and input must be on the same device: x.to('{weight.device}') moves the input."
        )
    return f"Move it first: x.to('{weight.device}')."


def _fix_of_linear(module: Any, given: Given, x: Tensor) -> str:
    wanted = module.in_features
    if x.dim() > 2 and x.shape[-1] != wanted and prod(x.shape[1:]) == wanted:
        return "Flatten it first: torch.flatten(x, 1)."
    if x.dim() == 1 and x.shape[0] != wanted and x.shape[0] and x.shape[0] % wanted == 0:
        return "Keep the batch dimension when you flatten: torch.flatten(x, 1)."
    return ""


def _fix_of_convolution(module: Any, given: Given, x: Tensor) -> str:
    places, wanted, shape = _places_of(module), module.in_channels, tuple(x.shape)
    if len(shape) == places + 2 and shape[1] != wanted:
        return _fix_of_channels(places, wanted, shape, is_input=given.is_input)
    if len(shape) == places + 1 and shape[0] != wanted:
        if shape[-1] == wanted and places == 2 and wanted > 1:
            return "Channels must come first: x.permute(2, 0, 1)."
        return "Add the channel dimension: x.unsqueeze(1)." if wanted == 1 else ""
    if len(shape) == places and wanted == 1:
        return "Add the batch and the channel dimension: x[None, None]."
    if len(shape) == places + 3 and shape[2] == wanted:
        return "Join the first two dimensions: x.flatten(0, 1)."
    return _fix_of_size(module, shape[-places:])


def _fix_of_channels(places: int, wanted: int, shape: tuple[int, ...], *, is_input: bool) -> str:
    if shape[-1] == wanted:
        return f"Channels must come second: {_LAST_TO_FIRST[places]}."
    if is_input and places == 2 and (shape[1], wanted) == (1, 3):
        return "Repeat the gray channel: x.expand(-1, 3, -1, -1)."
    if is_input and places == 2 and (shape[1], wanted) == (4, 3):
        return "Leave out the alpha channel: x[:, :3]."
    return ""


def _fix_of_size(module: Any, places: tuple[int, ...]) -> str:
    """Say that the kernel is larger than the padded input."""
    kernel, padding, steps = (
        _each(value, len(places))
        for value in (module.kernel_size, module.padding, getattr(module, "dilation", 1))
    )
    if getattr(module, "transposed", False) or isinstance(module.padding, str):
        return ""
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, steps, strict=True)]
    padded = [size + 2 * more for size, more in zip(places, padding, strict=True)]
    if all(size >= needed for size, needed in zip(padded, reach, strict=True)):
        return ""
    needed, size = (" x ".join(map(str, sizes)) for sizes in (reach, padded))
    padded_by = " with padding" if any(padding) else ""
    return f"Use a larger input: it is {size}{padded_by}, but the kernel is {needed}."


def _each(value: Any, places: int) -> Any:
    return value if isinstance(value, (tuple, str)) else (value,) * places


def _fix_of_pooling(module: Any, given: Given, x: Tensor) -> str:
    places = next(n for n, kinds in enumerate(_POOLINGS, 1) if isinstance(module, kinds))
    return _fix_of_size(module, tuple(x.shape[-places:])) if x.dim() > places else ""


def _fix_of_norm(module: Any, given: Given, x: Tensor) -> str:
    channels, shape = module.num_features, tuple(x.shape)
    letters = _PLACES.get(type(module).__name__[-2:])
    if letters and len(shape) == letters.count(",") + 2 and letters != "L" and shape[0] == channels:
        return "Add the batch dimension: x.unsqueeze(0)."
    per_channel = prod(shape[2:]) * shape[0] if len(shape) > 1 else 2
    if isinstance(module, _BATCH_NORMS) and module.training and per_channel == 1:
        return "In training mode it needs more than one value per channel: call model.eval()."
    return ""


def _fix_of_last_dims(module: Any, given: Given, x: Tensor) -> str:
    wanted = tuple(module.normalized_shape)
    if x.dim() == 4 and len(wanted) == 1 and x.shape[-1] != wanted[0] == x.shape[1]:
        return "Channels must come last: x.permute(0, 2, 3, 1)."
    return ""


_FIXES: list[tuple[Any, Callable[[Any, Given, Tensor], str]]] = [
    (nn.Linear, _fix_of_linear),
    (CONVOLUTION, _fix_of_convolution),
    (_POOLINGS, _fix_of_pooling),
    (NORM, _fix_of_norm),
    (_NORMS_OF_LAST_DIMS, _fix_of_last_dims),
]

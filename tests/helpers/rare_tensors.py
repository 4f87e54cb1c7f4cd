"""Tensors of rare dtypes, layouts and classes, all of the same random numbers."""

from __future__ import annotations

import torch
from torch import nn

NUMBERS = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
_SCALES, _ZEROS = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 0, 0])


class Subclass(torch.Tensor):
    """A class of its own, as torchvision has for images, that computes as torch does."""


class Refusing(torch.Tensor):
    """A tensor that refuses every operation."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError("not with me")


def two_tensor():
    from torch.testing._internal.two_tensor import TwoTensor

    return TwoTensor(NUMBERS.clone(), NUMBERS.clone())


def masked():
    from torch.masked import masked_tensor

    return masked_tensor(NUMBERS, NUMBERS > 0.5)


def fake():
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode().from_tensor(NUMBERS)


def dtensor():
    """A tensor distributed over the one process that there is."""
    import torch.distributed as dist
    from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return distribute_tensor(NUMBERS, init_device_mesh("cpu", (1,)), [Shard(0)])


def jagged():
    return torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)], layout=torch.jagged)


# How each is made, and why there is no picture of it; None if there is one.
KINDS = {
    "quantized": (lambda: torch.quantize_per_tensor(NUMBERS, 0.1, 0, torch.qint8), None),
    "quantized by channel": (
        lambda: torch.quantize_per_channel(NUMBERS, _SCALES, _ZEROS, 1, torch.quint8),
        None,
    ),
    "sparse": (lambda: (NUMBERS * (NUMBERS > 0.5)).to_sparse(), None),
    "sparse rows": (lambda: (NUMBERS[0, 0] * (NUMBERS[0, 0] > 0.5)).to_sparse_csr(), None),
    "sparse blocks": (lambda: NUMBERS[0, 0].to_sparse_bsr((2, 2)), None),
    "mkldnn": (NUMBERS.to_mkldnn, None),
    "subclass": (lambda: NUMBERS.as_subclass(Subclass), None),
    "parameter": (lambda: nn.Parameter(NUMBERS), None),
    "conjugate": (lambda: torch.complex(NUMBERS, NUMBERS).conj(), None),
    "negative": (lambda: torch.complex(NUMBERS, NUMBERS).conj().imag, None),
    "expanded": (lambda: NUMBERS[:, :, :1, :1].expand(2, 3, 8, 8), None),
    "bits8": (lambda: torch.empty(2, 3, 8, 8, dtype=torch.bits8), "bits8 values aren't numbers"),
    "bits16": (lambda: torch.empty(2, 3, 8, 8, dtype=torch.bits16), "bits16 values aren't numbers"),
    "meta": (lambda: NUMBERS.to("meta"), "no values on the meta device"),
    "fake": (fake, "no values on the meta device"),
    "nested": (lambda: torch.nested.nested_tensor([torch.rand(2), torch.rand(4)]), "a nested"),
    "jagged": (jagged, "a nested tensor"),
    "masked": (masked, "a MaskedTensor"),
    "wrapper": (two_tensor, "a TwoTensor"),
    "dtensor": (dtensor, "a DTensor"),
    "refusing": (lambda: NUMBERS.as_subclass(Refusing), "not with me"),
    "quint4x2": (
        lambda: torch.quantize_per_channel(NUMBERS, _SCALES, _ZEROS.float(), 1, torch.quint4x2),
        "can't be copied",
    ),
}

_DTYPES = """
    bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16 float64 float8_e4m3fn
    float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu complex32 complex64 complex128
"""


def _of_dtype(name):
    return lambda: (NUMBERS * 9).to(getattr(torch, name))


KINDS |= {name: (_of_dtype(name), None) for name in _DTYPES.split()}


def made(kind):
    """The tensor of a kind; None if this torch has none."""
    try:
        return KINDS[kind][0]()
    except Exception:
        return None


def numbers_of(tensor):
    """The values of a tensor as plain numbers, worked out apart."""
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    tensor = torch.Tensor.detach(tensor).as_subclass(torch.Tensor)
    if tensor.is_complex():
        return tensor.to(torch.complex128).abs()
    return tensor.to(torch.float64)

"""A second torch device in pure Python, `sim:0`, for machines without a GPU.

A tensor on `sim:0` keeps its values in host memory, but it refuses to mix with CPU tensors where
a GPU would, and every copy between the two devices is written down in `transfers`. So a test can
check that inputs go to the model's device, and how many bytes came back from there.

    from helpers import simulated_accelerator as sim
    model.to("sim")                   # parameters and buffers move
    model(torch.randn(1, 3, 8, 8))    # raises: the input is on the CPU
    sim.transfers.clear(); model(x.to("sim")).cpu(); sim.bytes_to_host()

Importing it changes the process for good: torch takes one such device, `Module.to` puts new
parameters in place of the old, and autocast and checkpointing find an accelerator that they can't
use. It needs a process of its own. Where torch has not got the experimental function it rests on,
importing it raises.

What it can't do: autograd through `sim` tensors; strides, so writing in place into a permuted view
may be lost; a second device of its kind.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("sim")
# `Module.to` must replace parameters: it can't swap their storage in place.
torch.__future__.set_overwrite_module_params_on_conversion(True)


class Transfer(NamedTuple):
    """One copy: the types of device it went from and to, and its size."""

    source: str
    target: str
    nbytes: int


transfers: list[Transfer] = []


def bytes_to_host() -> int:
    """Bytes that went from `sim:0` to the CPU since `transfers` was last cleared."""
    return sum(t.nbytes for t in transfers if (t.source, t.target) == ("sim", "cpu"))


class SimTensor(torch.Tensor):
    """A tensor on `sim:0`; its values live in the CPU tensor `host`."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    host: torch.Tensor

    @staticmethod
    def wrap(host: torch.Tensor) -> SimTensor:
        tensor = torch._C._acc.create_empty_tensor(tuple(host.shape), host.dtype)
        tensor.__class__ = SimTensor
        tensor.host = host
        return tensor

    def __repr__(self) -> str:  # torch's own would index element by element
        return f"{self.host!r} on sim:0"


def _host(value: Any) -> Any:
    return value.host if isinstance(value, SimTensor) else value


def _on_host(op: Any, value: Any) -> Any:
    """An argument of `op` as the host takes it; a CPU tensor among them is an error."""
    if isinstance(value, SimTensor):
        return value.host
    if isinstance(value, torch.Tensor) and value.dim() > 0:  # a GPU takes scalars, too
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two "
            f"devices, sim:0 and {value.device}! ({op.name()})"
        )
    if isinstance(value, torch.device) and value.type == "sim":
        return torch.device("cpu")
    return value


def _run_on_host(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Run `op` on what its `sim` arguments hold."""
    inputs = (args, kwargs)
    host_args, host_kwargs = pytree.tree_map(lambda value: _on_host(op, value), inputs)
    if op in (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default):
        # A `sim` tensor says that it is contiguous; what it holds may not be.
        op = torch.ops.aten.reshape.default
    out = op(*host_args, **host_kwargs)
    # An operation in place returns one of its arguments: the very same tensor goes back.
    same = {id(t.host): t for t in pytree.tree_leaves(inputs) if isinstance(t, SimTensor)}

    def to_sim(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        known = same.get(id(value))
        return known if known is not None else SimTensor.wrap(value)

    return pytree.tree_map(to_sim, out)


_fallback = torch.library.Library("_", "IMPL")
_fallback.fallback(_run_on_host, "PrivateUse1")
_aten = torch.library.Library("aten", "IMPL")


def _to_copy(
    self,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=None,
    non_blocking=False,
    memory_format=None,
):
    target = torch.device(device) if device is not None else self.device
    out = _host(self).to(dtype or self.dtype, copy=True)
    transfers.append(Transfer(self.device.type, target.type, out.numel() * out.element_size()))
    return SimTensor.wrap(out) if target.type == "sim" else out


def _copy_from(self, dst, non_blocking=False):
    nbytes = self.numel() * self.element_size()
    transfers.append(Transfer(self.device.type, dst.device.type, nbytes))
    _host(dst).copy_(_host(self))
    return dst


def _local_scalar_dense(self):
    transfers.append(Transfer("sim", "cpu", self.element_size()))
    return self.host.item()


def _empty(size, *, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
    return SimTensor.wrap(torch.empty(size, dtype=dtype))


def _empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    return SimTensor.wrap(torch.empty_strided(size, stride, dtype=dtype))


def _convolution(*args):
    return _run_on_host(torch.ops.aten.convolution.default, *args)


def _pack_padded_sequence(input, lengths, batch_first):
    """As on a GPU: the lengths are read by the host."""
    if lengths.device.type != "cpu" or lengths.dim() != 1 or lengths.dtype != torch.int64:
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.dim()}D {lengths.device} {lengths.dtype} tensor"
        )
    data, sizes = torch.ops.aten._pack_padded_sequence(_host(input), lengths, batch_first)
    return SimTensor.wrap(data), sizes


_OWN = {
    "_pack_padded_sequence": _pack_padded_sequence,
    "_to_copy": _to_copy,
    "_copy_from": _copy_from,
    "_local_scalar_dense": _local_scalar_dense,
    "empty.memory_format": _empty,
    "empty_strided": _empty_strided,
    "convolution_overrideable": _convolution,
}


def _runs_whole(name: str) -> Any:
    """The operation of that name if torch would take it apart and lose what its tensors hold."""
    base, _, overload = name.partition(".")
    composite = ("CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")
    if name in _OWN or not any(
        torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{name}", key) for key in composite
    ):
        return None
    op = getattr(getattr(torch.ops.aten, base, None), overload or "default", None)
    arguments = op._schema.arguments if op is not None else []
    # What makes a tensor from nothing, or writes into `out=`, keeps torch's own way.
    takes_tensors = any("Tensor" in str(argument.type) for argument in arguments)
    return op if takes_tensors and not any(argument.is_out for argument in arguments) else None


def _register() -> None:
    for name, kernel in _OWN.items():
        _aten.impl(name, kernel, "PrivateUse1")
    for full_name in torch._C._dispatch_get_all_op_names():
        space, _, name = full_name.partition("::")
        if space == "aten" and (op := _runs_whole(name)) is not None:
            _aten.impl(
                name,
                lambda *args, _op=op, **kwargs: _run_on_host(_op, *args, **kwargs),
                "PrivateUse1",
            )


_register()

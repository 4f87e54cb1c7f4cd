"""Tensors as NumPy arrays, and whole in a file: .npz or .safetensors."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.files.names import members, stored_names
from featmagic.files.paths import holds_arrays, report_unsaved
from featmagic.files.transaction import write_whole
from featmagic.options.groups import GROUPS
from featmagic.options.option import spelled
from featmagic.options.view import View
from featmagic.recording.pytree import computes_itself
from featmagic.recording.records import Activation, names_apart
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable, say

# What safetensors can store; what NumPy can store, it is asked.
_SAFETENSORS_DTYPES = """
    bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64
    float8_e4m3fn float8_e5m2 complex64
"""


def check_whole(path: str | os.PathLike[str], view: View) -> None:
    """Refuse options of pictures if tensors are saved.

    Raises:
        FeatmagicError: an option isn't at its default, and the path is that of an array file.
    """
    if not holds_arrays(path):
        return
    asked = [spelled(name) for name in view.changed(*GROUPS - {"passes"})]
    if asked:
        do = "don't" if len(asked) > 1 else "doesn't"
        suffix = Path(path).suffix
        raise FeatmagicError(
            f"{', '.join(asked)} {do} apply to {suffix} files, which hold whole tensors."
        )


def save_arrays(
    file: Path, activations: Sequence[Activation], *, named: bool, overwrite: bool
) -> list[Path]:
    """Write every tensor that has values into one file, by its key; print what was changed.

    Args:
        file: where to write.
        activations: what to write. Where there are tensors of several passes, a key says from
            which: `cnn1@pass2`.
        named: whether they were asked for by name: each has to be written then.
        overwrite: whether a file that exists may be replaced.

    Returns:
        The file that was written.

    Raises:
        FeatmagicError: a tensor has no values, the format can't store it, or the file can't be
            written.
    """
    tensors = {
        name: each.tensor for name, each in zip(names_apart(activations), activations, strict=True)
    }
    reasons = {name: valueless(tensor) for name, tensor in tensors.items()}
    without = [f"{printable(name)}: {reason}" for name, reason in reasons.items() if reason]
    tensors = {name: tensor for name, tensor in tensors.items() if not reasons[name]}
    report_unsaved("No array to save", without, refuse=named or not tensors)
    changes: list[str] = []
    suffix = file.suffix.lower()
    write = {file: lambda path: changes.extend(write_arrays(path, tensors, suffix))}
    written = write_whole(write, overwrite=overwrite)
    for line in changes:
        say(line)
    return written


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return every tensor as an array, by its key: what an .npz file would hold.

    Raises:
        FeatmagicError: a tensor can't be an array.
    """
    for key, tensor in tensors.items():
        if reason := valueless(tensor):
            raise FeatmagicError(
                f"{printable(key)} can't be an array: {reason}. Convert the others one by one, by "
                "key."
            )
    return {key: tensor.numpy() for key, tensor in _storable_tensors(tensors, ".npz", {})}


def valueless(tensor: Tensor) -> str | None:
    """Return why a tensor can't be an array, or None if it can."""
    if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
        return "no values on the meta device"
    if tensor.is_nested:
        return "a nested tensor isn't an array"
    if computes_itself(tensor):
        return f"a {printable(type(tensor).__name__)} isn't an array"
    return "each byte holds two values" if "float4" in str(tensor.dtype) else None


def write_arrays(path: Path, tensors: Mapping[str, Tensor], suffix: str) -> list[str]:
    """Write every tensor whole under its key, one after the other.

    Args:
        path: where to write.
        tensors: by key; the keys may be any text.
        suffix: `.npz` or `.safetensors`.

    Returns:
        A line for each change of a dtype, a layout or a key that the format called for.

    Raises:
        FeatmagicError: the format can't store a tensor.
    """
    changes: dict[str, list[str]] = {}
    names = stored_names(tensors, suffix)
    storable = _storable_tensors(tensors, suffix, changes)
    if suffix == ".npz":
        _write_npz(path, names, storable)
    else:
        _write_safetensors(path, {names[key]: tensor for key, tensor in _apart(storable)})
    lines = [f"In {suffix} files, {what}: {', '.join(keys)}." for what, keys in changes.items()]
    others = [f"{printable(key)} as {name}" for key, name in names.items() if name != key]
    return lines + (
        [f"Renamed keys that aren't safe in {suffix} files: {', '.join(others)}."] if others else []
    )


def _storable_tensors(
    tensors: Mapping[str, Tensor], suffix: str, changes: dict[str, list[str]]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors as the format can store them, and add to `changes` what was changed."""
    for key, tensor in tensors.items():
        try:
            storable, words = _storable(tensor, suffix)
        except (RuntimeError, TypeError) as error:
            raise FeatmagicError(
                f"{printable(key)} is {_name_of(tensor.dtype)}, which {suffix} files don't take: "
                f"{printable(str(error).partition(chr(10))[0])}"
            ) from error
        for what in words:
            changes.setdefault(what, []).append(printable(key))
        yield key, storable


def _storable(tensor: Tensor, suffix: str) -> tuple[Tensor, list[str]]:
    """Return the values on the host, dense and in a dtype of the format, and what was changed."""
    words = []
    dtype, tensor = _name_of(tensor.dtype), tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
        words.append(f"{dtype} is stored as float32")
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
        words.append("sparse tensors are stored dense")
    if not _has_dtype(suffix, tensor.dtype):
        wider = torch.complex64 if tensor.is_complex() else torch.float32
        if tensor.dtype == torch.complex128:
            raise TypeError(".npz files do.")
        tensor = tensor.to(wider)
        words.append(f"{dtype} is stored as {_name_of(wider)}")
    tensor = tensor.resolve_conj().resolve_neg()
    # NumPy writes an expanded tensor, or any other view, bit by bit; safetensors takes none.
    return tensor if suffix == ".npz" else tensor.contiguous(), words


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@cache
def _has_dtype(suffix: str, dtype: torch.dtype) -> bool:
    """Return True if the format can store the dtype."""
    if suffix != ".npz":
        return _name_of(dtype) in _SAFETENSORS_DTYPES.split()
    try:
        torch.empty(0, dtype=dtype).numpy()
    except TypeError:
        return False
    return True


def _write_npz(path: Path, names: Mapping[str, str], tensors: Iterator[tuple[str, Tensor]]) -> None:
    """Write as `numpy.savez` does, which can't take a key that is called like its argument."""
    member = members(names)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, tensor in tensors:
            with archive.open(member[key], "w", force_zip64=True) as file:
                np.lib.format.write_array(file, tensor.numpy(), allow_pickle=False)


def _write_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(tensors, path)
    except SafetensorError as error:  # raised for a full disk, too
        raise _system_error(str(error)) from error
    path.chmod(mode)  # safetensors lets nobody else read the file


def _system_error(message: str) -> OSError:
    """Return an error of safetensors, in which the system's own is words and a number."""
    number = re.search(r"\(os error (\d+)\)", message)
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(message)


def _apart(tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors, copied if they share memory, which safetensors refuses."""
    seen = set()
    for key, tensor in tensors:
        memory = tensor.untyped_storage().data_ptr()
        yield key, tensor.clone() if memory in seen else tensor
        seen.add(memory)

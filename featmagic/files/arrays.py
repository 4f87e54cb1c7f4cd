"""Tensors of any kind as arrays, and in a file of arrays, by any key."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.files.paths import holds_arrays, write_whole
from featmagic.options.view import GROUPS, View, spelled
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable, say


def valueless(tensor: Tensor) -> str | None:
    """Why the tensor can't be saved as an array, or None.

    Example:
        >>> valueless(torch.ones(2, device="meta"))
        'no values on the meta device'
    """
    if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
        return "no values on the meta device"
    if tensor.is_nested:
        return "a nested tensor is no array"
    return "two values to a byte" if "float4" in str(tensor.dtype) else None


def write_arrays(path: Path, tensors: Mapping[str, Tensor], suffix: str) -> list[str]:
    """Write every tensor whole under its key, one after the other.

    Args:
        path: where to write.
        tensors: by key; the keys may be any text.
        suffix: `.npz` or `.safetensors`.

    Returns:
        What had to be otherwise in the file, a line each.

    Raises:
        FeatmagicError: a tensor that the format doesn't take.
    """
    changes: dict[str, list[str]] = {}
    names = stored_names(tensors, suffix)
    arrays = _arrays(tensors, suffix, changes)
    if suffix == ".npz":
        _write_npz(path, names, arrays)
    else:
        _write_safetensors(path, {names[key]: array for key, array in arrays})
    lines = [f"In {suffix}: {what}: {', '.join(keys)}." for what, keys in changes.items()]
    others = [f"{printable(key)} as {name}" for key, name in names.items() if name != key]
    return lines + ([f"Keys that {suffix} can't hold: {', '.join(others)}."] if others else [])


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Every tensor as an array, by its key: what an .npz file would hold.

    Raises:
        FeatmagicError: a tensor that is no array.

    Example:
        >>> as_arrays({"fc": torch.tensor([0.5]).bfloat16()})
        {'fc': array([0.5], dtype=float32)}
    """
    for key, tensor in tensors.items():
        if reason := valueless(tensor):
            raise FeatmagicError(
                f"{printable(key)} can't be an array: {reason}. Take the others one by one, "
                "each by its key."
            )
    return {key: tensor.numpy() for key, tensor in _arrays(tensors, ".npz", {})}


def stored_names(keys: Collection[str], suffix: str) -> dict[str, str]:
    r"""What each key is called in the file: itself, but for what the format can't hold.

    Example:
        >>> stored_names(["a/b", "a\0b"], ".npz")
        {'a/b': 'a/b', 'a\x00b': 'a\\x00b'}
    """
    names: dict[str, str] = {}
    for key in keys:
        name = _holdable(key, suffix)
        while name != key and (name in keys or name in names.values()):
            name += "_"
        names[key] = name
    return names


def _holdable(key: str, suffix: str) -> str:
    name = key.encode(errors="backslashreplace").decode()
    if suffix == ".npz":
        return name.replace("\0", "\\x00")  # a zip's names end there
    return "__metadata___" if name == "__metadata__" else name


def _arrays(
    tensors: Mapping[str, Tensor], suffix: str, changes: dict[str, list[str]]
) -> Iterator[tuple[str, Tensor]]:
    """The tensors as the format takes them; what had to change is told in `changes`."""
    for key, tensor in tensors.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        try:
            array, words = _plain(tensor, suffix)
        except (RuntimeError, TypeError) as error:
            raise FeatmagicError(
                f"{printable(key)} is {dtype}, which {suffix} files don't take: "
                f"{printable(str(error).partition(chr(10))[0])}"
            ) from error
        for what in words:
            changes.setdefault(what, []).append(printable(key))
        yield key, array


def _plain(tensor: Tensor, suffix: str) -> tuple[Tensor, list[str]]:
    """The values on the host, dense, in a dtype that the format has; what had to be done."""
    words = []
    dtype, tensor = str(tensor.dtype).removeprefix("torch."), tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
        words.append(f"{dtype} dequantized to float32")
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
        words.append("sparse made dense")
    if not _takes(suffix, tensor.dtype):
        wider = torch.complex64 if tensor.is_complex() else torch.float32
        if tensor.dtype == torch.complex128:
            raise TypeError(".npz files do.")
        tensor = tensor.to(wider)
        words.append(f"{dtype} as {str(wider).removeprefix('torch.')}")
    return tensor.resolve_conj().resolve_neg().contiguous(), words


_SAFETENSORS = """
    bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64
    float8_e4m3fn float8_e5m2 complex64
"""


@cache
def _takes(suffix: str, dtype: torch.dtype) -> bool:
    if suffix != ".npz":
        return str(dtype).removeprefix("torch.") in _SAFETENSORS.split()
    try:
        torch.empty(0, dtype=dtype).numpy()
    except TypeError:
        return False
    return True


def _write_npz(path: Path, names: Mapping[str, str], arrays: Iterator[tuple[str, Tensor]]) -> None:
    """As `numpy.savez`, which has no place for a key that is called like one of its arguments."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays:
            # numpy.load takes "x.npy" for the member of that name before it takes it for a key.
            member = f"{names[key]}.npy"
            member = names[key] if member in names.values() else member
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array.numpy(), allow_pickle=False)


def _write_safetensors(path: Path, arrays: Mapping[str, Tensor]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    usual = path.stat().st_mode
    try:
        save_file(dict(arrays), path)
    except SafetensorError as error:  # what it says of a full disk
        raise OSError(str(error)) from error
    path.chmod(usual)  # safetensors lets nobody else read the file


def check_whole(path: str | os.PathLike[str], view: View) -> None:
    """Refuse options of pictures where tensors are saved whole.

    Raises:
        FeatmagicError: an option that the file would have no place for.

    Example:
        >>> check_whole("maps.png", View(cmap="gray"))
    """
    if not holds_arrays(Path(path)):
        return
    asked = [spelled(name) for name in view.changed(*GROUPS)]
    if asked:
        have = "have" if len(asked) > 1 else "has"
        suffix = Path(path).suffix
        raise FeatmagicError(f"{suffix} holds whole tensors: {', '.join(asked)} {have} no place.")


def save_arrays(target: Path, activations: Sequence[Activation], *, named: bool) -> list[Path]:
    """Write every tensor that has values into one file, by its key.

    Args:
        target: the file.
        activations: what to write.
        named: whether they were asked for one by one: each has to have values then.

    Returns:
        The file.

    Raises:
        FeatmagicError: a tensor without values, or one that the format doesn't take.
    """
    reasons = {one.key: valueless(one.tensor) for one in activations}
    without = [f"{printable(key)}: {reason}" for key, reason in reasons.items() if reason]
    tensors = {one.key: one.tensor for one in activations if not reasons[one.key]}
    check_some("No array to save", without, some=bool(tensors) and not named)
    changes: list[str] = []
    suffix = target.suffix.lower()
    written = write_whole(
        {target: lambda path: changes.extend(write_arrays(path, tensors, suffix))}
    )
    for line in changes:
        say(line)
    return written


def check_some(what: str, without: list[str], *, some: bool) -> None:
    """Say what can't be saved; or refuse, where nothing else is there or it was asked for."""
    if without and not some:
        raise FeatmagicError(f"{what}: {without[0]}")
    for line in without:
        say(f"Not saved: {line}")


def saved_line(written: Sequence[Path]) -> str:
    """What was written, in one line.

    Example:
        >>> saved_line([Path("out/maps-cnn1.png"), Path("out/maps-fc.png")])
        'Saved maps-cnn1.png, maps-fc.png in out.'
    """
    names = [printable(path.name) for path in written]
    if len(names) > 8:
        names = [*names[:7], f"… {len(names) - 7} more"]
    return f"Saved {', '.join(names)} in {printable(str(written[0].parent))}."

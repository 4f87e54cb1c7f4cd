"""Which tensors have a picture, and how their values become real numbers."""

from __future__ import annotations

import pytest
import torch

from featmagic.planes.dtypes import is_number, real_rows, sliceable, to_float64, to_real, undrawable


def of_dtype(name):
    """An uninitialized tensor of a dtype that not every torch has."""
    if not hasattr(torch, name):
        pytest.skip(f"this torch has no {name}")
    return torch.empty(2, 3, dtype=getattr(torch, name))


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (torch.zeros(2, 3, device="meta"), "no values on the meta device, no picture"),
        (torch.zeros(2, 0, 3), "empty, no picture"),
        (torch.tensor(2 / 3), "the single value 0.6667"),
        (torch.zeros(()), "the single value 0"),
        (torch.zeros(1, 1, 1, 1, 1, 1), "6 axes, no picture"),
        (torch.zeros(1, 1, 1, 1, 1), None),
        (torch.zeros(1), None),
        (torch.zeros(3, dtype=torch.bool), None),
        (torch.zeros(3, dtype=torch.complex64), None),
    ],
    ids=str,
)
def test_what_has_no_picture_says_why(tensor, why):
    assert undrawable(tensor) == why


def test_bits_and_halves_of_bytes_are_no_numbers():
    assert undrawable(of_dtype("float4_e2m1fn_x2")) == "two values per byte, no picture"
    assert undrawable(of_dtype("bits8")) == "bits8 values aren't numbers, no picture"
    rows = [torch.zeros(2), torch.zeros(3)]
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged)
    assert undrawable(nested) == "a nested tensor, no picture"


def test_every_dtype_that_can_be_converted_is_a_number():
    names = ("float32", "float16", "bfloat16", "int8", "int64", "bool", "complex128", "quint8")
    assert all(is_number(getattr(torch, name)) for name in names)
    assert is_number(torch.qint8)


@pytest.mark.parametrize(
    ("dtype", "real"),
    [
        (torch.float64, torch.float64),
        (torch.int64, torch.float64),
        (torch.int32, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.int16, torch.float32),
        (torch.uint8, torch.float32),
        (torch.bool, torch.float32),
    ],
)
def test_values_become_float32_or_float64_where_that_would_round_them(dtype, real):
    values = torch.arange(6).to(dtype)
    converted, words = to_real(values)
    assert (converted.dtype, words) == (real, ())
    assert converted.tolist() == values.double().tolist()
    assert to_float64(values).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.complex32, torch.complex64, torch.complex128])
def test_of_complex_values_the_magnitude_is_shown_and_said(dtype):
    converted, words = to_real(torch.tensor([3 + 4j, -2, 0]).to(dtype))
    assert words == ("magnitude of complex values",)
    assert converted.tolist() == [5, 2, 0]
    assert converted.dtype == (torch.float64 if dtype == torch.complex128 else torch.float32)


def test_quantized_values_are_those_that_they_stand_for():
    numbers = torch.tensor([[0.0, 0.5], [1.0, -0.5]])
    quantized = torch.quantize_per_tensor(numbers, 0.5, 3, torch.quint8)
    assert to_real(quantized)[0].tolist() == numbers.tolist()
    assert sliceable(quantized) is quantized
    by_channel = torch.quantize_per_channel(
        numbers, torch.tensor([0.5, 0.25]), torch.tensor([3, 4]), 0, torch.quint8
    )
    assert sliceable(by_channel).dtype == torch.float32
    assert sliceable(by_channel).tolist() == numbers.tolist()
    assert sliceable(numbers.to_sparse()).layout == torch.strided
    assert sliceable(numbers) is numbers


@pytest.mark.parametrize("indices", [[0, 1, 2], [1, 2], [2], [2, 0], [0, 2], [1, 1]])
def test_rows_are_converted_in_the_order_in_which_they_are_named(indices):
    values = torch.arange(12).reshape(3, 4)
    rows, words = real_rows(values, indices)
    assert rows.dtype == torch.float64
    assert rows.tolist() == values[indices].tolist()
    assert words == ()
    turned = torch.complex(torch.zeros(3, 4), values.float())
    assert real_rows(turned, indices)[1] == ("magnitude of complex values",)
    assert real_rows(turned, indices)[0].tolist() == values[indices].tolist()


def test_consecutive_rows_are_no_copy():
    values = torch.rand(5, 4)
    assert real_rows(values, [1, 2, 3])[0].data_ptr() == values[1].data_ptr()

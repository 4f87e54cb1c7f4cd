"""Whose tensor a tensor is: the same memory, read in the same way, and not changed since."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from featmagic.recording.given import GivenTensors, has_bits_of, identity_of

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
    torch.int64, torch.int8, torch.uint8, torch.bool, torch.float8_e5m2,
]  # fmt: skip


def key_of(given, tensor):
    return given.key_of(identity_of(tensor))


def given_as(tensor, key="layer"):
    given = GivenTensors()
    given.add(identity_of(tensor), key)
    return given


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_tensor_is_known_until_it_is_changed(dtype):
    tensor = torch.zeros(2, 3).to(dtype)
    given = given_as(tensor)
    assert key_of(given, tensor) == "layer"
    assert key_of(given, tensor.clone()) == ""
    tensor.zero_()
    assert key_of(given, tensor) == ""


def test_the_layer_that_gave_it_last_counts():
    given = given_as(tensor := torch.zeros(2), "first")
    given.add(identity_of(tensor), "second")
    assert key_of(given, tensor) == "second"


KINDS = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "compressed": lambda: torch.eye(3).to_sparse_csr(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "meta": lambda: torch.zeros(2, device="meta"),
    "a parameter": lambda: torch.nn.Parameter(torch.zeros(2)),
    "no value": lambda: torch.zeros(0),
    "one value": lambda: torch.zeros(()),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=list(KINDS))
def test_a_tensor_of_any_kind_is_known_and_another_is_not(make):
    tensor, other = make(), make()
    given = given_as(tensor)
    assert key_of(given, tensor) == "layer"
    assert key_of(given, other) == ""


def test_a_tensor_that_is_gone_is_never_another():
    given, found = GivenTensors(), []
    for number in range(200):
        tensor = torch.zeros(4) if number % 2 else torch.eye(2).to_sparse()
        found.append(key_of(given, tensor))
        given.add(identity_of(tensor), str(number))
        del tensor
    assert set(found) == {""}


def test_no_memory_is_held():
    class Watched:
        pass

    given = GivenTensors()
    tensor = torch.zeros(4)
    tensor.owner = watched = Watched()
    given.add(identity_of(tensor), "layer")
    alive = weakref.ref(watched)
    del tensor, watched
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_bits_are_compared_of_every_dtype(dtype):
    tensor = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).to(dtype)
    assert has_bits_of(tensor, tensor.clone())
    assert has_bits_of(tensor.t(), tensor.t().clone())
    other = tensor.clone()
    other[1, 1] = torch.ones(()).to(dtype)
    assert not has_bits_of(tensor, other)


def test_nan_has_its_own_bits_and_zero_has_two_signs():
    nan = torch.tensor([torch.nan, 0.0])
    assert has_bits_of(nan, nan.clone())
    assert not has_bits_of(nan, torch.tensor([torch.nan, -0.0]))


def test_what_has_no_bits_to_read_or_another_shape_or_dtype_has_not_the_same():
    meta, zeros = torch.zeros(2, device="meta"), torch.zeros(2)
    assert not has_bits_of(meta, meta.clone())
    assert not has_bits_of(torch.eye(2).to_sparse(), torch.eye(2).to_sparse())
    assert not has_bits_of(zeros, zeros[None])
    assert not has_bits_of(zeros, zeros.int())


class Raises(torch.Tensor):
    """A tensor class that allows nothing to be asked."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise ValueError("no")


def test_a_tensor_class_that_raises_an_error_has_no_identity():
    assert identity_of(torch.zeros(2).as_subclass(Raises)) is None

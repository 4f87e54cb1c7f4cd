"""Indices and slices as text: they mean what they mean in Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featmagic.options.indexing import indices, picked
from featmagic.support.errors import FeatmagicError

ENDS = st.one_of(st.none(), st.integers(-12, 12))
STEPS = st.one_of(st.none(), st.integers(-3, 3).filter(bool))


def spelled(part):
    ends = [part.start, part.stop, *([part.step] if part.step is not None else [])]
    return ":".join("" if end is None else str(end) for end in ends)


@given(st.builds(slice, ENDS, ENDS, STEPS), st.integers(1, 10))
def test_a_slice_takes_what_it_takes_of_a_list(part, count):
    text = indices("channels", part)
    assert text == indices("channels", [part]) == spelled(part)
    expected = list(range(count))[part]
    if expected:
        assert picked(text, count, "channel") == expected
    else:
        with pytest.raises(FeatmagicError, match=f"selects none of the {count}"):
            picked(text, count, "channel")


@given(st.integers(-12, 12), st.integers(1, 10))
def test_an_index_counts_from_the_end_if_it_is_negative(index, count):
    if -count <= index < count:
        assert picked(str(index), count, "channel") == [list(range(count))[index]]
    else:
        with pytest.raises(FeatmagicError, match=rf"No channel {index}: there are {count}, 0 to"):
            picked(str(index), count, "channel")


def test_several_parts_are_taken_in_their_order():
    assert picked("3,0:2,-1,3", 5, "sample") == [3, 0, 1, 4, 3]
    assert indices("channels", " 3 , 0:2") == "3,0:2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (np.int64(-1), "-1"),
        (torch.tensor(2), "2"),
        (torch.tensor([2, 1]), "2,1"),
        (np.array([2, 1]), "2,1"),
        (range(3), "0,1,2"),
        ((4, slice(None)), "4,:"),
        ([slice(1, None, -1), "5"], "1::-1,5"),
        ("::2", "::2"),
        (":5:", ":5:"),
    ],
)
def test_indices_may_be_given_in_any_way_that_python_has(value, text):
    assert indices("channels", value) == text


@pytest.mark.parametrize(
    "value",
    ["a", "1.5", "", "1,,2", "1:2:0", "::0", "::00", "1 2", "1:2:3:4", True, [False], 1.5, None,
     "1" * 19, [1.5], "--1"],
)  # fmt: skip
def test_what_is_neither_an_index_nor_a_slice_is_refused(value):
    with pytest.raises(FeatmagicError, match=r"must be indices and slices .* is neither\.$"):
        indices("channels", value)

"""Validators: text and Python become the same value, or one clear error."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from featmagic.options import validators
from featmagic.options.colormaps import _WELL_KNOWN, is_diverging, well_known
from featmagic.options.indexing import all_or_indices, indices, is_boolean
from featmagic.options.validators import choice, number, optional, whole
from featmagic.support.errors import FeatmagicError


@pytest.mark.parametrize(
    ("check", "given", "value"),
    [
        (optional(whole(1)), None, None),
        (whole(1), "4", 4),
        (whole(1), np.int64(4), 4),
        (number(), "-1e-3", -0.001),
        (choice("mid", "mean", other=whole()), "3", 3),
        (choice("mid", "mean", other=whole()), "mean", "mean"),
        (validators.flag, np.True_, True),
        (validators.colormap_name, "gray", "gray"),
        (validators.word, "run1", "run1"),
        (validators.numbers, "0.485,0.456,0.406", (0.485, 0.456, 0.406)),
        (validators.numbers, 0.5, (0.5,)),
        (validators.size, "12x16", (12, 16)),
        (validators.size, "12×16", (12, 16)),
        (validators.size, (12, 16), (12, 16)),
        (validators.layout, "nhwc", "NHWC"),
        (validators.size_in_bytes, "1.5 MB", 1_500_000),
        (validators.size_in_bytes, "7k", 7_000),
        (validators.size_in_bytes, "7 GB", 7_000_000_000),
        (validators.size_in_bytes, "12b", 12),
        (validators.size_in_bytes, 5, 5),
        (all_or_indices, -1, "-1"),
        (all_or_indices, "all", "all"),
        (indices, [slice(0, 16), 40, slice(None, None, 2)], "0:16,40,::2"),
    ],
)
def test_a_value_is_converted(check, given, value):
    assert check("option", given) == value


@pytest.mark.parametrize(
    ("check", "given", "message"),
    [
        (whole(1), 0, "option must be 1 or more, not 0."),
        (whole(), True, "option must be a whole number, not True."),
        (whole(), 2.5, "option must be a whole number, not 2.5."),
        (number(0, 1), 2, "option must be from 0 to 1, not 2."),
        (number(0), "-2", "option must be 0 or more, not -2."),
        (number(), "inf", "option must be a finite number, not inf."),
        (number(), True, "option must be a number, not True."),
        (
            choice("log", "linear"),
            "lgo",
            "invalid option 'lgo': choose log or linear. Did you mean log?",
        ),
        (validators.flag, 1, "option must be True or False, not 1."),
        (validators.word, "", "option must be a name, not ''."),
        (
            validators.numbers,
            "1,2",
            "option must be one number or three separated by commas, not 2.",
        ),
        (validators.size, "12", "option must be height x width, such as 14x14, not '12'."),
        (
            validators.size_in_bytes,
            "24 XB",
            "option must be a number of bytes, such as 24MB or 500kB, not ",
        ),
        (validators.size_in_bytes, "0", "option must be 1 or more, not 0."),
        (
            validators.layout,
            "NCHH",
            "option must have one letter per dimension, such as NCHW, NHWC, NLC, NCL, NCW or ",
        ),
        (
            all_or_indices,
            None,
            "option must be an index, several separated by commas, or all, not None.",
        ),
        (indices, [], "option must name at least one index or slice, such as 0:16,40."),
    ],
)
def test_an_invalid_value_is_refused_in_one_line(check, given, message):
    with pytest.raises(FeatmagicError) as caught:
        check("option", given)
    assert str(caught.value).startswith(message)


def test_booleans_of_numpy_are_no_numbers_either():
    assert is_boolean(True)
    assert is_boolean(np.False_)
    assert not is_boolean(1)


def test_all_colormaps_are_known_once_matplotlib_is_loaded(monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    assert well_known() == _WELL_KNOWN
    monkeypatch.undo()
    import matplotlib

    assert set(_WELL_KNOWN) < set(well_known()) == set(matplotlib.colormaps)


def test_a_reversed_colormap_diverges_as_the_original_does():
    assert is_diverging("RdBu")
    assert is_diverging("RdBu_r")
    assert not is_diverging("viridis_r")

"""The kernel's side of an explorer: what it answers, what it sends again, what it draws instead."""

import contextlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featmagic import FeatmagicError
from featmagic.explorer.document import document, grid_view
from featmagic.explorer.protocol import answer
from featmagic.explorer.session import changes, open_session
from featmagic.options.view import View
from featmagic.recording.records import Activation

VIEW = View(explore=True, layout="NCHW")


def activation(key, values):
    return Activation(key, key, "ReLU", 1, torch.tensor(values).reshape(1, 1, 1, -1))


@pytest.mark.parametrize(("x", "value"), [(0, 0.25), (1, "inf")])
def test_an_exact_value_that_json_lacks_travels_as_text(x, value):
    session = open_session([activation("act", [0.25, torch.inf])], VIEW)
    place = {"layer": "act", "sample": 0, "channel": 0, "position": [0, x]}
    assert answer(session, {"ask": "value", **place}) == ({"value": value}, {})


def test_a_layer_that_is_the_same_as_before_does_not_travel_again():
    old = document([activation("a", [0.0, 1.0]), activation("b", [0.0, 1.0])], VIEW)
    new = document([activation("a", [0.0, 1.0]), activation("b", [0.0, 2.0])], VIEW)
    text, files = changes(old, new)
    assert ([layer["key"] for layer in text["changed"]], files) == (["b"], {})


def test_a_layer_of_which_only_a_file_is_different_travels_with_it():
    old = document([activation("a", [0.0, 0.25, 0.75, 1.0])], VIEW)
    new = document([activation("a", [0.0, 0.75, 0.25, 1.0])], VIEW)
    text, files = changes(old, new)
    assert ([layer["key"] for layer in text["changed"]], list(files)) == (["a"], ["a/0"])


def test_the_grid_in_place_of_an_explorer_leaves_out_options_without_a_use():
    view = View(explore=True, layout="NCHW", slice="mip", alpha=0.5)
    layer = Activation("act", "act", "ReLU", 1, torch.zeros(2, 5, 8, 6))
    assert grid_view(layer, view, 1) == View(layout="NCHW")


def test_a_plane_is_a_view_of_the_tensor_and_a_value_is_as_exact_as_it():
    layer = Activation("act", "act", "ReLU", 1, torch.arange(12.0).reshape(1, 3, 2, 2))
    session = open_session([layer], VIEW)
    plane = session.plane("act", 0, 2)
    assert plane.tolist() == [[8, 9], [10, 11]]
    assert plane.data_ptr() == layer.tensor[0, 2].data_ptr()
    assert session.value("act", 0, 2, 1, 0) == 10


NUMBERS = torch.rand(2, 17, 8)
LAYERS = {
    "maps": torch.rand(2, 3, 5, 6),
    "vector": torch.rand(2, 300),
    "tokens": NUMBERS,
    "expanded": torch.rand(2, 3, 1, 5).expand(2, 3, 4, 5),
    "complex": torch.rand(2, 3, 4, 5) + 1j,
    "sparse": torch.rand(2, 9).to_sparse(),
    "single": torch.tensor(3.0),
    "empty": torch.rand(0, 3),
    "meta": torch.rand(2, 3, 4, 5, device="meta"),
}


@pytest.fixture(scope="module")
def session():
    layers = [Activation(key, key, "Other", 1, tensor) for key, tensor in LAYERS.items()]
    return open_session(layers, View(explore=True))


@given(
    ask=st.sampled_from(["plate", "value", "channel"]),
    layer=st.sampled_from(list(LAYERS)),
    sample=st.integers(-3, 3),
    channel=st.one_of(st.integers(-2, 5), st.sampled_from([16, 299, 300, 10**6])),
    position=st.tuples(st.integers(-1, 18), st.integers(-1, 18)),
)
@settings(deadline=None, max_examples=300)
def test_a_question_for_what_does_not_exist_is_answered_by_a_line(session, **question):
    with contextlib.suppress(FeatmagicError):  # all else would be a mistake
        answer(session, question)
        assert not session.layer(question["layer"])["reason"]


@pytest.mark.parametrize("sample", [0, 1])
def test_behind_the_last_value_of_a_vector_there_is_none(session, sample):
    height, width = session.layer("vector")["plates"]["0"]["full"]
    assert height * width > 300
    with pytest.raises(FeatmagicError, match="no value at"):
        session.value("vector", sample, 0, height - 1, width - 1)
    y, x = divmod(299, width)
    assert session.value("vector", sample, 0, y, x) == LAYERS["vector"][sample, 299].item()


@pytest.mark.parametrize("channel", [-1, 3, 10**6])
def test_a_channel_that_a_layer_does_not_have_is_refused(session, channel):
    with pytest.raises(FeatmagicError, match=f"No channel {channel} in maps: it has 3."):
        session.figures("maps", 0, channel)

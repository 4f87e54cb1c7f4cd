"""What modules tell about the axes of their output, and what those around them tell."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from featmagic.recording.layout_hints import FeatureAxis, layout_hints_of
from featmagic.recording.model_tree import walk


def first(count=None, spatial=0):
    return FeatureAxis("first", count, spatial)


def last(count=None):
    return FeatureAxis("last", count)


def hints_of(model):
    tree = dict(walk(model))
    return layout_hints_of(tree, tree)


def hint_of(module):
    """The hint of a module that stands alone in a model."""
    return hints_of(nn.Sequential(OrderedDict(it=module)))["it"]


def made(name, base=nn.Module, children=(), **attributes):
    """An instance of a class of that name."""
    module = type(name, (base,), {})() if base is nn.Module else type(name, (base,), {})(4)
    for key, value in attributes.items():
        setattr(module, key, value)
    for number, child in enumerate(children):
        module.add_module(f"child{number}", child)
    return module


def with_weight(name, *shape):
    return made(name, weight=nn.Parameter(torch.ones(*shape)))


@pytest.mark.parametrize(
    ("module", "axis"),
    [
        (nn.Conv1d(2, 5, 3), first(5, 1)),
        (nn.Conv2d(2, 5, 3), first(5, 2)),
        (nn.ConvTranspose3d(2, 5, 3), first(5, 3)),
        (nn.BatchNorm1d(5), first(5)),
        (nn.BatchNorm2d(5), first(5, 2)),
        (nn.InstanceNorm3d(5), first(5, 3)),
        (nn.GroupNorm(2, 6), first(6)),
        (nn.Linear(2, 5), last(5)),
        (nn.Bilinear(2, 3, 5), last(5)),
        (nn.Embedding(9, 5), last(5)),
        (nn.EmbeddingBag(9, 5), last(5)),
        (nn.MultiheadAttention(6, 2), last(6)),
        (nn.LSTM(2, 5), last(5)),
        (nn.GRU(2, 5, bidirectional=True), last(10)),
        (nn.LSTM(2, 5, proj_size=3), last(3)),
        (nn.LSTM(2, 5, proj_size=3, bidirectional=True), last(6)),
        (nn.GRUCell(2, 5), last(5)),
        (made("Conv1D", nf=7), last(7)),  # GPT-2's
        (made("QuantizedLinear", out_features=7), last(7)),
        (nn.LayerNorm(5), last(5)),
        (made("ChannelsFirst", normalized_shape=(5,), data_format="channels_first"), first(5)),
        (made("ChannelsLast", normalized_shape=(5,), data_format="channels_last"), last(5)),
        (made("LayerNorm2d", normalized_shape=(5,)), first(5, 2)),
        (nn.MaxPool1d(2), first(None, 1)),
        (nn.AdaptiveAvgPool2d(2), first(None, 2)),
        (nn.Dropout3d(), first(None, 3)),
        (nn.PixelShuffle(2), first(None, 2)),
        (nn.Unfold(2), first(None, 1)),
        (nn.Upsample(scale_factor=2), first()),
        (made("Permute", dims=(0, 2, 3, 1)), last()),
        (made("Permute", dims=(0, 2, 3, 4, 1)), last()),
        (made("Permute", dims=[0, 3, 1, 2]), first(None, 2)),
        (made("Permute", dims=[0, 4, 1, 2, 3]), first(None, 3)),
        (made("Permute", dims=[0, 2, 1]), first(None, 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_module_tells_where_it_has_its_features_and_how_many(module, axis):
    hint = hint_of(module)
    assert hint.says == (axis,)
    assert hint.own


@pytest.mark.parametrize(
    "module",
    [
        made("Permute", dims=(0, 1, 3, 2)),
        made("Permute", dims=(1, 0, 2)),
        nn.LayerNorm((5, 4)),
        nn.ReLU(),
        with_weight("Norm", 5, 2),
        with_weight("Scale", 5),
        made("Norm"),
        made("Head", children=[nn.ReLU()], out_features=7),
        made("Norm2", children=[nn.ReLU()], weight=nn.Parameter(torch.ones(5))),
    ],
    ids=lambda module: type(module).__name__,
)
def test_a_module_that_leaves_its_axes_open_tells_nothing(module):
    hint = hint_of(module)
    assert (hint.says, hint.own) == ((), False)


def test_a_norm_of_another_library_has_its_features_first_or_last():
    for module in with_weight("RMSNorm", 5), made("AnyNorm", normalized_shape=(5,)):
        hint = hint_of(module)
        assert set(hint.says) == {first(5), last(5)}
        assert not hint.own


def test_what_a_layer_norm_of_torchs_is_called_does_not_matter():
    class LayerNorm2d(nn.LayerNorm):
        pass

    assert hint_of(LayerNorm2d(5)).says == (last(5),)
    if hasattr(nn, "RMSNorm"):
        assert hint_of(nn.RMSNorm(5)).says == (last(5),)


def test_a_composite_tells_what_its_children_tell_the_last_registered_last():
    block = nn.Sequential(nn.Linear(3, 4), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(3, 4))
    assert hint_of(block).says == (first(2, 2), last(4))
    assert not hint_of(block).own


def test_a_module_without_features_tells_what_stands_before_it_or_around_it():
    model = nn.Sequential(
        OrderedDict(
            act=nn.ReLU(),
            fc=nn.Linear(3, 4),
            drop=nn.Dropout(),
            flat=nn.Flatten(),
            inner=nn.Sequential(nn.Identity(), nn.Conv2d(1, 2, 3), nn.Tanh()),
        )
    )
    hints = hints_of(model)
    everything = (last(4), first(2, 2))
    assert hints["act"].says == everything  # nothing stands before it
    assert hints["drop"].says == (last(4),)
    assert (hints["flat"].says, hints["flat"].own, hints["flat"].around) == ((), True, ())
    assert hints["inner.0"].says == (first(2, 2),)
    assert hints["inner.2"].says == (first(2, 2),)
    assert hints["act"].around == hints["drop"].around == everything
    assert hints["inner.0"].around == hints["inner.2"].around == (first(2, 2),)
    assert hints["fc"].around == ()  # it names its features itself
    assert (hints["."].says, hints["."].around) == (everything, ())


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_order_of_a_sequence_is_sure_in_torchs_own_modules_and_likely_beside_them(batch_first):
    order = "NLC" if batch_first else "LNC"
    encoder = nn.TransformerEncoderLayer(8, 2, 8, batch_first=batch_first)
    model = nn.Sequential(
        OrderedDict(
            inside=nn.Sequential(encoder),
            beside=nn.Linear(8, 8),
            deeper=nn.Sequential(nn.Sequential(nn.Linear(8, 8))),
        )
    )
    hints = hints_of(model)
    told = {path: (hint.order, hint.sure) for path, hint in hints.items()}
    assert told["inside.0"] == told["inside.0.linear1"] == told["inside.0.self_attn"]
    assert told["inside.0"] == (order, True)
    assert told["inside"] == told["."] == (order, False)
    assert told["beside"] == ("", False)  # its neighbor only contains one
    flat = hints_of(nn.Sequential(encoder, nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8))))
    assert (flat["1"].order, flat["1"].sure) == (order, False)
    assert (flat["2.0"].order, flat["2.0"].sure) == (order, False)
    assert hint_of(nn.Linear(8, 8)).order == ""


def test_of_two_orders_the_one_with_the_length_first_counts():
    model = nn.Sequential(nn.GRU(2, 2, batch_first=True), nn.GRU(2, 2), nn.Linear(2, 2))
    assert [hints_of(model)[path].order for path in ("0", "1", "2")] == ["NLC", "LNC", "LNC"]


def test_recurrent_modules_are_told_from_their_cells():
    assert [hint_of(m).recurrent for m in (nn.LSTM(2, 2), nn.RNN(2, 2), nn.LSTMCell(2, 2))] == [
        "layer",
        "layer",
        "cell",
    ]
    assert hint_of(nn.Linear(2, 2)).recurrent == ""


def test_an_attention_is_told_by_its_class_with_the_number_of_its_heads():
    attention = made("SelfAttention", children=[nn.Linear(8, 24), nn.Softmax(-1)], num_heads=4)
    model = nn.Sequential(OrderedDict(block=nn.Sequential(attention, nn.Linear(8, 8))))
    hints = hints_of(model)
    told = {path: (hint.attention, hint.heads) for path, hint in hints.items()}
    assert told["block.0"] == ("self", 4)
    assert told["block.0.child0"] == told["block.0.child1"] == ("inside", 4)
    assert told["block"] == told["."] == ("around", 4)
    assert told["block.1"] == ("", None)
    torchs = hint_of(nn.MultiheadAttention(6, 3))
    assert (torchs.attention, torchs.heads) == ("torch", 3)


@pytest.mark.parametrize("name", ["num_heads", "num_attention_heads", "n_heads", "n_head", "heads"])
def test_heads_have_many_names_and_may_be_told_by_a_module_inside(name):
    assert hint_of(made("Attention", **{name: 3})).heads == 3
    assert hint_of(made("Attention", children=[made("Core", **{name: 3})])).heads == 3
    assert hint_of(made("Attention", **{name: 0})).heads is None
    assert hint_of(made("Attention", **{name: "3"})).heads is None


def test_an_attention_over_pixels_is_one_only_with_a_number_of_heads():
    """Others weigh channels, as squeeze and excitation does, and return features."""
    convolution = nn.Conv2d(8, 8, 1)
    assert hint_of(made("AttentionBlock", children=[convolution])).attention == ""
    assert hint_of(made("AttentionBlock", children=[convolution], num_heads=2)).attention == "self"
    assert hint_of(made("AttentionBlock")).attention == "self"


def test_a_branch_of_text_embeds_words_and_sees_no_image():
    text = nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 8))
    images = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Linear(8, 8))
    hints = hints_of(nn.ModuleDict({"text": text, "images": images}))
    told = {path for path, hint in hints.items() if hint.text}
    assert told == {"text", "text.0", "text.1"}
    for channels, is_image in ((1, True), (3, True), (4, True), (2, False), (8, False)):
        both = nn.Sequential(nn.Embedding(9, 8), nn.Conv2d(channels, 8, 4), nn.Linear(8, 8))
        assert hints_of(both)["2"].text is not is_image
    # An embedding of relative positions embeds no words.
    positions = nn.Sequential(made("Attention", children=[nn.Embedding(9, 8)]), nn.Linear(8, 8))
    assert not any(hint.text for hint in hints_of(positions).values())
    assert not any(hint.text for hint in hints_of(nn.Embedding(9, 8)).values())


def test_a_wrapped_module_tells_what_it_wraps():
    model = nn.Sequential(nn.DataParallel(nn.Conv2d(1, 5, 3)), nn.ReLU())
    assert hints_of(model)["0"].says == hints_of(model)["1"].says == (first(5, 2),)

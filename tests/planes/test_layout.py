"""Every axis of every activation is what the module says it is; what can't be told is said."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from featmagic.options import validators
from featmagic.options.view import View
from featmagic.planes.layout import (
    LAYOUTS,
    Layout,
    LayoutMismatch,
    fitting,
    layout_of,
    layouts_for,
)
from featmagic.planes.planes import planes_of
from featmagic.recording.inputs import PassInputs, pass_inputs
from featmagic.recording.layer_cache import layer_cache_of
from featmagic.recording.layout_hints import FeatureAxis, LayoutHint
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import Activation
from featmagic.recording.selectors import select
from featmagic.support.errors import FeatmagicError


def recorded(model, *args, **kwargs):
    """The pass of a call in which every module of the model is recorded."""
    paths = [path for path, _ in model.named_modules() if path]
    recorder = Recorder(select(model.eval(), [".", *paths]))
    with torch.no_grad(), recorder:
        model(*args, **kwargs)
    return recorder.last


def axes_in(model, *args, **kwargs):
    """What the axes of every activation of a call are, by key."""
    run = recorded(model, *args, **kwargs)
    return {key: layout_of(activation, View()) for key, activation in run.activations.items()}


def letters_in(model, *args, **kwargs):
    return {key: axes.dims for key, axes in axes_in(model, *args, **kwargs).items()}


def torchvision_model(name, **kwargs):
    models = pytest.importorskip("torchvision").models
    return getattr(models, name)(**kwargs)


def is_nhwc_in_swin(key):
    """Swin works on (N, H, W, C) from the Permute in its stem to the one before its pooling."""
    return key not in ("features.0.0", "permute", "avgpool")


def is_nhwc_in_convnext(key):
    """A ConvNeXt block turns to (N, H, W, C) behind its convolution and back at its end."""
    parts = key.split(".")
    return "block" in parts and parts[-1] in "12345"


def is_nhwc_nowhere(key):
    return False


@pytest.mark.parametrize("size", [(224, 256), (64, 64), (384, 384)])
@pytest.mark.parametrize(
    ("name", "is_nhwc"),
    [
        ("swin_t", is_nhwc_in_swin),
        ("convnext_tiny", is_nhwc_in_convnext),
        ("resnet18", is_nhwc_nowhere),
        ("densenet121", is_nhwc_nowhere),
        ("mobilenet_v3_small", is_nhwc_nowhere),
    ],
)
def test_every_layer_of_a_vision_model_has_its_channels_where_they_are(name, is_nhwc, size):
    model = torchvision_model(name)
    run = recorded(model, torch.randn(1, 3, *size))
    maps = {key: found for key, found in run.activations.items() if found.tensor.dim() == 4}
    assert len(maps) > 50
    for key, activation in maps.items():
        axes = layout_of(activation, View())
        assert axes.dims == ("NHWC" if is_nhwc(key) else "NCHW"), key
        sides = activation.tensor.shape[1], activation.tensor.shape[3]
        assert not axes.words or sides[0] == sides[1], key


def test_a_square_volume_of_features_is_decided_by_what_was_registered_last_and_said():
    swin = torchvision_model("swin_t")
    run = recorded(swin.features[0], torch.randn(1, 3, 384, 384))
    assert run.activations["."].tensor.shape == (1, 96, 96, 96)
    stem = layout_of(run.activations["."], View())
    assert stem.dims == "NHWC"
    assert stem.words == ("NHWC assumed, NCHW would fit too",)
    assert layout_of(run.activations["2"], View()).words == ()  # a LayerNorm leaves no doubt


def test_the_image_decides_where_two_layouts_would_fit():
    class Excited(nn.Module):
        """Squeeze and excitation by linear layers, as many units as the map is wide."""

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 2, 2)
            self.squeeze, self.excite = nn.Linear(16, 8), nn.Linear(8, 16)

        def forward(self, x):
            x = self.conv(x)
            return x * self.excite(self.squeeze(x.mean((2, 3)))).sigmoid()[:, :, None, None]

    axes = axes_in(Excited(), torch.randn(1, 3, 12, 16))["."]
    assert (axes.dims, axes.words) == ("NCHW", ())


def test_a_layer_norm_of_a_class_of_its_own_may_work_on_either_axis():
    class InFloat32(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.float()).type(x.dtype)

    class OnChannels(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    class Norm(nn.Module):
        """As in ConvNeXt's own code."""

        def __init__(self, count, data_format):
            super().__init__()
            self.normalized_shape, self.data_format = (count,), data_format

        def forward(self, x):
            return x

    assert letters_in(InFloat32(6), torch.randn(1, 4, 5, 6)) == {".": "NHWC"}
    assert letters_in(OnChannels(6), torch.randn(1, 6, 4, 5)) == {".": "NCHW"}
    assert letters_in(Norm(6, "channels_first"), torch.randn(1, 6, 6, 6)) == {".": "NCHW"}
    assert letters_in(Norm(6, "channels_last"), torch.randn(1, 6, 6, 6)) == {".": "NHWC"}
    assert letters_in(InFloat32(6), torch.randn(1, 4, 6)) == {".": "NLC"}


def test_layers_of_a_network_for_signals_are_channels_by_length():
    model = nn.Sequential(
        nn.Conv1d(2, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(),
        nn.Sequential(nn.Conv1d(8, 4, 3), nn.GELU()), nn.GroupNorm(2, 4),
        nn.AdaptiveAvgPool1d(3), nn.Flatten(), nn.Linear(12, 5), nn.Softmax(1),
    )  # fmt: skip
    letters = letters_in(model, torch.randn(3, 2, 64))
    vectors = {"8", "9", "10", "."}
    assert letters == {key: "NC" if key in vectors else "NCL" for key in letters}
    unbatched = letters_in(model[:1], torch.randn(2, 64)) | letters_in(model[3], torch.randn(8, 60))
    assert set(unbatched.values()) == {"CL"}
    assert letters_in(nn.BatchNorm1d(8), torch.randn(3, 8)) == {".": "NC"}


def test_an_image_without_a_batch_is_known_by_its_layers():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1))
    axes = axes_in(model, torch.randn(3, 20, 30))
    assert {(found.dims, found.words) for found in axes.values()} == {("CHW", ())}


def test_volumes_and_videos_have_a_depth():
    model = nn.Sequential(nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2))
    assert set(letters_in(model, torch.randn(2, 1, 8, 10, 12)).values()) == {"NCDHW"}
    assert set(letters_in(model, torch.randn(1, 8, 10, 12)).values()) == {"CDHW"}


def test_every_layer_of_a_video_model_has_its_channels_where_they_are():
    video = pytest.importorskip("torchvision").models.video
    for model, last in ((video.r3d_18(), False), (video.swin3d_t(), True)):
        run = recorded(model, torch.randn(1, 3, 4, 64, 96))
        maps = {key: found for key, found in run.activations.items() if found.tensor.dim() == 5}
        assert len(maps) > 50
        for key, activation in maps.items():
            at_the_ends = key in ("patch_embed.proj", "avgpool")
            truth = "NDHWC" if last and not at_the_ends else "NCDHW"
            assert layout_of(activation, View()).dims == truth, key


@pytest.mark.parametrize(
    ("shape", "letters", "words"),
    [
        ((7,), "C", ()),
        ((2, 7), "NC", ()),
        ((5, 8, 8), "CHW", ("CHW assumed",)),
        ((2, 5, 8, 8), "NCHW", ()),
        ((2, 5, 3, 8, 8), "NCDHW", ()),
    ],
)
def test_where_nothing_is_known_the_rank_decides(shape, letters, words):
    axes = layout_of(Activation("x", "x", "Module", 1, torch.randn(shape)), View())
    assert (axes.dims, axes.words, axes.grid, axes.signed) == (letters, words, None, False)


SMALL_VIT = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}


def test_tokens_of_a_vision_transformer_lie_on_the_grid_of_its_patches():
    vit = torchvision_model("VisionTransformer", image_size=32, patch_size=8, **SMALL_VIT)
    run = recorded(vit, torch.randn(2, 3, 32, 32))
    assert run.inputs.grids[0] == tuple(vit.conv_proj(torch.zeros(1, 3, 32, 32)).shape[2:])
    for key, activation in run.activations.items():
        axes = layout_of(activation, View())
        if activation.tensor.dim() == 3:
            assert (axes.dims, axes.grid, axes.prefix, axes.words) == (
                "NLC", (4, 4), ("CLS",), ()
            ), key  # fmt: skip
        elif key.endswith("self_attention[1]"):
            assert (axes.dims, axes.grid, axes.prefix) == ("NAQK", (4, 4), ("CLS",)), key
        else:
            assert (axes.grid, axes.prefix) == (None, ()), key


def hugging_face(name, **config):
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, f"{name}Model"):
        pytest.skip(f"this version of transformers has no {name}")
    settings = getattr(transformers, f"{name}Config")(**config, attn_implementation="eager")
    return getattr(transformers, f"{name}Model")(settings)


def test_a_grid_follows_the_input_where_that_is_not_square():
    vit = hugging_face(
        "ViT", hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=16,
        image_size=32, patch_size=8,
    )  # fmt: skip
    pixels = torch.randn(1, 3, 32, 64)
    axes = axes_in(vit, pixels, interpolate_pos_encoding=True, output_attentions=True)
    patches = axes.pop("embeddings.patch_embeddings")
    assert (patches.dims, patches.grid, patches.prefix) == ("NLC", (4, 8), ())
    tokens = [found for found in axes.values() if "L" in found.dims]
    weights = [found for found in axes.values() if "K" in found.dims]
    assert len(tokens) > 20
    assert len(weights) >= 2
    for found in (*tokens, *weights):
        assert (found.grid, found.prefix, found.words) == ((4, 8), ("CLS",), ())
    assert {found.dims for found in weights} == {"NAQK"}
    assert axes[".['pooler_output']"].dims == "NC"


def test_register_tokens_are_named():
    dino = hugging_face(
        "Dinov2WithRegisters", hidden_size=24, num_hidden_layers=1, num_attention_heads=3,
        image_size=56, patch_size=14, num_register_tokens=4,
    )  # fmt: skip
    # 7 x 5 patches: the image isn't as high as it was in training, nor square
    axes = axes_in(dino, torch.randn(2, 3, 98, 77))
    hidden = axes[".['last_hidden_state']"]
    assert (hidden.dims, hidden.grid) == ("NLC", (7, 5))
    assert hidden.prefix == ("CLS", "R1", "R2", "R3", "R4")
    assert axes["embeddings.patch_embeddings"].prefix == ()


def test_the_stages_of_a_hierarchical_model_have_grids_of_their_own():
    swin = hugging_face(
        "Swin", image_size=64, patch_size=4, embed_dim=18, depths=[1, 1, 2], num_heads=[1, 2, 3],
        window_size=4,
    )  # fmt: skip
    run = recorded(swin, torch.randn(1, 3, 64, 96), output_hidden_states=True)
    grids = [(16, 24), (8, 12), (4, 6), (4, 6)]
    for n, grid in enumerate(grids):
        axes = layout_of(run.activations[f".['hidden_states'][{n}]"], View())
        assert (axes.dims, axes.grid, axes.prefix, axes.words) == ("NLC", grid, (), ())
        maps = run.activations[f".['reshaped_hidden_states'][{n}]"]
        assert tuple(maps.tensor.shape[2:]) == grid
        assert layout_of(maps, View()).dims == "NCHW"
    windows = [a for a in run.activations.values() if a.tensor.dim() == 3 and len(a.tensor) == 24]
    assert windows
    for activation in windows:
        axes = layout_of(activation, View())
        assert (axes.batch, axes.grid, axes.words) == ("window", (4, 4), ())  # as the module says


def test_where_patches_do_not_divide_the_image_a_model_may_pad_it():
    swin = hugging_face("Swin", patch_size=4, embed_dim=12, depths=[1, 1], num_heads=[1, 2])
    axes = axes_in(swin, torch.randn(1, 3, 226, 230), interpolate_pos_encoding=True)
    assert axes["layernorm"].grid == (29, 29)  # of 57 x 58


class Patches(nn.Module):
    """A vision transformer that cuts its patches without a convolution."""

    def __init__(self, side, before):
        super().__init__()
        self.side, self.before = side, before
        self.embed = nn.Linear(3 * side * side, 12)
        self.norm = nn.LayerNorm(12)

    def forward(self, x):
        cut = nn.functional.unfold(x, self.side, stride=self.side).transpose(1, 2)
        first = torch.zeros(len(x), self.before, 12)
        return self.norm(torch.cat([first, self.embed(cut)], 1))


@pytest.mark.parametrize(("before", "names"), [(0, ()), (1, ("CLS",)), (5, None)])
def test_a_square_grid_is_assumed_where_the_model_has_no_convolution(before, names):
    axes = axes_in(Patches(8, before), torch.randn(1, 3, 48, 48))["norm"]
    assert (axes.grid, axes.words) == ((6, 6), ("6 x 6 grid assumed",))
    assert axes.prefix == (("CLS", "R1", "R2", "R3", "R4") if names is None else names)


def test_tokens_that_fit_no_grid_are_said_with_what_would():
    axes = axes_in(Patches(8, 3), torch.randn(1, 3, 48, 48))["norm"]
    assert axes.grid is None
    assert axes.words == ("39 tokens fit no grid of the input: --grid 6x6 would leave 3",)


class Text(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        # With an activation for which torch has no kernel that runs the whole layer.
        layer = nn.TransformerEncoderLayer(16, 2, 32, activation=nn.SiLU(), batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 50)

    def forward(self, tokens):
        return self.head(self.encoder(self.embed(tokens)))


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_text_model_has_sequences_and_no_grid(batch_first):
    axes = axes_in(Text(batch_first), torch.randint(50, (3, 16)))
    inside = {key: found for key, found in axes.items() if key.startswith("encoder")}
    weights = {key: inside.pop(key) for key in list(inside) if key.endswith("self_attn[1]")}
    assert len(inside) > 10
    order = "NLC" if batch_first else "LNC"
    assert {(found.dims, found.words) for found in inside.values()} == {(order, ())}
    assert {found.dims for found in weights.values()} == {"NAQK"}
    # The order that the modules beside the encoder have is the encoder's, most likely.
    assumed = () if batch_first else ("LNC assumed, NLC would fit too",)
    assert {(axes[key].dims, axes[key].words) for key in ("embed", "head")} == {(order, assumed)}
    assert {found.grid for found in axes.values()} == {None}


def test_a_sequence_without_a_batch_is_length_by_features():
    layer = nn.TransformerEncoderLayer(16, 2, 32)
    axes = letters_in(layer, torch.randn(7, 16))
    weights = axes.pop("self_attn[1]")
    assert weights == "AQK"
    assert set(axes.values()) == {"LC"}


def test_the_length_may_come_first_around_the_attention_alone():
    """OpenAI's CLIP has patches by (N, L, C) but for its blocks, which have (L, N, C)."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(16, 2)
            self.ln, self.fc = nn.LayerNorm(16), nn.Linear(16, 16)

        def forward(self, x):
            y = self.ln(x)
            return x + self.fc(self.attn(y, y, y, need_weights=False)[0])

    class Vision(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 8, 8)
            self.ln_pre, self.blocks = nn.LayerNorm(16), nn.Sequential(Block(), Block())

        def forward(self, x):
            x = self.ln_pre(self.conv(x).flatten(2).transpose(1, 2))
            return self.blocks(x.transpose(0, 1)).transpose(0, 1)

    axes = axes_in(Vision(), torch.randn(2, 3, 32, 40))
    assert axes["ln_pre"].dims == axes["."].dims == "NLC"
    for key in ("blocks.0.attn[0]", "blocks.0.ln", "blocks.0.fc", "blocks.0", "blocks"):
        assert (axes[key].dims, axes[key].words, axes[key].grid) == ("LNC", (), (4, 5)), key
    assert axes["blocks.1.attn[1]"].dims == "NAQK"


def test_the_text_branch_of_a_model_for_both_has_no_grid():
    branch = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 3}
    clip = hugging_face(
        "CLIP", text_config={**branch, "vocab_size": 50, "eos_token_id": 49, "bos_token_id": 0},
        vision_config={**branch, "image_size": 64, "patch_size": 16},
    )  # fmt: skip
    # 17 tokens are 4 x 4 and one more, in the text as well
    axes = axes_in(clip, torch.randint(49, (2, 17)), torch.randn(2, 3, 64, 64))
    tokens = {key: found for key, found in axes.items() if "L" in found.dims}
    assert len(tokens) > 15
    for key, found in tokens.items():
        assert found.grid == (None if "text" in key else (4, 4)), key


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_have_states_and_are_centered_on_zero(kind, batch_first):
    net = kind(5, 6, num_layers=2, bidirectional=True, batch_first=batch_first)
    axes = axes_in(net, torch.randn(4, 7, 5))
    out = axes.pop(".[0]")
    assert (out.dims, out.signed) == ("NLC" if batch_first else "LNC", True)
    assert len(axes) == (2 if kind is nn.LSTM else 1)
    for state in axes.values():
        assert (state.dims, state.signed) == ("SNC", True)
        assert "state" in state.words[0]
    alone = axes_in(net, torch.randn(7, 5))
    assert alone.pop(".[0]").dims == "LC"
    assert {found.dims for found in alone.values()} == {"SC"}


def test_packed_sequences_and_single_steps_have_letters_too():
    net = nn.Sequential(nn.LSTM(5, 6))
    run = recorded(net, pack_sequence([torch.randn(4, 5), torch.randn(2, 5)]))
    packed = {key: layout_of(found, View()) for key, found in run.activations.items()}
    assert packed["0[0][0]"].dims == "LC"
    assert "packed" in packed["0[0][0]"].words[0]
    assert packed["0[1][0]"].dims == "SNC"
    cell = axes_in(nn.LSTMCell(5, 6), torch.randn(3, 5))
    assert [(found.dims, found.signed) for found in cell.values()] == [("NC", True)] * 2


def test_the_rows_of_an_image_read_by_a_recurrent_layer_are_no_patches():
    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(25, 6, batch_first=True)

        def forward(self, x):
            return self.lstm(x[:, 0])[0]

    out = axes_in(Rows(), torch.randn(1, 1, 25, 25))["lstm[0]"]
    assert (out.dims, out.grid, out.words) == ("NLC", None, ())


def test_channel_attention_returns_channels():
    class SpatialAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(4, 2, 3, padding=1), nn.Sigmoid()

        def forward(self, x):
            return self.gate(self.conv(x))

    assert set(letters_in(SpatialAttention(), torch.randn(1, 4, 9, 9)).values()) == {"NCHW"}


def activation(shape, key="enc", image=None, grids=()):
    pixels = None if image is None else torch.zeros(image)
    return Activation(key, key, "Module", 1, torch.zeros(shape), inputs=PassInputs(pixels, grids))


def test_a_layout_that_is_given_overrules():
    volume = activation((1, 5, 24, 24))
    assert layout_of(volume, View(layout="NHWC")).dims == "NHWC"
    assert layout_of(activation((2, 7, 4, 6, 6)), View(layout="NCTHW")).dims == "NCDHW"
    assert layout_of(activation((2, 7, 4)), View(layout="NTC")).dims == "NLC"
    assert layout_of(activation((4, 5, 6)), View(layout="CHW")).words == ()


def test_of_several_layers_a_layout_is_for_those_of_as_many_axes():
    view, without = View(layout="NHWC", cmap="gray"), View(cmap="gray")
    picture, tokens = activation((2, 5, 6, 4)), activation((2, 7, 4))
    assert fitting(picture, view, 2) == view
    assert fitting(tokens, view, 2) == without
    assert fitting(tokens, view, 1) == view  # so that it is refused
    assert fitting(tokens, without, 2) is without
    ghost = replace(tokens, tensor=tokens.tensor.to("meta"))
    assert fitting(ghost, view, 2) == view  # it has no picture, whatever the view


def test_one_plane_for_each_image_is_known_by_the_size_of_the_input():
    """A depth map or a mask; features are never taken for one where a module says so."""
    image = (5, 3, 24, 32)
    depth = layout_of(activation((5, 24, 32), image=image), View())
    assert (depth.dims, depth.words) == ("NHW", ("NHW assumed",))
    for shape in ((5, 24, 31), (5, 23, 32), (4, 24, 32), (24, 32, 5)):
        assert layout_of(activation(shape, image=image), View()).dims != "NHW", shape
    assert layout_of(activation((5, 24, 32)), View()).dims == "CHW"
    assert layout_of(activation((5, 24, 32, 1), image=image), View()).dims == "NCHW"
    sure = LayoutHint(says=(FeatureAxis("last", 32),), own=True)
    known = replace(activation((5, 24, 32), image=image), hint=sure)
    assert layout_of(known, View()).dims == "NLC"


def test_a_layout_of_another_number_of_axes_is_refused_with_those_that_fit():
    with pytest.raises(LayoutMismatch) as error:
        layout_of(activation((1, 5, 24, 24), "cnn1"), View(layout="NLC"))
    assert str(error.value).startswith(
        "cnn1 has 4 axes (1, 5, 24, 24), and layout NLC has 3. These would fit: NCHW, NHWC, "
    )
    assert all(len(layout) == rank for rank in range(1, 6) for layout in layouts_for(rank))
    for rank in range(1, 6):
        for layout in layouts_for(rank):
            assert layout_of(activation((2,) * rank), View(layout=layout)).dims


@pytest.mark.parametrize("known", LAYOUTS, ids=lambda known: known.dims)
def test_every_known_layout_can_be_asked_for_and_drawn(known):
    tensor = torch.rand(tuple(range(2, 2 + len(known.dims))))
    view = View(layout=known.dims)
    layout = layout_of(activation(tuple(tensor.shape)), view)
    assert layout.dims == known.dims
    assert planes_of(tensor, Layout(known.dims), view).values.dim() == 4


def test_the_layouts_that_the_help_names_are_known():
    assert set(validators.COMMON_LAYOUTS) <= {known.dims for known in LAYOUTS}


def test_a_grid_that_is_given_overrules():
    tokens = activation((1, 846, 8), image=(1, 3, 200, 200), grids=((14, 14),))
    view = View(layout="NLC", grid=(29, 29))
    assert layout_of(tokens, view).grid == (29, 29)
    assert layout_of(tokens, view).prefix == ("CLS", "R1", "R2", "R3", "R4")
    text = activation((1, 17, 8))
    assert layout_of(text, View(layout="NLC", prefix_tokens=1)).grid == (4, 4)
    wide = activation((1, 29, 8), image=(1, 3, 64, 112), grids=((4, 7), (2, 4)))
    assert layout_of(wide, View(layout="NLC", prefix_tokens=1)).grid == (4, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"grid": (30, 30)},
            "846 tokens don't form a 30 x 30 grid: 846 = 29 x 29 + 5 prefix tokens.",
        ),
        (
            {"grid": (29, 29), "prefix_tokens": 1},
            "846 tokens don't form a 29 x 29 grid after 1 prefix token: "
            "846 = 29 x 29 + 5 prefix tokens.",
        ),
        (
            {"prefix_tokens": 2},
            "846 tokens don't form a grid after 2 prefix tokens: 846 = 29 x 29 + 5 prefix tokens.",
        ),
    ],
)
def test_a_grid_that_does_not_fit_is_refused_with_one_that_does(options, message):
    tokens = activation((1, 846, 8), image=(1, 3, 406, 406), grids=((29, 29),))
    with pytest.raises(FeatmagicError) as error:
        layout_of(tokens, View(layout="NLC", **options))
    assert str(error.value) == f"enc: {message}"


@pytest.mark.parametrize(
    ("convolution", "size"),
    [
        (nn.Conv2d(3, 4, 16, 16), (224, 320)),
        (nn.Conv2d(3, 4, 7, 4, 3), (225, 130)),
        (nn.Conv2d(3, 4, (5, 3), (3, 2), (1, 0), (2, 1)), (61, 40)),
        (nn.Conv2d(3, 4, 5, padding="same"), (20, 30)),
        (nn.Conv2d(3, 4, 5, padding="valid"), (20, 30)),
    ],
)
def test_the_first_grid_is_what_the_first_convolution_makes(convolution, size):
    pixels = torch.randn(2, 3, *size)
    found = pass_inputs(nn.Sequential(nn.Conv2d(1, 1, 1), convolution), (), {"pixels": [pixels]})
    assert found.grids[0] == tuple(convolution(pixels).shape[2:])
    assert torch.equal(found.image, pixels)


@pytest.mark.parametrize(
    ("tensor", "is_image"),
    [
        (torch.rand(1, 3, 8, 8), True),
        (torch.rand(1, 1, 8, 8), True),
        (torch.zeros(2, 4, 8, 8, dtype=torch.uint8), True),
        (torch.rand(3, 8, 8), True),
        (torch.rand(1, 8, 8), False),  # tokens, for all the model says
        (torch.rand(1, 2, 8, 8), False),
        (torch.rand(1, 3, 8, 8, dtype=torch.complex64), False),
        (torch.zeros(1, 3, 8, 8, dtype=torch.int64), False),
        (torch.rand(1, 197, 768), False),
        (torch.rand(3), False),
    ],
    ids=lambda value: str(getattr(value, "shape", value)),
)
def test_an_image_is_known_by_its_shape(tensor, is_image):
    image = pass_inputs(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 1, 3)), (tensor,), {}).image
    assert (image is not None) == is_image
    if is_image:
        assert image.shape[-3:] == tensor.shape[-3:]
        assert image.dim() == 4


def test_the_image_is_a_copy_from_before_the_model_ran():
    class Spoils(nn.Module):
        def forward(self, x):
            return x.zero_()

    x = torch.rand(1, 3, 8, 8)
    before = x.clone()
    run = recorded(nn.Sequential(Spoils()), x)
    assert torch.equal(run.inputs.image, before)
    assert run.activations["0"].inputs is run.inputs


def test_a_pass_of_a_part_alone_has_nothing_given():
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    with Recorder(select(model, ["0"])) as recorder:
        model[0](torch.rand(1, 3, 8, 8))
    assert recorder.last.inputs.image is None
    assert recorder.last.inputs.grids == ()


class Unreadable(dict):
    def __iter__(self):
        raise RuntimeError("not now")

    keys = items = __iter__


@pytest.mark.parametrize("argument", [Unreadable(a=1), lambda: 1, threading.Lock(), None, "text"])
def test_whatever_is_given_the_forward_goes_on(argument):
    class Ignores(nn.Module):
        def forward(self, x, y=None):
            return torch.ones(1)

    model = nn.Sequential()
    model.inner = Ignores()
    for args, kwargs in (((argument,), {}), ((None,), {"y": argument})):
        with Recorder(select(model.inner, ["."]), as_is=True) as recorder:
            model.inner(*args, **kwargs)
        assert recorder.last.inputs.image is None


def test_a_layers_memory_stays_while_the_layer_does():
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    x = torch.rand(1, 3, 8, 8)
    first = recorded(model, x).activations["0"].cache
    first.orders["0", 4] = (3, 2, 1, 0)
    assert recorded(model, x).activations["0"].cache is first
    assert recorded(copy.deepcopy(model), x).activations["0"].cache.orders == {}
    assert pickle.loads(pickle.dumps(first)).orders == first.orders
    assert b"featmagic" not in pickle.dumps(model)


def test_a_memory_is_gone_with_its_layer():
    from featmagic.recording.layer_cache import _CACHES

    gc.collect()
    before = len(_CACHES)
    layer = nn.ReLU()
    layer_cache_of(layer)
    assert len(_CACHES) == before + 1
    del layer
    assert len(_CACHES) == before


def test_tokens_as_many_as_samples_are_said_to_be_assumed():
    """Beside torch's encoder, which has the length first here, only sizes could tell the axes."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.embed = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x):
            tokens = self.embed(self.conv(x).flatten(2).permute(2, 0, 1))
            return self.attention(tokens, tokens, tokens)[0]

    doubt = ("LNC assumed, NLC would fit too",)
    for samples, words in ((2, ()), (4, doubt)):  # of 4 tokens each
        axes = axes_in(Encoder(), torch.rand(samples, 3, 8, 8))["embed"]
        assert (axes.dims, axes.words) == ("LNC", words)


def test_channels_last_behind_a_convolution_is_found_where_the_input_agrees():
    """The convolution says that features are first; only the size of the image tells otherwise."""

    class Moved(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 5, 4, 4), nn.GELU()

        def forward(self, x):
            return self.act(self.conv(x).permute(0, 2, 3, 1))

    axes = axes_in(Moved(), torch.rand(2, 3, 32, 24))
    assert (axes["act"].dims, axes["act"].words) == ("NHWC", ("NHWC assumed",))
    assert (axes["."].dims, axes["."].words) == ("NHWC", ("NHWC assumed",))
    assert (axes["conv"].dims, axes["conv"].words) == ("NCHW", ())
    # 5 x 6 would be a grid of the input as well: what the module says goes first.
    square = axes_in(Moved(), torch.rand(2, 3, 20, 20))
    assert square["act"].dims == "NCHW"


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64])
def test_masks_and_indices_are_no_features(dtype):
    """An index of a largest value has no channels, wherever the module has its own."""

    class Mask(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 5)

        def forward(self, x):
            return (self.fc(x) > 0).to(dtype)

    axes = axes_in(Mask(), torch.rand(2, 4, 5, 6))
    assert (axes["."].dims, axes["."].words) == ("NCHW", ())
    assert (axes["fc"].dims, axes["fc"].words) == ("NHWC", ())


def test_weights_inside_an_attention_are_weights_even_if_there_are_as_many_tokens_as_features():
    class SelfAttention(nn.Module):
        def __init__(self):
            super().__init__()
            self.num_heads, self.query, self.soft = 2, nn.Linear(8, 8), nn.Softmax(-1)

        def forward(self, x):
            heads = self.query(x).unflatten(-1, (2, 4)).transpose(1, 2)
            return self.soft(heads @ heads.transpose(-1, -2))

    axes = axes_in(nn.Sequential(SelfAttention(), nn.Identity()), torch.rand(1, 8, 8))
    assert (axes["0.soft"].dims, axes["0.soft"].words) == ("NAQK", ())

"""Inside of an attention: features of each head, and windows that are no samples."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import featmagic
from featmagic.options.view import View
from featmagic.planes.layout import Layout, layout_of
from featmagic.planes.planes import planes_of
from featmagic.support.errors import FeatmagicError


class Attention(nn.Module):
    """An attention as timm has it, whose heads are split before queries and keys are normed."""

    def __init__(self, norm, dim=48, heads=3, *, tokens_first=False, states_size=True):
        super().__init__()
        self.num_heads, self.tokens_first = heads, tokens_first
        if states_size:
            self.head_dim = dim // heads
        self.size = dim // heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm, self.k_norm = norm(self.size), norm(self.size)
        self.attn_drop, self.proj = nn.Dropout(0.0), nn.Linear(dim, dim)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.num_heads, self.size).unbind(2)
        if self.tokens_first:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        if not self.tokens_first:
            q, k = self.q_norm(q), self.k_norm(k)
        weights = self.attn_drop((q @ k.transpose(-2, -1)).softmax(-1))
        return self.proj((weights @ v).transpose(1, 2).reshape(n, length, width))


def captured(module, x):
    torch.manual_seed(0)
    with featmagic.capture(module.eval(), "**", ".") as maps:
        module(x)
    return maps


def dims(maps, key, **view):
    return layout_of(maps.kept.activations[key], View(**view)).dims


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.Identity])
@pytest.mark.parametrize("length", [5, 16])  # 16 is also the number of features of a head
@pytest.mark.parametrize("states_size", [True, False])
def test_norms_of_queries_and_keys_have_heads_tokens_and_features(norm, length, states_size):
    maps = captured(Attention(norm, states_size=states_size), torch.rand(2, length, 48))
    assert maps["q_norm"].shape == (2, 3, length, 16)
    assert [dims(maps, key) for key in ("q_norm", "k_norm")] == ["NALC", "NALC"]
    assert dims(maps, "attn_drop") == "NAQK"
    assert [dims(maps, key) for key in ("qkv", "proj", ".")] == ["NLC"] * 3


def test_tokens_may_come_before_the_heads():
    maps = captured(Attention(nn.LayerNorm, tokens_first=True), torch.rand(2, 5, 48))
    assert maps["q_norm"].shape == (2, 5, 3, 16)
    assert dims(maps, "q_norm") == "NLAC"
    maps = captured(Attention(nn.LayerNorm, tokens_first=True), torch.rand(2, 3, 48))
    layout = layout_of(maps.kept.activations["q_norm"], View())
    assert (layout.dims, layout.words) == ("NALC", ("NALC assumed, NLAC would fit too",))


def test_the_same_module_outside_of_an_attention_is_read_as_before():
    class Mixer(Attention):  # says nothing of an attention
        pass

    maps = captured(Mixer(nn.Identity), torch.rand(2, 5, 48))
    assert dims(maps, "q_norm") == "NCHW"


def test_a_size_that_the_attention_does_not_name_is_no_head():
    attention = Attention(nn.Identity)
    attention.num_heads = attention.head_dim = 8  # as attributes that say something else
    attention.forward = lambda x: attention.q_norm(x)
    maps = captured(attention, torch.rand(2, 3, 5, 16))
    assert dims(maps, "q_norm") == "NCHW"


def test_the_caption_says_what_runs_down_and_across_in_a_tile_per_head():
    maps = captured(Attention(nn.Identity), torch.rand(2, 5, 48))
    ((caption, png),) = maps.pictures("q_norm")
    assert "NALC, 3 of 3 heads, sample 0, 5 tokens down, 16 features across" in caption
    assert png


@pytest.mark.parametrize("layout", ["NALC", "NLAC"])
def test_a_plane_is_the_tokens_by_features_of_a_head(layout):
    tensor = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    of = {letter: place for place, letter in enumerate(layout)}
    planes = planes_of(tensor, Layout(layout), View(sample="1"))
    assert (planes.noun, planes.item, planes.axes) == ("heads", "head", ("token", "feature"))
    expected = tensor[1].movedim(of["A"] - 1, 0)
    assert torch.equal(planes.values[0], expected)


@pytest.mark.parametrize("heads", [(4, 2), (4, 4)])
@pytest.mark.parametrize(("name", "expected"), [("Qwen3", "NLAC"), ("Gemma3Text", "NALC")])
def test_models_of_transformers_are_read_by_what_their_attention_says(name, expected, heads):
    transformers = pytest.importorskip("transformers")
    config, model = (getattr(transformers, f"{name}{kind}", None) for kind in ("Config", "Model"))
    if model is None:
        pytest.skip(f"this version has no {name}")
    net = model(config(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                       num_attention_heads=heads[0], num_key_value_heads=heads[1],
                       head_dim=8))  # fmt: skip
    with featmagic.capture(net, "**.q_norm", "**.k_norm") as maps:
        net(torch.zeros(1, 6, dtype=torch.long))
    assert [dims(maps, key) for key in maps] == [expected] * 2
    place = expected.index("A")
    assert [maps[key].shape[place] for key in maps] == list(heads)


# Windows


class WindowAttention(nn.Module):
    def __init__(self, dim, window):
        super().__init__()
        self.window_size, self.num_heads = window, 2
        self.qkv, self.softmax, self.proj = (
            nn.Linear(dim, 3 * dim),
            nn.Softmax(-1),
            nn.Linear(dim, dim),
        )

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        return self.proj((self.softmax(q @ k.mT) @ v).transpose(1, 2).reshape(n, length, width))


class Swin(nn.Module):
    """A block with windows of 4 x 4 on patches, with the size where implementations have it."""

    def __init__(self, where="attention", side=4):
        super().__init__()
        self.embed, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.block = nn.Module()
        self.block.attn = WindowAttention(8, (side, side))
        self.side = side
        if where == "block":
            del self.block.attn.window_size
            self.block.window_size = side

    def forward(self, x):
        x = self.norm(self.embed(x).permute(0, 2, 3, 1))
        n, height, width, channels = x.shape
        s = self.side
        x = x.reshape(n, height // s, s, width // s, s, channels).transpose(2, 3)
        return self.block.attn(x.reshape(-1, s * s, channels))


@pytest.mark.parametrize("where", ["attention", "block"])
def test_what_an_attention_in_windows_returns_has_windows_and_no_samples(where):
    maps = captured(Swin(where), torch.rand(2, 3, 32, 32))
    for key in ("block.attn.qkv", "block.attn.proj", "block.attn"):
        layout = layout_of(maps.kept.activations[key], View())
        assert (layout.dims, layout.batch, layout.grid, layout.words) == (
            "NLC",
            "window",
            (4, 4),
            (),
        )
    weights = layout_of(maps.kept.activations["block.attn.softmax"], View())
    assert (weights.dims, weights.batch) == ("NAQK", "window")
    assert layout_of(maps.kept.activations["norm"], View()).batch == "sample"


def test_the_caption_and_the_rows_name_windows():
    maps = captured(Swin(), torch.rand(2, 3, 32, 32))
    captions = [caption for caption, _ in maps.pictures("block.attn.proj", sample="1,5")]
    assert "windows 1, 5" in captions[0]
    assert "sample" not in captions[0]
    activation = maps.kept.activations["block.attn.proj"]
    view = View(sample="1,5")
    planes = planes_of(activation.tensor, layout_of(activation, view), view)
    assert planes.rows == ("w1", "w5")
    assert torch.equal(planes.values[1, 0].flatten(), activation.tensor[5, :, 0])
    with pytest.raises(FeatmagicError, match="window"):
        maps.show("block.attn.proj", sample=8)
    ((caption, _),) = maps.pictures("block.attn.proj", input=True)
    assert "not on the input: 8 windows, but 2 inputs" in caption


def test_one_window_a_sample_is_the_sample():
    maps = captured(Swin(), torch.rand(3, 3, 16, 16))
    assert layout_of(maps.kept.activations["block.attn.proj"], View()).batch == "sample"


def test_swin_of_transformers_has_windows_in_its_attention_alone():
    transformers = pytest.importorskip("transformers")
    config = transformers.SwinConfig(image_size=56, patch_size=4, embed_dim=12, depths=[1, 1],
                                     num_heads=[2, 4], window_size=7)  # fmt: skip
    model = transformers.SwinModel(config)
    maps = captured(model, torch.rand(2, 3, 56, 56))
    shapes = {k: a for k, a in maps.kept.activations.items() if a.tensor.dim() == 3}
    windows = {k for k, a in shapes.items() if layout_of(a, View()).batch == "window"}
    assert windows == {
        k for k, a in shapes.items() if len(a.tensor) == 8 and a.tensor.shape[1] == 49
    }
    assert windows

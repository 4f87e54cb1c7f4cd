"""A look has the weights of each head, and the model computes what it would without it."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers.networks import hooks_on
from torch import nn

import featmagic
from featmagic.options.view import View
from featmagic.planes.layout import layout_of
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select


def weights_by_hand(attention, query, key, masked=None):
    """softmax(Q K^T / sqrt(d)) of batch-first tokens, from the module's own parameters."""
    n, width = query.shape[0], attention.embed_dim
    per_head = width // attention.num_heads
    w, b = attention.in_proj_weight, attention.in_proj_bias
    q = query @ w[:width].T + b[:width]
    k = key @ w[width : 2 * width].T + b[width : 2 * width]
    q, k = (t.reshape(n, -1, attention.num_heads, per_head).transpose(1, 2) for t in (q, k))
    scores = q @ k.transpose(-2, -1) / per_head**0.5
    if masked is not None:
        scores = scores.masked_fill(masked, -torch.inf)
    return scores.softmax(-1)


@pytest.fixture
def attention():
    module = nn.MultiheadAttention(16, 2, batch_first=True)
    nn.init.normal_(module.in_proj_bias)
    return module.eval()


def look(attention, *args, **kwargs):
    with featmagic.capture(attention, ".") as maps:
        attention(*args, **kwargs)
    return maps


def test_a_vision_transformer_gives_its_weights_and_computes_the_same_bits():
    models = pytest.importorskip("torchvision").models
    vit = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    ).eval()
    nn.init.normal_(vit.heads.head.weight)
    x = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        alone = vit(x)
    with featmagic.capture(vit, "**.ln_1", "**.self_attention") as maps:
        assert torch.equal(vit(x), alone)
    assert hooks_on(vit) == []
    for n in range(2):
        block = f"encoder.layers.encoder_layer_{n}"
        weights = maps[f"{block}.self_attention[1]"]
        tokens = maps[f"{block}.ln_1"]
        by_hand = weights_by_hand(vit.get_submodule(f"{block}.self_attention"), tokens, tokens)
        assert weights.shape == (3, 2, 17, 17)
        torch.testing.assert_close(weights, by_hand.detach())
        assert not weights.requires_grad


def test_what_a_look_returns_is_bit_for_bit_what_the_module_returns(attention):
    x = torch.randn(2, 7, 16)
    with torch.no_grad():
        alone = attention(x, x, x, need_weights=False)
    with featmagic.capture(attention, ".") as maps:
        out, weights = attention(x, x, x, need_weights=False)
    assert torch.equal(out, alone[0])
    assert weights is None  # the user's own result is left as it is
    assert torch.equal(maps[".[0]"], out)
    torch.testing.assert_close(maps[".[1]"], weights_by_hand(attention, x, x))


@pytest.mark.parametrize("positional", [True, False])
def test_the_weights_are_those_of_the_calls_own_arguments(attention, positional):
    query, memory = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    padding = torch.zeros(2, 7, dtype=torch.bool)
    padding[1, 4:] = True
    blocked = torch.triu(torch.ones(5, 7, dtype=torch.bool), diagonal=3)
    if positional:
        maps = look(attention, query, memory, memory, padding, False, blocked)
    else:
        maps = look(
            attention, query, value=memory, key=memory, need_weights=False,
            key_padding_mask=padding, attn_mask=blocked,
        )  # fmt: skip
    by_hand = weights_by_hand(attention, query, memory, padding[:, None, None] | blocked)
    torch.testing.assert_close(maps[".[1]"], by_hand)
    assert (maps[".[1]"][1, :, :, 4:] == 0).all()


def test_the_length_may_come_first(attention):
    attention.batch_first = False
    x = torch.randn(7, 2, 16)
    by_hand = weights_by_hand(attention, x.transpose(0, 1), x.transpose(0, 1))
    torch.testing.assert_close(look(attention, x, x, x, need_weights=False)[".[1]"], by_hand)


def test_tokens_without_a_batch_have_weights_without_one(attention):
    x = torch.randn(7, 16)
    recorder = Recorder(select(attention, ["."]))
    with torch.no_grad(), recorder:
        attention(x, x, x, need_weights=False)
    found = recorder.last.activations[".[1]"]
    torch.testing.assert_close(found.tensor, weights_by_hand(attention, x[None], x[None])[0])
    assert layout_of(found, View()).dims == "AQK"


def test_weights_that_the_call_returned_are_kept_as_they_are(attention):
    x = torch.randn(3, 7, 16)
    recorder = Recorder(select(attention, ["."]))
    with torch.no_grad(), recorder:
        _, averaged = attention(x, x, x)
    found = recorder.last.activations[".[1]"]
    assert torch.equal(found.tensor, averaged)
    assert layout_of(found, View()).dims == "NQK"
    with torch.no_grad(), recorder:
        attention(x[:2], x[:2], x[:2])
    unsure = layout_of(recorder.last.activations[".[1]"], View())
    assert unsure.words == ("NQK assumed, AQK would fit too",)  # 2 samples, 2 heads
    with torch.no_grad(), recorder:
        _, heads = attention(x, x, x, average_attn_weights=False)
    found = recorder.last.activations[".[1]"]
    assert torch.equal(found.tensor, heads)
    assert layout_of(found, View()).dims == "NAQK"


def test_a_watch_asks_for_nothing(attention):
    x = torch.randn(2, 7, 16)
    with featmagic.capture(attention, ".", as_is=True) as maps:
        attention(x, x, x, need_weights=False)
    assert list(maps) == [".[0]"]


def test_random_numbers_are_left_alone_and_training_is_said():
    attention = nn.MultiheadAttention(16, 2, dropout=0.5, batch_first=True)
    x = torch.randn(2, 7, 16)
    torch.manual_seed(1)
    with torch.no_grad():
        alone = attention.train()(x, x, x, need_weights=False)[0]
        after = torch.rand(3)
    torch.manual_seed(1)
    with featmagic.capture(attention, ".") as maps:
        attention.train()
        out = attention(x, x, x, need_weights=False)[0]
        assert torch.equal(torch.rand(3), after)
    assert torch.equal(out, alone)
    assert list(maps) == [".[0]"]
    assert "eval mode" in maps.missing[".[1]"]
    state = torch.get_rng_state()
    assert list(look(attention, x, x, x, need_weights=False)) == [".[0]", ".[1]"]
    assert torch.equal(torch.get_rng_state(), state)


def test_no_hook_of_the_users_runs_a_second_time(attention):
    calls = []
    attention.register_forward_hook(lambda *_: calls.append("forward"))
    attention.out_proj.register_forward_hook(lambda *_: calls.append("out_proj"))
    x = torch.randn(2, 7, 16)
    assert ".[1]" in look(attention, x, x, x, need_weights=False)
    assert calls == ["forward"]


def test_a_module_with_a_forward_of_its_own_is_not_asked():
    class Own(nn.MultiheadAttention):
        def forward(self, x):
            return super().forward(x, x, x, need_weights=False)

    x = torch.randn(2, 7, 16)
    maps = look(Own(16, 2), x)
    assert list(maps) == [".[0]"]
    assert not maps.missing


def test_an_encoder_gives_the_weights_of_the_layers_that_are_looked_at():
    # With an activation for which torch has no kernel that runs the whole layer.
    layer = nn.TransformerEncoderLayer(16, 2, 32, activation=nn.SiLU(), batch_first=True)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).eval()
    x = torch.randn(2, 7, 16)
    with featmagic.capture(encoder, "layers.1.self_attn") as maps:
        encoder(x)
    assert list(maps) == ["layers.1.self_attn[0]", "layers.1.self_attn[1]"]
    tokens = encoder.layers[0](x)
    by_hand = weights_by_hand(encoder.layers[1].self_attn, tokens, tokens).detach()
    torch.testing.assert_close(maps["layers.1.self_attn[1]"], by_hand)


def test_one_call_may_be_asked_for_alone(attention):
    class Twice(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            x = self.inner(x, x, x, need_weights=False)[0]
            return self.inner(x, x, x, need_weights=False)[0]

    model, x = Twice(attention), torch.randn(2, 7, 16)
    with featmagic.capture(model, "inner:2") as maps:
        model(x)
    assert list(maps) == ["inner:2[0]", "inner:2[1]"]


class Long(torch.Tensor):
    """Tokens so many that there is no memory for the weights of all their pairs."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if kwargs and kwargs.get("need_weights"):
            raise RuntimeError("Tried to allocate 80 GiB.\nMore.")
        return super().__torch_function__(function, types, args, kwargs or {})


def test_weights_that_can_not_be_had_leave_the_forward_alone_and_are_said(attention):
    x = torch.randn(2, 7, 16)
    with torch.no_grad():
        alone = attention(x.as_subclass(Long), x, x, need_weights=False)[0]
    with featmagic.capture(attention, ".") as maps:
        out = attention(x.as_subclass(Long), x, x, need_weights=False)[0]
    assert torch.equal(out, alone)
    assert list(maps) == [".[0]"]
    reason = "its attention weights can't be computed: Tried to allocate 80 GiB."
    assert maps.missing == {".[1]": reason}


def test_a_copy_made_while_looking_carries_nothing_that_runs(attention):
    x = torch.randn(2, 7, 16)
    with featmagic.capture(attention, "."):
        twin = copy.deepcopy(attention)
    assert all(type(hook).__module__ == "builtins" for hook in hooks_on(twin))
    assert torch.equal(twin(x, x, x)[0], attention(x, x, x)[0])
    assert hooks_on(attention) == []


def limited_to(monkeypatch, most):
    monkeypatch.setattr("featmagic.recording.attention.MOST_BYTES", most)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_weights_are_asked_for_up_to_a_size_which_is_said(batch_first, batched, monkeypatch):
    attention = nn.MultiheadAttention(16, 2, batch_first=batch_first).eval()
    query, memory = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    if not batch_first:
        query, memory = query.transpose(0, 1), memory.transpose(0, 1)
    if not batched:
        query, memory = torch.randn(5, 16), torch.randn(7, 16)
    size = (3 if batched else 1) * 2 * 5 * 7 * 4
    limited_to(monkeypatch, size)
    maps = look(attention, query, memory, memory, need_weights=False)
    assert maps[".[1]"].untyped_storage().nbytes() == size
    limited_to(monkeypatch, size - 1)
    maps = look(attention, query, memory, memory, need_weights=False)
    assert list(maps) == [".[0]"]
    reason = maps.missing[".[1]"]
    assert f"would take {size} B, more than the {size - 1} B" in reason
    assert "fewer tokens" in reason


def test_a_long_sequence_takes_no_more_memory_in_a_look_than_without():
    """The weights of 20,000 tokens would take 3.2 GB: more than the look may ask for."""
    attention = nn.MultiheadAttention(2, 2, batch_first=True).eval()
    calls = []
    x = torch.randn(1, 20_000, 2)

    class Counts(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if function is torch.nn.functional.multi_head_attention_forward:
                calls.append(kwargs["need_weights"])
                return args[0], None  # the real one would take minutes
            return function(*args, **kwargs)

    with Counts():
        maps = look(attention, x, x, x, need_weights=False)
    assert True not in calls
    assert "3.2 GB, more than the 64 MB" in maps.missing[".[1]"]


def test_weights_that_were_asked_for_are_kept_without_a_copy(attention, monkeypatch):
    x, copies = torch.randn(2, 7, 16), []
    original = featmagic.recording.sinks.copied
    monkeypatch.setattr(
        "featmagic.recording.sinks.copied", lambda tensor: copies.append(tensor) or original(tensor)
    )
    maps = look(attention, x, x, x, need_weights=False)
    assert [tuple(tensor.shape) for tensor in copies] == [(2, 7, 16)]
    torch.testing.assert_close(maps[".[1]"], weights_by_hand(attention, x, x))


def test_weights_of_a_pass_in_inference_mode_may_be_changed(attention):
    x = torch.randn(2, 7, 16)
    with torch.inference_mode():
        maps = look(attention, x, x, x, need_weights=False)
    torch.testing.assert_close(maps[".[1]"].add_(0), weights_by_hand(attention, x, x).detach())

"""A body in inference mode shows what it shows without, and leaves tensors that can be used."""

from __future__ import annotations

import pytest
import torch
from helpers.networks import hooks_on

import featmagic

BODIES = {
    "a block": "with torch.inference_mode():\n    y = model(x)",
    "a decorator": "@torch.inference_mode()\ndef predict():\n    return model(x)\ny = predict()",
    "given inference tensors": "with torch.inference_mode():\n    z = x + 0\n    y = model(z)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("options", ["", "--input", "--overlay", "--overview", "--explore"])
def test_a_look_shows_the_same_as_outside_of_inference_mode(shell, body, options):
    outside = shell.run(f"%%featuremaps model cnn1 act1 {options}\ny = model(x)")
    truth = {key: maps.clone() for key, maps in shell.names["feature_maps"].items()}
    inside = shell.run(f"%%featuremaps model cnn1 act1 {options}\n{body}")
    assert inside == outside
    assert all(torch.equal(shell.names["feature_maps"][key], truth[key]) for key in truth)
    assert not shell.names["feature_maps"].missing
    assert hooks_on(shell.names["model"]) == []


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_watch_keeps_the_values_and_shows_them_over_the_input(shell, body):
    shell.run("%hook model cnn1")
    shell.run(body)
    model, x = shell.names["model"], shell.names["x"]
    with torch.no_grad():
        assert torch.equal(shell.names["feature_maps"]["cnn1"], model.cnn1(x))
    shown = shell.run("%featuremaps cnn1 --overlay")
    assert "over the input" in shown


@pytest.mark.parametrize("as_is", [False, True])
def test_a_page_of_such_a_pass_has_its_input_image(model, x, tmp_path, as_is):
    pages = []
    for number, mode in enumerate((torch.inference_mode, torch.no_grad)):
        with featmagic.capture(model, "cnn1", as_is=as_is) as maps, mode():
            model.eval()(x)
        (page,) = maps.save(tmp_path / f"{number}.html")
        pages.append(page.read_bytes())
    assert pages[0] == pages[1]
    assert b"image/0" in pages[0]


def test_what_is_kept_may_be_changed_and_used_for_gradients(model, x):
    with torch.inference_mode(), featmagic.capture(model, "cnn1") as maps:
        model(x)
    kept = maps["cnn1"]
    kept.add_(1)
    weight = torch.ones((), requires_grad=True)
    (kept * weight).sum().backward()
    torch.testing.assert_close(weight.grad, kept.sum())

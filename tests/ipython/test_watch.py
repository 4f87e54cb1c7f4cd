"""`%hook`: layers selected by name, with hooks only while a cell runs."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

import pytest
import torch
from helpers.networks import DNN, Block, flags_of, hooks_on, images
from torch import nn

from featmagic import FeatmagicError


def test_every_later_cell_that_runs_the_model_refreshes_the_maps(shell, model):
    printed = shell.run("%hook model cnn1 act1 pool1")
    assert printed == "Watching cnn1, act1, pool1 of model → feature_maps\n"
    shell.run("y = model(x)")
    printed = shell.run(
        'for layer_name, feature_map in feature_maps.items(): print(f"{layer_name}: '
        '{feature_map.shape}")'
    )
    assert printed.splitlines() == [
        "cnn1: torch.Size([1, 5, 24, 24])",
        "act1: torch.Size([1, 5, 24, 24])",
        "pool1: torch.Size([1, 5, 12, 12])",
    ]
    assert shell.value('feature_maps["cnn1"].squeeze().cpu().numpy()').shape == (5, 24, 24)
    shell.names["x"] = images(3, seed=4)
    shell.run("y = model(x)")
    with torch.no_grad():
        assert torch.equal(shell.names["feature_maps"]["cnn1"], model.cnn1(shell.names["x"]))


def test_the_cell_with_the_hook_is_watched_at_once(shell):
    assert shell.value("%hook model cnn1\ny = model(x)\nlist(feature_maps)") == ["cnn1"]


def test_hooks_are_on_only_while_a_cell_runs(shell, model):
    between = []
    shell.ip.events.register("post_run_cell", lambda _: between.append(len(hooks_on(model))))
    shell.names["hooks_on"] = hooks_on
    shell.run("%hook model cnn1")
    assert shell.value("len(hooks_on(model))") > 0
    shell.run("1")
    shell.error("1 / 0")
    shell.error("raise KeyboardInterrupt")
    shell.attempt("this is no Python")
    shell.run("   ")
    assert set(between) == {0}
    assert hooks_on(model) == []


def test_a_cell_inside_a_cell_leaves_the_hooks_on_until_the_outermost_ends(shell, model):
    shell.names["hooks_on"] = hooks_on
    shell.run("%hook model cnn1")
    inner = "%%capture nothing\n\ny = model(x)"
    shell.run(
        "counts = [len(hooks_on(model))]\n"
        f"get_ipython().run_cell({inner!r})\n"
        "get_ipython().run_cell('   ')\n"
        "get_ipython().run_cell('1 + 1', silent=True)\n"
        "counts.append(len(hooks_on(model)))"
    )
    counts = shell.names["counts"]
    assert counts[0] == counts[1] > 0
    assert hooks_on(model) == []


def test_a_notebook_that_is_run_is_watched(shell, model, tmp_path):
    notebook = tmp_path / "other.ipynb"
    import nbformat

    cells = ["%hook model fc2", "", "y = model(x)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, notebook)
    shell.run(f"%run -i {notebook}")
    assert list(shell.names["feature_maps"]) == ["fc2"]
    assert hooks_on(model) == []


def test_a_script_that_is_run_silently_is_watched(shell, model):
    """`ipython script.ipy` runs the script as one silent cell."""
    shell.ip.run_cell("%hook model fc2\ny = model(x)", silent=True)
    assert list(shell.names["feature_maps"]) == ["fc2"]
    assert hooks_on(model) == []


def test_a_variable_bound_to_a_new_model_is_followed(shell, model):
    shell.run("%hook model cnn1")
    shell.run("y = model(x)")
    shell.names["model"] = new = DNN()
    shell.run("y = model(x)")
    with torch.no_grad():
        assert torch.equal(shell.names["feature_maps"]["cnn1"], new.cnn1(shell.names["x"]))
    assert hooks_on(new) == hooks_on(model) == []


def test_a_model_bound_anew_in_a_cell_is_said_to_be_watched_from_the_next(shell):
    shell.run("%hook model cnn1")
    shell.names["DNN"] = DNN
    printed = shell.run("model = DNN()\ny = model(x)")
    assert "model refers to a new model, which is watched from the next cell on" in printed
    shell.run("y = model(x)")
    assert list(shell.names["feature_maps"]) == ["cnn1"]


def test_a_model_that_is_gone_is_said_once_and_followed_when_it_is_back(shell, model):
    shell.run("%hook model cnn1")
    printed = shell.run("del model") + shell.run("1") + shell.run("2")
    assert printed.count("Not watching cnn1 of model") == 1
    assert "There is no variable 'model'" in printed
    shell.names["model"] = model
    assert shell.run("y = model(x)") == ""
    assert list(shell.names["feature_maps"]) == ["cnn1"]


def test_a_training_loop_runs_under_a_watch_as_before(shell):
    """Weights, running statistics and gradients are the same to the last bit."""
    loop = (
        "torch.manual_seed(3)\n"
        "optimizer = torch.optim.SGD(block.parameters(), 0.1)\n"
        "for _ in range(5):\n"
        "    loss = block(torch.randn(4, 4, 8, 8)).square().mean()\n"
        "    optimizer.zero_grad(); loss.backward(); optimizer.step()\n"
    )
    plain = Block()
    watched = copy.deepcopy(plain)
    shell.names["block"] = plain
    shell.run(loop)
    shell.names["block"] = watched
    shell.run("%hook block conv1 relu bn2")
    shell.run(loop)
    assert list(shell.names["feature_maps"]) == ["conv1", "relu", "bn2", "relu:2"]
    for name, value in plain.state_dict().items():
        assert torch.equal(watched.state_dict()[name], value), name
    for mine, theirs in zip(watched.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)
    assert all(flags_of(watched))


def test_every_pass_of_a_loop_replaces_the_one_before(shell):
    shell.run("%hook model cnn1")
    shell.run("for n in (1, 2, 3): model(torch.randn(n, 1, 28, 28))")
    assert shell.names["feature_maps"]["cnn1"].shape[0] == 3


def test_maps_of_an_older_cell_that_the_user_kept_do_not_change(shell):
    shell.run("%hook model cnn1")
    shell.run("y = model(x)\nkept = feature_maps\nbefore = kept['cnn1'].clone()")
    shell.run("y = model(x + 1)")
    assert torch.equal(shell.names["kept"]["cnn1"], shell.names["before"])
    assert not torch.equal(shell.names["feature_maps"]["cnn1"], shell.names["before"])


def test_a_wrong_name_leaves_no_hook_and_the_watch_before_it(shell, model):
    shell.run("%hook model cnn1")
    assert isinstance(shell.error("%hook model cnn1 nope"), FeatmagicError)
    assert hooks_on(model) == []
    assert shell.run("%hook") == "Watching cnn1 of model → feature_maps\n"


def test_a_variable_of_the_users_is_not_taken(shell):
    shell.run("feature_maps = [1]")
    assert "already holds a list" in str(shell.error("%hook model cnn1"))
    assert shell.names["feature_maps"] == [1]
    assert "No layers are being watched" in shell.run("%hook")


def test_a_name_that_the_user_takes_back_is_not_written_again(shell):
    shell.run("%hook model cnn1")
    shell.run("feature_maps = 'mine'")
    printed = shell.run("y = model(x)") + shell.run("y = model(x)")
    assert shell.names["feature_maps"] == "mine"
    assert printed.count("feature_maps has been reassigned") == 1


def test_maps_that_the_cell_captures_itself_are_not_taken_over(shell):
    import featmagic

    shell.names["featmagic"] = featmagic
    shell.run("%hook model cnn1 fc2")
    keys = "with featmagic.capture(model, 'fc1') as feature_maps:\n    model(x)\nlist(feature_maps)"
    assert shell.value(keys) == ["fc1"]
    shell.run("y = model(x)")
    assert list(shell.names["feature_maps"]) == ["cnn1", "fc2"]


def test_watched_maps_may_be_shown_again_in_the_same_cell(shell):
    printed = shell.run("%hook model cnn1\ny = model(x)\n%featuremaps cnn1 --scale layer")
    assert "cnn1  Conv2d" in printed


def test_a_name_holds_the_maps_of_one_model(shell):
    shell.run("%hook model cnn1\n%hook model fc2")
    assert shell.run("%hook") == "Watching fc2 of model → feature_maps\n"
    shell.run("y = model(x)")
    assert list(shell.names["feature_maps"]) == ["fc2"]


def test_maps_that_the_user_lets_go_are_gone(shell):
    shell.run("%hook model cnn1")
    shell.run("y = model(x)")
    kept = weakref.ref(shell.names["feature_maps"])
    tensor = weakref.ref(kept()["cnn1"])
    shell.run("del feature_maps")
    gc.collect()
    assert kept() is None
    assert tensor() is None


def test_two_models_are_watched_under_two_names(shell):
    shell.names["other"] = nn.Sequential(nn.ReLU())
    shell.run("%hook model cnn1 --into one\n%hook other 0 --into two")
    shell.run("y = other(model(x))")
    assert list(shell.names["one"]) == ["cnn1"]
    assert list(shell.names["two"]) == ["0"]


def test_unhook_stops_one_or_all(shell):
    shell.run("%hook model cnn1 --into one\n%hook model fc2 --into two\n%hook model fc1")
    assert shell.run("%unhook one") == (
        "No longer watching cnn1 of model → one. "
        "Still watching fc2 of model → two; fc1 of model → feature_maps\n"
    )
    assert "Did you mean two" in str(shell.error("%unhook tow"))
    assert shell.run("%hook") == "Watching fc2 of model → two; fc1 of model → feature_maps\n"
    assert shell.run("%unhook model") == (
        "No longer watching fc2 of model → two; fc1 of model → feature_maps\n"
    )
    assert shell.run("%unhook").startswith("No layers are being watched.")
    assert "No layers are being watched" in shell.run("%hook")
    shell.run("%hook model cnn1\n%unhook\ny = model(x)")
    assert list(shell.names["feature_maps"]) == []


def test_a_model_alone_lists_its_layers_and_hooks_nothing(shell, model):
    *lines, total = shell.run("%hook model").splitlines()
    assert [(line.split()[:2], line.split()[-1]) for line in lines] == [
        ([name, type(module).__name__], f"{sum(p.numel() for p in module.parameters()):,}")
        for name, module in model.named_modules()
        if name
    ]
    assert total.startswith(f"DNN: 7 modules, {sum(p.numel() for p in model.parameters()):,} ")
    assert "No layers are being watched" in shell.run("%hook")


def test_a_model_without_layers_can_be_listed(shell):
    shell.names["leaf"] = nn.ReLU()
    assert "ReLU has no layers below it" in shell.run("%hook leaf")


def test_a_layer_that_gives_nothing_is_said_once(shell):
    model = nn.ModuleDict({"used": nn.ReLU(), "unused": nn.ReLU()})
    model.forward = lambda x: model["used"](x)
    shell.names["model"] = model
    shell.run("%hook model used unused")
    printed = shell.run("y = model(x)") + shell.run("y = model(x)")
    assert printed.count("Nothing captured from unused of model: it was not called") == 1


def test_copies_and_pickles_of_a_watched_model_carry_nothing_that_runs(shell, x):
    shell.names.update(copy=copy, pickle=pickle)
    shell.run("%hook model cnn1")
    shell.run("twin = copy.deepcopy(model); data = pickle.dumps(model); y = model(x)")
    before = shell.names["feature_maps"]["cnn1"]
    shell.run("twin(x + 1); again = pickle.loads(data); again(x + 2)")
    assert torch.equal(shell.names["feature_maps"]["cnn1"], before)
    assert b"featmagic" not in shell.names["data"]
    assert torch.equal(shell.names["again"](x), shell.names["model"](x))


def test_a_look_takes_the_watchs_hooks_off_too(shell, model):
    shell.run("%hook model cnn1 --into watched")
    counts = shell.names["counts"] = []
    shell.names["count"] = lambda: counts.append(len(hooks_on(model)))
    shell.run("count()\n%featuremaps model fc2 -- model(x)\ncount()")
    assert counts[0] > 0
    assert counts[1] == 0
    assert list(shell.names["watched"]) == ["cnn1"]
    assert list(shell.names["feature_maps"]) == ["fc2"]


@pytest.mark.parametrize("cell", ["%hook model cnn1", "y = model(x)", "%unhook"])
def test_a_cell_may_be_run_twice(shell, model, cell):
    shell.run("%hook model cnn1")
    assert shell.run(cell) is not None
    if cell != "%unhook":
        shell.run(cell)
    assert hooks_on(model) == []


def test_a_failing_layer_is_named_and_what_ran_before_is_kept(shell):
    shell.names["bad"] = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(3, 1, 1))
    shell.run("%hook bad 0 1")
    result, printed = shell.attempt("bad(x)")
    assert type(result.error_in_exec) is RuntimeError
    kept = "The layers captured before it are in feature_maps; %featuremaps shows them.\n"
    assert printed.endswith(
        "1 (Conv2d) failed: it received (1, 2, 28, 28) float32 cpu, but expects (N, 3, H, W) "
        f"float32 cpu. {kept}"
    )
    assert "Nothing captured from" not in printed
    assert list(shell.names["feature_maps"]) == ["0"]
    printed = shell.run("try:\n    bad(x)\nexcept RuntimeError:\n    pass")
    assert printed == f"The last pass of bad didn't finish. {kept}"
    assert [caption.split()[0] for caption in shell.run("%featuremaps").splitlines()[:1]] == ["0"]


def test_a_lazy_model_can_be_listed(shell):
    shell.names["lazy"] = nn.Sequential(nn.LazyConv2d(3, 3), nn.ReLU())
    lines = [" ".join(line.split()) for line in shell.run("%hook lazy").splitlines()]
    assert lines == [
        "0 LazyConv2d ?→3, 3×3 not known yet",
        "1 ReLU 0",
        "Sequential: 2 modules, 0 parameters (0 B), others not known yet",
    ]


def test_a_cell_run_in_a_thread_beside_a_cell_leaves_its_hooks_and_its_look_alone(shell, model):
    """A kernel with subshells runs cells like this."""
    shell.names.update(threading=threading, hooks_on=hooks_on)
    beside = (
        "thread = threading.Thread(target=lambda: get_ipython().run_cell('1 + 1'))\n"
        "thread.start(); thread.join()\n"
    )
    shell.run("%hook model cnn1")
    for _ in range(3):
        shell.run(beside + "count = len(hooks_on(model))\ny = model(x)")
        assert shell.names["count"] > 0
        assert hooks_on(model) == []
    assert list(shell.names["feature_maps"]) == ["cnn1"]
    model.train()
    printed = shell.run("%%featuremaps model fc2\n" + beside + "y = model(x)\nmodel.training")
    assert "fc2  Linear" in printed
    assert torch.is_grad_enabled()
    assert all(flags_of(model))
    assert hooks_on(model) == []
    shell.run("%unhook")
    shell.run("del feature_maps")
    shell.run("y = model(x)")
    assert "feature_maps" not in shell.names


def test_a_pass_still_under_way_in_a_thread_is_not_said_to_have_failed(shell):
    started, go_on = threading.Event(), threading.Event()

    class Slow(nn.Module):
        def forward(self, x):
            started.set()
            go_on.wait(30)
            return x

    shell.names.update(slow=nn.Sequential(nn.ReLU(), Slow()), threading=threading, started=started)
    shell.run("%hook slow 0 1")
    printed = shell.run(
        "thread = threading.Thread(target=lambda: slow(x)); thread.start(); started.wait(30)"
    )
    go_on.set()
    shell.names["thread"].join()
    assert "failed" not in printed
    assert "finish" not in printed


def test_the_end_of_a_cell_leaves_the_look_of_another_thread_open(shell, model, x):
    shell.names.update(threading=threading)
    shell.run(
        "inside, go_on = threading.Event(), threading.Event()\n"
        "body = 'inside.set(); go_on.wait(60); y = model(x)'\n"
        "look = 'model cnn1 --into theirs'\n"
        "run = lambda: get_ipython().run_cell_magic('featuremaps', look, body)\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start(); assert inside.wait(60)"
    )
    shell.run("1 + 1")
    shell.names["go_on"].set()
    shell.names["thread"].join()
    theirs = shell.names["theirs"]
    assert list(theirs) == ["cnn1"]
    with torch.no_grad():
        torch.testing.assert_close(theirs["cnn1"], model.cnn1(x))
    assert hooks_on(model) == []
    assert all(flags_of(model))


def test_a_layer_that_the_cell_takes_out_is_said_in_one_line(shell):
    shell.names.update(model=nn.Sequential(nn.Linear(2, 2), nn.ReLU()), x=torch.ones(1, 2))
    shell.run("%hook model 0 1")
    told = shell.run("del model[1]\ny = model(x)")
    assert told.splitlines() == [
        "Nothing captured from 1 of model: it was removed from the model or replaced during the "
        "run."
    ]
    shell.run("%unhook")
    shell.names.update(model=nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    told = shell.run("%%featuremaps model 0 1 --renderer none\ndel model[1]\nmodel(x);")
    assert "Nothing captured from 1: it was removed from the model" in told

"""What `%hook MODEL` lists: a tree of the modules, with what they hold and returned."""

from __future__ import annotations

import re

import pytest
import torch
import torchvision
from torch import nn

import featmagic
from featmagic.ipython.model_listing import listing


def lines_of(model, depth=None):
    return list(listing(model, depth))


def row(lines, name):
    """Return the first row of that name, without its columns' blanks."""
    found = next(line for line in lines if line.strip().split("  ")[0] == name)
    return re.split(r" {2,}", found.strip())


def block(wide, *more):
    return nn.Sequential(nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU(), *more)


@pytest.fixture(scope="module")
def resnet():
    return torchvision.models.resnet18()


def test_a_tree_has_names_classes_with_sizes_and_all_parameters(resnet):
    lines = lines_of(resnet)
    assert row(lines, "conv1") == ["conv1", "Conv2d 3→64, 7×7, stride 2", "9,408"]
    assert row(lines, "layer1") == ["layer1", "Sequential", "147,968"]
    at = lines.index(next(line for line in lines if line.startswith("layer1 ")))
    assert [len(line) - len(line.lstrip()) for line in lines[at : at + 4]] == [0, 2, 4, 4]
    assert row(lines, "fc") == ["fc", "Linear 512→1,000", "513,000"]
    assert "ResNet: 67 modules, 11,689,512 parameters (46.8 MB)" in lines


def test_a_long_tree_folds_blocks_that_repeat_an_earlier_one(resnet):
    lines = lines_of(resnet)
    assert row(lines, "layer1.1 like layer1.0")[-1] == "73,984"
    expected = sum(p.numel() for part in (resnet.layer3, resnet.layer4) for p in part.parameters())
    assert row(lines, "layer3 … layer4 like layer2, wider")[-1] == f"{expected:,}"
    assert not any("layer2 like" in line for line in lines)  # it alone has a downsampling
    assert lines[-1] == "Repeated blocks are folded: --depth 0 lists every module."
    assert sum(int(line.split()[-1].replace(",", "")) for line in lines if line[0].isalpha()
               and line.split()[-1].replace(",", "").isdigit()) == 11_689_512  # fmt: skip


def test_depth_0_lists_every_module(resnet):
    lines = lines_of(resnet, 0)
    names = [name for name, _ in resnet.named_modules() if name]
    assert [line.split()[0] for line in lines[:-1]] == [name.rpartition(".")[2] for name in names]
    counts = [line.split()[-1] for line in lines[:-1]]
    assert counts == [
        f"{sum(p.numel() for p in resnet.get_submodule(name).parameters()):,}" for name in names
    ]


def test_depth_limits_the_levels(resnet):
    lines = lines_of(resnet, 1)
    names = [name for name, _ in resnet.named_children()]
    assert [line.split()[0] for line in lines[:-1]] == names
    assert row(lines, "layer1")[1] == "Sequential, 12 modules inside"
    assert any(line.startswith("  0 ") for line in lines_of(resnet, 2))
    assert not any(line.startswith("    ") for line in lines_of(resnet, 2))


def test_a_short_tree_is_not_folded():
    lines = lines_of(nn.Sequential(block(4), block(4), block(4)))
    assert not any("like" in line for line in lines)
    assert len(lines) == 10


def test_only_equal_trees_of_equal_classes_are_folded():
    blocks = [block(4) for _ in range(5)]
    blocks[2] = block(4, nn.Tanh())
    model = nn.Module()
    model.blocks = nn.ModuleList([*blocks, block(8), block(2), *[block(4) for _ in range(3)]])
    lines = lines_of(model)
    assert [line.split("  ")[1] for line in lines if "like" in line] == [
        "blocks.1 like blocks.0",
        "blocks.3 … blocks.4 like blocks.0",
        "blocks.5 like blocks.0, wider",
        "blocks.6 like blocks.0, narrower",
        "blocks.7 … blocks.9 like blocks.0",
    ]
    assert row(lines, "2") == ["2", "Sequential", "148"]


def test_other_settings_of_equal_parameters_are_said():
    model = nn.Sequential(*[nn.Sequential(nn.Conv2d(2, 2, 3, stride=1 + (n == 9)), nn.ReLU())
                            for n in range(10)])  # fmt: skip
    lines = lines_of(model)
    assert row(lines, "1 … 8 like 0")[-1] == str(8 * 38)
    assert row(lines, "9 like 0, other settings")


def test_layers_are_folded_only_if_they_are_numbered_and_beside_each_other():
    lines = lines_of(nn.ModuleList(nn.Linear(4, 4) for _ in range(100)))
    assert [line.split("  ")[0] for line in lines[:2]] == ["0", "1 … 99 like 0"]
    chain = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(4, 4), nn.ReLU())])
    assert len(lines_of(chain)) == 25
    names = nn.Module()
    for name in ["query", "key", "value"] + [f"layer{n}x" for n in range(20)]:
        names.add_module(name, nn.Linear(4, 4))
    assert len(lines_of(names)) == 24


def test_output_shapes_of_the_last_look_are_shown(resnet):
    with featmagic.capture(resnet, "conv1", "layer3"):
        resnet(torch.zeros(2, 3, 64, 64))
    lines = lines_of(resnet, 1)
    assert row(lines, "conv1")[-1] == "(2, 64, 32, 32)"
    assert row(lines, "layer3")[-1] == "(2, 256, 4, 4)"
    assert row(lines, "layer4")[-1] == "8,393,728"
    with featmagic.capture(resnet, "layer4"):
        resnet(torch.zeros(1, 3, 64, 64))
    lines = lines_of(resnet, 1)  # of the last look alone
    assert row(lines, "conv1")[-1] == "9,408"
    assert row(lines, "layer4")[-1] == "(1, 512, 2, 2)"
    with featmagic.capture(resnet, "conv1"):
        pass  # without a pass nothing is known that wasn't known before
    assert row(lines_of(resnet, 1), "layer4")[-1] == "(1, 512, 2, 2)"


def test_a_module_of_several_tensors_has_the_shape_of_the_first_and_dots():
    model = nn.Sequential(nn.LSTM(4, 3))
    with featmagic.capture(model, "0"):
        model(torch.zeros(5, 1, 4))
    assert row(lines_of(model), "0")[-1] == "(5, 1, 3), …"


@pytest.mark.parametrize("line", ["%hook net 0", "%%featuremaps net 0"])
def test_shapes_are_known_after_a_watch_and_a_look(shell, line):
    shell.names.update(net=nn.Sequential(nn.Linear(4, 3), nn.ReLU()), x=torch.zeros(2, 4))
    shell.run(f"{line}\ny = net(x)" if "%%" in line else line)
    shell.run("y = net(x)")
    printed = shell.run("%hook net")
    assert re.split(r" {2,}", printed.splitlines()[0]) == ["0", "Linear 4→3", "15", "(2, 3)"]


def test_shared_tied_frozen_and_lazy_modules_are_marked():
    act = nn.ReLU()
    model = nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act, nn.LazyLinear(4))
    model.frozen = nn.Sequential(nn.Linear(3, 3)).requires_grad_(False)
    model.tied = nn.Linear(2, 2, bias=False)
    model.tied.weight = model[0].weight
    lines = lines_of(model)
    assert row(lines, "3") == ["3", "ReLU, the same module as 1"]
    assert row(lines, "4") == ["4", "LazyLinear ?→4", "not known yet"]
    assert row(lines, "frozen") == ["frozen", "Sequential, frozen", "12"]
    assert "frozen" not in "".join(line for line in lines if "Linear 3→3" in line)
    assert row(lines, "tied") == ["tied", "Linear 2→2, tied to 0", "4"]
    assert lines[-2:] == [
        "Sequential: 7 modules, 24 parameters (96 B), 12 of them trainable",
        "  others not known yet",
    ]


def test_parameters_of_the_model_itself_are_in_the_total():
    model = nn.Sequential(nn.Linear(2, 2))
    model.scale = nn.Parameter(torch.ones(5))
    assert lines_of(model)[-1] == "Sequential: 1 module, 11 parameters (44 B), 5 of them its own"


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_torchscript_module_is_listed_with_the_class_that_it_was_made_from():
    model = nn.Sequential(torch.jit.script(nn.Sequential(nn.Linear(2, 2))))
    lines = lines_of(model)
    assert row(lines, "0") == ["0", "RecursiveScriptModule (Sequential)", "6"]
    assert [line.strip()[0] for line in lines[:2]] == ["0", "0"]


def test_every_line_fits_a_terminal(resnet):
    with featmagic.capture(resnet, "**"):
        resnet(torch.zeros(1, 3, 224, 224))
    deep = nn.Sequential()
    inner = deep
    for _ in range(40):
        inner.add_module("a_name_that_is_rather_long_for_a_layer", nn.Sequential(nn.Linear(2, 2)))
        inner = inner.a_name_that_is_rather_long_for_a_layer
    for model in (resnet, deep, torchvision.models.swin_t(), torchvision.models.vit_b_16()):
        for depth in (None, 0, 1, 2):
            lines = lines_of(model, depth)
            assert max(map(len, lines)) <= 80
            assert all(line == line.rstrip() for line in lines)


def test_names_and_classes_cannot_send_control_codes():
    hostile = type("Evil\x1b[2J\nclass", (nn.Module,), {"extra_repr": lambda _: "\x1b[31m\n"})
    model = nn.Sequential()
    model._modules["a\x1b[2J"] = hostile()
    assert not re.search(r"[\x00-\x1f]", "".join(lines_of(model)))
    assert len(lines_of(model)) == 2


def test_names_with_dots_are_listed():
    model = nn.Sequential()
    model._modules["a.b"] = nn.Sequential(nn.Linear(2, 2))
    model._modules["a.c"] = nn.ReLU()
    assert [line.split()[0] for line in lines_of(model)[:-1]] == ["a", "b", "0", "c"]


def test_a_chain_deeper_than_pythons_stack_is_listed():
    net = deepest = nn.Sequential()
    for _ in range(1200):
        deepest.add_module("b", nn.Sequential())
        deepest = deepest.b
    deepest.add_module("end", nn.Linear(2, 2))
    lines = lines_of(net)
    assert len(lines) == 1202
    assert lines[0].split() == ["b", "Sequential", "6"]


# The option


def test_the_depth_is_an_option_of_the_line(shell):
    shell.names["net"] = nn.Sequential(*[block(4) for _ in range(12)])
    assert "1 … 11 like 0" in shell.run("%hook net")
    assert len(shell.run("%hook net --depth 0").splitlines()) == 37
    assert shell.run("%hook net --depth all") == shell.run("%hook net --depth 0")
    assert len(shell.run("%hook --depth 1 net").splitlines()) == 13
    assert len(shell.run("%hook net --depth=2").splitlines()) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("net --depth x", "invalid --depth 'x': choose a number of levels, or 0 for every module."),
        ("net --depth -1", "invalid --depth '-1': choose a number of levels, or 0 for every "
         "module."),
        ("net 0 --depth 1", "--depth applies only to listing layers: %hook MODEL --depth N."),
        ("--depth 1", "--depth applies only to listing layers: %hook MODEL --depth N."),
    ],
)  # fmt: skip
def test_a_depth_that_makes_no_sense_is_refused(shell, line, message):
    shell.names["net"] = nn.Sequential(block(4))
    assert str(shell.error(f"%hook {line}")) == message

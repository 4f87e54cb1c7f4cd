from __future__ import annotations

import pytest
import torch
import torchvision
from helpers.networks import DNN, Block
from torch import nn

from featmagic import capture
from featmagic.recording.model_tree import unwrap, walk
from featmagic.recording.records import Activation
from featmagic.recording.selectors import matching_keys, select
from featmagic.support.errors import FeatmagicError


@pytest.fixture(scope="module")
def resnet():
    return torchvision.models.resnet18()


def paths(model, *patterns, **more):
    return list(select(model, patterns, **more).modules)


@pytest.mark.parametrize(
    "written",
    [
        "layer1.0.conv1",
        "layer1[0].conv1",
        "net.layer1[0].conv1",
        "net.layer1.0.conv1",
        "layer1[-2].conv1",
    ],
)
def test_a_path_may_be_spelled_as_python(resnet, written):
    chosen = select(resnet, [written], spelled="net")
    assert list(chosen.modules) == ["layer1.0.conv1"]
    assert chosen.modules["layer1.0.conv1"] is resnet.layer1[0].conv1


def test_a_key_of_a_module_dict_may_be_quoted():
    model = nn.ModuleDict({"a": nn.ReLU(), "two words": nn.ReLU()})
    assert paths(model, "['a']", 'net["two words"]', spelled="net") == ["a", "two words"]


def test_a_glob_takes_every_path_it_matches(resnet):
    names = [name for name, _ in resnet.named_modules()]
    expected = [name for name in names if name.rpartition(".")[2] == "conv1"]
    assert paths(resnet, "**.conv1") == expected
    assert len(expected) == 9
    assert paths(resnet, "**") == names[1:]
    assert paths(resnet, "*") == [name for name, _ in resnet.named_children()]
    assert paths(resnet, "layer1.*") == ["layer1.0", "layer1.1"]
    assert paths(resnet, "layer?.*.conv2") == [
        n for n in expected_of(names, "conv2") if "layer" in n
    ]


def expected_of(names, last):
    return [name for name in names if name.rpartition(".")[2] == last]


@pytest.mark.parametrize("written", ["layer1[0].*", "net.layer1[0].*", "net.layer1.0.*"])
def test_a_glob_may_be_spelled_as_python(resnet, written):
    expected = [f"layer1.0.{name}" for name, _ in resnet.layer1[0].named_children()]
    assert paths(resnet, written, spelled="net") == expected


def test_a_star_in_brackets_is_any_item(resnet):
    assert paths(resnet, "layer1[*].conv1") == ["layer1.0.conv1", "layer1.1.conv1"]
    assert paths(resnet, "net.layer2[*]", spelled="net") == ["layer2.0", "layer2.1"]
    assert paths(resnet, "layer1[-1].conv*") == ["layer1.1.conv1", "layer1.1.conv2"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("*.conv1", "`*.conv1` matches nothing one level down; use `**.conv1`."),
        ("net.*.conv1", "`*.conv1` matches nothing one level down; use `**.conv1`."),
        ("*.conv1:2", "`*.conv1` matches nothing one level down; use `**.conv1:2`."),
        ("layer1.*2.bn2", None),
        ("layer*conv2", "`layer*conv2` matches nothing one level down; use `layer**conv2`."),
        ("layer1[*]2", "`layer1.*2` matches nothing one level down; use `layer1.**.*2`."),
        ("*.nothing", None),
    ],
)
def test_a_glob_that_needs_more_levels_is_answered_with_the_one_that_has_them(
    resnet, written, meant
):
    with pytest.raises(FeatmagicError) as caught:
        select(resnet, [written], spelled="net")
    assert str(caught.value).startswith(f"ResNet has no layer '{written.partition(':')[0]}'.")
    assert (meant in str(caught.value)) if meant else ("`" not in str(caught.value))
    if meant:
        suggested = meant.rpartition("use `")[2].removesuffix("`.")
        assert paths(resnet, suggested)


def test_a_glob_may_have_a_set_of_characters(resnet):
    assert paths(resnet, "layer[12].0.conv1") == ["layer1.0.conv1", "layer2.0.conv1"]


def test_a_glob_may_follow_an_index(resnet):
    assert paths(resnet, "layer1[0].bn*") == ["layer1.0.bn1", "layer1.0.bn2"]


def test_a_class_name_takes_every_module_of_the_class_and_of_classes_derived_from_it(resnet):
    expected = [name for name, m in resnet.named_modules() if isinstance(m, nn.Conv2d)]
    assert paths(resnet, "Conv2d") == expected

    class MyConv(nn.Conv2d):
        pass

    assert paths(nn.Sequential(MyConv(1, 1, 1)), "Conv2d") == ["0"]


def test_a_path_goes_before_a_class_of_the_same_name():
    model = nn.ModuleDict({"ReLU": nn.Tanh(), "other": nn.ReLU()})
    assert paths(model, "ReLU") == ["ReLU"]


def test_a_dot_is_the_model_itself(model):
    assert select(model, ["."]).modules == {".": model}


def test_no_layer_at_all_means_the_models_own_children(model):
    assert paths(model) == [name for name, _ in model.named_children()]


def test_items_stand_for_a_list_of_modules_that_cannot_be_called():
    model = nn.Module()
    model.blocks = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    assert paths(model) == ["blocks.0", "blocks.1"]


def test_a_call_may_be_asked_for_and_all_calls_go_before_one():
    block = Block()
    assert select(block, ["relu:2"]).calls == {"relu": {2}}
    assert select(block, ["relu:2", "relu"]).calls == {}


@pytest.mark.parametrize("call", ["relu:0", "relu:x", "relu:-1", "relu:"])
def test_a_call_that_is_no_number_is_refused(call):
    with pytest.raises(FeatmagicError, match="calls are numbered from 1"):
        select(Block(), [call])


def test_an_alias_is_found_by_each_of_its_names():
    model = nn.Module()
    model.a = nn.ReLU()
    model.b = model.a
    assert select(model, ["b"]).modules["b"] is model.a
    assert paths(model, "ReLU") == ["a"]


def test_a_child_that_knows_its_parent_has_an_end():
    parent, child = nn.Sequential(), nn.Sequential()
    parent.add_module("child", child)
    child.add_module("parent", parent)
    assert [path for path, _ in walk(parent)] == [".", "child"]


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: nn.DataParallel(nn.DataParallel(m))])
def test_a_wrapped_model_has_the_plain_names(wrap):
    inner = DNN()
    wrapped = wrap(inner)
    assert unwrap(wrapped)[-1] is inner
    for written in ("cnn1", "module.cnn1", "net.cnn1"):
        assert select(wrapped, [written], spelled="net").modules == {"cnn1": inner.cnn1}


def test_a_wrapped_layer_hides_its_wrapper_from_the_names_below():
    model = nn.Sequential(nn.DataParallel(Block()))
    assert select(model, ["0.conv1"]).modules["0.conv1"] is model[0].module.conv1


@pytest.mark.parametrize(
    ("model", "wrong", "right"),
    [
        (DNN(), "con1", "cnn1"),
        (torchvision.models.resnet18(), "layer1.0.conv11", "layer1.0.conv1"),
        (torchvision.models.resnet18(), "layer1[0].conv11", "layer1.0.conv1"),
        (torchvision.models.resnet18(), "maxpol", "maxpool"),
        (nn.Sequential(Block()), "relo", "0.relu"),
        (DNN(), "Conv2", "Conv2d"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest_right_one(model, wrong, right):
    with pytest.raises(FeatmagicError, match="Did you mean") as caught:
        select(model, [wrong])
    message = str(caught.value)
    meant = message.partition("Did you mean ")[2].partition("?")[0]
    assert right in meant.split(" or ")
    assert f"{type(model).__name__} has no layer '{wrong}'." in message


def test_the_message_says_how_many_layers_there_are_and_what_lists_them(model):
    with pytest.raises(FeatmagicError) as caught:
        select(model, ["con1"], listed_by="%hook model")
    assert str(caught.value) == (
        "DNN has no layer 'con1'. Did you mean cnn1? %hook model lists all 7."
    )


def test_what_is_no_module_is_refused():
    with pytest.raises(
        FeatmagicError,
        match=r"^model: expected an nn\.Module, got a list; pass the model itself\.$",
    ):
        select([DNN()], ["cnn1"])
    with pytest.raises(
        FeatmagicError,
        match=r"^model: expected an nn\.Module, got an int; pass the model itself\.$",
    ):
        select(3)
    got_a_class = (
        r"^net: expected an nn\.Module, got the class DNN; pass a model, such as DNN\(\)\.$"
    )
    with pytest.raises(FeatmagicError, match=got_a_class):
        select(DNN, spelled="net")


def test_control_characters_of_a_name_never_reach_the_terminal():
    model = nn.Module()
    model._modules["a\x1b[2J"] = nn.ReLU()
    with pytest.raises(FeatmagicError) as caught:
        select(model, ["b\x1b[2J"])
    assert "\x1b" not in str(caught.value)


def test_an_index_goes_before_a_set_of_characters():
    model = nn.Module()
    model.layer1 = nn.Sequential(nn.Sequential(nn.ReLU()))
    model.layer10 = nn.Sequential(nn.ReLU())
    assert paths(model, "layer1[0]") == ["layer1.0"]
    assert paths(model, "layer1[0].*") == ["layer1.0.0"]
    assert paths(model, "net.layer1[0][0]", spelled="net") == ["layer1.0.0"]
    assert paths(model, "layer1[02]*") == ["layer10"]


@pytest.mark.parametrize("name", ["a b", "a:1", "a[0]", "*", "1", "größe", "a-b", "[", "relu:x"])
def test_any_name_that_torch_allows_can_be_chosen(name):
    model = nn.Module()
    model.add_module(name, nn.ReLU())
    model.add_module("other", nn.Tanh())
    assert paths(model, name) == [name]


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ('d["a:2"]', "d.a:2"),
        ("d['a:2']", "d.a:2"),
        ("d.a:2", "d.a:2"),
        ("model.d.a:2", "d.a:2"),
        ('model.d["a:2"]', "d.a:2"),
        ('d["007"]', "d.007"),
        ("d[7]", "d.7"),
        ("d.007", "d.007"),
    ],
)
def test_a_path_goes_before_a_call_and_a_key_before_a_part(written, path):
    model = nn.Module()
    model.d = nn.ModuleDict({key: nn.ReLU() for key in ("a", "a:2", "7", "007")})
    chosen = select(model, [written])
    assert chosen.modules == {path: model.get_submodule(path)}
    assert chosen.calls == {}
    assert chosen.parts == {}


def test_a_call_of_a_layer_with_a_colon_can_be_asked_for():
    model = nn.Module()
    model.d = nn.ModuleDict({"a:2": nn.ReLU()})
    for written in ("d.a:2:3", "model.d.a:2:3", 'd["a:2"]:3'):
        assert select(model, [written]).calls == {"d.a:2": {3}}


def test_a_key_with_a_colon_that_is_not_there_is_no_call():
    model = nn.Module()
    model.d = nn.ModuleList([nn.ReLU()])
    with pytest.raises(FeatmagicError, match="no layer"):
        select(model, ['e["a:2"]'])


class Nested(nn.Module):
    """Layers that return more than one tensor."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3)
        self.attention = nn.MultiheadAttention(4, 2)

    def forward(self, x):
        return self.lstm(self.attention(x, x, x, need_weights=False)[0])


@pytest.mark.parametrize(
    ("patterns", "keys"),
    [
        (["lstm[0]"], ["lstm[0]"]),
        (["lstm[1]"], ["lstm[1][0]", "lstm[1][1]"]),
        (["model.lstm[1][0]"], ["lstm[1][0]"]),
        (["lstm[0]", "lstm[1][1]"], ["lstm[0]", "lstm[1][1]"]),
        (["lstm[0]", "lstm"], ["lstm[0]", "lstm[1][0]", "lstm[1][1]"]),
        (["attention[1]"], ["attention[1]"]),
        (["LSTM[0]"], ["lstm[0]"]),
        (["lstm:1[0]"], ["lstm[0]"]),
    ],
)
def test_a_part_of_what_a_layer_returns_can_be_asked_for(patterns, keys):
    model = Nested().eval()
    with capture(model, *patterns) as maps:
        model(torch.randn(5, 1, 4))
    assert list(maps) == keys


def test_a_part_that_is_not_there_says_what_is():
    model = Nested().eval()
    with capture(model, "lstm[2]") as maps:
        model(torch.randn(5, 1, 4))
    assert list(maps) == []
    assert maps.missing == {"lstm[2]": "it returned lstm[0], lstm[1][0], lstm[1][1]"}


def test_a_part_of_a_layer_that_is_not_there_names_the_nearest_layer():
    with pytest.raises(FeatmagicError, match=r"no layer 'lstn\[0\]'. Did you mean lstm"):
        select(Nested(), ["lstn[0]"])


def test_an_index_of_a_module_goes_before_one_of_its_output():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()))
    assert list(select(model, ["0[1]"]).modules) == ["0.1"]


def test_a_capture_is_searched_by_the_same_syntax():
    model = nn.Sequential(Block(), Block())
    with capture(model, "**.relu") as maps:
        model(torch.randn(1, 4, 8, 8))

    def shown(layer):
        return [caption.split()[0] for caption, _ in maps.pictures(layer)]

    assert shown("[1].relu") == shown("model[1].relu") == ["1.relu", "1.relu:2"]
    assert shown("model[1].relu:2") == shown("1.relu:2") == ["1.relu:2"]
    assert shown("*.relu") == shown("**.relu") == shown("ReLU") == list(maps)


def test_a_call_behind_an_index_is_found_in_a_capture():
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    with capture(model, "[0][0]") as maps:
        model(torch.ones(1, 1, 4, 4))
    assert [len(maps.pictures(layer)) for layer in ("[0][0]:1", "model[0][0]:1")] == [1, 1]


def test_a_glob_may_go_on_right_behind_an_index():
    model = nn.Sequential(nn.Sequential(*[nn.ReLU() for _ in range(12)]))
    with capture(model, "0.*") as maps:
        model(torch.ones(1))
    activations = list(maps.kept.activations.values())
    assert matching_keys("[0][1]*", activations) == ["0.1", "0.10", "0.11"]
    assert matching_keys("model[0][3]*", activations) == ["0.3"]


def test_the_models_own_spelling_means_the_model_even_if_a_layer_is_spelled_so():
    model = nn.Module()
    model.net = nn.ModuleList([nn.Tanh()])
    assert list(select(model, ["net[0]"], spelled="net[0]").modules) == ["."]
    assert list(select(model, ["net[0]"], spelled="model").modules) == ["net.0"]


def captured(*keys):
    """Return activations of these keys: `relu:2` is the second call, `lstm[1][0]` a part."""
    made = []
    for key in keys:
        path, _, call = key.partition("[")[0].partition(":")
        made.append(Activation(key, path, "Some", int(call or 1), torch.zeros(1)))
    return made


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("layer1[1]", ["layer1.1"]),
        ("net.layer1[1]", ["layer1.1"]),
        ("layer1[12]", ["layer11", "layer12"]),
        ("layer1[-1]", []),
        ("layer1[1]*", ["layer1.1"]),
        ("layer1.*", ["layer1.1"]),
        ("net.lstm[1][0]", ["lstm[1][0]"]),
        ("lstm[1][0]", ["lstm[1][0]"]),
        ("lstm[0]", ["lstm[0]"]),
        ('enc["hidden"]', ["enc['hidden']"]),
        ('net.enc["hidden"]', ["enc['hidden']"]),
        ("enc['hidden\"]", []),
        ("enc[\"hidden']", []),
        ("lstm", ["lstm[0]", "lstm[1][0]"]),
        ("r*:2", ["relu:2"]),
        ("r*:1", ["relu"]),
        ("relu", ["relu", "relu:2"]),
        ("relu:*", ["relu:2"]),
        ("Some:2", ["relu:2"]),
        ("layer1[" + "9" * 5000 + "]", []),
        ("relu:" + "9" * 5000, []),
        ("[" * 5000, []),
        ("[z-a]", []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_was_captured_is_named_as_for_a_look(written, keys):
    there = ["layer1.1", "layer11", "layer12", "lstm[0]", "lstm[1][0]", "enc['hidden']"]
    assert matching_keys(written, captured(*there, "relu", "relu:2")) == keys


PATTERNS = [
    "**",
    "**.0",
    "layer1[*]",
    "net.*",
    "net.layer1.*",
    "*.*",
    "layer1",
    "layer1[1]",
    "layer1[01]",
    "layer1*",
    "layer1.*",
    "*",
    "[lr]*",
]
PATTERNS += ["net.layer1[0]", "net.layer11", "ReLU", "net.relu", "relu", "Tanh", "layer[12]", "a.b"]


@pytest.mark.parametrize("written", PATTERNS)
def test_a_look_and_what_it_captured_take_a_pattern_for_the_same_layers(written):
    model = nn.Sequential()
    model.layer1 = nn.Sequential(nn.ReLU(), nn.Tanh())
    model.layer11, model.layer10, model.layer2, model.relu = (nn.Tanh() for _ in range(4))
    model._modules["a.b"] = nn.ReLU()
    everything = [path for path, _ in walk(model) if path != "."]
    with capture(model, *everything) as maps:
        model(torch.zeros(2))
    taken = select(model, [written], spelled="net").modules
    shown = matching_keys(written, maps.kept.activations.values())
    assert sorted(shown) == sorted(taken)


@pytest.mark.parametrize("written", [f"layer1[{'9' * 5000}]", f"0:{'9' * 5000}", "[z-a]", "[!"])
def test_what_python_cannot_read_as_a_number_or_a_set_is_no_layer(written):
    with pytest.raises(FeatmagicError):
        select(nn.Sequential(nn.ReLU()), [written])


def test_a_name_with_dots_is_reached_and_what_is_above_it_is_the_module_that_holds_it():
    model = nn.Sequential()
    model._modules["a.b"] = nn.Sequential(nn.ReLU())
    with capture(model, "a.b", "a.b.0") as maps:
        y = model(torch.ones(2))
    assert list(maps) == ["a.b.0", "a.b"]
    assert (maps["a.b.0"] == y).all()


def test_a_glob_passes_over_what_cannot_be_called():
    model = nn.Module()
    model.blocks = nn.ModuleList([nn.Sequential(nn.ReLU()), nn.Tanh()])
    model.heads = nn.ModuleDict({"a": nn.ReLU()})
    assert paths(model, "blocks.*") == ["blocks.0", "blocks.1"]
    assert paths(model, "blocks.**") == ["blocks.0", "blocks.0.0", "blocks.1"]
    assert paths(model, "*.*") == ["blocks.0", "blocks.1", "heads.a"]
    assert paths(model, "**") == ["blocks.0", "blocks.0.0", "blocks.1", "heads.a"]
    containers = r"has no layer 'head\?'. It matches only containers, which are never called "
    with pytest.raises(FeatmagicError, match=containers + r"\(heads\); use 'head\?\.\*'\."):
        select(model, ["head?"])
    with pytest.raises(FeatmagicError, match=r"\(blocks, heads\); use '\*\.\*'\."):
        select(model, ["*"])


@pytest.mark.parametrize("name", ["Module", "object"])
def test_the_class_that_all_modules_share_chooses_none(resnet, name):
    with pytest.raises(FeatmagicError, match=f"has no layer '{name}'"):
        select(resnet, [name])

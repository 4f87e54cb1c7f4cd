"""No line that is typed ends in a raw traceback, whatever it says and whatever the names hold."""

from __future__ import annotations

import warnings
from functools import cache
from unittest.mock import MagicMock, Mock

import pytest
import torch
from helpers.networks import DNN, Block, hooks_on
from helpers.shells import Shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.utils.capture import capture_output
from torch import nn

from featmagic.ipython.tokenizer import split_statement
from featmagic.support.errors import FeatmagicError

MAGICS = ("hook", "unhook", "featuremaps")


class Raising:
    """An object that fails in whatever way it is looked at."""

    @property
    def __class__(self):
        raise RuntimeError("asked for its class")

    def __getattr__(self, name):
        raise RuntimeError("asked for an attribute")

    def __eq__(self, other):
        raise RuntimeError("compared")

    def __bool__(self):
        raise RuntimeError("asked whether it is true")

    def __dir__(self):
        raise RuntimeError("listed")

    def __repr__(self):
        raise RuntimeError("printed")

    __hash__ = None


class Untold(Exception):
    def __str__(self):
        raise RuntimeError("no message")


class Failing:
    def __getattr__(self, name):
        raise Untold

    def __getitem__(self, key):
        raise Untold


class Uninitialized(nn.Module):
    def __init__(self):
        pass


class FailingModule(nn.Module):
    def modules(self):
        raise RuntimeError("no modules")

    def parameters(self, recurse=True):
        raise RuntimeError("no parameters")


def odd_modules():
    """A model with names that only `_modules` takes, each of a module that can be reached."""
    model = nn.Sequential()
    for name in ("a.b", "a[0]", "a:2", "a b", "[", "a.b.c", "", ".", "'", "-x", "#", "*"):
        model._modules[name] = nn.Sequential(nn.Tanh())
    return model


def numbered():
    """A model that torch itself can't walk through: a name is a number."""
    model = nn.Sequential(nn.ReLU())
    model._modules[7] = nn.Tanh()
    return model


@cache
def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates it
        return torch.jit.script(nn.Sequential(nn.ReLU()))


def everything():
    return {
        "model": DNN(),
        "net": Block(),
        "x": torch.rand(1, 1, 28, 28),
        "odd": odd_modules(),
        "numbered": numbered(),
        "mock": Mock(spec=nn.Module),
        "magic": MagicMock(spec=nn.Sequential(nn.ReLU())),
        "raising": Raising(),
        "failing": Failing(),
        "uninitialized": Uninitialized(),
        "holds_uninitialized": nn.Sequential(Uninitialized()),
        "no_modules": FailingModule(),
        "script": scripted(),
        "models": {"a": DNN(), 3: DNN(), (1, 2): DNN(), "raising": Raising()},
        "nan": float("nan"),
        "feature_maps_2": Raising(),
        7: DNN(),
        (1, 2): Raising(),
        "a b": DNN(),
        "": DNN(),
        "\ud800": DNN(),
    }


@pytest.fixture(scope="module")
def ip():
    shell = Shell()
    shell.names.update(everything())
    yield shell.ip
    shell.close()


def run(ip, magic, line, cell=None):
    """Run a magic; return the message of its error, which is ours and of one line, or None."""
    ip.user_ns.update(everything())
    with capture_output():
        try:
            if cell is None:
                ip.run_line_magic(magic, line)
            else:
                ip.run_cell_magic(magic, line, cell)
        except FeatmagicError as error:
            (said,) = error._render_traceback_()
            assert "\n" not in said
            assert len(said) < 6000
            return str(error)
        finally:
            ip.run_line_magic("unhook", "")
    return None


DIGITS = "9" * 5000
LINES = [
    "(" * 300 + ")" * 300,
    "model" + "[" * 300 + "0" + "]" * 300,
    "models[" * 80 + "]" * 80,
    "model" + ".a" * 3000,
    "model " + "[0]" * 3000,
    "model " + "['" * 3000,
    "\ud800",
    "model \udc80",
    "models['\ud800']",
    "model\0",
    "model 'a\0b'",
    f"model cnn1[{DIGITS}]",
    f"model cnn1:{DIGITS}",
    f"model {DIGITS}",
    f"model[{DIGITS}]",
    f"model.cnn1[-{DIGITS}]",
    "models[[]]",
    "models[{1: 2}]",
    "models[{[]: 1}]",
    r"models['\d']",
    "models[nan]",
    "models[raising]",
    "raising",
    "raising.a",
    "raising[0]",
    "failing.a",
    "failing[0]",
    "mock",
    "mock a",
    "magic",
    "magic 0",
    "uninitialized",
    "uninitialized a",
    "holds_uninitialized",
    "holds_uninitialized 0",
    "holds_uninitialized 0.a",
    "no_modules",
    "script",
    "script 0",
    "odd",
    "odd a.b",
    "odd nosuch",
    "numbered",
    "numbered 7",
    "nosuch",
    "ReLU",
    "model [z-a]",
    "model [!",
    "model cnn1['a\"]",
    'model "cnn1[\'a]"',
    "model 'cnn1",
    "model cnn1 --into raising",
    "model cnn1 --into feature_maps_2",
    "model cnn1 --into \ud800",
    "model --vmin nan --vmax inf",
    "model --max nan --zoom 1e999",
    f"model --vmin {DIGITS} --channels {DIGITS}",
    "model --sample \ud800 --cmap \0",
    "model --save \0.png",
    "model --save \ud800.png",
    "model --explore --inputs raising",
    "{raising} $raising {x.nosuch} $",
    "{nan:\ud800}",
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: ascii(line[:40]))
def test_every_failure_is_one_line(ip, line):
    for magic in MAGICS:
        run(ip, magic, line)
    run(ip, "featuremaps", line, "model(x);")
    run(ip, "featuremaps", f"{line} -- 1")


def test_a_statement_that_cannot_be_compiled_is_said_in_one_line(ip):
    assert "The statement can't be compiled" in run(ip, "featuremaps", "model cnn1 -- '\ud800'")


@pytest.mark.parametrize(
    "statement", ["x y", "return 3", "yield x", "x = = 1", "'open", "\x00", "("]
)
def test_a_statement_that_is_no_python_is_said_in_one_line(ip, statement):
    told = run(ip, "featuremaps", f"model cnn1 -- {statement}")
    assert "isn't valid Python" in told or "can't be compiled" in told


def test_a_line_of_a_cell_that_is_no_python_is_named(ip):
    told = run(ip, "featuremaps", "model cnn1", "a = 1\nb = = 2\nmodel(x)")
    assert told.startswith("Line 2 isn't valid Python: invalid syntax: b = = 2")


def test_an_error_while_a_statement_is_awaited_has_no_context_of_ours(shell):
    shell.names.update(everything())
    _, told = shell.attempt("%featuremaps model cnn1 -- await 3")
    assert "TypeError" in told
    assert "another exception" not in told
    assert "running event loop" not in told


def test_what_only_claims_to_be_a_module_is_said_to_be_none(ip):
    assert run(ip, "hook", "mock a").startswith("expected an nn.Module, but mock is a Mock.")
    assert run(ip, "hook", "raising").startswith("expected an nn.Module, but raising is a Raising.")
    assert run(ip, "hook", "magic 0").startswith("expected an nn.Module, but magic is a MagicMock.")


def test_a_module_that_was_never_initialized_is_said_to_be_one(ip):
    assert "its __init__ must call super().__init__() first" in run(ip, "hook", "uninitialized a")


def test_an_error_without_a_message_is_told_by_its_class(ip):
    assert run(ip, "hook", "failing.a").startswith("failing.a can't be read: Untold: .")


def test_names_that_are_no_text_are_left_out_of_a_list(ip):
    said = run(ip, "hook", "nosuch")
    assert "model (DNN)" in said
    assert "7" not in said.replace("a7", "")


def test_an_object_of_the_users_under_the_name_of_the_maps_is_never_asked(ip):
    said = run(ip, "hook", "model cnn1 --into feature_maps_2")
    assert said.startswith("feature_maps_2 already holds a Raising.")


@pytest.mark.parametrize("name", [n for n in odd_modules()._modules if n != "."])
def test_a_module_of_any_name_is_reached_by_its_name(shell, name):
    model = odd_modules()
    shell.names.update(model=model, x=torch.zeros(2))
    quote = '"' if name == "'" else "'"
    line = f"model[{quote}{name}{quote}]" if name in ("-x", "#") else f"{quote}{name}{quote}"
    said = shell.run(f"%%featuremaps model {line}\nmodel(x);")
    assert "Sequential" in said
    assert hooks_on(model) == []


def test_a_module_whose_name_is_a_number_is_listed_and_watched(shell):
    shell.names.update(model=numbered(), x=torch.zeros(2))
    assert "7  Tanh" in shell.run("%hook model")
    assert "7  Tanh  (2,)" in shell.run("%hook model 7\ny = model(x)\nprint(feature_maps)")


words = r"""
model net odd mock raising models nosuch cnn1 layer1.0 . * ** conv* [0] ['a'] :2 [1][0] Conv2d
--into --cmap --vmin --save --channels --explore --overview --as-is --inputs -- nan inf -1 0 1e999
' " [ ] ( ) { } $ $x {x} # , = \
"""
hidden = ["\0", "\ud800", "\udc80", "\u202e", "\u2028", "\t", "\x1b", " "]
parts = st.one_of(st.sampled_from([*words.split(), *hidden]), st.text())
typed = st.lists(parts, max_size=8).flatmap(
    lambda chosen: st.sampled_from(["", " "]).map(lambda between: between.join(chosen))
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(MAGICS), st.sampled_from(["", "model ", "odd ", "models[3] "]), typed)
def test_no_line_at_all_is_a_raw_traceback(magic, before, line):
    ip = _shell()
    line = before + line
    if magic == "featuremaps":
        run(ip, magic, line, "pass")
        line, _ = split_statement(line)  # what stands behind `--` is the user's own code
    run(ip, magic, line)


_shells = []


def _shell():
    """One shell for all examples: making one takes longer than a hundred lines."""
    if not _shells:
        _shells.append(Shell().ip)
    return _shells[0]

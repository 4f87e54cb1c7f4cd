"""Loading, unloading and reloading, whatever state the shell is in."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers.networks import hooks_on
from helpers.shells import added_to

import featmagic
from featmagic.ipython.completion.matcher import HAS_MATCHERS


def ours(things):
    return [thing for thing in things if "featmagic" in str(describe(thing))]


def describe(thing):
    owner = getattr(thing, "__self__", thing)
    return getattr(owner, "__module__", None) or type(owner).__module__


def lists_of(ip):
    return {
        "pre_execute": ip.events.callbacks["pre_execute"],
        "post_execute": ip.events.callbacks["post_execute"],
        "cleanup": ip.input_transformers_cleanup,
        "tokens": ip.input_transformer_manager.token_transformers,
        "ast": ip.ast_transformers,
        "configurables": ip.configurables,
        "matchers": (
            ip.Completer.custom_matchers if HAS_MATCHERS else ip.Completer.magic_arg_matchers
        ),
    }


def remove_from(name):
    def spoil(ip):
        things = lists_of(ip)[name]
        found = ours(things)
        assert found
        for thing in found:
            things.remove(thing)

    return spoil


def double_in(name):
    def spoil(ip):
        things = lists_of(ip)[name]
        assert ours(things)
        things.extend(ours(things))

    return spoil


def remove_magics(ip):
    for magics in ip.magics_manager.magics.values():
        for name, magic in list(magics.items()):
            if "featmagic" in describe(magic):
                del magics[name]


def replace_a_magic(ip):
    ip.register_magic_function(lambda line: "mine", magic_name="hook")


def remove_everything(ip):
    for name in lists_of(ip):
        remove_from(name)(ip)
    remove_magics(ip)
    ip.magics_manager.registry.clear()


NAMES = ("pre_execute", "post_execute", "cleanup", "tokens", "ast", "configurables", "matchers")
SPOILERS = {
    "as it was": lambda ip: None,
    **{f"nothing of ours in {name}": remove_from(name) for name in NAMES},
    **{f"twice in {name}": double_in(name) for name in NAMES},
    "no magics": remove_magics,
    "a magic of the user's": replace_a_magic,
    "nothing at all": remove_everything,
    "IPython thinks it isn't loaded": lambda ip: ip.extension_manager.loaded.discard("featmagic"),
    "unloaded behind IPython's back": featmagic.unload_ipython_extension,
    "loaded behind IPython's back": featmagic.load_ipython_extension,
}
WAYS = {
    "%load_ext": "%load_ext featmagic",
    "%unload_ext": "%unload_ext featmagic",
    "%reload_ext": "%reload_ext featmagic",
}


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("spoiler", list(SPOILERS))
def test_each_magic_works_in_any_state(shell, model, spoiler, first):
    """`%load_ext` does nothing if IPython believes that the extension is loaded."""
    whole = Counter(added_to(shell.ip))
    assert set(whole.values()) == {1}
    shell.run("%hook model cnn1\ny = model(x)")
    SPOILERS[spoiler](shell.ip)
    shell.run(WAYS[first])
    shell.run("%reload_ext featmagic")
    assert Counter(added_to(shell.ip)) == whole
    assert "cnn1  Conv2d" in shell.run("%%featuremaps model cnn1\nmodel(x);")
    assert hooks_on(model) == []
    shell.run("%unload_ext featmagic")
    assert added_to(shell.ip) == []
    shell.run("%unload_ext featmagic")
    shell.run("y = model(x)")
    assert hooks_on(model) == []
    shell.run("%load_ext featmagic")
    assert Counter(added_to(shell.ip)) == whole


@pytest.mark.parametrize("spoiler", list(SPOILERS))
def test_the_functions_behind_them_may_be_called_any_number_of_times(shell, spoiler):
    whole = Counter(added_to(shell.ip))
    load, unload = featmagic.load_ipython_extension, featmagic.unload_ipython_extension
    SPOILERS[spoiler](shell.ip)
    for calls in ([load], [load, load], [unload, load], [unload, unload, load]):
        for call in calls:
            call(shell.ip)
        assert Counter(added_to(shell.ip)) == whole
    unload(shell.ip)
    assert added_to(shell.ip) == []


def test_an_unload_leaves_a_magic_of_the_users_alone(shell):
    replace_a_magic(shell.ip)
    shell.run("%unload_ext featmagic")
    assert shell.value("%hook") == "mine"
    shell.ip.magics_manager.magics["line"].pop("hook")


def test_a_load_that_fails_half_way_leaves_nothing(shell, monkeypatch):
    shell.run("%unload_ext featmagic")
    before = {name: list(things) for name, things in lists_of(shell.ip).items()}

    def refuse(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(shell.ip, "register_magics", refuse)
        assert not shell.ip.run_cell("%load_ext featmagic").success
    assert added_to(shell.ip) == []
    assert {name: list(things) for name, things in lists_of(shell.ip).items()} == before
    shell.run("%load_ext featmagic")

"""What variables hold is found without running any of the user's code."""

from __future__ import annotations

import sys

import pytest
from helpers.completing import Holder, Trainer, suggested
from helpers.networks import DNN
from torch import nn

from featmagic.feature_maps import FeatureMaps
from featmagic.ipython.completion.static_lookup import children, leads_to_module, value_of
from featmagic.ipython.value_types import is_maps


def test_nothing_of_the_users_is_run():
    ran = []

    class Noting:
        def __getattr__(self, name):
            ran.append(name)
            return DNN()

        @property
        def computed(self):
            ran.append("computed")
            return DNN()

        @property
        def __class__(self):
            ran.append("__class__")
            return DNN

    class Missing(dict):
        def __missing__(self, key):
            ran.append(key)
            return DNN()

        def __getitem__(self, key):
            ran.append(key)
            return DNN()

        def items(self):
            ran.append("items")
            return []

        values = keys = __iter__ = items

    class Listed(list):
        def __getitem__(self, key):
            ran.append(key)
            return DNN()

        def __iter__(self):
            ran.append("iter")
            return iter(())

    noting = Noting()
    noting.model = DNN()
    known = {"noting": noting, "missing": Missing(a=DNN()), "listed": Listed([DNN()])}
    for line in (
        "%hook |",
        "%hook noting.|",
        "%hook noting.computed.|",
        "%hook noting.other |",
        "%hook noting.model |",
        'missing["|',
        '%hook missing["|',
        '%hook missing["b"] |',
        '%hook missing["a"] |',
        "%hook listed[0] |",
        "%hook listed[|",
    ):
        suggested(line, names=known)
    assert ran == []
    assert list(suggested("%hook |", names=known)) == ["noting", "missing", "listed"]
    assert "cnn1" in suggested('%hook missing["a"] |', names=known)
    assert "cnn1" in suggested("%hook listed[0] |", names=known)
    assert "cnn1" in suggested("%hook noting.model |", names=known)


def test_one_odd_object_hides_no_other_and_has_none_of_its_code_run():
    ran = []

    def noting(name, value=None):
        return property(lambda self: ran.append(name) or value)

    class Proxy:
        __dict__ = noting("__dict__", {"model": DNN()})
        __class__ = noting("__class__", DNN)

    class Meta(type):
        __mro__ = noting("__mro__", ())
        __name__ = noting("__name__", "no text")

        def __getattribute__(cls, name):
            ran.append(name)
            raise RuntimeError(name)

    class OfMeta(metaclass=Meta):
        pass

    class Held(dict):
        def items(self):
            ran.append("items")
            raise RuntimeError

        keys = values = __iter__ = __getitem__ = __contains__ = items

    class Key(str):
        def startswith(self, *_):
            ran.append("startswith")
            raise RuntimeError

        def __format__(self, how):
            ran.append("format")
            raise RuntimeError

    numbered, keyed, with_class = Holder(), Trainer(), Trainer()
    keyed.__dict__ = Held({"net": DNN(), 1: 2, Key("k"): DNN()})
    with_class.held = Proxy()
    known = {
        "proxy": Proxy(),
        "of_meta": OfMeta(),
        "meta": OfMeta,
        "keyed": keyed,
        "items": {Key("k"): DNN(), (1, 2): DNN(), "net": DNN(), True: DNN()},
        "slots": numbered,
        "holder": with_class,
        "net": DNN(),
        7: "a name that is none",
    }
    ran.clear()
    assert list(suggested("%hook |", names=known)) == ["net", "keyed", "items", "holder"]
    assert suggested("%hook keyed.|", names=known) == {"net": "DNN"}
    assert suggested("%hook items[|", names=known) == {'"net"]': "DNN"}
    assert "cnn1" in suggested("%hook keyed.net |", names=known)
    assert "cnn1" in suggested("%hook items['net'] |", names=known)
    for line in ("proxy.|", "proxy.model |", "of_meta.x |", "meta.x |", "holder.held.x |"):
        suggested(f"%hook {line}", names=known)
    suggested("%hook net --into |", names=known)
    assert ran == []


def test_a_module_that_was_never_initialized_hides_no_other():
    known = {"broken": nn.Sequential.__new__(nn.Sequential), "net": DNN()}
    assert list(suggested("%hook |", names=known)) == ["broken", "net"]
    assert suggested("%hook broken[|", names=known) == {}


def test_in_a_thicket_of_dicts_the_search_has_an_end_and_models_near_the_top_are_found():
    def thicket(depth):
        return {n: thicket(depth - 1) for n in range(8)} if depth else ["leaf"]

    looked_at = []
    known = {f"thicket{n:03}": thicket(3) for n in range(300)}
    known["zz_models"], known["zz_net"] = {"a": DNN()}, DNN()
    try:
        sys.setprofile(lambda frame, event, _: looked_at.append(event))
        found = suggested("%hook |", names=known)
    finally:
        sys.setprofile(None)
    assert found == {"zz_net": "DNN", "zz_models": "dict"}
    assert len(looked_at) < 150_000, len(looked_at)


def test_a_holder_that_holds_itself_is_no_trouble():
    loop = [1]
    loop.append(loop)
    assert not leads_to_module(loop)
    loop.append({"net": DNN()})
    assert leads_to_module(loop)


def test_only_feature_maps_are_feature_maps():
    class Derived(FeatureMaps):
        pass

    assert [is_maps(value) for value in (FeatureMaps(), Derived(), object(), {}, FeatureMaps)] == [
        True,
        True,
        False,
        False,
        False,
    ]


class Slotted:
    __slots__ = ("empty", "net")
    shared = (DNN(),)

    @property
    def computed(self):
        raise AssertionError("a property isn't read")

    def method(self):
        raise AssertionError("nothing is called")


def test_what_an_object_or_its_class_holds_is_found_and_what_code_would_compute_is_not():
    held = Slotted()
    held.net = DNN()
    names = {"held": held, "kind": Slotted, "derived": type("Derived", (Slotted,), {})}
    names |= {"several": [[held]], "by": {0: held, "0": 7, True: 8}}
    for spelled, value in [
        ("held", held),
        ("held.net", held.net),
        ("held.net.cnn1", held.net.cnn1),
        ("held.shared[0]", Slotted.shared[0]),
        ("kind.shared[-1]", Slotted.shared[0]),
        ("several[0][0].net", held.net),
        ("by[0]", held),
        ("by['0']", 7),
    ]:
        assert value_of(spelled, names) is value, spelled
    for spelled in (
        "nope", "held.nope", "held.computed", "held.method", "held.empty", "derived.net",
        "held[0]", "several[1]", "several['0']", "by[1]", "by['1']", "[0]", "['held']",
    ):  # fmt: skip
        with pytest.raises(LookupError):
            value_of(spelled, names)


def test_children_are_counted_from_both_ends_whatever_their_names():
    odd = nn.Sequential()
    odd.add_module("first", nn.ReLU())
    odd.add_module("0", nn.Tanh())
    names = {"odd": odd, "table": nn.ModuleDict({"a": nn.ReLU()}), "plain": DNN()}
    assert value_of("odd[0]", names) is value_of("odd[-2]", names) is odd.first
    assert value_of("odd[1]", names) is odd[1]
    assert value_of("table['a']", names) is names["table"]["a"]
    for spelled in ("odd[2]", "odd['0']", "table[0]", "plain[0]", "plain['cnn1']"):
        with pytest.raises(LookupError):
            value_of(spelled, names)
    assert list(children(odd)) == [("first", odd.first), ("0", odd[1])]
    assert list(children(nn.DataParallel(odd))) == list(children(odd))

"""The tree of the layers: what is nested, merged and folded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featmagic.explorer.layer_tree import (
    MOST_UNFOLDED,
    folded_at_first,
    folders_of,
    folding,
    layer_tree,
    layers_in,
    visible_rows,
)


def path_of(key):
    """The path of a key in these tests, whose names have neither colons nor brackets."""
    return key.split(":")[0].split("[")[0]


def tree_of(keys):
    return layer_tree(keys, list(map(path_of, keys)))


def drawn(rows):
    """The rows as text: two blanks a level, and an h behind a header."""
    return [row.level * "  " + row.name + " (h)" * (row.layer is None) for row in rows]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["conv", "relu"], ["conv", "relu"]),
        (["a.conv", "a.relu", "b"], ["a (h)", "  conv", "  relu", "b"]),
        # A block with an output of its own folds what is in it
        (["a.conv", "a.relu", "a"], ["a", "  conv", "  relu"]),
        # A chain of modules that hold one other is one header, or a part of a layer's name
        (["f.0.conv", "f.0.relu"], ["f.0 (h)", "  conv", "  relu"]),
        (["f.0.conv.x", "f.0.conv.y"], ["f.0.conv (h)", "  x", "  y"]),
        (["f.0.conv", "g"], ["f.0.conv", "g"]),
        (["f.0.a", "f.0.b", "f.0"], ["f.0", "  a", "  b"]),
        (["m.f.0.a", "m.f.0.b", "m.g"], ["m (h)", "  f.0 (h)", "    a", "    b", "  g"]),
        # Calls and parts are rows of their module
        (["relu", "fc", "relu:2"], ["relu", "relu:2", "fc"]),
        (["e.lstm[0]", "e.lstm[1][0]", "e.fc"], ["e (h)", "  lstm[0]", "  lstm[1][0]", "  fc"]),
        (["b.c", "b", "b.c:2", "b:2"], ["b", "  c", "  c:2", "b:2"]),
        # Modules stay in the order in which they first returned
        (["b.x", "a", "b.y"], ["b (h)", "  x", "  y", "a"]),
        # The model itself
        (["conv", ""], ["conv", ""]),
        (["conv", "[0]", "[1]"], ["conv", "[0]", "[1]"]),
        ([], []),
    ],
)
def test_rows_nest_by_module(keys, expected):
    assert drawn(tree_of(keys)) == expected


def test_a_path_with_a_colon_or_brackets_is_told_from_a_call_and_a_part():
    rows = layer_tree(["d.a:2", "d.a:2:2", "d.b[0]"], ["d.a:2", "d.a:2", "d.b[0]"])
    assert drawn(rows) == ["d (h)", "  a:2", "  a:2:2", "  b[0]"]


def test_a_folded_row_hides_all_that_it_folds():
    rows = tree_of(["m.f.a", "m.f.b", "m.g", "n"])
    assert drawn(rows) == ["m (h)", "  f (h)", "    a", "    b", "  g", "n"]
    assert folding(rows) == {0, 1}
    assert visible_rows(rows, set()) == [0, 1, 2, 3, 4, 5]
    assert visible_rows(rows, {1}) == [0, 1, 4, 5]
    assert visible_rows(rows, {0, 1}) == [0, 5]
    assert folders_of(rows, 3) == [1, 0]
    assert layers_in(rows, 0) == [0, 1, 2]
    assert layers_in(rows, 5) == [3]


def test_a_long_tree_is_folded_but_for_what_holds_the_chosen_layer():
    most = tree_of([f"m{n}.{name}" for n in range(MOST_UNFOLDED // 3) for name in "ab"])
    assert len(most) == MOST_UNFOLDED
    assert folded_at_first(most, 0) == set()
    longer = tree_of([f"m{n}.{name}" for n in range(MOST_UNFOLDED // 3 + 1) for name in "ab"])
    folded = folded_at_first(longer, 4)
    assert [longer[n].name for n in visible_rows(longer, folded)][:5] == [
        "m0",
        "m1",
        "a",
        "b",
        "m2",
    ]
    assert folding(longer) - folded == {3}


def test_a_deep_chain_is_one_row_and_a_deep_tree_as_many_as_it_has():
    chain = ".".join("a" * 5000)
    assert drawn(tree_of([chain])) == [chain]
    deep = [".".join("a" * depth) for depth in range(1500, 0, -1)]
    rows = tree_of(deep)
    assert [row.level for row in rows] == list(range(1500))
    assert visible_rows(rows, {0}) == [0]


segments = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)
models = st.lists(st.tuples(segments, st.sampled_from(["", ":2", "[0]", "[1][0]"])), unique=True)


@given(models)
def test_every_layer_is_a_row_once_and_its_names_make_up_its_key(model):
    keys = [path + suffix for path, suffix in model]
    rows = layer_tree(keys, [path for path, _ in model])

    assert sorted(row.layer for row in rows if row.layer is not None) == list(range(len(keys)))
    for index, row in enumerate(rows):
        folders = folders_of(rows, index)
        assert row.level == len(folders)
        assert all(folder < index < rows[folder].end for folder in folders)
        if row.layer is None:
            assert len(layers_in(rows, index)) > 1
            continue
        above = [path_of(rows[folder].name) for folder in reversed(folders)]
        assert ".".join([*above, row.name]) == keys[row.layer]


@given(models, st.data())
def test_a_row_is_visible_exactly_if_nothing_that_folds_it_is_folded(model, data):
    rows = layer_tree([path + suffix for path, suffix in model], [path for path, _ in model])
    folded = data.draw(st.sets(st.sampled_from(range(len(rows))))) if rows else set()
    expected = [n for n in range(len(rows)) if not folded.intersection(folders_of(rows, n))]
    assert visible_rows(rows, folded) == expected


@given(models)
def test_headers_are_where_several_modules_are_without_an_output(model):
    rows = layer_tree([path + suffix for path, suffix in model], [path for path, _ in model])
    for index, row in enumerate(rows):
        below = [n for n, each in enumerate(rows) if each.parent == index]
        if row.layer is None:
            assert len({path_of(rows[n].name) for n in below}) > 1

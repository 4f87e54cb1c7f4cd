"""Every option has a group, and a view takes or refuses options by their groups."""

from __future__ import annotations

from dataclasses import fields

import pytest

from featmagic.options.groups import AXES, GROUPS, SCREEN, TAKEN
from featmagic.options.view import View, options_in, view_with_defaults
from featmagic.support.errors import FeatmagicError

# A value other than the default for every option.
CHANGED = {
    **{"channels": "0:3", "max": 5, "sort": "std", "topk": 3, "sample": "1", "ncols": 4, "zoom": 2},
    **{"cmap": "gray", "scale": "layer", "vmin": 0.0, "vmax": 9.0, "center": 4.5, "robust": 5.0},
    **{"norm": "symlog", "layout": "NHWC", "grid": (2, 3), "prefix_tokens": 1, "slice": "mip"},
    **{"attn": "mean", "reduce": "mean", "pca_basis": "run1", "input": True, "mean": (0.5,)},
    **{"std": (0.5,), "overlay": True, "alpha": 0.5, "overview": True, "explore": True},
    **{"max_bytes": 5000, "renderer": "ascii", "rows": 2, "passes": 2, "title": "特徴"},
}

# What an option needs beside it to have any effect.
NEEDED = {
    **{"alpha": {"overlay": True}, "mean": {"input": True}, "std": {"input": True}},
    **{"pca_basis": {"reduce": "pca"}, "max_bytes": {"explore": True}},
}

OF_A_GRID = {name: CHANGED[name] for name in CHANGED if name not in ("overview", "explore")}


def grid_view(*left_out):
    """A view of a grid with as many options changed as may stand together."""
    conflicting = {"reduce", "pca_basis", "max_bytes", *left_out}
    return View(**{name: value for name, value in OF_A_GRID.items() if name not in conflicting})


@pytest.mark.parametrize("option", fields(View), ids=lambda option: option.name)
def test_every_option_has_a_group(option):
    assert option.metadata["group"] in GROUPS
    assert option in options_in([option.metadata["group"]])


def test_every_group_has_an_option_and_a_view_that_takes_it():
    for group in GROUPS:
        assert options_in([group])
        assert any(group in taken for taken in TAKEN.values())
    assert AXES | SCREEN < GROUPS


@pytest.mark.parametrize("view", ["overview", "explorer"])
@pytest.mark.parametrize("option", fields(View), ids=lambda option: option.name)
def test_the_groups_that_a_view_takes_decide_which_options_it_refuses(view, option):
    switch = {"overview": "overview", "explorer": "explore"}[view]
    if option.name == switch:
        return
    needed = {} if view == "explorer" else NEEDED.get(option.name, {})
    asked = {switch: True, **needed, option.name: CHANGED[option.name]}
    if option.metadata["group"] in TAKEN[view]:
        assert getattr(View(**asked), option.name) == CHANGED[option.name]
    else:
        with pytest.raises(FeatmagicError, match="doesn't apply here"):
            View(**asked)


@pytest.mark.parametrize("option", fields(View), ids=lambda option: option.name)
def test_a_grid_takes_every_option_but_the_other_views(option):
    group, asked = option.metadata["group"], {option.name: CHANGED[option.name]}
    view = View(**NEEDED.get(option.name, {}), **asked)
    assert (view.kind == "grid") == (group in TAKEN["grid"])


def test_the_message_for_a_refused_option_names_it_and_the_view():
    with pytest.raises(
        FeatmagicError, match=r"^--ncols doesn't apply here: --overview doesn't use it\.$"
    ):
        View(overview=True, ncols=3)
    message = r"^--pca-basis doesn't apply here: it needs --reduce pca\.$"
    with pytest.raises(FeatmagicError, match=message):
        View(pca_basis="run1")
    with pytest.raises(
        FeatmagicError, match=r"^--max doesn't apply here: --explore doesn't use it\.$"
    ):
        View(explore=True, max=3, ncols=4)
    message = r"^--scale all doesn't apply here: --explore shows one layer at a time\.$"
    with pytest.raises(FeatmagicError, match=message):
        View(explore=True, scale="all")
    for switch in ("explore", "overview"):
        message = f"^--pass all doesn't apply here: --{switch} shows one pass at a time\\.$"
        with pytest.raises(FeatmagicError, match=message):
            View(**{switch: True}, passes="all")


@pytest.mark.parametrize("group", sorted(TAKEN["grid"]))
def test_only_keeps_the_options_of_a_group_and_no_other(group):
    view = grid_view()
    kept = view.only(group)
    needs_another = {"input image"}  # shown on or beside nothing, they would change nothing
    for option in fields(View):
        is_kept = option.metadata["group"] == group and group not in needs_another
        expected = getattr(view, option.name) if is_kept else option.default
        assert getattr(kept, option.name) == expected, option.name


def test_only_keeps_an_option_together_with_the_one_that_it_needs():
    view = View(overlay=True, alpha=0.5, mean=(0.5,), cmap="gray")
    assert view.only("overlay", "input image") == View(overlay=True, alpha=0.5, mean=(0.5,))
    assert view.only("input image") == View()
    assert View(reduce="pca", pca_basis="run1").only("reduction").pca_basis == "run1"


def test_only_of_all_groups_is_the_view_itself():
    for view in (grid_view(), View(overview=True, cmap="gray"), View(explore=True, max_bytes=5)):
        assert view.only(*GROUPS) == view


def test_only_may_set_options_and_drops_what_has_no_effect_beside_them():
    view = View(cmap="gray", ncols=4, scale="all", overlay=True, alpha=0.5, zoom=2)
    page = view.only(*TAKEN["explorer"], explore=True, max_bytes="8MB")
    assert page == View(explore=True, max_bytes=8_000_000, cmap="gray", alpha=0.5, zoom=2)


def test_an_explorers_view_becomes_a_grids():
    view = View(explore=True, cmap="gray", max_bytes="4MB", alpha=0.5, mean=0.5, topk=3)
    assert view.only(*TAKEN["grid"]) == View(cmap="gray", topk=3)


def test_only_refuses_a_group_that_there_is_not():
    with pytest.raises(ValueError, match="no group of options is called colour"):
        View().only("color", "colour")


def test_without_leaves_out_a_group():
    view = View(layout="NHWC", slice="mip", cmap="gray")
    assert view.without("layout", "volume") == View(cmap="gray")
    assert view.without() == view


def test_changed_names_the_options_that_are_not_at_their_defaults():
    view = View(cmap="gray", prefix_tokens=1, grid="2x3", max=64)
    assert view.changed(*GROUPS) == ["cmap", "grid", "prefix_tokens"]
    assert view.changed("tokens") == ["grid", "prefix_tokens"]
    assert view.changed("volume") == []


def test_a_default_holds_where_it_has_an_effect_beside_the_given_options():
    assert view_with_defaults({"ncols": 4}, {"cmap": "gray"}) == View(ncols=4, cmap="gray")
    assert view_with_defaults({"reduce": "pca"}, {"cmap": "gray"}) == View(reduce="pca")
    assert view_with_defaults({"cmap": "magma"}, {"cmap": "gray"}) == View(cmap="magma")


def test_channels_to_choose_from_are_picked_by_index_and_slice():
    assert View(channels="0:3,-1").pick(10) == [0, 1, 2, 9]


def test_robust_is_two_percent_or_none_if_it_is_true_or_false():
    robust = [View(robust=value).robust for value in (True, False, None, 0, "5", 49)]
    assert robust == [2.0, None, None, 0.0, 5.0, 49.0]
    for wrong in (-1, 50, "x"):
        with pytest.raises(FeatmagicError, match="robust must be"):
            View(robust=wrong)

"""The body of a look runs as the user's own cell: value, errors, await, magics."""

from __future__ import annotations

import asyncio
import inspect
import re
import traceback
from dataclasses import fields

import pytest
from helpers.networks import Failing, flags_of, hooks_on
from helpers.versions import COMMAND
from torch import nn

from featmagic import FeatmagicError
from featmagic.ipython.parser import options_of
from featmagic.options.view import View


def line_of(error):
    """Return the line of the innermost frame that is in the cell."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "ipython-input" in f.filename]
    return frames[-1].lineno


def test_the_last_value_is_the_cells(shell):
    assert shell.value("%%featuremaps model cnn1\nmodel(x);\n6 * 7") == 42


def test_a_semicolon_keeps_the_value_from_being_shown(shell):
    _, printed = shell.attempt("%%featuremaps model cnn1\nmodel(x)\n'shown'")
    assert "Out[" in printed
    _, printed = shell.attempt("%%featuremaps model cnn1\nmodel(x)\n'hidden';")
    assert "Out[" not in printed


def test_an_assignment_is_shown_where_the_user_has_asked_for_that(shell):
    shell.ip.ast_node_interactivity = "last_expr_or_assign"
    assert shell.value("%%featuremaps model cnn1\nmodel(x);\na = 5") == 5
    shell.ip.ast_node_interactivity = "none"
    assert shell.value("%%featuremaps model cnn1\nmodel(x)") is None


def test_an_error_is_found_at_its_own_line(shell):
    error = shell.error("%%featuremaps model cnn1\n\nmodel(x)\n# a note\n1 / 0\n")
    assert type(error) is ZeroDivisionError
    assert line_of(error) == 5


def test_a_syntax_error_is_found_at_its_own_line(shell):
    result, _ = shell.attempt("%%featuremaps model cnn1\nmodel(x)\n1 +\n")
    assert isinstance(result.error_in_exec or result.error_before_exec, SyntaxError)
    assert (result.error_in_exec or result.error_before_exec).lineno == 3


def test_only_frames_of_the_user_and_torch_are_in_the_traceback(shell):
    shell.names["failing"] = nn.Sequential(Failing(ValueError("mine")))
    error = shell.error("%%featuremaps failing 0\nfailing(x)")
    names = [f.filename for f in traceback.extract_tb(error.__traceback__)]
    assert not [name for name in names if "featmagic/" in name.replace("\\", "/")]


def test_a_function_defined_in_the_cell_has_its_source(shell):
    shell.run("%%featuremaps model cnn1\ndef double(v):\n    return 2 * v\nmodel(x);")
    assert inspect.getsource(shell.names["double"]) == "def double(v):\n    return 2 * v\n"


def test_await_works_at_the_top_of_the_body(shell):
    shell.names["asyncio"] = asyncio
    assert shell.value("%%featuremaps model cnn1\nawait asyncio.sleep(0, 1)\nmodel(x);\n7") == 7


def test_an_error_behind_an_await_leaves_nothing(shell, model):
    shell.names["asyncio"] = asyncio
    error = shell.error("%%featuremaps model cnn1\nawait asyncio.sleep(0)\nmodel(x)\n1 / 0")
    assert type(error) is ZeroDivisionError
    assert line_of(error) == 4
    assert hooks_on(model) == []


def test_magics_and_commands_work_in_the_body(shell):
    cell = f"%%featuremaps model cnn1\n%time y = model(x)\nlines = {COMMAND}echo hello\n"
    printed = shell.run(cell)
    assert "Wall time" in printed or "CPU times" in printed
    assert list(shell.names["lines"]) == ["hello"]


def test_a_cell_magic_may_stand_inside_or_outside(shell):
    assert "cnn1  Conv2d" in shell.run("%%featuremaps model cnn1\n%%time\ny = model(x)")
    assert "cnn1  Conv2d" in shell.run("%%time\n%%featuremaps model cnn1\ny = model(x)")
    shell.run("%%capture kept\n%%featuremaps model cnn1\ny = model(x)")
    assert "cnn1  Conv2d" in shell.names["kept"].stdout


def test_an_import_from_the_future_may_begin_the_body(shell):
    assert shell.value(
        "%%featuremaps model cnn1\nfrom __future__ import annotations\nmodel(x);\n"
        "def f(a: nowhere): ...\nf.__annotations__"
    ) == {"a": "nowhere"}


def test_a_comment_may_end_the_line(shell):
    assert "act1" not in shell.run("%%featuremaps model cnn1 # act1\nmodel(x);")


def test_an_unclosed_quote_is_one_line_of_ours(shell):
    error = shell.error("%%featuremaps model 'cnn1\nmodel(x)")
    assert isinstance(error, FeatmagicError)
    assert error._render_traceback_() == [
        "FeatmagicError: A quote is not closed in: 'cnn1",
    ]


def test_a_body_of_comments_is_no_pass(shell):
    assert "No forward pass" in str(shell.error("%%featuremaps model cnn1\n# nothing\n"))


def test_a_failed_look_leaves_no_name_behind(shell):
    before = set(shell.names)
    shell.error("%%featuremaps model nope\nmodel(x)")
    shell.error("%%featuremaps model cnn1\n3")
    shell.error("%%featuremaps model cnn1 --sample 5\nmodel(x)")
    assert {n for n in set(shell.names) - before if not n.startswith("_")} == {"feature_maps"}


def test_an_interrupt_leaves_nothing(shell, model):
    model.train()
    flags = flags_of(model)
    error = shell.error("%%featuremaps model cnn1\nmodel(x)\nraise KeyboardInterrupt")
    assert type(error) is KeyboardInterrupt
    assert hooks_on(model) == []
    assert flags_of(model) == flags


def test_called_as_a_function_it_does_the_same(shell, model):
    """This happens in a notebook exported as a script, and in another magic."""
    cell = "get_ipython().run_cell_magic('featuremaps', 'model cnn1', 'model(x)\\n6 * 7\\n')"
    assert shell.value(cell) == 42
    assert list(shell.names["feature_maps"]) == ["cnn1"]
    assert type(shell.error(cell.replace("6 * 7", "1 / 0"))) is ZeroDivisionError
    assert hooks_on(model) == []


def test_awaiting_inside_another_magic_says_where_it_works(shell):
    shell.names["asyncio"] = asyncio
    cell = (
        "await asyncio.sleep(0)\n"
        "get_ipython().run_line_magic('featuremaps', 'model cnn1 -- await asyncio.sleep(0)')"
    )
    error = shell.error(cell)
    assert "await works only in a cell that begins with %%featuremaps" in str(error)


@pytest.mark.parametrize("magic", ["%%featuremaps", "%featuremaps", "%hook", "%unhook"])
def test_help_reads_like_a_manual_page(shell, magic):
    text = shell.ip.object_inspect_text(magic)
    synopsis, examples = text.index("\nSynopsis\n"), text.index("\nExamples\n")
    assert synopsis < examples
    lines = text[examples:].replace("%%", "%").splitlines()
    assert len([line for line in lines if line.startswith(f"    {magic.replace('%%', '%')}")]) >= 3
    options = re.findall(r"^(--[\w-]+)", text[synopsis:examples], re.MULTILINE)
    assert sorted(options) == sorted(options_of(magic))
    for option in fields(View):
        if magic.endswith("featuremaps") and option.default not in (None, False):
            assert f"(default: {option.metadata.get('written', option.default)})" in " ".join(
                text.split()
            )
    assert f"\n    {magic.replace('%%', '%')} " in text.replace("%%", "%")


def test_an_unfinished_cell_is_not_run_after_its_first_line(shell):
    complete = shell.ip.input_transformer_manager.check_complete
    assert complete("%%featuremaps model cnn1\nmodel(x)")[0] == "incomplete"
    assert complete("%%featuremaps model cnn1\nmodel(x)\n\n")[0] == "complete"


def test_a_magic_with_a_similar_name_is_not_ours(shell):
    result, _ = shell.attempt("%%featuremapsx model\nmodel(x)")
    assert not result.success
    assert "feature_maps" not in shell.names


def test_a_body_without_lines_is_ipythons_own_answer(shell):
    result, _ = shell.attempt("%%featuremaps model cnn1\n")
    assert not result.success


def test_a_value_that_is_awaited_in_a_line_magic_is_the_lines(shell):
    shell.run("async def later(value):\n    return value")
    assert shell.value("%featuremaps model cnn1 -- (model(x), await later(42))[1]") == 42
    assert list(shell.names["feature_maps"]) == ["cnn1"]
    value = shell.ip.run_cell_magic("featuremaps", "model cnn1", "y = await later(5); model(x)\ny")
    assert value == 5

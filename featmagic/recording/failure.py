"""A failure: the layer whose forward raised an error, and the input that it received."""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.model_tree import unwrap, walk
from featmagic.recording.placement import device_of
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import shape_of
from featmagic.recording.requirements import (
    Given,
    dtype_of,
    fix,
    runs_torchs_forward,
    takes,
    weight_of,
)
from featmagic.recording.torch_private import (
    CALL,
    hook_tables,
)
from featmagic.support.memory import out_of_memory
from featmagic.support.text import readable, with_article

_MOST_VALUES = 4  # tensors that a message describes
_AS_SAID = {"ndarray": "a NumPy array", "NoneType": "None"}
_NAMES = re.compile(r"(?<![\w.])(?:self\.)?[^\W\d]\w*")


@dataclass(frozen=True)
class Failure:
    """Where a forward pass failed; nothing of it is to be kept, as it refers to frames.

    Attributes:
        name: the layer as a person reads it: `fc (Linear)`.
        module: the layer, or a module inside of it that isn't one of its submodules.
        call: the frame of the call of that module; None if only its `forward` was called.
        code: the innermost frame of its own code.
        hook: whether a hook on it failed.
        root: the frame of the call of the whole model.
        model: the model.
    """

    name: str
    module: nn.Module
    call: FrameType | None
    code: tuple[FrameType, int] | None
    hook: bool
    root: FrameType | None
    model: nn.Module


def failure_in(model: nn.Module, error: BaseException) -> Failure | None:
    """Return where the forward of a model raised an error; None if it came from elsewhere.

    It is the innermost layer of the model that was running: everything is read from the traceback,
    so that nothing has to be noted while the model runs.
    """
    at: BaseException | None = error
    for _ in range(10):  # an error that is the cause of another; a chain of them may be a circle
        if at is None:
            return None
        if found := _failure(model, list(_links(at.__traceback__))):
            return found
        at = at.__cause__
    return None


def _links(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _failure(model: nn.Module, links: Sequence[tuple[FrameType, int]]) -> Failure | None:
    paths = {id(unwrap(module)[-1]): path for path, module in walk(model)}
    owners = [frame.f_locals.get("self") for frame, _ in links]
    inside = [place for place, owner in enumerate(owners) if id(owner) in paths]
    if not inside:
        return None
    innermost = inside[-1]
    layer: Any = owners[innermost]
    path, kind = paths[id(layer)], type(layer).__name__
    name = readable(kind if path == ROOT else f"{path} ({kind})")
    calls = [place for place, (frame, _) in enumerate(links) if frame.f_code is CALL]
    module = layer
    if calls and calls[-1] > innermost:  # called by the layer, and not one of its submodules
        module = owners[calls[-1]]
        name = f"{with_article(readable(type(module).__name__))} in {name}"
    own_calls = [place for place in calls if owners[place] is module]
    own_code = [
        (frame, line)
        for (frame, line), owner in zip(links, owners, strict=True)
        if owner is module and frame.f_code.co_filename != CALL.co_filename
    ]
    return Failure(
        name,
        module,
        links[own_calls[-1]][0] if own_calls else None,
        own_code[-1] if own_code else None,
        bool(own_calls) and _is_hook(module, links[own_calls[-1] + 1 :]),
        next((frame for frame, _ in links if frame.f_code is CALL), None),
        model,
    )


def _is_hook(module: nn.Module, below: Sequence[tuple[FrameType, int]]) -> bool:
    """Return True if what a module's call has called is a hook on it."""
    codes = [frame.f_code for frame, _ in below if frame.f_code.co_filename != CALL.co_filename]
    hooks = [hook for tables in hook_tables(module) for hook in tables[0].values()]
    return bool(codes) and codes[0] in {_code_of(hook) for hook in hooks}


def _code_of(hook: Any) -> CodeType | None:
    hook = getattr(hook, "func", hook)  # of a partial
    for each in (hook, type(hook).__call__):
        code = getattr(getattr(each, "__func__", each), "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None


# In words


def failure_line(recorder: Recorder, error: BaseException, kept: str) -> str | None:
    """Say which layer failed, on what, and what it takes; None if the error came from elsewhere.

    Args:
        recorder: what recorded the pass.
        error: what the user's code raised.
        kept: a sentence that says where the layers before it are.
    """
    if not isinstance(error, (Exception, KeyboardInterrupt)):
        return None  # it ends a generator, a task or the program
    failure = failure_in(recorder.selection.model, error)
    if failure is None:
        return None
    if isinstance(error, KeyboardInterrupt):
        sentences = [f"The forward pass was interrupted in {failure.name}."]
    else:
        sentences = [f"{failure.name} failed."]
        with suppress(Exception):  # objects of the user's may raise anything when asked
            sentences = _sentences(failure, error, _last_before(recorder))
    has_any = recorder.last is not None and bool(recorder.last.activations)
    return " ".join([*sentences, *([kept] if has_any else [])])


def _sentences(failure: Failure, error: Exception, before: str) -> list[str]:
    name = failure.name[:1].upper() + failure.name[1:] if " in " in failure.name else failure.name
    if failure.hook:
        return [f"A hook on {failure.name} failed."]
    given = _given(failure)
    words = _described_given(failure, given)
    if out_of_memory(error):
        return [f"Out of memory in {failure.name}, which received {words}."]
    module = failure.module
    if runs_torchs_forward(module):
        wanted = takes(module)
        known = f", but expects {wanted}" if wanted else ""
        return [f"{name} failed: it received {words}{known}.", *filter(None, [fix(module, given)])]
    values = _values(failure)
    here = f" In the line that failed, {values}." if values else ""
    return [
        f"{name} failed in its own code: it received {words}{_own_parameters(module, given)}."
        f"{here}",
        *filter(None, [before]),
    ]


def _last_before(recorder: Recorder) -> str:
    """Say which layer returned last, of those that were captured."""
    run = recorder.last
    key = next((key for key in reversed(run.order) if key in run.activations), "") if run else ""
    if not run or not key:
        return ""
    tensor = run.activations[key].tensor
    return f"The last layer captured before it, {readable(key)}, returned {shape_of(tensor)}."


def _own_parameters(module: nn.Module, given: Given) -> str:
    """Say what the parameters of a module are, if they don't go with what it was given."""
    weight, x = weight_of(module), given.first
    if weight is None or x is None:
        return ""
    differs = weight.device != x.device or (x.is_floating_point() and weight.dtype != x.dtype)
    return f", and its own parameters are {dtype_of(weight)} {weight.device}" if differs else ""


def _given(failure: Failure) -> Given:
    """Return what the module was given, by the names of its forward's arguments."""
    arguments = _arguments(failure)
    tensors = dict(_tensors_in(arguments))
    first = next(iter(tensors.values()), None)
    inputs = [] if failure.root is None else [failure.root.f_locals.get("args")]
    is_input = any(first is each for _, each in _tensors_in(dict(enumerate(inputs))))
    return Given(tensors or arguments, first is not None and is_input, device_of(failure.model))


def _arguments(failure: Failure) -> dict[str, Any]:
    forward: Any = getattr(failure.module, "forward", None)
    if failure.call is None:
        frame = failure.code[0] if failure.code else None
        if frame is None:
            return {}
        code = frame.f_code
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        return {name: frame.f_locals[name] for name in names if name in frame.f_locals}
    args = failure.call.f_locals.get("args", ())
    kwargs = failure.call.f_locals.get("kwargs", {})
    with suppress(TypeError, ValueError):
        bound = inspect.signature(forward).bind(*args, **kwargs).arguments
        return dict(bound)
    return {**{f"argument {number}": value for number, value in enumerate(args, 1)}, **kwargs}


def _tensors_in(values: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in nested containers of Python's own, with expressions that reach them."""
    if isinstance(values, Tensor):
        yield name, values
    elif type(values) in (tuple, list) and depth < 4:
        for number, value in enumerate(values[:100]):
            yield from _tensors_in(value, f"{name}[{number}]", depth + 1)
    elif type(values) is dict and depth < 4:
        for key, value in values.items():
            at = f"{name}[{key!r}]" if name else str(key)
            yield from _tensors_in(value, at, depth + 1)


def _described_given(failure: Failure, given: Given) -> str:
    values = given.values
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    if tensors:
        words = _described(tensors)
        if isinstance(failure.module, (nn.Embedding, nn.EmbeddingBag)):
            words += _range_of(next(iter(tensors.values())))
        return words
    kinds = [type(value).__name__ for value in values.values()]
    said = [_AS_SAID.get(kind) or with_article(readable(kind)) for kind in kinds[:_MOST_VALUES]]
    return " and ".join(dict.fromkeys(said)) or "nothing"


def _described(tensors: Mapping[str, Tensor]) -> str:
    """Return names, shapes, dtypes and devices of tensors; a single one needs no name."""
    shown = dict(list(tensors.items())[:_MOST_VALUES])
    kinds = {name: f"{dtype_of(each)} {each.device}" for name, each in shown.items()}
    names = {name: "" if len(tensors) == 1 else f"{readable(name)} " for name in shown}
    shapes = {name: f"{names[name]}{shape_of(each)}" for name, each in shown.items()}
    more = f" and {len(tensors) - len(shown)} more" if len(tensors) > len(shown) else ""
    if len(set(kinds.values())) == 1:
        return f"{', '.join(shapes.values())} {next(iter(kinds.values()))}{more}"
    return ", ".join(f"{shapes[name]} {kinds[name]}" for name in shown) + more


def _range_of(indices: Tensor) -> str:
    # On a GPU, an index out of range leaves nothing that could still be computed.
    if indices.device.type != "cpu" or not indices.numel() or indices.is_floating_point():
        return ""
    least, most = (int(value) for value in torch.aminmax(indices.detach()))
    return f" with values from {least} to {most}"


def _values(failure: Failure) -> str:
    """Say what the tensors in the line that failed are, in the module's own code."""
    if failure.code is None:
        return ""
    frame, number = failure.code
    line = linecache.getline(frame.f_code.co_filename, number, frame.f_globals)
    found: dict[str, Tensor] = {}
    for name in _NAMES.findall(line):
        value = _value(failure.module, frame, name)
        if isinstance(value, Tensor):
            found[name] = value
    words = [f"{name} is {shape_of(value)}" for name, value in list(found.items())[:_MOST_VALUES]]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _value(module: nn.Module, frame: FrameType, name: str) -> object:
    """Return a local variable or a tensor of the module, without running code of the user's."""
    if not name.startswith("self."):
        return frame.f_locals.get(name)
    attribute = name.removeprefix("self.")
    tables = [vars(module).get("_parameters"), vars(module).get("_buffers"), vars(module)]
    return next((table[attribute] for table in tables if table and attribute in table), None)

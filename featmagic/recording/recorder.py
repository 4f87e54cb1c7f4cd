"""Forward hooks for as long as a `with` block, and the passes that they bring."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Any

from torch import nn

from featmagic.recording.attention import gives_weights, with_attention_weights
from featmagic.recording.hooks import (
    Compilations,
    Hook,
    calls_of,
    in_backward,
    is_replica,
    outermost,
    remove,
)
from featmagic.recording.inputs import device_of, image_in, move_to_device, pass_inputs
from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.model_tree import (
    CAN_RUN_EAGER,
    ancestors,
    is_compiled,
    is_torchscript,
    runs_compiled,
    unwrap,
    walk,
)
from featmagic.recording.receptive_field.tracer import Constants, Trace, constants_of, hide_frames
from featmagic.recording.records import Pass, layers_of
from featmagic.recording.selectors import Selection


class Recorder:
    """Records the selected modules' outputs between `attach` and `detach`.

    A pass begins when the model is called; each begins afresh, so only the last one counts. The
    model's parts may also be called on their own (`model.forward(x)`, `model.features(x)`): then a
    pass begins when the part that came first comes again.

    Args:
        selection: the modules to record.
        on_pass: is given every `Pass` as it begins, to read while it fills.
        as_is: leave the model's inputs where they are, and compiled code alone: a hook inside it
            would never fire and have it compiled anew.
        follow: see what each tensor was made of, for the fields of an explorer; never as it is.

    Attributes:
        last: the pass that began last, or None.
        moved: how many inputs were moved to the model's device, by the device they came from.
        compiled: whether torch compiled something meanwhile.
    """

    def __init__(
        self,
        selection: Selection,
        on_pass: Callable[[Pass], None] = lambda _: None,
        *,
        as_is: bool = False,
        follow: bool = False,
    ) -> None:
        self.selection = selection
        self.moved: Counter[str] = Counter()
        self._as_is = as_is
        self.device = None if as_is else device_of(selection.model)
        self.last: Pass | None = None
        self.compiled = False
        self._on_pass = on_pass
        self._here = _Here()
        self._open: list[Pass] = []
        self._lock = threading.RLock()
        self._follows = follow and not as_is
        self._constants: Constants | None = None
        self._thread = 0
        self._compilations: Compilations | None = None
        self.leaves_compiled = as_is or not CAN_RUN_EAGER
        self._choose()

    def _choose(self) -> None:
        """The modules that get hooks: the layers, those above them, and the model as a whole.

        TorchScript takes no hooks, or never calls them. What runs compiled is left alone; a wrapper
        is outside of what it compiles.
        """
        chosen, tree = self.selection.modules, dict(walk(self.selection.model))
        above = {up for path in chosen for up in ancestors(path) if up != ROOT}
        shut = {path for path in {*chosen, *above} if is_torchscript(tree[path])}
        self._whole = unwrap(self.selection.model)
        self._modules = {*tree.values(), *self._whole}
        if self.leaves_compiled:
            shut |= {path for path in {*chosen, *above} if runs_compiled(path, tree)}
            if is_compiled(tree[ROOT]):
                self._whole = [] if runs_compiled(ROOT, tree) else self._whole[:1]
        self._layers = {path: module for path, module in chosen.items() if path not in shut}
        self._above = [tree[path] for path in above - shut]
        self._kept = layers_of(tree, self._layers)

    def __enter__(self) -> Recorder:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def attach(self) -> None:
        """Put the hooks on; none stays if that fails half-way."""
        if self._follows:
            # Only in the thread that detaches is it sure to end.
            self._constants, self._thread = constants_of(self._modules), threading.get_ident()
        try:
            self._put_on()
            if self.leaves_compiled:
                self._compilations = Compilations(self._compiling, self._put_on)
                self._compilations.switch_on()
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Take every hook of this recorder off; again does no harm."""
        self._follow(None)  # an interrupt ends a pass without a word
        if self._compilations is not None:
            self._compilations.switch_off()
            self._compilations = None  # it holds the recorder, and so what was recorded
        self._take_off()

    def _put_on(self) -> None:
        self._take_off()
        for path, module in self._layers.items():
            hook, asked = (
                Hook(self, self._returned(path)),
                not self._as_is and gives_weights(module),
            )
            module.register_forward_hook(hook, with_kwargs=asked)
        for module in self._above:
            module.register_forward_hook(Hook(self, self._leave))
        for module in self._whole:
            begin, end = Hook(self, self._begin), Hook(self, self._end)
            module.register_forward_pre_hook(begin, prepend=True, with_kwargs=True)
            module.register_forward_hook(end)
            if self._follows:
                module.register_forward_hook(Hook(self, self._ended), always_call=True)

    def _take_off(self) -> None:
        remove(self, [*self._layers.values(), *self._above, *self._whole])

    def _compiling(self) -> None:
        self.compiled = True
        self._take_off()

    def _returned(self, path: str) -> Callable[..., None]:
        wanted = self.selection.calls.get(path, frozenset())
        parts = self.selection.parts.get(path, frozenset())

        def record(module: nn.Module, args: Any, *rest: Any) -> None:
            if in_backward():
                return
            with self._lock:
                run = self._current(module)
                call = run.count(path)
            if not wanted or call in wanted:
                returned = with_attention_weights(module, args, *rest)
                run.keep(self._kept[path], module, call, returned, parts, self._here.trace)

        return record

    def _current(self, module: nn.Module) -> Pass:
        """The pass that a layer's return belongs to."""
        here = self._here
        if here.opened_by is not None and not calls_of(here.opened_by):
            self._close()  # an error has ended the pass
        if here.whole is not None:
            return here.whole
        if len(self._open) == 1:
            return self._open[0]  # the pass runs this layer in a thread of its own
        outer = outermost(self._parts) or module
        if here.part is None or (not here.inside and outer is here.first):
            here.part, here.first = self._start(), outer
        here.inside = outer is not module
        return here.part

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        """A module above a layer returns: if that is the outermost, its next call is another."""
        if self._here.inside and outermost(self._parts) is module:
            self._here.inside = False

    @cached_property
    def _parts(self) -> set[int]:
        modules = [*self.selection.model.modules(), *self.selection.modules.values()]
        return {id(module) for module in modules}

    def _start(self) -> Pass:
        self.last = Pass()
        self._on_pass(self.last)
        return self.last

    def _begin(self, module: nn.Module, args: Any, kwargs: Any = None) -> Any:
        here = self._here
        if is_replica(module) or in_backward() or kwargs is None:
            return None  # without kwargs, another thread is taking this hook off
        if here.opened_by is not None and calls_of(here.opened_by) > (here.opened_by is module):
            here.depth += 1
            return None
        self._close()  # an error keeps a pass from ending
        here.depth, here.opened_by, here.part, here.inside = 1, module, None, False
        here.whole = self._start()
        here.whole.failed = True  # until it ends
        self._open.append(here.whole)
        call = args, kwargs
        if self.device is not None:
            call = move_to_device(self.device, call, self.moved)
        here.whole.inputs = pass_inputs(self.selection.model, *call, copy=not self._as_is)
        if self._constants is not None and self._thread == threading.get_ident():
            image = image_in(self.selection.model, *call)
            self._follow(None if image is None else Trace(image, self._constants))
        return None if self.device is None else call

    def _end(self, module: nn.Module, args: object, output: object) -> None:
        here = self._here
        if is_replica(module) or in_backward():
            return
        here.depth -= 1
        if here.depth == 0 and here.whole is not None:
            here.whole.failed = False
            self._close()

    def _ended(self, module: nn.Module, args: object, output: object) -> None:
        """The call that began the pass is over, be it by an error."""
        here = self._here
        if here.trace is not None and here.traced is module and calls_of(module) <= 1:
            self._follow(None)
            hide_frames(sys.exc_info()[1])

    def _follow(self, trace: Trace | None) -> None:
        """Follow the image of the pass under way, and no other."""
        here = self._here
        if here.trace is not None:
            here.trace.switch_off()
        here.trace, here.traced = trace, here.opened_by
        if trace is not None:
            trace.switch_on()

    def _close(self) -> None:
        here = self._here
        if here.whole in self._open:
            self._open.remove(here.whole)
        here.whole = here.opened_by = None


class _Here(threading.local):
    """Where the recorder is in this thread."""

    depth: int = 0
    whole: Pass | None = None
    opened_by: nn.Module | None = None
    part: Pass | None = None
    first: nn.Module | None = None
    inside: bool = False
    trace: Trace | None = None
    traced: nn.Module | None = None

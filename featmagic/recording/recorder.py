"""The recorder: forward hooks that send the outputs of modules to a sink, pass by pass."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import nn
from torch.utils.hooks import RemovableHandle

from featmagic.recording.attention import CallOutput, gives_weights, with_attention_weights
from featmagic.recording.eval_mode import hold_eval_mode, release_eval_mode
from featmagic.recording.hooks import (
    Compilations,
    Hook,
    KeepsLast,
    calls,
    calls_of,
    has_hook,
    remove,
    runs_elsewhere,
)
from featmagic.recording.inputs import image_in, pass_inputs
from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.leftovers import end_leftovers, under_way
from featmagic.recording.model_tree import (
    CAN_RUN_EAGER,
    is_compiled,
    is_torchscript,
    modules_of,
    parents_of,
    runs_compiled,
    unwrap,
    walk,
)
from featmagic.recording.passes import Passes
from featmagic.recording.placement import MovedInputs, device_of, move_to_device
from featmagic.recording.receptive_field.tracer import Constants, Trace, constants_of, hide_frames
from featmagic.recording.records import LayerOutput, Pass, layers_of
from featmagic.recording.scripting import hide_hooks_of, hide_no_more
from featmagic.recording.selectors import Selection
from featmagic.recording.sinks import KeepPasses, Sink
from featmagic.recording.threads_of_control import Member
from featmagic.recording.torch_private import (
    add_hook,
    can_find_hooks,
    in_backward,
    is_compiler_loaded,
    is_replica,
    register_after,
    register_before,
)
from featmagic.support.interrupts import Block, uninterrupted


class Recorder(Block["Recorder"]):
    """Sends what the selected modules return to a sink, from `attach` to `detach`.

    A pass begins when the model is called. Its parts may also be called on their own
    (`model.forward(x)`, `model.features(x)`); then a pass begins when the part that was called
    first is called again. Only what runs in the thread of control that attached the recorder is
    recorded: a thread, or one of its tasks, and the threads in which a pass itself runs layers.

    While the recorder is attached, the model is in eval mode, gradients are off and compiled code
    runs as plain Python, unless `as_is` is set.

    Args:
        selection: the modules to record.
        sink: receives every pass and value; by default, copies are kept in the passes.
        as_is: leave the mode, gradients and inputs as they are, and put no hooks into compiled
            code, where they would never run but cause a recompilation.
        follow: trace what each tensor is computed from, for receptive fields, and keep the inputs
            of convolutions; ignored with `as_is`.
        weights: compute attention weights that a layer doesn't return; ignored with `as_is`.

    Attributes:
        device: the device to which inputs are moved; None if they are left where they are.
        moved: which inputs were moved there, and which weren't.
        compiled: whether torch compiled something meanwhile.
        leaves_compiled: whether compiled models run compiled, so that nothing in them is recorded.
        as_is: as it was given.
        is_attached: whether the hooks are on.
        was_copied: whether the model, or a part with a hook, was copied or pickled meanwhile.
        passes_elsewhere: how often another thread of control called the model meanwhile.
        ran_elsewhere: whether another thread of control ran the model or one of the layers.
        is_in_use: whether another thread was running the model when the hooks went on.
        unhooked: the paths of layers whose hooks somebody else removed before `detach`.
    """

    def __init__(
        self,
        selection: Selection,
        sink: Sink | None = None,
        *,
        as_is: bool = False,
        follow: bool = False,
        weights: bool = True,
    ) -> None:
        self.selection = selection
        self.device = None if as_is else device_of(selection.model)
        self.moved = MovedInputs()
        self.compiled = False
        self.leaves_compiled = as_is or not CAN_RUN_EAGER
        self.is_attached = self.was_copied = self.is_in_use = self.ran_elsewhere = False
        self.passes_elsewhere = 0
        self.unhooked: frozenset[str] = frozenset()
        self._had_dynamo = is_compiler_loaded()
        self.as_is = as_is
        self._asks = weights and not as_is
        tree = dict(walk(selection.model))
        self._hooked = _modules_to_hook(selection, tree, leaves_compiled=self.leaves_compiled)
        blocks = selection.blocks or frozenset()
        self._layers = layers_of(
            tree, self._hooked.layers, selection.parts, blocks, selection.called
        )
        self._sink = KeepPasses() if sink is None else sink
        self._passes = Passes(self._sink, selection)
        self._tracing = _Tracing()
        modules = [*tree.values(), *unwrap(selection.model)]
        self._traced_modules = modules if follow and not as_is else None
        self._compilations: Compilations | None = None
        self._handles: list[RemovableHandle] = []
        self._control = Member()
        self._models = frozenset(id(module) for module in unwrap(selection.model))

    @property
    def last(self) -> Pass | None:
        """The pass that began last, or None."""
        return self._passes.last

    @property
    def compiled_first(self) -> bool:
        """Whether torch's compiler was loaded meanwhile; what it compiled then isn't recorded."""
        return not self._had_dynamo and is_compiler_loaded()

    # Hooks on and off

    def open(self) -> Recorder:
        """Attach until the `with` block ends."""
        self.attach(self.end)
        return self

    def close(self) -> None:
        """Detach."""
        self.detach()

    def attach(self, end: Callable[[], object]) -> None:
        """Register the hooks; if that fails, none is left.

        Args:
            end: a weak reference to an object that lives as long as the hooks may stay. If `detach`
                isn't called by then, `end_leftovers` calls it.
        """
        uninterrupted(partial(self._attach, end))

    def detach(self) -> None:
        """Remove every hook of this recorder and end its passes; may be called more than once."""
        uninterrupted(self._detach)

    def _attach(self, end: Callable[[], object]) -> None:
        end_leftovers()
        under_way[self] = end
        try:
            self._had_dynamo = is_compiler_loaded()
            if self._traced_modules is not None:
                self._tracing.constants = constants_of(self._traced_modules)
            if not self.as_is:
                modules = modules_of(self.selection.model)
                self.is_in_use = runs_elsewhere({id(module) for module in modules})
                hold_eval_mode(modules, self)
            self._control.enter()
            self.is_attached = True
            hide_hooks_of(self)
            self._register()
            if self.leaves_compiled:
                self._compilations = Compilations(self._compiling, self._register)
                self._compilations.switch_on()
        except BaseException:
            self._detach()
            raise

    def _detach(self) -> None:
        if self.is_attached and not self.compiled:  # a compilation takes them off
            called = () if self.last is None else self.last.calls
            others = ((path, m) for path, m in self._hooked.layers.items() if path not in called)
            self.unhooked = frozenset(path for path, m in others if not has_hook(m, self))
        self.is_attached = False
        self._tracing.stop()  # an interrupted pass doesn't stop it
        if self._compilations is not None:
            self._compilations.switch_off()
            self._compilations = None  # it refers to the recorder, and so to what was recorded
        self._remove()
        hide_no_more(self)
        self._control.leave()
        release_eval_mode(self)
        under_way.pop(self, None)
        self._passes.end_all()

    def _register(self) -> None:
        self._remove()
        if not self.is_attached:  # a compilation in another thread may end after `detach`
            return
        keep, keeps_last = self._keep, KeepsLast(self)
        for path, module in self._hooked.layers.items():
            follows = self._traced_modules is not None
            layer = self._layers[path]
            asks = self._asks and not layer.is_block and gives_weights(module)
            asks |= follows and layer.convolution is not None
            keep(module, add_hook(module, keeps_last, before=True))
            hook = Hook(self, self._layer_hook(path))
            if asks:
                keep(module, register_after(module, hook, with_kwargs=True))
            else:
                keep(module, add_hook(module, hook))
        for module in self._hooked.above:
            keep(module, add_hook(module, Hook(self, self._part_returned)))
        for module in self._hooked.model:
            begin, end = Hook(self, self._model_called), Hook(self, self._model_returned)
            keep(module, register_before(module, begin, prepend=True, with_kwargs=True))
            keep(module, register_after(module, end))
            if self._traced_modules is not None:
                ended = Hook(self, self._model_ended)
                keep(module, register_after(module, ended, always_call=True))

    def _keep(self, module: nn.Module, handle: RemovableHandle | None) -> None:
        """Keep the handle of a hook that can't be found on its module."""
        if handle is not None and not can_find_hooks(module):
            self._handles.append(handle)

    def _remove(self) -> None:
        hooked = self._hooked
        remove(self, [*hooked.layers.values(), *hooked.above, *hooked.model])
        while self._handles:
            self._handles.pop().remove()

    def _compiling(self) -> None:
        self.compiled = True
        self._remove()

    # What the hooks do

    def _model_called(self, module: nn.Module, args: Any, kwargs: Any = None) -> Any:
        if is_replica(module) or in_backward() or kwargs is None:
            return None  # kwargs is missing only while another thread is removing this hook
        if not self._control.is_here():
            self.passes_elsewhere += 1
            self.ran_elsewhere = True
            return None
        forward_pass = self._passes.model_called(module)
        if forward_pass is None:
            return None
        call = args, kwargs
        if self.device is not None:
            call = move_to_device(self.device, self.selection.model, args, kwargs, self.moved)
        forward_pass.inputs = pass_inputs(self.selection.model, *call, copy=not self.as_is)
        if (constants := self._tracing.constants) is not None:
            self._tracing.stop()  # an interrupt may have prevented the end of the last one
            if (image := image_in(self.selection.model, *call)) is not None:
                self._tracing.start(Trace(image, constants), module)
        return None if self.device is None else call

    def _model_returned(self, module: nn.Module, args: object, output: object) -> None:
        if not is_replica(module) and not in_backward() and self._control.is_here():
            self._passes.model_returned(module)

    def _part_returned(self, module: nn.Module, args: object, output: object) -> None:
        if self._control.is_here():
            self._passes.part_returned(module)

    def _model_ended(self, module: nn.Module, args: object, output: object) -> None:
        """Stop tracing when the call that began the pass ends, even with an error."""
        if self._tracing.module is module and calls_of(module) <= 1:
            self._tracing.stop()
            hide_frames(sys.exc_info()[1])

    def _layer_hook(self, path: str) -> Callable[..., None]:
        layer, wanted = self._layers[path], self.selection.calls.get(path, frozenset())
        follows = self._traced_modules is not None

        def layer_returned(module: nn.Module, args: Any, *rest: Any) -> None:
            if in_backward():
                return
            if not self._is_ours():
                self.ran_elsewhere = True
                return
            forward_pass, call = self._passes.next_call(path, module)
            if not wanted or call in wanted:
                returned = (
                    CallOutput(rest[-1])
                    if layer.is_block
                    else with_attention_weights(module, args, *rest)
                )
                given = (args, rest[0] if len(rest) > 1 else {}) if follows else None
                value = LayerOutput(layer, module, call, *returned, self._tracing.trace, given)
                self._sink.layer_returned(forward_pass, value)

        return layer_returned

    def _is_ours(self) -> bool:
        """Return True if what runs in this thread belongs to this recorder.

        Another thread may run layers of the pass under way, as DataParallel's threads do. A thread
        that calls the model itself, or was busy before the pass began, doesn't belong to it.
        """
        if self._control.is_here():
            return True
        if not self._passes.may_run_here():
            return False
        own = (module for module in calls() if id(module) in self._models)
        return next(own, None) is None


class _Hooked(NamedTuple):
    """The modules that get hooks."""

    layers: Mapping[str, nn.Module]  # by path
    above: Sequence[nn.Module]  # the modules around the layers, except the model itself
    model: Sequence[nn.Module]  # the model, and what it wraps: a call of any of them is a pass


def _modules_to_hook(
    selection: Selection, tree: Mapping[str, nn.Module], *, leaves_compiled: bool
) -> _Hooked:
    """Choose the modules that get hooks.

    TorchScript accepts no hooks, or never calls them. Modules that run compiled get none; a wrapper
    such as `torch.compile` returns is outside the compiled code.
    """
    layers, model = selection.modules, unwrap(selection.model)
    parents, above = parents_of(tree), set[str]()
    for path in layers:
        up = parents.get(path, ROOT)
        while up != ROOT and up not in above:
            above.add(up)
            up = parents[up]
    closed = {path for path in {*layers, *above} if is_torchscript(tree[path])}
    if leaves_compiled and any(map(is_compiled, tree.values())):
        closed |= {path for path in {*layers, *above} if runs_compiled(path, tree)}
        if is_compiled(tree[ROOT]):
            model = [] if runs_compiled(ROOT, tree) else model[:1]
    open_layers = {path: module for path, module in layers.items() if path not in closed}
    return _Hooked(open_layers, [tree[path] for path in above - closed], model)


class _Tracing(threading.local):
    """The trace of the pass under way in a thread, and the module whose call ends it."""

    # None except in the thread that attached: only there is a trace certain to end.
    constants: Constants | None = None
    trace: Trace | None = None
    module: nn.Module | None = None

    def start(self, trace: Trace, module: nn.Module) -> None:
        self.trace, self.module = trace, module
        trace.switch_on()

    def stop(self) -> None:
        if self.trace is not None:
            self.trace.switch_off()
        self.trace = self.module = None

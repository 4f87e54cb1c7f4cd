"""`capture`: record layers during a `with` block, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from torch import nn

from featmagic.feature_maps import FeatureMaps
from featmagic.options.validators import pass_choice
from featmagic.recording.diagnostics import gradient_hint, missing_from, remarks
from featmagic.recording.failure import failure_line
from featmagic.recording.kept_passes import PassChoice
from featmagic.recording.layer_arguments import Layers
from featmagic.recording.output_shapes import remember_shapes
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import Selection, select
from featmagic.recording.sinks import KeepPasses
from featmagic.support.environment import shows_notes
from featmagic.support.errors import FeatmagicError, add_note
from featmagic.support.interrupts import Block
from featmagic.support.own_frames import without_own_frames
from featmagic.support.text import readable, say


@without_own_frames
def capture(
    model: nn.Module,
    *layers: Layers,
    as_is: bool = False,
    fields: bool = False,
    passes: int | str = "last",
) -> Capture:
    """Record the outputs of layers while a `with` block runs; your model is left unchanged.

    Inside the block the model is in eval mode and gradients are off. When the block ends, the
    `training` flag of every submodule is restored and all hooks are removed. If all tensors passed
    to the model are on another device, they are moved to the model's device; lengths for
    `pack_padded_sequence` stay on the CPU.

    Args:
        model: Any `nn.Module`, including DataParallel, DistributedDataParallel and compiled models.
        layers: The layers to record: names, modules of the model (`model.layer1[0].conv1`), or
            iterables of both. A name is a path (`layer1.0.conv1` or `layer1[0].conv1`), a glob
            (`layer1.*` matches the modules in `layer1`, `layer1.**` all layers below it, and
            `**.conv1` every `conv1`), a class name (`Conv2d`), or `.` or `""` for the model itself;
            `relu:2` is the second call of a layer. A module with several names is recorded under
            the first, and a `ModuleList` stands for its items. Default: the model's children.
        as_is: If True, leave training mode, gradients and the inputs' devices unchanged.
        fields: If True, also compute receptive fields and keep the inputs of convolutions, for an
            explorer to show. Passes take slightly longer. Has no effect with `as_is=True`.
        passes: Which passes to keep if the model runs several times. `"last"` keeps each layer's
            output in the latest pass that ran it. A number keeps only that pass, counted from 1, or
            from the end as -1. `"all"` keeps every pass (see `FeatureMaps.passes`).

    Returns:
        A context manager that yields a `FeatureMaps`, which fills up as the model runs. Only what
        the current thread or task runs is recorded. The context manager can be used again after
        its block ends, and yields a new `FeatureMaps` each time.

    Raises:
        FeatmagicError: If a layer doesn't exist, `passes` is invalid, or `model` isn't an
            `nn.Module`.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 5, 5), nn.ReLU(inplace=True))
        >>> with capture(net, "0") as feature_maps:
        ...     y = net(torch.zeros(1, 1, 28, 28))
        >>> feature_maps["0"].shape
        torch.Size([1, 5, 24, 24])
    """
    choice = pass_choice("passes", passes)
    return Capture(select(model, layers), choice, _written(layers), as_is=as_is, fields=fields)


class MisusedCapture(FeatmagicError, TypeError, AttributeError):
    """The return value of `capture` was used outside of a `with` statement.

    It is an `AttributeError`, so that `hasattr` works, and a `TypeError`, as for any object that
    can't be called, indexed or iterated over.
    """


class Capture(Block[FeatureMaps]):
    """The context manager of `capture`: hooks and eval mode are on while its block runs.

    Any other use raises an error that shows how to use it.
    """

    def __init__(
        self,
        selection: Selection,
        passes: PassChoice,
        written: str,
        *,
        as_is: bool,
        fields: bool,
    ) -> None:
        self._selection, self._passes, self._written = selection, passes, written
        self._as_is, self._fields = as_is, fields
        self._maps = FeatureMaps(passes)
        self._recorder: Recorder | None = None  # while its block runs, or if that failed to begin
        self._ended: Recorder | None = None  # once it has ended, until that is reported

    def open(self) -> FeatureMaps:
        """Put the hooks on, for new feature maps."""
        if self._recorder is not None and self._recorder.is_attached:
            raise FeatmagicError(
                "This capture is already in use: call capture(...) again for a nested block or "
                "another thread."
            )
        self._maps = maps = FeatureMaps(self._passes)
        sink = KeepPasses(maps.kept)
        recorder = Recorder(self._selection, sink, as_is=self._as_is, follow=self._fields)
        self._recorder = recorder  # so that `close` finds it, wherever an interrupt comes
        recorder.attach(self.end)
        return maps

    def close(self) -> None:
        """Take the hooks off, and note what is missing."""
        recorder = self._recorder
        if recorder is not None:
            recorder.detach()
            self._maps.missing = missing_from(recorder, self._maps.kept)
            remember_shapes(self._selection.model, self._maps.kept.activations.values())
            self._recorder, self._ended = None, recorder

    def report(self, error: BaseException | None) -> None:
        """Print how the passes ran differently because of the block, or explain its error."""
        recorder, self._ended = self._ended, None
        if error is None:
            for line in () if recorder is None else remarks(recorder):
                say(line)
            return
        hints = [None if self._as_is else gradient_hint(error)]
        if recorder is not None:
            kept = "The layers captured before it are kept; .show() shows them."
            hints.append(failure_line(recorder, error, kept))
        for hint in filter(None, hints):
            if not (add_note(error, hint) and shows_notes()):
                say(f"featmagic: {hint}")

    # Any other use raises an error that shows how to use it.

    def __repr__(self) -> str:
        return f"<{self._usage()}>"

    def __call__(self, *_: object, **__: object) -> NoReturn:  # noqa: D102
        raise MisusedCapture(self._usage())

    def __iter__(self) -> NoReturn:
        raise MisusedCapture(self._usage())

    def __contains__(self, _: object) -> NoReturn:
        raise MisusedCapture(self._usage())

    def __getitem__(self, key: object) -> NoReturn:
        raise MisusedCapture(self._usage(f'["{readable(key)}"]' if isinstance(key, str) else ""))

    def __aenter__(self) -> NoReturn:
        raise MisusedCapture(self._usage())

    async def __aexit__(self, *_: object) -> None:
        """Let `async with` get as far as `__aenter__`."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # what copying, pickling and front ends ask for
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        found = getattr(FeatureMaps, name, None)
        raise MisusedCapture(self._usage(f".{name}{'()' * callable(found)}" if found else ""))

    def _usage(self, wanted: str = "") -> str:
        """Say how a capture is used, and where what is wanted of it is found."""
        return (
            f"capture(...) is a context manager: write `with featmagic.capture({self._written}) as "
            f"feature_maps: model(x)`, then feature_maps{wanted or '.show()'}."
        )


def _written(layers: Sequence[Layers]) -> str:
    """Return the arguments of a capture as they may be written: `model, "cnn1"`."""
    names = [f'"{readable(name)}"' if isinstance(name, str) else "..." for name in layers]
    return ", ".join(["model", *dict.fromkeys([*names[:3], *(["..."] * (len(names) > 3))])])

"""`capture`: record layers during a `with` block, in plain Python."""

from __future__ import annotations

from torch import nn

from featmagic.feature_maps import FeatureMaps
from featmagic.options.validators import pass_choice
from featmagic.recording.diagnostics import gradient_hint, missing_from, remarks
from featmagic.recording.failure import failure_line
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select
from featmagic.recording.sinks import KeepPasses
from featmagic.support.environment import shows_notes
from featmagic.support.errors import add_note
from featmagic.support.interrupts import Block
from featmagic.support.own_frames import without_own_frames
from featmagic.support.text import say


@without_own_frames
def capture(
    model: nn.Module,
    *layers: str,
    as_is: bool = False,
    fields: bool = False,
    passes: int | str = "last",
) -> Capture:
    """Record what layers return while the block runs; your model is left unchanged.

    The block runs with the model in eval mode and without gradients. After it, every submodule's
    `training` flag is restored and no hook is left. Tensors in the model's arguments are moved to
    the model's device if all of them are elsewhere; lengths for `pack_padded_sequence` stay on the
    CPU.

    Args:
        model: Any `nn.Module`, including DataParallel, DistributedDataParallel and compiled ones.
        layers: Paths (`layer1.0.conv1`), their Python spelling (`layer1[0].conv1`), globs
            (`*.conv1`), class names (`Conv2d`), `.` or `""` for the model itself, `relu:2` for a
            second call. The model's direct children if none is given.
        as_is: Leave the mode, gradients and inputs as they are.
        fields: Compute the receptive fields of the layers, for an explorer to show, and keep the
            inputs of convolutions. A pass takes a little longer. Has no effect with `as_is`.
        passes: What to keep if the model runs several times. "last" keeps each layer's output in
            the latest pass that ran it. A number keeps only that pass, counted from 1, or from the
            end as -1. "all" keeps every pass (`FeatureMaps.passes`).

    Returns:
        A context manager that gives `FeatureMaps`, which fill up as the model runs. Only what the
        thread or task of the block runs is captured.

    Raises:
        FeatmagicError: There is no such layer, `passes` is invalid, or the model isn't an
            `nn.Module`.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 5, 5), nn.ReLU(inplace=True))
        >>> with capture(net, "0") as feature_maps:
        ...     y = net(torch.zeros(1, 1, 28, 28))
        >>> feature_maps["0"].shape
        torch.Size([1, 5, 24, 24])
    """
    maps = FeatureMaps(pass_choice("passes", passes))
    sink = KeepPasses(maps.kept)
    recorder = Recorder(select(model, layers), sink, as_is=as_is, follow=fields)
    return Capture(recorder, maps)


class Capture(Block[FeatureMaps]):
    """The context manager of `capture`: hooks and eval mode are on while its block runs."""

    def __init__(self, recorder: Recorder, maps: FeatureMaps) -> None:
        self._recorder, self._maps = recorder, maps

    def open(self) -> FeatureMaps:
        """Put the hooks on."""
        self._recorder.attach(self.end)
        return self._maps

    def close(self) -> None:
        """Take the hooks off, and note what is missing."""
        self._recorder.detach()
        self._maps.missing = missing_from(self._recorder, self._maps.kept)

    def report(self, error: BaseException | None) -> None:
        """Print how the passes ran differently because of the block, or explain its error."""
        if error is None:
            for line in remarks(self._recorder):
                say(line)
            return
        hints = [
            None if self._recorder.as_is else gradient_hint(error),
            failure_line(
                self._recorder, error, "The layers captured before it are kept; .show() shows them."
            ),
        ]
        for hint in filter(None, hints):
            if not (add_note(error, hint) and shows_notes()):
                say(f"featmagic: {hint}")

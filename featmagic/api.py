"""`capture`: record layers during a `with` block, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import nn

from featmagic.feature_maps import FeatureMaps
from featmagic.recording.diagnostics import missing_from, remarks
from featmagic.recording.eval_mode import looking
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select
from featmagic.recording.sinks import KeepLastPass
from featmagic.support.text import say


@contextmanager
def capture(
    model: nn.Module, *layers: str, as_is: bool = False, fields: bool = False
) -> Iterator[FeatureMaps]:
    """Record what layers return while the block runs; your model is left unchanged.

    The block runs with the model in eval mode and without gradients. After it, every submodule's
    `training` flag is restored and no hook is left. Tensors in the model's arguments are moved to
    the model's device if none of them is there already; lengths for `pack_padded_sequence` stay on
    the CPU.

    Args:
        model: Any `nn.Module`, including DataParallel, DistributedDataParallel and compiled ones.
        layers: Paths (`layer1.0.conv1`), their Python spelling (`layer1[0].conv1`), globs
            (`*.conv1`), class names (`Conv2d`), `.` or `""` for the model itself, `relu:2` for a
            second call. The model's direct children if none is given.
        as_is: Leave the mode, gradients and inputs as they are.
        fields: Compute the receptive fields of the layers, for an explorer to show. A pass takes a
            little longer. Has no effect with `as_is`.

    Yields:
        `FeatureMaps`, which fill up as the model runs; only the last pass is kept.

    Raises:
        FeatmagicError: There is no such layer, or the model isn't an `nn.Module`.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 5, 5), nn.ReLU(inplace=True))
        >>> with capture(net, "0") as feature_maps:
        ...     y = net(torch.zeros(1, 1, 28, 28))
        >>> feature_maps["0"].shape
        torch.Size([1, 5, 24, 24])
    """
    maps = FeatureMaps()
    sink = KeepLastPass(maps.begin)
    recorder = Recorder(select(model, layers), sink, as_is=as_is, follow=fields)
    with nullcontext() if as_is else looking(model):
        try:
            with recorder:
                yield maps
        finally:
            recorder.detach()  # an interrupt may have cut the first time short
            maps.missing = missing_from(recorder)
    for line in remarks(recorder):
        say(line)

"""`capture`: watch layers for one `with` block, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from torch import nn

from featmagic.feature_maps import FeatureMaps
from featmagic.recording.diagnostics import missing_from, moved_line
from featmagic.recording.eval_mode import looking
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select
from featmagic.recording.sinks import KeepLastPass
from featmagic.support.text import say


@contextmanager
def capture(
    model: nn.Module, *layers: str, as_is: bool = False, fields: bool = False
) -> Iterator[FeatureMaps]:
    """Watch layers while the block runs; afterwards no hook is left on the model.

    The block runs with the model in eval mode and without gradients; every sub-module's `training`
    flag is put back after it. Tensors in the model's arguments are moved to the model's device.

    Args:
        model: any `nn.Module`; DataParallel, DistributedDataParallel and compiled ones too.
        layers: paths (`layer1.0.conv1`), their Python spelling (`layer1[0].conv1`), globs
            (`*.conv1`), class names (`Conv2d`), `.` for the model itself, `relu:2` for a second
            call. None at all stands for the model's own children.
        as_is: leave mode, gradients and inputs alone.
        fields: see what each layer's places see of the image, which an explorer shows then; a pass
            takes a little longer. Not with `as_is`.

    Yields:
        `FeatureMaps`, which fill as the model runs; only the last pass counts.

    Raises:
        FeatmagicError: a layer that isn't there, or a model that isn't an `nn.Module`.

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
    if recorder.moved:
        say(moved_line(recorder))

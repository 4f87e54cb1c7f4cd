"""What a look without names records, in plain Python, and what it should record."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from featmagic.feature_maps import FeatureMaps
from featmagic.recording.diagnostics import missing_from
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select_all
from featmagic.recording.sinks import KeepPasses


def look_at_all(model, *args, passes="last", **options):
    """Run the model once as in `%%featuremaps model --overview`, and return the feature maps."""
    maps = FeatureMaps(passes)
    recorder = Recorder(select_all(model), KeepPasses(maps.kept), **options)
    try:
        with recorder:
            model(*args)
    finally:
        maps.missing = missing_from(recorder, maps.kept)
    return maps


class Returned(NamedTuple):
    """A call that a hook set by hand saw; the tensor is held, so that its memory isn't reused."""

    key: str
    is_block: bool
    tensor: Tensor
    version: int
    values: Tensor

    def is_the_tensor_of(self, other: Returned) -> bool:
        """Whether both are the same values in the same memory, with no change in between."""
        one, two = self.tensor, other.tensor
        return (
            one.data_ptr() == two.data_ptr()
            and (one.shape, one.stride(), one.dtype) == (two.shape, two.stride(), two.dtype)
            and self.version == other.version
        )


def returned_by_hand(model, *args):
    """Every tensor that a module inside of the model returned, in order, by hooks set by hand."""
    found: list[Returned] = []
    calls: dict[str, int] = {}

    def hook_of(path, is_block):
        def returned(module, args, output):
            calls[path] = calls.get(path, 0) + 1
            name = path if calls[path] == 1 else f"{path}:{calls[path]}"
            parts = enumerate(output) if isinstance(output, tuple) else [("", output)]
            for number, part in parts:
                if isinstance(part, Tensor):
                    key = name if number == "" else f"{name}[{number}]"
                    values = part.detach().clone()
                    found.append(Returned(key, is_block, part, part._version, values))

        return returned

    handles = [
        module.register_forward_hook(hook_of(path, bool(list(module.children()))))
        for path, module in model.named_modules()
        if path and type(module).forward is not nn.Module.forward
    ]
    with torch.no_grad():
        model.eval()(*args)
    for handle in handles:
        handle.remove()
    return found


def rows_by_hand(model, *args):
    """The rows of a look without names: all but blocks that returned what a layer gave before."""
    rows: list[Returned] = []
    for each in returned_by_hand(model, *args):
        if not each.is_block or not any(each.is_the_tensor_of(row) for row in rows):
            rows.append(each)
    return {row.key: row.values for row in rows}


def assert_same_rows(maps, rows):
    """The keys are the same, in the same order, and every value has the same bits."""
    assert list(maps) == list(rows)
    for key, values in rows.items():
        assert maps[key].dtype == values.dtype
        assert torch.equal(maps[key].view(torch.int32), values.view(torch.int32)), key

"""Draw one activation in a fresh process, and print how far its memory grew as JSON.

Linux only: the kernel's own count of the process's resident memory takes in what torch, NumPy,
Pillow and Python allocate alike, and its high-water mark can be reset.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import torch

from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.render.image import mosaic_png


def peak(shape: tuple[int, ...]) -> dict[str, int]:
    """Return the most memory that drawing an activation adds, and the bytes of its values."""
    # What libraries keep after a first use isn't the drawing's: BLAS keeps megabytes.
    matrix = torch.randn(256, 512)
    matrix @ matrix.T
    for side in (16, 64):
        _draw(torch.randn(1, 8, side, side))
    # Smooth, but with enough detail for a file as large as an activation's.
    coarse = torch.randn(*shape[:2], *(side // 4 for side in shape[2:]))
    tensor = torch.nn.functional.interpolate(coarse, shape[2:], mode="bilinear")
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    _draw(tensor)
    return {"peak": _resident("VmHWM") - before, "drawn": tensor.nbytes}


def _draw(tensor: torch.Tensor) -> None:
    mosaic = draw(Activation("layer", "layer", "Conv2d", 1, tensor), View(max=0, zoom=1)).mosaic
    if mosaic is None or mosaic.indices.size < tensor.numel():
        raise RuntimeError("Not every value was drawn.")
    mosaic_png(mosaic)


def _resident(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    match = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"No {name} in /proc/self/status.")
    return int(match[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(peak(tuple(map(int, sys.argv[1:])))))

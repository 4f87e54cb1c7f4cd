"""Write what the tests compare with: colors of matplotlib's, PNG files of Pillow's, our keys.

python tests/fixtures.py
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import CenteredNorm, Normalize, PowerNorm
from PIL import Image

from featmagic.explorer.words import KEYS

LEVELS = 247


def text(data: bytes | np.ndarray) -> str:
    """Return bytes as base64 text."""
    return b64encode(bytes(data)).decode()


def colors() -> dict[str, Any]:
    """Return the colors of every level in a range, by matplotlib's own norms."""
    low, high = -1.3, 3.1
    values = np.linspace(low, high, LEVELS)
    norms = {
        "linear": ("viridis", Normalize(low, high)),
        "gamma": ("viridis", PowerNorm(0.5, low, high)),
        "centered": ("RdBu_r", CenteredNorm(0, high)),
    }
    names = {name for name, _ in norms.values()}
    levels = np.linspace(0, 1, LEVELS)
    tables = {n: matplotlib.colormaps[n](levels, bytes=True)[:, :3] for n in names}
    expected = {}
    for what, (name, norm) in norms.items():
        # A level's color is that of the nearest of as many colors.
        nearest = np.floor(np.asarray(norm(values)) * (LEVELS - 1) + 0.5).astype(int)
        expected[what] = {"cmap": name, "rgb": text(np.ascontiguousarray(tables[name][nearest]))}
    cmaps = {name: text(np.ascontiguousarray(table)) for name, table in sorted(tables.items())}
    return {"low": low, "high": high, "levels": LEVELS, "cmaps": cmaps, "expected": expected}


def pictures() -> dict[str, Any]:
    """Return gray images as Pillow writes them, which chooses the filter of each line."""
    y, x = np.mgrid[:24, :31]
    noise = np.random.default_rng(0).integers(0, 256, (24, 31))
    images = {
        "flat": np.full((24, 31), 7),
        "columns": x * 8,
        "rows": y * 10,
        "slopes": x * 3 + y * 5,
        "waves": 128 + 100 * np.sin(x / 3) * np.cos(y / 4),
        "noise": noise,
        "one pixel": np.full((1, 1), 200),
        "one column": y[:, :1] * 9,
    }
    made = {}
    for what, values in images.items():
        pixels = values.astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        made[what] = {"png": text(file.getvalue()), "pixels": text(np.ascontiguousarray(pixels))}
    return made


if __name__ == "__main__":
    found = {"colors": colors(), "pictures": pictures(), "keys": KEYS}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent="\t") + "\n", "utf-8")

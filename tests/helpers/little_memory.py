"""Look at layers while there is memory for the small ones alone; print what was seen as JSON.

Run by the tests in a process of its own: the limit holds for the whole process. Linux only.
"""

from __future__ import annotations

import json
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

import featmagic
from helpers.shells import Shell

SPARE = 240 * 2**20  # bytes: for a copy of the large layer, not for one as float32


class Sizes(nn.Module):
    """Three layers, of which the second returns far more than the others."""

    def __init__(self):
        super().__init__()
        self.first, self.large, self.last = nn.Identity(), nn.Identity(), nn.Identity()

    def forward(self, small, large):
        self.first(small)
        self.large(large)
        return self.last(small + 1)


@contextmanager
def little_memory():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def said(action):
    try:
        action()
    except featmagic.FeatmagicError as error:
        return str(error)
    return None


def main():
    torch.set_num_threads(1)
    seen = {}
    model, small = Sizes(), torch.randn(1, 8, 16, 16)
    large = torch.randint(0, 255, (1, 16, 2048, 2048), dtype=torch.uint8)
    shell = Shell()
    shell.names.update(model=model, small=small, large=large)
    warm = "%%featuremaps model first last {}\nmodel(small, small);"
    for options in ("", "--overview", "--explore"):
        shell.run(warm.format(options))
    folder = Path(tempfile.mkdtemp())
    with little_memory():
        look = "%%featuremaps model first large last {}\nmodel(small, large);"
        for options in ("--max 0", "--overview"):
            seen[options] = shell.run(look.format(options))
            maps = shell.names["feature_maps"]
            seen["kept"] = list(maps)
        seen["figure"] = said(lambda: maps.figure("large", max=0))
        seen["saved named"] = said(lambda: maps.save(folder / "a.png", "large", max=0))
        seen["files after refusal"] = [path.name for path in folder.iterdir()]
        seen["saved"] = [path.name for path in maps.save(folder / "b.png", max=0)]
        seen["page"] = said(lambda: maps.save(folder / "c.html", max_bytes="200MB"))
    seen["whole"] = (
        torch.equal(maps["large"], large)
        and torch.equal(maps["first"], small)
        and torch.equal(maps["last"], small + 1)
    )
    page = folder / "c.html"
    seen["in page"] = page.read_text().count("not enough memory") if page.exists() else 0
    print(json.dumps(seen))


if __name__ == "__main__":
    main()

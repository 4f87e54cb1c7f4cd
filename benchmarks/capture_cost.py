"""Time ResNet-18 with and without hooks on six layers, and print the pairs of seconds as JSON.

One thread, one process. In some processes the C library hands freed memory back to the system
after every pass, and then copies cost more; so a row takes its pairs from several of them.
"""

from __future__ import annotations

import gc
import json
import sys

import torch
import torchvision
from turns import Pairs, in_turns, timed

import featmagic

LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")


@torch.no_grad()
def measure(pairs: int) -> dict[str, Pairs]:
    """Alternate hooked and bare passes, with hooks attached for each pass or for many."""
    model, image = torchvision.models.resnet18(weights=None).eval(), torch.randn(1, 3, 224, 224)

    def bare() -> float:
        return timed(lambda: model(image))

    def captured() -> None:
        with featmagic.capture(model, *LAYERS, as_is=True):
            model(image)

    def standing() -> float:
        with featmagic.capture(model, *LAYERS, as_is=True):
            model(image)  # every pass but the first replaces copies of the previous one
            return bare()

    for _ in range(3):
        captured()
    return {
        "each": in_turns(lambda: timed(captured), bare, pairs),
        "standing": in_turns(standing, bare, pairs),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    gc.freeze()
    print(json.dumps(measure(int(sys.argv[1]))))
    gc.unfreeze()

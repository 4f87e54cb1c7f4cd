"""Time the capture of every leaf of large models, and print the pairs of seconds as JSON.

Each side includes its set-up: what `capture` does before and after the pass, and for the hooks
that it is compared with, putting them on and taking them off. One thread, one process.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn
from turns import Pairs, in_turns, timed

import featmagic


def small_layers(count: int) -> nn.Sequential:
    """Return so many small convolutions in a row."""
    return nn.Sequential(*[nn.Conv2d(8, 8, 3, padding=1) for _ in range(count)])


def grouped(count: int, of: int = 10) -> nn.Sequential:
    """Return the same in groups of groups."""
    groups = [small_layers(of) for _ in range(count // of)]
    return nn.Sequential(*[nn.Sequential(*groups[n : n + of]) for n in range(0, len(groups), of)])


def cloned(model: nn.Module, leaves: dict[str, nn.Module], image: Tensor) -> dict[str, Tensor]:
    """Run the model with the hooks that people write: each keeps a copy of what a leaf returns."""
    kept: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, args, output: kept.update({name: output.detach().clone()})

    handles = [leaf.register_forward_hook(keep(name)) for name, leaf in leaves.items()]
    model(image)
    for handle in handles:
        handle.remove()
    return kept


@torch.no_grad()
def measure(pairs: int) -> dict[str, Pairs]:
    """Alternate the capture of all leaves with the bare pass; of ResNet-50 with clones, too."""
    image = torch.randn(1, 3, 224, 224)
    rows = {"ResNet-50": (torchvision.models.resnet50(weights=None), image)}
    rows["2,000 layers in a row"] = small_layers(2000), torch.randn(1, 8, 16, 16)
    rows["2,000 layers in groups"] = grouped(2000), torch.randn(1, 8, 16, 16)
    results: dict[str, Pairs] = {}
    for name, (model, given) in rows.items():
        model.eval()
        leaves = {path: m for path, m in model.named_modules() if not list(m.children())}

        def captured(model: nn.Module = model, given: Tensor = given, leaves=leaves) -> None:
            with featmagic.capture(model, *leaves):
                model(given)

        def bare(model: nn.Module = model, given: Tensor = given) -> None:
            model(given)

        def clones(model: nn.Module = model, given: Tensor = given, leaves=leaves) -> None:
            cloned(model, leaves, given)

        captured()
        for other in (bare, clones) if name == "ResNet-50" else (bare,):
            work = [lambda side=side: timed(side) for side in (captured, other)]
            results[f"{name} / {other.__name__}"] = in_turns(*work, pairs)
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    gc.freeze()
    print(json.dumps(measure(int(sys.argv[1]))))
    gc.unfreeze()

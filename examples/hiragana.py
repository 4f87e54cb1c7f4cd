"""Five hiragana, drawn with a font, and a small network that tells them apart.

As a script it draws, trains, and says how well the network reads; a notebook in the same folder
imports the pieces.
"""

from __future__ import annotations

import random
from functools import cache

import matplotlib_fontja
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

CHARACTERS = "あいうえお"
SIDE = 28
GOAL = 0.95
_FINER = 4  # characters are drawn this many times larger, then shrunk for smooth edges


class DNN(nn.Module):
    """A convolution and two linear layers, for 28 x 28 gray images of five characters."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn1 = nn.Conv2d(1, 5, kernel_size=5)
        self.act1 = nn.LeakyReLU(0.01)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.flat = nn.Flatten()
        self.fc1 = nn.Linear(5 * 12 * 12, 100)
        self.act2 = nn.ReLU()
        self.fc2 = nn.Linear(100, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(N, 5)`, one for each character, of images `(N, 1, 28, 28)`."""
        x = self.pool1(self.act1(self.cnn1(x)))
        return self.fc2(self.act2(self.fc1(self.flat(x))))


def draw_set(seed: int, of_each: int = 200) -> tuple[Tensor, Tensor]:
    """Drawings of every character, and which character each of them is.

    Args:
        seed: the same seed gives the same drawings.
        of_each: how many drawings of each character.

    Returns:
        Images `(5 * of_each, 1, 28, 28)` with values from 0 to 1, in the order of `CHARACTERS`,
        and their labels, 0 to 4.
    """
    chance = random.Random(seed)
    drawings = [draw(character, chance) for character in CHARACTERS for _ in range(of_each)]
    images = torch.from_numpy(np.stack(drawings)).unsqueeze(1).float() / 255
    return images, torch.arange(len(CHARACTERS)).repeat_interleave(of_each)


def draw(character: str, chance: random.Random) -> np.ndarray:
    """One drawing, white on black: size, place, slant and thickness are left to chance."""
    side = SIDE * _FINER
    shift = 2 * _FINER
    place = (side / 2 + chance.uniform(-shift, shift), side / 2 + chance.uniform(-shift, shift))
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text(
        place,
        character,
        fill=255,
        font=_font(chance.randint(17 * _FINER, 23 * _FINER)),
        anchor="mm",
        stroke_width=chance.randint(0, 3),
        stroke_fill=255,
    )
    turned = canvas.rotate(chance.uniform(-15, 15), Image.Resampling.BICUBIC)
    return np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.BOX))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(matplotlib_fontja.get_font_ttf_path(), size)


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of the images that the model reads right."""
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def train(
    model: nn.Module, x: Tensor, y: Tensor, held_out: tuple[Tensor, Tensor], epochs: int = 30
) -> list[float]:
    """Train until the model reads more than 95 % of the held-out drawings.

    Returns:
        The accuracy on the held-out drawings after each epoch.

    Raises:
        RuntimeError: after that many epochs it still reads fewer.
    """
    shuffle = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    reached: list[float] = []
    while len(reached) < epochs:
        for batch in torch.randperm(len(x), generator=shuffle).split(50):
            adam.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            adam.step()
        reached.append(accuracy(model, *held_out))
        if reached[-1] > GOAL:
            return reached
    best = max(reached, default=0.0)
    raise RuntimeError(
        f"At best {best:.1%} of the held-out drawings were read right in {epochs} epochs; "
        f"more than {GOAL:.0%} was the goal. Another seed or more epochs may reach it."
    )


def main() -> None:
    """Draw, train, and say how it went."""
    torch.manual_seed(3)
    x, y = draw_set(seed=0)
    held_out = draw_set(seed=1)
    for epoch, share in enumerate(train(DNN(), x, y, held_out), 1):
        print(f"epoch {epoch}: {share:.1%} of {len(held_out[0])} held-out drawings read right")


if __name__ == "__main__":
    main()

"""Small seeded models and inputs for the pages of the documentation. Nothing is downloaded."""

from __future__ import annotations

import torch
from hiragana import CHARACTERS, DNN, accuracy, draw_set, train
from sklearn.datasets import load_sample_image
from torch import Tensor, nn
from torchvision.models import VisionTransformer, resnet18
from torchvision.transforms import v2

__all__ = ["CHARACTERS", "accuracy", "characters", "draw_set", "photographs", "resnet", "vit"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


def characters() -> tuple[nn.Module, Tensor, Tensor]:
    """A network that was trained on drawings of five characters, the drawings, and their labels."""
    torch.manual_seed(3)
    model = DNN()
    x, labels = draw_set(seed=0)
    train(model, x, labels, draw_set(seed=1))
    return model, x, labels


def photographs(side: int = 224) -> Tensor:
    """The two photographs that scikit-learn ships, normalized as for ImageNet: `(2, 3, H, W)`."""
    prepare = v2.Compose(
        [v2.Resize(side), v2.CenterCrop(side), v2.ToDtype(torch.float32, scale=True)]
    )
    pixels = [
        torch.from_numpy(load_sample_image(name).copy()) for name in ("china.jpg", "flower.jpg")
    ]
    images = torch.stack([prepare(each.permute(2, 0, 1)) for each in pixels])
    return v2.Normalize(MEAN, STD)(images)


def resnet() -> nn.Module:
    """A ResNet-18 with random weights, the same each time."""
    torch.manual_seed(0)
    return resnet18()


def vit() -> nn.Module:
    """A small vision transformer with random weights: 14 x 14 patches and a class token."""
    torch.manual_seed(0)
    return VisionTransformer(
        image_size=224, patch_size=16, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128
    )

"""What several test files need of networks, and of the scripts in experiments/."""

import importlib.util
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from ean_search.core.space import Space, load_space

# Transformers are made for one image size. Smaller ones of the same kind do for most tests.
SMALL = {
    "deit_tiny_mrla": {"img_size": 64},
    "deit_small_mrla": {"img_size": 64, "embed_dim": 96, "num_heads": 3},
    "deit_tiny_broad": {"img_size": 64, "fc_norm": True},
    "deit_small_broad": {"img_size": 64, "embed_dim": 96, "num_heads": 3, "fc_norm": True},
    "swin_tiny_broad": {"img_size": 64, "window_size": 4, "embed_dim": 24},
}


def load_small(name: str, **changes) -> Space:
    """Load a shipped space at a small size at which its networks still have maps to look at."""
    size = 32 if name in ("tiny", "resnet164_shared") else 64
    if name in SMALL:
        changes["backbone_args"] = SMALL[name]
    return load_space(name, image_size=size, **changes)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every branch a part in the output: timm's residual branches start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
    return network


def load_script(name: str) -> ModuleType:
    """Import a script of experiments/."""
    path = Path(__file__).parents[1] / "experiments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

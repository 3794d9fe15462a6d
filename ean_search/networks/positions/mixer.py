"""In place of a block's token mixer, where a family keeps one in `.token_mixer` (MetaFormers)."""

from torch import Tensor, nn

from ean_search.networks.positions.wrappers import child

DEPTH = 1


def module_paths(backbone: nn.Module, _: Tensor) -> list[str]:
    """List the token mixers."""
    return [f"{n}.token_mixer" for n, m in backbone.named_modules() if hasattr(m, "token_mixer")]


def original(network: nn.Module, module_path: str) -> nn.Module:
    """Return the token mixer."""
    return network.get_submodule(module_path)


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Exchange the token mixer."""
    owner, name = child(network, module_path)
    setattr(owner, name, module)

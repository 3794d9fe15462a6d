"""In place of a block's token mixer, which MetaFormers keep in an attribute `.token_mixer`."""

from torch import Tensor, nn

from ean_search.networks.positions.wrappers import replace_module

DEPTH_BELOW_BLOCK = 1


def module_paths(backbone: nn.Module, image: Tensor) -> list[str]:
    """List the token mixers."""
    return [f"{n}.token_mixer" for n, m in backbone.named_modules() if hasattr(m, "token_mixer")]


def original(network: nn.Module, module_path: str) -> nn.Module:
    """Return the token mixer."""
    return network.get_submodule(module_path)


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Replace the token mixer by a module."""
    replace_module(network, module_path, module)

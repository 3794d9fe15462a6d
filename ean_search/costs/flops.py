"""Count what a module costs: multiply-adds, FLOPs, parameters and activations."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.networks.builder import Slot

MAC_OPERATORS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")


def count_flops(module: nn.Module, *inputs: Tensor) -> tuple[int, int]:
    """Count multiply-adds and FLOPs of a forward pass.

    Args:
        module: The module; it is set to evaluation mode.
        *inputs: The inputs of its forward pass.

    Returns:
        The multiply-adds of convolutions, linear layers and matrix products; and the total of
        fvcore, which adds norms and pooling to them and ignores sigmoids, means and products of
        elements.
    """
    with warnings.catch_warnings():
        # fvcore uses a tracer that torch has deprecated, and that warns of constant shapes.
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(module.eval(), inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        with _unfused_attention(module):
            by_operator = analysis.by_operator()
    macs = sum(by_operator[operator] for operator in MAC_OPERATORS)
    return int(macs), int(sum(by_operator.values()))


@contextmanager
def _unfused_attention(module: nn.Module) -> Iterator[None]:
    """Switch fused self-attention off for a while: fvcore cannot count inside a fused kernel."""
    fused: list[Any] = [m for m in module.modules() if getattr(m, "fused_attn", False)]
    for self_attention in fused:
        self_attention.fused_attn = False
    try:
        yield
    finally:
        for self_attention in fused:
            self_attention.fused_attn = True


def count_params(module: nn.Module) -> int:
    """Count parameters; those that several submodules share are counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_activations(network: nn.Module, images: Tensor) -> int:
    """Count the elements of the outputs of a network's layers.

    Args:
        network: The network; slots are not counted as layers.
        images: Its input (images, channels, size, size).
    """
    total = 0

    def add_elements(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal total
        total += output.numel() if isinstance(output, Tensor) else 0

    leaves = [m for m in network.modules() if not any(m.children()) and not isinstance(m, Slot)]
    hooks = [leaf.register_forward_hook(add_elements) for leaf in leaves]
    with torch.inference_mode():
        network(images)
    for hook in hooks:
        hook.remove()
    return total

"""Counts of a module: multiply-adds, FLOPs, parameters and activations. Counted, not estimated."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ean_search.networks.builder import Slot

MAC_OPERATORS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")


def count_flops(module: nn.Module, *inputs: Tensor) -> tuple[int, int]:
    """Count multiply-adds of convolutions and matrix products, and fvcore's total."""
    with warnings.catch_warnings():
        # fvcore is built on a tracer that torch has deprecated and that warns of constant shapes.
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(module.eval(), inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        with _open_attention(module):
            by_operator = analysis.by_operator()
    macs = sum(by_operator[operator] for operator in MAC_OPERATORS)
    return int(macs), int(sum(by_operator.values()))


@contextmanager
def _open_attention(module: nn.Module) -> Iterator[None]:
    """Take fused self-attention apart: a counter cannot see into it."""
    fused = [m for m in module.modules() if getattr(m, "fused_attn", False)]
    for attention in fused:
        attention.fused_attn = False
    try:
        yield
    finally:
        for attention in fused:
            attention.fused_attn = True


def count_params(module: nn.Module) -> int:
    """Count parameters, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_activations(network: nn.Module, image: Tensor) -> int:
    """Count the elements that a network's layers put out."""
    total = 0

    def add(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal total
        total += output.numel() if isinstance(output, Tensor) else 0

    leaves = [m for m in network.modules() if not any(m.children()) and not isinstance(m, Slot)]
    hooks = [leaf.register_forward_hook(add) for leaf in leaves]
    with torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    return total

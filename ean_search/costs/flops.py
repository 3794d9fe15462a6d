"""Count what a module costs: multiply-adds, FLOPs, parameters and activations."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.networks.builder import Slot
from ean_search.networks.example import Example, find_tensors

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
    analysis = _analyse(module, *inputs)
    with _unfused_attention(module), _without_fast_path():
        by_operator = analysis.by_operator()
    macs = sum(by_operator[operator] for operator in MAC_OPERATORS)
    return int(macs), int(sum(by_operator.values()))


def count_example(module: nn.Module, example: Example) -> tuple[int, int]:
    """Count multiply-adds and FLOPs as `count_flops` does, of a forward pass over an example."""
    if example.named or not all(isinstance(argument, Tensor) for argument in example.args):
        return count_flops(_FlatCall(module, example), *example.tensors)
    return count_flops(module, *example.args)


def uncounted_operators(module: nn.Module, example: Example) -> tuple[str, ...]:
    """Name the operators of a forward pass that fvcore does not count, without `aten::`."""
    analysis = _analyse(_FlatCall(module, example), *example.tensors)
    with _unfused_attention(module), _without_fast_path():
        analysis.total()  # counts
    names = analysis.unsupported_ops()
    return tuple(sorted(name.removeprefix("aten::") for name in names))


class _FlatCall(nn.Module):
    """A network as a function from tensors to tensors: tracers take nothing else."""

    def __init__(self, network: nn.Module, example: Example):
        super().__init__()
        self.network = network
        self.example = example

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(find_tensors(self.example.with_tensors(list(tensors)).run(self.network)))


def _analyse(module: nn.Module, *inputs: Tensor) -> Any:
    """Make fvcore's analysis, which counts when it is asked, and says nothing."""
    with warnings.catch_warnings():
        # fvcore uses a tracer that torch has deprecated, and that warns of constant shapes.
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(module.eval(), inputs)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.tracer_warnings("none")
        # It does not know the fused kernel, of two matrix products.
        analysis.set_op_handle("aten::scaled_dot_product_attention", _count_products)
    return analysis


def _count_products(inputs: list[Any], outputs: list[Any]) -> dict[str, int]:
    """Count the multiply-adds of queries with keys, and of their weights with values."""
    queries, keys, values = (value.type().sizes() for value in inputs[:3])
    pairs = math.prod(queries[:-1]) * keys[-2]
    return Counter(matmul=pairs * (queries[-1] + values[-1]))


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """Let torch's own self-attention compute step by step for a while: its fast path hides them."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


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


def count_activations(network: nn.Module, example: Example) -> int:
    """Count the elements of the outputs of a network's layers.

    Args:
        network: The network; slots are not counted as layers.
        example: What one forward pass of it takes.
    """
    total = 0

    def add_elements(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal total
        total += sum(tensor.numel() for tensor in find_tensors(output))

    leaves = [m for m in network.modules() if not any(m.children()) and not isinstance(m, Slot)]
    hooks = [leaf.register_forward_hook(add_elements) for leaf in leaves]
    with torch.inference_mode():
        example.run(network)
    for hook in hooks:
        hook.remove()
    return total

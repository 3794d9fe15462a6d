"""After a whole block; the attention gets the block's output and the block's shortcut.

Blocks are found by what they compute: they are the innermost modules whose output is a sum of which
their own input is a term, and modules of the same class whose shortcut is projected.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ean_search.networks.example import Example
from ean_search.networks.positions.wrappers import (
    AttentionAfterBlock,
    projection_name,
    replace_module,
)

DEPTH_BELOW_BLOCK = 0
# Names of autograd nodes, without "Backward": sums, the second one into a view,
SUM_OPERATIONS = ("Add", "torch::autograd::CopySlices")
# and others that may lie between the input and the output of a block on the path of the shortcut.
SHORTCUT_OPERATIONS = (
    "Relu", "View", "UnsafeView", "Reshape", "Permute", "Transpose", "Clone", "Alias", "Slice",
    "ToCopy", "Mul", "Div", "Hardswish", "Silu", "Gelu", "LeakyRelu", "Elu", "Squeeze", "Unsqueeze",
    "AsStrided",
)  # fmt: skip


def module_paths(backbone: nn.Module, example: Example) -> list[str]:
    """List the blocks that one forward pass finds."""
    blocks: set[nn.Module] = set()
    hooks = []
    for module in backbone.modules():
        if module is not backbone and any(module.children()):
            watch = _InputWatch(blocks)
            hooks.append(module.register_forward_pre_hook(watch.before))
            hooks.append(module.register_forward_hook(watch.after))
    with torch.enable_grad():
        example.run(backbone)
    for hook in hooks:
        hook.remove()
    classes = {type(module) for module in blocks}
    return [
        name
        for name, module in backbone.named_modules()
        if module in blocks or (type(module) in classes and projection_name(module))
    ]


def removable(backbone: nn.Module, example: Example) -> None:
    """Return None: the block stays."""


def original(network: nn.Module, module_path: str) -> None:
    """Return None: nothing is replaced."""
    return None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Put a module after a block."""
    block = network.get_submodule(module_path)
    replace_module(network, module_path, AttentionAfterBlock(block, module))


class _InputWatch:
    """Two hooks that find out whether a module's output is a sum with its input as a term.

    Every module gets an input that is cut off from the graph before it. So the shortcut around a
    module that contains such modules is not seen: only the innermost ones count as blocks. A module
    that returns its input unchanged does not cut the graph.
    """

    def __init__(self, blocks: set[nn.Module]):
        self.blocks = blocks
        self.outer_input: Tensor | None = None  # connected to the graph before the module
        self.leaf: Tensor | None = None  # cut off from it
        self.inner_input: Tensor | None = None  # a copy of the leaf, which the module gets

    def before(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Cut the module's input off."""
        self.leaf = None
        if not inputs or not isinstance(inputs[0], Tensor) or not inputs[0].is_floating_point():
            return None
        self.outer_input, self.leaf = inputs[0], inputs[0].detach().requires_grad_()
        # A copy, because a block may overwrite its input.
        self.inner_input = self.leaf.clone()
        return (self.inner_input, *inputs[1:])

    def after(self, module: nn.Module, _: tuple[Any, ...], output: object) -> Tensor | None:
        """Note the module if it adds its input."""
        if not isinstance(output, Tensor) or self.leaf is None:
            return None
        if output.shape == self.leaf.shape and _is_term(self.leaf, output):
            self.blocks.add(module)
            return None
        return self.outer_input if output is self.inner_input else None


def _is_term(leaf: Tensor, output: Tensor) -> bool:
    """Say whether a path of the graph from output to leaf has a sum and no layer on it."""
    todo, seen = [(output.grad_fn, False)], set()
    while todo:
        node, summed = todo.pop()
        if node is None or (node, summed) in seen:
            continue
        seen.add((node, summed))
        operation = node.name().removesuffix("0").removesuffix("Backward")
        if getattr(node, "variable", None) is leaf and summed:
            return True
        is_sum = operation in SUM_OPERATIONS
        if is_sum or operation in SHORTCUT_OPERATIONS:
            todo += [(earlier, summed or is_sum) for earlier, _ in node.next_functions]
    return False

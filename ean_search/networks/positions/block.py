"""After a whole block, with the block's shortcut at hand.

Blocks are found by what they compute: the innermost modules whose output is a sum of which their
own input is a term, and modules of the same kind whose shortcut is projected.
"""

import torch
from torch import Tensor, nn

from ean_search.networks.positions.wrappers import AttentionAfterBlock, child, projection_of

DEPTH = 0
# What may lie between a block's input and its output on the way of the shortcut, sums apart.
SUMS = ("Add", "torch::autograd::CopySlices")  # the latter into a view
PASSING = (
    "Relu", "View", "UnsafeView", "Reshape", "Permute", "Transpose", "Clone", "Alias", "Slice",
    "ToCopy", "Mul", "Div", "Hardswish", "Silu", "Gelu", "LeakyRelu", "Elu", "Squeeze", "Unsqueeze",
    "AsStrided",
)  # fmt: skip


def module_paths(backbone: nn.Module, image: Tensor) -> list[str]:
    """List the blocks that one pass finds."""
    adding: set[nn.Module] = set()
    watched = [m for m in backbone.modules() if m is not backbone and any(m.children())]
    hooks = []
    for module in watched:
        watch = _Watch(adding)
        hooks.append(module.register_forward_pre_hook(watch.enter))
        hooks.append(module.register_forward_hook(watch.leave))
    with torch.enable_grad():
        backbone(image)
    for hook in hooks:
        hook.remove()
    kinds = {type(module) for module in adding}
    return [
        name
        for name, module in backbone.named_modules()
        if module in adding or (type(module) in kinds and projection_of(module))
    ]


def original(network: nn.Module, module_path: str) -> None:
    """Nothing is replaced."""
    return None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Let a module have what the block gives, and its shortcut."""
    owner, name = child(network, module_path)
    setattr(owner, name, AttentionAfterBlock(getattr(owner, name), module))


class _Watch:
    """Sees whether a module's output is a sum with its input in it.

    Every module gets an input that is cut off from what came before. So a shortcut around modules
    that add their own input is not seen: it is these that are the blocks. What passes its input on
    as it is cuts nothing.
    """

    def __init__(self, adding: set[nn.Module]):
        self.adding = adding
        self.leaf: Tensor | None = None
        self.outer: Tensor | None = None
        self.given: Tensor | None = None

    def enter(self, _: nn.Module, inputs: tuple) -> tuple | None:
        self.leaf = None
        if not inputs or not isinstance(inputs[0], Tensor) or not inputs[0].is_floating_point():
            return None
        self.outer, self.leaf = inputs[0], inputs[0].detach().requires_grad_()
        # A copy, because blocks may overwrite what they are given.
        self.given = self.leaf.clone()
        return (self.given, *inputs[1:])

    def leave(self, module: nn.Module, _: tuple, output: object) -> Tensor | None:
        if not isinstance(output, Tensor) or self.leaf is None:
            return None
        if output is self.given:
            return self.outer
        if output.shape == self.leaf.shape and _is_term(self.leaf, output):
            self.adding.add(module)
        return None


def _is_term(leaf: Tensor, output: Tensor) -> bool:
    """Say whether there is a way from output to leaf with a sum and no layer on it."""
    todo, seen = [(output.grad_fn, False)], set()
    while todo:
        node, summed = todo.pop()
        if node is None or (node, summed) in seen:
            continue
        seen.add((node, summed))
        kind = node.name().removesuffix("0").removesuffix("Backward")
        if getattr(node, "variable", None) is leaf and summed:
            return True
        if kind in SUMS or kind in PASSING:
            todo += [(before, summed or kind in SUMS) for before, _ in node.next_functions]
    return False

"""In place of a gate that the backbone has itself, wherever it keeps it.

A gate is found by what it computes: its output is a product, of which its input is a factor, and
another factor depends on the input, too. Squeeze-and-excitation, ECA and CBAM are gates whatever
their classes are called; a learnt scale of channels is none, and an activation has no parameters.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ean_search.networks.example import Example
from ean_search.networks.positions.wrappers import replace_module

DEPTH_BELOW_BLOCK = 1
# Names of autograd nodes that change the layout of a map only.
LAYOUT_OPERATIONS = (
    "View", "UnsafeView", "Reshape", "Permute", "Transpose", "Clone", "Alias", "ToCopy",
    "AsStrided",
)  # fmt: skip


def module_paths(backbone: nn.Module, example: Example) -> list[str]:
    """List the outermost gates that one forward pass finds."""
    found: set[nn.Module] = set()
    hooks = []
    for module in backbone.modules():
        learns = next(module.parameters(), None) is not None
        if module is not backbone and learns and not isinstance(module, nn.Sequential):
            watch = _ProductWatch(found)
            hooks.append(module.register_forward_pre_hook(watch.before))
            hooks.append(module.register_forward_hook(watch.after))
    with torch.enable_grad():
        example.run(backbone)
    for hook in hooks:
        hook.remove()
    paths = [path for path, module in backbone.named_modules() if module in found]
    return [path for path in paths if not any(path.startswith(f"{outer}.") for outer in paths)]


def removable(backbone: nn.Module, example: Example) -> None:
    """Return None: without its gate, a map is what it was before the gate."""


def original(network: nn.Module, module_path: str) -> nn.Module:
    """Return the gate."""
    return network.get_submodule(module_path)


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Replace the gate by a module."""
    replace_module(network, module_path, module)


class _ProductWatch:
    """Two hooks that find out whether a module's output is its input times something of it."""

    def __init__(self, found: set[nn.Module]):
        self.found = found
        self.input_node: Any = None
        self.shape: torch.Size | None = None

    def before(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note where the input comes from."""
        x = inputs[0] if len(inputs) == 1 else None
        self.input_node = x.grad_fn if isinstance(x, Tensor) else None
        self.shape = x.shape if isinstance(x, Tensor) else None

    def after(self, module: nn.Module, _: tuple[Any, ...], output: object) -> None:
        """Note the module if it is a gate."""
        if self.input_node is None or not isinstance(output, Tensor):
            return
        if output.shape == self.shape and _is_gated(output.grad_fn, self.input_node):
            self.found.add(module)


def _is_gated(output: Any, target: Any) -> bool:
    """Say whether a path of products leads to a node, and another factor on it does so, too."""
    todo = [(output, False)]
    while todo:
        node, gated = todo.pop()
        if node is target:
            if gated:
                return True
            continue
        operation = "" if node is None else node.name().removesuffix("0").removesuffix("Backward")
        if operation == "Mul":
            first, second = (earlier for earlier, _ in node.next_functions)
            todo.append((first, gated or _leads_to(second, target)))
            todo.append((second, gated or _leads_to(first, target)))
        elif operation in LAYOUT_OPERATIONS:
            todo += [(earlier, gated) for earlier, _ in node.next_functions]
    return False


def _leads_to(node: Any, target: Any) -> bool:
    """Say whether any path leads from a node to another."""
    todo, seen = [node], set()
    while todo:
        node = todo.pop()
        if node is target:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            todo += [earlier for earlier, _ in node.next_functions]
    return False

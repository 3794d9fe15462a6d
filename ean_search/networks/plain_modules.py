"""Makes a found network one of plain torch: no module of this package is left in it.

Attentions become graphs of torch's own operations (`torch.fx`), with their layers and weights as
they are; wrappers become graphs of two calls; a sublayer that was removed adds zeros. Graphs are
saved with the code that they run, so that the network loads where this package is not installed.
"""

import copy
import logging
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim

from ean_search.attention.base import Attention
from ean_search.attention.layout import TOKENS, LayoutAdapter
from ean_search.attention.state import StateHolder
from ean_search.networks.example import Example, find_tensors
from ean_search.networks.positions.wrappers import (
    AttentionAfter,
    AttentionAfterBlock,
    AttentionBefore,
    RecordedProjection,
    Wrapper,
    replace_module,
)
from ean_search.networks.removal import STEP_BY_STEP, Removed
from ean_search.utils.errors import first_line

PACKAGE = __name__.partition(".")[0]
WITH_BLOCK = (RecordedProjection, StateHolder)  # they go, or stay, with what is around the block
log = logging.getLogger(__name__)


def make_plain(pruned: nn.Module, example: Example, hearts: Mapping[str, int]) -> nn.Module:
    """Return a copy of a pruned network that needs nothing of this package.

    Args:
        pruned: The network, in evaluation mode; it is left as it is.
        example: What one forward pass takes; the outputs are compared with those of `pruned`.
        hearts: The paths at which sublayers were switched off, and how many values their modules
            returned as a tuple; see `Site.returned`.

    Returns:
        The plain network. What cannot be made plain stays, and is said in the log.
    """
    network = copy.deepcopy(pruned).eval()
    calls = _record_calls(network, example)
    for path in _inner_first(network):
        module = network.get_submodule(path)
        try:
            plain = _plain(module, calls[path], hearts.get(path))
        except Exception as error:  # whatever a tracer cannot follow
            log.warning(
                "%s stays a module of %s, which must be installed where the network is loaded: %s",
                *(path, PACKAGE, first_line(error)),
            )
            continue
        replace_module(network, path, plain)
    if not _compute_same(network, pruned, example):
        log.warning("the network of plain modules computes something else: it is not made plain")
        return copy.deepcopy(pruned)
    return network


def foreign_modules(network: nn.Module) -> list[str]:
    """List the paths of a network's modules whose classes need this package."""
    return [path for path, module in network.named_modules() if _is_ours(module)]


def _inner_first(network: nn.Module) -> list[str]:
    """List the modules of this package; what is in an attention belongs to it."""
    found: list[str] = []
    attentions: list[str] = []
    for path, module in network.named_modules(remove_duplicate=False):
        inside = any(path.startswith(f"{outer}.") for outer in attentions)
        if _is_ours(module) and not isinstance(module, WITH_BLOCK) and not inside:
            found.append(path)
            attentions += [path] * isinstance(module, Attention)
    return found[::-1]


def _is_ours(module: nn.Module) -> bool:
    return isinstance(module, Attention) or type(module).__module__.split(".")[0] == PACKAGE


def _plain(module: nn.Module, call: Example, returned: int | None) -> nn.Module:
    """Return what stands for a module of this package."""
    if isinstance(module, Removed):
        return nn.Identity() if returned is None else _zeros(call, returned)
    if isinstance(module, Wrapper):
        return _wrapped(module, call)
    if isinstance(module, Attention):
        try:
            return _traced(module, call)
        except (fx.proxy.TraceError, TypeError):  # its code asks for sizes
            return _exported(module, call)
    raise ValueError(f"there is no plain form of {type(module).__name__}")


class _OneInput(nn.Module):
    """An attention as a function of one map: tracers want to know how many there are."""

    def __init__(self, attention: nn.Module):
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor) -> Any:
        return self.attention(x)


class _TwoInputs(_OneInput):
    """An attention as a function of a map and a shortcut."""

    def forward(self, x: Tensor, shortcut: Tensor) -> Any:  # type: ignore[override]
        return self.attention(x, shortcut)


ARITIES = {1: _OneInput, 2: _TwoInputs}


def _traced(attention: Attention, call: Example) -> fx.GraphModule:
    """Return an attention as a graph."""

    # A local class: files of graphs hold the class of their tracer if it can be imported.
    class Tracer(fx.Tracer):
        """Follows the code of attentions, and calls every other module as a whole."""

        def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
            return not _is_ours(module)

    for module in attention.modules():
        if isinstance(module, LayoutAdapter) and module.layout == TOKENS:
            module.side = math.isqrt(call.tensors[0].shape[1] - module.prefix)
    root = ARITIES[len(call.args)](attention)
    return fx.GraphModule(root, Tracer().trace(root), class_name=_name(attention))


def _name(attention: Attention) -> str:
    return type(getattr(attention, "attention", attention)).__name__


def _exported(attention: Attention, call: Example) -> fx.GraphModule:
    """Return an attention as the operations that it runs in evaluation mode, for any sizes."""
    inputs = tuple(torch.randn(2 * len(x), *x.shape[1:]).to(x) for x in call.args)
    root = ARITIES[len(inputs)](attention)
    sizes = tuple(dict.fromkeys(range(x.dim()), Dim.AUTO) for x in inputs)
    with torch.no_grad():
        program = torch.export.export(root, inputs, dynamic_shapes=sizes, strict=False)
    graph = fx.Graph()
    outputs: Any = graph.graph_copy(program.module(check_guards=False).graph, {})
    graph.output(outputs[0])
    return fx.GraphModule(root, graph, class_name=_name(attention))


def _record_calls(network: nn.Module, example: Example) -> dict[str, Example]:
    """Return the arguments of each module of this package, by its path."""
    found: dict[str, Example] = {}

    def note(path: str) -> Any:
        def hook(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            found[path] = Example(args, named)

        return hook

    hooks = [
        module.register_forward_pre_hook(note(path), with_kwargs=True)
        for path, module in network.named_modules(remove_duplicate=False)
        if _is_ours(module)
    ]
    with torch.no_grad():
        example.run(network)
    for hook in hooks:
        hook.remove()
    return found


def _inputs(graph: fx.Graph, call: Example) -> tuple[list[fx.Node], dict[str, Any]]:
    """Add the inputs of a module that is called as it was recorded."""
    args = [graph.placeholder(f"input_{number}") for number in range(len(call.args))]
    named = {name: graph.placeholder(name, default_value=None) for name in call.named}
    return args, named


def _zeros(call: Example, returned: int) -> fx.GraphModule:
    """Return a module that adds zeros in place of a self-attention."""
    graph = fx.Graph()
    args, _ = _inputs(graph, call)
    zeros = graph.call_function(torch.zeros_like, (args[0],))
    graph.output((zeros, *[None] * (returned - 1)) if returned else zeros)
    module = fx.GraphModule(nn.Module(), graph, class_name="NoAttention")
    setattr(module, "batch_first", STEP_BY_STEP)  # noqa: B010  # modules are typed to hold tensors
    return module


def _wrapped(wrapper: Wrapper, call: Example) -> fx.GraphModule:
    """Return a module of the backbone with an attention before or after it."""
    root, graph = nn.Module(), fx.Graph()
    root.inner, root.attention = wrapper.inner, wrapper.attention
    args, named = _inputs(graph, call)
    if isinstance(wrapper, AttentionBefore):
        x = graph.call_module("attention", (args[0],))
        graph.output(graph.call_module("inner", (x,)))
    elif isinstance(wrapper, AttentionAfter):
        y = graph.call_module("inner", (args[0],))
        graph.output(graph.call_module("attention", (y,)))
    else:
        assert isinstance(wrapper, AttentionAfterBlock), f"a graph of {type(wrapper).__name__}"
        _unwrap_projection(wrapper)
        y = graph.call_module("inner", tuple(args), named)
        inputs = (y, args[0])[: len(_placeholders(wrapper.attention))]
        graph.output(graph.call_module("attention", inputs))
    return fx.GraphModule(root, graph, class_name=type(wrapper).__name__)


def _unwrap_projection(wrapper: AttentionAfterBlock) -> None:
    """Take away what keeps a block's projected shortcut for an attention that does not use it."""
    if wrapper.projection is None:
        return
    if any(node.users for node in _placeholders(wrapper.attention)[1:]):
        raise ValueError("its attention needs the block's projected shortcut")
    recorded = wrapper.inner.get_submodule(wrapper.projection)
    setattr(wrapper.inner, wrapper.projection, recorded.inner)


def _placeholders(attention: nn.Module) -> list[fx.Node]:
    """Return the inputs of a traced attention."""
    assert isinstance(attention, fx.GraphModule), "its attention could not be traced"
    return [node for node in attention.graph.nodes if node.op == "placeholder"]


def _compute_same(network: nn.Module, pruned: nn.Module, example: Example) -> bool:
    with torch.no_grad():
        outputs = [list(find_tensors(example.run(each))) for each in (network, pruned)]
    pairs = zip(*outputs, strict=True)
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in pairs)

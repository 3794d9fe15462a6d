"""Cuts a network at its slots into a sequence of pieces, as one frozen value.

The network is traced with `torch.fx`. It is cut wherever an attention may be chosen (a slot) and
wherever the state of a chain of attentions is finished (a chain end). What runs between two cut
points is the network's own code on the network's own modules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ean_search.attention.state import ChainEnd
from ean_search.networks.builder import Slot, slots

Values = dict[str, Tensor]  # tensors by the name of the traced node that computes them


class CutError(Exception):
    """The network does not fall into a sequence of pieces between its slots."""


@dataclass(frozen=True)
class CutPoint:
    """A slot or chain end, and the values around it."""

    module: Slot | ChainEnd
    inputs: tuple[str, ...]  # names of the maps it is called with
    # Further arguments, of the backbone's own module only; they are the same for all placements.
    rest: tuple[Any, ...]
    named: Mapping[str, Any]  # such as the mask of shifted windows
    output: str
    passing: frozenset[str]  # values that are needed after it without going through it


@dataclass(frozen=True)
class Piece:
    """What a network computes between two cut points."""

    module: fx.GraphModule
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]  # those of its values that later pieces or cut points need
    needed_later: frozenset[str]  # values of this or earlier pieces that are used after it

    def run(self, values: Values) -> None:
        """Compute the piece in place: add its outputs and drop what nothing after it needs."""
        outputs = self.module(*(values[name] for name in self.inputs))
        values.update(zip(self.outputs, outputs, strict=True))
        for name in values.keys() - self.needed_later:
            del values[name]


@dataclass(frozen=True)
class CutGraph:
    """A network as pieces with a cut point between each two: one piece more than cut points."""

    pieces: tuple[Piece, ...]
    cut_points: tuple[CutPoint, ...]
    image: str  # name of the network's input
    logits: str  # name of its output
    can_stack: bool  # whether several placements may lie side by side on the batch axis


class _SlotTracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        # Norms stay whole, timm's too, so that hooks on them are called.
        return isinstance(module, Slot | ChainEnd | _BatchNorm) or super().is_leaf_module(
            module, qualified_name
        )


class _ImagesOnly(nn.Module):
    """A network as a function of images alone: its other arguments have their defaults."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits


def cut_at_slots(network: nn.Module) -> CutGraph:
    """Trace a network and cut it at its slots and chain ends.

    Args:
        network: A network with slots, in evaluation mode.

    Returns:
        The pieces and cut points in the order in which they run. Their modules are the network's
        own, so later changes of its weights are seen.

    Raises:
        CutError: The network cannot be traced, or its slots do not run one after another.
    """
    whole = _ImagesOnly(network)
    try:
        graph = _SlotTracer().trace(whole)
    except Exception as error:  # whatever a network does that a tracer cannot follow
        raise CutError(f"it cannot be traced: {error}") from error
    modules = _find_cut_modules(whole, graph)
    image, logits = _find_image_and_logits(graph)
    steps = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
    bounds = [-1, *(steps.index(node) for node in modules), len(steps)]
    pieces: list[Piece] = []
    carried: set[fx.Node] = set()  # values that are computed before a cut and used after it
    for start, end in pairwise(bounds):
        later = {used for node in steps[end:] for used in node.all_input_nodes} | {logits}
        carried |= later & set(steps[:end])
        pieces.append(_make_piece(whole, steps[start + 1 : end], later))
    return CutGraph(
        pieces=tuple(pieces),
        cut_points=tuple(
            _make_cut_point(whole, node, module, piece)
            for (node, module), piece in zip(modules.items(), pieces[1:], strict=True)
        ),
        image=image.name,
        logits=logits.name,
        # A size that was computed for some branches says nothing about others.
        can_stack=not any(map(_is_size, carried)),
    )


def _find_cut_modules(network: nn.Module, graph: fx.Graph) -> Mapping[fx.Node, Slot | ChainEnd]:
    """Return the calls of slots and chain ends, in the order in which they run."""
    modules = {n: m for n, m in network.named_modules() if isinstance(m, Slot | ChainEnd)}
    calls = {
        node: modules[str(node.target)]
        for node in graph.nodes
        if node.op == "call_module" and node.target in modules
    }
    called_slots = [module for module in calls.values() if isinstance(module, Slot)]
    if called_slots != slots(network) or len(calls) != len(modules):
        raise CutError("its slots do not run one after another, each once")
    return calls


def _find_image_and_logits(graph: fx.Graph) -> tuple[fx.Node, fx.Node]:
    """Return the one input that is used, and the one output."""
    inputs = [node for node in graph.nodes if node.op == "placeholder" and node.users]
    outputs = next(node for node in graph.nodes if node.op == "output").all_input_nodes
    if len(inputs) != 1 or len(outputs) != 1:
        raise CutError("it has more than one input or output")
    return inputs[0], outputs[0]


def _make_piece(root: nn.Module, nodes: Sequence[fx.Node], later: set[fx.Node]) -> Piece:
    """Make a module of its own from the nodes between two cut points."""
    graph = fx.Graph()
    used = dict.fromkeys(a for node in nodes for a in node.all_input_nodes if a not in nodes)
    copies = {node: graph.placeholder(node.name) for node in used}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    outputs = [node for node in nodes if node in later]
    graph.output(tuple(copies[node] for node in outputs))
    return Piece(
        module=fx.GraphModule(root, graph),
        inputs=tuple(node.name for node in used),
        outputs=tuple(node.name for node in outputs),
        needed_later=frozenset(node.name for node in later),
    )


def _make_cut_point(
    root: nn.Module, node: fx.Node, module: Slot | ChainEnd, piece: Piece
) -> CutPoint:
    """Describe a cut point that is followed by a piece.

    Raises:
        CutError: The module is called with something that is neither a map nor the same for all.
    """
    maps = [value for value in node.args if _is_map(value)]
    if list(node.args[: len(maps)]) != maps:
        raise CutError(f"{node.target} is given maps after other values")
    return CutPoint(
        module=module,
        inputs=tuple(value.name for value in maps),
        rest=tuple(_read_constant(root, value) for value in node.args[len(maps) :]),
        named={name: _read_constant(root, value) for name, value in node.kwargs.items()},
        output=node.name,
        passing=piece.needed_later.union(piece.inputs),
    )


def _is_map(value: object) -> TypeGuard[fx.Node]:
    return isinstance(value, fx.Node) and value.op != "get_attr"


def _read_constant(root: nn.Module, value: object) -> object:
    """Return a value that does not depend on the images, such as a buffer."""
    if not isinstance(value, fx.Node):
        if any(isinstance(part, fx.Node) for part in (value if isinstance(value, tuple) else ())):
            raise CutError("a slot is given a size that depends on the images")
        return value
    if value.op != "get_attr":
        raise CutError(f"a slot is given {value.name}, which depends on the images")
    path, _, name = str(value.target).rpartition(".")
    return getattr(root.get_submodule(path), name)


def _is_size(value: object) -> bool:
    """Say whether a traced value is a tensor's size, or was computed from sizes alone."""
    if not isinstance(value, fx.Node):
        return False
    if value.op == "call_method" and value.target in ("size", "dim"):
        return True
    if value.target is getattr:
        return bool(value.args[1] == "shape") or _is_size(value.args[0])
    used = value.all_input_nodes
    return value.op == "call_function" and bool(used) and all(map(_is_size, used))

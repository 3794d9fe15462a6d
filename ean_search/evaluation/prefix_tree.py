"""Forward passes of many placements at once: what they have in common is computed once.

The network is traced and cut at its slots, and where chains are finished. Placements that agree up
to a site share everything before the next one, the next block's convolutions included; the walk
goes depth first, so that only one path's activations are alive, or a few paths' side by side. What
runs between two slots is the network's own code on the network's own modules, so logits are those
of one pass after another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ean_search.attention.state import ChainedAttention, ChainEnd, StateHolder
from ean_search.core.space import Placement
from ean_search.networks.builder import Slot, place, slots

Values = dict[str, Tensor]


class CutError(Exception):
    """The network does not fall into a sequence of pieces between its slots."""


class _SlotTracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        # Norms stay whole, timm's too, so that hooks on them are called.
        return isinstance(module, Slot | ChainEnd | _BatchNorm) or super().is_leaf_module(
            module, qualified_name
        )


class _Whole(nn.Module):
    """A network as a function of images alone: what else it may be given has its default."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


class _Piece:
    """What a network computes between two slots."""

    def __init__(self, root: nn.Module, nodes: Sequence[fx.Node], later: set[fx.Node]):
        graph, inside = fx.Graph(), {}
        used = [a for node in nodes for a in node.all_input_nodes if a not in nodes]
        self.takes = [node.name for node in dict.fromkeys(used)]
        for node in dict.fromkeys(used):
            inside[node] = graph.placeholder(node.name)
        for node in nodes:
            inside[node] = graph.node_copy(node, inside.__getitem__)
        gives = [node for node in nodes if node in later]
        self.gives = [node.name for node in gives]
        graph.output(tuple(inside[node] for node in gives))
        self.module = fx.GraphModule(root, graph)

    def run(self, values: Values) -> None:
        """Compute this piece, adding to the values what later pieces need."""
        out = self.module(*(values[name] for name in self.takes))
        values.update(zip(self.gives, out, strict=True))


@dataclass
class _Branch:
    """Placements that agree so far, and where their common activations lie."""

    parent: int  # which of the branches above it comes from
    choice: int  # at the last site
    members: list[int]
    states: dict[StateHolder, Any]  # of stateful attentions, on this path


class PrefixTree:
    """A network in evaluation mode, cut at its slots."""

    def __init__(self, network: nn.Module):
        whole = _Whole(network.eval())
        try:
            graph = _SlotTracer().trace(whole)
        except Exception as error:  # whatever a network does that a tracer cannot follow
            raise CutError(f"it cannot be traced: {error}") from error
        self._cut(whole, graph)

    def _cut(self, network: nn.Module, graph: fx.Graph) -> None:
        stops = {n: m for n, m in network.named_modules() if isinstance(m, Slot | ChainEnd)}
        nodes = list(graph.nodes)
        found = [n for n in nodes if n.op == "call_module" and n.target in stops]
        self.stops: list[Slot | ChainEnd] = [stops[node.target] for node in found]
        passed = [stop for stop in self.stops if isinstance(stop, Slot)]
        if passed != slots(network) or len(found) != len(stops):
            raise CutError("its slots do not run one after another, each once")
        inputs = [node for node in nodes if node.op == "placeholder" and node.users]
        outputs = next(node for node in nodes if node.op == "output").all_input_nodes
        if len(inputs) != 1 or len(outputs) != 1:
            raise CutError("it has more than one input or output")
        self.image, self.logits = inputs[0].name, outputs[0].name
        self.entries = [[a.name for a in node.args] for node in found]
        self.exits = [node.name for node in found]
        work = [n for n in nodes if n.op not in ("placeholder", "output")]
        bounds = [-1, *(work.index(node) for node in found), len(work)]
        carried: list[set[fx.Node]] = []
        self.pieces: list[_Piece] = []
        self.needed: list[set[str]] = []  # what is used after each piece
        for start, end in pairwise(bounds):
            after = {a for node in work[end:] for a in node.all_input_nodes} | set(outputs)
            carried.append(after & set(work[:end]))
            self.pieces.append(_Piece(network, work[start + 1 : end], after))
            self.needed.append({node.name for node in after})
        # A size that was computed for some branches says nothing of others: they go one by one.
        self.stacks = not any(map(_is_size, set().union(*carried)))
        # What gets past each slot without going through it.
        self.passing = [
            needed | set(piece.takes)
            for piece, needed in zip(self.pieces[1:], self.needed[1:], strict=True)
        ]

    def walk(
        self, images: Tensor, placements: Sequence[Placement], rows: int = 1
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the logits of a batch for every placement, with the placements' numbers.

        Branches lie side by side on the batch axis while they fit in so many rows, so that deep
        layers, whose maps are small, still get batches that keep the device busy.
        """
        values = {self.image: images}
        self._advance(0, values)
        start = [_Branch(0, 0, list(range(len(placements))), {})]
        width = max(1, rows // len(images)) if self.stacks else 1
        yield from self._descend(0, values, start, placements, width)

    def bytes_held(self, images: Tensor) -> int:
        """Return how much a walk holds while it is at its deepest, all choices still open."""
        values, held = {self.image: images}, []
        with torch.inference_mode():
            for depth in range(len(self.stops) + 1):
                self._advance(depth, values)
                held += values.values()
                if depth < len(self.stops):
                    x = values[self.entries[depth][0]]
                    # A new tensor, as an attached site gives; an empty one gives the same.
                    values[self.exits[depth]] = x.clone()
        storages = [v.untyped_storage() for v in held if isinstance(v, Tensor)]
        return sum({s.data_ptr(): s.nbytes() for s in storages}.values())

    def _advance(self, depth: int, values: Values) -> None:
        """Run one piece and forget what nothing after it needs."""
        self.pieces[depth].run(values)
        for name in values.keys() - self.needed[depth]:
            del values[name]

    def _descend(
        self,
        depth: int,
        values: Values,
        branches: Sequence[_Branch],
        placements: Sequence[Placement],
        width: int,
    ) -> Iterator[tuple[list[int], Tensor]]:
        if depth == len(self.stops):
            for branch, logits in zip(
                branches, values[self.logits].chunk(len(branches)), strict=True
            ):
                yield branch.members, logits
            return
        stop = self.stops[depth]
        children = _fork(stop, branches, placements)
        for start in range(0, len(children), width):
            some = children[start : start + width]
            last = start + width >= len(children)
            below = values if last else dict(values)
            inputs = [below[name] for name in self.entries[depth]]
            out = _attend(stop, some, inputs, len(branches))
            parents = [branch.parent for branch in some]
            for name in list(below):
                value = below.pop(name)
                if name in self.passing[depth]:
                    below[name] = _rows(value, parents, len(branches))
            below[self.exits[depth]] = out
            del inputs, out, value
            self._advance(depth + 1, below)
            yield from self._descend(depth + 1, below, some, placements, width)


def _is_size(node: fx.Node) -> bool:
    """Say whether a value is a tensor's size, or was computed from sizes alone."""
    if node.op == "call_method" and node.target in ("size", "dim"):
        return True
    if node.target is getattr:
        return node.args[1] == "shape" or _is_size(node.args[0])
    used = node.all_input_nodes
    return node.op == "call_function" and bool(used) and all(map(_is_size, used))


def _fork(
    stop: Slot | ChainEnd, branches: Sequence[_Branch], placements: Sequence[Placement]
) -> list[_Branch]:
    """Split branches by what their placements choose at a site; a chain's end splits nothing.

    Empty sites come last: their output is their input, which the network may overwrite.
    """
    children = []
    for number, branch in enumerate(branches):
        chosen: dict[int, list[int]] = {}
        for i in branch.members:
            choice = placements[i].choices[stop.site.number] if isinstance(stop, Slot) else 0
            chosen.setdefault(choice, []).append(i)
        children += [_Branch(number, c, mine, dict(branch.states)) for c, mine in chosen.items()]
    return sorted(children, key=lambda child: -child.choice)


def _rows(value: Tensor, numbers: Sequence[int], count: int) -> Tensor:
    """Take the rows of some of the branches that lie side by side in a tensor, in that order."""
    if not isinstance(value, Tensor) or list(numbers) == list(range(count)):
        return value
    parts = value.chunk(count)
    return parts[numbers[0]] if len(numbers) == 1 else torch.cat([parts[i] for i in numbers])


def _attend(
    stop: Slot | ChainEnd, branches: Sequence[_Branch], inputs: Sequence[Tensor], count: int
) -> Tensor:
    """Apply each branch's choice to its rows; a stateful one with the branch's own state."""
    parts = []
    for choice, group in groupby(branches, key=lambda branch: branch.choice):
        same = list(group)
        if isinstance(stop, ChainEnd):
            apply, given = stop, inputs
        elif choice:
            apply, given = stop.attentions[choice - 1], inputs
        else:  # the backbone's own module knows of no shortcut
            apply, given = nn.Identity() if stop.original is None else stop.original, inputs[:1]
        if isinstance(apply, ChainedAttention | ChainEnd):
            for branch in same:
                rows = [_rows(x, [branch.parent], count) for x in given]
                parts.append(_apply_stateful(apply, branch, rows))
        else:
            parents = [branch.parent for branch in same]
            parts.append(apply(*(_rows(x, parents, count) for x in given)))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _apply_stateful(
    apply: ChainedAttention | ChainEnd, branch: _Branch, inputs: Sequence[Tensor]
) -> Tensor:
    """Go on with a branch's state, or finish it."""
    if isinstance(apply, ChainEnd):
        state = branch.states.pop(apply.holder, None)
        return inputs[0] if state is None else apply.attention.finish(inputs[0], state)
    y, branch.states[apply.holder] = apply.attention(*inputs, branch.states.get(apply.holder))
    return y


def check_tree(tree: PrefixTree, network: nn.Module, images: Tensor) -> None:
    """Refuse a tree that does not compute what the network does."""
    sites = sum(isinstance(stop, Slot) for stop in tree.stops)
    patterns = ([0] * sites, [1] * sites, [i % 2 for i in range(sites)])
    placements = [Placement(tuple(choices), (sites,)) for choices in patterns]
    with torch.inference_mode():
        for rows in (1, 3 * len(images)):
            for members, logits in tree.walk(images, placements, rows):
                for i in members:
                    expected = place(network, placements[i])(images)
                    if not torch.allclose(logits, expected, rtol=1e-4, atol=1e-5):
                        raise CutError("its pieces do not compute what it computes as a whole")

"""Forward passes of many placements at once: what they have in common is computed once.

Placements that agree up to a site share everything before the next one, the next block's
convolutions included. The walk goes depth first, so that the activations of only one path are
alive, or those of a few paths side by side. The pieces between two sites are the network's own code
and modules (see `cut_graph`), so logits equal those of separate passes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.own import Own
from ean_search.attention.state import ChainedAttention, ChainEnd, StateHolder
from ean_search.core.space import Placement
from ean_search.evaluation.cut_graph import CutError, CutPoint, Values, cut_at_slots
from ean_search.evaluation.precision import tf32_allowed
from ean_search.networks.builder import Slot, place


@dataclass
class _Branch:
    """Placements that agree so far, and where their common activations lie."""

    parent: int  # number of the branch above from which it comes
    choice: int  # at the last site
    members: list[int]
    states: dict[StateHolder, Any]  # of stateful attentions, on this path


class PrefixTree:
    """A network in evaluation mode, cut at its slots.

    Args:
        network: A network with slots; it is put into evaluation mode.

    Raises:
        CutError: The network does not fall into a sequence of pieces between its slots.
    """

    def __init__(self, network: nn.Module):
        self.graph = cut_at_slots(network.eval())

    def walk(
        self, images: Tensor, placements: Sequence[Placement], rows: int = 1
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the logits of a batch for every placement.

        Branches lie side by side on the batch axis while they fit in so many rows, so that deep
        layers, whose maps are small, still get batches that keep the device busy.

        Args:
            images: A batch, (images, channels, height, width).
            placements: Placements of the network's space.
            rows: Most images on the batch axis, all branches together; one branch always fits.

        Yields:
            The numbers of placements that are equal, and their logits, (images, classes).
        """
        values = {self.graph.image: images}
        self.graph.pieces[0].run(values)
        root = [_Branch(0, 0, list(range(len(placements))), {})]
        width = max(1, rows // len(images)) if self.graph.can_stack else 1
        yield from self._descend(0, values, root, placements, width)

    def bytes_held(self, images: Tensor) -> int:
        """Return the bytes that a walk holds at its deepest, with all choices still open."""
        values, held = {self.graph.image: images}, list[Tensor]()
        with torch.inference_mode():
            for depth, piece in enumerate(self.graph.pieces):
                piece.run(values)
                held += values.values()
                if depth < len(self.graph.cut_points):
                    cut = self.graph.cut_points[depth]
                    # A new tensor, as an attached site gives; an empty site gives its input.
                    values[cut.output] = values[cut.inputs[0]].clone()
        storages = [v.untyped_storage() for v in held if isinstance(v, Tensor)]
        return sum({s.data_ptr(): s.nbytes() for s in storages}.values())

    def _descend(
        self,
        depth: int,
        values: Values,
        branches: Sequence[_Branch],
        placements: Sequence[Placement],
        width: int,
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Go on from a cut point with branches whose values lie side by side."""
        if depth == len(self.graph.cut_points):
            logits = values[self.graph.logits].chunk(len(branches))
            yield from zip((branch.members for branch in branches), logits, strict=True)
            return
        cut = self.graph.cut_points[depth]
        children = _fork(cut.module, branches, placements)
        for start in range(0, len(children), width):
            group = children[start : start + width]
            is_last = start + width >= len(children)
            below = values if is_last else dict(values)
            _pass_cut_point(cut, below, group, len(branches))
            self.graph.pieces[depth + 1].run(below)
            yield from self._descend(depth + 1, below, group, placements, width)


def check_tree(tree: PrefixTree, network: nn.Module, images: Tensor) -> None:
    """Compare a tree's logits with the network's own on three placements, in full precision.

    Raises:
        CutError: They differ.
    """
    sites = sum(isinstance(cut.module, Slot) for cut in tree.graph.cut_points)
    patterns = ([0] * sites, [1] * sites, [i % 2 for i in range(sites)])
    placements = [Placement(tuple(choices), (sites,)) for choices in patterns]
    with torch.inference_mode(), tf32_allowed(False):
        for rows in (1, 3 * len(images)):
            for members, logits in tree.walk(images, placements, rows):
                for i in members:
                    expected = place(network, placements[i])(images)
                    if not torch.allclose(logits, expected, rtol=1e-4, atol=1e-5):
                        raise CutError("its pieces do not compute what it computes as a whole")


def _fork(
    module: Slot | ChainEnd, branches: Sequence[_Branch], placements: Sequence[Placement]
) -> list[_Branch]:
    """Split branches by what their placements choose at a site; a chain end splits nothing.

    Empty sites come last: their output is their input, which the network may overwrite.
    """
    children = []
    for number, branch in enumerate(branches):
        members: dict[int, list[int]] = {}  # by choice
        for i in branch.members:
            choice = placements[i].choices[module.site.number] if isinstance(module, Slot) else 0
            members.setdefault(choice, []).append(i)
        children += [_Branch(number, c, same, dict(branch.states)) for c, same in members.items()]
    return sorted(children, key=lambda child: -child.choice)


def _pass_cut_point(
    cut: CutPoint, values: Values, branches: Sequence[_Branch], num_parents: int
) -> None:
    """Replace the values of parents, before a cut point, by those of branches after it."""
    inputs = [values[name] for name in cut.inputs]
    output = _attend(cut, branches, inputs, num_parents)
    parents = [branch.parent for branch in branches]
    for name in list(values):
        value = values.pop(name)
        if name in cut.passing:
            values[name] = _rows(value, parents, num_parents)
    values[cut.output] = output


def _rows(value: Tensor, numbers: Sequence[int], count: int) -> Tensor:
    """Take the rows of some of the branches that lie side by side in a tensor, in that order."""
    if not isinstance(value, Tensor) or list(numbers) == list(range(count)):
        return value  # a traced size is no tensor
    parts = value.chunk(count)
    return parts[numbers[0]] if len(numbers) == 1 else torch.cat([parts[i] for i in numbers])


def _attend(
    cut: CutPoint, branches: Sequence[_Branch], inputs: Sequence[Tensor], count: int
) -> Tensor:
    """Apply each branch's choice to its rows; a stateful one with the branch's own state."""
    parts = []
    for choice, group in groupby(branches, key=lambda branch: branch.choice):
        same = list(group)
        chosen = _find_choice(cut.module, choice)
        # The backbone's own module is given no shortcut.
        used = inputs if choice or isinstance(cut.module, ChainEnd) else inputs[:1]
        if isinstance(chosen, ChainedAttention | ChainEnd):
            for branch in same:
                rows = [_rows(x, [branch.parent], count) for x in used]
                parts.append(_apply_stateful(chosen, branch, rows))
        else:
            parents = [branch.parent for branch in same]
            rows = [_rows(x, parents, count) for x in used]
            is_own = isinstance(chosen, Own)
            parts.append(chosen(*rows, *cut.rest, **cut.named) if is_own else chosen(*rows))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _find_choice(module: Slot | ChainEnd, choice: int) -> nn.Module:
    """Return the module that computes a choice."""
    if isinstance(module, ChainEnd):
        return module
    if choice:
        return module.attentions[choice - 1]
    return nn.Identity() if module.original is None else module.original


def _apply_stateful(
    module: ChainedAttention | ChainEnd, branch: _Branch, inputs: Sequence[Tensor]
) -> Tensor:
    """Go on with a branch's state, or finish it."""
    if isinstance(module, ChainEnd):
        state = branch.states.pop(module.holder, None)
        return inputs[0] if state is None else module.attention.finish(inputs[0], state)
    y, branch.states[module.holder] = module.attention(*inputs, branch.states.get(module.holder))
    return y

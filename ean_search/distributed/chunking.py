"""Cuts a cohort along its prefix tree into chunks of about the same work. Imports no torch.

In the order of the tree, neighbours share the longest prefixes; so chunks are runs of neighbours.
The work that a placement adds to a chunk are the sites after those that it shares with the one
before it.
"""

from collections.abc import Sequence
from itertools import pairwise

from ean_search.core.space import Placement


def cut_cohort(placements: Sequence[Placement], parts: int) -> list[list[int]]:
    """Cut a cohort into chunks whose largest one is as small as possible.

    Args:
        placements: The cohort.
        parts: Most chunks.

    Returns:
        For each chunk, the numbers of its placements in the cohort.
    """
    order = sorted(range(len(placements)), key=lambda i: placements[i].choices)
    if not order:
        return []
    whole = len(placements[0]) + 1  # the pieces before, between and after the sites
    shared = [_shared_pieces(placements[a], placements[b]) for a, b in pairwise(order)]
    low, high = whole, whole + sum(whole - s for s in shared)
    while low < high:  # the smallest limit that so many chunks keep
        limit = (low + high) // 2
        if len(_fill(order, shared, whole, limit)) > parts:
            low = limit + 1
        else:
            high = limit
    return _fill(order, shared, whole, low)


def count_pieces(placements: Sequence[Placement]) -> int:
    """Count the pieces of network that placements need when they share their prefixes."""
    if not placements:
        return 0
    ordered = sorted(placements, key=lambda placement: placement.choices)
    whole = len(ordered[0]) + 1
    return whole + sum(whole - _shared_pieces(a, b) for a, b in pairwise(ordered))


def _fill(order: list[int], shared: list[int], whole: int, limit: int) -> list[list[int]]:
    """Fill one chunk after another up to a limit of work."""
    chunks, load = [[order[0]]], whole
    for number, prefix in zip(order[1:], shared, strict=True):
        if load + whole - prefix > limit:
            chunks.append([number])
            load = whole
        else:
            chunks[-1].append(number)
            load += whole - prefix
    return chunks


def _shared_pieces(first: Placement, second: Placement) -> int:
    """Count the pieces that two placements have in common: one more than equal first choices."""
    for site, (a, b) in enumerate(zip(first.choices, second.choices, strict=True)):
        if a != b:
            return site + 1
    return len(first) + 1

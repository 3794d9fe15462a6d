"""Cutting a cohort: nothing is lost, nothing is done twice that need not be."""

import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.distributed.chunking import count_pieces, cut_cohort

SPACE = Space(name="toy", backbone="x", attention="se", stages=(3, 4, 6, 3))


def cohort(count, seed=0):
    rng = np.random.default_rng(seed)
    return [SPACE.placement(rng.integers(0, 2, SPACE.sites)) for _ in range(count)]


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 100])
def test_every_placement_is_in_one_chunk(parts):
    placements = cohort(20)
    chunks = cut_cohort(placements, parts)
    assert sorted(number for chunk in chunks for number in chunk) == list(range(20))
    assert len(chunks) <= parts


def test_an_empty_cohort_has_no_chunks():
    assert cut_cohort([], 3) == []


def test_chunks_are_subtrees_whose_members_share_the_most():
    placements = cohort(64)
    chunks = [[placements[i] for i in chunk] for chunk in cut_cohort(placements, 2)]
    shuffled = placements[::2], placements[1::2]
    along, across = (sum(map(count_pieces, halves)) for halves in (chunks, shuffled))
    assert along < across
    assert along - count_pieces(placements) <= SPACE.sites


@pytest.mark.parametrize("parts", [2, 4])
def test_no_chunk_is_much_larger_than_its_share(parts):
    placements = cohort(64)
    largest = max(
        count_pieces([placements[i] for i in chunk]) for chunk in cut_cohort(placements, parts)
    )
    assert largest <= count_pieces(placements) / parts + SPACE.sites


def test_work_counts_shared_prefixes_once():
    none, last = (SPACE.parse(text) for text in ("none", "0" * 15 + "1"))
    assert count_pieces([none]) == 17
    assert count_pieces([none, last]) == 18
    assert count_pieces([none, none]) == 17

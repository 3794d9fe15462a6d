"""Files are damaged in ways that a seed decides."""

import json
import random

from ean_search.bench.attack.damage import MUTATIONS, cut, flip, mutate


def test_the_seed_decides():
    content = json.dumps({"a": [1, 2], "b": "text"}).encode()
    damaged = [mutate(content, random.Random(seed)) for seed in range(50)]
    assert damaged == [mutate(content, random.Random(seed)) for seed in range(50)]
    assert len({*damaged} - {content}) > 25


def test_one_bit():
    before, after = bytes(20), flip(bytes(20), random.Random(0))
    assert sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True)) == 1


def test_empty_files_can_be_damaged():
    for change in MUTATIONS:
        assert isinstance(change(b"", random.Random(0)), bytes)
    assert cut(b"", random.Random(0)) == b""

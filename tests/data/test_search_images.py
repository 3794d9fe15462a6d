"""The images of a search: some judge, the others are kept on the device."""

import numpy as np
import pytest
import torch

from ean_search.data.search_images import cache_on_device, divide
from ean_search.data.splits import PartialSplit, TensorSplit
from tests.helpers import read_split

BYTES = torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8, generator=torch.manual_seed(0))
LABELS = torch.arange(10)


@pytest.mark.parametrize(("size", "kept"), [(8, torch.uint8), (12, torch.float)])
def test_a_cached_split_has_the_same_images_as_bytes_if_they_have_the_size(size, kept):
    options = {"mean_std": ((0.1, 0.2, 0.3), (0.5, 0.4, 0.3)), "size": size}
    split = TensorSplit(BYTES, LABELS, np.array([7, 2, 5]), **options)
    cached = cache_on_device(split, size, "cpu")
    assert (len(cached.images), cached.images.dtype) == (3, kept)
    for found, expected in zip(read_split(cached), read_split(split), strict=True):
        assert torch.equal(found, expected)


def many_labels():
    """Four classes, sorted, of 1, 4, 5 and 10 images."""
    return torch.tensor([0] + [1] * 4 + [2] * 5 + [3] * 10)


def split_of(kind):
    images = torch.arange(20.0)[:, None, None, None].expand(20, 3, 2, 2)
    whole = TensorSplit(images, many_labels())
    return whole if kind == "tensors" else PartialSplit(whole, np.arange(20))


@pytest.mark.parametrize("kind", ["tensors", "own order"])
def test_judges_are_a_share_of_every_class_that_never_changes(kind):
    split = split_of(kind)
    select, judge = divide(split, 0.5)
    assert np.bincount(judge.all_labels()).tolist() == [0, 2, 2, 5]
    assert len(select) + len(judge) == 20
    numbers = [read_split(part)[0][:, 0, 0, 0].tolist() for part in (select, judge)]
    assert sorted([*numbers[0], *numbers[1]]) == list(range(20))
    assert (numbers[0] == sorted(numbers[0])) == (kind == "own order")
    again = divide(split, 0.5)[1]
    assert read_split(again)[0][:, 0, 0, 0].tolist() == numbers[1]


def test_without_judges_all_images_come_in_another_order():
    select, judge = divide(split_of("tensors"), 0)
    assert judge is None
    labels = select.all_labels()
    assert labels.sort().values.tolist() == many_labels().tolist() != labels.tolist()


def test_a_split_too_large_for_the_memory_is_not_cached(monkeypatch):
    split = TensorSplit(BYTES, LABELS)
    monkeypatch.setattr("ean_search.data.search_images.free_bytes", lambda device: 1000)
    assert cache_on_device(split, 8, "cpu") is split


def test_with_one_image_of_each_class_nobody_judges(caplog):
    select, judge = divide(TensorSplit(BYTES, LABELS), 0.5)
    assert judge is None
    assert len(select) == 10
    assert "too few for some of them to judge" in caplog.text

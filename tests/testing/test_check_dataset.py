"""Broken data sets are told what is wrong with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ean_search.data.datasets import Data
from ean_search.data.splits import TensorSplit
from ean_search.testing.check_dataset import check_dataset
from ean_search.utils.errors import UserError


def load(source):
    """Forty images of two classes, normalised already."""
    size, rng = source.image_size or 32, np.random.default_rng(source.seed)
    images = torch.from_numpy(rng.standard_normal((60, 3, size, size), dtype=np.float32))
    labels = torch.arange(60) % 2
    train, held_out, test = np.split(np.arange(60), [32, 40])
    parts = {
        "train": TensorSplit(images, labels, train),
        "search": TensorSplit(images, labels, held_out),
        "test": TensorSplit(images, labels, test),
        "train_and_search": TensorSplit(images, labels, np.arange(40)),
    }
    return Data(source.name, 2, size, **parts)


def test_a_good_one_passes():
    check_dataset(load)
    check_dataset(load, image_size=16, seed=3)


@pytest.mark.usefixtures("cache")
def test_the_embedded_one_passes():
    check_dataset("cluttered", options={"train": 300, "test": 50}, search_per_class=5)


def relabelled(split, change):
    return TensorSplit(split.images, change(split.labels), split.indices)


class Restless(TensorSplit):
    """Images that are never the same."""

    def batches(self, batch_size, *, shuffle=None, device="cpu"):
        for images, labels in super().batches(batch_size, shuffle=shuffle, device=device):
            yield images + torch.randn_like(images), labels


class Ragged(TensorSplit):
    """Training batches of another size than asked for."""

    def batches(self, batch_size, *, shuffle=None, device="cpu"):
        half = batch_size // 2 if shuffle else batch_size
        yield from super().batches(half, shuffle=shuffle, device=device)


def with_images(split, change):
    return TensorSplit(change(split.images), split.labels, split.indices)


BROKEN = {
    "labels 1 to 2, not 0 to 1": lambda d: {"test": relabelled(d.test, lambda y: y + 1)},
    "labels of torch.int32": lambda d: {"test": relabelled(d.test, lambda y: y.int())},
    "images of torch.uint8, not float32": lambda d: {
        "train": with_images(d.train, lambda x: x.to(torch.uint8))
    },
    "not finite": lambda d: {"search": with_images(d.search, lambda x: x / 0)},
    r"images \(8, 3, 16, 16\), not \(8, 3, 32, 32\)": lambda d: {
        "search": with_images(d.search, lambda x: x[..., ::2, ::2])
    },
    "split test is empty": lambda d: {"test": TensorSplit(d.test.images[:0], d.test.labels[:0])},
    "32 and 8 images, both together 32": lambda d: {"train_and_search": d.train},
    "no search image is of class 0": lambda d: {
        "search": relabelled(d.search, lambda y: torch.ones_like(y))
    },
    "20 test images are training images": lambda d: {
        "test": TensorSplit(d.test.images, d.test.labels, np.arange(20))
    },
    "other images when asked again": lambda d: {
        "test": Restless(d.test.images, d.test.labels, d.test.indices)
    },
    "training batches of 8": lambda d: {
        "train": Ragged(d.train.images, d.train.labels, d.train.indices)
    },
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_is_broken_is_named(words):
    def broken(source):
        data = load(source)
        return replace(data, **BROKEN[words](data))

    with pytest.raises(UserError, match=words):
        check_dataset(broken)


def test_a_size_that_was_asked_for_must_be_given():
    def stubborn(source):
        return load(source.model_copy(update={"image_size": None}))

    with pytest.raises(UserError, match="with image_size=48 says that it has 32"):
        check_dataset(stubborn)


def test_something_else_than_data_is_named():
    with pytest.raises(UserError, match="gives tuple, not Data"):
        check_dataset(lambda source: ())

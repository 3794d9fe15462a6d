import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from ean_search.data.file_splits import LoaderSplit, StreamSplit
from ean_search.data.transforms import Augment, augmented, make_transform
from ean_search.utils.errors import UserError
from tests.blobs import blobs

STRONG = Augment(auto="rand-m9-mstd0.5-inc1", erase=0.5)


class Pictures:
    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        return Image.fromarray(pixels), index % 3


def files(workers=0):
    transforms = {name: make_transform(16, training=name == "train") for name in ("train",)}
    transforms["evaluation"] = make_transform(16, training=False)
    return LoaderSplit(Pictures(), np.arange(12), **transforms, size=16, workers=workers)


def first(split, **order):
    return next(iter(split.batches(12, **order)))[0]


def test_nothing_asked_for_changes_nothing():
    split = files()
    assert augmented(split, Augment()) is split


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_augmented_as_the_seed_says_for_training_only(workers):
    plain, strong = files(), augmented(files(workers), STRONG)
    once, again = first(strong, shuffle=(1,)), first(strong, shuffle=(1,))
    assert torch.equal(once, again)
    assert not torch.equal(once, first(strong, shuffle=(2,)))
    assert not torch.equal(once, first(plain, shuffle=(1,)))
    assert torch.equal(first(plain), first(strong))


def test_streams_get_their_transform_when_they_are_opened():
    class Stream(torch.utils.data.IterableDataset):
        transform = None

        def __iter__(self):
            for index in range(12):
                image, label = Pictures()[index]
                yield self.transform(image), label

    def opener(shuffle):
        stream = Stream()
        stream.transform = make_transform(16, training=False)
        return stream

    plain = StreamSplit(opener, 12, size=16)
    strong = augmented(plain, STRONG)
    assert torch.equal(first(plain), first(strong))
    assert not torch.equal(first(plain), first(strong, shuffle=(0,)))


def test_tensors_can_be_erased_and_nothing_else():
    split = augmented(blobs(12, 0), Augment(erase=1.0))
    plain, erased = (first(s, shuffle=(3,)) for s in (blobs(12, 0), split))
    assert not torch.equal(plain, erased)
    assert torch.equal(erased, first(split, shuffle=(3,)))
    assert torch.equal(first(blobs(12, 0)), first(split))
    with pytest.raises(UserError, match="for data in image files"):
        augmented(blobs(12, 0), STRONG)


def test_a_form_timm_does_not_know_is_refused():
    with pytest.raises(ValidationError, match="expected a form like rand-m9"):
        Augment(auto="loud")

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from ean_search.data.file_splits import LoaderSplit, StreamSplit
from ean_search.data.transforms import Augment, augmented, make_transform
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import seeded
from tests.helpers import blobs

STRONG = Augment(auto="rand-m9-mstd0.5-inc1", erase=0.5)


class Pictures:
    def __getitem__(self, index):
        pixels = np.random.default_rng(index).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        return Image.fromarray(pixels), index % 3


def file_split(workers=0):
    transforms = {name: make_transform(16, training=name == "train") for name in ("train",)}
    transforms["evaluation"] = make_transform(16, training=False)
    return LoaderSplit(Pictures(), np.arange(12), **transforms, size=16, workers=workers)


def first_images(split, **order):
    return next(iter(split.batches(12, **order)))[0]


def test_no_augmentation_changes_nothing():
    split = file_split()
    assert augmented(split, Augment()) is split


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_augmented_by_the_seed_and_for_training_only(workers):
    plain, strong = file_split(), augmented(file_split(workers), STRONG)
    once, again = first_images(strong, shuffle=(1,)), first_images(strong, shuffle=(1,))
    assert torch.equal(once, again)
    assert not torch.equal(once, first_images(strong, shuffle=(2,)))
    assert not torch.equal(once, first_images(plain, shuffle=(1,)))
    assert torch.equal(first_images(plain), first_images(strong))


@pytest.mark.slow
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
    assert torch.equal(first_images(plain), first_images(strong))
    assert not torch.equal(first_images(plain), first_images(strong, shuffle=(0,)))


def test_tensors_get_random_erasing_and_nothing_else():
    split = augmented(blobs(12, 0), Augment(erase=1.0))
    plain, erased = (first_images(s, shuffle=(3,)) for s in (blobs(12, 0), split))
    assert not torch.equal(plain, erased)
    assert torch.equal(erased, first_images(split, shuffle=(3,)))
    assert torch.equal(first_images(blobs(12, 0)), first_images(split))
    with pytest.raises(UserError, match="for data in image files"):
        augmented(blobs(12, 0), STRONG)


@pytest.mark.parametrize(
    ("split", "augment"),
    [(blobs(12, 0), Augment(erase=0.5)), (file_split(), STRONG)],
    ids=["tensors", "files"],
)
def test_processes_that_share_batches_augment_them_like_one(split, augment):
    whole = first_images(augmented(split, augment), shuffle=(3,))
    for rank in range(2):
        own = first_images(augmented(split.share(rank, 2), augment), shuffle=(3,))
        assert torch.equal(own, whole[rank::2])


@pytest.mark.parametrize("auto", ["rand-m10-inc1", "augmix-m10", "original", "3a"])
def test_automatic_augmentation_at_full_strength_takes_every_image(auto):
    transform = make_transform(16, training=True, augment=Augment(auto=auto))
    for seed in range(60):
        with seeded(seed):
            assert transform(Pictures()[seed][0]).shape == (3, 16, 16)


def test_a_text_form_that_timm_does_not_know_is_refused():
    with pytest.raises(ValidationError, match="expected a form like rand-m9"):
        Augment(auto="loud")

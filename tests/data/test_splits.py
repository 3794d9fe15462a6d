import numpy as np
import pytest
import torch

from ean_search.data.splits import (
    Split,
    TensorSplit,
    WrappedSplit,
    crop_and_flip,
    to_device,
)
from tests.helpers import read_split

BYTES = torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8, generator=torch.manual_seed(0))
LABELS = torch.arange(10)


def labels_of(split, batch_size, **options):
    return [labels.tolist() for _, labels in split.batches(batch_size, **options)]


def images_of(split, **options):
    return torch.cat([images for images, _ in split.batches(4, **options)])


def test_an_evaluation_sees_everything_in_order():
    split = TensorSplit(BYTES, LABELS)
    assert labels_of(split, 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_training_is_shuffled_and_drops_the_incomplete_batch():
    split = TensorSplit(BYTES, LABELS)
    batches = labels_of(split, 4, shuffle=(0, 0))
    assert [len(batch) for batch in batches] == [4, 4]
    assert split.steps(4) == 2
    seen = [*batches[0], *batches[1]]
    assert len(set(seen)) == 8
    assert seen != sorted(seen)


def test_a_split_smaller_than_a_batch_is_one_batch():
    split = TensorSplit(BYTES, LABELS)
    assert split.steps(64) == 1
    assert [len(batch) for batch in labels_of(split, 64, shuffle=(0, 0))] == [10]


def test_the_order_depends_on_the_seed_alone():
    split = TensorSplit(BYTES, LABELS, augment=crop_and_flip)
    first = images_of(split, shuffle=(3, 1))
    np.random.seed(7)
    torch.manual_seed(7)
    assert torch.equal(first, images_of(split, shuffle=(3, 1)))
    for other in ((3, 2), (4, 1)):
        assert not torch.equal(first, images_of(split, shuffle=other))


def test_augmentation_is_for_training_only():
    split = TensorSplit(BYTES, LABELS, augment=lambda images, rng: torch.zeros_like(images))
    assert torch.equal(images_of(split), BYTES)
    assert not images_of(split, shuffle=(0, 0)).any()


def test_only_the_images_of_the_indices_are_given():
    split = TensorSplit(BYTES, LABELS, np.array([7, 2, 5]))
    assert len(split) == 3
    assert labels_of(split, 2) == [[7, 2], [5]]
    assert sorted(labels_of(split, 3, shuffle=(0, 0))[0]) == [2, 5, 7]
    assert torch.equal(images_of(split), BYTES[[7, 2, 5]])


def test_bytes_are_normalised():
    split = TensorSplit(BYTES, LABELS, mean_std=((0.1, 0.2, 0.3), (0.5, 0.4, 0.3)))
    mean = torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    std = torch.tensor([0.5, 0.4, 0.3])[:, None, None]
    torch.testing.assert_close(images_of(split), (BYTES.float() / 255 - mean) / std)


def test_images_come_at_the_size_asked_for():
    split = TensorSplit(BYTES, LABELS, mean_std=((0.0,) * 3, (1.0,) * 3), size=16)
    assert images_of(split).shape == (10, 3, 16, 16)


def test_batches_are_contiguous_even_if_the_images_are_not():
    split = TensorSplit(BYTES.movedim(3, 1).contiguous().movedim(1, 3), LABELS)
    assert not split.images.is_contiguous()
    assert all(images.is_contiguous() for images, _ in split.batches(4))


def test_a_crop_is_a_shift_into_black():
    images = torch.full((200, 3, 8, 8), 9, dtype=torch.uint8)
    images[:, :, :, :4] = 5
    changed = crop_and_flip(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    assert set(changed.unique().tolist()) == {0, 5, 9}
    full_rows = (changed[:, 0] > 0).any(2).sum(1)
    assert full_rows.min() == 4
    assert full_rows.max() == 8


def test_half_of_the_crops_are_mirrored():
    ramp = torch.arange(1, 9, dtype=torch.uint8).expand(400, 3, 8, 8).contiguous()
    changed = crop_and_flip(ramp, np.random.default_rng(0), pad=0)
    mirrored = [torch.equal(image, ramp[0].flip(2)) for image in changed]
    assert all(
        torch.equal(image, ramp[0]) or flipped
        for image, flipped in zip(changed, mirrored, strict=True)
    )
    assert 150 < sum(mirrored) < 250


class Ramp(Split):
    """A split with nothing but the two methods that a split must have."""

    def __len__(self):
        return 10

    def batches(self, batch_size, *, shuffle=None, device="cpu"):
        for start in range(0, 10, batch_size):
            yield BYTES[start : start + batch_size], LABELS[start : start + batch_size]


def test_a_split_of_ones_own_needs_two_methods():
    split = Ramp()
    assert split.steps(4) == 2
    assert split.steps(64) == 1
    assert to_device(split, "cpu") is split
    assert WrappedSplit.__abstractmethods__ == {"batches"}


@pytest.mark.parametrize("split", [TensorSplit(BYTES, LABELS), Ramp()], ids=["tensors", "own"])
@pytest.mark.parametrize("shuffle", [None, (3, 1)])
def test_processes_see_together_what_one_would_see(split, shuffle):
    whole = list(split.batches(4, shuffle=shuffle))
    for rank in range(2):
        share = split.share(rank, 2)
        assert (len(share), share.steps(4)) == (10, 2)
        batches = list(share.batches(4, shuffle=shuffle))
        assert len(batches) == len(whole)
        for (images, labels), (all_images, all_labels) in zip(batches, whole, strict=True):
            assert torch.equal(images, all_images[rank::2])
            assert torch.equal(labels, all_labels[rank::2])


@pytest.mark.parametrize("shuffle", [None, (0, 1)])
def test_a_split_on_another_device_gives_the_same_batches(shuffle):
    indices = np.array([7, 2, 5])
    options = {"mean_std": ((0.5,) * 3, (0.2,) * 3), "augment": crop_and_flip, "size": 12}
    expected = read_split(TensorSplit(BYTES, LABELS, indices, **options), shuffle=shuffle)
    indices.flags.writeable = False  # as in an object store; torch warns of such arrays
    moved = to_device(TensorSplit(BYTES, LABELS, indices, **options), "cpu")
    images, labels = read_split(moved, shuffle=shuffle)
    assert torch.equal(images, expected[0])
    assert torch.equal(labels, expected[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_are_moved_to_the_device():
    split = TensorSplit(BYTES, LABELS)
    for images, labels in split.batches(4, device="cuda"):
        assert images.is_cuda
        assert labels.is_cuda

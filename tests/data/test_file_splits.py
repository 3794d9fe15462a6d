import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import IterableDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from ean_search.data.file_splits import LoaderSplit, StreamSplit
from ean_search.utils.errors import UserError

# Python 3.12 warns of a data loader's processes in a program with threads.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
PLAIN = transforms.Compose([transforms.Resize((12, 12)), transforms.ToTensor()])
RANDOM = transforms.Compose([transforms.RandomCrop(12), transforms.ToTensor()])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for label in ("ape", "bee"):
        (root / label).mkdir()
        for k in range(5):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert("RGB" if k else "L")
            image.save(root / label / f"{k}.png")
    return root


def split_of(folder, **options):
    dataset = ImageFolder(str(folder))
    indices = options.pop("indices", np.arange(len(dataset)))
    return LoaderSplit(dataset, indices, train=RANDOM, evaluation=PLAIN, size=12, **options)


def images_of(split, **options):
    return torch.cat([images for images, _ in split.batches(4, **options)])


def labels_of(split, **options):
    return torch.cat([labels for _, labels in split.batches(4, **options)]).tolist()


@pytest.mark.parametrize("max_decoded_bytes", [0, 2**20])
def test_an_evaluation_sees_everything_in_order(folder, max_decoded_bytes):
    split = split_of(folder, max_decoded_bytes=max_decoded_bytes)
    assert labels_of(split) == [0] * 5 + [1] * 5
    assert images_of(split).shape == (10, 3, 12, 12)
    first = PLAIN(Image.open(folder / "ape/1.png"))
    assert torch.equal(images_of(split)[1], first)


def test_an_evaluation_that_fits_max_decoded_bytes_is_decoded_once(folder, tmp_path):
    def count_calls(_):
        count_calls.calls += 1
        return torch.zeros(3, 12, 12)

    for max_decoded_bytes, expected in ((2**20, 10), (0, 20)):
        count_calls.calls = 0
        split = split_of(folder, max_decoded_bytes=max_decoded_bytes)
        split.evaluation = count_calls
        images_of(split)
        images_of(split)
        assert count_calls.calls == expected


def test_training_depends_on_the_seed_and_not_on_the_processes(folder):
    first = images_of(split_of(folder), shuffle=(3, 1))
    assert first.shape == (8, 3, 12, 12)
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    assert torch.equal(first, images_of(split_of(folder, workers=2), shuffle=(3, 1)))
    assert not torch.equal(first, images_of(split_of(folder), shuffle=(3, 2)))


def test_training_leaves_the_global_generators_alone(folder):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    images_of(split_of(folder), shuffle=(0, 0))
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def test_only_the_images_of_the_indices_are_given(folder):
    split = split_of(folder, indices=np.array([9, 0, 8]))
    assert len(split) == 3
    assert split.steps(64) == 1
    assert labels_of(split) == [1, 0, 1]
    assert sorted(labels_of(split, shuffle=(0, 0))) == [0, 1, 1]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_broken_image_is_named_in_one_line(tmp_path, folder, workers, content):
    good = (folder / "ape/1.png").read_bytes()
    (tmp_path / "ape").mkdir()
    (tmp_path / "ape/broken.png").write_bytes(good[:300] if content is None else content)
    with pytest.raises(UserError, match=r"^cannot read the image .*broken\.png: [^\n]*$"):
        images_of(split_of(tmp_path, workers=workers))


class Counting(IterableDataset):
    """Gives numbered images, shuffled by a seed, with noise from the process's generator."""

    def __init__(self, seed):
        self.order = np.arange(10) if seed is None else np.random.default_rng(seed).permutation(10)
        self.noise = 0 if seed is None else 1

    def __iter__(self):
        for k in self.order:
            yield torch.full((3, 4, 4), float(k)) + self.noise * torch.rand(3, 4, 4), int(k)


@pytest.mark.parametrize("max_decoded_bytes", [0, 2**20])
def test_a_stream_is_read_in_order_for_evaluation(max_decoded_bytes):
    split = StreamSplit(Counting, 10, size=4, max_decoded_bytes=max_decoded_bytes)
    assert labels_of(split) == list(range(10))
    assert torch.equal(images_of(split)[:, 0, 0, 0], torch.arange(10.0))


@pytest.mark.parametrize("max_decoded_bytes", [0, 2**20])
def test_of_a_stream_the_first_images_may_be_taken(max_decoded_bytes):
    split = StreamSplit(Counting, 7, size=4, max_decoded_bytes=max_decoded_bytes)
    assert labels_of(split) == list(range(7))
    assert len(labels_of(split, shuffle=(0, 1))) == 4


def test_a_stream_trains_on_full_batches_in_an_order_by_the_seed():
    split = StreamSplit(Counting, 10, size=4)
    first = images_of(split, shuffle=(0, 1))
    assert len(first) == 8
    assert torch.equal(first, images_of(split, shuffle=(0, 1)))
    assert not torch.equal(first, images_of(split, shuffle=(0, 2)))
    assert len(set(labels_of(split, shuffle=(0, 1)))) == 8


def test_processes_that_share_batches_get_different_images(folder):
    whole = list(split_of(folder).batches(4, shuffle=(3, 1)))
    for rank in range(2):
        part = list(split_of(folder).share(rank, 2).batches(4, shuffle=(3, 1)))
        assert len(part) == len(whole)
        for (images, labels), (all_images, all_labels) in zip(part, whole, strict=True):
            assert torch.equal(images, all_images[rank::2])
            assert torch.equal(labels, all_labels[rank::2])

import numpy as np
import pytest
import torch
from torchvision import datasets

from ean_search.data.datasets import Data, DataSource, first_of_each_class, hold_out, load_data
from ean_search.data.splits import TensorSplit
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError
from tests.helpers import image_set, read_split, write_cifar

CANVASES = {"train": 300, "test": 50}


pytestmark = pytest.mark.usefixtures("cache_folder")


def test_the_default_needs_no_files():
    data = load_data(DataSource(options=CANVASES, search_per_class=5))
    assert (data.name, data.classes, data.image_size) == ("cluttered", 10, 32)
    sizes = [len(s) for s in (data.train, data.search, data.test, data.train_and_search)]
    assert sizes == [250, 50, 50, 300]
    images, labels = read_split(data.test)
    assert images.shape == (50, 3, 32, 32)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert abs(images.mean()) < 0.5


def test_the_splits_are_disjoint_and_complete():
    data = load_data(DataSource(options=CANVASES, search_per_class=5))
    train, search, test = (
        image_set(read_split(s)[0]) for s in (data.train, data.search, data.test)
    )
    assert not train & search
    assert not (train | search) & test
    assert train | search == image_set(read_split(data.train_and_search)[0])


def test_the_search_split_is_the_first_images_of_every_class():
    labels = np.array([0, 1, 1, 0, 0, 1, 1, 0])
    train, search = hold_out(labels, 2, 2)
    assert search.tolist() == [0, 1, 2, 3]
    assert train.tolist() == [4, 5, 6, 7]
    data = load_data(DataSource(options=CANVASES, search_per_class=5))
    assert torch.bincount(read_split(data.search)[1]).tolist() == [5] * 10


def test_a_class_with_too_few_images_is_an_error():
    with pytest.raises(UserError, match="class 1 has 2 training images: too few to hold 2 out"):
        hold_out(np.array([0, 0, 0, 1, 1]), 2, 2)
    with pytest.raises(UserError, match=r"too few .* smaller data\.search_per_class"):
        load_data(DataSource(options=CANVASES, search_per_class=30))


def test_canvases_depend_on_size_and_seed():
    first, again, seed = (
        read_split(load_data(DataSource(options=CANVASES, search_per_class=5, seed=s)).test)[0]
        for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, seed)
    large = load_data(DataSource(options=CANVASES, search_per_class=5, image_size=48))
    assert read_split(large.test)[0].shape == (50, 3, 48, 48)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "cifar11"}, r"unknown data set 'cifar11'; did you mean 'cifar10'\?"),
        ({"name": "timm"}, "unknown data set 'timm'; .*timm:<name>"),
        ({"options": {"noize": 1}}, r"cluttered.*'noize'; did you mean 'noise'\?"),
        ({"options": {"digits": 4}}, "digits"),
        ({"name": "cifar10", "options": {"noise": 1}}, "unknown field in options of cifar10"),
        ({"name": "timm:folder", "options": {"trian": "x"}}, "did you mean 'train'"),
        ({"search_per_class": 0}, "search_per_class"),
        ({"wokers": 2}, "did you mean 'workers'"),
    ],
)
def test_unknown_names_and_options_are_refused_before_data_is_read(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_fields(DataSource, fields, "data")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "classes"),
    [("cifar10", datasets.CIFAR10, 10), ("cifar100", datasets.CIFAR100, 100)],
)
def test_cifar_is_read_in_its_own_format(tmp_path, monkeypatch, name, kind, classes):
    write_cifar(tmp_path, monkeypatch, kind, classes, per_class=4)
    data = load_data(DataSource(name=name, root=str(tmp_path), search_per_class=1))
    assert (data.classes, data.image_size) == (classes, 32)
    assert [len(s) for s in (data.train, data.search, data.test)] == [
        3 * classes,
        classes,
        2 * classes,
    ]
    image, label = kind(str(tmp_path), train=True)[0]
    images, labels = read_split(data.search)
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    expected = (torch.from_numpy(np.array(image)) / 255 - mean) / std
    torch.testing.assert_close(images[0], expected.permute(2, 0, 1))
    assert labels[0] == label


def test_cifar_is_augmented_in_training_only(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, per_class=4)
    data = load_data(DataSource(name="cifar10", root=str(tmp_path), search_per_class=1))
    originals = image_set(read_split(data.train_and_search)[0])
    for split, augmented in ((data.train, True), (data.train_and_search, True), (data.test, False)):
        shuffled = torch.cat([images for images, _ in split.batches(10, shuffle=(0, 0))])
        kept = image_set(shuffled) & (originals | image_set(read_split(data.test)[0]))
        assert (len(kept) < len(shuffled) / 2) == augmented


def test_missing_cifar_is_an_error_that_names_the_folder(tmp_path):
    with pytest.raises(UserError, match=r"no cifar10 at .*cifar-10-batches-py; .*--download"):
        load_data(DataSource(name="cifar10", root=str(tmp_path)))


def test_corrupt_cifar_is_an_error(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, per_class=4)
    (tmp_path / "cifar-10-batches-py/one").write_bytes(b"torn")
    with pytest.raises(UserError, match="incomplete or corrupt; --download gets it anew"):
        load_data(DataSource(name="cifar10", root=str(tmp_path)))


def load_own_data(source):
    split = TensorSplit(torch.zeros(4, 3, 8, 8), torch.arange(4))
    return Data(source.name, 4, 8, split, split, split, split)


def test_own_data_is_loaded_by_the_path_of_its_function():
    source = DataSource(name=f"{__name__}:load_own_data", options={"anything": 1})
    assert load_data(source).classes == 4
    with pytest.raises(UserError, match="no module named 'nowhere'"):
        load_data(DataSource(name="nowhere:own"))


def test_only_the_first_images_of_each_class_may_be_used():
    labels = np.array([0, 1, 0, 1, 0, 1, 1])
    training, held_out = hold_out(labels, 1, 2, limit=2)
    assert (training.tolist(), held_out.tolist()) == ([2, 3], [0, 1])
    options = {"train": 600, "test": 100}
    source = DataSource(search_per_class=5, train_per_class=20, options=options)
    data = load_data(source)
    sizes = [len(split) for split in (data.train, data.search, data.train_and_search, data.test)]
    assert sizes == [150, 50, 200, 100]
    with pytest.raises(UserError, match="too few to hold 20 out"):
        load_data(source.model_copy(update={"search_per_class": 20}))


def test_only_the_first_test_images_of_each_class_may_be_used():
    labels = np.array([0, 1, 0, 1, 0, 1, 1])
    assert first_of_each_class(labels, 2).tolist() == [0, 1, 2, 3]
    assert first_of_each_class(labels, None).tolist() == list(range(7))
    source = DataSource(options={"train": 600, "test": 100}, search_per_class=5)
    whole, part = (
        load_data(source.model_copy(update={"test_per_class": count})) for count in (None, 3)
    )
    assert (len(whole.test), len(part.test)) == (100, 30)
    assert image_set(read_split(part.test)[0]) < image_set(read_split(whole.test)[0])

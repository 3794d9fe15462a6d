import hashlib
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from ean_search.data.datasets import Data, DataSource, hold_out, load_data
from ean_search.data.splits import TensorSplit
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError

CANVASES = {"train": 300, "test": 50}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(tmp_path / "cache"))


def everything(split):
    images, labels = zip(*split.batches(7), strict=True)
    return torch.cat(images), torch.cat(labels)


def rows(images):
    return {image.numpy().tobytes() for image in images}


def write_cifar(root, monkeypatch, kind, classes, per_class):
    """Write generated images in CIFAR's own format, their sums where torchvision looks for them."""
    rng = np.random.default_rng(0)
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    key = "labels" if classes == 10 else "fine_labels"
    names = [f"class {k}" for k in range(classes)]

    def write(name, entry):
        (folder / name).write_bytes(pickle.dumps(entry))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(count):
        labels = np.tile(np.arange(classes), count).tolist()
        pixels = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        return {"data": pixels, key: labels}

    meta = "label_names" if classes == 10 else "fine_label_names"
    name, md5 = write("meta", {meta: names})
    monkeypatch.setattr(kind, "train_list", [write("one", batch(per_class))])
    monkeypatch.setattr(kind, "test_list", [write("two", batch(2))])
    monkeypatch.setattr(kind, "meta", {"filename": name, "key": meta, "md5": md5})


def write_folders(root, names=("train", "val"), classes=("ape", "bee", "cat"), per_class=6):
    rng = np.random.default_rng(0)
    for name in names:
        for label in classes:
            folder = root / name / label
            folder.mkdir(parents=True)
            for k in range(per_class):
                pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{k}.{('png', 'jpg')[k % 2]}")


def test_the_default_needs_nothing():
    data = load_data(DataSource(options=CANVASES, search_per_class=5))
    assert (data.name, data.classes, data.image_size) == ("cluttered", 10, 32)
    sizes = [len(s) for s in (data.train, data.search, data.test, data.train_and_search)]
    assert sizes == [250, 50, 50, 300]
    images, labels = everything(data.test)
    assert images.shape == (50, 3, 32, 32)
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert abs(images.mean()) < 0.5


def test_the_splits_are_disjoint_and_together_are_all():
    data = load_data(DataSource(options=CANVASES, search_per_class=5))
    train, search, test = (rows(everything(s)[0]) for s in (data.train, data.search, data.test))
    assert not train & search
    assert not (train | search) & test
    assert train | search == rows(everything(data.train_and_search)[0])


def test_the_search_split_is_the_first_images_of_every_class():
    labels = np.array([0, 1, 1, 0, 0, 1, 1, 0])
    train, search = hold_out(labels, 2, 2)
    assert search.tolist() == [0, 1, 2, 3]
    assert train.tolist() == [4, 5, 6, 7]
    data = load_data(DataSource(options=CANVASES, search_per_class=5))
    assert torch.bincount(everything(data.search)[1]).tolist() == [5] * 10


def test_a_class_with_too_few_images_is_an_error():
    with pytest.raises(UserError, match="class 1 has 2 training images: too few to hold 2 out"):
        hold_out(np.array([0, 0, 0, 1, 1]), 2, 2)
    with pytest.raises(UserError, match=r"too few .* smaller data\.search_per_class"):
        load_data(DataSource(options=CANVASES, search_per_class=30))


def test_canvases_depend_on_size_and_seed():
    first, again, seed = (
        everything(load_data(DataSource(options=CANVASES, search_per_class=5, seed=s)).test)[0]
        for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, seed)
    large = load_data(DataSource(options=CANVASES, search_per_class=5, image_size=48))
    assert everything(large.test)[0].shape == (50, 3, 48, 48)


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
def test_what_is_not_known_is_refused_before_anything_is_read(fields, message):
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
    images, labels = everything(data.search)
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    expected = (torch.from_numpy(np.array(image)) / 255 - mean) / std
    torch.testing.assert_close(images[0], expected.permute(2, 0, 1))
    assert labels[0] == label


def test_cifar_is_augmented_in_training_only(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, per_class=4)
    data = load_data(DataSource(name="cifar10", root=str(tmp_path), search_per_class=1))
    originals = rows(everything(data.train_and_search)[0])
    for split, augmented in ((data.train, True), (data.train_and_search, True), (data.test, False)):
        shuffled = torch.cat([images for images, _ in split.batches(10, shuffle=(0, 0))])
        kept = rows(shuffled) & (originals | rows(everything(data.test)[0]))
        assert (len(kept) < len(shuffled) / 2) == augmented


def test_missing_cifar_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"no cifar10 at .*cifar-10-batches-py; .*--download"):
        load_data(DataSource(name="cifar10", root=str(tmp_path)))


def test_corrupt_cifar_is_said_to_be(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, per_class=4)
    (tmp_path / "cifar-10-batches-py/one").write_bytes(b"torn")
    with pytest.raises(UserError, match="incomplete or corrupt; --download gets it anew"):
        load_data(DataSource(name="cifar10", root=str(tmp_path)))


@pytest.mark.parametrize("test", ["val", "validation", "test"])
def test_image_folders(tmp_path, test):
    write_folders(tmp_path, ("train", test))
    source = DataSource(
        name="imagefolder", root=str(tmp_path), image_size=32, search_per_class=2, workers=0
    )
    data = load_data(source)
    assert (data.classes, data.image_size) == (3, 32)
    sizes = [len(s) for s in (data.train, data.search, data.test, data.train_and_search)]
    assert sizes == [12, 6, 18, 18]
    images, labels = everything(data.search)
    assert images.shape == (6, 3, 32, 32)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    train = rows(everything(data.train)[0])
    assert not train & rows(images)
    assert train | rows(images) == rows(everything(data.train_and_search)[0])
    shuffled = torch.cat([images for images, _ in data.train.batches(4, shuffle=(0, 0))])
    assert not rows(shuffled) & train


def test_an_evaluation_crops_the_centre_in_the_papers_proportion(tmp_path):
    for name in ("train", "val"):
        (tmp_path / name / "one").mkdir(parents=True)
        pixels = np.zeros((256, 256, 3), dtype=np.uint8)
        pixels[16:240, 16:240] = 255
        for k in range(2):
            Image.fromarray(pixels).save(tmp_path / name / f"one/{k}.png")
    source = DataSource(name="imagefolder", root=str(tmp_path), search_per_class=1, workers=0)
    data = load_data(source)
    assert data.image_size == 224
    white = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    image = everything(data.test)[0][0]
    torch.testing.assert_close(image, white[:, None, None].expand(3, 224, 224))


@pytest.mark.parametrize("missing", ["train", "val"])
def test_a_missing_folder_says_what_was_looked_for(tmp_path, missing):
    write_folders(tmp_path, ({"train", "val"} - {missing}), per_class=1)
    with pytest.raises(UserError, match=rf"^no images at {tmp_path}/{missing}, [^\n]*$"):
        load_data(DataSource(name="imagefolder", root=str(tmp_path)))
    with pytest.raises(UserError, match=r"needs data\.root"):
        load_data(DataSource(name="imagefolder"))


def test_folders_of_different_classes_are_refused(tmp_path):
    write_folders(tmp_path, ("train",), ("ape", "bee"), per_class=1)
    write_folders(tmp_path, ("val",), ("ape", "cat"), per_class=1)
    with pytest.raises(UserError, match="differ in their classes: only one has 'bee'"):
        load_data(DataSource(name="imagefolder", root=str(tmp_path)))


def test_a_class_without_images_is_refused(tmp_path):
    write_folders(tmp_path, per_class=1)
    (tmp_path / "val/ape/0.png").unlink()
    with pytest.raises(UserError, match=r"^no images: [^\n]*ape[^\n]*$"):
        load_data(DataSource(name="imagefolder", root=str(tmp_path)))


@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")  # timm leaves them open
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")
@pytest.mark.parametrize("name", ["timm:folder", "timm:", "timm:torch/image_folder"])
def test_timm_reads_folders(tmp_path, name):
    write_folders(tmp_path)
    source = DataSource(name=name, root=str(tmp_path), image_size=32, search_per_class=2, workers=0)
    data = load_data(source)
    assert data.classes == 3
    assert [len(s) for s in (data.train, data.search, data.test)] == [12, 6, 18]
    assert torch.bincount(everything(data.search)[1]).tolist() == [2, 2, 2]


def test_timm_reads_torchvisions_data(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, per_class=4)
    source = DataSource(
        name="timm:torch/cifar10",
        root=str(tmp_path),
        image_size=24,
        search_per_class=1,
        workers=0,
        options={"test": "test"},
    )
    data = load_data(source)
    assert data.classes == 10
    assert [len(s) for s in (data.train, data.search, data.test)] == [30, 10, 20]
    assert everything(data.test)[0].shape == (20, 3, 24, 24)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("timm:folder", {"train": "all", "test": "rest"}, "are the same files"),
        ("timm:torch/cifer", {}, "Unknown torchvision dataset cifer"),
        ("timm:wds/", {}, "can only be streamed.*options search"),
        ("timm:wds/", {"search": "val", "classes": 3}, "timm:wds/, split 'train': "),
        ("timm:hfds/no/such", {}, "timm:hfds/no/such, split 'train': "),
    ],
)
def test_what_timm_cannot_read_is_one_line(tmp_path, monkeypatch, name, options, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_folders(tmp_path, ("train",), per_class=1)
    with pytest.raises(UserError, match=message) as caught:
        load_data(DataSource(name=name, root=str(tmp_path), options=options))
    assert "\n" not in str(caught.value)


def test_a_missing_root_of_timms_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"nothing at {tmp_path}/none"):
        load_data(DataSource(name="timm:folder", root=str(tmp_path / "none")))
    with pytest.raises(UserError, match=r"nothing at data\.root, which is not given"):
        load_data(DataSource(name="timm:folder"))


def make_own(source):
    split = TensorSplit(torch.zeros(4, 3, 8, 8), torch.arange(4))
    return Data(source.name, 4, 8, split, split, split, split)


def test_a_users_own_data_is_named_by_its_function():
    source = DataSource(name=f"{__name__}:make_own", options={"anything": 1})
    assert load_data(source).classes == 4
    with pytest.raises(UserError, match="no module named 'nowhere'"):
        load_data(DataSource(name="nowhere:own"))

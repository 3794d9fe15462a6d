import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from ean_search.data.datasets import DataSource, load_data
from ean_search.utils.errors import UserError
from tests.helpers import image_set, read_split, write_cifar, write_folders

# timm leaves files open.
LEFT_OPEN = pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")
LEFT_OPEN_FILE = pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")


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
    images, labels = read_split(data.search)
    assert images.shape == (6, 3, 32, 32)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    train = image_set(read_split(data.train)[0])
    assert not train & image_set(images)
    assert train | image_set(images) == image_set(read_split(data.train_and_search)[0])
    shuffled = torch.cat([images for images, _ in data.train.batches(4, shuffle=(0, 0))])
    assert not image_set(shuffled) & train


def test_an_evaluation_crops_the_centre_in_the_proportion_of_the_papers(tmp_path):
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
    image = read_split(data.test)[0][0]
    torch.testing.assert_close(image, white[:, None, None].expand(3, 224, 224))


@LEFT_OPEN
@LEFT_OPEN_FILE
@pytest.mark.parametrize("name", ["imagefolder", "timm:folder"])
def test_only_some_test_images_of_each_class_may_be_used(tmp_path, name):
    write_folders(tmp_path)
    options = {} if name == "imagefolder" else {"test": "val"}
    fields = {"name": name, "root": str(tmp_path), "image_size": 32, "workers": 0}
    data = load_data(DataSource(**fields, search_per_class=2, test_per_class=1, options=options))
    assert read_split(data.test)[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("field", ["train_per_class", "test_per_class"])
def test_images_of_each_class_of_a_stream_cannot_be_counted_out(tmp_path, field):
    options = {"search": "val", "classes": 3}
    source = DataSource(name="timm:wds/", root=str(tmp_path), options=options, **{field: 4})
    with pytest.raises(UserError, match=r"counted out; data\.options\.max_images limits each"):
        load_data(source)


@LEFT_OPEN
@LEFT_OPEN_FILE
@pytest.mark.parametrize("name", ["timm:folder", "timm:", "timm:torch/image_folder"])
def test_timm_reads_folders(tmp_path, name):
    write_folders(tmp_path)
    source = DataSource(name=name, root=str(tmp_path), image_size=32, search_per_class=2, workers=0)
    data = load_data(source)
    assert data.classes == 3
    assert [len(s) for s in (data.train, data.search, data.test)] == [12, 6, 18]
    assert torch.bincount(read_split(data.search)[1]).tolist() == [2, 2, 2]


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
    assert read_split(data.test)[0].shape == (20, 3, 24, 24)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("timm:folder", {"train": "all", "test": "rest"}, "are the same files"),
        ("timm:torch/cifer", {}, "Unknown torchvision dataset cifer"),
        ("timm:wds/", {}, "can only be streamed.*options search"),
        ("timm:wds/", {"search": "val", "classes": 3}, "timm:wds/, split 'train': "),
        ("timm:hfds/no/such", {}, "timm:hfds/no/such, split 'train': "),
        ("timm:folder", {"max_images": 5}, "max_images limits streams; timm:folder is no stream"),
    ],
)
def test_errors_of_timm_are_one_line(tmp_path, monkeypatch, name, options, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_folders(tmp_path, ("train",), per_class=1)
    with pytest.raises(UserError, match=message) as caught:
        load_data(DataSource(name=name, root=str(tmp_path), options=options))
    assert "\n" not in str(caught.value)


def test_a_missing_root_of_timm_data_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"nothing at {tmp_path}/none"):
        load_data(DataSource(name="timm:folder", root=str(tmp_path / "none")))
    with pytest.raises(UserError, match=r"nothing at data\.root, which is not given"):
        load_data(DataSource(name="timm:folder"))

import gzip
import struct

import numpy as np
import pytest
import torch
from torchvision.datasets import FashionMNIST

from ean_search.data import fashion_mnist
from ean_search.data.datasets import DataSource, load_data
from ean_search.testing.check_dataset import check_dataset
from ean_search.utils.errors import UserError
from tests.helpers import read_split, write_fashion


def source(root=None, **changes):
    fields = {"name": "fashion_mnist", "root": root and str(root), "search_per_class": 1}
    return DataSource(**fields | changes)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("folder", ["FashionMNIST/raw", "."])
def test_the_contract_of_data_sets_is_kept(tmp_path, folder, channels):
    write_fashion(tmp_path / folder, gzipped=channels == 3)
    options = {"channels": channels}
    check_dataset("fashion_mnist", root=str(tmp_path), search_per_class=1, options=options)
    data = load_data(source(tmp_path, options=options))
    assert (data.classes, data.image_size, data.channels) == (10, 28, channels)
    assert data.class_names[9] == "Ankle boot"
    sizes = [len(s) for s in (data.train, data.search, data.test, data.train_and_search)]
    assert sizes == [30, 10, 40, 40]


def test_images_are_those_that_torchvision_reads(tmp_path):
    write_fashion(tmp_path / "FashionMNIST/raw")
    theirs = FashionMNIST(str(tmp_path), train=False)
    data = load_data(source(tmp_path))
    images, labels = read_split(data.test)
    assert torch.equal(labels, theirs.targets)
    assert torch.equal(images[:, 0], images[:, 2])
    torch.testing.assert_close(images[:, 1], (theirs.data / 255 - 0.286) / 0.353)
    small = load_data(source(tmp_path, image_size=16, options={"channels": 1}))
    assert read_split(small.train)[0].shape == (30, 1, 16, 16)


def test_training_images_are_shifted_as_far_as_the_options_say(tmp_path):
    write_fashion(tmp_path)
    still = load_data(source(tmp_path, options={"shift": 0})).train
    moved = load_data(source(tmp_path, options={"shift": 2})).train
    before, one, other = (
        torch.cat([images for images, _ in split.batches(4, shuffle=seed)])
        for split, seed in ((still, (0,)), (still, (0,)), (moved, (0,)))
    )
    assert torch.equal(before, one)
    assert not torch.equal(before, other)


def test_debians_folder_is_read_where_no_root_is_given(tmp_path, monkeypatch):
    write_fashion(tmp_path / "debian", gzipped=True)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FashionMNIST, "__init__", lambda *args, **kwargs: pytest.fail("downloads"))
    assert len(load_data(source(download=True)).test) == 40
    with pytest.raises(UserError, match=r"no fashion_mnist in .*elsewhere; give --data-root, or"):
        load_data(source(tmp_path / "elsewhere"))


def test_what_is_not_there_is_downloaded_by_torchvision(tmp_path, monkeypatch):
    def download(self, root, download):
        assert download
        write_fashion(tmp_path / "new/FashionMNIST/raw")

    monkeypatch.setattr(FashionMNIST, "__init__", download)
    assert len(load_data(source(tmp_path / "new", download=True)).test) == 40
    monkeypatch.setattr(FashionMNIST, "__init__", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(UserError, match=r"cannot get fashion_mnist into .*raw: division by zero"):
        load_data(source(tmp_path / "other", download=True))


def missing(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()


def short(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])


def fewer(folder):
    path, labels = folder / "train-labels-idx1-ubyte", bytes(39)
    path.write_bytes(struct.pack(">II", 0x801, 39) + labels)


def wrong_label(folder):
    path, labels = folder / "t10k-labels-idx1-ubyte.gz", bytes([10] * 40)
    path.write_bytes(gzip.compress(struct.pack(">II", 0x801, 40) + labels))
    missing(folder)


def wide(folder):
    pixels = np.zeros((40, 28, 29), dtype=np.uint8)
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(struct.pack(">IIII", 0x803, *pixels.shape) + pixels.tobytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing, "t10k-labels-idx1-ubyte is missing"),
        (short, "train-images-idx3-ubyte is truncated: 31375 bytes"),
        (fewer, "train-images-idx3-ubyte has 40 images, but .*train-labels.* has 39 labels"),
        (wrong_label, "t10k-labels-idx1-ubyte.gz has the label 10; expected 0 to 9"),
        (wide, "t10k-images-idx3-ubyte has images of 28 x 29 pixels, not 28 x 28"),
    ],
)
def test_damaged_files_are_errors_that_name_them(tmp_path, damage, message):
    write_fashion(tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load_data(source(tmp_path))
    assert "\n" not in str(caught.value)

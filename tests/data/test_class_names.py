"""Data sets that know the names of their classes say them, in the order of the labels."""

import pytest
from torchvision import datasets

from ean_search.data.datasets import DataSource, load_data
from tests.helpers import write_cifar, write_folders


@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")  # timm leaves them open
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")
@pytest.mark.parametrize("name", ["imagefolder", "timm:folder"])
def test_folders_are_the_names(tmp_path, name):
    write_folders(tmp_path, classes=("zebra", "ape", "bee"), per_class=3)
    source = DataSource(
        name=name, root=str(tmp_path), image_size=16, search_per_class=1, workers=0
    )  # fmt: skip
    assert load_data(source).class_names == ("ape", "bee", "zebra")


def test_a_number_of_classes_that_does_not_fit_the_names_has_none(tmp_path):
    write_folders(tmp_path, per_class=3)
    source = DataSource(
        name="timm:folder", root=str(tmp_path), search_per_class=1, options={"classes": 2}
    )  # fmt: skip
    assert load_data(source).class_names is None


def test_cifar_and_the_embedded_data_have_names(tmp_path, monkeypatch):
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, classes=10, per_class=3)
    source = DataSource(name="cifar10", root=str(tmp_path), search_per_class=1)
    assert load_data(source).class_names == tuple(f"class {k}" for k in range(10))
    source = DataSource(options={"train": 200, "test": 50}, search_per_class=2)
    assert load_data(source).class_names == tuple("0123456789")

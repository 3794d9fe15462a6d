"""Folders of images: what is missing is listed at once, and one folder of classes is enough."""

import re

import numpy as np
import pytest

from ean_search.data.datasets import DataSource, load_data
from ean_search.data.image_folders import open_image_folders
from ean_search.utils.errors import UserError
from tests.helpers import image_set, read_split, write_folders


def load(root, **options):
    source = DataSource(
        name="imagefolder",
        root=None if root is None else str(root),
        image_size=32,
        search_per_class=2,
        workers=0,
        options=options,
    )
    return load_data(source)


def error_of(root, **options):
    with pytest.raises(UserError) as caught:
        load(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_all_that_is_missing_is_one_error(tmp_path):
    assert "needs --data-root (data.root)" in error_of(None)
    assert f"no folder {tmp_path / 'nowhere'}" in error_of(tmp_path / "nowhere")
    both = error_of(tmp_path)
    assert "no folder train; no folder val (nor validation or test)" in both
    write_folders(tmp_path, ("train",), ("ape", "bee", "cat"), per_class=1)
    assert "no folder val (nor validation or test; --val-split 0.2 holds out" in error_of(tmp_path)
    write_folders(tmp_path, ("val",), ("ape", "cow"), per_class=1)
    (tmp_path / "val/ape/0.png").unlink()
    (tmp_path / "train/cat/0.png").unlink()
    assert error_of(tmp_path) == (
        f"images at {tmp_path}: no images in train of 'cat'; no images in val of 'ape'; "
        "only train has 'bee', 'cat'; only val has 'cow'"
    )


def test_long_lists_are_cut(tmp_path):
    write_folders(tmp_path, ("train",), [f"c{n}" for n in range(9)], per_class=1)
    write_folders(tmp_path, ("val",), ["c0"], per_class=1)
    assert "only train has 'c1', 'c2', 'c3', 'c4', 'c5' and 3 more" in error_of(tmp_path)


def test_a_folder_of_classes_is_recognised(tmp_path):
    write_folders(tmp_path, ("",), per_class=2)
    assert "--val-split 0.2 takes the 3 folders there as classes" in error_of(tmp_path)


@pytest.mark.parametrize("part", ["", "train"])
def test_one_folder_of_classes_is_divided_class_by_class(tmp_path, part):
    write_folders(tmp_path, (part,), per_class=10)
    data = load(tmp_path, val_split=0.2)
    sizes = [len(s) for s in (data.train, data.search, data.test, data.train_and_search)]
    assert sizes == [18, 6, 6, 24]
    images, labels = read_split(data.test)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert not image_set(images) & image_set(read_split(data.train_and_search)[0])


def test_the_division_depends_on_the_seed_only(tmp_path):
    write_folders(tmp_path, ("",), per_class=10)
    first, again, other = (open_image_folders(str(tmp_path), 0.3, seed)[1] for seed in (0, 0, 1))
    assert first.samples == again.samples != other.samples
    assert np.bincount(first.targets).tolist() == [3, 3, 3]


def test_what_cannot_be_divided_is_said(tmp_path):
    write_folders(tmp_path, ("",), per_class=1)
    assert "class 'ape' has one image" in error_of(tmp_path, val_split=0.2)
    (tmp_path / "zebra").mkdir()
    found = error_of(tmp_path, val_split=0.2)
    assert re.search(r"no images in \S+ of 'zebra'", found)
    write_folders(tmp_path, ("train", "val"), per_class=1)
    assert "holds images to test with: leave val_split out" in error_of(tmp_path, val_split=0.2)
    for wrong in (0, 1, -1, "x"):
        with pytest.raises(ValueError, match="val_split"):
            DataSource(name="imagefolder", options={"val_split": wrong})

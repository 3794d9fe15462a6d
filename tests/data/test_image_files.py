"""Images of hostile kinds: scaled, refused in one line, and never repeated under other classes."""

import os

import numpy as np
import pytest
from PIL import Image

from ean_search.data.datasets import DataSource, load_data
from ean_search.data.image_files import check_image_folder, open_image, to_rgb
from ean_search.utils.errors import UserError
from tests.helpers import write_folders


def test_sixteen_bits_are_scaled(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    pixels = np.asarray(to_rgb(open_image(str(tmp_path / "deep.png"))))
    assert pixels.shape == (16, 16, 3)
    assert (pixels[..., 0].ravel() == np.arange(256)).all()


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.ones((4, 4), np.float32) / 2, "floats"), (np.full((4, 4), 2**20, np.int32), "16 bits")],
)
def test_what_has_no_white_is_refused(tmp_path, array, words):
    Image.fromarray(array).save(tmp_path / "odd.tiff")
    with pytest.raises(UserError, match=words):
        to_rgb(open_image(str(tmp_path / "odd.tiff")))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_ordinary_modes_are_converted(mode):
    assert to_rgb(Image.new(mode, (3, 3))).mode == "RGB"


def test_links_to_elsewhere_are_followed(tmp_path):
    write_folders(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ape").symlink_to(tmp_path / "a" / "train" / "ape")
    check_image_folder(tmp_path / "b")


@pytest.mark.parametrize("target", ["..", ".", "../..", "../bee", "../bee/0.png"])
@pytest.mark.parametrize("name", ["imagefolder", "timm:folder"])
def test_links_that_repeat_images_are_refused(tmp_path, target, name):
    write_folders(tmp_path)
    (tmp_path / "train" / "ape" / "loop.png").symlink_to(target)
    with pytest.raises(UserError, match=r"ape/loop.png is a link to images"):
        load_data(DataSource(name=name, root=str(tmp_path), search_per_class=1))


def bomb(path):
    Image.new("1", (20_000, 20_000)).save(path)


KINDS = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no image"),
    "zeros": lambda path: path.write_bytes(bytes(1000)),
    "bomb": bomb,
    "float": lambda path: Image.new("F", (40, 40)).save(path, "TIFF"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["imagefolder", "timm:folder"])
def test_files_that_are_no_images_are_named(tmp_path, name, kind):
    write_folders(tmp_path)
    KINDS[kind](tmp_path / "train" / "ape" / "0.png")
    source = DataSource(name=name, root=str(tmp_path), search_per_class=1, image_size=32, workers=0)
    data = load_data(source)
    with pytest.raises(UserError, match=r"ape/0\.png") as caught:
        list(data.train_and_search.batches(4))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["imagefolder", "timm:folder"])
def test_a_fifo_is_not_waited_for(tmp_path, name):
    write_folders(tmp_path)
    os.mkfifo(tmp_path / "train" / "ape" / "9.png")
    with pytest.raises(UserError, match=r"ape/9.png is no ordinary file"):
        load_data(DataSource(name=name, root=str(tmp_path), search_per_class=1))

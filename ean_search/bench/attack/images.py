"""Folders of images with one hostile entry."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ean_search.bench.attack.ground import Ground

CLASSES = "a", "b"
IMAGES = 6  # of each class
FLAGS = "--space tiny --budget 4 --epochs 1 --set retrain.epochs=1 --device cpu".split()
READERS = "imagefolder", "timm:folder"


def hostile_image(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Search on images of which one entry is hostile."""
    kind = rng.choice(list(HOSTILE))
    root = folder / "images"
    for part in ("train", "val" if rng.random() < 0.5 else "validation"):
        for name in CLASSES:
            _write_class(root / part / name, rng)
    HOSTILE[kind](root / rng.choice(["train", *_test_folders(root)]) / "a" / "0.png", rng)
    flags = ["--set", "data.search_per_class=2", "--data", rng.choice(READERS), "--data-root", root]
    outcome = ground.run(folder, ["run", *FLAGS, *flags, "--results", folder, "--name", "run"])
    fault = outcome.fault()
    return [f"{kind}: {fault}"] if fault else []


def _test_folders(root: Path) -> list[str]:
    return [entry.name for entry in root.iterdir() if entry.name != "train"]


def _write_class(folder: Path, rng: random.Random) -> None:
    folder.mkdir(parents=True)
    for number in range(IMAGES):
        pixels = np.random.default_rng(rng.randrange(2**31)).integers(0, 256, (40, 40, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")


def _empty(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def _cut(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(60, 2000)])


def _noise(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(500))


def _fifo(path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _bomb(path: Path, rng: random.Random) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def _deep(path: Path, rng: random.Random) -> None:
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(path)


def _floats(path: Path, rng: random.Random) -> None:
    path.unlink()
    Image.fromarray(np.full((40, 40), 0.5, np.float32)).save(path.with_suffix(".tif"))


def _loop(path: Path, rng: random.Random) -> None:
    (path.parent / "loop").symlink_to(path.parents[1])


def _dangling(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere.png")


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _empty_class(path: Path, rng: random.Random) -> None:
    (path.parents[1] / "c").mkdir()


def _one_class(path: Path, rng: random.Random) -> None:
    for image in (path.parents[1] / "b").iterdir():
        image.unlink()
    (path.parents[1] / "b").rmdir()


def _tiny(path: Path, rng: random.Random) -> None:
    Image.new("RGB", (1, 1)).save(path)


def _thin(path: Path, rng: random.Random) -> None:
    Image.new("RGB", (1, 5000)).save(path)


def _name(path: Path, rng: random.Random) -> None:
    os.rename(path, os.fsencode(path.parent) + b"/\xff\xfe.png")


HOSTILE: dict[str, Callable[[Path, random.Random], None]] = {
    "empty file": _empty,
    "cut file": _cut,
    "noise": _noise,
    "FIFO": _fifo,
    "bomb": _bomb,
    "16 bits": _deep,
    "floats": _floats,
    "loop": _loop,
    "dangling link": _dangling,
    "folder": _folder,
    "empty class": _empty_class,
    "one class": _one_class,
    "one pixel": _tiny,
    "thin": _thin,
    "no UTF-8": _name,
}

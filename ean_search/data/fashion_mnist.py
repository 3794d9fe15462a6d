"""Load Fashion-MNIST (arXiv 1708.07747) from the four files in which it is published."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ean_search.data.datasets import Data, DataSource, TensorProperties, split_tensors
from ean_search.data.idx_files import read_idx
from ean_search.data.options import read_options
from ean_search.data.splits import MeanStd, crop_and_flip
from ean_search.utils.errors import UserError, first_line

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
TORCHVISION_FOLDER = Path("FashionMNIST/raw")
IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
TRAIN, TEST = "train", "t10k"
FILES = tuple(f"{part}-{kind}" for part in (TRAIN, TEST) for kind in (IMAGES, LABELS))
NATIVE_SIZE = 28  # pixels
SEARCH_PER_CLASS = 500
MEAN, STD = 0.286, 0.353  # of the training images, for values from 0 to 1


def load_fashion_mnist(source: DataSource) -> Data:
    """Load Fashion-MNIST, with the augmentation of CIFAR.

    The files, gzipped or not, lie in torchvision's folders below the root, in the root itself, or,
    where no root is given, in the folder of Debian's package.

    Raises:
        UserError: If a file is missing, cannot be read, or does not fit the others.
    """
    from torchvision.datasets import FashionMNIST

    folder = _find_folder(source)
    options = read_options(source.name, source.options)
    channels = options.channels
    names = tuple(FashionMNIST.classes)
    train, test = (_read_part(folder, part, channels, len(names)) for part in (TRAIN, TEST))
    size = source.image_size or NATIVE_SIZE
    count = source.search_per_class or SEARCH_PER_CLASS
    counts = count, source.train_per_class, source.test_per_class
    properties = TensorProperties(source.name, names, size, *counts)
    mean_std: MeanStd = (MEAN,) * channels, (STD,) * channels
    augment = partial(crop_and_flip, pad=options.shift)
    return split_tensors(properties, train, test, mean_std=mean_std, augment=augment)


def _find_folder(source: DataSource) -> Path:
    """Return the folder of the files; download them if asked to."""
    root = Path(source.root or "data")
    folders = [root / TORCHVISION_FOLDER, root, *([] if source.root else [DEBIAN_FOLDER])]
    missing = {
        folder: [name for name in FILES if not _variants(folder, name)] for folder in folders
    }
    best = min(folders, key=lambda folder: len(missing[folder]))
    if missing[best] and source.download:
        return _download(root)
    if len(missing[best]) == len(FILES):
        raise UserError(
            f"no fashion_mnist in {', '.join(map(str, folders))}; give --data-root, or --download "
            "to get it, or install Debian's package dataset-fashion-mnist"
        )
    if missing[best]:
        raise UserError(f"fashion_mnist: {best / missing[best][0]} is missing, and .gz of it, too")
    return best


def _variants(folder: Path, name: str) -> list[Path]:
    """List a file as it is and gzipped, as far as they are there."""
    return [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]


def _download(root: Path) -> Path:
    from torchvision.datasets import FashionMNIST

    folder = root / TORCHVISION_FOLDER
    try:
        FashionMNIST(str(root), download=True)
    except Exception as error:  # from the network, or the file system
        raise UserError(f"cannot get fashion_mnist into {folder}: {first_line(error)}") from error
    return folder


def _read_part(folder: Path, part: str, channels: int, classes: int) -> tuple[Tensor, Tensor]:
    """Read images (images, channels, 28, 28) and labels of the training or the test files."""
    images_file, labels_file = (_variants(folder, f"{part}-{kind}")[0] for kind in (IMAGES, LABELS))
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if images.shape[1:] != (NATIVE_SIZE, NATIVE_SIZE):
        height, width = images.shape[1:]
        raise UserError(f"{images_file} has images of {height} x {width} pixels, not 28 x 28")
    if len(images) != len(labels):
        raise UserError(
            f"{images_file} has {len(images)} images, but {labels_file} has {len(labels)} labels"
        )
    if len(labels) and labels.max() >= classes:
        raise UserError(f"{labels_file} has the label {labels.max()}; expected 0 to {classes - 1}")
    gray = torch.from_numpy(images.copy())[:, None]
    return gray.expand(-1, channels, -1, -1), torch.from_numpy(labels.astype("int64"))

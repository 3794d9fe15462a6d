"""What several test files need of networks, and of the scripts in experiments/."""

import gzip
import hashlib
import importlib.util
import pickle
import struct
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from ean_search.core.space import Space, load_space
from ean_search.data.splits import Split, TensorSplit

# Smaller networks of the same kind do for most tests; transformers are made for one image size.
NARROW = {"base_width": 16}
SMALL = {
    "resnet50_shared": NARROW,
    "resnet50_mixed": NARROW,
    "resnet50_mrla_light": NARROW,
    "resnet50_mrla_base": NARROW,
    "resnet101_mrla_light": NARROW,
    "resnext50_shared": {"base_width": 1},
    "deit_tiny_mrla": {"img_size": 64},
    "deit_small_mrla": {"img_size": 64, "embed_dim": 96, "num_heads": 3},
    "deit_tiny_broad": {"img_size": 64, "fc_norm": True},
    "deit_small_broad": {"img_size": 64, "embed_dim": 96, "num_heads": 3, "fc_norm": True},
    "t2t_vit_14_broad": {"embed_dim": 96, "num_heads": 3},
    "deit_small_own": {"img_size": 64, "embed_dim": 96, "num_heads": 3},
    "deit_base_own": {"img_size": 64, "embed_dim": 96, "num_heads": 3},
    "swin_tiny_own": {"img_size": 64, "window_size": 4, "embed_dim": 24},
    "swin_tiny_broad": {"img_size": 64, "window_size": 4, "embed_dim": 24},
}


# Probing of these tries what each block is without its self-attention, for some seconds.
OWN_TRANSFORMERS = ("deit_small_own", "deit_base_own", "swin_tiny_own")


def slow(*values):
    """Mark a case of a parametrised test as slow."""
    return pytest.param(*values, marks=pytest.mark.slow)


def mark_slow(values: Iterable, slow: Collection) -> list:
    """Return values for a parametrised test, of which some are marked as slow."""
    return [pytest.param(value, marks=[pytest.mark.slow] * (value in slow)) for value in values]


# The changes to an experiment of a whole run that takes seconds.
SMALL_RUN = {
    "space": {"base": "tiny"},
    "data.options": {"train": 400, "test": 100},
    "data.search_per_class": 10,
    "supernet.recipe.epochs": 1,
    "retrain.epochs": 1,
    "search.budget": 6,
    "device": "cpu",
}


def load_small(name: str, **changes) -> Space:
    """Load a shipped space at a small size at which its networks still have maps to look at."""
    size = 32 if name in ("tiny", "resnet164_shared") else 64
    if name in SMALL:
        changes["backbone_args"] = SMALL[name]
    return load_space(name, image_size=size, **changes)


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every branch a part in the output: timm's residual branches start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
    return network


def load_script(name: str) -> ModuleType:
    """Import a script of experiments/."""
    path = Path(__file__).parents[1] / "experiments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blobs(count: int, seed: int, size: int = 16) -> TensorSplit:
    """Make noise images of three classes, whose mean colour gives the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randn(count, 3, size, size, generator=generator)
    images += torch.eye(3)[labels][:, :, None, None]
    return TensorSplit(images, labels)


def write_folders(
    root: Path,
    names: Iterable[str] = ("train", "val"),
    classes: Sequence[str] = ("ape", "bee", "cat"),
    per_class: int = 6,
) -> None:
    """Write random images as files: one folder per split, and in it one folder per class."""
    rng = np.random.default_rng(0)
    for name in names:
        for label in classes:
            folder = root / name / label
            folder.mkdir(parents=True)
            for k in range(per_class):
                pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{k}.{('png', 'jpg')[k % 2]}")


def write_cifar(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: type, classes: int, per_class: int
) -> None:
    """Write random images in CIFAR's own format, and tell torchvision their checksums."""
    rng = np.random.default_rng(0)
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    key = "labels" if classes == 10 else "fine_labels"
    names = [f"class {k}" for k in range(classes)]

    def write(name: str, entry: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(entry))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(count: int) -> dict:
        labels = np.tile(np.arange(classes), count).tolist()
        pixels = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        return {"data": pixels, key: labels}

    meta = "label_names" if classes == 10 else "fine_label_names"
    name, md5 = write("meta", {meta: names})
    monkeypatch.setattr(kind, "train_list", [write("one", batch(per_class))])
    monkeypatch.setattr(kind, "test_list", [write("two", batch(2))])
    monkeypatch.setattr(kind, "meta", {"filename": name, "key": meta, "md5": md5})


def write_fashion(folder: Path, per_class: int = 4, gzipped: bool = False) -> None:
    """Write random images in the four files of Fashion-MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        labels = np.tile(np.arange(10, dtype=np.uint8), per_class)
        pixels = rng.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        for kind, array in (("images", pixels), ("labels", labels)):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            content, path = header + array.tobytes(), f"{part}-{kind}-idx{array.ndim}-ubyte"
            if gzipped:
                content, path = gzip.compress(content), f"{path}.gz"
            (folder / path).write_bytes(content)


def read_scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read TensorBoard's scalars of a folder: steps and values by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


# A whole run in about two seconds on a CPU.
SMALL_EXPERIMENT = {
    "space": {"base": "tiny"},
    "data.options": {"train": 600, "test": 100},
    "data.search_per_class": 10,
    "supernet.recipe.epochs": 1,
    "search.searcher": "reinforce",  # it reports its entropy, and learns from the first cohort on
    "search.budget": 12,
    "device": "cpu",
}


def describe_training(attention: str = "se", placement: str = "1-0-1-0", **changes):
    """Describe a training in the space `tiny`, without having done it."""
    from ean_search.data.datasets import DataSource
    from ean_search.retrain.checkpoint import TrainingDescription
    from ean_search.training.recipe import Recipe

    values = {"space": load_space("tiny", attention=attention), "placement": placement, "seed": 0}
    values |= {"classes": 10, "data": DataSource(), "recipe": Recipe()}
    values |= {"preprocessing": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3}}
    return TrainingDescription(**values | changes)


def write_checkpoint(path: Path, description, change=lambda network: None):
    """Write the folder that a training leaves, with random weights in place of trained ones.

    `change` may change the network in place before its weights are written.
    """
    from ean_search.networks.builder import build, prune
    from ean_search.retrain.checkpoint import Checkpoint
    from ean_search.utils.files import save_json, save_weights

    checkpoint, space = Checkpoint(path), description.space
    path.mkdir(parents=True)
    network = prune(
        build(space, description.classes), space.parse(description.placement), fold=False
    )
    change(randomise(network))
    save_weights(network, checkpoint.weights_file)
    save_json(description.model_dump(mode="json"), checkpoint.description_file)
    save_json({"test_accuracy": 0.5}, checkpoint.metrics_file)
    return checkpoint


@contextmanager
def held_elsewhere(lock_file: Path) -> Iterator[None]:
    """Let another thread hold a lock in the block, as another process would."""
    from ean_search.utils.locks import only_writer

    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with only_writer(lock_file, "it"):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()


def read_split(split: Split, **options) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all images and labels that a split gives."""
    images, labels = zip(*split.batches(7, **options), strict=True)
    return torch.cat(images), torch.cat(labels)


def image_set(images: torch.Tensor) -> set[bytes]:
    """Return images as a set, so that those of two splits can be compared."""
    return {image.numpy().tobytes() for image in images}


def space_of(backbone: str, **fields) -> Space:
    """Make a space of any backbone, with the attention `se` unless another one is named."""
    return Space(**{"name": "own", "backbone": backbone, "attention": "se"} | fields)


class Narrow(nn.Module):
    """An attention that fits only maps of 64 channels."""

    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(64, 1, 1))

    def forward(self, x):
        return x * self.scale

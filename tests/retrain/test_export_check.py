"""The check of exported files: relative to the logits, on real images where there are some."""

import pytest
import torch

from ean_search.data.datasets import DataSource
from ean_search.retrain.export_check import Examples, compare_logits, load_examples
from tests.helpers import describe_training, write_folders

SMALL_DATA = DataSource(options={"train": 200, "test": 50}, search_per_class=5)


def linear(scale):
    """Return a network with logits of about `scale`."""
    torch.manual_seed(0)
    layers = torch.nn.Flatten(), torch.nn.Linear(12, 4)
    network = torch.nn.Sequential(*layers).eval()
    network[1].weight.data *= scale
    return network


def examples():
    generator = torch.Generator().manual_seed(1)
    return Examples(torch.randn(32, 3, 2, 2, generator=generator), "noise images")


@pytest.mark.parametrize("scale", [1, 200, 20000])
@pytest.mark.parametrize(("error", "is_close"), [(2e-5, True), (5e-4, False)])
def test_differences_count_relative_to_the_largest_logit(scale, error, is_close):
    network = linear(scale)
    largest = float(network(examples().images).detach().abs().max())
    done = compare_logits(network, lambda x: network(x) + error * largest, examples())
    assert done.is_close is is_close
    assert done.scale == pytest.approx(largest)
    assert done.difference == pytest.approx(error * largest, rel=0.05)


def test_small_logits_may_differ_as_much_as_logits_of_one():
    network = linear(1e-4)
    network[1].bias.data.zero_()
    assert compare_logits(network, lambda x: network(x) + 5e-5, examples()).is_close


def test_images_with_another_class_are_counted():
    network = linear(1)
    done = compare_logits(network, lambda x: -network(x), examples())
    assert not done.is_close
    assert done.agreeing < done.count == 32
    assert f"top-1 agrees on {done.agreeing} of 32 noise images" in str(done)


def test_equally_good_classes_are_the_same():
    network = linear(1)
    network[1].weight.data[1] = network[1].weight.data[0]
    network[1].bias.data[1] = network[1].bias.data[0]

    def swapped(x):
        return network(x) + torch.tensor([0.0, 1e-6, 0.0, 0.0])

    done = compare_logits(network, swapped, examples())
    assert done.is_close
    assert done.agreeing == 32


def test_what_is_not_a_number_is_not_close():
    network = linear(1)
    assert not compare_logits(network, lambda x: network(x) * float("nan"), examples()).is_close


def test_several_batch_sizes_are_tried():
    network, sizes = linear(1), []

    def forward(x):
        sizes.append(len(x))
        return network(x)

    compare_logits(network, forward, examples())
    assert sizes == [2, 1, 5, 24]


def test_real_images_come_from_all_over_the_search_split(tmp_path):
    found = load_examples(describe_training(data=SMALL_DATA))
    assert found.name == "search images"
    assert found.images.shape == (32, 3, 32, 32)
    write_folders(tmp_path, per_class=30)
    folders = DataSource(name="imagefolder", root=str(tmp_path), image_size=32, search_per_class=20)
    found = load_examples(describe_training(data=folders))
    assert found.images.shape == (32, 3, 32, 32)
    assert len({image.numpy().tobytes() for image in found.images}) == 32


@pytest.mark.parametrize(
    "data",
    [
        DataSource(name="imagefolder", root="/nowhere"),
        DataSource(name="cifar10", root="/nowhere", download=True),  # not downloaded here
        SMALL_DATA.model_copy(update={"image_size": 16}),  # of another size than the network
    ],
)
def test_without_real_images_noise_is_taken_and_named(data):
    found = load_examples(describe_training(data=data))
    assert found.name == "noise images"
    assert found.images.shape == (32, 3, 32, 32)

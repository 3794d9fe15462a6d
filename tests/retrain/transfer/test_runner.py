import pytest
import torch

from ean_search.core.space import load_space
from ean_search.networks.builder import build, prune
from ean_search.retrain.compare import select_placements
from ean_search.retrain.retrain import plan_retraining
from ean_search.retrain.transfer.detect import _match, _precision
from ean_search.retrain.transfer.fpn import PyramidBackbone
from ean_search.retrain.transfer.runner import Transfer, transfer
from ean_search.retrain.transfer.task import make_task
from ean_search.utils.errors import UserError

SHORT = {"retrain.epochs": 1}
FEW = {"train": 32, "test": 12, "size": 48}


def short(name, **options):
    task = make_task(name, **options)
    return task.__class__(
        **vars(task) | {"recipe": task.recipe.model_copy(update={"epochs": 1, "batch_size": 8})}
    )


@pytest.mark.parametrize("name", ["detect", "segment"])
def test_backbones_are_compared_and_finished_trainings_kept(short_run, name):
    plan = plan_retraining(short_run, {"device": "cpu"})
    transfers = Transfer(plan, short(name, **FEW), scratch=True)
    chosen = select_placements(short_run, "1-0-0-0", "none")
    frame = transfer(transfers, chosen, [0, 1], rounds=1)
    assert list(frame["name"]) == ["1-0-0-0", "none"]
    assert frame.accuracy.between(0, 1).all()
    done = transfers.folder / "0-0-0-0-seed1" / "metrics.json"
    before = done.stat().st_mtime_ns
    again = transfer(transfers, chosen, [0, 1], rounds=1)
    assert done.stat().st_mtime_ns == before
    assert list(again.accuracy) == list(frame.accuracy)
    with pytest.raises(UserError, match="other settings"):
        Transfer(plan, short(name, **FEW | {"train": 40}), scratch=True).train(
            short_run.find("none"), 0
        )


def test_backbones_start_from_what_was_retrained(short_run):
    plan = plan_retraining(short_run, SHORT | {"seed": 4})
    task = short("classify:cluttered")
    transfers = Transfer(plan, task)
    with pytest.raises(UserError, match="not retrained yet"):
        transfer(transfers, select_placements(short_run, "0-0-1-0", "none"), [4])
    plan.train(short_run.find("0-0-1-0"), 4)
    network = transfers.network(short_run.find("0-0-1-0"), 4)
    trained = plan.checkpoint(short_run.find("0-0-1-0"), 4).network()
    assert torch.equal(network.conv1[0].weight, trained.conv1[0].weight)
    assert not torch.equal(network.fc.weight, trained.fc.weight)


def test_a_deeplab_head_fits_too():
    task = make_task("segment:deeplabv3", **FEW)
    space = load_space("tiny")
    network = task.attach(prune(build(space), space.named["all"])).eval()
    assert network(torch.zeros(2, 3, 48, 48))["out"].shape == (2, 11, 48, 48)
    assert task.name == "segment-deeplabv3"


def test_pyramids_reach_from_strides_of_4_to_32():
    space = load_space("resnet18_shared")
    pyramid = PyramidBackbone(prune(build(space), space.named["none"])).eval()
    maps = pyramid(torch.zeros(1, 3, 64, 64))
    assert [m.shape[-1] for m in maps.values()] == [16, 8, 4, 2]


def test_a_true_box_is_found_once_by_the_surest_box():
    truth = torch.tensor([[0.0, 0, 10, 10, 3], [20, 20, 30, 30, 4]])
    boxes = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30]])
    found = {"boxes": boxes, "labels": torch.tensor([3, 3, 5]),
             "scores": torch.tensor([0.9, 0.8, 0.7])}  # fmt: skip
    hits = _match(found, truth)
    assert [(label, right) for label, _, right in hits] == [(3, True), (3, False), (5, False)]
    assert _precision(hits, 3, 1) == 1.0
    assert _precision(hits, 3, 2) == 0.5
    assert _precision(hits, 4, 1) == 0.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("detct", "did you mean 'detect'"),
        ("segment:fnc", "did you mean 'fcn'"),
        ("classify", "needs a data set"),
        ("classify:cifr10", "did you mean 'cifar10'"),
    ],
)
def test_what_is_no_task_is_named(name, words):
    with pytest.raises((UserError, ValueError), match=words):
        make_task(name)

"""`search_attention` on networks of others: what docs/any_network.md promises, at small sizes."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

import ean_search
from ean_search.data.cluttered import ClutteredOptions
from ean_search.data.cluttered_scenes import load_scene_splits
from ean_search.networks.plain_modules import foreign_modules
from ean_search.retrain.transfer.detect import score_boxes
from ean_search.retrain.transfer.segment import score_masks
from tests.networks.modules import GatedBlock
from tests.networks.regression_net import RegressionNet

PAGE = Path(__file__).parents[1] / "docs" / "any_network.md"
SIZE = 64


class SmallBackbone(nn.Sequential):
    """A detector's backbone of residual blocks."""

    def __init__(self, *blocks):
        stem = nn.Conv2d(3, 64, 8, stride=8)
        super().__init__(stem, *blocks)
        self.out_channels = 64


class PlainBlock(nn.Module):
    def __init__(self, channels=64):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.conv(x))


def detector(*blocks):
    torch.manual_seed(0)
    return FasterRCNN(
        SmallBackbone(*blocks),
        rpn_anchor_generator=AnchorGenerator(((16, 32),), ((1.0,),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 3, 2),
        min_size=SIZE,
        max_size=SIZE,
        rpn_post_nms_top_n_test=20,
        rpn_post_nms_top_n_train=20,
        box_head=nn.Sequential(nn.Flatten(), nn.Linear(64 * 9, 32), nn.ReLU()),
        box_predictor=torchvision.models.detection.faster_rcnn.FastRCNNPredictor(32, 11),
    )


def scenes(labels):
    return load_scene_splits(labels, ClutteredOptions(train=12, test=10), SIZE, seed=0)


def loss_of_boxes(network, batch):
    images, boxes = batch
    targets = [{"boxes": each[:, :4], "labels": each[:, 4].long()} for each in boxes]
    return network(list(images), targets)  # four losses by name


def search_detector(folder, model, attention):
    train, test = scenes("boxes")
    return ean_search.search_attention(
        model,
        [next(iter(test.batches(1)))[0][0]],
        train=list(train.batches(6)),
        loss=loss_of_boxes,
        score=lambda network: score_boxes(network, test),
        score_name="box AP",
        score_range=(0, 1),
        attention=attention,
        sites="backbone.*",
        epochs=1,
        fine_tuning=ean_search.FineTuning(clip_grad=1.0),
        budget=5,
        folder=folder,
    )


def test_se_is_added_to_the_backbone_of_a_faster_rcnn(tmp_path):
    found = search_detector(tmp_path, detector(PlainBlock(), PlainBlock(), PlainBlock()), "se")
    assert list(found.sites.path) == ["backbone.1", "backbone.2", "backbone.3"]
    assert 0 <= found.front["box AP"].max() <= 1
    network = found.at("all").network
    assert not foreign_modules(network)
    boxes = network([torch.rand(3, SIZE, SIZE)])[0]
    assert set(boxes) == {"boxes", "labels", "scores"}
    assert "box AP on the search split (%)" in found.report().read_text()


@pytest.mark.slow
def test_gates_of_a_faster_rcnn_can_go(tmp_path):
    found = search_detector(tmp_path, detector(*(GatedBlock(64) for _ in range(3))), "own")
    assert list(found.sites.path) == [f"backbone.{i}.recalibrate" for i in (1, 2, 3)]
    costs = found.trials.set_index("placement").params
    assert costs["000"] < costs["111"]
    assert not foreign_modules(found.network)


def images_and_labels(size, count=24):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, size, size, generator=generator), torch.arange(count) % 3


def classify(folder, model, size, logits=lambda output: output, example=None, **settings):
    images, labels = images_and_labels(size)

    def loss(network, batch):
        return F.cross_entropy(logits(network(batch[0])), batch[1])

    def score(network):
        return (logits(network(images)).argmax(1) == labels).float()

    return ean_search.search_attention(
        model,
        images[:2] if example is None else example,
        train=[(images[:12], labels[:12])],
        loss=loss,
        score=score,
        score_name="top-1",
        score_range=(0, 1),
        folder=folder,
        **settings,
    )


def test_torchvisions_resnet_50_gets_new_attention(tmp_path):
    model = torchvision.models.ResNet(
        torchvision.models.resnet.Bottleneck, [2, 1, 1, 1], num_classes=3, width_per_group=4
    )
    found = classify(tmp_path, model, 32, attention=["eca"], epochs=1, budget=5)
    assert list(found.sites.path) == ["layer1.0", "layer1.1", "layer2.0", "layer3.0", "layer4.0"]
    assert not foreign_modules(found.at("all").network)


@pytest.mark.slow
def test_torchvisions_resnet_50_at_its_own_width():
    image = torch.zeros(1, 3, 64, 64)
    found = ean_search.find_attention_sites(torchvision.models.resnet50(), image, "se")
    assert found.stage.value_counts(sort=False).tolist() == [3, 4, 6, 3]


def test_self_attentions_of_torchvisions_vit_can_go(tmp_path):
    model = torchvision.models.VisionTransformer(16, 4, 3, 2, 16, 32, num_classes=3)
    nn.init.normal_(model.heads.head.weight)
    limits = {"limits": "flops < 0.95x", "cost_axis": "flops"}
    found = classify(tmp_path, model, 16, epochs=0, budget=8, **limits)
    assert set(found.sites.own) == {"MultiheadAttention"}
    assert found.placement.attached < 3
    kinds = [type(module) for module in found.network.modules()]
    assert kinds.count(nn.MultiheadAttention) == found.placement.attached
    assert not foreign_modules(found.network)


def test_a_regression_has_neither_classes_nor_percent(tmp_path):
    images, _ = images_and_labels(16)
    targets = images[:, 0, 4:8, 4:8].mean((1, 2))
    found = ean_search.search_attention(
        RegressionNet(),
        {"image": images[:1]},
        train=[(images[:12], targets[:12])],
        loss=lambda network, batch: F.mse_loss(network(batch[0])["value"], batch[1]),
        score=lambda network: (network(images)["value"] - targets).abs(),
        score_name="mean error",
        maximize=False,
        epochs=1,
        budget=6,
        folder=tmp_path,
    )
    page = found.report().read_text()
    assert "mean error on the search split" in page
    assert found.score == pytest.approx(found.trials["mean error"].min(), rel=0.2)


def test_a_segmentation_is_scored_by_its_miou(tmp_path):
    train, test = scenes("masks")
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=11
    )
    found = ean_search.search_attention(
        model,
        torch.zeros(1, 3, SIZE, SIZE),
        train=list(train.batches(6)),
        loss=lambda network, batch: F.cross_entropy(network(batch[0])["out"], batch[1]),
        score=lambda network: score_masks(network, test),
        score_name="mIoU",
        score_range=(0, 1),
        epochs=1,
        budget=5,
        folder=tmp_path,
    )
    assert len(found.sites) == 8
    assert set(found.sites.own) == {"SqueezeExcitation"}
    assert "mIoU" in found.front


def test_a_vit_of_hugging_face(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        image_size=16, patch_size=4, num_labels=3,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    images, _ = images_and_labels(16)
    found = classify(
        tmp_path, model, 16, lambda output: output.logits, {"pixel_values": images[:1]},
        epochs=1, budget=5,
    )  # fmt: skip
    assert set(found.sites.own) == {"ViTAttention"}
    assert not foreign_modules(found.network)


@pytest.mark.slow
def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    page = ModuleType("page")  # pickle looks classes up in their module
    monkeypatch.setitem(sys.modules, "page", page)
    exec(compile(code, str(PAGE), "exec"), vars(page))
    assert (tmp_path / "found.pt").is_file()
    assert "gate" in capsys.readouterr().out

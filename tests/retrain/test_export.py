"""Exports: every format gives the logits of the network."""

import json
import os

import ean_search.models  # noqa: F401
import pytest
import timm
import torch
from timm.data import create_dataset, create_loader, resolve_data_config

from ean_search.core.space import load_space
from ean_search.data.datasets import DataSource, load_data
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.networks.timm_models import SPACE_FIELDS
from ean_search.retrain.checkpoint import open_checkpoint, preprocessing
from ean_search.retrain.export import FORMATS, check_export, export, read_safetensors
from ean_search.utils.errors import UserError
from tests.helpers import describe_training, write_checkpoint, write_folders

SLOW_FORMATS = ("onnx", "torch")


@pytest.mark.parametrize(
    "form",
    [pytest.param(f, marks=pytest.mark.slow if f in SLOW_FORMATS else ()) for f in FORMATS],
)
def test_every_format_gives_the_networks_logits(tmp_path, form):
    source = write_checkpoint(tmp_path / "net", describe_training())
    done = export(source, form)
    assert done.path.exists()
    assert done.path.parent == tmp_path / "net" / "export"
    assert done.difference <= 1e-4


@pytest.mark.slow
def test_a_stage_long_chain_is_written_too(tmp_path):
    space = load_space("resnet18_shared", attention="dia").model_copy(update={"image_size": 32})
    description = describe_training(space=space, placement="11-11-01-00")
    source = write_checkpoint(tmp_path / "net", description)
    for form in ("timm", "torch"):
        assert export(source, form).difference <= 1e-4


@pytest.mark.slow
def test_attention_after_blocks_is_written_too(tmp_path):
    space = load_space("resnet26_small", attention="mrla_light", unit_gate=False)
    for form in ("timm", "torch"):
        source = write_checkpoint(
            tmp_path / form, describe_training(space=space, placement="10-11-00-01")
        )
        assert export(source, form).difference <= 1e-4


def test_timm_opens_the_folder_as_a_backbone_and_with_another_head(tmp_path):
    folder = export(write_checkpoint(tmp_path / "net", describe_training()), "timm").path
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "model.safetensors", "README.md"}
    pyramid = timm.create_model(f"local-dir:{folder}", pretrained=True, features_only=True)
    assert len(pyramid.eval()(torch.zeros(1, 3, 32, 32))) == 5
    other = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=3)
    assert other.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")  # timm leaves them open
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")
def test_timm_alone_scores_the_folder_as_we_do(tmp_path):
    write_folders(tmp_path / "data", per_class=9)
    source = DataSource(name="imagefolder", root=str(tmp_path / "data"), image_size=32,
                        search_per_class=1, workers=0)  # fmt: skip
    data = load_data(source)
    description = describe_training(
        classes=data.classes, preprocessing=preprocessing(data), data=source
    )
    trained = write_checkpoint(tmp_path / "net", description)
    folder = export(trained, "timm").path
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = resolve_data_config(model=network)
    loader = create_loader(
        create_dataset("", str(tmp_path / "data" / "val")),
        config["input_size"],
        batch_size=8,
        use_prefetcher=False,
        num_workers=0,
        **{k: config[k] for k in ("mean", "std", "interpolation", "crop_pct", "crop_mode")},
    )
    our_logits = [trained.network()(images) for images, _ in data.test.batches(8)]
    timm_logits = [network(images) for images, _ in loader]
    assert torch.allclose(torch.cat(our_logits), torch.cat(timm_logits), atol=1e-5)
    assert top1_accuracy(network, loader) == top1_accuracy(trained.network(), data.test.batches(8))


def test_weight_files_say_what_they_belong_to(tmp_path):
    trained = write_checkpoint(tmp_path / "net", describe_training())
    path = export(trained, "safetensors", tmp_path / "out").path
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(read_safetensors(path)(image), trained.network()(image))
    with pytest.raises(UserError, match="does not say what network"):
        read_safetensors(trained.weights_file)


class ValueDependent(torch.nn.Module):
    """Branches on values, which no exporter can follow."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x * (2 if float(x.mean()) > 0 else 1)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["torch", "onnx"])
def test_what_cannot_be_exported_says_so_before_training(form):
    space = load_space("tiny", attention=f"{__name__}:ValueDependent", unit_gate=False)
    words = f"ValueDependent cannot be exported as {form}"
    with pytest.raises(UserError, match=words):
        check_export(describe_training(space=space), form)
    check_export(describe_training(space=space), "safetensors")


def test_a_folder_may_be_text(tmp_path):
    trained = write_checkpoint(tmp_path / "net", describe_training())
    path = export(trained, "safetensors", str(tmp_path / "out")).path
    assert path == tmp_path / "out" / "model.safetensors"
    assert read_safetensors(str(path)).training is False


def write_wrong(network, trained, path):
    """Write nothing, and compute other logits."""
    return lambda images: network(images) + 1


def test_a_file_with_other_logits_is_refused(tmp_path):
    trained = write_checkpoint(tmp_path / "net", describe_training())
    with pytest.raises(UserError, match=r"its logits differ by at most 1\.0e\+00"):
        export(trained, f"{__name__}:write_wrong")


@pytest.mark.slow
def test_large_logits_are_compared_by_their_scale(tmp_path):
    def enlarge(network):
        network.fc.weight.data *= 3000

    trained = write_checkpoint(tmp_path / "net", describe_training(), enlarge)
    done = export(trained, "onnx")
    assert done.agreement.scale > 100
    assert done.agreement.is_close


NAMES = tuple(f"kind {k}" for k in range(10))


def test_timm_reads_the_names_of_the_classes(tmp_path):
    trained = write_checkpoint(tmp_path / "net", describe_training(class_names=NAMES))
    folder = export(trained, "timm").path
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert tuple(network.pretrained_cfg["label_names"]) == NAMES
    assert json.loads((folder / "config.json").read_text())["label_names"] == list(NAMES)


@pytest.mark.slow
def test_onnx_files_name_the_classes(tmp_path):
    import onnxruntime

    for names in (NAMES, None):
        description = describe_training(class_names=names)
        path = export(write_checkpoint(tmp_path / str(names), description), "onnx").path
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata.get("class_names", "null")) == (names and list(names))


def test_folders_of_earlier_versions_have_no_names_and_open(tmp_path):
    trained = write_checkpoint(tmp_path / "net", describe_training())
    fields = json.loads(trained.description_file.read_text())
    del fields["class_names"]
    trained.description_file.write_text(json.dumps(fields))
    folder = export(open_checkpoint(tmp_path / "net"), "timm").path
    assert "label_names" not in json.loads((folder / "config.json").read_text())


def test_the_config_says_all_that_builds_the_network(tmp_path):
    """Whatever timm needs to build the space again, also fields that are new."""
    trained = write_checkpoint(tmp_path / "net", describe_training())
    folder = export(trained, "timm").path
    arguments = json.loads((folder / "config.json").read_text())["model_args"]
    assert {*SPACE_FIELDS, "backbone_args", "placement"} - {"backbone"} == arguments.keys() - {
        "backbone"
    }


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_exported_files_have_the_permissions_that_the_umask_gives(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        trained = write_checkpoint(tmp_path / "net", describe_training())
        for form in ("timm", "safetensors"):
            export(trained, form)
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "net").rglob("*") if path.is_file()]
    assert len(files) == 7
    assert {path.stat().st_mode & 0o777 for path in files} == {mode}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    trained = write_checkpoint(tmp_path / "net", describe_training())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*file"):
        export(trained, "safetensors", tmp_path / "file")


def test_unknown_formats_are_named():
    with pytest.raises(UserError, match="did you mean 'onnx'"):
        check_export(describe_training(), "onx")


@pytest.mark.parametrize(
    "form",
    [pytest.param(f, marks=pytest.mark.slow if f in SLOW_FORMATS else ()) for f in FORMATS],
)
def test_constant_gates_are_in_norms_when_they_are_written(tmp_path, form):
    def change(network):
        network.get_submodule("layer1.0.se").psi.data.normal_(0, 2)

    space = load_space("tiny", attention=["se", "asr"])
    description = describe_training(space=space, placement="2-1-0-2")
    source = write_checkpoint(tmp_path / "net", description, change)
    done = export(source, form)
    assert done.difference <= 1e-4
    if form == "timm":
        config = json.loads((done.path / "config.json").read_text())
        assert config["model_args"]["placement"] == "0-1-0-0"
    if form == "safetensors":
        images, network = torch.randn(2, 3, 32, 32), read_safetensors(done.path).eval()
        assert torch.allclose(network(images), source.network()(images), atol=1e-5)
        assert not any("psi" in name for name, _ in network.named_parameters())

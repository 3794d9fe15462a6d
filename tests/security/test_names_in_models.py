"""Trainings, exported weights and folders for timm: nothing that they name is imported."""

import json

import pytest
import timm
import yaml

import ean_search
from ean_search.cli.main import main
from ean_search.networks import timm_models  # noqa: F401
from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.retrain.export import read_safetensors
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json, save_weights
from tests.helpers import describe_training


def write_stranger(folder, trap, **changes):
    """Write a training of a stranger's, whose weights are not reached."""
    description = describe_training().model_dump(mode="json")
    description["space"]["attention"] = [{"name": f"{trap.name}:Attention", "options": {}}]
    folder.mkdir()
    save_json(description | changes, folder / "training.json")
    save_json({"test_accuracy": 0.5}, folder / "metrics.json")
    return folder


@pytest.mark.parametrize("command", ["export", "prune"])
def test_a_trainings_description_imports_nothing(command, trap, tmp_path, capsys):
    folder = write_stranger(tmp_path / "training", trap)
    assert main([command, str(folder)]) == 2
    assert f"--trust {trap.name}" in capsys.readouterr().err
    assert not trap.sprung


def test_trust_lets_a_training_be_opened(trap, tmp_path):
    folder = write_stranger(tmp_path / "training", trap)
    name = f"{trap.name}:Attention"
    for trust in ([trap.name], [name]):
        assert open_checkpoint(folder, trust).description.space.attention[0].name == name
    for trust in ([], ["other"], [f"{trap.name}:Other"], [trap.name[:-1]]):
        with pytest.raises(UserError, match="--trust"):
            _ = open_checkpoint(folder, trust).description


def test_exported_weights_import_nothing(trap, tmp_path):
    from safetensors.torch import save_file
    from torch import zeros

    description = describe_training().model_dump(mode="json")
    description["space"]["backbone"] = f"{trap.name}:backbone"
    path = tmp_path / "model.safetensors"
    save_file({"a": zeros(1)}, path, {"ean_search": json.dumps(description)})
    with pytest.raises(UserError, match=f"--trust {trap.name}"):
        read_safetensors(path)
    assert not trap.sprung


def write_model(folder, **model_args):
    from ean_search.networks.builder import build, prune

    description = describe_training()
    space = description.space
    folder.mkdir()
    save_weights(prune(build(space, 10), space.parse("1-0-1-0")), folder / "model.safetensors")
    args = {"backbone": space.backbone, "backbone_args": space.backbone_args, "image_size": 32}
    args |= {"placement": "1-0-1-0", "attention": "se", **model_args}
    config = {"architecture": "ean_model", "num_classes": 10, "model_args": args}
    save_json(config | {"pretrained_cfg": {"num_classes": 10}}, folder / "config.json")
    return f"local-dir:{folder}"


@pytest.mark.parametrize(
    ("field", "attribute"), [("attention", "Attention"), ("backbone", "backbone")]
)
def test_timm_imports_nothing_that_a_folder_names(field, attribute, trap, tmp_path):
    model = write_model(tmp_path / "model", **{field: f"{trap.name}:{attribute}"})
    with pytest.raises(UserError, match=rf"ean_search.trusting\('{trap.name}'\)"):
        timm.create_model(model, pretrained=True)
    assert not trap.sprung
    with ean_search.trusting(trap.name), pytest.raises(Exception, match=r"weights|load|key|site"):
        timm.create_model(model, pretrained=True)  # this one does not fit its weights
    assert trap.sprung


def test_timm_reads_no_space_that_a_folder_names(trap, tmp_path):
    evil = tmp_path / "evil.yaml"
    evil.write_text(yaml.safe_dump({"backbone": "resnet18", "attention": f"{trap.name}:Attention"}))
    model = write_model(tmp_path / "model", space=str(evil))
    with pytest.raises(UserError, match="names a file of a space"):
        timm.create_model(model)
    assert not trap.sprung


def test_names_in_a_users_own_call_of_timm_are_imported(trap):
    names = {"backbone": f"{trap.name}:backbone", "attention": f"{trap.name}:Attention"}
    assert timm.create_model("ean_model", **names, image_size=64, position="residual")
    assert trap.sprung

import json

import ean_search.models  # noqa: F401
import pytest
import timm
import torch
from timm.data import create_dataset, create_loader, resolve_data_config

from ean_search.analysis.run_folder import Run
from ean_search.core.space import load_space
from ean_search.data.datasets import DataSource, load_data
from ean_search.evaluation.shared_weights import score
from ean_search.networks.builder import build, prune
from ean_search.retrain.checkpoint import (
    Checkpoint,
    TrainingDescription,
    find_trained,
    preprocessing,
)
from ean_search.retrain.export import FORMATS, check_export, export, read_safetensors
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json, save_weights
from tests.data.test_datasets import write_folders
from tests.helpers import randomise


def trained(attention="se", placement="1-0-1-0", **changes):
    values = {"space": load_space("tiny", attention=attention), "placement": placement, "seed": 0}
    values |= {"classes": 10, "data": DataSource(), "recipe": Recipe()}
    values |= {"preprocessing": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3}}
    return TrainingDescription(**values | changes)


def checkpoint(path, about):
    """Leave what retraining leaves, without training."""
    made = Checkpoint(path)
    path.mkdir(parents=True)
    network = prune(build(about.space, about.classes), about.space.parse(about.placement))
    save_weights(randomise(network), made.weights_file)
    save_json(json.loads(about.model_dump_json()), made.description_file)
    save_json({"test_accuracy": 0.5}, made.metrics_file)
    return made


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_networks_logits(tmp_path, form):
    source = checkpoint(tmp_path / "net", trained())
    done = export(source, form)
    assert done.path.exists()
    assert done.path.parent == tmp_path / "net" / "export"
    assert done.difference <= 1e-4


def test_a_stage_long_chain_is_written_too(tmp_path):
    space = load_space("resnet18_shared", attention="dia").model_copy(update={"image_size": 32})
    about = trained(space=space, placement="11-11-01-00")
    source = checkpoint(tmp_path / "net", about)
    for form in ("timm", "torch"):
        assert export(source, form).difference <= 1e-4


def test_attention_after_blocks_is_written_too(tmp_path):
    space = load_space("resnet26_small", attention="mrla_light", unit_gate=False)
    for form in ("timm", "torch"):
        source = checkpoint(tmp_path / form, trained(space=space, placement="10-11-00-01"))
        assert export(source, form).difference <= 1e-4


def test_timm_opens_the_folder_as_a_backbone_and_with_another_head(tmp_path):
    folder = export(checkpoint(tmp_path / "net", trained()), "timm").path
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "model.safetensors", "README.md"),
    }
    pyramid = timm.create_model(f"local-dir:{folder}", pretrained=True, features_only=True)
    assert len(pyramid.eval()(torch.zeros(1, 3, 32, 32))) == 5
    other = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=3)
    assert other.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


@pytest.mark.filterwarnings("ignore:.*unclosed file:ResourceWarning")  # timm leaves them open
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")
def test_timm_alone_scores_the_folder_as_we_do(tmp_path):
    write_folders(tmp_path / "data", per_class=9)
    source = DataSource(name="imagefolder", root=str(tmp_path / "data"), image_size=32,
                        search_per_class=1, workers=0)  # fmt: skip
    data = load_data(source)
    about = trained(classes=data.classes, preprocessing=preprocessing(data), data=source)
    made = checkpoint(tmp_path / "net", about)
    folder = export(made, "timm").path
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = resolve_data_config(model=network)
    loader = create_loader(
        create_dataset("", str(tmp_path / "data" / "val")),
        *(config["input_size"], 8),
        **{k: config[k] for k in ("mean", "std", "interpolation", "crop_pct", "crop_mode")},
        **{"use_prefetcher": False, "num_workers": 0},
    )
    ours = [made.network()(images) for images, _ in data.test.batches(8)]
    theirs = [network(images) for images, _ in loader]
    assert torch.allclose(torch.cat(ours), torch.cat(theirs), atol=1e-5)
    assert score(network, loader) == score(made.network(), data.test.batches(8))


def test_weight_files_say_what_they_belong_to(tmp_path):
    made = checkpoint(tmp_path / "net", trained())
    path = export(made, "safetensors", tmp_path / "out").path
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(read_safetensors(path)(image), made.network()(image))
    with pytest.raises(UserError, match="does not say what network"):
        read_safetensors(made.weights_file)


class Stubborn(torch.nn.Module):
    """Looks at its values, which no exporter can follow."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x * (2 if float(x.mean()) > 0 else 1)


@pytest.mark.parametrize("form", ["torch", "onnx"])
def test_what_cannot_be_exported_says_so_before_training(form):
    space = load_space("tiny", attention=f"{__name__}:Stubborn", unit_gate=False)
    words = f"Stubborn cannot be exported as {form}"
    with pytest.raises(UserError, match=words):
        check_export(trained(space=space), form)
    check_export(trained(space=space), "safetensors")


def test_unknown_formats_are_named():
    with pytest.raises(UserError, match="did you mean 'onnx'"):
        check_export(trained(), "onx")


def test_a_runs_networks_are_found_by_placement_recipe_and_seed(tmp_path):
    run, space = Run(tmp_path), load_space("tiny")
    for seed in (3, 2):
        about = trained(seed=seed)
        checkpoint(tmp_path / "retrain" / "quick" / f"1-0-1-0-seed{seed}", about)
    placement = space.parse("1-0-1-0")
    assert find_trained(run, placement).description.seed == 2
    assert find_trained(run, placement, "quick", 3).description.seed == 3
    with pytest.raises(UserError, match=r"ean-search retrain .* --placement 0-0-0-0"):
        find_trained(run, space.parse("none"))
    with pytest.raises(UserError, match="--recipe ean-cifar"):
        find_trained(run, placement, "ean-cifar")


def test_a_recipe_is_not_taken_for_a_folder_that_the_run_happens_to_lie_in(tmp_path):
    run, placement = Run(tmp_path / "quick" / "run"), load_space("tiny").parse("1-0-1-0")
    checkpoint(run.retrain_folder() / "1-0-1-0-seed0", trained())
    assert find_trained(run, placement).description.seed == 0
    with pytest.raises(UserError, match="not retrained yet"):
        find_trained(run, placement, "quick")


def test_a_recipe_is_found_below_pretrained_weights_too(tmp_path):
    run, placement = Run(tmp_path), load_space("tiny").parse("1-0-1-0")
    folder = run.retrain_folder("quick", pretrained=True) / "1-0-1-0-seed0"
    checkpoint(folder, trained(pretrained="timm"))
    assert find_trained(run, placement, "quick").path == folder
    with pytest.raises(UserError, match="not retrained yet"):
        find_trained(run, placement, "pretrained")

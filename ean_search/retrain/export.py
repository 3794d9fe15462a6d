"""Writes a retrained network in a form that others open, and opens it to see that it is the same.

A format is a function that writes a network and returns how its file computes logits. Shared
modules are written as often as they are used: what others load shares nothing.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ean_search.core.space import load_space
from ean_search.networks.builder import build, prune
from ean_search.networks.timm_models import ANY, MODELS, backbone_cfg
from ean_search.retrain.checkpoint import Checkpoint, TrainingDescription
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, save_json, write_whole
from ean_search.utils.registry import lookup

FORMATS = {
    "timm": "ean_search.retrain.export:write_timm",
    "onnx": "ean_search.retrain.export:write_onnx",
    "torch": "ean_search.retrain.export:write_torch",
    "safetensors": "ean_search.retrain.export:write_safetensors",
}
NAMES = {
    "timm": "timm",
    "onnx": "model.onnx",
    "torch": "model.pt2",
    "safetensors": "model.safetensors",
}
BATCHES = 2, 1, 5  # that a written network is tried with
TOLERANCE = 1e-4
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its logits are from those of the network."""

    path: Path
    difference: float


def export(checkpoint: Checkpoint, form: str, folder: Path | None = None) -> Exported:
    """Write a trained network in a format, and check what was written."""
    folder = folder or checkpoint.export_folder
    folder.mkdir(parents=True, exist_ok=True)
    return _write(checkpoint.network(), checkpoint.description, form, folder)


def check_export(trained: TrainingDescription, form: str) -> None:
    """Try a format on an untrained network, so that training is not in vain."""
    space = trained.space
    network = prune(build(space, trained.classes), space.parse(trained.placement)).eval()
    with tempfile.TemporaryDirectory() as folder:
        _write(network, trained, form, Path(folder))


def _write(network: nn.Module, trained: TrainingDescription, form: str, folder: Path) -> Exported:
    write = lookup(form, FORMATS, "export format")
    path = folder / NAMES.get(form, form.partition(":")[2])
    names = ", ".join(choice.name for choice in trained.space.attention)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # exporters warn of their own insides
            forward = write(network, trained, path)
            difference = _difference(network, forward, trained)
    except ModuleNotFoundError as error:
        raise UserError(f"{form} needs the package {error.name}: ean-search[export]") from error
    except UserError:
        raise
    except Exception as error:  # every exporter fails in its own way
        cause = error.__cause__ or error
        reason = next(iter(str(cause).splitlines()), "") or type(cause).__name__
        raise UserError(
            f"{trained.space.backbone} with {names} cannot be exported as {form}: {reason}"
        ) from error
    if not difference <= TOLERANCE:
        raise UserError(f"{path} is not the network: its logits differ by {difference:.3g}")
    return Exported(path, difference)


def _difference(network: nn.Module, forward: Forward, trained: TrainingDescription) -> float:
    """Return the largest difference of logits on noise, over several batch sizes."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    with torch.no_grad():
        for batch in BATCHES:
            images = torch.randn(batch, *_input_size(trained), generator=generator)
            worst = max(worst, float((forward(images) - network(images)).abs().max()))
    return worst


def _input_size(trained: TrainingDescription) -> list[int]:
    size = trained.space.image_size
    return trained.preprocessing.get("input_size", [3, size, size])


def write_timm(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write a folder that `timm.create_model("local-dir:...", pretrained=True)` opens."""
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    save_json(timm_config(network, trained), part / "config.json")
    save_file(_plain_weights(network), part / "model.safetensors", {"format": "pt"})
    (part / "README.md").write_text(_card(trained, path.name))
    shutil.rmtree(path, ignore_errors=True)
    part.replace(path)
    return timm.create_model(f"local-dir:{path}", pretrained=True).eval()


def timm_config(network: nn.Module, trained: TrainingDescription) -> dict[str, Any]:
    """Describe a network in timm's words."""
    space = trained.space
    bases = {load_space(shipped).backbone: name for name, shipped in MODELS.items()}
    name = bases.get(space.backbone, ANY)
    arguments = {} if name != ANY else {"backbone": space.backbone}
    known = backbone_cfg(space.backbone)
    return {
        "architecture": name,
        "num_classes": trained.classes,
        "num_features": getattr(network, "num_features", None),
        "model_args": arguments
        | {
            "placement": trained.placement,
            "attention": [choice.model_dump() for choice in space.attention],
            "position": space.position,
            "sharing": space.sharing,
            "stage_length": space.stage_length,
            "unit_gate": space.unit_gate,
            "backbone_args": space.backbone_args,
        },
        "pretrained_cfg": {
            **trained.preprocessing,
            "num_classes": trained.classes,
            "classifier": known.classifier,
            "first_conv": known.first_conv,
        },
    }


def _card(trained: TrainingDescription, name: str) -> str:
    attention = ", ".join(choice.name for choice in trained.space.attention)
    return f"""---
library_name: timm
pipeline_tag: image-classification
tags: [image-classification, timm, ean-search]
---
`{trained.space.backbone}` with {attention} at `{trained.placement}`, trained on {trained.data.name}
by ean-search.

```python
import timm, ean_search.networks.timm_models
model = timm.create_model("local-dir:{name}", pretrained=True)
```
"""


def write_onnx(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write a graph for ONNX Runtime, with any number of images."""
    import onnxruntime

    example, shapes = _example(trained)
    program = torch.onnx.export(
        network,
        example,
        dynamo=True,
        dynamic_shapes=shapes,
        input_names=["images"],
        output_names=["logits"],
        verbose=False,
    )
    write_whole(path, lambda part: program.save(str(part)))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def write_torch(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write a program of torch.export, with any number of images."""
    example, shapes = _example(trained)
    program = torch.export.export(network, example, dynamic_shapes=shapes)
    torch.export.save(program, path)  # refuses names that do not end in .pt2
    return torch.export.load(path).module()


def write_safetensors(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write the weights, with what they belong to as the file's metadata."""
    about = {"ean_search": trained.model_dump_json()}
    write_whole(path, lambda part: save_file(_plain_weights(network), part, about))
    return read_safetensors(path)


def read_safetensors(path: Path) -> nn.Module:
    """Build the network that an exported weight file belongs to, and load it."""
    with safe_open(path, "pt") as file:
        about = (file.metadata() or {}).get("ean_search")
    if about is None:
        raise UserError(f"{path} does not say what network it belongs to")
    trained = TrainingDescription.model_validate(json.loads(about))
    network = prune(build(trained.space, trained.classes), trained.space.parse(trained.placement))
    load_weights(network, path)
    return network.eval()


def _plain_weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _example(trained: TrainingDescription) -> tuple[tuple[Tensor], tuple[dict[int, Any]]]:
    """Return two images, and that there may be another number of them."""
    images = torch.zeros(2, *_input_size(trained))
    return (images,), ({0: torch.export.Dim("batch", min=1, max=2**16)},)

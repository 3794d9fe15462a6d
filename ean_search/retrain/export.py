"""Writes a retrained network in a format that others open, and checks what was written.

A format is a function that writes a network and returns how its file computes logits. Modules that
several sites share are written once per site, because the formats cannot share them.
"""

import json
import shutil
import tempfile
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ean_search.core.space import load_space
from ean_search.networks.builder import build, fold_placement, prune
from ean_search.networks.timm_models import GENERIC_MODEL, MODELS, SPACE_FIELDS, backbone_cfg
from ean_search.retrain.checkpoint import Checkpoint, TrainingDescription, read_description
from ean_search.retrain.export_check import (
    Agreement,
    Examples,
    Forward,
    compare_logits,
    input_size,
    load_examples,
    make_noise,
)
from ean_search.retrain.onnx_graph import any_batch_size, open_graph, write_graph
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.files import load_weights, save_json, write_atomically
from ean_search.utils.registry import lookup
from ean_search.utils.safe_paths import check_output, refuse_links
from ean_search.utils.trust import trusting

FORMATS = {
    "timm": "ean_search.retrain.export:write_timm",
    "onnx": "ean_search.retrain.export:write_onnx",
    "torch": "ean_search.retrain.export:write_torch",
    "safetensors": "ean_search.retrain.export:write_safetensors",
}
FILE_NAMES = {
    "timm": "timm",
    "onnx": "model.onnx",
    "torch": "model.pt2",
    "safetensors": "model.safetensors",
}


@dataclass(frozen=True)
class Exported:
    """A file or folder that was written.

    Attributes:
        path: Where it is.
        agreement: How well its logits agree with those of the network.
    """

    path: Path
    agreement: Agreement

    @property
    def difference(self) -> float:
        """The largest difference between its logits and those of the network."""
        return self.agreement.difference


def export(
    checkpoint: Checkpoint,
    form: str,
    folder: Path | str | None = None,
    examples: Examples | None = None,
) -> Exported:
    """Write a trained network in a format, and check what was written.

    Args:
        checkpoint: The trained network.
        form: "timm", "onnx", "torch", "safetensors", or `module:function` of a function like
            `write_torch`.
        folder: Where to write; the checkpoint's export folder if None.
        examples: The images to check it on; those of `load_examples` if None.

    Raises:
        UserError: If the network cannot be written, or the file computes other logits.

    Example:
        >>> export(open_checkpoint(folder), "onnx").path
    """
    folder = Path(folder or checkpoint.export_folder)
    trained = checkpoint.description
    if folder == checkpoint.export_folder:
        refuse_links(checkpoint.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    examples = examples or load_examples(trained)
    network, trained = fold(checkpoint.network_with_slots(), trained)
    return _write(network, trained, form, folder, examples)


def check_export(trained: TrainingDescription, form: str) -> None:
    """Write an untrained network in a format, to see before a training that it can be written.

    Raises:
        UserError: If it cannot.
    """
    network, trained = fold(build(trained.space, trained.classes), trained)
    with tempfile.TemporaryDirectory() as folder:
        _write(network, trained, form, Path(folder), make_noise(trained))


def fold(network: nn.Module, trained: TrainingDescription) -> tuple[nn.Module, TrainingDescription]:
    """Return the network that is written: its constant gates are in norms, if it has any.

    Args:
        network: The network with slots.
        trained: Its description.

    Returns:
        The pruned network in evaluation mode, and its description with the placement that is left.
    """
    placement = trained.space.parse(trained.placement)
    pruned = prune(network, placement).eval()
    rest = fold_placement(network, placement)
    return pruned, trained.model_copy(update={"placement": str(rest)})


def _write(
    network: nn.Module,
    trained: TrainingDescription,
    form: str,
    folder: Path,
    examples: Examples,
) -> Exported:
    write = lookup(form, FORMATS, "export format")
    path = folder / FILE_NAMES.get(form, form.partition(":")[2])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # exporters warn of their own internals
            forward = write(network, trained, path)
            agreement = compare_logits(network, forward, examples)
    except ModuleNotFoundError as error:
        raise UserError(f"{form} needs the package {error.name}: ean-search[export]") from error
    except UserError:
        raise
    except Exception as error:  # each exporter fails with errors of its own
        raise _export_error(trained, form, error) from error
    if not agreement.is_close:
        raise UserError(f"{path} is not the network: its {agreement}")
    return Exported(path, agreement)


def _export_error(trained: TrainingDescription, form: str, error: Exception) -> UserError:
    reason = first_line(error.__cause__ or error)
    names = ", ".join(choice.name for choice in trained.space.attention)
    return UserError(
        f"{trained.space.backbone} with {names} cannot be exported as {form}: {reason}"
    )


def write_timm(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write a folder that `timm.create_model("local-dir:...", pretrained=True)` opens."""
    if path.is_symlink() or path.is_file():
        raise UserError(f"cannot write {path}: there is a file or a link, not a folder")
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    save_json(timm_config(network, trained), part / "config.json")
    _save_copies(network, part / "model.safetensors", {"format": "pt"})
    (part / "README.md").write_text(_model_card(trained, path.name))
    shutil.rmtree(path, ignore_errors=True)
    part.replace(path)
    with trusting(*trained.plugins):
        model: nn.Module = timm.create_model(f"local-dir:{path}", pretrained=True)
    return model.eval()


def timm_config(network: nn.Module, trained: TrainingDescription) -> dict[str, Any]:
    """Describe a network in the form of timm's `config.json`."""
    backbone = trained.space.backbone
    models = {load_space(shipped).backbone: name for name, shipped in MODELS.items()}
    known = backbone_cfg(backbone)
    labels = {"label_names": list(trained.class_names)} if trained.class_names else {}
    return {
        "architecture": models.get(backbone, GENERIC_MODEL),
        "num_classes": trained.classes,
        **labels,
        "num_features": getattr(network, "num_features", None),
        "model_args": ({} if backbone in models else {"backbone": backbone}) | _model_args(trained),
        "pretrained_cfg": {
            **trained.preprocessing,
            "num_classes": trained.classes,
            "classifier": known.classifier,
            "first_conv": known.first_conv,
        },
    }


def _model_args(trained: TrainingDescription) -> dict[str, Any]:
    space = trained.space.model_dump(mode="json")
    names = [name for name in (*SPACE_FIELDS, "backbone_args") if name != "backbone"]
    return {"placement": trained.placement, **{name: space[name] for name in names}}


def _model_card(trained: TrainingDescription, name: str) -> str:
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
    write_graph(network, _two_images(trained), path, trained.class_names or ())
    return open_graph(path)


def write_torch(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write a program of torch.export, with any number of images."""
    images = _two_images(trained)
    program = torch.export.export(network, (images,), dynamic_shapes=any_batch_size())
    check_output(path)
    torch.export.save(program, path)  # refuses names that do not end in .pt2
    return torch.export.load(path).module()


def write_safetensors(network: nn.Module, trained: TrainingDescription, path: Path) -> Forward:
    """Write the weights, with the description of the network as the file's metadata."""
    _save_copies(network, path, {"ean_search": trained.model_dump_json()})
    return read_safetensors(path, trained.plugins)


def read_safetensors(path: Path | str, trust: Collection[str] = ()) -> nn.Module:
    """Build the network that an exported file of weights belongs to, and load the weights.

    Args:
        path: The file.
        trust: Modules, or plug-ins such as "my_attn:SimAM", that the file may name.

    Raises:
        UserError: If the file has no description of its network, or names others.
    """
    path = Path(path)
    with safe_open(path, "pt") as file:
        description = (file.metadata() or {}).get("ean_search")
    if description is None:
        raise UserError(f"{path} does not say what network it belongs to")
    trained = read_description(json.loads(description), str(path), trust)
    placement = trained.space.parse(trained.placement)
    network = prune(build(trained.space, trained.classes), placement, fold=False)
    load_weights(network, path)
    return network.eval()


def _save_copies(network: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write copies of the weights, because a file cannot hold a tensor under two names."""
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    write_atomically(path, lambda part: save_file(weights, part, metadata))


def _two_images(trained: TrainingDescription) -> Tensor:
    """Return an example of a network's input."""
    return torch.zeros(2, *input_size(trained))

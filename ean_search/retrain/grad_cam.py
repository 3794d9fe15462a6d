"""Where networks look: Grad-CAM maps of the plain backbone, attention everywhere, and a placement.

A map says which places speak for the label, not whether the answer is right: that stands beside it.
Networks are those a run retrained, if it retrained all that are asked for; otherwise the shared
weights stand in. Grad-CAM: https://arxiv.org/abs/1610.02391, as the package `grad-cam` has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.analysis.matplotlib_figures import plot_maps, save_figure
from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement
from ean_search.data.datasets import Data, load_data
from ean_search.networks.builder import build, prune
from ean_search.networks.sites import find_sites
from ean_search.runs.experiment import load_experiment
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights

LEAST = 4  # pixels of a map's side: smaller ones say nothing of places


@dataclass(frozen=True)
class Explanation:
    """What was found and where it was drawn."""

    frame: pd.DataFrame  # a row an image and network
    picture: Path
    weights: str  # where the networks' weights come from
    layer: str  # whose maps were taken


def explain(
    run: Run, placement: Placement, *, images: int = 6, device: str = "auto"
) -> Explanation:
    """Draw the maps of some test images for a placement, beside those of none and all."""
    experiment = load_experiment(run.experiment_file, {"device": find_device(device)})
    data, device = load_data(experiment.data), experiment.device
    batch, labels = next(iter(data.test.batches(images, device=device)))
    chosen = {"none": run.find("none"), "all": run.find("all"), str(placement): placement}
    networks, weights = _networks(run, data, chosen)
    layer = _layer(run, networks["none"].to(device), batch)
    rows, maps = [], {}
    for name, network in networks.items():
        network.to(device).eval()
        maps[name] = _maps(network, layer, batch, labels)
        rows += list(_answers(name, network, batch, labels))
    frame = pd.DataFrame(rows)
    picture = run.grad_cam_folder / f"{placement}.png"
    picture.parent.mkdir(exist_ok=True)
    title = f"Grad-CAM of {layer} for the label; {weights}"
    save_figure(plot_maps(_shown(batch), labels.tolist(), maps, frame, title=title), picture)
    frame.to_csv(picture.with_suffix(".csv"), index=False)
    return Explanation(frame, picture, weights, layer)


def _networks(
    run: Run, data: Data, chosen: dict[str, Placement]
) -> tuple[dict[str, nn.Module], str]:
    """Return a network for each placement, and where their weights come from."""
    network = build(run.space, data.classes)
    trained = {name: _retrained(run, placement) for name, placement in chosen.items()}
    networks = {name: prune(network, placement) for name, placement in chosen.items()}
    if all(trained.values()):
        for name, path in trained.items():
            load_weights(networks[name], path)
        return networks, "each network retrained alone"
    if not run.supernet_file.is_file():
        missing = ", ".join(name for name, path in trained.items() if path is None)
        raise UserError(
            f"{run.path} has no weights to explain: neither {run.supernet_file.name} nor a "
            f"training of {missing} (ean-search retrain {run.path} --placement NAME)"
        )
    load_weights(network, run.supernet_file)
    shared = {name: prune(network, placement) for name, placement in chosen.items()}
    return shared, "weights shared by all placements, none retrained alone"


def _retrained(run: Run, placement: Placement) -> Path | None:
    """Return the weights of a placement's finished training of the lowest seed, by any recipe."""
    found = sorted(run.trainings(placement), key=lambda training: training.seed)
    return found[0].weights_file if found else None


def _layer(run: Run, network: nn.Module, images: Tensor) -> str:
    """Name the deepest block whose map is still large enough to show places."""
    sizes: dict[str, int] = {}

    def note(name: str, output: Tensor) -> None:
        sizes[name] = min(output.shape[-2:])

    names = [site.block for site in find_sites(run.space)]
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: note(name, output)
        )
        for name in names
    ]
    with torch.inference_mode():
        network.eval()(images[:1])
    for hook in hooks:
        hook.remove()
    large = [name for name in names if sizes[name] >= LEAST]
    if not large:
        raise UserError(
            f"no map is {LEAST} pixels wide: images of {images.shape[-1]} are too small"
        )
    return large[-1]


def _maps(network: nn.Module, layer: str, images: Tensor, labels: Tensor) -> np.ndarray:
    """Return a map in [0, 1] an image: (images, height, width)."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise UserError("expected grad-cam: pip install 'ean-search[explain]'") from error
    targets = [ClassifierOutputTarget(label) for label in labels.tolist()]
    with GradCAM(network, [network.get_submodule(layer)]) as camera:
        return camera(images, targets)


def _answers(
    name: str, network: nn.Module, images: Tensor, labels: Tensor
) -> Iterator[dict[str, object]]:
    """Say what a network answers to each image, and how sure it is of the label."""
    with torch.inference_mode():
        shares = network(images).softmax(1).cpu()
    for number, (share, label) in enumerate(zip(shares, labels.tolist(), strict=True)):
        answer = int(share.argmax())
        row = {"network": name, "image": number, "label": label, "answer": answer}
        yield row | {"probability": float(share[label])}


def _shown(images: Tensor) -> np.ndarray:
    """Stretch normalised images to what can be shown: (images, height, width, 3)."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return ((images - low) / (high - low)).permute(0, 2, 3, 1).cpu().numpy()

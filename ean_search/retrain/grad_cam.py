"""Where networks look: Grad-CAM maps of the plain backbone, attention everywhere, and a placement.

A map shows the places that support the label; it does not show whether the answer is right, so the
answer stands beside it. The networks are retrained ones if a run has retrained all three; otherwise
they share the weights of the weight-sharing network. Grad-CAM: https://arxiv.org/abs/1610.02391, as
the package `grad-cam` implements it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.analysis.grad_cam_picture import plot_maps
from ean_search.analysis.matplotlib_figures import save_figure
from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement
from ean_search.data.datasets import Data, load_data
from ean_search.networks.builder import build, prune
from ean_search.networks.sites import find_sites
from ean_search.runs.experiment import load_experiment
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, save_csv
from ean_search.utils.safe_paths import refuse_links

MIN_MAP_PIXELS = 4  # of a map's height and width: smaller maps show no places


@dataclass(frozen=True)
class Explanation:
    """Maps of several networks, and where they were drawn.

    Attributes:
        frame: One row per network and image: label, answer, the probability of the label, and
            whether the map shows any evidence for it (an empty map is 0 everywhere).
        picture: The file of the picture.
        weights: Where the weights of the networks come from, in words.
        layer: The path of the module whose maps were taken.
    """

    frame: pd.DataFrame
    picture: Path
    weights: str
    layer: str


def explain(
    run: Run, placement: Placement, *, images: int = 6, device: str = "auto"
) -> Explanation:
    """Draw maps of test images for a placement, beside those of `none` and `all`.

    Args:
        run: The run; its trainings of any recipe are used if all three networks have one.
        placement: The placement.
        images: The number of test images.
        device: Where to compute.

    Raises:
        UserError: If the run has no weights yet, or the images are too small for maps.
    """
    experiment = load_experiment(run.experiment_file, {"device": find_device(device)}, run.trust)
    data, device = load_data(experiment.data), experiment.device
    batch, labels = next(iter(data.test.batches(images, device=device)))
    chosen = {"none": run.find("none"), "all": run.find("all"), str(placement): placement}
    networks, weights = _networks(run, data, chosen)
    layer = _choose_layer(run, networks["none"].to(device), batch)
    maps, rows = {}, []
    for name, network in networks.items():
        maps[name] = _maps(network.to(device).eval(), layer, batch, labels)
        shown = maps[name].max(axis=(1, 2)) > 0
        answers = _answers(name, network, batch, labels)
        rows += [row | {"evidence": bool(s)} for row, s in zip(answers, shown, strict=True)]
    frame, title = pd.DataFrame(rows), f"Grad-CAM of {layer} for the label; {weights}"
    figure = plot_maps(_to_pictures(batch), labels.tolist(), maps, frame, title=title)
    picture = run.grad_cam_folder / f"{placement}.png"
    refuse_links(run.path)
    picture.parent.mkdir(exist_ok=True)
    save_figure(figure, picture)
    save_csv(frame, picture.with_suffix(".csv"))
    return Explanation(frame, picture, weights, layer)


def _networks(
    run: Run, data: Data, chosen: dict[str, Placement]
) -> tuple[dict[str, nn.Module], str]:
    """Return a network for each placement, and where their weights come from."""
    network = build(run.space, data.classes)
    trained = {name: _trained_weights(run, placement) for name, placement in chosen.items()}
    untrained = [name for name, file in trained.items() if file is None]
    if untrained:
        _load_shared_weights(run, network, untrained)
    networks = {name: prune(network, placement) for name, placement in chosen.items()}
    if untrained:
        return networks, "weights shared by all placements, none retrained alone"
    for name, file in trained.items():
        if file is not None:
            load_weights(networks[name], file)
    return networks, "each network retrained alone"


def _load_shared_weights(run: Run, network: nn.Module, untrained: list[str]) -> None:
    if not run.supernet_file.is_file():
        raise UserError(
            f"{run.path} has no weights to explain: neither {run.supernet_file.name} nor a "
            f"training of {', '.join(untrained)} "
            f"(ean-search retrain {run.path} --placement NAME)"
        )
    load_weights(network, run.supernet_file)


def _trained_weights(run: Run, placement: Placement) -> Path | None:
    """Return the weights of a placement's finished training of the lowest seed, by any recipe."""
    trainings = sorted(run.trainings(placement), key=lambda training: training.seed)
    return trainings[0].weights_file if trainings else None


def _choose_layer(run: Run, network: nn.Module, images: Tensor) -> str:
    """Return the path of the deepest block whose map is still large enough to show places."""
    paths = [site.block for site in find_sites(run.space)]
    sizes: dict[str, int] = {}

    def record(path: str, output: Tensor) -> None:
        sizes[path] = min(output.shape[-2:])

    hooks = [
        network.get_submodule(path).register_forward_hook(
            lambda _, __, output, path=path: record(path, output)
        )
        for path in paths
    ]
    with torch.inference_mode():
        network.eval()(images[:1])
    for hook in hooks:
        hook.remove()
    large = [path for path in paths if sizes[path] >= MIN_MAP_PIXELS]
    if not large:
        raise UserError(
            f"no map is {MIN_MAP_PIXELS} pixels wide: images of {images.shape[-1]} are too small"
        )
    return large[-1]


def _maps(network: nn.Module, layer: str, images: Tensor, labels: Tensor) -> np.ndarray:
    """Return one map per image, with values in [0, 1]: (images, height, width)."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise UserError("expected grad-cam: pip install 'ean-search[explain]'") from error
    targets = [ClassifierOutputTarget(label) for label in labels.tolist()]
    with GradCAM(network, [network.get_submodule(layer)]) as camera:
        maps: np.ndarray = camera(images, targets)
        return maps


def _answers(
    name: str, network: nn.Module, images: Tensor, labels: Tensor
) -> Iterator[dict[str, object]]:
    """Yield a network's answer to each image, and the probability it gives the label."""
    with torch.inference_mode():
        probabilities = network(images).softmax(1).cpu()
    for number, (probability, label) in enumerate(zip(probabilities, labels.tolist(), strict=True)):
        answer = int(probability.argmax())
        row = {"network": name, "image": number, "label": label, "answer": answer}
        yield row | {"probability": float(probability[label])}


def _to_pictures(images: Tensor) -> np.ndarray:
    """Stretch normalised images to [0, 1]: (images, height, width, 3)."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    coloured = ((images - low) / (high - low)).expand(-1, 3, -1, -1)  # gray images, too
    pictures: np.ndarray = coloured.permute(0, 2, 3, 1).cpu().numpy()
    return pictures

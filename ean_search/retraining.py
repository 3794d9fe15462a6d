"""Trains one placement's network from scratch on all but the test split, and tests it once."""

from pathlib import Path
from typing import Any

from ean_search.data import load_data
from ean_search.evaluate import score
from ean_search.evaluators import find_trainer
from ean_search.experiment import Experiment, load_experiment
from ean_search.files import save_json, save_weights
from ean_search.folder import Run
from ean_search.lookup import UserError
from ean_search.measure import count_params
from ean_search.network import build, prune
from ean_search.progress import Progress, silent
from ean_search.provenance import provenance
from ean_search.run import find_device
from ean_search.space import Placement


def retrain(
    run: Run, placement: Placement, changes: dict[str, Any], progress: Progress = silent
) -> dict[str, Any]:
    """Train a placement's pruned network and return what it reached on the test split."""
    experiment = load_experiment(run.experiment, {"device": "auto", **changes})
    experiment = experiment.model_copy(update={"device": find_device(experiment.device)})
    folder = run.path / "retrain" / f"{placement}-seed{experiment.seed}"
    if (folder / "metrics.json").is_file():
        raise UserError(f"{folder} holds a finished training; another --seed gives another one")
    folder.mkdir(parents=True, exist_ok=True)
    metrics = _train_and_test(experiment, placement, folder, progress)
    save_json(metrics, folder / "metrics.json")
    return metrics | {"folder": str(folder)}


def _train_and_test(
    experiment: Experiment, placement: Placement, folder: Path, progress: Progress
) -> dict[str, Any]:
    data = load_data(experiment.data)
    network = prune(build(experiment.space, data.classes, experiment.seed), placement)
    checkpoint = folder / "checkpoint.pt"
    history = find_trainer(experiment, folder)(
        network,
        data.train_and_search,
        experiment.retrain,
        seed=experiment.seed,
        device=experiment.device,
        checkpoint=checkpoint,
        task=f"retraining {placement}",
        progress=progress,
    )
    accuracy = score(network, data.test.batches(experiment.eval_batch, device=experiment.device))
    save_weights(network, folder / "model.safetensors")
    checkpoint.unlink()
    return {
        "placement": str(placement),
        "test_accuracy": accuracy,
        "test_images": len(data.test),
        "params": count_params(network),
        "seed": experiment.seed,
        "recipe": experiment.retrain.model_dump(mode="json"),
        "history": history,
        "provenance": provenance(experiment.device),
    }

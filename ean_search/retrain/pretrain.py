"""Trains the plain backbone of an experiment, for runs that start from its weights.

It sees the training images only: those of the search are to judge placements afterwards.
"""

from pathlib import Path
from typing import Any

from ean_search.costs.flops import count_params
from ean_search.data.datasets import load_data
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.networks.plain_backbone import make_backbone
from ean_search.runs.experiment import Experiment
from ean_search.runs.resolve_experiment import resolve
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json, save_weights
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import provenance
from ean_search.utils.seeding import seeded


def pretrain(
    experiment: Experiment, path: Path | str | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Train the plain backbone of an experiment by its recipe `pretrain`.

    A training that was interrupted goes on from its last epoch.

    Args:
        experiment: Names backbone, data and recipe.
        path: The file to write; the one in `supernet.pretrained` if None. What was measured lies
            beside it, as JSON.
        progress: Is told how far the training has come.

    Returns:
        `search_accuracy` in [0, 1], `params`, `file` and more.

    Raises:
        UserError: If no file is named, there is one already, or something cannot work.
    """
    target = path or experiment.supernet.pretrained
    if target is None or Path(target).suffix != ".safetensors":
        raise UserError(
            "expected a file to write, NAME.safetensors: --output, or supernet.pretrained in the "
            f"experiment; got {target or 'none'}"
        )
    file = Path(target)
    if file.is_file():
        raise UserError(f"{file} exists: runs can start from it; move it away to train anew")
    # Images are normalised as in the runs that start from the file.
    supernet = experiment.supernet.model_copy(update={"pretrained": str(file)})
    experiment = resolve(experiment.model_copy(update={"supernet": supernet}))
    data = load_data(experiment.data)
    with seeded(experiment.seed):
        network = make_backbone(experiment.space, data.classes)
    file.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = file.with_suffix(".checkpoint")
    context = TrainingContext(
        seed=experiment.seed,
        device=experiment.device,
        checkpoint=checkpoint,
        task="pretraining",
        progress=progress,
    )
    history = fit(network, data.train, experiment.pretrain, context)
    batches = data.search.batches(experiment.eval_batch, device=experiment.device)
    metrics = {
        "file": str(file),
        "search_accuracy": top1_accuracy(network, batches),
        "search_images": len(data.search),
        "params": count_params(network),
        "history": history,
        "experiment": experiment.model_dump(mode="json"),
        "provenance": provenance(experiment.device),
    }
    save_weights(network, file)
    save_json(metrics, file.with_suffix(".json"))
    checkpoint.unlink(missing_ok=True)
    return metrics

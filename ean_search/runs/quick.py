"""What `--quick` sets: a run, or a retraining, that takes minutes on any data.

It shows that everything works together; its accuracies are no result.
"""

from collections.abc import Collection
from math import ceil
from typing import Any

from ean_search.core.space import Space
from ean_search.data.datasets import Data, DataSource, load_data
from ean_search.data.file_splits import StreamSplit
from ean_search.networks.sites import probe
from ean_search.runs.experiment import Experiment
from ean_search.training.optimization import FEW_UPDATES
from ean_search.utils.errors import UserError

BUDGET = 24
TRAIN_IMAGES = 2000  # at most, but MIN_PER_CLASS of each class
MIN_PER_CLASS = 4
SEARCH_IMAGES = 400  # at most, but one of each class
SEARCH_SHARE = 4  # at most one training image in so many is held out for the search
# As many epochs as these updates take:
SUPERNET_UPDATES, STANDALONE_UPDATES, RETRAIN_UPDATES = 100, 20, 200
MAX_EPOCHS = 20
BATCH_SIZES = (64, 32, 16, 8)
IMAGE_SIZES = (64, 96, 112, 128, 160)  # of image files: the first one that the backbone takes


def quick_run(experiment: Experiment, given: Collection[str] = ()) -> dict[str, Any]:
    """Choose settings by which a run takes minutes.

    Args:
        experiment: What was asked for.
        given: The dotted fields that the user set; they stay as they are.

    Returns:
        Changes of the experiment by dotted field, for `load_experiment`.

    Raises:
        UserError: If the data cannot be read or has too few images.
    """
    changes: dict[str, Any] = {"search.budget": BUDGET}
    if experiment.search.verify:
        changes["search.verify"] = 1
    if experiment.data.image_size is None and _is_in_files(experiment.data.name):
        size = _small_size(experiment.space)
        changes |= {} if size is None else {"data.image_size": size}
    fields, data = _small_data(experiment.data)
    changes |= {f"data.{name}": value for name, value in fields.items()}
    if experiment.search.evaluator == "shared":
        changes |= _schedule("supernet.recipe", len(data.train), SUPERNET_UPDATES)
    if experiment.search.evaluator == "standalone" or experiment.search.verify:
        changes |= _schedule("standalone", len(data.train), STANDALONE_UPDATES)
    changes |= _schedule("retrain", len(data.train_and_search), RETRAIN_UPDATES)
    return {field: value for field, value in changes.items() if field not in given}


def quick_retraining(experiment: Experiment, given: Collection[str] = ()) -> dict[str, Any]:
    """Choose settings by which a retraining takes minutes; arguments as for `quick_run`."""
    fields, data = _small_data(experiment.data, search=False)
    changes = {f"data.{name}": value for name, value in fields.items()}
    changes |= _schedule("retrain", len(data.train_and_search), RETRAIN_UPDATES)
    return {field: value for field, value in changes.items() if field not in given}


def _is_in_files(name: str) -> bool:
    return name == "imagefolder" or name.startswith("timm:")


def _small_size(space: Space) -> int | None:
    """Return the first of IMAGE_SIZES that the backbone takes; None: none of them."""
    for size in IMAGE_SIZES:
        try:
            probe(space.model_copy(update={"image_size": size}))
        except UserError:
            continue
        return size
    return None


def _small_data(source: DataSource, search: bool = True) -> tuple[dict[str, int], Data]:
    """Choose how many images of each class to use, for a search or without one, and load them."""
    any_count = search and not source.search_per_class
    data = load_data(source.model_copy(update={"search_per_class": 1}) if any_count else source)
    if isinstance(data.train, StreamSplit):
        return {}, data
    images = len(data.train_and_search)
    fields: dict[str, int] = {}
    if images > TRAIN_IMAGES and source.train_per_class is None:
        fields["train_per_class"] = max(MIN_PER_CLASS, TRAIN_IMAGES // data.classes)
    if not any_count:
        fields |= {"search_per_class": 1} if fields and not search else {}
        return fields, load_data(source.model_copy(update=fields))
    per_class = min(fields.get("train_per_class", images), images // data.classes)
    count = max(1, min(SEARCH_IMAGES // data.classes, per_class // SEARCH_SHARE))
    while True:  # a class may be smaller than the mean
        try:
            fields["search_per_class"] = count
            return fields, load_data(source.model_copy(update=fields))
        except UserError:
            if count == 1:
                raise
            count //= 2


def _schedule(recipe: str, images: int, updates: int) -> dict[str, int]:
    """Choose the batch size and the number of epochs of a recipe."""
    enough = (size for size in BATCH_SIZES if images // size >= FEW_UPDATES)
    batch_size = next(enough, BATCH_SIZES[-1])
    epochs = min(MAX_EPOCHS, ceil(updates / max(1, images // batch_size)))
    return {f"{recipe}.batch_size": batch_size, f"{recipe}.epochs": epochs}

"""What `--quick` sets: a run, or a retraining, that takes minutes on any data.

It sets only what is not given by a flag or by the file of an experiment. It shows that everything
works together; its accuracies are no result.
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
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError

BUDGET = 24
TRAIN_IMAGES = 2000  # at most, but MIN_PER_CLASS of each class
MIN_PER_CLASS = 4
SEARCH_IMAGES = 400  # at most, but one of each class
SEARCH_SHARE = 4  # at most one training image in so many is held out for the search
TEST_IMAGES = 1000  # at most, but one of each class
STREAM_IMAGES = 1000  # of each split of a stream, at most
# As many epochs as these updates take:
SUPERNET_UPDATES, STANDALONE_UPDATES, RETRAIN_UPDATES = 100, 20, 200
MAX_EPOCHS = 20
BATCH_SIZES = (64, 32, 16, 8)
IMAGE_SIZES = (64, 96, 112, 128, 160)  # of image files: the first one that the backbone takes


def quick_run(experiment: Experiment, given: Collection[str] = ()) -> dict[str, Any]:
    """Choose settings by which a run takes minutes.

    Args:
        experiment: What was asked for.
        given: The dotted fields that the user set, see `given_fields`; they stay as they are.

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
    train = len(data.train)
    if experiment.search.evaluator == "shared":
        supernet = experiment.supernet.recipe
        changes |= _schedule("supernet.recipe", supernet, train, SUPERNET_UPDATES, given)
    if experiment.search.evaluator == "standalone" or experiment.search.verify:
        standalone = experiment.standalone
        changes |= _schedule("standalone", standalone, train, STANDALONE_UPDATES, given)
    return _without_given(changes | _retraining_schedule(experiment, data, given), given)


def quick_retraining(experiment: Experiment, given: Collection[str] = ()) -> dict[str, Any]:
    """Choose settings by which a retraining takes minutes; arguments as for `quick_run`."""
    fields, data = _small_data(experiment.data, search=False)
    changes = {f"data.{name}": value for name, value in fields.items()}
    return _without_given(changes | _retraining_schedule(experiment, data, given), given)


def _without_given(changes: dict[str, Any], given: Collection[str]) -> dict[str, Any]:
    return {field: value for field, value in changes.items() if not _is_given(field, given)}


def _is_given(field: str, given: Collection[str]) -> bool:
    """Tell whether a field, or a mapping that contains it, is among the given ones."""
    parts = field.split(".")
    return any(".".join(parts[: i + 1]) in given for i in range(len(parts)))


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


def _small_data(source: DataSource, search: bool = True) -> tuple[dict[str, Any], Data]:
    """Choose how many images to use, for a search or without one, and load them."""
    any_count = search and not source.search_per_class
    data = load_data(source.model_copy(update={"search_per_class": 1}) if any_count else source)
    if isinstance(data.train, StreamSplit):
        return _small_stream(source, data)
    fields = _limits(source, data, search)
    if not any_count:
        fields |= {"search_per_class": 1} if fields and not search else {}
        return fields, load_data(source.model_copy(update=fields))
    images = len(data.train_and_search)
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


def _limits(source: DataSource, data: Data, search: bool) -> dict[str, Any]:
    """Limit the images of each class to train and to test with, where there are many."""
    fields: dict[str, Any] = {}
    if len(data.train_and_search) > TRAIN_IMAGES and source.train_per_class is None:
        held_out = source.search_per_class or 0 if search else 0
        # As many images are left to train with as the user holds out for the search.
        per_class = max(MIN_PER_CLASS, TRAIN_IMAGES // data.classes, 2 * held_out)
        fields["train_per_class"] = per_class
    if len(data.test) > TEST_IMAGES and source.test_per_class is None:
        fields["test_per_class"] = max(1, TEST_IMAGES // data.classes)
    return fields


def _small_stream(source: DataSource, data: Data) -> tuple[dict[str, Any], Data]:
    """Limit the splits of a stream of timm's, if one of them is long."""
    long = any(len(split) > STREAM_IMAGES for split in (data.train, data.search, data.test))
    if not long or "max_images" in source.options or not source.name.startswith("timm:"):
        return {}, data
    options = source.options | {"max_images": STREAM_IMAGES}
    limited = load_data(source.model_copy(update={"options": options}))
    return {"options.max_images": STREAM_IMAGES}, limited


def _retraining_schedule(
    experiment: Experiment, data: Data, given: Collection[str]
) -> dict[str, int]:
    images = len(data.train_and_search)
    return _schedule("retrain", experiment.retrain, images, RETRAIN_UPDATES, given)


def _schedule(
    name: str, recipe: Recipe, images: int, updates: int, given: Collection[str]
) -> dict[str, int]:
    """Choose the batch size, if it is not given, and the number of epochs of a recipe."""
    enough = (size for size in BATCH_SIZES if images // size >= FEW_UPDATES)
    batch_size = next(enough, BATCH_SIZES[-1])
    if _is_given(f"{name}.batch_size", given):
        batch_size = recipe.batch_size
    epochs = min(MAX_EPOCHS, ceil(updates / max(1, images // batch_size)))
    return {f"{name}.batch_size": batch_size, f"{name}.epochs": epochs}

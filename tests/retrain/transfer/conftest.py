"""A small task, trained for one epoch."""

from dataclasses import replace

import pytest

from ean_search.retrain.transfer.task import make_task

SMALL_CANVASES = {"train": 32, "test": 12, "size": 48}


@pytest.fixture(scope="session")
def make_short_task():
    """Return a function that makes a task of one epoch; of canvases, it takes only a few."""

    def make(name, **options):
        if not name.startswith("classify"):
            options = SMALL_CANVASES | options
        task = make_task(name, **options)
        return replace(task, recipe=task.recipe.model_copy(update={"epochs": 1, "batch_size": 8}))

    return make

"""What freezing the backbone saves: epochs of weight-sharing networks, timed in turn."""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from ean_search.bench.timing import TimingSettings, median_seconds
from ean_search.core.space import Space
from ean_search.networks.builder import build, place
from ean_search.networks.sites import probe
from ean_search.training.freezing import frozen_backbone
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

BATCH_SIZE = 32
FROZEN = {"attention": frozen_backbone, "all": None}  # by what learns: finds the rest


def bench_tuning(
    spaces: Sequence[Space], timing: TimingSettings, progress: Progress = silent
) -> pd.DataFrame:
    """Time an epoch in which only attention learns, and one in which everything does.

    Attention is at every site. Freezing saves the gradients of the backbone's own weights; those
    of its maps are still needed on the way to earlier attention.

    Args:
        spaces: Their networks are trained on noise, with random weights.
        timing: Image size, images and rounds.
        progress: Is told which space is timed.

    Returns:
        One row per space: the median seconds of an epoch of each, and their ratio.
    """
    rows = []
    for number, space in enumerate(spaces):
        progress("spaces", number, len(spaces), space.name)
        sized = probe(space.model_copy(update={"image_size": timing.image_size}))
        seconds = median_seconds(_epochs(sized, timing), timing.rounds, timing.device)
        attention = " ".join(choice.name for choice in space.attention)
        row = {"space": space.name, "attention": attention, "image_size": timing.image_size}
        row |= {f"{name}_s": value for name, value in seconds.items()}
        rows.append(row | {"ratio": seconds["attention"] / seconds["all"]})
    progress("spaces", len(spaces), len(spaces))
    return pd.DataFrame(rows).assign(images=timing.images, hardware=hardware(timing.device))


def _epochs(space: Space, timing: TimingSettings) -> dict[str, Callable[[], None]]:
    """Return the actions to time: one epoch with each part of the network learning."""
    split, recipe = timing.make_split(), Recipe(epochs=1, batch_size=BATCH_SIZE, warmup_epochs=0)

    def train(learning: str) -> None:
        fit(networks[learning], split, recipe, contexts[learning])

    networks = {name: place(build(space), space.named["all"]) for name in FROZEN}
    contexts = {
        name: TrainingContext(device=timing.device, find_frozen=find)
        for name, find in FROZEN.items()
    }
    return {name: partial(train, name) for name in FROZEN}

"""What placements cost where networks are deployed: their graphs timed in ONNX Runtime."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.core.space import Placement
from ean_search.costs.stopwatch import time_interleaved
from ean_search.networks.builder import build, prune
from ean_search.retrain.onnx_graph import open_graph, write_graph
from ean_search.retrain.retrain import RetrainingPlan

ROUNDS = 500


def time_graphs(networks: Mapping[str, nn.Module], image: Tensor, rounds: int) -> dict[str, float]:
    """Write networks as graphs, and time them in turn with as many threads as torch has.

    Args:
        networks: The networks by name, in evaluation mode.
        image: A batch of one image.
        rounds: How often each is timed.

    Returns:
        The median milliseconds of each.
    """
    with TemporaryDirectory() as folder:
        forwards = {}
        for number, (name, network) in enumerate(networks.items()):
            path = Path(folder) / f"{number}.onnx"
            write_graph(network, torch.cat([image, image]), path)
            forwards[name] = partial(open_graph(path, torch.get_num_threads()), image)
        return time_interleaved(forwards, rounds=rounds)


def time_exported(
    plan: RetrainingPlan, placements: Sequence[Placement], rounds: int = ROUNDS
) -> pd.DataFrame:
    """Time the pruned networks of placements in ONNX Runtime, image by image.

    Args:
        plan: Knows the space and the data.
        placements: What to time, beside none and all.
        rounds: How often each network is timed.

    Returns:
        One row per placement, indexed by its text: `onnx_ms`, and `onnx_removed`, the share of
        what attention everywhere adds that this placement does without.
    """
    none, full = plan.space.named["none"], plan.space.named["all"]
    network = build(plan.space, plan.data.classes).eval()
    timed = dict.fromkeys([none, full, *placements])
    networks = {str(placement): prune(network, placement).eval() for placement in timed}
    table = plan.run.read_costs()
    image = torch.randn(1, table.channels, table.image_size, table.image_size)
    times = pd.Series(time_graphs(networks, image, rounds))
    added = times[str(full)] - times[str(none)]
    frame = pd.DataFrame({"onnx_ms": times, "onnx_removed": (times[str(full)] - times) / added})
    chosen: pd.DataFrame = frame.loc[[str(placement) for placement in placements]]
    return chosen

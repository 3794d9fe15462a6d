"""A small synthetic table: additive gains and random noise."""

import numpy as np
import pandas as pd

from ean_search.core.space import Space
from ean_search.search.tabular.placement_bench import cost_columns, write_table
from ean_search.testing.toy import price

SPACE = Space(name="eight", backbone="none", attention=["se"], stages=(2, 3, 1))


def write_synthetic(path, space=SPACE, trainings=3, noise=0.002, estimates=True):
    """Write a table with some trainings per placement; return its path as text."""
    rng = np.random.default_rng(0)
    placements = space.enumerate()
    gains = rng.normal(0, 0.01, (space.sites, space.choices))
    gains[:, 0] = 0
    heights = np.array([sum(gains[i, c] for i, c in enumerate(p.choices)) for p in placements])
    frame = cost_columns([price(placement) for placement in placements])
    frame.insert(0, "placement", [str(placement) for placement in placements])
    for seed in range(trainings):
        frame[f"accuracy_{seed}"] = 0.6 + heights + rng.normal(0, noise, len(placements))
        if estimates:
            frame[f"estimate_{seed}"] = 0.4 + heights / 2
    experiment = {
        "space": space.model_dump(mode="json"),
        "search": {"objective": "accuracy - 0.02 latency", "limits": ""},
    }
    write_table(pd.DataFrame(frame), {"experiment": experiment}, path)
    return str(path)

"""Fixtures of the attention tests: the outputs of the authors' code, which tests/parity holds."""

from pathlib import Path

import numpy as np
import pytest
import torch

PARITY = Path(__file__).parents[1] / "parity"


@pytest.fixture
def load_parity():
    """Return a function that loads the tensors of a file in tests/parity."""

    def load(name):
        arrays = np.load(PARITY / f"{name}.npz")
        return {key: torch.from_numpy(arrays[key]) for key in arrays}

    return load


@pytest.fixture
def projection_weights():
    """Return a function that renames the authors' weights of MRLA to those of `Projections`."""
    names = {"query.weight": "Wq", "key.weight": "Wk", "value.weight": "Wv"}

    def rename(data, prefix):
        return {ours: data[f"{prefix}.{name}.weight"] for ours, name in names.items()}

    return rename

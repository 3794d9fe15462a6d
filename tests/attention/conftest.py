"""Fixtures of the attention tests: the outputs of the authors' code, which tests/parity holds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ean_search.attention.registry import make_attention

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


@pytest.fixture
def assert_finite():
    """Return a function that tries an attention on maps of odd sizes, single pixels and images."""

    def check(attention, channels=64):
        for training in (True, False):
            attention.train(training)
            for shape in [(1, 1, 1), (1, 5, 3), (2, 1, 1), (3, 7, 7), (2, 1, 6)]:
                batch, *size = shape
                x = torch.randn(batch, channels, *size, requires_grad=True)
                y = attention(x)
                y.sum().backward()
                assert y.shape == x.shape
                assert y.isfinite().all()
                assert x.grad.isfinite().all()
        constant = torch.ones(1, channels, 4, 4)  # of which all deviations are 0
        assert attention(constant).isfinite().all()

    return check


@pytest.fixture
def count_parameters():
    """Return a function that counts the parameters of an attention by name."""

    def count(name, channels, **options):
        return sum(p.numel() for p in make_attention(name, channels, **options).parameters())

    return count

"""Seeds: independent ones derived from a key, and generators that are set for a while."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def derive_seed(*key: int) -> int:
    """Return a 32-bit seed that a key of integers determines, such as (seed, epoch)."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set the generators of Python, NumPy and torch (on the CPU), and restore them afterwards."""
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch the GPUs' too
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])

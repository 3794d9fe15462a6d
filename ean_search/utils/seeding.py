"""Random seeds: independent seeds derived from a key, and a temporary global seed."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def derive_seed(*key: int) -> int:
    """Derive a 32-bit seed from non-negative integers, such as the run's seed and an epoch.

    The same key always gives the same seed, and different keys of one length give independent
    seeds. Zeros at the end of a key do not count: (1,) and (1, 0) give the same seed.
    """
    return int(np.random.SeedSequence(key).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch (CPU) inside a `with` block.

    Afterwards the generators have the states that they had before.
    """
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])

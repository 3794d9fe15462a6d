"""Adam for arrays, where torch would be too much (https://arxiv.org/abs/1412.6980)."""

import numpy as np


class Adam:
    """Turn gradients into steps of about the learning rate."""

    def __init__(self, learning_rate: float, decays: tuple[float, float] = (0.9, 0.999)) -> None:
        self._learning_rate, self._decays = learning_rate, decays
        self._moments = [0.0, 0.0]  # running means of gradients and of their squares
        self._taken = 0

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """Return how far to move along a gradient."""
        self._taken += 1
        for i, (decay, news) in enumerate(zip(self._decays, (gradient, gradient**2), strict=True)):
            self._moments[i] = decay * self._moments[i] + (1 - decay) * news
        mean, square = (
            moment / (1 - decay**self._taken)  # both begin at zero, and this makes up for it
            for moment, decay in zip(self._moments, self._decays, strict=True)
        )
        return self._learning_rate * mean / (np.sqrt(square) + 1e-8)

"""Adam for NumPy arrays, so that a searcher need not import torch.

Adam: A Method for Stochastic Optimization, https://arxiv.org/abs/1412.6980
"""

import numpy as np


class Adam:
    """The state of Adam for one array of parameters.

    Args:
        learning_rate: The size of a step.
        decays: The decay rates of the running means of gradients and of squared gradients.
    """

    def __init__(self, learning_rate: float, decays: tuple[float, float] = (0.9, 0.999)) -> None:
        self._learning_rate, self._decays = learning_rate, decays
        # Running means of gradients and of their squares; they get their shape from the first.
        self._means: list[np.ndarray] = [np.zeros(()), np.zeros(())]
        self._steps = 0

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """Return the change of the parameters that increases the objective.

        Args:
            gradient: The gradient of the objective.

        Returns:
            An array of the gradient's shape, to be added to the parameters.
        """
        self._steps += 1
        terms = (gradient, gradient**2)
        for i, (decay, term) in enumerate(zip(self._decays, terms, strict=True)):
            self._means[i] = decay * self._means[i] + (1 - decay) * term
        mean, square = (
            mean / (1 - decay**self._steps)  # corrects the bias of means that start at zero
            for mean, decay in zip(self._means, self._decays, strict=True)
        )
        return np.asarray(self._learning_rate * mean / (np.sqrt(square) + 1e-8))

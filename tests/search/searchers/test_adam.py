import numpy as np
import pytest
import torch

from ean_search.search.searchers.adam import Adam


def test_adam_steps_as_torch_s_adam_does(rng):
    adam, parameter = Adam(0.1), torch.zeros(5, dtype=torch.float64)
    torch_adam, moved = torch.optim.Adam([parameter], 0.1, maximize=True), np.zeros(5)
    for gradient in rng.normal(size=(20, 5)):
        parameter.grad = torch.tensor(gradient)
        torch_adam.step()
        moved += adam.step(gradient)
    assert moved == pytest.approx(parameter.numpy())

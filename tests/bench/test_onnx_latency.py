"""Times of graphs in ONNX Runtime."""

import pytest
import torch
from torch import nn

from ean_search.bench.onnx_latency import time_graphs


@pytest.mark.slow
def test_more_work_takes_more_time():
    def network(layers):
        return nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1) for _ in range(layers))).eval()

    times = time_graphs({"one": network(1), "ten": network(10)}, torch.randn(1, 16, 48, 48), 20)
    assert times["one"] < times["ten"]

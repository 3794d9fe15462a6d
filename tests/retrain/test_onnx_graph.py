"""Graphs for ONNX Runtime: written, and opened again."""

import json

import onnx
import pytest
import torch
from torch import nn

from ean_search.retrain.onnx_graph import CLASS_NAMES_KEY, open_graph, write_graph


@pytest.mark.slow
def test_a_graph_takes_any_number_of_images_and_knows_its_classes(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval()
    path = tmp_path / "net.onnx"
    write_graph(network, torch.zeros(2, 3, 8, 8), path, ["cat", "dog"])
    forward = open_graph(path, threads=1)
    for count in (1, 5):
        images = torch.randn(count, 3, 8, 8)
        assert torch.allclose(forward(images), network(images), atol=1e-5)
    (names,) = [p.value for p in onnx.load(path).metadata_props if p.key == CLASS_NAMES_KEY]
    assert json.loads(names) == ["cat", "dog"]

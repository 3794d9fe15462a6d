"""In place of a token mixer."""

import timm
import torch
from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions.mixer import module_paths, original, put


def test_the_token_mixer_is_replaced():
    with torch.device("meta"):
        network = timm.create_model("convformer_s18")
    paths = module_paths(network, Example.of(torch.empty(1, 3, 64, 64)))
    assert len(paths) == 18
    assert original(network, paths[0]) is network.get_submodule(paths[0])
    mixer = nn.Identity()
    put(network, paths[0], mixer)
    assert network.get_submodule(paths[0]) is mixer

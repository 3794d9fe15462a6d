"""What is no site of a user's module is said, with the reason."""

import torch
from torch import nn

from ean_search.networks.site_table import find_attention_sites
from tests.networks.modules import SharedHead


class Residual(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)


def test_a_block_that_runs_twice_is_no_site(caplog):
    found = find_attention_sites(SharedHead(), torch.zeros(1, 1, 8, 8))
    assert list(found.path) == ["once.recalibrate"]
    assert "because a forward pass runs them more than once: twice.recalibrate" in caplog.text


def test_rows_of_features_are_no_map(caplog):
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1),
        Residual(nn.Conv2d(4, 4, 1)),
        nn.Flatten(),
        Residual(nn.Linear(4 * 36, 4 * 36)),
    )
    found = find_attention_sites(network, torch.zeros(2, 1, 6, 6), "se")
    assert list(found.path) == ["1"]
    assert "no map with channels, height and width: 3" in caplog.text


def test_channels_come_first_where_the_layers_say_so():
    network = nn.Sequential(nn.Conv2d(1, 6, 1), Residual(nn.Conv2d(6, 6, 1)))
    row = find_attention_sites(network, torch.zeros(2, 1, 6, 9), "se").iloc[0]
    assert (row.channels, row.height, row.width) == (6, 6, 9)

import pytest
import torch
from torch import nn

from ean_search.attention.registry import ATTENTIONS, TIMM_ATTENTIONS
from ean_search.testing.check_attention import check_attention
from ean_search.utils.errors import UserError

# What timm's registry has, but not for any map: three want maps of certain sizes, and `ge` cannot
# be built in some versions.
NEEDY = {"bottleneck", "halo", "bat", "ge"}


class Halving(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x[:, ::2]


class Remembering(Halving):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Mixing(Halving):
    def forward(self, x):
        return x * torch.sigmoid(x.mean(0, keepdim=True))


class Rooted(Halving):
    def forward(self, x):
        return x * (x - x).abs().sqrt()


@pytest.mark.parametrize("name", [*ATTENTIONS, *sorted(set(TIMM_ATTENTIONS) - NEEDY)])
def test_attentions_keep_the_contract(name):
    check_attention(name)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Halving, r"gives \(3, 32, 7, 7\), not \(3, 64, 7, 7\)"),
        (Remembering, "remembers its last call"),
        (Mixing, "mixes the images of a batch"),
        (Rooted, "gradients that are not finite"),
    ],
)
def test_faults_are_found(kind, words):
    with pytest.raises(UserError, match=words):
        check_attention(f"{__name__}:{kind.__name__}")

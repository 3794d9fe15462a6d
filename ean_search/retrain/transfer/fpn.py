"""A classification network as a backbone: its maps, merged from the coarsest to the finest."""

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from ean_search.networks.timm_models import features

COARSEST = 32  # pixels of the image to one of the map


class PyramidBackbone(nn.Module):
    """Maps of a network at strides of 4 and more, all with as many channels."""

    def __init__(self, network: nn.Module, channels: int = 64):
        super().__init__()
        levels = features(network, None).feature_info
        strides = levels.reduction()
        chosen = [i for i, stride in enumerate(strides) if 4 <= stride <= COARSEST]
        self.network = features(network, chosen or list(range(len(strides))))
        self.merge = FeaturePyramidNetwork(self.network.feature_info.channels(), channels)
        self.out_channels = channels
        self.names = [str(i) for i in range(len(self.network.feature_info.channels()))]

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        maps = OrderedDict(zip(self.names, self.network(images), strict=True))
        return self.merge(maps)

"""A classification network as a backbone: its maps, merged from the coarsest to the finest."""

from collections import OrderedDict

from timm.models import FeatureInfo
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from ean_search.networks.timm_models import make_feature_network

MIN_STRIDE, MAX_STRIDE = 4, 32  # pixels of the image per pixel of a map


class PyramidBackbone(nn.Module):
    """Maps of a network at strides from 4 to 32, all with the same number of channels.

    If the network has no map at such a stride, all of its maps are used.

    Attributes:
        out_channels: The number of channels of each map.
        names: The names of the maps, the finest first.
    """

    def __init__(self, network: nn.Module, channels: int = 64):
        """Wrap a network.

        Args:
            network: A pruned classification network.
            channels: The number of channels of each map.
        """
        super().__init__()
        strides = _feature_info(make_feature_network(network, None)).reduction()
        in_range = [i for i, s in enumerate(strides) if MIN_STRIDE <= s <= MAX_STRIDE]
        self.network = make_feature_network(network, in_range or list(range(len(strides))))
        map_channels = _feature_info(self.network).channels()
        self.merge = FeaturePyramidNetwork(map_channels, channels)
        self.out_channels = channels
        self.names = [str(i) for i in range(len(map_channels))]

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the maps by name, the finest first."""
        maps = OrderedDict(zip(self.names, self.network(images), strict=True))
        merged: OrderedDict[str, Tensor] = self.merge(maps)
        return merged


def _feature_info(network: nn.Module) -> FeatureInfo:
    """Return timm's description of the maps of a network."""
    info = network.feature_info
    assert isinstance(info, FeatureInfo)
    return info

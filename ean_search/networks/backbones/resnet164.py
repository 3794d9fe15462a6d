"""ResNet-164 for 32 x 32 images (arXiv 1512.03385): three stages of 18 of timm's bottlenecks.

The activation follows the addition, as in the networks of the EAN and DIANet papers.
"""

from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.models.resnet import Bottleneck, downsample_conv
from torch import Tensor, nn


class CifarResNet(nn.Module):
    """A ResNet with a 3 x 3 stem and three stages of bottlenecks.

    Args:
        blocks: The number of bottlenecks per stage; the depth is 9 * blocks + 2.
        num_classes: The number of classes.
        in_chans: The number of channels of an image.
    """

    def __init__(self, blocks: int, num_classes: int = 10, in_chans: int = 3):
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.act1 = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(64, 32, blocks, stride=2)
        self.layer3 = _stage(128, 64, blocks, stride=2)
        self.num_features = 256
        self.num_classes = num_classes
        self.feature_info = [
            {"num_chs": 64 * 2**i, "reduction": 2**i, "module": f"layer{i + 1}"} for i in range(3)
        ]
        self.global_pool = SelectAdaptivePool2d(flatten=True)
        self.fc = nn.Linear(self.num_features, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.act1(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.global_pool(self.forward_features(x)))


def _stage(channels: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    out = planes * Bottleneck.expansion
    shortcut = downsample_conv(channels, out, kernel_size=1, stride=stride)
    first = Bottleneck(channels, planes, stride=stride, downsample=shortcut)
    return nn.Sequential(first, *(Bottleneck(out, planes) for _ in range(blocks - 1)))


def resnet164(num_classes: int = 10, in_chans: int = 3) -> CifarResNet:
    """Build ResNet-164.

    Args:
        num_classes: The number of classes.
        in_chans: The number of channels of an image.
    """
    return CifarResNet(18, num_classes, in_chans)

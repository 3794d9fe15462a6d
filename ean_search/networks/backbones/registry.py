"""Backbones that timm does not have; any other is named `module:function`."""

BACKBONES = {"resnet164": "ean_search.networks.backbones.resnet164:resnet164"}

"""Backbones that timm does not have, by name; any other one is named as `module:function`."""

BACKBONES = {"resnet164": "ean_search.networks.backbones.resnet164:resnet164"}

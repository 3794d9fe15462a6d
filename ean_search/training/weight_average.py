"""Average the weights of a network over its updates: timm's average, each tensor once.

A module that several sites share has one name per site in the state dict. timm's `ModelEmaV3` goes
over names, so it would average the tensors of such a module several times an update: with eight
names, a decay of 0.9 would act as 0.9 ** 8 = 0.43.
"""

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn


class WeightAverage(ModelEmaV3):
    """An exponential moving average of a network's parameters and buffers.

    Warm-up, rounding and names are those of `ModelEmaV3`: floats are averaged, also those of
    buffers, and other tensors are copied. Without shared modules, the two agree to the last bit.

    Example:
        >>> average = WeightAverage(network, 0.999, warmup=True)
        >>> average.update(network, step=1)
        >>> averaged_network = average.module
    """

    def __init__(self, network: nn.Module, decay: float, *, warmup: bool = False):
        """Begin with the network's present weights.

        Args:
            network: The network; the average is a copy of it, on the same device.
            decay: The share of the average that every update keeps.
            warmup: Whether the decay rises to that value, from 0 at the first update.
        """
        super().__init__(network, decay, use_warmup=warmup)

    @torch.no_grad()
    def apply_update_(self, model: nn.Module, decay: float) -> None:
        """Move the average towards the network's tensors.

        Args:
            model: The network.
            decay: The share of the average that stays.
        """
        averages, tensors = [], []
        for average, tensor in self._pairs(model):
            if average.is_floating_point():
                averages.append(average)
                tensors.append(tensor)
            else:
                average.copy_(tensor)
        self._foreach_lerp_(averages, tensors, weight=1.0 - decay)

    def _pairs(self, model: nn.Module) -> list[tuple[Tensor, Tensor]]:
        """Return every tensor of the average, once, with the network's tensor of the same name."""
        tensors = model.state_dict()
        # By identity: detached tensors, which `state_dict` gives by default, are new at every name.
        pairs = {
            id(average): (average, tensors[name])
            for name, average in self.module.state_dict(keep_vars=True).items()
        }
        return list(pairs.values())

"""What the backbone has at a site itself, as a choice: its own gate, token mixer or self-attention.

In a space with this choice, a site without attention has lost what the backbone had there.
"""

from typing import Any

from torch import Tensor, nn

from ean_search.attention.base import Attention


class Own(Attention):
    """The backbone's own module at a site; the identity where the backbone has none.

    Args:
        channels: Channels of the map.
        module: The backbone's module.
    """

    positions = ("residual", "mixer", "sublayer", "gate")

    def __init__(self, channels: int, module: nn.Module | None = None):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Any:
        return x if self.module is None else self.module(x, *rest, **named)

"""`check_attention`: checks whether an attention keeps the contract in attention/base.py."""

from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.layout import CHANNELS_FIRST, TOKENS
from ean_search.attention.registry import find_attention, make_attention_for_site
from ean_search.networks.sites import Site
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import seeded

MAP_SIZES = (7, 1)  # height and width of the maps to try; blocks at the end may see single pixels
BATCH_SIZE = 3
HEADS = 4  # of an example site in a self-attention
MAX_DIFFERENCE = 1e-5  # of outputs for the same image, alone and in a batch


def check_attention(attention: str | type[nn.Module], channels: int = 64, **options: Any) -> None:
    """Check whether an attention keeps the contract; raise an error if it does not.

    The output must have the shape of the input; outputs and gradients must be finite; the result
    must not depend on earlier calls, nor on the other images of the batch; a stateful attention
    must return its state and accept it again.

    Args:
        attention: A registered name, `module:Class`, or a class.
        channels: The number of channels of the maps to try.
        options: Keyword arguments of the attention.

    Raises:
        UserError: If the attention cannot be made, or breaks the contract; the message says where.

    Example:
        >>> check_attention("se", reduction=8)
        >>> check_attention(MyAttention)
    """
    name = attention if isinstance(attention, str) else attention.__name__
    position = find_attention(attention).positions[0]
    with seeded(0):
        for size in MAP_SIZES:
            site = example_site(position, channels, size)
            module = make_attention_for_site(site, attention, **options).eval()
            _check_at_site(module, site, f"attention {name!r} on {channels} x {size} x {size}")


def _check_at_site(attention: Attention, site: Site, where: str) -> None:
    inputs = tuple(x.requires_grad_() for x in site.example_inputs(BATCH_SIZE))
    x, y = inputs[0], apply(attention, inputs, None)[0]
    _require(y.shape == x.shape, f"{where} gives {tuple(y.shape)}, not {tuple(x.shape)}")
    _require(bool(y.isfinite().all()), f"{where} gives values that are not finite")
    torch.autograd.backward(y.sum())
    gradients = [tensor.grad for tensor in (x, *attention.parameters())]
    finite = all(bool(grad.isfinite().all()) for grad in gradients if grad is not None)
    _require(finite, f"{where} has gradients that are not finite")
    again, state = apply(attention, inputs, None)
    _require(torch.equal(y, again), f"{where} remembers its last call")
    alone, _ = apply(attention, tuple(x[1:2] for x in inputs), None)
    independent = torch.allclose(alone, y[1:2], atol=MAX_DIFFERENCE)
    _require(independent, f"{where} mixes the images of a batch")
    if attention.stateful:
        following, _ = apply(attention, inputs, state)
        _require(following.shape == x.shape, f"{where} does not take its own state")


def example_site(position: str, channels: int, size: int) -> Site:
    """Make an example of the sites at a position.

    Args:
        position: The name of the position, such as `residual` or `qkv`.
        channels: The number of channels of the map.
        size: Its height and width.
    """
    layout, heads = CHANNELS_FIRST, 0
    if position == "qkv":  # queries, keys and values of a self-attention, as tokens
        channels, layout, heads = 3 * channels, TOKENS, HEADS
    return Site(
        number=0,
        position=position,
        module_path="",
        stage=0,
        channels=channels,
        height=size,
        width=size,
        layout=layout,
        heads=heads,
    )


def apply(attention: Attention, inputs: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
    """Apply an attention, stateful or not.

    Args:
        attention: The attention.
        inputs: Its maps.
        state: The state of the previous site; None at the first one, or if it is not stateful.

    Returns:
        Its output, and its new state or None.
    """
    if not attention.stateful:
        return attention(*inputs), None
    result = attention(*inputs, state)
    is_pair = isinstance(result, tuple) and len(result) == 2
    _require(is_pair, "a stateful attention gives (output, state)")
    return result


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(message)

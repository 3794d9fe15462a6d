"""The contract of an attention, as claims that are tried out on it."""

from typing import Any

import torch
from torch import Tensor

from ean_search.attention.base import Attention
from ean_search.attention.layout import CHANNELS_FIRST, TOKENS
from ean_search.attention.registry import find_attention, make_attention_for_site
from ean_search.networks.sites import Site
from ean_search.utils.errors import UserError


def check_attention(name: str, channels: int = 64, **options: Any) -> None:
    """Try an attention, by its name or `module:class`, and say what it gets wrong."""
    torch.manual_seed(0)
    for size in (7, 1):
        site = example_site(find_attention(name).positions[0], channels, size)
        attention = make_attention_for_site(site, name, **options).eval()
        inputs = tuple(x.requires_grad_() for x in site.example(3))
        x, y = inputs[0], apply(attention, inputs, None)[0]
        where = f"attention {name!r} on {channels} x {size} x {size}"
        _claim(y.shape == x.shape, f"{where} gives {tuple(y.shape)}, not {tuple(x.shape)}")
        _claim(bool(y.isfinite().all()), f"{where} gives values that are not finite")
        y.sum().backward()
        grads = [x.grad, *(p.grad for p in attention.parameters() if p.grad is not None)]
        finite = all(bool(grad.isfinite().all()) for grad in grads)
        _claim(finite, f"{where} has gradients that are not finite")
        again, state = apply(attention, inputs, None)
        _claim(torch.equal(y, again), f"{where} remembers its last call")
        alone, _ = apply(attention, tuple(x[1:2] for x in inputs), None)
        _claim(torch.allclose(alone, y[1:2], atol=1e-5), f"{where} mixes the images of a batch")
        if attention.stateful:
            following, _ = apply(attention, inputs, state)
            _claim(following.shape == x.shape, f"{where} does not take its own state")


def example_site(position: str, channels: int, size: int) -> Site:
    """Make up a site such as a position has."""
    site = {"number": 0, "position": position, "module_path": "", "stage": 0, "height": size}
    if position == "qkv":
        return Site(**site, channels=3 * channels, width=size, layout=TOKENS, heads=4)
    return Site(**site, channels=channels, width=size, layout=CHANNELS_FIRST)


def apply(attention: Attention, inputs: tuple[Tensor, ...], state: Any) -> tuple[Tensor, Any]:
    """Apply an attention, stateful or not; return its output and its state."""
    if not attention.stateful:
        return attention(*inputs), None
    out = attention(*inputs, state)
    _claim(isinstance(out, tuple) and len(out) == 2, "a stateful attention gives (output, state)")
    return out


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UserError(otherwise)

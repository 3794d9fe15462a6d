"""The contract of an attention, as claims that are tried out on it."""

from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention import is_stateful, make_attention
from ean_search.lookup import UserError


def check_attention(name: str, channels: int = 64, **options: Any) -> None:
    """Try an attention, by its name or `module:class`, and say what it gets wrong."""
    torch.manual_seed(0)
    attention = make_attention(name, channels, **options).eval()
    for size in (7, 1):
        x = torch.randn(3, channels, size, size, requires_grad=True)
        y, state = _apply(attention, x, None)
        where = f"attention {name!r} on {channels} x {size} x {size}"
        _claim(y.shape == x.shape, f"{where} gives {tuple(y.shape)}, not {tuple(x.shape)}")
        _claim(bool(y.isfinite().all()), f"{where} gives values that are not finite")
        y.sum().backward()
        grads = [x.grad, *(p.grad for p in attention.parameters() if p.grad is not None)]
        finite = all(bool(grad.isfinite().all()) for grad in grads)
        _claim(finite, f"{where} has gradients that are not finite")
        again, _ = _apply(attention, x, None)
        _claim(torch.equal(y, again), f"{where} remembers its last call")
        alone, _ = _apply(attention, x[1:2], None)
        _claim(torch.allclose(alone, y[1:2], atol=1e-5), f"{where} mixes the images of a batch")
        if is_stateful(attention):
            following, _ = _apply(attention, x, state)
            _claim(following.shape == x.shape, f"{where} does not take its own state")


def _apply(attention: nn.Module, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    if not is_stateful(attention):
        return attention(x), None
    out = attention(x, state)
    _claim(isinstance(out, tuple) and len(out) == 2, "a stateful attention gives (output, state)")
    return out


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UserError(otherwise)

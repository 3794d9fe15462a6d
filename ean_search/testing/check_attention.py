"""`check_attention`: checks whether an attention keeps the contract in attention/base.py."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention, as_attention
from ean_search.attention.layout import CHANNELS_FIRST, TOKENS
from ean_search.attention.registry import find_attention, fit_to_site, make_attention_for_site
from ean_search.core.attention_choice import AttentionChoice
from ean_search.core.space import Space
from ean_search.networks.site import Site
from ean_search.networks.sites import find_sites
from ean_search.utils.errors import UserError, describe_crash
from ean_search.utils.seeding import seeded

MAP_SIZES = (7, 1)  # height and width of the maps to try; blocks at the end may see single pixels
BATCH_SIZE = 3
HEADS = 4  # of an example site in a self-attention
MAX_DIFFERENCE = 1e-5  # of outputs for the same image, alone and in a batch
MAX_QUICK_PIXELS = 16 * 16  # of maps on which a quick check tries an attention


def check_attention(
    attention: str | type[nn.Module] | nn.Module, channels: int = 64, **options: Any
) -> None:
    """Check whether an attention keeps the contract; raise an error if it does not.

    The output must have the shape of the input; outputs and gradients must be finite; the result
    must not depend on earlier calls, nor on the other images of the batch; a stateful attention
    must return its state and accept it again.

    Args:
        attention: A registered name, `module:Class`, a class, or a module that was made already.
        channels: The number of channels of the maps to try: those that a module was made for.
        options: Keyword arguments of the attention; none for a module.

    Raises:
        UserError: If the attention cannot be made, or breaks the contract; the message says where.

    Example:
        >>> check_attention("se", reduction=8)
        >>> check_attention(MyAttention)
        >>> check_attention(MyAttention(64), channels=64)
    """
    kind = type(attention) if isinstance(attention, nn.Module) else attention

    def make(site: Site) -> Attention:
        if not isinstance(attention, nn.Module):
            return make_attention_for_site(site, attention, **options)
        if options:
            raise UserError(f"expected options of a class; this {type(attention).__name__} is made")
        return _copy_for_site(site, attention)

    name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    position = find_attention(kind).positions[0]
    with seeded(0):
        for size in MAP_SIZES:
            site = example_site(position, channels, size)
            where = f"attention {name!r} on {channels} x {size} x {size}"
            with _naming(where):
                _check_at_site(make(site).eval(), site, where)


def quick_check_attentions(space: Space) -> None:
    """Check in a moment that the plug-ins among the attentions of a space work at its sites.

    Each is made for every kind of site, and tried on the smaller maps. `check_attention` checks the
    rest of the contract.

    Args:
        space: The space; attentions whose names have no colon are not looked at.

    Raises:
        UserError: If one cannot be made, breaks, or gives another shape or values that are not
            finite; the message says where.
    """
    choices = [choice for choice in space.attention if ":" in choice.name]
    if not choices:
        return
    alike = {replace(site, number=0, stage=0, module_path=""): site for site in find_sites(space)}
    sites = sorted(alike.values(), key=lambda site: site.height * site.width)
    with seeded(0), torch.no_grad():
        for choice in choices:
            for site in sites:
                small = site is sites[0] or site.height * site.width <= MAX_QUICK_PIXELS
                _quick_check(choice, site, space.unit_gate, try_it=small)


def _quick_check(choice: AttentionChoice, site: Site, unit_gate: bool, *, try_it: bool) -> None:
    where = f"attention {choice.name!r} on {site.channels} x {site.height} x {site.width}"
    with _naming(where):
        module = make_attention_for_site(site, choice.name, unit_gate=unit_gate, **choice.options)
        if try_it:
            inputs = site.example_inputs(2)
            _check_output(inputs[0], apply(module.eval(), inputs, None)[0], where)


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Tell errors of an attention in one line that says where."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{where} breaks: {describe_crash(error)}") from error


def _copy_for_site(site: Site, module: nn.Module) -> Attention:
    """Copy a module, as an attention; it keeps its weights and options."""
    attention = copy.deepcopy(module)
    attention.__class__ = as_attention(type(module))
    assert isinstance(attention, Attention)
    return fit_to_site(attention, site)


def _check_output(x: Tensor, y: Any, where: str) -> None:
    _require(isinstance(y, Tensor), f"{where} gives a {type(y).__name__}, not a tensor")
    _require(y.shape == x.shape, f"{where} gives {tuple(y.shape)}, not {tuple(x.shape)}")
    _require(bool(y.isfinite().all()), f"{where} gives values that are not finite")


def _check_at_site(attention: Attention, site: Site, where: str) -> None:
    inputs = tuple(x.requires_grad_() for x in site.example_inputs(BATCH_SIZE))
    x, y = inputs[0], apply(attention, inputs, None)[0]
    _check_output(x, y, where)
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

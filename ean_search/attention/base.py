"""What an attention declares about itself: the contract of attention modules.

An attention maps x to y of the same shape, channels first. Subclass `Attention` and declare what
differs from the defaults; a plain `nn.Module` class with a constructor `(channels, **options)` has
the defaults, and `as_attention` gives it the same attributes.
"""

from functools import cache, partial, partialmethod
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from ean_search.utils.errors import UserError


class AttentionSite(Protocol):
    """The place for which an attention is built."""

    channels: int
    layout: str
    prefix: int
    heads: int
    partition: tuple[int, ...]
    num_maps: int


class Attention(nn.Module):
    """Base class of attentions; its class attributes are the declaration.

    Attributes:
        positions: Where in a block it can go, the best first.
        num_inputs: 1: the map; 2: the map and the block's shortcut, after a block only.
        stateful: It gets a state as its last input, None at first, and returns (y, state).
        chain: Sites whose attentions have the same chain hand on one state; None: only sites with
            the same choice do.
        finishes_stage: `finish` adds the last state of a chain to the output of the stage.
        writes_only: y is x; where no later site of the chain reads the state, it is not run.
        shared: Names of the submodules that the sites of a group share; None: the whole module.
        additive: What it costs at a site depends on no other site, but for its place in a chain.
        takes_tokens: It takes tokens as they are; otherwise tokens are laid out as a map for it.

    Example:
        >>> class Halve(Attention):
        ...     positions = ("residual",)
        ...
        ...     def __init__(self, channels: int):
        ...         super().__init__()
        ...
        ...     def forward(self, x):
        ...         return x / 2
    """

    positions: ClassVar[tuple[str, ...]] = ("residual", "block")
    num_inputs: ClassVar[int] = 1
    stateful: bool = False
    chain: ClassVar[str | None] = None
    finishes_stage: bool = False
    writes_only: bool = False
    shared: ClassVar[tuple[str, ...] | None] = None
    additive: bool = True
    takes_tokens: ClassVar[bool] = False

    @classmethod
    def from_site(cls, site: AttentionSite, **options: Any) -> "Attention":
        """Build the attention for a site."""
        return cls(site.channels, **options)

    def finish(self, x: Tensor, state: Any) -> Tensor:
        """Add the last state of a chain to the output of its stage."""
        raise NotImplementedError(f"{type(self).__name__} declares no finishes_stage")


@cache
def as_attention(kind: Any) -> type[Attention]:
    """Return an attention class that behaves like a plain module class.

    A subclass with the defaults of `Attention` is made, so that modules, and the names of their
    weights, stay what they are. What the class declares itself takes precedence.

    Args:
        kind: A module class, or a `functools.partial` of one.
    """
    if isinstance(kind, partial):
        base = as_attention(kind.func)
        make = partialmethod(base.__init__, *kind.args, **kind.keywords)
        return type(base.__name__, (base,), {"__init__": make})
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise UserError(f"expected an attention to be a class of torch modules, got {kind!r}")
    if issubclass(kind, Attention):
        return kind
    return type(kind.__name__, (kind, Attention), {"__module__": kind.__module__})

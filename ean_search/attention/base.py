"""What an attention declares about itself: the contract of attention modules.

An attention maps a tensor x to y of the same shape. By default x is a map with channels first,
(batch, channels, height, width); the maps of other backbones are brought into that layout for it.

To write one, subclass `Attention`, override the class attributes that differ from their defaults,
and name the class in a space as `module:Class`. A plain `nn.Module` class whose constructor takes
`(channels, **options)` works as well: `as_attention` gives it the same attributes.
`check_attention` (ean_search/testing) tries out what is promised here.
"""

from collections.abc import Callable
from functools import cache, partial, partialmethod
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from ean_search.attention.windows import Partition
from ean_search.utils.errors import UserError


class AttentionSite(Protocol):
    """The site for which an attention is built; `networks.sites.Site` is one."""

    @property
    def channels(self) -> int:
        """Return the number of channels of the site's map."""

    @property
    def layout(self) -> str:
        """Return the layout of the site's map, a constant of attention/layout.py."""

    @property
    def prefix(self) -> int:
        """Return the number of tokens before those of the map, such as a class token."""

    @property
    def heads(self) -> int:
        """Return the number of heads of the self-attention there, 0 if there is none."""

    @property
    def partition(self) -> Partition | tuple[()]:
        """Return the windows within which the self-attention there attends, if it does."""

    @property
    def num_maps(self) -> int:
        """Return the number of maps that the site gives to an attention."""


class Attention(nn.Module):
    """Base class of attentions; its class attributes are the declaration.

    The constructor takes the number of channels, and the options of the space by keyword. The call
    takes `num_inputs` maps and, if `stateful`, a state; it returns a tensor of the first map's
    shape, or that and the next state. It keeps nothing from one call to the next and does not mix
    the images of a batch.

    A submodule that computes the factor for the map should be called `gate`: with `unit_gate`, each
    submodule of that name is scaled to a mean of 1 at initialisation. No submodule, parameter or
    buffer may have the name of an attribute below.

    Attributes:
        positions: Names of the positions in a block where it can go (`networks/positions`), the
            preferred one first.
        num_inputs: 1: it takes the map; 2: the map and the block's shortcut, which only the
            position `block` gives.
        stateful: It takes a state as its last input, None at the first site of a chain, and
            returns (y, state). The state goes to the next attached site of the same stage.
        chain: Attentions that declare the same chain pass one state on to each other, whichever
            choices of the space they are; None: only sites with the same choice do.
        finishes_stage: `finish` adds the last state of a chain to the output of the stage.
        writes_only: y is x, and only the state changes. Where no later site of the chain reads the
            state, the attention is not run.
        shared: Names of the submodules that the sites of a group share; None: the whole module.
        additive: Its cost at a site depends on no other site, except through its place in a chain.
        takes_tokens: It is built by `from_site` and takes tokens as they are; otherwise tokens are
            laid out as a map for it.

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

    # Attributes that an adapter copies from the attention in it are no class variables.
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
        """Build the attention for a site; called where `takes_tokens`.

        Args:
            site: The site, with its number of channels, its layout and its heads.
            **options: The options of the space.
        """
        return cls(site.channels, **options)

    def constant_factor(self) -> Tensor | None:
        """Return one factor for each channel, if the attention only scales by it.

        Such a factor depends on no map, so that pruning can put it into the norm before the site.

        Returns:
            The factors (channels,) as they are now; None if they depend on the map.
        """
        return None

    def finish(self, x: Tensor, state: Any) -> Tensor:
        """Add the last state of a chain to the output of its stage; called where `finishes_stage`.

        Args:
            x: The output of the stage's last block.
            state: The state that the last attached site of the chain returned.

        Returns:
            A tensor of the shape of x.
        """
        raise NotImplementedError(f"{type(self).__name__} declares no finishes_stage")


# Names that a part of an attention must not have: the class attribute would hide the part.
DECLARED_NAMES = frozenset(name for name in vars(Attention) if not name.startswith("_"))


def as_attention(kind: Any) -> type[Attention]:
    """Return an attention class that behaves like a module class.

    A subclass of the class and of `Attention` is made, so that the names of the weights stay what
    they are. What the class declares itself takes precedence over the defaults. Copies and pickles
    of its modules work wherever those of the class would.

    Args:
        kind: A module class, or a `functools.partial` of one; its arguments come before those of
            the space. A subclass of `Attention` is returned as it is.

    Raises:
        UserError: If it is neither.

    Example:
        >>> kind = as_attention(nn.BatchNorm2d)
        >>> kind(64).stateful, list(kind(64).state_dict())[:2]
        (False, ['weight', 'bias'])
    """
    module_class = kind.func if isinstance(kind, partial) else kind
    if not (isinstance(module_class, type) and issubclass(module_class, nn.Module)):
        raise UserError(
            f"expected an attention to be a class of torch modules, got {module_class!r}"
        )
    return _adapt(kind)


@cache  # one class for each, because classes are compared
def _adapt(kind: "type[nn.Module] | partial[nn.Module]") -> type[Attention]:
    if isinstance(kind, partial):
        base = as_attention(kind.func)
        make = partialmethod(base.__init__, *kind.args, **kind.keywords)
        return _subclass(kind, (base,), {"__init__": make})
    return kind if issubclass(kind, Attention) else _subclass(kind, (kind, Attention), {})


def _subclass(
    source: object, bases: tuple[type[nn.Module], ...], members: dict[str, object]
) -> type[Attention]:
    """Make a class whose modules are pickled with a reference to its source."""

    def reduce(self: nn.Module, _: int) -> tuple[Callable[[], Attention], tuple[()], object]:
        state = nn.Module.__reduce_ex__(self, 2)[2]
        return partial(_make_empty, source), (), state

    named = {"__module__": bases[0].__module__, "__qualname__": bases[0].__qualname__}
    return type(bases[0].__name__, bases, {**named, **members, "__reduce_ex__": reduce})


def _make_empty(kind: object) -> Attention:
    made = as_attention(kind)
    return made.__new__(made)

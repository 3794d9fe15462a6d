"""Modules that wrap one of the backbone's own, so that an attention can be beside it."""

from typing import Any

from torch import Tensor, nn

from ean_search.attention.state import ChainEnd, StateHolder

PROJECTION_NAMES = ("downsample", "shortcut")  # of the module that projects a block's shortcut


class Wrapper(nn.Module):
    """A module of the backbone with an attention beside it.

    Args:
        inner: The module of the backbone.
        attention: The attention, or the slot in its place. Pruning sets the attribute to None.
    """

    def __init__(self, inner: nn.Module, attention: nn.Module):
        super().__init__()
        self.inner = inner
        self.attention = attention

    @property
    def empty(self) -> bool:
        """Say whether pruning has taken the attention away."""
        return "attention" not in dict(self.named_children())

    def __getattr__(self, name: str) -> Any:
        """Look an attribute up in the inner module: some backbones read those of their blocks."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)


class AttentionBefore(Wrapper):
    """An attention whose output is the module's input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.attention(x))


class AttentionAfter(Wrapper):
    """An attention whose input is the module's output."""

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self.inner(x))


class AttentionAfterBlock(Wrapper):
    """An attention whose inputs are a block's output and the block's shortcut.

    The shortcut is the block's input, or the output of the block's own projection of it.
    """

    def __init__(self, inner: nn.Module, attention: nn.Module):
        super().__init__(inner, attention)
        self.projection = projection_name(inner)
        self.projected: StateHolder | None = None
        if self.projection is not None:
            self.projected = StateHolder()
            projection = inner.get_submodule(self.projection)
            setattr(inner, self.projection, RecordedProjection(projection, self.projected))

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
        y = self.inner(x, *rest, **named)
        return self.attention(y, x if self.projected is None else self.projected.take())


class RecordedProjection(nn.Module):
    """A block's projection, whose output is kept for the attention after the block.

    Args:
        inner: The projection.
        holder: Where its output is put.
    """

    def __init__(self, inner: nn.Module, holder: StateHolder):
        super().__init__()
        self.inner = inner
        self.holder = holder

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        self.holder.put(y)
        return y


class WithChainEnds(nn.Module):
    """The last block of a stage, with the ends of the stage's chains after it.

    Args:
        inner: The block.
        finishes: The ends of chains, in the order they are applied.
    """

    def __init__(self, inner: nn.Module, finishes: list[ChainEnd]):
        super().__init__()
        self.inner = inner
        self.finishes = nn.ModuleList(finishes)

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
        x = self.inner(x, *rest, **named)
        for finish in self.finishes:
            x = finish(x)
        return x


def projection_name(block: nn.Module) -> str | None:
    """Return the name of the module that projects a block's shortcut, None if there is none."""
    for name in PROJECTION_NAMES:
        module = getattr(block, name, None)
        if isinstance(module, nn.Module) and not isinstance(module, nn.Identity):
            return name
    return None


def owner_and_name(network: nn.Module, path: str) -> tuple[nn.Module, str]:
    """Return the module that has the attribute at a path, and the attribute's name."""
    owner, _, name = path.rpartition(".")
    return network.get_submodule(owner), name


def replace_module(network: nn.Module, path: str, module: nn.Module | None) -> None:
    """Put a module, or None, in the place of the module at a path.

    Args:
        network: The network, which is changed.
        path: A path as `named_modules` gives it.
        module: The new module.
    """
    owner, name = owner_and_name(network, path)
    setattr(owner, name, module)


def unwrap_modules(network: nn.Module) -> None:
    """Replace wrappers that have no attention, and no chain that ends, by their inner modules."""
    # From the inside out, so that the paths of outer modules stay valid.
    for path, module in reversed(list(network.named_modules())):
        if isinstance(module, Wrapper) and module.empty:
            if isinstance(module, AttentionAfterBlock) and module.projection is not None:
                recorded = module.inner.get_submodule(module.projection)
                setattr(module.inner, module.projection, recorded.inner)
            replace_module(network, path, module.inner)
        elif isinstance(module, WithChainEnds) and not any(f.reached for f in module.finishes):
            replace_module(network, path, module.inner)

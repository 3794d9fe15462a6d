"""Modules that stand around one of the backbone's own, so that an attention can be beside it."""

from typing import Any

from torch import Tensor, nn

from ean_search.attention.state import ChainEnd, StateHolder

PROJECTIONS = ("downsample", "shortcut")  # what families call it


class Wrapper(nn.Module):
    """A module of the backbone with an attention beside it."""

    def __init__(self, inner: nn.Module, attention: nn.Module):
        super().__init__()
        self.inner = inner
        self.attention = attention

    def __getattr__(self, name: str) -> Any:
        """Answer as the module would: some backbones look into their blocks."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)


class AttentionBefore(Wrapper):
    """An attention whose output the module gets."""

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.attention(x))


class AttentionAfter(Wrapper):
    """An attention that gets the module's output."""

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(self.inner(x))


class AttentionAfterBlock(Wrapper):
    """An attention that gets a block's output, and the block's shortcut beside it.

    The shortcut is the block's input, or what the block's own projection makes of it.
    """

    def __init__(self, inner: nn.Module, attention: nn.Module):
        super().__init__(inner, attention)
        self.projection = projection_of(inner)
        self.projected = StateHolder() if self.projection else None
        if self.projection:
            note = RecordedProjection(getattr(inner, self.projection), self.projected)
            setattr(inner, self.projection, note)

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
        y = self.inner(x, *rest, **named)
        return self.attention(y, x if self.projected is None else self.projected.take())


class RecordedProjection(nn.Module):
    """A block's projection, whose output is noted for the attention after the block."""

    def __init__(self, inner: nn.Module, holder: StateHolder):
        super().__init__()
        self.inner = inner
        self.holder = holder

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        self.holder.put(y)
        return y


class WithChainEnds(nn.Module):
    """A stage's last block, after which chains of the stage are finished."""

    def __init__(self, inner: nn.Module, finishes: list[ChainEnd]):
        super().__init__()
        self.inner = inner
        self.finishes = nn.ModuleList(finishes)

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
        x = self.inner(x, *rest, **named)
        for finish in self.finishes:
            x = finish(x)
        return x


def projection_of(block: nn.Module) -> str | None:
    """Name what projects a block's shortcut, if anything does."""
    for name in PROJECTIONS:
        module = getattr(block, name, None)
        if isinstance(module, nn.Module) and not isinstance(module, nn.Identity):
            return name
    return None


def child(network: nn.Module, path: str) -> tuple[nn.Module, str]:
    """Return the owner of a module and its name there."""
    owner, _, name = path.rpartition(".")
    return network.get_submodule(owner), name


def replace(network: nn.Module, path: str, module: nn.Module | None) -> None:
    """Put a module in the place of another."""
    owner, name = child(network, path)
    setattr(owner, name, module)


def unwrap(network: nn.Module) -> None:
    """Take away what stands around modules that have nothing beside them any more."""
    # From the inside out, so that the paths of what is outside still hold.
    for path, module in reversed(list(network.named_modules())):
        if isinstance(module, Wrapper) and module.attention is None:
            if isinstance(module, AttentionAfterBlock) and module.projected is not None:
                own = getattr(module.inner, module.projection).inner
                setattr(module.inner, module.projection, own)
            replace(network, path, module.inner)
        elif isinstance(module, WithChainEnds) and not any(f.reached for f in module.finishes):
            replace(network, path, module.inner)

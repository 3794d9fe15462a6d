"""What one forward pass takes, as a value, and the tensors in whatever it returns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Example:
    """The arguments of one forward pass of a network.

    Attributes:
        args: The arguments by position.
        named: Those by name.

    Example:
        >>> Example.of(torch.zeros(2, 3, 64, 64)).run(network)
    """

    args: tuple[Any, ...]
    named: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any) -> "Example":
        """Read what a user gives: a tuple is several arguments, a mapping several by name.

        Args:
            value: A tuple, a mapping with names as keys, an example, or the only argument, such as
                a tensor, or a list of images of several sizes.
        """
        if isinstance(value, Example):
            return value
        if isinstance(value, Mapping):
            return cls((), dict(value))
        return cls(value if isinstance(value, tuple) else (value,), {})

    def run(self, network: nn.Module) -> Any:
        """Return what a network makes of the example."""
        return network(*self.args, **self.named)

    def to(self, device: str | torch.device) -> "Example":
        """Return the example with its tensors on a device."""
        args, named = map_tensors(lambda x: x.to(device), (self.args, self.named))
        return Example(args, named)

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors in it, in their order."""
        return list(find_tensors((self.args, self.named)))

    def with_tensors(self, tensors: list[Tensor]) -> "Example":
        """Return the example with other tensors in the place of its own."""
        left = iter(tensors)
        args, named = map_tensors(lambda _: next(left), (self.args, self.named))
        return Example(args, named)

    def describe(self) -> str:
        """Return the shapes of its tensors in words."""
        return ", ".join(" x ".join(map(str, x.shape)) for x in self.tensors) or "no tensor"


def find_tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists, mappings and data classes, in their order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from find_tensors(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from find_tensors(entry)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from find_tensors(getattr(value, field.name))


def map_tensors(change: Any, value: Any) -> Any:
    """Return nested tuples, lists and mappings with their tensors changed by a function."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: map_tensors(change, entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [map_tensors(change, entry) for entry in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map_tensors(change, entry) for entry in value)
    return value

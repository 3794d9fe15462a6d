"""Modules that a user made in Python, as backbones: they are found by what they are.

A search over a module needs it wherever a backbone is built, and a backbone is a name in a space.
So the name of such a module is made of its class and of a hash of its weights: the same module has
the same name in every process, and no other module has it. The process must have been given the
module; a run folder holds its name only.
"""

import copy
import hashlib
from dataclasses import dataclass
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from ean_search.core.live_names import LIVE_PREFIX
from ean_search.networks.example import Example, find_tensors
from ean_search.utils.errors import UserError, describe_crash, first_line

HASH_LENGTH = 12  # characters of the hash in a name


@dataclass(frozen=True, eq=False)
class LiveNetwork:
    """A copy of a user's module, and what one forward pass of it takes.

    Attributes:
        name: The name by which spaces call it.
        module: The copy; nothing changes it.
        example: What one forward pass takes, on the module's device.
    """

    name: str
    module: nn.Module
    example: Example

    @property
    def device(self) -> str:
        """The device of the module."""
        return device_of(self.module)


# By name, those that somebody still holds; the same module may have been given several times.
_known: dict[str, list[ref[LiveNetwork]]] = {}
_kept: WeakKeyDictionary[nn.Module, LiveNetwork] = WeakKeyDictionary()


def device_of(module: nn.Module) -> str:
    """Return the device of a module's first parameter; the CPU if it has none."""
    parameter = next(module.parameters(), None)
    return "cpu" if parameter is None else str(parameter.device)


def register_live(module: nn.Module, example: Example, *, keep: bool = False) -> LiveNetwork:
    """Make a user's module known as a backbone; the module itself is left alone.

    Args:
        module: The module.
        example: What one forward pass of it takes.
        keep: Know the name also as long as the module itself is there.

    Returns:
        The value to hold: the name is known as long as it is held.

    Raises:
        UserError: If it is no module, or cannot be copied.
    """
    if not isinstance(module, nn.Module):
        raise UserError(f"expected a torch module to search in, got {type(module).__name__}")
    try:
        copied = copy.deepcopy(module)
    except Exception as error:  # whatever a module holds that has no copy
        raise UserError(
            f"{type(module).__name__} cannot be copied (the search works on a copy): "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    copied.zero_grad(set_to_none=True)
    name = f"{LIVE_PREFIX}{type(module).__name__}-{fingerprint(module, example)}"
    live = LiveNetwork(name, copied, example.to(device_of(module)))
    _known[name] = [*(other for other in _known.get(name, ()) if other()), ref(live)]
    if keep:
        _kept[module] = live
    return live


def fingerprint(module: nn.Module, example: Example) -> str:
    """Return a hash of a module's parts and weights, and of the shapes that it takes."""
    digest = hashlib.sha256(example.describe().encode())
    for path, part in module.named_modules():
        digest.update(f"{path}:{type(part).__qualname__};".encode())
    for name, value in module.state_dict().items():
        if isinstance(value, Tensor):
            digest.update(f"{name}:{tuple(value.shape)}:{value.dtype};".encode())
            data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(data.numpy().tobytes())
    return digest.hexdigest()[:HASH_LENGTH]


def find_live(backbone: str) -> LiveNetwork:
    """Return the module that a name stands for.

    Raises:
        UserError: If this process was not given the module.
    """
    held = [live for reference in _known.get(backbone, ()) if (live := reference())]
    if not held:
        raise UserError(
            f"the network {backbone.removeprefix(LIVE_PREFIX)!r} is a module from Python, and this "
            "process was not given it: call search_attention, or do_run with network=, again with "
            "the same module and folder (other weights make it another module)"
        )
    return held[-1]


def check_example(live: LiveNetwork) -> None:
    """Check that a module takes its example, and computes the same of it twice in evaluation mode.

    Raises:
        UserError: One line that says what is wrong.
    """
    kind = type(live.module).__name__
    network = copy.deepcopy(live.module).eval()
    try:
        with torch.no_grad():
            first, second = (
                [x.clone() for x in find_tensors(live.example.run(network))] for _ in range(2)
            )
    except Exception as error:  # of anybody's module
        raise UserError(
            f"{kind} does not take the example ({live.example.describe()}): {describe_crash(error)}"
        ) from error
    if not first:
        raise UserError(f"{kind} returns no tensor for the example")
    if len(first) != len(second) or not all(
        _is_same(a, b) for a, b in zip(first, second, strict=True)
    ):
        raise UserError(
            f"{kind} is not deterministic in evaluation mode: two passes over the example differ, "
            "so placements cannot be compared"
        )


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Say whether two outputs are the same, up to the order in which a GPU adds."""
    if one.shape != other.shape:
        return False
    if one.is_floating_point() or one.is_complex():
        return torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
    return torch.equal(one, other)

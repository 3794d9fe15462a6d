"""Takes a sublayer out of a residual block: what it added is zero, and its modules are gone.

The block of a transformer computes x + drop_path(scale(attention(norm(x)))), in as many ways as
there are backbones. Without the attention, norm, scale and drop-path have nothing to do either. So
each of them is replaced by `Removed`. The first one hands on a `Zero`, which goes through the
block's own code in place of a tensor and costs nothing; the sum is x, the same tensor.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.networks.example import Example, find_tensors
from ean_search.networks.positions.wrappers import replace_module

# torch's own transformer layers ask their self-attention for `batch_first`, and where it is False
# they call it instead of computing with its weights. What stands for a self-attention says so.
STEP_BY_STEP = False
SUMS = frozenset(
    {Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__, torch.add}
)


class Zero:
    """A tensor of zeros that is never made: sums leave it out, everything else hands it on.

    Args:
        like: A tensor, or a zero, of the type and device that it has.
        shape: Its shape; that of `like` if None. It follows `view` and `reshape` only, since
            backbones ask for the sides of a map after these.
    """

    requires_grad = False

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device

    def __init__(self, like: "Tensor | Zero", shape: Sequence[int] | None = None):
        self.shape = like.shape if shape is None else torch.Size(shape)
        self.dtype, self.device, self.ndim = like.dtype, like.device, len(self.shape)

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute a function of torch of which one of the first two arguments is a zero."""
        if function in SUMS:
            return args[1] if isinstance(args[0], cls) else args[0]
        return next((value for value in args[:2] if isinstance(value, cls)), NotImplemented)

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__

    def __mul__(self, other: Any) -> "Zero":
        return self

    __rmul__ = __truediv__ = __getitem__ = __mul__

    def __iter__(self) -> Iterator[Any]:
        """Give what a self-attention may return beside its output: its weights, none here."""
        return iter((self, None))

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one side of it."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.ndim

    def view(self, *sides: Any) -> "Zero":
        """Return a zero of another shape, in which one side may be -1."""
        given = sides[0] if isinstance(sides[0], list | tuple) else sides
        # Tracers give sides as tensors.
        shape = [int(side) if isinstance(side, Tensor) else side for side in given]
        if -1 in shape:
            shape[shape.index(-1)] = self.shape.numel() // abs(math.prod(shape))
        return Zero(self, shape)

    reshape = view

    def __getattr__(self, name: str) -> Any:
        """Return a method of tensors that hands the zero on, such as `permute`."""
        if name.startswith("__") or not hasattr(Tensor, name):
            raise AttributeError(name)
        return lambda *_, **__: self


class Removed(nn.Module):
    """In place of a module of a sublayer that is not there."""

    batch_first = STEP_BY_STEP

    def forward(self, x: Tensor | Zero, *_: Any, **__: Any) -> Zero:
        return x if isinstance(x, Zero) else Zero(x)


class Zeros(nn.Module):
    """In place of a sublayer's attention while the sublayer may still be chosen: it adds zeros.

    Args:
        returned: How many values the attention returns as a tuple, its output first; 0: a tensor.
    """

    def __init__(self, returned: int = 0):
        super().__init__()
        self.returned = returned

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Any:
        zeros = torch.zeros_like(x)
        return (zeros, *[None] * (self.returned - 1)) if self.returned else zeros


def find_sublayers(
    backbone: nn.Module, example: Example, candidates: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Find the sublayers of residual blocks that can be removed.

    Args:
        backbone: A plain backbone in evaluation mode.
        example: What one forward pass takes; on the device "meta", nothing is computed.
        candidates: Paths of modules that may be the heart of a sublayer, such as self-attentions;
            outer modules come before inner ones.

    Returns:
        For each sublayer the path of the module at which it can be switched off, with the paths of
        all modules that go with it. The module is the candidate, or a norm that comes after it.
    """
    hearts: list[str] = []
    found: dict[str, tuple[str, ...]] = {}
    for path in candidates:
        if any(path.startswith(f"{heart}.") for heart in hearts):
            continue
        with _removed(backbone, [path]) as watch:
            if not watch.runs(backbone, example):
                continue
            switch, parts = _with_parts(backbone, path, watch)
        if _runs_without(backbone, example, parts):
            hearts.append(path)
            found[switch] = parts
    return found


def _runs_without(backbone: nn.Module, example: Example, paths: Sequence[str]) -> bool:
    with _removed(backbone, paths) as watch:
        return watch.runs(backbone, example)


def remove_modules(network: nn.Module, paths: Sequence[str]) -> None:
    """Replace the modules of a sublayer in place; the block hands on its input there."""
    for path in paths:
        replace_module(network, path, Removed())


class _Watch:
    """Notes which modules of a backbone got a zero, and which outputs reached the end."""

    def __init__(self) -> None:
        self.after: list[nn.Module] = []  # got a zero
        self.outputs: dict[nn.Module, list[Any]] = {}  # nodes of the autograd graph
        self.reached: set[Any] = set()

    def note(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Note one call, as a forward hook."""
        if inputs and isinstance(inputs[0], Zero):
            self.after.append(module)
        else:
            nodes = [tensor.grad_fn for tensor in find_tensors(output)]
            self.outputs.setdefault(module, []).extend(nodes)

    def runs(self, backbone: nn.Module, example: Example) -> bool:
        """Say whether the backbone computes something sensible, and note what reaches it."""
        try:
            with torch.enable_grad():
                outputs = list(find_tensors(example.run(backbone)))
        except Exception:  # whatever its code does with a zero that it cannot take
            return False
        if not outputs or not all(map(_keeps_zero, self.after)):
            return False
        todo = [output.grad_fn for output in outputs]
        while todo:
            node = todo.pop()
            if node is not None and node not in self.reached:
                self.reached.add(node)
                todo += [earlier for earlier, _ in node.next_functions]
        return True

    def is_idle(self, module: nn.Module) -> bool:
        """Say whether a module got a zero in each call, or nothing of its outputs is used."""
        used = any(node in self.reached or node is None for node in self.outputs.get(module, ()))
        return not used and (module in self.after or module in self.outputs)


def _keeps_zero(module: nn.Module) -> bool:
    """Say whether a module may come after a sublayer's heart: no layer that mixes channels may."""
    return all(parameter.numel() == max(parameter.shape) for parameter in module.parameters())


@contextmanager
def _removed(backbone: nn.Module, paths: Sequence[str]) -> Iterator[_Watch]:
    """Remove modules for a while, and watch the others."""
    removed = {path: backbone.get_submodule(path) for path in paths}
    remove_modules(backbone, paths)
    watch = _Watch()
    watched = [m for m in backbone.modules() if not isinstance(m, Removed)]
    hooks = [module.register_forward_hook(watch.note) for module in watched]
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()
        for path, module in removed.items():
            replace_module(backbone, path, module)


def _with_parts(backbone: nn.Module, heart: str, watch: _Watch) -> tuple[str, tuple[str, ...]]:
    """Return where a sublayer is switched off, and the idle siblings that go with its heart."""
    owner, _, own_name = heart.rpartition(".")
    switch, parts = heart, []
    for name, module in backbone.get_submodule(owner).named_children():
        path = f"{owner}.{name}".lstrip(".")
        if name == own_name:
            parts.append(path)
        elif watch.is_idle(module):
            parts.append(path)
            # A norm makes something of zeros: it must be switched off itself.
            if module in watch.after and getattr(module, "bias", None) is not None:
                switch = path
    return switch, tuple(parts)

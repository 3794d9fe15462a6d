"""Where values that are not finite come from: the first module that makes them of finite ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ean_search.attention.base import Attention

LARGE = 1e4  # maps and weights of trainings that go well stay far below


@dataclass(frozen=True)
class Cause:
    """Why a loss is not finite.

    Attributes:
        text: What was not finite first: a module's output on a map, a gradient, weights or images.
        may_be_rate: Whether a lower learning rate may help.
    """

    text: str
    may_be_rate: bool = True


def find_cause(network: nn.Module, images: Tensor, compute: Callable[[], object]) -> Cause:
    """Compute a batch once more, and find where values are not finite first.

    Args:
        network: The network, with the weights that it had before the batch.
        images: The images of the batch.
        compute: Computes the losses of the batch with this network, and propagates them back.

    Returns:
        The cause; the gradients of the network are zero afterwards.
    """
    if not is_finite(images):
        return Cause("the images of the batch are not finite", may_be_rate=False)
    if wrong := [name for name, weight in network.named_parameters() if not is_finite(weight)]:
        total = sum(1 for _ in network.parameters())
        return Cause(f"{len(wrong)} of {total} weight tensors were not finite before: {wrong[0]}")
    watch = _Watch(network)
    try:
        watch.begin()
        compute()
    finally:
        watch.end()
        network.zero_grad()
    return watch.cause or Cause("the outputs of all modules are finite, but not the loss")


def is_finite(value: Any) -> bool:
    """Say whether all numbers in tensors, also in lists and the like, are finite."""
    return all(bool(tensor.isfinite().all()) for tensor in _tensors(value))


def have_finite_gradients(network: nn.Module) -> bool:
    """Say whether all gradients of a network are finite."""
    return is_finite([weight.grad for weight in network.parameters()])


class _Watch:
    """Looks at the values and the gradients of modules, and keeps the first cause that it sees."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.cause: Cause | None = None
        self.attentions = {
            name: module
            for name, module in network.named_modules()
            if isinstance(module, Attention)
        }
        self._handles: list[RemovableHandle] = []
        self._running: list[str] = []  # the modules that are being called, the innermost one last
        self._given_finite: set[str] = set()  # modules whose outputs have finite gradients

    def begin(self) -> None:
        """Look at every call of a module from now on."""
        for name, module in self.network.named_modules():
            self._handles.append(module.register_forward_pre_hook(partial(self._enter, name)))
            self._handles.append(module.register_forward_hook(partial(self._see, name)))

    def end(self) -> None:
        """Look at nothing any more."""
        for handle in self._handles:
            handle.remove()

    def _enter(self, name: str, module: nn.Module, inputs: Any) -> None:
        self._running.append(name)

    def _see(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        """Look at a module's output; have its gradients looked at when they are there."""
        self._running.pop()
        if self.cause is not None:
            return
        describe = partial(self._describe, name, module, self._site(), tuple(_tensors(inputs)))
        if is_finite(inputs) and not is_finite(output):
            self.cause = describe("output")
        for tensor in _differentiable(output):
            self._handles.append(tensor.register_hook(partial(self._see_given, name)))
        for tensor in _differentiable((inputs, list(module.parameters(recurse=False)))):
            self._handles.append(tensor.register_hook(partial(self._see_passed, name, describe)))

    def _see_given(self, name: str, gradient: Tensor) -> None:
        if is_finite(gradient):
            self._given_finite.add(name)

    def _see_passed(self, name: str, describe: Callable[[str], Cause], gradient: Tensor) -> None:
        if self.cause is None and name in self._given_finite and not is_finite(gradient):
            self.cause = describe("gradient")

    def _site(self) -> str:
        """Return the innermost running module outside of attentions; sites may share attentions."""
        outside = (name for name in reversed(self._running) if not self._attention_of(name))
        return next(outside, "")

    def _attention_of(self, name: str) -> str:
        """Return the name of the attention that a module is or belongs to, or an empty text."""
        parts = name.split(".")
        prefixes = (".".join(parts[: i + 1]) for i in range(len(parts)))
        return next((prefix for prefix in prefixes if prefix in self.attentions), "")

    def _describe(
        self, name: str, module: nn.Module, site: str, inputs: tuple[Tensor, ...], what: str
    ) -> Cause:
        """Describe the module that made values which are not finite of finite ones."""
        owner = self._attention_of(name)
        place, kind = name or "the network", type(module).__name__
        if owner:
            inner = name.removeprefix(owner).strip(".")
            place = owner if owner.startswith(f"{site}.") else site
            kind = f"attention {type(self.attentions[owner]).__name__}"
            kind += f", its {inner}: {type(module).__name__}" if inner else ""
        shapes = " and ".join(" x ".join(map(str, tensor.shape)) for tensor in inputs)
        largest = _largest(inputs)
        text = f"the first {what} that is not finite is that of {place} ({kind}) on a finite input "
        text += f"of {shapes or 'no tensor'} with values up to {largest:.3g}"
        usual = max(largest, _largest(module.parameters())) < LARGE
        return Cause(text, may_be_rate=not (owner and usual))


def _largest(tensors: Iterable[Tensor]) -> float:
    return max((float(x.detach().abs().max()) for x in tensors if x.numel()), default=0.0)


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the floating-point tensors in a value, which may be a list, a tuple or a mapping."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _tensors(entry)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _differentiable(value: Any) -> Iterator[Tensor]:
    return (tensor for tensor in _tensors(value) if tensor.requires_grad)

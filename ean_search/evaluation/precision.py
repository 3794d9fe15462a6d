"""How evaluation computes: with how many bits, and in which order maps lie in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from ean_search.utils.config import FrozenConfig


class Precision(FrozenConfig):
    """Precision and memory layout of evaluation.

    With fewer bits a few predictions change, so `float32` is the default. It is the whole of it
    everywhere: on GPUs that would round inputs to TF32 (19 bits) of their own accord, they do so
    only where `tf32` is asked for.
    """

    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "float32"  # of products
    channels_last: bool = False

    def prepare(self, network: nn.Module, device: str) -> nn.Module:
        """Move a network to a device, in this memory layout and in evaluation mode."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return network.to(device).to(memory_format=layout).eval()

    @contextmanager
    def applied(self, device: str) -> Iterator[None]:
        """Compute in this precision in the block; weights are converted once for all of it."""
        reduced = self.precision in ("bfloat16", "float16")
        dtype = getattr(torch, self.precision) if reduced else None
        autocast = torch.autocast(torch.device(device).type, dtype, enabled=reduced)
        with tf32_allowed(self.precision == "tf32"), autocast:
            yield


@contextmanager
def tf32_allowed(allowed: bool) -> Iterator[None]:
    """Let GPUs round the inputs of products and convolutions to TF32 in the block, or not."""
    backends: tuple[Any, Any] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = allowed
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value


FULL_PRECISION = Precision()

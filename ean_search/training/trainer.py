"""Trains a network on a split by a recipe; knows nothing of placements.

Every epoch starts from seeds of its own and ends in a checkpoint, so training that was killed
goes on from its last epoch as if nothing had happened (on a CPU: with the same figures).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from ean_search.data.splits import Split
from ean_search.data.transforms import augmented
from ean_search.training.optimization import (
    Criterion,
    amp_dtype,
    make_criterion,
    make_mixup,
    make_optimizer,
    make_scheduler,
)
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import DivergedError, UserError
from ean_search.utils.files import load_checkpoint, save_checkpoint
from ean_search.utils.progress import Progress, ProgressMessage, silent
from ean_search.utils.seeding import derive_seed, seeded

STEPS_BETWEEN_CHECKS = 20  # of the loss; each check waits for the device
CHECKPOINTED = ("network", "optimizer", "scaler", "ema")  # and the history


# A step yields losses one at a time: each is propagated back before the next is computed, so that
# a step over several placements needs the memory of one.
Step = Callable[[nn.Module, Tensor, Tensor, Criterion, np.random.Generator], Iterable[Tensor]]


class ProcessGroup(Protocol):
    """The processes that train one network together."""

    leads: bool  # whether this process writes the checkpoints

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the group."""

    def mean(self, value: Tensor) -> Tensor:
        """Average a value over the group."""


class SingleProcess:
    """A group of one process."""

    leads = True

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network."""
        return network

    def mean(self, value: Tensor) -> Tensor:
        """Return the value."""
        return value


def plain_step(
    network: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion, _: Any
) -> Iterable[Tensor]:
    """Yield the loss of one forward pass."""
    yield criterion(network(images), labels)


@dataclass(frozen=True)
class TrainingContext:
    """Everything about a training but network, data and recipe.

    Attributes:
        seed: Of the order of images, augmentation and the draws of a step.
        device: Where to train.
        step: Yields the losses of a batch.
        checkpoint: The file that keeps the state after every epoch; none is kept if None.
        until: The epoch of the recipe to stop after; the checkpoint goes on from there.
        task: What progress reports call the training.
        progress: Is told how far the training has come.
        group: The processes that share each batch.
    """

    seed: int = 0
    device: str = "cpu"
    step: Step = plain_step
    checkpoint: Path | None = None
    until: int | None = None
    task: str = "training"
    progress: Progress = silent
    group: ProcessGroup = field(default_factory=SingleProcess)


History = list[dict[str, float]]  # an epoch's number, mean loss and first learning rate


class Trainer(Protocol):
    """Trains a network in place, as `fit` does."""

    def __call__(
        self, network: nn.Module, split: Split, recipe: Recipe, context: TrainingContext, /
    ) -> History: ...


def fit(
    network: nn.Module, split: Split, recipe: Recipe, context: TrainingContext | None = None
) -> History:
    """Train a network in place.

    If the recipe averages weights, the network ends with the averaged ones.

    Args:
        network: What to train; it is moved to the context's device.
        split: The training images.
        recipe: How to train.
        context: Seed, device, checkpoint and the like.

    Returns:
        The loss and the first learning rate of every epoch.

    Raises:
        DivergedError: If the loss is no finite number any more.
    """
    context = context or TrainingContext()
    layout = torch.channels_last if recipe.channels_last else torch.preserve_format
    network.to(context.device, memory_format=layout)
    training = _Training(network, augmented(split, recipe.augment), recipe, context)
    checkpoint = context.checkpoint
    if checkpoint and checkpoint.is_file():
        training.load(checkpoint)
    training.report(len(training.history) * training.steps)
    for epoch in range(len(training.history), min(context.until or recipe.epochs, recipe.epochs)):
        training.run_epoch(epoch)
        if checkpoint and context.group.leads:
            training.save(checkpoint)
    if training.ema is not None:
        network.load_state_dict(training.ema.module.state_dict())
    return training.history


class _Training:
    """A network being trained, and all that changes with it."""

    def __init__(self, network: nn.Module, split: Split, recipe: Recipe, context: TrainingContext):
        self.network, self.split, self.recipe, self.context = network, split, recipe, context
        self.steps = split.steps(recipe.batch_size)
        compiled = torch.compile(network) if recipe.compile else network
        self.mixup = make_mixup(network, recipe)
        self.criterion = make_criterion(recipe)
        self.optimizer = make_optimizer(network, recipe)
        self.scheduler = make_scheduler(self.optimizer, recipe, self.steps)
        self.amp = recipe.amp and context.device.startswith("cuda")
        self.dtype = amp_dtype(recipe.amp_dtype)
        self.scaler = torch.amp.GradScaler(enabled=self.amp and self.dtype is torch.float16)
        self.ema = (
            None
            if recipe.ema is None
            else ModelEmaV3(network, recipe.ema, use_warmup=recipe.ema_warmup)
        )
        self.history: History = []
        self.running = context.group.wrap(compiled)

    def report(self, update: int, message: str = "") -> None:
        """Say how many updates are done."""
        total = self.recipe.epochs * self.steps
        self.context.progress(self.context.task, update, total, message)

    def save(self, path: Path) -> None:
        state = {name: part.state_dict() for name, part in self._parts()}
        save_checkpoint(state | {"history": self.history}, path)

    def load(self, path: Path) -> None:
        state = load_checkpoint(path)
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.history = state["history"]

    def _parts(self) -> list[tuple[str, Any]]:
        parts = ((name, getattr(self, name)) for name in CHECKPOINTED)
        return [(name, part) for name, part in parts if part is not None]

    def finite(self, loss: Tensor, epoch: int) -> float:
        """Return a loss as a number, and stop if it is none."""
        value = float(loss)
        if np.isfinite(value):
            return value
        checkpoint = self.context.checkpoint
        kept = f"{checkpoint} holds the state after epoch {epoch}"
        raise DivergedError(
            f"{self.context.task}: the loss became {value} in epoch {epoch + 1}; "
            f"{kept if checkpoint and epoch else 'there is no good state before it'}. "
            "A lower learning rate or gradient clipping usually helps"
        )

    def run_epoch(self, epoch: int) -> None:
        """Train for one epoch and note its mean loss."""
        torch.manual_seed(derive_seed(self.context.seed, epoch))
        self.running.train()
        total = torch.zeros((), device=self.context.device)
        for number, (images, labels) in enumerate(self._batches(epoch), 1):
            update = epoch * self.steps + number
            self.scheduler.step_update(update - 1)
            if number == 1:
                rate = self.optimizer.param_groups[0]["lr"]
            key = (self.context.seed, epoch, number)
            total += self._learn(*self._mixed(images, labels, key), key)
            if self.ema is not None:
                self.ema.update(self.network, step=update)
            if number % STEPS_BETWEEN_CHECKS == 0 or number == self.steps:
                mean = self.finite(self.context.group.mean(total / number), epoch)
                text = f"epoch {epoch + 1}/{self.recipe.epochs}, loss {mean:.3f}"
                self.report(update, ProgressMessage(text, {"loss": mean, "lr": rate}))
        self.history.append({"epoch": epoch + 1, "loss": mean, "lr": rate})

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self.split.batches(
            self.recipe.batch_size, shuffle=(self.context.seed, epoch), device=self.context.device
        )
        for images, labels in batches:
            if self.recipe.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            yield images, labels

    def _mixed(self, images: Tensor, labels: Tensor, key: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Mix a batch's images with each other, if the recipe does, as the step's number says."""
        if self.mixup is None:
            return images, labels
        if len(images) % 2:
            raise UserError(f"mixup and cutmix need an even number of images, got {len(images)}")
        with seeded(derive_seed(*key)):
            return self.mixup(images, labels)

    def _learn(self, images: Tensor, labels: Tensor, key: tuple[int, ...]) -> Tensor:
        """Take one step and return the mean of its losses."""
        losses = []
        pieces = min(self.recipe.accumulate, len(images))
        with torch.autocast(self.context.device.split(":")[0], self.dtype, enabled=self.amp):
            for some, theirs in zip(images.chunk(pieces), labels.chunk(pieces), strict=True):
                share = len(some) / len(images)
                rng = np.random.default_rng(key)  # every piece of a batch sees the same draws
                for loss in self.context.step(self.running, some, theirs, self.criterion, rng):
                    self.scaler.scale(loss * share).backward()
                    losses.append(loss.detach() * share)
        if self.recipe.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return torch.stack(losses).mean() * len(images.chunk(pieces))

"""Trains a network on a split by a recipe; knows nothing of placements.

Every epoch starts from seeds of its own and ends in a checkpoint, so training that was killed
goes on from its last epoch as if nothing had happened (on a CPU: with the same figures).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from timm.data import Mixup
from timm.loss import BinaryCrossEntropy, SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from ean_search.data.splits import Split
from ean_search.data.transforms import augmented
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import DivergedError, UserError
from ean_search.utils.files import load_checkpoint, save_checkpoint
from ean_search.utils.progress import Progress, ProgressMessage, silent
from ean_search.utils.seeding import derive_seed, seeded

CHECK_EVERY = 20  # steps between looks at the loss; each look waits for the device
# Torch has these in one kernel, CPUs included. It has SGD, too, but with momentum that one fails
# as soon as a module is used for the first time after the first step.
FUSED = ("adam", "adamw")
STATEFUL = ("network", "optimizer", "scaler", "ema")  # what a checkpoint holds, and the history


Criterion = Callable[[Tensor, Tensor], Tensor]
# A step yields losses one at a time: each is propagated back before the next is computed, so that
# a step over several placements needs the memory of one.
Step = Callable[[nn.Module, Tensor, Tensor, Criterion, np.random.Generator], Iterable[Tensor]]


class Team(Protocol):
    """The processes that train one network together."""

    leads: bool  # whether this one writes the checkpoints

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are the team's."""

    def mean(self, value: Tensor) -> Tensor:
        """Average a value over the team."""


class Alone:
    """A team of one process."""

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


def fit(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: str = "cpu",
    step: Step = plain_step,
    checkpoint: Path | None = None,
    until: int | None = None,
    task: str = "training",
    progress: Progress = silent,
    team: Team | None = None,
) -> list[dict[str, float]]:
    """Train a network in place, and return the loss and first rate of every epoch.

    If the recipe averages weights, the averaged ones are what the network ends with. With `until`,
    training stops after that epoch of the recipe; its checkpoint goes on from there.
    """
    layout = torch.channels_last if recipe.channels_last else torch.preserve_format
    network.to(device, memory_format=layout)
    split = augmented(split, recipe.augment)
    training = _Training(network, split, recipe, seed, device, step, checkpoint, task, progress)
    training.join(team or Alone())
    if checkpoint and checkpoint.is_file():
        training.load(checkpoint)
    progress(task, len(training.history) * training.steps, recipe.epochs * training.steps)
    for epoch in range(len(training.history), min(until or recipe.epochs, recipe.epochs)):
        training.run_epoch(epoch)
        if checkpoint and training.team.leads:
            training.save(checkpoint)
    if training.ema is not None:
        network.load_state_dict(training.ema.module.state_dict())
    return training.history


Trainer = Callable[..., list[dict[str, float]]]  # `fit`, or what trains as it does


class _Training:
    """A network being trained, and all that changes with it."""

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        recipe: Recipe,
        seed: int,
        device: str,
        step: Step,
        checkpoint: Path | None,
        task: str,
        progress: Progress,
    ):
        self.network, self.split, self.recipe = network, split, recipe
        self.seed, self.device, self.step = seed, device, step
        self.checkpoint, self.task, self.progress = checkpoint, task, progress
        self.steps = split.steps(recipe.batch_size)
        self.compiled = torch.compile(network) if recipe.compile else network
        self.mixup = _make_mixup(network, recipe)
        self.criterion = _make_criterion(recipe)
        self.optimizer = create_optimizer_v2(
            network,
            opt=recipe.optimizer,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            filter_bias_and_bn=not recipe.decay_norms,
            **({"fused": True} if recipe.optimizer in FUSED else {}),
        )
        self.scheduler = _make_scheduler(self.optimizer, recipe, self.steps)
        self.amp = recipe.amp and device.startswith("cuda")
        self.dtype = _amp_dtype(recipe.amp_dtype)
        self.scaler = torch.amp.GradScaler(enabled=self.amp and self.dtype is torch.float16)
        average = recipe.ema is not None
        self.ema = (
            ModelEmaV3(network, recipe.ema, use_warmup=recipe.ema_warmup) if average else None
        )
        self.history: list[dict[str, float]] = []

    def join(self, team: Team) -> None:
        """Train as one of a team."""
        self.team, self.running = team, team.wrap(self.compiled)

    def save(self, path: Path) -> None:
        state = {name: part.state_dict() for name, part in self._parts()}
        save_checkpoint(state | {"history": self.history}, path)

    def load(self, path: Path) -> None:
        state = load_checkpoint(path)
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.history = state["history"]

    def _parts(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in STATEFUL if getattr(self, name) is not None]

    def finite(self, loss: Tensor, epoch: int) -> float:
        """Return a loss as a number, and stop if it is none."""
        value = float(loss)
        if np.isfinite(value):
            return value
        kept = f"{self.checkpoint} holds the state after epoch {epoch}"
        raise DivergedError(
            f"{self.task}: the loss became {value} in epoch {epoch + 1}; "
            f"{kept if self.checkpoint and epoch else 'there is no good state before it'}. "
            "A lower learning rate or gradient clipping usually helps"
        )

    def run_epoch(self, epoch: int) -> None:
        """Train for one epoch and note its mean loss."""
        torch.manual_seed(derive_seed(self.seed, epoch))
        self.running.train()
        total = torch.zeros((), device=self.device)
        for number, (images, labels) in enumerate(self._batches(epoch), 1):
            update = epoch * self.steps + number
            self.scheduler.step_update(update - 1)
            if number == 1:
                rate = self.optimizer.param_groups[0]["lr"]
            key = (self.seed, epoch, number)
            total += self._learn(*self._mixed(images, labels, key), key)
            if self.ema is not None:
                self.ema.update(self.network, step=update)
            if number % CHECK_EVERY == 0 or number == self.steps:
                mean = self.finite(self.team.mean(total / number), epoch)
                text = f"epoch {epoch + 1}/{self.recipe.epochs}, loss {mean:.3f}"
                detail = ProgressMessage(text, {"loss": mean, "lr": rate})
                self.progress(self.task, update, self.recipe.epochs * self.steps, detail)
        self.history.append({"epoch": epoch + 1, "loss": mean, "lr": rate})

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self.split.batches(
            self.recipe.batch_size, shuffle=(self.seed, epoch), device=self.device
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
        with torch.autocast(self.device.split(":")[0], self.dtype, enabled=self.amp):
            for some, theirs in zip(images.chunk(pieces), labels.chunk(pieces), strict=True):
                share = len(some) / len(images)
                rng = np.random.default_rng(key)  # every piece of a batch sees the same draws
                for loss in self.step(self.running, some, theirs, self.criterion, rng):
                    self.scaler.scale(loss * share).backward()
                    losses.append(loss.detach() * share)
        if self.recipe.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return torch.stack(losses).mean() * len(images.chunk(pieces))


def _make_scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Any:
    """Make the schedule; it is a function of the update's number and keeps no state."""
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched={"cosine": "cosine", "step": "multistep"}[recipe.schedule],
        num_epochs=recipe.epochs,
        # timm drops the rate one update before a milestone: the half puts that right.
        decay_milestones=[milestone + 0.5 / steps for milestone in recipe.milestones],
        decay_rate=recipe.gamma,
        warmup_epochs=recipe.warmup_epochs,
        warmup_lr=recipe.lr / 100,
        min_lr=recipe.min_lr,
        warmup_prefix=False,
        step_on_epochs=False,
        updates_per_epoch=steps,
    )
    return scheduler


def _make_mixup(network: nn.Module, recipe: Recipe) -> Mixup | None:
    if not recipe.mixes:
        return None
    classes = getattr(network, "num_classes", None)
    if classes is None:
        raise UserError("mixup and cutmix need a network that knows its num_classes, as timm's do")
    return Mixup(
        recipe.mixup,
        recipe.cutmix,
        label_smoothing=recipe.label_smoothing,
        num_classes=classes,
    )


def _make_criterion(recipe: Recipe) -> Criterion:
    if recipe.loss == "binary":
        return BinaryCrossEntropy(recipe.label_smoothing)
    if recipe.mixes:
        return SoftTargetCrossEntropy()  # what is mixed is smoothed already
    return nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)


def _amp_dtype(name: str) -> torch.dtype:
    if name != "auto":
        return getattr(torch, name)
    half = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    return torch.float16 if half else torch.bfloat16

"""Trains a network on a split by a recipe; knows nothing of placements.

Every epoch starts from seeds of its own and ends in a checkpoint, so training that was killed
goes on from its last epoch as if nothing had happened (on a CPU: with the same figures).
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from pydantic import Field, field_validator
from timm.optim import create_optimizer_v2, list_optimizers
from timm.scheduler import create_scheduler_v2
from torch import Tensor, nn

from ean_search.fields import Fields
from ean_search.files import load_checkpoint, save_checkpoint
from ean_search.lookup import UserError, unknown
from ean_search.progress import Progress, silent
from ean_search.splits import Split

CHECK_EVERY = 20  # steps between looks at the loss; each look waits for the device
# Torch has these in one kernel, CPUs included. It has SGD, too, but with momentum that one fails
# as soon as a module is used for the first time after the first step.
FUSED = ("adam", "adamw")
STATEFUL = ("network", "optimizer", "scaler")  # what a checkpoint holds, besides the history


class Recipe(Fields):
    """How to train: optimiser, schedule and their figures."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=64, ge=2)
    optimizer: str = "adamw"  # any of timm's; its `sgd` takes Nesterov's step, `momentum` does not
    lr: float = Field(default=2e-3, gt=0)
    momentum: float = 0.9
    weight_decay: float = 0.02
    decay_norms: bool = False  # weight decay on biases and norms too, as in the papers
    schedule: Literal["cosine", "step"] = "cosine"
    milestones: tuple[int, ...] = ()  # epochs at which `step` multiplies the rate by gamma
    gamma: float = 0.1
    warmup_epochs: float = Field(default=1, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    clip_grad: float | None = None
    amp: bool = True  # on a GPU only
    channels_last: bool = False

    @field_validator("optimizer")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in list_optimizers():
            raise unknown("optimizer", name, list_optimizers())
        return name


class DivergedError(UserError):
    """The loss is no number any more."""


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

    With `until`, training stops after that epoch of the recipe; its checkpoint goes on from there.
    """
    layout = torch.channels_last if recipe.channels_last else torch.preserve_format
    network.to(device, memory_format=layout)
    training = _Training(network, split, recipe, seed, device, step, checkpoint, task, progress)
    training.join(team or Alone())
    if checkpoint and checkpoint.is_file():
        training.load(checkpoint)
    progress(task, len(training.history) * training.steps, recipe.epochs * training.steps)
    for epoch in range(len(training.history), min(until or recipe.epochs, recipe.epochs)):
        training.run_epoch(epoch)
        if checkpoint and training.team.leads:
            training.save(checkpoint)
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
        self.criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
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
        self.scaler = torch.amp.GradScaler(enabled=self.amp and _amp_dtype() is torch.float16)
        self.history: list[dict[str, float]] = []

    def join(self, team: Team) -> None:
        """Train as one of a team."""
        self.team, self.running = team, team.wrap(self.network)

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name).state_dict() for name in STATEFUL}
        save_checkpoint(state | {"history": self.history}, path)

    def load(self, path: Path) -> None:
        state = load_checkpoint(path)
        for name in STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        self.history = state["history"]

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
        torch.manual_seed(int(np.random.SeedSequence((self.seed, epoch)).generate_state(1)[0]))
        self.running.train()
        total = torch.zeros((), device=self.device)
        for number, (images, labels) in enumerate(self._batches(epoch), 1):
            update = epoch * self.steps + number
            self.scheduler.step_update(update - 1)
            if number == 1:
                rate = self.optimizer.param_groups[0]["lr"]
            total += self._learn(images, labels, np.random.default_rng((self.seed, epoch, number)))
            if number % CHECK_EVERY == 0 or number == self.steps:
                mean = self.finite(self.team.mean(total / number), epoch)
                detail = f"epoch {epoch + 1}/{self.recipe.epochs}, loss {mean:.3f}"
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

    def _learn(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        """Take one step and return the mean of its losses."""
        losses = []
        with torch.autocast(self.device.split(":")[0], _amp_dtype(), enabled=self.amp):
            for loss in self.step(self.running, images, labels, self.criterion, rng):
                self.scaler.scale(loss).backward()
                losses.append(loss.detach())
        if self.recipe.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return torch.stack(losses).mean()


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
        warmup_prefix=False,
        step_on_epochs=False,
        updates_per_epoch=steps,
    )
    return scheduler


def _amp_dtype() -> torch.dtype:
    half = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    return torch.float16 if half else torch.bfloat16

"""Train a network on a split by a recipe; this module knows nothing of placements.

Every epoch has its own seeds and ends with a checkpoint. So training that was killed continues
after its last complete epoch, and on a CPU it ends with the same weights as without the break.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from ean_search.data.splits import Split
from ean_search.data.transforms import augmented
from ean_search.training.distillation import make_teacher
from ean_search.training.freezing import FindFrozen, freeze, keep_in_evaluation, unfreeze
from ean_search.training.non_finite import Cause, find_cause, have_finite_gradients, is_finite
from ean_search.training.optimization import (
    amp_dtype,
    make_criterion,
    make_mixup,
    make_optimizer,
    make_scheduler,
    warn_of_few_updates,
)
from ean_search.training.process_group import ProcessGroup, SingleProcess
from ean_search.training.recipe import Recipe
from ean_search.training.step import Step, TrainingBatch, plain_step
from ean_search.training.weight_average import WeightAverage
from ean_search.utils.errors import DivergedError, UserError
from ean_search.utils.files import load_checkpoint, save_checkpoint
from ean_search.utils.progress import Progress, ProgressMessage, silent
from ean_search.utils.seeding import derive_seed, seeded

STEPS_BETWEEN_CHECKS = 20  # of the loss; each check waits for the device


@dataclass(frozen=True)
class TrainingContext:
    """Everything that a training needs beside network, data and recipe.

    Attributes:
        seed: Seed of the order of images, the augmentation, and the generator of the steps.
        device: Where to train.
        step: Yields the losses of a batch.
        find_frozen: Finds the modules whose own weights and statistics stay; None: all learn.
        teacher: A trained network whose logits the recipe's `distil` mixes into the loss.
        checkpoint: The file to which the state is saved after every epoch; None: no file. If it
            exists, training continues from it.
        stop_after_epoch: The number of epochs after which to stop; None: those of the recipe.
        task: The name of the training in progress reports.
        progress: Receives a report every 20 updates and at the end of an epoch.
        group: The processes that share each batch.
    """

    seed: int = 0
    device: str = "cpu"
    step: Step = plain_step
    find_frozen: FindFrozen | None = None
    teacher: nn.Module | None = None
    checkpoint: Path | None = None
    stop_after_epoch: int | None = None
    task: str = "training"
    progress: Progress = silent
    group: ProcessGroup = field(default_factory=SingleProcess)


History = list[dict[str, float]]  # one entry per epoch: its number, mean loss and first rate


class Trainer(Protocol):
    """A function that trains a network in place, as `fit` does."""

    def __call__(
        self, network: nn.Module, split: Split, recipe: Recipe, context: TrainingContext, /
    ) -> History:
        """Train the network and return the history of the epochs."""


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
        One entry per epoch: `epoch` (from 1), `loss` (the mean) and `lr` (the first one).

    Raises:
        DivergedError: If the loss becomes infinite or NaN.
        UserError: If the recipe does not fit the data or the network.

    Example:
        >>> context = TrainingContext(seed=1, device="cuda", checkpoint=Path("state.pt"))
        >>> history = fit(network, data.train, load_recipe("quick"), context)
    """
    context = context or TrainingContext()
    network.to(context.device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)
    training = _Training(network, augmented(split, recipe.augment), recipe, context)
    if context.group.leads:
        warn_of_few_updates(len(split), recipe.batch_size, training.steps)
    checkpoint = context.checkpoint
    if checkpoint and checkpoint.is_file():
        training.load(checkpoint)
    training.report(len(training.history) * training.steps)
    stop = min(context.stop_after_epoch or recipe.epochs, recipe.epochs)
    for epoch in range(len(training.history), stop):
        training.run_epoch(epoch)
        if checkpoint and context.group.leads:
            training.save(checkpoint)
    if training.ema is not None:
        network.load_state_dict(training.ema.module.state_dict())
    unfreeze(training.frozen_parameters)
    return training.history


class _Training:
    """A network in training, with its optimizer and everything else that changes with it."""

    def __init__(self, network: nn.Module, split: Split, recipe: Recipe, context: TrainingContext):
        self.network, self.split, self.recipe, self.context = network, split, recipe, context
        self.steps = split.steps(recipe.batch_size)
        compiled = cast(nn.Module, torch.compile(network)) if recipe.compile else network
        self.frozen = context.find_frozen(network) if context.find_frozen else ()
        self.frozen_parameters = freeze(self.frozen)
        self.teacher = make_teacher(context.teacher, recipe, context.device)
        self.mixup = make_mixup(network, recipe)
        self.criterion = make_criterion(recipe)
        self.optimizer = make_optimizer(network, recipe)
        self.scheduler = make_scheduler(self.optimizer, recipe, self.steps)
        self.amp = recipe.amp and context.device.startswith("cuda")
        self.amp_dtype = amp_dtype(recipe.amp_dtype)
        self.scaler = torch.amp.GradScaler(enabled=self.amp and self.amp_dtype is torch.float16)
        self.ema: WeightAverage | None = None
        if recipe.ema is not None:
            self.ema = WeightAverage(network, recipe.ema, warmup=recipe.ema_warmup)
        self.history: History = []
        # Epoch 1 is repeated from here if its loss is not finite.
        self.first_weights: dict[str, Tensor] | None = {
            name: value.to("cpu", copy=True) for name, value in network.state_dict().items()
        }
        # The network as steps call it: compiled, and with gradients averaged over the processes.
        self.wrapped_network = context.group.wrap(compiled)

    def report(self, update: int, message: str = "") -> None:
        """Report the number of updates done."""
        total = self.recipe.epochs * self.steps
        self.context.progress(self.context.task, update, total, message)

    def save(self, path: Path) -> None:
        """Save the state after an epoch."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        save_checkpoint(state | {"history": self.history}, path)

    def load(self, path: Path) -> None:
        """Load the state of an earlier run of the same training."""
        state = load_checkpoint(path)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.history, self.first_weights = state["history"], None

    def _parts(self) -> dict[str, Any]:
        """Return the parts of a checkpoint, by the names that they have in its file."""
        parts = {"network": self.network, "optimizer": self.optimizer, "scaler": self.scaler}
        return parts if self.ema is None else parts | {"ema": self.ema}

    def _check_finite(self, loss: Tensor, epoch: int) -> float:
        """Return a loss as a number, and raise an error if it is infinite or NaN."""
        value = float(loss)
        if np.isfinite(value):
            return value
        checkpoint = self.context.checkpoint
        kept = f"{checkpoint} holds the state after epoch {epoch}"
        cause = self._find_cause(epoch)
        raise DivergedError(
            f"{self.context.task}: the loss became {value} in epoch {epoch + 1}; "
            f"{kept if checkpoint and epoch else 'there is no good state before it'}"
            f"{'; ' if cause.text else ''}{cause.text}"
            f"{'. A lower learning rate or gradient clipping usually helps' * cause.may_be_rate}"
        )

    def _find_cause(self, epoch: int) -> Cause:
        """Repeat an epoch up to the first update that is not finite, and find out what was not."""
        if not isinstance(self.context.group, SingleProcess) or not self._return_to(epoch):
            return Cause("")
        torch.manual_seed(derive_seed(self.context.seed, epoch))
        for number, (images, labels) in enumerate(self._batches(epoch), 1):
            self.scheduler.step_update(epoch * self.steps + number - 1)
            key = (self.context.seed, epoch, number)
            batch = *self._mix(images, labels, key), key
            losses = self._propagate(self.network, *batch)
            scaled = self.scaler.is_enabled()  # its steps leave out gradients that are not finite
            if not is_finite(losses) or not (scaled or have_finite_gradients(self.network)):
                self.optimizer.zero_grad()
                compute = partial(self._propagate, self.network, *batch)
                return find_cause(self.network, batch[0], compute)
            self._step()
        return Cause("")

    def _return_to(self, epoch: int) -> bool:
        """Return to the state before an epoch, if it is known."""
        checkpoint = self.context.checkpoint
        if self.first_weights is not None:
            self.network.load_state_dict(self.first_weights)
            self.optimizer.state.clear()
            return True
        if checkpoint and checkpoint.is_file():
            self.load(checkpoint)
            return len(self.history) == epoch
        return False

    def run_epoch(self, epoch: int) -> None:
        """Train for one epoch and add its mean loss to the history."""
        torch.manual_seed(derive_seed(self.context.seed, epoch))
        self.wrapped_network.train()
        keep_in_evaluation(self.frozen)
        total = torch.zeros((), device=self.context.device)
        for number, (images, labels) in enumerate(self._batches(epoch), 1):
            self.scheduler.step_update(epoch * self.steps + number - 1)
            if number == 1:
                rate = self.optimizer.param_groups[0]["lr"]
            key = (self.context.seed, epoch, number)
            total += self._update(*self._mix(images, labels, key), key)
            if self.ema is not None:
                self.ema.update(self.network, step=epoch * self.steps + number)
            if number % STEPS_BETWEEN_CHECKS == 0 or number == self.steps:
                mean = self._check_finite(self.context.group.mean(total / number), epoch)
                text = f"epoch {epoch + 1}/{self.recipe.epochs}, loss {mean:.3f}"
                message = ProgressMessage(text, {"loss": mean, "lr": rate})
                self.report(epoch * self.steps + number, message)
        self.history.append({"epoch": epoch + 1, "loss": mean, "lr": rate})
        self.first_weights = None

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self.split.batches(
            self.recipe.batch_size, shuffle=(self.context.seed, epoch), device=self.context.device
        )
        for images, labels in batches:
            if self.recipe.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            yield images, labels

    def _mix(self, images: Tensor, labels: Tensor, key: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Mix the images of a batch with each other, if the recipe asks for it."""
        if self.mixup is None:
            return images, labels
        if len(images) % 2:
            raise UserError(f"mixup and cutmix need an even number of images, got {len(images)}")
        with seeded(derive_seed(*key)):
            return self.mixup(images, labels)

    def _update(self, images: Tensor, labels: Tensor, key: tuple[int, ...]) -> Tensor:
        """Update the weights once, and return the mean of the step's losses."""
        losses = self._propagate(self.wrapped_network, images, labels, key)
        self._step()
        return torch.stack(losses).mean() * min(self.recipe.accumulate, len(images))

    def _propagate(
        self, network: nn.Module, images: Tensor, labels: Tensor, key: tuple[int, ...]
    ) -> list[Tensor]:
        """Propagate the step's losses back; return them, each times its share of the batch."""
        pieces = min(self.recipe.accumulate, len(images))
        image_pieces, label_pieces = images.chunk(pieces), labels.chunk(pieces)
        losses = []
        with torch.autocast(self.context.device.split(":")[0], self.amp_dtype, enabled=self.amp):
            for piece in zip(image_pieces, label_pieces, strict=True):
                rng = np.random.default_rng(key)
                batch = TrainingBatch(*piece, self.criterion, rng, self.teacher(piece[0]))
                share = len(batch.images) / len(images)
                for loss in self.context.step(network, batch):
                    self.scaler.scale(loss * share).backward()
                    losses.append(loss.detach() * share)
        return losses

    def _step(self) -> None:
        """Update the weights by their gradients."""
        if self.recipe.clip_grad is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_grad)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

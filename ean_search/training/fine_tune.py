"""Fine-tune a network for all its placements, on batches and by a loss that are the user's own.

This module knows nothing of images or labels: a batch is whatever the loader gives, and the loss is
whatever a function makes of the network and a batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ean_search.core.space import Space
from ean_search.networks.builder import place
from ean_search.training.freezing import freeze, frozen_backbone, keep_in_evaluation, unfreeze
from ean_search.training.path_sampling import find_path_sampler
from ean_search.utils.config import MAX_COUNT, FrozenConfig
from ean_search.utils.errors import DivergedError, UserError, describe_crash
from ean_search.utils.files import load_checkpoint, save_checkpoint
from ean_search.utils.progress import Progress, ProgressMessage, silent
from ean_search.utils.seeding import derive_seed, seeded

LossFunction = Callable[[nn.Module, Any], Any]  # of a network and a batch
MakeOptimizer = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
RATES = {"attention": 1e-3, "all": 1e-4}  # of what learns, if no rate is given
STEPS_BETWEEN_REPORTS = 20


class FineTuning(FrozenConfig):
    """How a network is fine-tuned for all its placements.

    Attributes:
        epochs: How often the loader is gone through; 0: placements are scored as they are.
        tune: What learns: `attention` only, on a network that stays; or `all` that learnt before;
            `auto`: all where the network's own attention is a choice.
        sampler: The path sampler: which placements a training step trains.
        lr: The learning rate of AdamW; None: 0.001 for attention, 0.0001 for all.
        clip_grad: The largest norm of the gradient; None: not clipped.
        amp: Whether to use mixed precision (bfloat16).
        calibrate: How many batches set the norm statistics of each placement before it is scored,
            where norms learn; 0: all placements use those of the training.
    """

    epochs: int = Field(default=1, ge=0, le=MAX_COUNT)
    tune: Literal["auto", "all", "attention"] = "auto"
    sampler: str = "uniform-count"
    lr: float | None = Field(default=None, gt=0)
    clip_grad: float | None = Field(default=None, gt=0)
    amp: bool = False
    calibrate: int = Field(default=8, ge=0, le=MAX_COUNT)

    @field_validator("sampler")
    @classmethod
    def _check_sampler(cls, name: str) -> str:
        find_path_sampler(name)
        return name

    def batches_for_norms(self, space: Space) -> int:
        """Return how many batches set the norm statistics of a placement of a space."""
        return self.calibrate if self.epochs and self.tunes(space) == "all" else 0

    def tunes(self, space: Space) -> str:
        """Return what learns in a space: `attention` or `all`."""
        if self.tune != "auto":
            return self.tune
        return "all" if space.has_own else "attention"


@dataclass(frozen=True)
class FineTuner:
    """Fine-tunes a network in place.

    Attributes:
        space: The space of the network.
        settings: How to train.
        loader: Gives batches, each time it is gone through.
        loss: The loss of a network on a batch: a scalar, or several in a mapping or a sequence.
        make_optimizer: Makes an optimizer for what learns; None: AdamW.
        seed: Of the placements, and of the global generators while an epoch runs.
        device: The device of the network.
        checkpoint: The file of the state after every epoch; training goes on from it.
        progress: Receives a report every 20 updates.
    """

    space: Space
    settings: FineTuning
    loader: Iterable[Any]
    loss: LossFunction
    make_optimizer: MakeOptimizer | None = None
    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    progress: Progress = silent

    def fit(self, network: nn.Module) -> None:
        """Train a network of the space.

        Raises:
            DivergedError: If a loss is not a finite number.
            UserError: If nothing learns, or the loader gives nothing.
        """
        still = self._find_still(network)
        frozen = freeze(still)
        optimizer = self._optimizer(network)
        done = self._load(network, optimizer)
        for epoch in range(done, self.settings.epochs):
            with seeded(derive_seed(self.seed, epoch)):
                network.train()
                # Layers only: a detector as a whole gives losses in training mode alone.
                keep_in_evaluation([module for module in still if not any(module.children())])
                self._run_epoch(network, optimizer, epoch)
            if self.checkpoint:
                state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
                save_checkpoint(state | {"epochs": epoch + 1}, self.checkpoint)
        optimizer.zero_grad(set_to_none=True)
        unfreeze(frozen)

    def _find_still(self, network: nn.Module) -> list[nn.Module]:
        """Return the modules that neither learn nor change: norms whose weights the user froze."""
        if self.settings.tunes(self.space) == "attention":
            return frozen_backbone(network)
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        return [norm for norm in norms if not any(p.requires_grad for p in norm.parameters())]

    def _optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        learning = [p for p in network.parameters() if p.requires_grad]
        if not learning:
            raise UserError(
                "nothing in the network learns: tune='all' trains the network itself, too, and "
                "epochs=0 scores placements as they are"
            )
        if self.make_optimizer is not None:
            return self.make_optimizer(learning)
        rate = self.settings.lr or RATES[self.settings.tunes(self.space)]
        return torch.optim.AdamW(learning, lr=rate)

    def _load(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Return to the state of an interrupted training; return how many epochs it has done."""
        if self.checkpoint is None or not self.checkpoint.is_file():
            return 0
        state = load_checkpoint(self.checkpoint)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["epochs"])

    def _run_epoch(self, network: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        sampler, number, total = find_path_sampler(self.settings.sampler), 0, 0.0
        for number, batch in enumerate(self.loader, 1):
            rng = np.random.default_rng((self.seed, epoch, number))
            placements = sampler.draw(self.space, rng)
            for placement in placements:
                loss = self._loss(place(network, placement), batch) / len(placements)
                total += self._check_finite(loss, epoch)
                if loss.requires_grad:  # nothing learns in a placement without attention
                    loss.backward()
            if self.settings.clip_grad is not None:
                nn.utils.clip_grad_norm_(network.parameters(), self.settings.clip_grad)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if number % STEPS_BETWEEN_REPORTS == 0:
                self._report(epoch, total / number, f", update {number}")
        if not number:
            raise UserError("the loader gives no batch")
        self._report(epoch + 1, total / number, "")

    def _loss(self, network: nn.Module, batch: Any) -> Tensor:
        kind = self.device.split(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self.settings.amp):
            return scalar_loss(self.loss(network, batch))

    @staticmethod
    def _check_finite(loss: Tensor, epoch: int) -> float:
        value = float(loss.detach())
        if not np.isfinite(value):
            raise DivergedError(f"fine-tuning: the loss became {value} in epoch {epoch + 1}")
        return value

    def _report(self, epoch: int, loss: float, where: str) -> None:
        epochs = self.settings.epochs
        text = f"epoch {min(epoch + bool(where), epochs)}/{epochs}{where}, loss {loss:.4g}"
        self.progress("fine-tuning", epoch, epochs, ProgressMessage(text, {"loss": loss}))


def scalar_loss(value: Any) -> Tensor:
    """Return what a loss function gave as one scalar: several losses are added.

    Args:
        value: A tensor with one element, or several in a mapping or a sequence.

    Raises:
        UserError: If it is something else.
    """
    losses = list(_single_losses(value))
    if not losses:
        raise UserError("the loss gives an empty collection of losses")
    return torch.stack([loss.reshape(()) for loss in losses]).sum()


def _single_losses(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Mapping):
        value = list(value.values())
    for loss in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(loss, Tensor):
            raise UserError(f"the loss is no tensor: loss(model, batch) gave {type(loss).__name__}")
        if loss.numel() != 1:
            shape = tuple(loss.shape)
            raise UserError(f"the loss is no scalar: loss(model, batch) gave a tensor of {shape}")
        yield loss


def check_loss(network: nn.Module, loader: Iterable[Any], loss: LossFunction) -> None:
    """Compute the loss of one batch, before anything is trained.

    Args:
        network: A network that may be changed.
        loader: Gives batches.
        loss: The loss of a network on a batch.

    Raises:
        UserError: If there is no batch, or the loss is no finite scalar that depends on weights.
    """
    with seeded(0):
        batch = next(iter(loader), None)
        if batch is None:
            raise UserError("the loader gives no batch")
        try:
            value = scalar_loss(loss(network.train(), batch))
        except UserError:
            raise
        except Exception as error:  # of anybody's function
            raise UserError(f"loss(model, batch) failed: {describe_crash(error)}") from error
    if not torch.isfinite(value):
        raise UserError(f"the loss of the first batch is {float(value.detach())}")

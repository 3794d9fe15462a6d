"""Make what a recipe names: optimizer, schedule, mixup, loss and the type of mixed precision."""

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from timm.data.mixup import Mixup
from timm.loss.binary_cross_entropy import BinaryCrossEntropy
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler.scheduler import Scheduler
from timm.scheduler.scheduler_factory import create_scheduler_v2
from torch import Tensor, nn

from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError

log = logging.getLogger(__name__)
FEW_UPDATES = 10  # in an epoch: fewer are worth a warning
Criterion = Callable[[Tensor, Tensor], Tensor]  # the loss of logits and labels
# Torch computes these in one kernel, also on CPUs. Its fused SGD with momentum fails as soon as a
# module is used for the first time after the first step.
FUSED_OPTIMIZERS = ("adam", "adamw")
AMP_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimizer; biases and norms have no weight decay unless the recipe asks for it.

    Raises:
        UserError: If nothing of the network learns.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise UserError(
            "nothing in the network learns: the backbone is frozen, and there are no "
            "attentions with parameters; --tune all trains the backbone, too"
        )
    options: dict[str, Any] = {"fused": True} if recipe.optimizer in FUSED_OPTIMIZERS else {}
    if recipe.layer_decay is not None:
        options["layer_decay"] = recipe.layer_decay
    return create_optimizer_v2(
        network,
        opt=recipe.optimizer,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        filter_bias_and_bn=not recipe.decay_norms,
        **options,
    )


def make_scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> Scheduler:
    """Make the learning rate schedule.

    The rate depends on the number of the update alone; the schedule has no state to save.

    Args:
        optimizer: The optimizer whose rate is set.
        recipe: How to train.
        steps: The number of updates of an epoch.
    """
    # timm's schedules take fractions of epochs, but its annotations ask for integers.
    epochs: dict[str, Any] = {
        "warmup_epochs": recipe.warmup_epochs,
        # timm drops the rate one update before a milestone; half an update later is right.
        "decay_milestones": [milestone + 0.5 / steps for milestone in recipe.milestones],
    }
    scheduler, _ = create_scheduler_v2(
        optimizer,
        sched={"cosine": "cosine", "step": "multistep"}[recipe.schedule],
        num_epochs=recipe.epochs,
        decay_rate=recipe.gamma,
        warmup_lr=recipe.lr / 100,
        min_lr=recipe.min_lr,
        warmup_prefix=False,
        step_on_epochs=False,
        updates_per_epoch=steps,
        **epochs,
    )
    assert scheduler is not None, "timm knows both schedules"
    return scheduler


def make_mixup(network: nn.Module, recipe: Recipe) -> Mixup | None:
    """Make the function that mixes the images of a batch, or None if the recipe has no mixing.

    Raises:
        UserError: If the recipe mixes images, and the network has no attribute `num_classes`.
    """
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


def make_criterion(recipe: Recipe) -> Criterion:
    """Make the loss of logits and labels."""
    if recipe.loss == "binary":
        return BinaryCrossEntropy(recipe.label_smoothing)
    if recipe.mixes:
        return SoftTargetCrossEntropy()  # mixup has smoothed the labels already
    return nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)


def amp_dtype(name: str) -> torch.dtype:
    """Return the type of mixed precision.

    Args:
        name: `bfloat16`, `float16`, or `auto`: bfloat16 unless the GPU lacks it.
    """
    if name != "auto":
        return AMP_DTYPES[name]
    half = torch.cuda.is_available() and not torch.cuda.is_bf16_supported()
    return torch.float16 if half else torch.bfloat16


@lru_cache  # once in a process, however many networks are trained
def warn_of_few_updates(images: int, batch_size: int, updates: int) -> None:
    """Warn if an epoch has so few updates that it teaches little.

    Args:
        images: The number of training images.
        batch_size: That of the recipe.
        updates: The number of updates in an epoch.
    """
    if updates < FEW_UPDATES:
        log.warning(
            "%d training images in batches of %d: only %d update%s in an epoch; a smaller batch "
            "size (--batch-size) gives more",
            *(images, batch_size, updates, "s" if updates > 1 else ""),
        )

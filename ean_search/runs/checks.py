"""What can be wrong with an experiment, found before its run has a folder.

Nothing is trained or timed here. The network is built as the run will build it, and computes the
classes of two images.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ean_search.attention.state import ChainedAttention
from ean_search.core.objective import Limit, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.data.datasets import Data, load_data
from ean_search.data.splits import Split
from ean_search.data.transforms import augmented
from ean_search.distributed.config import check_batch_size, check_scheduler
from ean_search.networks.builder import build, place_per_sample
from ean_search.networks.example import Example
from ean_search.networks.forward_check import check_forward
from ean_search.networks.pretrained import load_backbone
from ean_search.runs.experiment import Experiment
from ean_search.runs.warm_start import find_trials
from ean_search.search.searchers.registry import make_searcher
from ean_search.training.distillation import check_teacher
from ean_search.training.freezing import freeze, frozen_backbone, unfreeze
from ean_search.training.optimization import make_mixup, make_optimizer
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights


def check_experiment(experiment: Experiment) -> None:
    """Check all that can be checked before anything is measured or trained.

    Args:
        experiment: With the sites of its space known and its device found; see `resolve`.

    Raises:
        UserError: If the searcher, an option, a limit, the data, an attention, the given weights, a
            recipe or the number of training workers cannot work.
    """
    check_search(experiment)
    data = load_data(experiment.data)
    _check_classes(experiment.space, data)
    network = build(experiment.space, data.classes, experiment.seed)
    _check_images(network, experiment.space, data)
    if experiment.search.evaluator == "shared":
        _check_supernet(network, experiment, data)
    if experiment.search.evaluator == "standalone" or experiment.search.verify:
        if experiment.supernet.pretrained:
            raise UserError(
                "--pretrained is for shared weights: stand-alone trainings (--evaluator "
                "standalone, --verify) start from random ones; `retrain` starts from the search's"
            )
        _check_recipe(network, experiment.standalone, data.train)


def check_search(experiment: Experiment) -> None:
    """Check the searcher, its options, the limits and the scheduler; costs are not known yet."""
    search, space = experiment.search, experiment.space
    problem = Problem(space, search.goal, _unmeasured_cost)
    problem.feasible(problem.plain)  # raises if a limit has no meaning in this space
    check_limits(problem, [limit for limit in search.goal.limits if limit.axis == "sites"])
    searcher = make_searcher(search.searcher, problem, **search.options)
    if search.warm_start:
        searcher.warm_start(find_trials(search.warm_start, space))
    check_scheduler(search.scheduler)


def _unmeasured_cost(placement: Placement) -> Cost:
    """Return a cost that stands in for the one that will be measured."""
    added = placement.attached
    return Cost(added, 1 + added, 1 + added, 1 + added, 1.0 + added, 1 + added)


def check_limits(problem: Problem, limits: list[Limit] | None = None) -> None:
    """Refuse limits that no placement can keep.

    Args:
        problem: The space, its limits and its costs.
        limits: Those to check; all if None.

    Raises:
        UserError: If a limit is beyond what any placement costs, or limits exclude each other.
    """
    chosen = list(problem.objective.limits) if limits is None else limits
    for axis in dict.fromkeys(limit.axis for limit in chosen):
        bounds = [limit for limit in chosen if limit.axis == axis]
        if not _can_hold(problem, axis, bounds):
            low, high = _range_on(problem, axis)
            text = ", ".join(map(str, bounds))
            raise UserError(
                f"no placement of {problem.space.name!r} keeps the limits {text!r}: "
                f"its {axis} lie between {low:.6g} and {high:.6g}"
            )


def _can_hold(problem: Problem, axis: str, bounds: list[Limit]) -> bool:
    """Tell whether a placement may keep all bounds on an axis."""
    plain = problem.given
    if axis == "sites":
        counts = (replace(plain, sites=count) for count in range(problem.space.sites + 1))
        return any(all(limit.holds(cost, plain) for limit in bounds) for cost in counts)
    low, high = _range_on(problem, axis)
    extremes: dict[bool, dict[str, Any]] = {True: {axis: low}, False: {axis: high}}
    return all(
        limit.holds(replace(plain, **extremes[limit.sign in ("<", "<=")]), plain)
        for limit in bounds
    )


def _range_on(problem: Problem, axis: str) -> tuple[float, float]:
    """Return bounds of what placements cost on an axis: sums of what single sites add."""
    space, plain = problem.space, problem.plain.on(axis)
    low = high = plain
    for site in range(space.sites):
        added = [0.0]
        for choice in range(1, space.choices):
            single = space.placement(choice * (i == site) for i in range(space.sites))
            added.append(problem.price(single).on(axis) - plain)
        low, high = low + min(added), high + max(added)
    return low, high


def _check_classes(space: Space, data: Data) -> None:
    if data.classes < 2:
        raise UserError(f"data {data.name!r} has {data.classes} class; at least 2 are needed")
    given = space.backbone_args.get("num_classes")
    if isinstance(given, int) and given < data.classes:
        raise UserError(
            f"space.backbone_args.num_classes is {given}, but data {data.name!r} has "
            f"{data.classes} classes: leave num_classes out"
        )


def _check_images(network: nn.Module, space: Space, data: Data) -> None:
    """Let the network compute the classes of two images, with each attention at every site."""
    images, _ = next(iter(data.search.batches(2)))
    for name, logits in check_forward(network, space, Example.of(images)).items():
        if logits.shape[0] != len(images) or logits.dim() != 2 or logits.shape[1] < data.classes:
            raise UserError(
                f"{name} turns {len(images)} images into a tensor of shape "
                f"{tuple(logits.shape)}; expected {(len(images), data.classes)}"
            )


def _check_supernet(network: nn.Module, experiment: Experiment, data: Data) -> None:
    """Check what the weight-sharing network is trained with, or the weights that are given."""
    supernet = experiment.supernet
    if supernet.weights:
        load_weights(network, Path(supernet.weights))
        return
    if supernet.pretrained:
        load_backbone(network, experiment.space, supernet.pretrained)
    frozen = freeze(frozen_backbone(network)) if supernet.freezes_backbone else []
    _check_recipe(network, supernet.recipe, data.train, bool(supernet.pretrained))
    unfreeze(frozen)
    if supernet.per_sample and any(isinstance(m, ChainedAttention) for m in network.modules()):
        place_per_sample(network, [experiment.space.named["none"]])  # raises with the reason
    if experiment.train_workers > 1:
        check_batch_size(supernet.recipe.batch_size, experiment.train_workers)
        _check_gpus(experiment)


def _check_gpus(experiment: Experiment) -> None:
    count = torch.cuda.device_count()
    if experiment.device.startswith("cuda") and 0 < count < experiment.train_workers:
        raise UserError(
            f"expected at most {count} training workers, one a GPU, got {experiment.train_workers}"
        )


def _check_recipe(
    network: nn.Module, recipe: Recipe, split: Split, has_teacher: bool = False
) -> None:
    """Make what a training makes of its recipe."""
    check_teacher(has_teacher, recipe)
    augmented(split, recipe.augment)
    make_mixup(network, recipe)
    make_optimizer(network, recipe)

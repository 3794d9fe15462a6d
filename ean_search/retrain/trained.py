"""Which placements of a run are retrained, with which seeds, and the command that trains others."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ean_search.analysis.training_folder import TrainingFolder
from ean_search.core.space import Placement
from ean_search.retrain.retrain import RetrainingPlan, plan_retraining
from ean_search.training.recipe import shipped_recipes
from ean_search.utils.errors import UserError

# Fields of a recipe that `retrain` has flags for.
FLAGS = {"epochs": "--epochs", "batch_size": "--batch-size", "lr": "--lr"}


def choose_trainings(plan: RetrainingPlan, placements: Sequence[Placement]) -> RetrainingPlan:
    """Choose the recipe and the start of backbones that most trainings of placements have.

    Args:
        plan: The recipe that it names is kept.
        placements: Those that must be trained in the same way.

    Returns:
        The plan with this recipe and start; the plan itself if nothing is trained.
    """
    root = plan.run.retrain_folder()
    seeds: dict[tuple[str, str], dict[Placement, set[int]]] = defaultdict(lambda: defaultdict(set))
    for placement in placements:
        for training in plan.run.trainings(placement, recipe=plan.recipe):
            pretrained = training.read_description().get("pretrained")
            start = (training.recipe_below(root) or "", pretrained or "")
            seeds[start][placement].add(training.seed)
    if not seeds:
        return plan

    def count(start: tuple[str, str]) -> tuple[int, int]:
        by_placement = [seeds[start][placement] for placement in placements]
        return len(set.intersection(*by_placement)), sum(map(len, by_placement))

    recipe, pretrained = max(sorted(seeds), key=count)  # of equals, the run's own recipe
    return replace(plan, recipe=plan.recipe or recipe or None, pretrained=pretrained or None)


def trained_seeds(plan: RetrainingPlan, placements: Sequence[Placement]) -> list[int]:
    """Return the seeds with which a plan's trainings of all placements are finished."""
    each = [{folder.seed for folder in _trainings(plan, p)} for p in placements]
    return sorted(set.intersection(*each)) if each else []


def default_seeds(
    plan: RetrainingPlan, placements: Sequence[Placement], first: int | None = None
) -> list[int]:
    """Return the seeds to use where nobody said how many: those with which all are trained.

    Args:
        plan: How the placements were retrained.
        placements: The placements, the most important one first.
        first: The lowest seed to use; any if None.

    Returns:
        If there is no such seed, those of the first placement; if it has none either, one seed.
    """
    for some in (placements, placements[:1]):
        seeds = [s for s in trained_seeds(plan, some) if first is None or s >= first]
        if seeds:
            return seeds
    return [plan.experiment.seed]


def check_trained(
    plan: RetrainingPlan, chosen: Mapping[str, Sequence[Placement]], seeds: Sequence[int]
) -> None:
    """Check that placements are retrained with all seeds.

    Args:
        plan: How they were to be retrained.
        chosen: Placements by name.
        seeds: The seeds.

    Raises:
        UserError: If not; it names what is missing, with the command that trains it.
    """
    missing: dict[Placement, tuple[str, list[int]]] = {}
    for name, placements in chosen.items():
        for placement in placements:
            absent = [s for s in seeds if not plan.checkpoint(placement, s).is_finished]
            if absent and placement not in missing:
                # Random placements have no names that mean the same in another command.
                word = name if ":" not in name else str(placement)
                missing[placement] = (word, absent)
    if missing:
        text = "; ".join(f"{_name(p, w)} with {_list(s)}" for p, (w, s) in missing.items())
        raise UserError(f"not retrained yet: {text}; train them by: {_command(plan, missing)}")


def _command(plan: RetrainingPlan, missing: dict[Placement, tuple[str, list[int]]]) -> str:
    """Return a command that trains what is missing; what exists is only read by it."""
    first, *others = [word for word, _ in missing.values()]
    seeds = [seed for _, absent in missing.values() for seed in absent]
    words = [f"ean-search retrain {plan.run.path} --placement {first}"]
    if others:
        words.append(f"--compare {','.join(others)}")
    if min(seeds) != plan.run.fields["seed"]:
        words.append(f"--seed {min(seeds)}")
    if max(seeds) > min(seeds):
        words.append(f"--seeds {max(seeds) - min(seeds) + 1}")
    if plan.recipe:
        shipped = plan.recipe in shipped_recipes() or plan.recipe.endswith((".yaml", ".yml"))
        words.append(f"--recipe {plan.recipe if shipped else plan.recipe + '.yaml'}")
    if plan.pretrained:
        words.append("--pretrained" + f" {plan.pretrained}" * (plan.pretrained != "timm"))
    return " ".join([*words, *_flags_of_recipe(plan)])


def _flags_of_recipe(plan: RetrainingPlan) -> list[str]:
    """Write what trainings of this plan have in another way than its recipe says, as flags."""
    example = next((t for t in plan.run.trainings() if _belongs(plan, t)), None)
    try:
        plain = plan_retraining(plan.run, None, plan.recipe).experiment.retrain
    except UserError:  # a recipe of the user's own, in a file that lies elsewhere
        return []
    if example is None:
        return []
    wanted: dict[str, Any] = plain.model_dump(mode="json")
    stored = example.read_description()["recipe"]
    changed = {key: value for key, value in stored.items() if wanted.get(key) != value}
    return [
        f"{FLAGS[key]} {value}" if key in FLAGS else f"--set 'retrain.{key}={value}'"
        for key, value in changed.items()
    ]


def _trainings(plan: RetrainingPlan, placement: Placement) -> list[TrainingFolder]:
    """List the finished trainings of a placement that belong to a plan."""
    return [t for t in plan.run.trainings(placement) if _belongs(plan, t)]


def _belongs(plan: RetrainingPlan, training: TrainingFolder) -> bool:
    folder = plan.run.retrain_folder(plan.recipe, plan.pretrained is not None)
    return training.path.parent == folder


def _name(placement: Placement, word: str) -> str:
    return word if word == str(placement) else f"{word} ({placement})"


def _list(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"

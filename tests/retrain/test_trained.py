"""Which retrainings exist, and the commands that make the others."""

import pytest

from ean_search.retrain.retrain import plan_retraining
from ean_search.retrain.trained import (
    check_trained,
    choose_trainings,
    default_seeds,
    trained_seeds,
)
from ean_search.runs.experiment import load_experiment, save_experiment
from ean_search.runs.pipeline import resolve
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT, describe_training, write_checkpoint


@pytest.fixture
def plan(tmp_path):
    from ean_search.analysis.run_folder import Run

    run = Run(tmp_path)
    save_experiment(resolve(load_experiment(None, SMALL_EXPERIMENT)), run.experiment_file)
    return plan_retraining(run)


def train(plan, text, seed, recipe=None, pretrained=None):
    folder = plan.run.retrain_folder(recipe, pretrained is not None)
    described = describe_training(placement=text, seed=seed, pretrained=pretrained)
    write_checkpoint(folder / f"{text}-seed{seed}", described)


def test_the_way_with_most_seeds_in_common_is_chosen(plan):
    one, two = (plan.space.parse(text) for text in ("1-0-0-0", "0-0-0-0"))
    assert choose_trainings(plan, [one, two]) is plan
    assert default_seeds(plan, [one, two]) == [0]
    for seed in (0, 1, 2):
        train(plan, str(one), seed)
    train(plan, str(two), 2)
    assert choose_trainings(plan, [one, two]).recipe is None
    assert default_seeds(plan, [one, two]) == trained_seeds(plan, [one, two]) == [2]
    for seed in (4, 5):
        for placement in (one, two):
            train(plan, str(placement), seed, "mine", "timm")
    chosen = choose_trainings(plan, [one, two])
    assert (chosen.recipe, chosen.pretrained) == ("mine", "timm")
    assert default_seeds(chosen, [one, two], first=5) == [5]
    with pytest.raises(
        UserError, match=r"retrain \S+ --placement none --seed 3 --recipe mine.yaml"
    ):
        check_trained(chosen, {"none": [two]}, [3, 4])


def test_random_placements_are_spelt_out_and_what_is_there_is_left_out(plan):
    one, two = (plan.space.parse(text) for text in ("1-0-0-0", "0-1-0-0"))
    train(plan, str(one), 0)
    words = r"yet: 0-1-0-0 with seeds 0, 1; train .* --placement 0-1-0-0 --seeds 2( --|$)"
    with pytest.raises(UserError, match=words):
        check_trained(plan, {"random:1": [two]}, [0, 1])
    check_trained(plan, {"best": [one]}, [0])

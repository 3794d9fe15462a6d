from dataclasses import replace

import numpy as np
import optuna
import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.optuna_samplers import OptunaSearcher
from ean_search.search.searchers.registry import make_searcher
from ean_search.testing.check_searcher import check_searcher
from ean_search.testing.toy import ToyLandscape, play_search, price
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3))
TOY = ToyLandscape(SPACE)
PRICED = Problem(SPACE, Objective.parse("accuracy - 0.1 sites - 0.2 latency"), price)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RandomSampler", "QMCSampler", "BruteForceSampler"])
def test_any_sampler_class_keeps_the_contract(name):
    check_searcher(f"optuna:{name}", SPACE)


def test_proposals_are_new_though_the_sampler_repeats_itself():
    told = play_search(make_searcher("optuna-tpe", TOY.problem, tries=0), TOY)
    assert len({trial.placement for trial in told}) == len(told)


def test_the_sampler_knows_every_trial_as_its_own(rng):
    searcher = OptunaSearcher(TOY.problem)
    named = [TOY.trial(p, 0, 0, "done") for p in (SPACE.named["none"], SPACE.named["all"])]
    searcher.tell(named[:1])
    asked = searcher.ask(2, rng)
    searcher.tell([*named, *(TOY.trial(p, 0, 1, "done") for p in asked)])
    done = searcher._study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert len(done) == 4
    assert {tuple(t.params.values()) for t in done} == {t.placement.choices for t in named} | {
        p.choices for p in asked
    }


def test_costs_that_the_objective_names_are_objectives_of_a_multi_objective_sampler(rng):
    searcher = make_searcher("optuna-nsga2", PRICED)
    searcher.tell([TOY.trial(SPACE.named["all"], 0, 0, "done")])
    searcher.ask(1, rng)
    assert searcher._study.trials[0].values == [TOY.accuracy(SPACE.named["all"]), 8, 14.0]
    single = OptunaSearcher(PRICED)
    single.tell([replace(TOY.trial(SPACE.named["all"], 0, 0, "done"), reward=0.25)])
    single.ask(1, rng)
    assert single._study.trials[0].values == [0.25]


def test_a_multi_objective_search_spreads_along_the_front():
    searcher = make_searcher("optuna-nsga2", PRICED, settings={"population_size": 8})
    told = []
    for step in range(30):
        cohort = searcher.ask(4, np.random.default_rng((0, step)))
        trials = [TOY.trial(placement, 0, step, "done") for placement in cohort]
        searcher.tell(trials)
        told += trials
    # The best there is for each number of attachments, were it not for the last few.
    gains = np.sort(TOY.gains[:, 1])[::-1]
    for count in (1, 2, 3):
        found = max(t.accuracy for t in told if t.cost.sites <= count)
        assert found > 0.5 + gains[:count].sum() - 0.05


def test_what_breaks_a_limit_is_told_as_such(rng):
    problem = Problem(SPACE, Objective.parse("accuracy", "sites <= 4"), price)
    searcher = OptunaSearcher(problem)
    searcher.tell([TOY.trial(SPACE.named["all"], 0, 0, "done")])
    (proposed,) = searcher.ask(1, rng)
    searcher.tell([TOY.trial(proposed, 1, 1, "done")])
    assert [t.constraints for t in searcher._study.trials] == [{"limits": 1.0}, {"limits": 0.0}]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("optuna:TPSampler", {}, "unknown Optuna sampler 'TPSampler'; did you mean 'TPESampler'"),
        ("optuna:GridSampler", {}, "optuna:GridSampler cannot be made: .*search_space"),
        ("optuna-tpe", {"settings": {"nonsense": 1}}, "cannot be made: .*nonsense"),
        ("optuna-tpe", {"setings": {}}, "did you mean 'settings'"),
    ],
)
def test_what_cannot_be_made_is_a_user_error(name, options, message):
    with pytest.raises(UserError, match=message):
        make_searcher(name, TOY.problem, **options)

"""Experiments: the shipped ones, files and changes, and the errors that users make."""

from pathlib import Path

import pytest

from ean_search.runs.experiment import Experiment, load_experiment, save_experiment
from ean_search.search.loop import SearchSettings
from ean_search.search.searchers.registry import DEFAULT_SEARCHER
from ean_search.utils.errors import UserError

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PUBLISHED = [f"ean_imagenet_{name}" for name in ("se", "sge", "dia")]
PUBLISHED += [f"ean_cifar100_resnet164_{name}" for name in ("se", "sge", "dia", "spa")]


def load(name, **changes):
    return load_experiment(EXPERIMENTS / f"{name}.yaml", changes)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_experiments_have_the_published_settings(name):
    experiment = load(name)
    assert experiment.space.attention[0].name == name.rpartition("_")[2]
    assert not experiment.space.unit_gate
    supernet, search, retrain = experiment.supernet, experiment.search, experiment.retrain
    assert (supernet.sampler, search.searcher, search.steps) == ("bernoulli", "ean", 300)
    assert search.objective == "accuracy - 0.02 sites"
    for recipe in (supernet.recipe, retrain):
        assert (recipe.optimizer, recipe.lr, recipe.momentum) == ("momentum", 0.1, 0.9)
        assert (recipe.weight_decay, recipe.decay_norms, recipe.schedule) == (1e-4, True, "step")
    imagenet = "imagenet" in name
    assert supernet.recipe.milestones == ()
    assert supernet.recipe.epochs == (40 if imagenet else 60)
    assert retrain.epochs == (120 if imagenet else 180)
    assert retrain.milestones == ((30, 60, 90) if imagenet else (60, 120))
    assert retrain.batch_size == (256 if imagenet else 128)
    assert experiment.data.search_per_class == (100 if imagenet else 50)


@pytest.mark.parametrize("name", PUBLISHED)
def test_improved_experiments_change_the_search_and_not_the_network(name):
    published, improved = load(name), load(f"{name}_improved")
    assert improved.space == published.space.model_copy(update={"unit_gate": True})
    assert improved.retrain == published.retrain
    assert improved.data == published.data
    assert improved.supernet.sampler == "uniform-count"
    assert improved.supernet.recipe.lr == published.supernet.recipe.lr
    assert improved.search.searcher == DEFAULT_SEARCHER


def test_published_reductions():
    assert load("ean_imagenet_dia").space.attention[0].options == {"reduction": 20}
    assert load("ean_cifar100_resnet164_dia").space.attention[0].options == {"reduction": 4}


@pytest.mark.parametrize("kind", [Path, str])
def test_an_experiment_survives_its_file(tmp_path, kind):
    experiment = load("ean_imagenet_sge")
    path = kind(tmp_path / "experiment.yaml")
    save_experiment(experiment, path)
    assert load_experiment(path) == experiment


def test_later_bases_and_the_file_itself_win(tmp_path):
    (tmp_path / "a.yaml").write_text("space: tiny\nseed: 1\nsearch: {budget: 7, steps: 3}\n")
    (tmp_path / "b.yaml").write_text("seed: 2\nsearch: {budget: 8}\n")
    (tmp_path / "c.yaml").write_text("base: [a.yaml, b.yaml]\nsearch: {cohort: 4}\n")
    experiment = load_experiment(tmp_path / "c.yaml")
    search = experiment.search
    assert (experiment.seed, search.budget, search.steps, search.cohort) == (2, 8, 3, 4)


def test_a_mapping_with_a_name_replaces_the_old_one():
    changes = {"space": {"base": "tiny"}, "data.options.train": 600, "data.root": "here"}
    assert load_experiment(None, changes).data.root == "here"
    changes["data"] = {"name": "cluttered"}
    data = load_experiment(None, changes).data
    assert (data.root, data.options) == (None, {})


def test_the_search_loop_gets_the_settings_of_the_search():
    changes = {"space": "tiny", "search.budget": 9, "search.cohort": 3, "search.steps": 2}
    settings = load_experiment(None, changes).search.settings(seed=5)
    assert settings == SearchSettings(budget=9, cohort=3, steps=2, seed=5)


@pytest.mark.parametrize("field", [{"search.racing": True}, {"search.verify": 2}])
def test_racing_and_verification_need_shared_weights(field):
    with pytest.raises(UserError, match="shared weights"):
        load_experiment(None, {"space": "tiny", "search.evaluator": "standalone"} | field)


def test_changes_override_files():
    changes = {"space.attention": "eca", "supernet.recipe.epochs": 2, "seed": 5}
    experiment = load_experiment(EXPERIMENTS / "ean_imagenet_se.yaml", changes)
    assert experiment.space.attention[0].name == "eca"
    assert experiment.space.stages == (3, 4, 6, 3)
    assert (experiment.supernet.recipe.epochs, experiment.supernet.recipe.lr) == (2, 0.1)
    assert experiment.seed == 5


def test_a_space_alone_is_an_experiment():
    experiment = load_experiment(None, {"space": {"base": "tiny"}})
    assert experiment == Experiment(space="tiny")
    assert experiment.data.name == "cluttered"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the field 'space' is missing"),
        ({"space": "tyny"}, "unknown space 'tyny'; did you mean 'tiny'"),
        ({"space": "tiny", "search.searchr": 1}, "did you mean 'search.searcher'"),
        ({"space": "tiny", "search.objective": "speed"}, "expected an objective like"),
        ({"space": "tiny", "search.limits": "latency"}, "expected a limit like"),
        ({"space": "tiny", "cost_axis": "time"}, "unknown cost axis 'time'"),
        ({"space": "tiny", "retrain.optimizer": "adamv"}, "unknown optimizer 'adamv'; did you m"),
        ({"space": "tiny", "supernet.recipe.lr": -1}, "supernet.recipe.lr: .*greater than 0"),
        ({"space": "tiny", "data.name": "cifar11"}, "cifar1"),
        ({"space": "tiny", "evaluation.precision": "int8"}, r"evaluation\.precision.*'bfloat16'"),
    ],
)
def test_user_errors_are_named(changes, words):
    with pytest.raises(UserError, match=words):
        load_experiment(None, changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [("- 1\n", "expected a mapping"), ("a: [\n", "is not YAML"), ("base: no.yaml\n", "no experim")],
)
def test_files_that_cannot_be_read_are_named(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        load_experiment(tmp_path / "mine.yaml", {})


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"search.searcher": "random tries=50"}, {"tries": 50}),
        (
            {"search": {"searcher": "random tries=50", "options": {"more": 1}}},
            {"tries": 50, "more": 1},
        ),
        ({"search.searcher": "random tries=50", "search.options.tries": 8}, {"tries": 8}),
    ],
)
def test_options_may_follow_the_name_of_a_searcher(changes, options, tmp_path):
    search = load_experiment(None, {"space": "tiny"} | changes).search
    assert (search.searcher, search.options) == ("random", options)
    path = tmp_path / "mine.yaml"
    save_experiment(Experiment(space="tiny", search=search), path)
    assert load_experiment(path).search == search


def test_later_files_and_flags_replace_options_beside_the_name(tmp_path):
    (tmp_path / "base.yaml").write_text("search: {searcher: random tries=1}\n")
    (tmp_path / "mine.yaml").write_text("{base: base.yaml, space: tiny, search: {budget: 9}}\n")
    path = tmp_path / "mine.yaml"
    assert load_experiment(path).search.options == {"tries": 1}
    assert load_experiment(path, {"search.options.tries": 2}).search.options == {"tries": 2}
    later = load_experiment(path, {"search.searcher": "random tries=3"}).search
    assert (later.searcher, later.options, later.budget) == ("random", {"tries": 3}, 9)


def test_an_option_that_is_given_twice_is_refused():
    search = {"searcher": "random tries=1", "options": {"tries": 2}}
    with pytest.raises(UserError, match="'tries' of searcher 'random' is given twice"):
        load_experiment(None, {"space": "tiny", "search": search})

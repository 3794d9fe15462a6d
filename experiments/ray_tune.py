"""A search in a Ray Tune script of your own: this package's searchers, or Ray's, on one trainable.

    python experiments/ray_tune.py

Every trial evaluates one placement with the weights of one network. Here it is untrained; after a
run, load the trained weights: `load_weights(network, run.supernet_file)`.
"""

import tempfile

from ray import tune
from ray.tune.search.optuna import OptunaSearch

from ean_search import (
    Objective,
    PlacementSearch,
    Problem,
    SharedWeightsEvaluator,
    build,
    load_space,
    measure_costs,
    placement_trainable,
)
from ean_search.data.datasets import DataSource, load_data


def main(trials: int = 12) -> dict[str, tune.ResultGrid]:
    """Search the tiny space twice, with few images."""
    space = load_space("tiny")
    data = load_data(DataSource(options={"train": 600, "test": 100}, search_per_class=10))
    table = measure_costs(space, classes=data.classes)
    problem = Problem(space, Objective.parse("accuracy - 0.02 latency"), table.price)
    trainable = placement_trainable(
        SharedWeightsEvaluator(build(space, data.classes), data.search), space
    )
    param_space = {f"site{i}": tune.choice(range(space.choices)) for i in range(space.sites)}
    return {
        "ours": fit(trainable, trials, PlacementSearch(problem, "surrogate", budget=trials)),
        "Optuna's": fit(
            trainable, trials, OptunaSearch(metric="accuracy", mode="max"), param_space
        ),
    }


def fit(
    trainable: type, trials: int, search: tune.search.Searcher, param_space: dict | None = None
) -> tune.ResultGrid:
    """Run one Tuner; actors are reused, so that a trial takes milliseconds."""
    tuner = tune.Tuner(
        trainable,
        param_space=param_space,
        tune_config=tune.TuneConfig(search_alg=search, num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(
            storage_path=tempfile.mkdtemp(),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    return tuner.fit()


if __name__ == "__main__":
    for name, results in main().items():
        best = results.get_best_result("accuracy", "max")
        print(f"{name}: {best.metrics['placement']}, accuracy {best.metrics['accuracy']:.3f}")

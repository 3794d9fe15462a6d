from ean_search.analysis.rank_correlation import agreement_frame, rank_correlations


def test_trainings_have_the_estimates_of_their_placements(run, add_training):
    evaluated = {trial.placement for trial in run.read_trials()}
    unseen = next(each for each in run.space.enumerate() if each not in evaluated)
    assert agreement_frame(run).empty
    add_training(run, "000-0000-000000-000", 0.7)
    add_training(run, "000-0000-000000-000", 0.72, seed=1)
    add_training(run, str(unseen), 0.9)
    frame = agreement_frame(run)
    assert frame.note.tolist() == ["none", "none", ""]
    assert frame.estimate.tolist()[:2] == [run.read_trials()[0].accuracy] * 2
    assert frame.estimate.isna()[2]
    assert frame.alone.tolist() == [0.7, 0.72, 0.9]
    assert frame.seed.tolist() == [0, 1, 0]


def test_trainings_by_a_recipe_are_read_too(run, add_training):
    add_training(run, "000-0000-000000-000", 0.7)
    add_training(run, "000-0000-000000-000", 0.8, recipe="quick")
    add_training(run, "111-1111-111111-111", 0.9, recipe="mine.yaml")
    assert agreement_frame(run).alone.tolist() == [0.7, 0.9, 0.8]


def test_verified_trials_are_read_too(run, add_training):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.verified_file.write_text("".join(lines[:2]))
    add_training(run, "000-0000-000000-000", 0.7)
    frame = agreement_frame(run)
    assert frame.kind.tolist() == ["verified", "verified", "retrained"]
    assert frame.alone.tolist() == [*(trial.accuracy for trial in run.read_trials()[:2]), 0.7]


def test_their_order_is_compared_over_means_of_seeds(run, add_training):
    trials = sorted(run.read_trials(), key=lambda trial: trial.accuracy)
    worst, middle, best = (str(trials[rank].placement) for rank in (0, 32, -1))
    add_training(run, worst, 0.7)
    assert rank_correlations(agreement_frame(run)) == {}
    add_training(run, middle, 0.6)
    add_training(run, middle, 0.9, seed=1)
    add_training(run, best, 0.8)
    assert rank_correlations(agreement_frame(run)) == {"retrained": 1}

import json

import pytest

from ean_search.analysis.run_folder import Run, load_run
from ean_search.utils.errors import UserError

NONE, ALL = "000-0000-000000-000", "111-1111-111111-111"


def names(folders):
    return [folder.path.name for folder in folders]


def write_trials(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_files_of_the_shipped_run_are_where_run_expects_them(example):
    run = Run(example)
    files = {
        run.experiment_file,
        run.provenance_file,
        run.costs_file,
        run.trials_file,
        run.front_table,
        run.summary_file,
    }
    assert [file.name for file in files if not file.is_file()] == []


def test_all_paths_differ_and_lie_in_the_run_folder(tmp_path):
    run = Run(tmp_path)
    properties = [name for name in dir(Run) if name.endswith(("_file", "_folder", "_table"))]
    paths = [getattr(run, name) for name in (*properties, "front_picture")]
    paths = [path for path in paths if not callable(path)]
    paths += [
        run.retrain_folder(),
        run.retrain_folder("quick"),
        run.retrain_folder(pretrained=True),
        run.retrain_folder("quick", pretrained=True),
        run.transfer_folder("detect", "plain"),
        run.transfer_folder("detect", "found"),
    ]
    assert len(set(paths)) == len(paths) > 15
    assert all(path.is_relative_to(tmp_path) for path in paths)


def test_a_recipe_file_has_a_folder_by_its_name(tmp_path):
    run = Run(tmp_path)
    assert run.retrain_folder("recipes/own.yaml") == run.retrain_folder("own")


def test_a_folder_without_an_experiment_is_no_run(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"is not a run folder: it has no experiment\.yaml"):
            load_run(path)


def test_trainings_are_found_below_every_recipe(run, add_training):
    assert run.trainings() == []
    add_training(run, NONE, 0.7)
    add_training(run, ALL, 0.7, seed=1)
    add_training(run, NONE, 0.8, seed=2, recipe="quick")
    add_training(run, NONE, 0.9, seed=3, recipe="quick", pretrained=True)
    add_training(run, NONE, 0.9, seed=4, pretrained=True)
    expected = {f"{ALL}-seed1", *(f"{NONE}-seed{seed}" for seed in (0, 2, 3, 4))}
    assert set(names(run.trainings())) == expected


def test_trainings_are_chosen_by_placement_recipe_and_seed(run, add_training):
    add_training(run, NONE, 0.7)
    add_training(run, ALL, 0.7)
    add_training(run, ALL, 0.7, seed=1)
    add_training(run, ALL, 0.8, seed=2, recipe="quick")
    add_training(run, ALL, 0.9, seed=3, recipe="quick", pretrained=True)
    everywhere = run.find("all")
    assert set(names(run.trainings(everywhere))) == {f"{ALL}-seed{seed}" for seed in range(4)}
    assert names(run.trainings(everywhere, seed=1)) == [f"{ALL}-seed1"]
    assert set(names(run.trainings(seed=0))) == {f"{NONE}-seed0", f"{ALL}-seed0"}
    assert set(names(run.trainings(recipe="quick"))) == {f"{ALL}-seed2", f"{ALL}-seed3"}
    assert names(run.trainings(recipe="recipes/quick.yaml", seed=2)) == [f"{ALL}-seed2"]
    assert run.trainings(recipe="other") == []


def test_unfinished_trainings_are_left_out(run, add_training):
    add_training(run, NONE, None)
    add_training(run, ALL, 0.7)
    assert names(run.trainings()) == [f"{ALL}-seed0"]


def test_pruned_copies_are_left_out(run, add_training):
    add_training(run, ALL, 0.7)
    add_training(run, NONE, 0.7, folded_from=ALL)
    assert names(run.trainings()) == [f"{ALL}-seed0"]


def test_best_has_the_highest_reward_of_the_finished_trials(run):
    lines = read_lines(run.trials_file)
    lines[7] |= {"reward": 10.0}
    lines[8] |= {"reward": 20.0, "status": "infeasible"}
    write_trials(run.trials_file, lines)
    assert str(run.find("best")) == lines[7]["placement"]


def test_knee_is_a_member_of_the_front(run):
    assert str(run.find("knee")) in run.front().placement.tolist()


def test_verified_is_the_best_stand_alone_training(run):
    lines = read_lines(run.trials_file)[:3]
    for line, status, reward in zip(
        lines, ("done", "done", "failed"), (0.1, 0.2, 0.3), strict=True
    ):
        line |= {"status": status, "reward": reward}
    write_trials(run.verified_file, lines)
    assert str(run.find("verified")) == lines[1]["placement"]
    verified = [str(trial.placement) for trial in run.read_verified()]
    assert verified == [lines[i]["placement"] for i in (1, 0, 2)]


def test_names_of_the_space_and_texts_are_found(run):
    assert str(run.find("all")) == ALL
    assert str(run.find(NONE)) == NONE


def test_what_cannot_be_found_is_an_error(run):
    with pytest.raises(UserError, match="no verified trial"):
        run.find("verified")
    with pytest.raises(UserError):
        run.find("everywhere")
    run.trials_file.write_text("")
    for name in ("best", "knee"):
        with pytest.raises(UserError, match=f"no finished trial yet, so no {name}"):
            run.find(name)


def test_a_front_can_be_taken_on_any_cost_axis(run):
    assert run.cost_axis == "latency_ms"
    assert run.front().equals(run.front("latency"))
    assert run.front("params").params.is_monotonic_increasing
    with pytest.raises(UserError, match="cost axis"):
        run.front("beauty")


def test_infeasible_trials_are_not_on_the_front(run):
    best = run.front().placement.iloc[-1]
    lines = read_lines(run.trials_file)
    for line in lines:
        if line["placement"] == best:
            line["status"] = "infeasible"
    write_trials(run.trials_file, lines)
    assert best not in run.front().placement.tolist()


def test_the_frame_has_a_row_per_trial_and_the_table_prices_them(run):
    frame, table = run.frame(), run.read_costs()
    assert len(frame) == len(run.read_trials()) == 64
    for trial in run.read_trials()[:5]:
        assert table.price(trial.placement) == trial.cost

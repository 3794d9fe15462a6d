"""Every command, typed as a user would, and what bad input gets."""

import json
import re

import pytest

from ean_search.analysis.run_folder import load_run
from ean_search.cli.main import main
from ean_search.core.space import load_space
from ean_search.utils.jsonl import append_row
from tests.synthetic import write_synthetic

SMALL = (
    "--set data.options.train=600 --set data.options.test=100 --set data.search_per_class=10 "
    "--epochs 1 --budget 6 --device cpu"
).split()

TINY = "--set data.options.train=300 --set data.options.test=20 --set data.search_per_class=10"
TINY = [*TINY.split(), "--set", "supernet.recipe.epochs=1"]


def run_command(capsys, *words):
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    assert main(["run", "--space", "tiny", "--results", str(results), "--name", "a", *SMALL]) == 0
    return results / "tiny" / "a"


def test_spaces_are_listed_with_their_sites(capsys):
    code, out, _ = run_command(capsys, "spaces")
    assert code == 0
    assert re.search(r"resnet50_shared\s+resnet50\s+se\s+16\s+3-4-6-3\s+.*65,536", out)
    assert re.search(r"resnet164_shared.*54.*2\^54", out)


def test_a_users_own_space_is_listed_too(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text("backbone: resnet26t\nattention: eca\n")
    code, out, _ = run_command(capsys, "spaces", str(tmp_path / "mine.yaml"))
    assert code == 0
    assert re.search(r"mine\s+resnet26t\s+eca\s+8\s+2-2-2-2", out)


def test_a_users_own_backbone_is_found_where_the_user_stands(capsys, tmp_path, monkeypatch):
    (tmp_path / "homegrown.py").write_text(
        "import timm\ndef net(num_classes):\n"
        "    return timm.create_model('resnet18', num_classes=num_classes)\n"
    )
    (tmp_path / "mine.yaml").write_text("backbone: homegrown:net\nattention: se\n")
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_command(capsys, "spaces", "mine.yaml")
    assert code == 0
    assert "2-2-2-2" in out


def test_any_backbone_will_do_without_a_space(capsys, tmp_path):
    words = "run --backbone resnet10t --attention eca --image-size 32 --name a".split()
    code, _, _ = run_command(capsys, *words, "--results", str(tmp_path), *SMALL)
    assert code == 0
    assert load_run(tmp_path / "resnet10t_eca" / "a").space.stages == (1, 1, 1, 1)


def test_costs_stand_beside_none_and_all(capsys):
    words = "cost --space tiny --placement 1010 --placement every-other".split()
    code, out, _ = run_command(capsys, *words)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:5]] == [
        *("none", "all", "1010", "every-other"),
    ]
    code, out, _ = run_command(capsys, *words, "--json")
    rows = {row["name"]: row for row in json.loads(out)["placements"]}
    assert rows["1010"]["placement"] == "1-0-1-0"
    assert rows["none"]["params"] < rows["1010"]["params"] < rows["all"]["params"]


def test_a_run_ends_with_its_front_and_the_next_commands(capsys, tmp_path):
    words = ["run", "--space", "tiny", "--results", str(tmp_path), *SMALL, "--attention", "eca"]
    code, out, err = run_command(capsys, *words, "--searcher", "random", "--seed", "3")
    assert code == 0
    assert "front of accuracy against latency_ms (6 placements evaluated)" in out
    folder = re.search(r"run folder: (.*)", out).group(1)
    assert f"ean-search retrain {folder} --placement best" in out
    assert "supernet: " in err
    run = load_run(folder)
    assert run.space.attention[0].name == "eca"
    assert run.fields["seed"] == 3


def test_resuming_a_finished_run_says_again_what_it_found(capsys, folder):
    before = (folder / "trials.jsonl").read_bytes()
    code, out, _ = run_command(capsys, "resume", str(folder))
    assert code == 0
    assert "front of accuracy" in out
    assert (folder / "trials.jsonl").read_bytes() == before


def test_scripts_may_follow_a_run_by_its_events(capsys, folder):
    code, out, _ = run_command(capsys, "resume", str(folder), "--json")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0] == {"event": "run", "folder": str(folder)}
    searching = [event for event in events if event.get("task") == "search"]
    assert searching[-1]["done"] == 6
    assert "hypervolume" in searching[-1]["figures"]
    assert events[-1]["event"] == "summary"
    assert events[-1]["trials"] == 6


def test_retraining_prints_what_the_test_split_says(capsys, folder):
    words = ["retrain", str(folder), "--placement", "knee", "--epochs", "1"]
    code, out, _ = run_command(capsys, *words)
    assert code == 0
    assert re.search(r"[01]-[01]-[01]-[01]: \d+\.\d\d % of 100 test images", out)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run", "expected --space NAME, --backbone NAME or --experiment"),
        ("run --space resnet50_shard", "did you mean 'resnet50_shared'"),
        ("run --space tiny --searcher reinforc", "did you mean 'reinforce'"),
        ("run --space tiny --attention sew", "did you mean 'se'"),
        ("run --space tiny --sampler x", "unknown sampler 'x'"),
        ("run --space tiny --objective x", "expected an objective like"),
        ("run --space tiny --budget-cost x", "expected a limit like"),
        ("run --space tiny --budget-cost sites<2x", "without an x"),
        ("run --space tiny --data x", "x"),
        ("run --space tiny --data imagefolder --data-root nowhere", "nowhere"),
        ("run --space tiny --data cifar10 --data-root nowhere", "nowhere"),
        ("run --space tiny --set x", "expected --set FIELD=VALUE"),
        ("run --space tiny --set search.options.x=1", "unknown option of searcher"),
        ("run --space tiny --set sed=1", "did you mean 'seed'"),
        ("run --space tiny --device tpu", "device"),
        ("run --space tiny --supernet nowhere.safetensors", "no weights at nowhere.safetensors"),
        ("run --space tiny --gpus-per-worker 1", "expected --workers N beside"),
        ("run --space tiny --evaluator share", "'shared' or 'standalone'"),
        ("run --space tiny --evaluator standalone --racing", "racing needs shared weights"),
        ("run --experiment nowhere.yaml", "no experiment file at nowhere.yaml"),
        ("run --backbone vgg11", "has no site"),
        ("cost", "expected --space NAME"),
        ("cost --space tiny --backbone resnet18", "got both"),
        (
            "cost --backbone resnet18 --attention mrla_light --position residual",
            "to position",
        ),
        (
            "cost --backbone mobilenetv3_small_050 --attention mrla_light",
            "do not divide 16",
        ),
        ("cost --space tiny --placement 10", "expected 4 sites"),
        ("cost --space tiny --placement 1-2-0-0", "digits 0 to 1"),
        ("resume nowhere", "not a run folder"),
        ("retrain nowhere", "not a run folder"),
    ],
)
def test_user_errors_are_one_line_and_exit_code_two(capsys, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(capsys, *words.split())
    last = err.strip().splitlines()[-1]
    assert code == 2
    assert last.startswith("ean-search: ")
    assert expected in last
    assert "Traceback" not in out + err


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_a_count_is_at_least_one(capsys, count):
    with pytest.raises(SystemExit):
        main(["retrain", "nowhere", "--seeds", count])
    assert f"--seeds: expected a number of at least 1, got '{count}'" in capsys.readouterr().err


def test_what_cannot_work_is_told_before_training(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("ean_search.runs.pipeline.make_shared", None)
    monkeypatch.chdir(tmp_path)
    for words in ("--searcher x", "--budget-cost sites<2x", "--set search.options.x=1"):
        code, _, err = run_command(capsys, "run", "--space", "tiny", *SMALL, *words.split())
        assert (code, "Traceback" in err) == (2, False)


def test_a_broken_line_in_the_trials_is_named(capsys, folder):
    path = folder / "trials.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"{}\n" + whole)
    code, _, err = run_command(capsys, "resume", str(folder))
    path.write_bytes(whole)
    assert code == 2
    assert "trials.jsonl, line 1" in err


def test_a_stop_from_the_keyboard_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("ean_search.runs.pipeline.make_shared", interrupt)
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--name", "b", *SMALL]
    code, _, err = run_command(capsys, *words)
    assert code == 130
    assert f"ean-search resume {tmp_path / 'tiny' / 'b'}" in err


def test_unknown_flags_and_commands_exit_with_two(capsys):
    for words in (["run", "--spac", "tiny", "--nonsense"], ["serch"], []):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
    capsys.readouterr()


def test_racing_is_judged_on_a_finished_run(capsys, folder, tmp_path):
    words = ["bench", "racing", str(folder), "--races", "3", "--output", str(tmp_path)]
    code, _, _ = run_command(capsys, *words)
    assert code == 0
    assert "winner_lost" in (tmp_path / "racing.csv").read_text()


def test_searchers_are_compared(capsys, tmp_path, one_thread):
    table = write_synthetic(tmp_path / "six.parquet")
    words = "bench searchers --searchers random local --sites 16 --seeds 2 --landscapes 2 "
    words += f"--budget 60 --processes 0 --tables {table} --workers 1 8 --output {tmp_path}"
    code, out, _ = run_command(capsys, *words.split())
    assert code == 0
    assert out.count("local") == 4  # the table's mean with 1 and 8 workers, one training, 16 sites
    assert {"searchers.csv", "searchers.png"} <= {path.name for path in tmp_path.iterdir()}


def test_supernets_are_judged_by_a_table(capsys, tmp_path, one_thread):
    words = "bench table --space tiny --name mine --seeds 2 --device cpu --epochs 4 --part 1/2"
    words = [*words.split(), "--output", str(tmp_path), *TINY]
    space = load_space("tiny")
    for number, placement in enumerate(space.enumerate()):
        for seed in (0, 1):
            row = {
                "placement": str(placement),
                "seed": seed,
                "accuracy": 0.01 * number + 0.001 * seed,
            }
            append_row(tmp_path / "truth_mine.jsonl", row)
    code, out, _ = run_command(capsys, *words)
    assert (code, "1 trainings are still missing" in out) == (0, True)
    code, out, _ = run_command(capsys, *words, "--part", "1/1")
    assert code == 0
    assert re.search("accuracy_1 .*estimate_0 .*f statistic", out, re.DOTALL)
    table = str(tmp_path / "mine.parquet")
    words = ["bench", "supernet", "--table", table, "--variants", "uniform-count", "--epochs", "4"]
    words += ["--seeds", "1", "--output", str(tmp_path), "--device", "cpu"]
    code, out, _ = run_command(capsys, *words)
    assert code == 0
    # The table's own networks are judged, too: two seeds, with and without calibration.
    assert len((tmp_path / "supernet_mine.csv").read_text().splitlines()) == 1 + 4
    assert "tau between seeds" in out
    code, _, err = run_command(capsys, *words, "--variants", "uniform")
    assert (code, "unknown variant 'uniform'; did you mean" in err) == (2, True)


def test_cohorts_may_race(capsys, tmp_path):
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--name", "r", "--racing"]
    code, _, _ = run_command(capsys, *words, *SMALL)
    assert code == 0
    assert "racing: true" in (tmp_path / "tiny" / "r" / "experiment.yaml").read_text()

"""Whatever is in a file: it is read, or refused in one line, and soon."""

import random
import shutil
import time
import warnings
from pathlib import Path

import pytest

import ean_search
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.bench.attack.damage import mutate
from ean_search.cli.main import main
from ean_search.costs.table import CostTable
from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.training.recipe import load_recipe
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_checkpoint, load_weights, save_checkpoint, save_weights
from tests.helpers import describe_training, write_checkpoint

EXAMPLE = Path(__file__).parents[2] / "results" / "example"
RUN_FILES = ("experiment.yaml", "trials.jsonl", "costs.json", "summary.json", "provenance.json")
MAX_SECONDS = 10.0


def look_at_run(run):
    """Do what reading a run is made of, without drawing."""
    analysis = RunAnalysis(run)
    analysis.problems()
    analysis.front()
    return str(analysis.name)


def open_as_run(run):
    opened = ean_search.load_run(run)
    opened.find("best")
    opened.front()
    opened.read_costs().price(opened.find("knee"))


READERS = {
    "experiment.yaml": (ean_search.load_experiment,),
    "trials.jsonl": (),
    "costs.json": (CostTable.load,),
    "summary.json": (),
    "provenance.json": (),
}


def check_one(read, path, seed):
    """Read a file; only errors that users can mend may come of it, in one short line."""
    start = time.monotonic()
    try:
        read(path)
    except UserError as error:
        text = str(error)
        assert len(text) < 3000, f"seed {seed}: {len(text)} characters"
        assert "\n" not in text, f"seed {seed}: {text}"
    except Exception as error:
        error.add_note(f"seed {seed}, {path}")
        raise
    assert time.monotonic() - start < MAX_SECONDS, f"seed {seed}"


def damage_run_files(tmp_path, seeds):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    run = tmp_path / "run"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's about figures that make no sense
        for seed in seeds:
            rng = random.Random(seed)
            name = rng.choice(RUN_FILES)
            file = run / name
            content = file.read_bytes()
            file.write_bytes(mutate(content, rng))
            for read in (*READERS[name],):
                check_one(read, file, seed)
            for read in (open_as_run, look_at_run):
                check_one(read, run, seed)
            file.write_bytes(content)


def test_files_of_runs(tmp_path):
    damage_run_files(tmp_path, range(15))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_files_of_runs(tmp_path):
    damage_run_files(tmp_path, range(1000, 1600))


@pytest.mark.parametrize("shift", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_files_of_trainings(tmp_path, shift):
    checkpoint = write_checkpoint(tmp_path / "net", describe_training())
    files = [checkpoint.description_file, checkpoint.metrics_file, checkpoint.weights_file]
    for seed in range(shift, shift + (200 if shift else 10)):
        rng = random.Random(seed)
        file = rng.choice(files)
        content = file.read_bytes()
        file.write_bytes(mutate(content, rng))
        check_one(lambda path: open_checkpoint(path).network(), checkpoint.path, seed)
        file.write_bytes(content)


@pytest.mark.parametrize("shift", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_recipes_and_spaces(tmp_path, shift):
    recipe = ean_search.training.recipe.RECIPES_FOLDER / "deit-imagenet.yaml"
    space = ean_search.core.space.SHIPPED / "tiny.yaml"
    for seed in range(shift, shift + (600 if shift else 80)):
        rng = random.Random(seed)
        source, read = rng.choice([(recipe, load_recipe), (space, ean_search.load_space)])
        file = tmp_path / "file.yaml"
        file.write_bytes(mutate(source.read_bytes(), rng))
        check_one(read, file, seed)


def bits(path, count):
    """Yield the bytes of a file with a bit flipped, in places all over it."""
    content = path.read_bytes()
    for k in range(count):
        where = len(content) * k // count
        yield content[:where] + bytes([content[where] ^ 4]) + content[where + 1 :]


def test_a_flipped_bit_in_weights_is_found(tmp_path, tiny_network):
    path = tmp_path / "model.safetensors"
    save_weights(tiny_network, path)
    load_weights(tiny_network, path)
    before = {name: value.clone() for name, value in tiny_network.state_dict().items()}
    for content in bits(path, 25):
        path.write_bytes(content)
        try:
            load_weights(tiny_network, path)
        except UserError:
            continue
        # A name of the metadata may have changed; no weight has.
        assert all(
            (value == before[name]).all() for name, value in tiny_network.state_dict().items()
        )


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path):
    import torch

    path = tmp_path / "state.checkpoint"
    state = {"a": torch.arange(5000.0), "epoch": 3}
    save_checkpoint(state, path)
    assert load_checkpoint(path)["epoch"] == 3
    for content in bits(path, 60):
        path.write_bytes(content)
        try:
            loaded = load_checkpoint(path)
        except UserError:
            continue
        assert (loaded["a"] == state["a"]).all()
        assert loaded["epoch"] == 3


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{','.join(['*' + chr(97 + k)] * 9)}]" for k in range(20)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a mapping"),
        ("{}", "the field 'space' is missing"),
        ("[]", "expected a mapping"),
        ("\x00\x01", "not YAML"),
        ("base: mine.yaml", "builds on itself"),
        ("base: 3", "base: expected files"),
        ("base: [[]]", "base: expected files"),
        ("base: nowhere.yaml", "no experiment file at"),
        ("a: &a [*a]", "contains itself"),
        (BOMB, "more than 20000 values"),
        ("a: [" + "1, " * 1_000_000 + "]", "longer than"),
        ("[" * 10_000, "nested more than"),
        ("space: tiny\nseed: 1\nseed: 2", "'seed' is given twice, line 1"),
        ("space: tiny\nseed: " + "1" * 10_000, "not YAML"),
        ("space: tiny\nseed: 2024-99-99", "not YAML"),
        ("space: tiny\nsearch: {cohort: 1.0e+22}", "search.cohort"),
        ("space: tiny\ndata: {image_size: 100000}", "data.image_size"),
        ("space: tiny\nretrain: {momentum: .nan}", "retrain.momentum"),
        ("space: tiny\nretrain: {lr: .inf}", "retrain.lr"),
        ("space: tiny\nsearch: {steps: -1}", "search.steps"),
        ("space: tiny\nsearch: {objective: 'accuracy - 1e400 latency'}", "weights of at most"),
        ("space: tiny\nsearch: {limits: 'latency < 1e400'}", "finite number"),
        ("space: tiny\nsearch: {searcher: ''}", "searcher"),
        ('space: tiny\nsearch: {searcher: "\'"}', "searcher"),
        ("space: {base: tiny, placements: {a: 'Z!'}}", "placements"),
        ("space: {base: tiny, stages: [1000000000]}", "stages"),
        ("space: {base: tiny, attention: []}", "attention"),
        ("space: {base: tiny, attention: [{}]}", "attention"),
        ("space: {base: [1]}", "space"),
    ],
)
def test_experiments(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    start = time.monotonic()
    with pytest.raises(UserError) as caught:
        ean_search.load_experiment(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("accuracy", 1.5), ("accuracy", -0.1), ("accuracy", "0.5"), ("accuracy", None),
        ("reward", float("nan")), ("reward", 10**400), ("seconds", None), ("status", "great"),
        ("number", 7), ("number", True), ("step", 1.5), ("note", 3), ("placement", 3),
        ("cost", None), ("cost", {}), ("extra", 1),
    ],
)  # fmt: skip
def test_trials_are_checked_with_line_and_field(tmp_path, field, value):
    import json

    run = ean_search.load_run(shutil.copytree(EXAMPLE, tmp_path / "run"))
    lines = run.trials_file.read_text().splitlines()
    trial = json.loads(lines[2]) | {field: value}
    run.trials_file.write_text("\n".join([*lines[:2], json.dumps(trial), *lines[3:]]) + "\n")
    with pytest.raises(UserError, match=r"trials.jsonl, line 3: .*" + field):
        run.read_trials()


def test_no_trial_is_there_twice(tmp_path):
    run = ean_search.load_run(shutil.copytree(EXAMPLE, tmp_path / "run"))
    lines = run.trials_file.read_text().splitlines()
    run.trials_file.write_text("\n".join([*lines, lines[3]]) + "\n")
    with pytest.raises(UserError, match="number: expected"):
        run.read_trials()


FLAGS = (
    "--cohort 1e22", "--image-size 100000", "--steps -1", "--budget -1", "--seed -1",
    "--set retrain.momentum=.nan", "--set search.cohort=1e22", "--epochs 0", "--lr nan",
    "--workers 2 --cpus-per-worker 1e-9", "--workers 10000000", "--workers 1 --gpus-per-worker nan",
    "--batch-size 99999999", "--set seed=[1,2", "--set a.b.c.d=1", "--set =1",
    "--objective 'accuracy", "--verify -3", "--recalibrate -1", "--set space.name=3",
)  # fmt: skip


@pytest.mark.parametrize("flags", FLAGS)
def test_numbers_on_the_command_line_have_bounds(flags, tmp_path, capsys):
    words = ["run", "--space", "tiny", "--results", str(tmp_path), *flags.split()]
    try:
        code = main(words)
    except SystemExit as stopped:  # of argparse
        code = stopped.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err

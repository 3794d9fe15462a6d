"""Wrong inputs: words of command lines, experiments, and damaged files of a run."""

import random
from pathlib import Path

import yaml

from ean_search.bench.attack.damage import WORDS, mutate
from ean_search.bench.attack.ground import SMALL, Ground, retrain_words, training_of

COMMANDS: dict[str, list[str]] = {
    "run": (
        "--space --backbone --attention --position --sharing --image-size --data --data-root "
        "--val-split --data-workers --epochs --batch-size --lr --sampler --tune --supernet "
        "--searcher --budget --cohort --steps --warm-start --objective --budget-cost --cost-axis "
        "--cost-image-size --evaluator --verify --train-workers --recalibrate --precision --seed "
        "--device --pretrained --set --experiment --name --workers --cpus-per-worker --trust"
    ).split(),
    "resume": "--budget --steps --trust --workers --cpus-per-worker".split(),
    "report": "--output --png --trust".split(),
    "pick": "--limits --objective --json --placement".split(),
    "cost": "--space --placement --classes --batch-size --device --image-size --sharing".split(),
    "export": "--output --placement --recipe --seed --format".split(),
    "retrain": "--placement --recipe --epochs --batch-size --lr --seed --seeds --device".split(),
    "explain": "--placement --images --device".split(),
    "spaces": ["--json"],
}
VALUES = (
    "", " ", "0", "-1", "nan", "inf", "-inf", "1e22", "1e-9", "1e400", "0x10", "1_0", "٣",
    "null", "true", "[]", "{}", "[[1", "'", '"', "a=b", "=", "a.b.c=1", "seed=[1,2", "space=3",
    "search=null", "data.options=[]", "retrain.lr=.nan", "supernet.recipe=7", "search.limits=3",
    "../x", "/", "/dev/null", "/dev/full", "/nowhere/x", ".", "x" * 300, "x" * 5000, "é\u2028",
    "\udc80", "random", "random tries=x", "optuna:Nothing", "json:loads", "os:system", "a:b:c",
    ":", "timm:", "package:", "se", "none", "best", "0-0-0-0", "9-9-9-9", "1-1", "latency < ",
    "sites <= x", "accuracy -", "accuracy - 1e999 params", "accuracy * latency", "cuda:99", "cpu:x",
)  # fmt: skip
EXPERIMENT = {
    "space": {"base": "tiny"},
    "data": {"options": {"train": 200, "test": 50}, "search_per_class": 5},
    "supernet": {"recipe": {"epochs": 1}},
    "search": {"budget": 6, "cohort": 2, "searcher": "random", "limits": "sites <= 3"},
    "retrain": {"epochs": 1, "lr": 0.01, "optimizer": "sgd"},
    "device": "cpu",
    "seed": 0,
}
RUN_FILES = (
    "experiment.yaml", "trials.jsonl", "trials.answers.jsonl", "costs.json", "summary.json",
    "provenance.json", "judged.answers.jsonl", "front.csv",
)  # fmt: skip
TRAINING_FILES = "training.json", "metrics.json", "model.safetensors"


def wrong_words(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Type a command with values that make no sense."""
    folder.mkdir(parents=True)
    name = rng.choice(list(COMMANDS))
    words: list[object] = [name, *_needed(ground, rng, name, folder)]
    for _ in range(rng.choice((1, 1, 2, 3))):
        words.append(rng.choice(COMMANDS[name]))
        if rng.random() < 0.95:
            words.append(rng.choice(VALUES))
    return _run(ground, folder, words)


def wrong_experiment(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Run a damaged experiment."""
    folder.mkdir(parents=True)
    file = folder / "mine.yaml"
    content = yaml.safe_dump(EXPERIMENT).encode()
    for _ in range(rng.choice((1, 1, 2))):
        content = mutate(content, rng)
    file.write_bytes(content)
    return _run(ground, folder, ["run", "--experiment", file, "--results", folder])


def wrong_file(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Read a run of which one file is damaged."""
    run = ground.copy(folder)
    _damage(run / rng.choice(RUN_FILES), rng)
    reading = [["pick", run], ["report", run], ["resume", run], ["resume", run, "--budget", 7]]
    return _run(ground, folder, rng.choice(reading))


def wrong_training(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Read a training, or the weights that a run begins with, of which one file is damaged."""
    run = ground.copy(folder)
    if rng.random() < 0.3:
        _damage(run / "supernet.safetensors", rng)
        return _run(ground, folder, ["resume", run, "--budget", 7])
    _damage(training_of(run) / rng.choice(TRAINING_FILES), rng)
    export = ["export", run, "--placement", "all", "--output", folder / "out"]
    return _run(ground, folder, rng.choice([export, ["report", run], retrain_words(run)]))


def _needed(ground: Ground, rng: random.Random, name: str, folder: Path) -> list[object]:
    """Return what a command cannot do without; sometimes something else in its place."""
    if name == "run":
        return [*SMALL, "--results", folder]
    if name in ("cost", "spaces"):
        return ["--space", "tiny"] if name == "cost" else [rng.choice(VALUES)]
    return [rng.choice(VALUES)] if rng.random() < 0.2 else [ground.copy(folder)]


def _run(ground: Ground, folder: Path, words: list[object]) -> list[str]:
    fault = ground.run(folder, words).fault()
    return [f"{fault} ({' '.join(map(str, words))[:300]})"] if fault else []


def _damage(file: Path, rng: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(mutate(content, rng) if rng.random() < 0.9 else rng.choice(WORDS).encode())

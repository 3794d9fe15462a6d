"""A command that is quick to attack: it writes files as a run does, and fails if told to."""

import json
from pathlib import Path

import pytest

from ean_search.bench.attack.ground import Ground

TRIAL = {"placement": "0", "status": "done", "accuracy": 0.5, "reward": 0.5}


def pretend(words):
    """Make a run or a training in which nothing is computed."""
    if "--results" in words:
        run = Path(words[words.index("--results") + 1]) / "tiny" / words[words.index("--name") + 1]
    else:
        run = Path(words[1])
    run.mkdir(parents=True, exist_ok=True)
    if words[0] == "retrain":
        training = run / "retrain" / "1-1-1-1-seed0"
        training.mkdir(parents=True, exist_ok=True)
        for name in ("model.safetensors", "training.json"):
            (training / name).write_text("{}")
        (training / "metrics.json").write_text('{"test_accuracy": 0.5}')
        return 0
    for name in ("trials.jsonl", "trials.answers.jsonl"):
        (run / name).write_text((json.dumps(TRIAL) + "\n") * 6)
    (run / "summary.json").write_text("{}")
    return 0


def forget(words):
    """Do as a command that starts anew in place of going on."""
    pretend(words)
    if words[0] == "resume":
        (Path(words[1]) / "trials.jsonl").write_text(json.dumps(TRIAL) + "\n")
    return 0


@pytest.fixture
def ground(tmp_path):
    made = Ground(pretend, tmp_path / "ground")
    made.prepare()
    return made

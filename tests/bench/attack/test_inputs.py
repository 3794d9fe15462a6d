"""Wrong inputs reach the command, and a command that cannot bear them is found out."""

import random

import pytest

from ean_search.bench.attack import inputs
from ean_search.bench.attack.ground import Ground


def refuse(words):
    print(*words)
    return 2


def fail(words):
    raise KeyError("field")


@pytest.fixture
def run(ground):
    for name in inputs.RUN_FILES:
        (ground.finished / name).touch()
    (ground.finished / "supernet.safetensors").touch()
    return ground


@pytest.mark.parametrize(
    "attack",
    [inputs.wrong_words, inputs.wrong_experiment, inputs.wrong_file, inputs.wrong_training],
)
def test_refusals_are_no_faults_and_tracebacks_are(attack, run, tmp_path):
    for seed in range(4):
        folder = tmp_path / f"{seed}"
        assert attack(Ground(refuse, run.root), random.Random(seed), folder) == []
        (fault,) = attack(Ground(fail, run.root), random.Random(seed), tmp_path / f"b{seed}")
        assert fault.startswith("traceback: KeyError: 'field' (")

import shutil
import signal
import subprocess
import time

import pytest

from ean_search.bench.fault_injection import WORKER_PROCESS_NAME, WorkerKiller, lose_node
from ean_search.bench.ray_overhead import make_untrained_evaluator


@pytest.fixture
def worker(tmp_path):
    """Start a process that has the name of a Ray worker."""
    program = tmp_path / WORKER_PROCESS_NAME
    shutil.copy(shutil.which("sleep"), program)
    process = subprocess.Popen([program, "60"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_worker_is_killed_and_counted(worker):
    deadline = time.monotonic() + 30
    with WorkerKiller(1) as killer:
        while not killer.done and time.monotonic() < deadline:
            time.sleep(0.05)
    assert (killer.count, killer.done) == (1, True)
    assert worker.wait(timeout=10) == -signal.SIGKILL


@pytest.mark.slow
def test_nothing_is_killed_where_no_worker_is():
    other = subprocess.Popen(["sleep", "60"])
    try:
        with WorkerKiller(1) as killer:
            time.sleep(1)
        assert (killer.count, other.poll()) == (0, None)
    finally:
        other.kill()
        other.wait()


@pytest.mark.slow
def test_results_survive_the_loss_of_a_node(tiny):
    row = lose_node(make_untrained_evaluator(tiny, 20, 32), tiny)
    assert row["results_equal"]
    assert row["trials_moved"] >= 1
    assert row["cohorts"] >= 1

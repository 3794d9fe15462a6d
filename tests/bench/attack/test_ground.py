"""What is attacked, and what is compared afterwards."""

import pytest

from ean_search.bench.attack.ground import Ground, accuracy, history
from ean_search.utils.errors import UserError


def test_a_finished_and_an_unfinished_run(ground, tmp_path):
    assert history(ground.finished) == [["0", "done", 0.5, 0.5]] * 6
    assert accuracy(ground.finished) == 0.5
    run = ground.unfinished(tmp_path / "a")
    assert len(history(run)) == 3
    assert accuracy(run) is None
    assert not (run / "summary.json").exists()


def test_what_is_there_is_not_made_again(ground):
    Ground(None, ground.root).prepare()


def test_without_a_run_there_is_nothing_to_attack(tmp_path):
    with pytest.raises(UserError, match="nothing to attack"):
        Ground(lambda words: 2, tmp_path).prepare()

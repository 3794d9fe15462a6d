import logging

import pytest

from ean_search.core.space import Space
from ean_search.core.trial import Cost, Trial
from ean_search.search.trial_log import InMemoryTrialLog, TrialLog, read_trials
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(4,))


def trial(number):
    placement = SPACE.placement([number % 2, number // 2, 1, 1])
    cost = Cost(placement.attached, 1, 1, 1, 1.0, 1)
    return Trial(number, 1, placement, "done", 0.5, 0.5, cost, 0.1)


@pytest.fixture
def path(tmp_path):
    log = TrialLog(tmp_path / "trials.jsonl", SPACE)
    for number in range(3):
        log.append(trial(number))
    log.sync()
    return log.path


def test_trials_are_read_in_their_order(path):
    assert TrialLog(path, SPACE).trials == [trial(n) for n in range(3)] == read_trials(path, SPACE)


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_an_incomplete_last_line_is_dropped_with_a_warning(path, cut, caplog):
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with caplog.at_level(logging.WARNING):
        log = TrialLog(path, SPACE)
    assert "dropped its last line" in caplog.text
    assert log.trials == [trial(0), trial(1)]
    log.append(trial(2))
    assert path.read_bytes() == whole


def test_reading_does_not_change_the_file(path):
    path.write_bytes(path.read_bytes()[:-5])
    before = path.read_bytes()
    assert len(read_trials(path, SPACE)) == 2
    assert path.read_bytes() == before


def test_a_broken_line_before_the_last_is_an_error_that_names_it(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\x00\xff{\n" + lines[2])
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"trials.jsonl, line 2: .*Nothing was changed"):
        TrialLog(path, SPACE)
    assert path.read_bytes() == before


def test_a_log_in_memory_has_the_same_methods_and_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = InMemoryTrialLog([trial(0)])
    log.append(trial(1))
    log.sync()
    assert log.trials == [trial(0), trial(1)]
    assert not list(tmp_path.iterdir())

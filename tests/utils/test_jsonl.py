import json
import logging

import pytest

from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row, read_log, read_rows


def test_rows_are_read_in_their_order(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert read_rows(path) == []
    for number in range(3):
        append_row(path, {"number": number})
    assert [row["number"] for row in read_rows(path)] == [0, 1, 2]
    assert path.read_text().count("\n") == 3


def test_an_incomplete_line_is_dropped_and_the_next_row_is_kept(tmp_path, caplog):
    path = tmp_path / "rows.jsonl"
    append_row(path, {"number": 0})
    path.write_text(path.read_text() + '{"numb')
    append_row(path, {"number": 1})
    with caplog.at_level(logging.WARNING):
        assert [row["number"] for row in read_rows(path)] == [0, 1]
    assert "line 2: dropped" in caplog.text


@pytest.fixture
def log_path(tmp_path):
    path = tmp_path / "log.jsonl"
    for number in range(3):
        append_row(path, {"number": number})
    return path


def test_a_log_is_read_completely(log_path):
    log = read_log(log_path, json.loads)
    assert [row["number"] for row in log.rows] == [0, 1, 2]
    assert log.complete_bytes == log_path.stat().st_size


def test_a_log_that_does_not_exist_is_empty(tmp_path):
    log = read_log(tmp_path / "none.jsonl", json.loads)
    assert (log.rows, log.complete_bytes) == ([], 0)


@pytest.mark.parametrize("ending", ['{"num', '{"number": 3}', "\x00\n"])
def test_the_last_line_of_a_log_is_dropped_if_it_is_incomplete(log_path, ending):
    complete = log_path.stat().st_size
    log_path.write_text(log_path.read_text() + ending)
    log = read_log(log_path, json.loads)
    assert [row["number"] for row in log.rows] == [0, 1, 2]
    assert log.complete_bytes == complete


def test_a_broken_line_before_the_last_is_an_error(log_path):
    lines = log_path.read_text().splitlines(keepends=True)
    log_path.write_text(lines[0] + "broken\n" + lines[2])
    with pytest.raises(UserError, match=r"log.jsonl, line 2: .*Nothing was changed"):
        read_log(log_path, json.loads)

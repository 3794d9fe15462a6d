import logging

from ean_search.utils.jsonl import append_row, read_rows


def test_lines_come_back_in_their_order(tmp_path):
    path = tmp_path / "rows.jsonl"
    assert read_rows(path) == []
    for number in range(3):
        append_row(path, {"number": number})
    assert [row["number"] for row in read_rows(path)] == [0, 1, 2]
    assert path.read_text().count("\n") == 3


def test_a_torn_line_is_dropped_and_spoils_no_other(tmp_path, caplog):
    path = tmp_path / "rows.jsonl"
    append_row(path, {"number": 0})
    path.write_text(path.read_text() + '{"numb')
    append_row(path, {"number": 1})
    with caplog.at_level(logging.WARNING):
        assert [row["number"] for row in read_rows(path)] == [0, 1]
    assert "line 2: dropped" in caplog.text

"""The answers beside a trial log."""

import numpy as np
import pytest

from ean_search.core.answers import Answers
from ean_search.core.space import Space
from ean_search.search.answer_log import answers_file, append_answers, read_answers
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(2, 2))


def answers_of(seed):
    return Answers.of(np.random.default_rng(seed).random(20) < 0.5)


def test_answers_are_read_by_placement_and_the_later_ones_count(tmp_path):
    path = answers_file(tmp_path / "trials.jsonl")
    assert read_answers(path, SPACE) == {}
    one, other = SPACE.parse("10-00"), SPACE.parse("11-00")
    for placement, seed in ((one, 0), (other, 1), (one, 2)):
        append_answers(path, placement, answers_of(seed))
    assert read_answers(path, SPACE) == {one: answers_of(2), other: answers_of(1)}


def test_a_torn_line_is_dropped_and_the_next_one_counts(tmp_path):
    path = tmp_path / "trials.answers.jsonl"
    one, other = SPACE.parse("10-00"), SPACE.parse("11-00")
    append_answers(path, one, answers_of(0))
    append_answers(path, other, answers_of(1))
    path.write_bytes(path.read_bytes()[:-9])
    append_answers(path, other, answers_of(2))
    assert read_answers(path, SPACE) == {one: answers_of(0), other: answers_of(2)}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"images": 8, "packed": "AA=="}', "placement: expected text"),
        ('{"placement": "1-0", "images": 8, "packed": "AA=="}', "row 1: "),
        ('{"placement": "10-00", "images": 8, "packed": "A"}', "packed: expected 8 bits"),
    ],
)
def test_a_wrong_line_names_the_file(tmp_path, line, message):
    path = tmp_path / "trials.answers.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=message) as error:
        read_answers(path, SPACE)
    assert str(path) in str(error.value)

"""The book of chunks: every placement of a cohort gets one result, whatever happens to workers."""

import logging

import pytest

from ean_search.core.space import load_space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.chunk_book import ChunkBook
from ean_search.utils.errors import UserError

TEXTS = ("0000", "1000", "1100", "1111")


@pytest.fixture
def placements():
    return [load_space("tiny").parse(text) for text in TEXTS]


def report_of(number, *accuracies, **more):
    rows = [EvaluationResult(accuracy, 1.0).to_row() for accuracy in accuracies]
    return {"chunk": number, "results": rows, "time_total_s": 7.0, **more}


def accuracies_of(results):
    return [results[place].accuracy for place in sorted(results)]


def test_results_go_to_their_places(placements):
    book = ChunkBook(max_failures=0)
    results = book.open_cohort(placements, [[2, 0], [1, 3]])
    first, second = book.open_chunks
    assert book.open_chunks[first] == [placements[2], placements[0]]
    book.finish(report_of(second, 0.1, 0.3))
    book.finish(report_of(first, 0.2, 0.0))
    assert accuracies_of(results) == [0.0, 0.1, 0.2, 0.3]
    assert not book.open_chunks


def test_a_second_result_of_a_chunk_is_ignored(placements):
    book = ChunkBook(max_failures=0)
    results = book.open_cohort(placements[:1], [[0]])
    (number,) = book.open_chunks
    book.finish(report_of(number, 0.5))
    book.finish(report_of(number, 0.6))
    book.finish({"chunk": -1})  # of a trial that got no chunk
    assert not book.fail(number, "late")
    assert accuracies_of(results) == [0.5]


def test_cohorts_do_not_mix(placements):
    book = ChunkBook(max_failures=0)
    first = book.open_cohort(placements[:1], [[0]])
    second = book.open_cohort(placements[1:2], [[0]])
    for number in list(book.open_chunks):
        book.finish(report_of(number, 0.1 * number))
    assert (accuracies_of(first), accuracies_of(second)) == ([0.0], [0.1])


def test_a_chunk_is_tried_again_as_often_as_allowed(placements):
    book = ChunkBook(max_failures=2)
    book.open_cohort(placements, [[0, 1], [2, 3]])
    first, second = book.open_chunks
    assert [book.may_retry(first, "killed") for _ in range(3)] == [True, True, False]
    assert book.may_retry(second, "killed")


def test_a_chunk_that_keeps_failing_is_tried_piece_by_piece(placements, caplog):
    book = ChunkBook(max_failures=0)
    results = book.open_cohort(placements, [[3, 1], [0, 2]])
    first, second = book.open_chunks
    with caplog.at_level(logging.WARNING):
        assert book.fail(first, "killed")
    assert "a chunk of 2 is tried piece by piece: killed" in caplog.text
    book.finish(report_of(second, 0.0, 0.2))
    pieces = {number: chunk for number, chunk in book.open_chunks.items() if number != second}
    assert list(pieces.values()) == [[placements[3]], [placements[1]]]
    bad, good = pieces
    assert not book.fail(bad, "killed")
    book.finish(report_of(good, 0.1))
    assert accuracies_of(results) == [0.0, 0.1, 0.2, None]
    assert results[3].note == "its worker died 1 times: killed"


def test_a_joint_cohort_is_never_split(placements):
    book = ChunkBook(max_failures=1, joint=True)
    results = book.open_cohort(placements, [[0, 1, 2, 3]])
    (number,) = book.open_chunks
    assert not book.fail(number, "killed")
    assert not book.open_chunks
    assert accuracies_of(results) == [None] * 4


@pytest.mark.parametrize(("whole", "seconds"), [(False, 1.0), (True, 7.0)])
def test_seconds_are_those_of_the_last_round_or_of_the_whole_trial(placements, whole, seconds):
    book = ChunkBook(max_failures=0, time_whole_trials=whole)
    results = book.open_cohort(placements[:1], [[0]])
    book.finish(report_of(next(iter(book.open_chunks)), 0.5))
    assert results[0].seconds == seconds


def test_an_error_that_the_user_can_mend_ends_the_search(placements):
    book = ChunkBook(max_failures=0)
    book.open_cohort(placements[:1], [[0]])
    number = next(iter(book.open_chunks))
    with pytest.raises(UserError, match="cannot read the image 7"):
        book.finish({"chunk": number, "error": "cannot read the image 7"})


def test_workers_that_never_start_end_the_search():
    book = ChunkBook(max_failures=1)
    assert book.may_retry(None, "no such module")
    with pytest.raises(UserError, match="workers cannot start: no such module"):
        book.may_retry(None, "no such module")


def test_workers_that_have_started_may_die_while_they_wait(placements):
    book = ChunkBook(max_failures=0)
    book.open_cohort(placements[:1], [[0]])
    book.finish(report_of(next(iter(book.open_chunks)), 0.5))
    assert not book.may_retry(None, "killed")
    assert not book.fail(None, "killed")

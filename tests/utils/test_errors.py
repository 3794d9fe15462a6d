import json
import re

import pytest

from ean_search.utils.errors import (
    DivergedError,
    UserError,
    describe_crash,
    first_line,
    unknown_name,
)


def test_the_message_names_the_most_similar_and_all_known_names():
    error = unknown_name("searcher", "evoluton", ["random", "evolution"])
    expected = "unknown searcher 'evoluton'; did you mean 'evolution'? known: evolution, random"
    assert str(error) == expected


def test_the_message_suggests_nothing_if_no_name_is_similar():
    error = unknown_name("searcher", "xyz", ["random", "evolution"])
    assert str(error) == "unknown searcher 'xyz'; known: evolution, random"


def test_the_message_does_not_list_hundreds_of_names():
    error = unknown_name("backbone", "resnt50", ["resnet50", *map(str, range(500))])
    assert "did you mean 'resnet50'?" in str(error)
    assert "known: 501 names" in str(error)
    assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("error", "lines", "text"),
    [
        (ValueError("one\ntwo\nthree"), 1, "one"),
        (ValueError("\n  one \n\n two\nthree"), 2, "one two"),
        (ValueError("one"), 3, "one"),
        (MemoryError(), 1, "MemoryError"),
        (ValueError(" \n"), 1, "ValueError"),
    ],
)
def test_first_line_joins_the_first_lines_that_have_text(error, lines, text):
    assert first_line(error, lines) == text


def test_user_errors_are_value_errors_so_that_libraries_report_them():
    assert issubclass(UserError, ValueError)
    assert issubclass(DivergedError, UserError)


def test_a_crash_is_told_with_the_last_line_that_is_not_of_a_library():
    with pytest.raises(ValueError, match="Expecting value") as caught:
        json.loads("x")
    pattern = r"JSONDecodeError: Expecting value.* \(test_errors.py, line \d+\)"
    assert re.fullmatch(pattern, describe_crash(caught.value))
    assert describe_crash(KeyError()) == "KeyError"

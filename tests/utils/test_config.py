import pytest

from ean_search.utils.config import FrozenConfig, parse_fields
from ean_search.utils.errors import UserError


class Inner(FrozenConfig):
    rate: float = 0.1


class Outer(FrozenConfig):
    size: int
    inner: Inner = Inner()


def test_fields_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        parse_fields(Outer, {"size": 1}, "thing").size = 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 1, "inner": {"rte": 1}}, "inner.rte'; did you mean 'inner.rate'"),
        ({"sise": 1, "size": 1}, "'sise'; did you mean 'size'"),
        ({"size": "many"}, "size: .*integer.* got 'many'"),
        ({}, "field 'size' is missing"),
        ([1], "expected a mapping of fields, got list"),
    ],
)
def test_faults_are_one_line_that_says_where(fields, words):
    with pytest.raises(UserError, match=words) as caught:
        parse_fields(Outer, fields, "thing")
    assert "\n" not in str(caught.value)

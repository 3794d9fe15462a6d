import pytest

from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.registry import load_attribute, lookup


def test_unknown_names_the_nearest_and_the_known():
    error = unknown_name("searcher", "evoluton", ["random", "evolution"])
    expected = "unknown searcher 'evoluton'; did you mean 'evolution'? known: evolution, random"
    assert str(error) == expected


def test_unknown_does_not_list_hundreds():
    error = unknown_name("backbone", "resnt50", ["resnet50", *map(str, range(500))])
    assert "did you mean 'resnet50'?" in str(error)
    assert len(str(error)) < 200


def test_lookup_finds_registered_names_and_addresses():
    registry = {"path": "pathlib:Path"}
    assert lookup("path", registry, "thing") is load_attribute("pathlib:Path")
    assert lookup("pathlib:PurePath", registry, "thing").__name__ == "PurePath"


@pytest.mark.parametrize(
    ("address", "words"),
    [("no_such_module:x", "no module named 'no_such_module'"), ("pathlib:Nope", "has no 'Nope'")],
)
def test_addresses_that_lead_nowhere_say_so(address, words):
    with pytest.raises(UserError, match=words):
        lookup(address, {}, "thing")

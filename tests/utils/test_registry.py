import pytest

from ean_search.utils.errors import UserError
from ean_search.utils.registry import load_attribute, lookup


def test_lookup_finds_registered_names_and_addresses():
    registry = {"path": "pathlib:Path"}
    assert lookup("path", registry, "thing") is load_attribute("pathlib:Path")
    assert lookup("pathlib:PurePath", registry, "thing").__name__ == "PurePath"


@pytest.mark.parametrize(
    ("address", "words"),
    [("no_such_module:x", "no module named 'no_such_module'"), ("pathlib:Nope", "has no 'Nope'")],
)
def test_wrong_addresses_are_errors_of_the_user(address, words):
    with pytest.raises(UserError, match=words):
        lookup(address, {}, "thing")


def test_a_name_that_is_no_key_is_unknown():
    with pytest.raises(UserError, match="unknown thing 'pth'; did you mean 'path'"):
        lookup("pth", {"path": "pathlib:Path"}, "thing")


def test_an_error_inside_a_module_names_the_module_that_is_missing(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="no module named 'not_installed'"):
        load_attribute("needs_more:anything")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os\nos.nothing\n", r"AttributeError: .*'nothing' \(mine_\d.py, line 2\)"),
        ("def f(:\n", r"SyntaxError: .*mine_\d.py, line 1"),
    ],
)
def test_a_module_that_breaks_when_imported_is_named_with_the_line(
    tmp_path, monkeypatch, code, words
):
    name = f"mine_{len(code) % 10}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=words) as caught:
        load_attribute(f"{name}:thing")
    assert "\n" not in str(caught.value)

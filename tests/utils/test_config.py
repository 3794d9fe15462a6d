from pathlib import Path

import pytest

from ean_search.utils.config import (
    FrozenConfig,
    find_yaml,
    list_yaml,
    parse_fields,
    read_value,
)
from ean_search.utils.errors import UserError
from ean_search.utils.yaml_files import read_yaml


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
def test_errors_are_one_line_with_the_name_of_the_field(fields, words):
    with pytest.raises(UserError, match=words) as caught:
        parse_fields(Outer, fields, "thing")
    assert "\n" not in str(caught.value)


def test_fields_of_inner_configurations_are_parsed():
    config = parse_fields(Outer, {"size": "3", "inner": {"rate": 0.5}}, "thing")
    assert config == Outer(size=3, inner=Inner(rate=0.5))


def test_yaml_files_are_read(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("size: 1\ninner: {rate: 0.5}\n")
    assert read_yaml(path) == {"size": 1, "inner": {"rate": 0.5}}


def test_a_yaml_file_is_found_by_its_path_or_by_the_name_of_a_shipped_one(tmp_path):
    for name in ("small.yaml", "large.yaml", "notes.md"):
        (tmp_path / name).touch()
    assert list_yaml(tmp_path) == ["large", "small"]
    assert find_yaml("small", tmp_path, "space") == tmp_path / "small.yaml"
    assert find_yaml(tmp_path / "large.yaml", Path("elsewhere"), "space").name == "large.yaml"
    with pytest.raises(UserError, match=r"unknown space 'smal'.*did you mean 'small'"):
        find_yaml("smal", tmp_path, "space")
    with pytest.raises(UserError, match=r"no space file at .*small\.yml"):
        find_yaml(tmp_path / "small.yml", tmp_path, "space")


@pytest.mark.parametrize("content", [b"a: [b\n", b"\xff\xfe"])
def test_files_that_are_not_yaml_give_an_error_of_one_line(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"config\.yaml is not YAML: ") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("1e-3", 0.001), ("off", False), ("null", None), ("[1, a]", [1, "a"]), ("se", "se")],
)
def test_values_are_read_as_typed(text, value):
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


def test_a_value_that_is_not_yaml_is_an_error_of_one_line():
    with pytest.raises(UserError, match=r"'\[1' is not YAML: ") as caught:
        read_value("[1")
    assert "\n" not in str(caught.value)

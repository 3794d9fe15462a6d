"""YAML in bounded time and memory; tests/security has what strangers write."""

import time

import pytest

from ean_search.utils.errors import UserError
from ean_search.utils.yaml_files import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: [1, 2.5, x]", {"a": [1, 2.5, "x"]}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
    ],
)
def test_configurations_are_read(text, value):
    read = parse_yaml(text, "it")
    assert value is None or read == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "'a' is given twice"),
        ("a: &a {b: *a}", "contains itself"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested more than"),
        (f"[{'1,' * MAX_NODES}]", f"more than {MAX_NODES} values"),
        (" " * (MAX_BYTES + 1), "longer than"),
        ("!!python/name:os.system", "could not determine a constructor"),
        ("? [a]\n: 1", "unhashable"),
    ],
)
def test_others_are_refused_soon_and_in_one_line(text, words):
    start = time.monotonic()
    with pytest.raises(UserError, match="it is not YAML: ") as caught:
        parse_yaml(text, "it")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 5


def test_only_text_is_read(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"a.yaml is not YAML: it is not text"):
        read_yaml(tmp_path / "a.yaml")

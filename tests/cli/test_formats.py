"""Several export formats in one command: each is reported, and one failure stops no other."""

import pytest

from ean_search.cli.formats import for_each_format, read_formats
from ean_search.utils.errors import UserError


def test_names_are_separated_by_commas():
    assert read_formats("timm, onnx,,timm") == ["timm", "onnx"]
    with pytest.raises(UserError, match="expected export formats such as timm,onnx, got ' ,'"):
        read_formats(" ,")


def test_a_format_that_fails_does_not_stop_the_others(capsys):
    done = []

    def work(name):
        if name in ("b", "d"):
            raise UserError(f"{name} is broken")
        done.append(name)

    with pytest.raises(UserError, match="2 of 4 formats failed: b, d"):
        for_each_format(["a", "b", "c", "d"], work)
    assert done == ["a", "c"]
    lines = ["ean-search: b is broken", "ean-search: d is broken"]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_single_format_fails_in_one_line(capsys):
    def work(name):
        raise UserError("it is broken")

    with pytest.raises(UserError, match=r"^it is broken$"):
        for_each_format(["a"], work)
    assert capsys.readouterr().err == ""

"""The script that tries attention on all model families, on single models."""

import csv

import pytest

from tests.helpers import load_script


@pytest.fixture
def script():
    return load_script("coverage")


def test_small_variants_come_first(script):
    variants = script.list_small_variants("efficientvit_msra")
    assert 0 < len(variants) <= script.MAX_VARIANTS
    assert variants[0] == "efficientvit_m0"
    names = ["convnext_large", "convnext_atto", "convnext_small", "convnext_tiny"]
    assert sorted(names, key=script.guess_size)[0] == "convnext_atto"
    assert sorted(names, key=script.guess_size)[-1] == "convnext_large"


@pytest.mark.slow
def test_a_model_with_sites_passes(script, one_thread):
    row = script.attempt("resnet10t", "se")
    assert row["status"] == "ok", row
    assert row["sites"] > 0
    assert row["added_macs"] > 0


def test_an_error_becomes_one_line(script, monkeypatch):
    def fail(variant, attention):
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(script, "make_space", fail)
    expected = {"status": "failed", "reason": "ValueError: first line"}
    assert script.attempt("resnet10t", "se") == expected


def test_families_that_are_in_the_file_are_not_tried_again(script, tmp_path, monkeypatch, capsys):
    output, tried = tmp_path / "coverage.csv", []
    monkeypatch.setattr(script, "OUTPUT", output)
    monkeypatch.setattr(script, "list_small_variants", lambda family: [f"{family}_tiny"])

    def attempt(variant, attention):
        tried.append((variant, attention))
        return {"status": "no site", "reason": "has no site"}

    monkeypatch.setattr(script, "attempt", attempt)
    script.main(["a", "b"])
    script.main(["a", "b", "c"])
    assert tried == [(f"{name}_tiny", kind) for name in "abc" for kind in ("se", "mrla_light")]
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["family"] for row in rows] == list("aabbcc")
    assert rows[0]["status"] == "no site"

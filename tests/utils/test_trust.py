"""Foreign names: what marks them, what takes the mark away, and what is recorded."""

import json

import pytest
import yaml

from ean_search.core.space import Space
from ean_search.utils.errors import UserError
from ean_search.utils.trust import (
    ForeignName,
    mark_foreign,
    read_trust,
    record_names,
    recorded_names,
    refuse_foreign,
    trusted_in_block,
    trusting,
)


def test_marks_reach_every_depth_and_respect_trust():
    fields = {"a": ["x:y", {"b": "se"}], "c": ("my.mod:z", 3, None)}
    marked = mark_foreign(fields, {"my.mod"})
    assert marked == {"a": ["x:y", {"b": "se"}], "c": ["my.mod:z", 3, None]}
    assert isinstance(marked["a"][0], ForeignName)
    assert not isinstance(marked["a"][1]["b"], ForeignName)
    assert not isinstance(marked["c"][0], ForeignName)
    assert not isinstance(mark_foreign(marked, ["x:y"])["a"][0], ForeignName)


@pytest.mark.parametrize("trusted", [["x"], ["x:y"]])
def test_a_module_is_trusted_whole_or_by_one_name(trusted):
    refuse_foreign([mark_foreign("x:y", trusted)])
    with pytest.raises(UserError):
        refuse_foreign([mark_foreign("x.y:y", trusted)])


def test_marks_survive_values_but_not_files(tmp_path):
    space = Space.model_validate(
        mark_foreign({"name": "n", "backbone": "a:b", "attention": ["c:d"]}, ())
    )
    for copy in (space, space.model_copy(), Space.model_validate(dict(space))):
        with pytest.raises(UserError, match="names a:b"):
            refuse_foreign([copy.backbone])
        assert isinstance(copy.attention[0].name, ForeignName)
    assert yaml.safe_load(yaml.safe_dump({"a": space.backbone})) == {"a": "a:b"}


def test_names_are_read_as_they_are_typed():
    assert read_trust("a, b:c,,") == ["a", "b:c"]


def test_blocks_of_trust_nest_and_end():
    with trusting("a"):
        with trusting("b"):
            assert trusted_in_block() == {"a", "b"}
        assert trusted_in_block() == {"a"}
    assert not trusted_in_block()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "run" / "provenance.json").write_text(json.dumps({"run_id": "1234"}))
    return tmp_path / "run"


def test_a_record_holds_for_the_folder_with_its_id_only(folder, tmp_path):
    assert recorded_names(folder) == set()
    record_names(folder, ["a:b"])
    record_names(folder, ["c:d"])
    assert recorded_names(folder) == recorded_names(folder / "deep" / "x") == {"a:b", "c:d"}
    folder.rename(tmp_path / "moved")
    assert recorded_names(tmp_path / "moved") == set()
    (tmp_path / "moved").rename(folder)
    (folder / "provenance.json").write_text(json.dumps({"run_id": "5678"}))
    assert recorded_names(folder) == set()
    (folder / "provenance.json").unlink()
    assert recorded_names(folder) == set()


def test_without_an_id_nothing_is_recorded_for_good(tmp_path):
    record_names(tmp_path, ["a:b"])
    assert recorded_names(tmp_path) == set()


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "[" * 100_000, "\x00"])
def test_what_cannot_be_read_trusts_nobody(folder, text):
    record_names(folder, ["a:b"])
    (folder / "provenance.json").write_text(text)
    assert recorded_names(folder) == set()


def test_a_record_that_cannot_be_written_is_said(folder, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EAN_SEARCH_STATE", str(tmp_path / "file"))
    record_names(folder, ["a:b"])
    assert "will need --trust" in caplog.text

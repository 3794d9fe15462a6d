"""A run goes on with what it began with, or says what differs."""

import json

import pytest
import torch

import ean_search
from ean_search.runs.conditions import check_conditions, conditions
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_RUN


@pytest.fixture
def run(tmp_path):
    run = ean_search.start_run(load_experiment(None, SMALL_RUN), tmp_path / "run")
    run.supernet_file.write_text("")  # something was computed
    return run


def change(run, **values):
    about = json.loads(run.provenance_file.read_text())
    about["conditions"] |= values
    run.provenance_file.write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threads", 77, "began with threads 77, and here it is .*OMP_NUM_THREADS=77"),
        ("device", "cuda", "began with device cuda, and here it is cpu.*on a machine with cuda"),
        ("torch", "1.0", "began with torch 1.0, .*torch 1.0 gives the same"),
    ],
)
def test_what_would_change_the_history_needs_force(run, name, value, words, caplog):
    check_conditions(run, "cpu", force=False)
    change(run, **{name: value})
    with pytest.raises(UserError, match=words + r".*--force"):
        check_conditions(run, "cpu", force=False)
    check_conditions(run, "cpu", force=True)
    assert "its history is another one from here on" in caplog.text
    about = json.loads(run.provenance_file.read_text())
    assert about["continued"] == [{"trials": 0, **conditions("cpu")}]


def test_before_anything_is_computed_and_after_the_end_nothing_can_change(run):
    change(run, threads=77)
    run.summary_file.write_text("{}")
    check_conditions(run, "cpu", force=False)
    run.summary_file.unlink()
    run.supernet_file.unlink()
    check_conditions(run, "cpu", force=False)


def test_other_versions_are_said(run, caplog):
    about = json.loads(run.provenance_file.read_text())
    about["packages"]["timm"] = "0.1"
    run.provenance_file.write_text(json.dumps(about))
    check_conditions(run, "cpu", force=False)
    assert "other versions than in provenance.json: timm 0.1 -> " in caplog.text


def test_what_is_noted(run):
    noted = json.loads(run.provenance_file.read_text())["conditions"]
    threads = torch.get_num_threads()
    assert noted == {"device": "cpu", "threads": threads, "torch": torch.__version__}


@pytest.mark.slow
def test_a_lost_price_list_is_not_measured_anew(tmp_path):
    run = ean_search.start_run(load_experiment(None, SMALL_RUN), tmp_path / "run")
    ean_search.do_run(run)
    run.costs_file.unlink()
    with pytest.raises(UserError, match=r"costs.json is lost"):
        ean_search.do_run(run, budget=8)

"""One call on any network: what goes in, what comes out, and what is refused before it begins."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from ean_search.analysis.run_folder import load_run
from ean_search.core.score import Score
from ean_search.runs.pipeline import do_run
from ean_search.utils.errors import UserError
from tests.runs.module_search import IMAGES, gated_net, history, score, search


def test_the_users_module_is_left_alone(tmp_path):
    model = gated_net().train()
    model.stem.eval()
    model.head.weight.requires_grad_(False)
    model.head.bias.grad = torch.ones(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    search(tmp_path / "run", model)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.training, model.stem.training) == (True, False)
    assert not model.head.weight.requires_grad
    assert torch.equal(model.head.bias.grad, torch.ones(2))
    assert model.stem.weight.grad is None
    assert type(model.blocks[0].recalibrate).__name__ == "Gate"


def test_the_folder_is_one_like_any_other(tmp_path):
    found = search(tmp_path / "run", score_range=(0, 10))
    run = load_run(tmp_path / "run")
    fields = {"name": "error", "maximize": False, "low": 0, "high": 10}
    assert run.score == Score(**fields, reference=run.score.reference)
    trials = run.read_trials()
    assert len(trials) == 6
    first = json.loads(run.trials_file.read_text().splitlines()[0])
    assert run.score.worth(first["error"]) == pytest.approx(first["worth"])
    assert "accuracy" not in first
    assert run.front_table.read_text().startswith("number,step,placement,status,error,")
    assert run.find("best") == found.placement
    summary = json.loads(run.summary_file.read_text())
    assert summary["comparison"]["best"]["standard_error"] > 0
    assert not [command for command in summary["next"] if "retrain" in command]
    with pytest.raises(UserError, match="batches, loss and score came from Python"):
        do_run(run)


def test_a_search_goes_on_by_the_same_call(tmp_path):
    whole = search(tmp_path / "whole", budget=8)
    search(tmp_path / "run", budget=5)
    again = search(tmp_path / "run", budget=8)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert again.run.score == whole.run.score
    written = (tmp_path / "run" / "summary.json").stat().st_mtime_ns
    search(tmp_path / "run", budget=8)
    assert (tmp_path / "run" / "summary.json").stat().st_mtime_ns == written


def test_another_module_or_setting_is_another_search(tmp_path):
    search(tmp_path / "run")
    other = gated_net()
    with torch.no_grad():
        other.head.bias += 1
    with pytest.raises(UserError, match=r"is that of another module: space.backbone was 'live/Gat"):
        search(tmp_path / "run", other)
    with pytest.raises(UserError, match=r"has other settings: fine_tuning.epochs was 1, not 2"):
        search(tmp_path / "run", epochs=2)


def test_dropping_may_be_scored_as_it_is(tmp_path):
    found = search(tmp_path / "run", epochs=0, train=None, loss=None, budget=8)
    model = gated_net().eval()
    with torch.no_grad():
        assert found.at("all").score == pytest.approx(float(score(model).mean()))
        assert torch.equal(found.at("all").network(IMAGES)["y"], model(IMAGES)["y"])
    assert len(found.trials) == 8


def test_new_attention_may_be_mixed_with_that_of_the_network(tmp_path):
    found = search(tmp_path / "run", attention=["se"], sites="blocks.[01]", budget=4)
    assert list(found.sites.path) == ["blocks.0", "blocks.1"]
    assert set(found.sites.own) == {""}


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = gated_net()

    def forward(self, x):
        return {"y": self.net(x)["y"] + torch.rand(())}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": lambda m, b: m(b[0])["y"]}, r"the loss is no scalar: .* a tensor of \(16, 2\)"),
        ({"loss": lambda m, b: 1.0}, "the loss is no tensor"),
        ({"score": lambda m: math.nan}, "error of the network as it was given is nan"),
        ({"score": lambda m: "good"}, r"score\(model\) gave str"),
        ({"score": 3}, "score: expected a function, got int"),
        ({"score_range": (5, 6)}, "error is .*, beyond the range 5 to 6 that was stated"),
        ({"model": Noisy()}, "Noisy is not deterministic in evaluation mode"),
        ({"model": nn.Conv2d(1, 2, 1)}, r"no attention of its own \(looked for: gates"),
        ({"sites": "neck.*"}, r"no attention of its own that matches 'neck\.\*'"),
        ({"model": nn.Conv2d(3, 2, 1)}, r"Conv2d does not take the example \(2 x 1 x 8 x 8\)"),
        ({"train": []}, "the loader gives no batch"),
        ({"train": None}, "1 epochs of fine-tuning need both train=loader and loss="),
        ({"attention": "se", "epochs": 0}, "'se' is new in the network and must be trained"),
        ({"optimizer": 3}, "optimizer: expected a function, got int; such as lambda weights"),
        ({"objective": "accuracy"}, "expected an objective like 'error - 0.05 latency'"),
        ({"score_name": "reward"}, "a score cannot be called 'reward'"),
        ({"limits": "sites < 0"}, "no placement of 'gatednet' keeps the limits"),
        ({"searcher": "evolutoin"}, "did you mean 'evolution'"),
        ({"budget": 0}, "budget"),
    ],
)
def test_what_cannot_work_is_one_line_before_there_is_a_folder(tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        search(tmp_path / "run", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and is not a run"):
        search(tmp_path / "run")


KILLED = """
import sys, time
from pathlib import Path
from tests.runs import module_search
def slowly(network):
    time.sleep(0.15)
    return module_search.score(network)
module_search.search(Path(sys.argv[1]), score=slowly, budget=8)
"""


@pytest.mark.slow
def test_a_killed_search_ends_with_the_same_history(tmp_path):
    search(tmp_path / "whole", budget=8)
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    folder = tmp_path / "run"
    for trials in (2, 5):
        command = [sys.executable, "-c", KILLED, str(folder)]
        process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if (folder / "trials.jsonl").is_file() and len(history(folder)) >= trials:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert trials <= len(history(folder)) < 8
    found = search(folder, budget=8)
    assert history(folder) == history(tmp_path / "whole")
    assert len(found.front)


@pytest.mark.slow
def test_workers_score_the_same(tmp_path):
    from ean_search.distributed.config import Workers

    search(tmp_path / "alone", budget=8)
    search(tmp_path / "run", budget=8, workers=Workers(count=2, cpus=1))
    assert history(tmp_path / "run") == history(tmp_path / "alone")

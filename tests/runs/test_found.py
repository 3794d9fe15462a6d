"""What a search found: networks for several budgets, tables, a page, and files."""

import json

import pytest
import torch
from safetensors import safe_open

from ean_search.networks.plain_modules import foreign_modules
from ean_search.utils.errors import UserError
from tests.runs.module_search import IMAGES, search


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return search(tmp_path_factory.mktemp("found") / "run", budget=8)


def test_the_network_is_what_was_scored(found):
    for name in ("none", "all", "every-other"):
        network = found.at(name).network
        assert not foreign_modules(network)
        with torch.no_grad():
            error = float(score_of(network))
        assert error == pytest.approx(found.at(name).score)
    gates = [module for module in found.at("none").network.modules() if "Gate" in str(type(module))]
    assert [type(gate).__name__ for gate in gates] == ["GatedNet", *["GatedBlock"] * 3]


def score_of(network):
    from tests.runs.module_search import score

    return score(network).mean()


def test_tables_have_the_users_score(found):
    assert list(found.front.error) == sorted(found.front.error, reverse=True)  # dearer is better
    assert len(found.trials) == 8
    assert found.trials.error.min() == pytest.approx(
        min(found.at(p).score for p in found.trials.placement)
    )
    chosen = found.at("010").sites
    assert list(chosen.choice) == ["none", "own", "none"]
    assert set(chosen.own) == {"Gate"}


def test_another_budget_needs_no_other_search(found):
    few = found.pick("sites <= 1")
    assert few.placement.attached <= 1
    assert few.run is found.run
    close = found.pick(max_drop=1000)
    assert close.placement.attached == 0
    with pytest.raises(UserError, match="no evaluated placement keeps"):
        found.pick("sites > 5")


def test_the_page_names_the_score(found):
    page = found.report()
    text = page.read_text()
    assert "<th>error</th>" in text
    assert "error on the search split" in text
    assert "<th>accuracy</th>" not in text


def test_it_is_saved_as_weights_or_whole(found, tmp_path):
    chosen = found.at("010")
    file = chosen.save(tmp_path / "found.safetensors")
    with safe_open(file, "pt") as weights:
        about = weights.metadata()
        assert set(weights.keys()) == set(chosen.network.state_dict())
    assert about["placement"] == "010"
    assert json.loads(about["sites"])["blocks.1.recalibrate"] == "own"
    whole = torch.load(chosen.save(tmp_path / "found.pt"), weights_only=False)
    with torch.no_grad():
        assert torch.equal(whole(IMAGES)["y"], chosen.network(IMAGES)["y"])
    with pytest.raises(UserError, match=r"expected a file \*.safetensors or \*.pt"):
        chosen.save(tmp_path / "found.bin")


def test_commands_read_the_folder(found, capsys):
    from ean_search.cli.main import main

    assert main(["pick", str(found.run.path), "--budget-cost", "sites <= 1"]) == 0
    out = capsys.readouterr().out
    assert "x given" in out
    assert " error " in out
    assert "accuracy" not in out
    assert ", 224 px" not in found.report().read_text()

import pytest
import torch
from torch import nn

from ean_search.attention.base import Attention
from ean_search.attention.registry import find_attention
from ean_search.bench import attentions
from ean_search.bench.attentions import bench_attentions, paper_of
from ean_search.utils.errors import UserError


class Branching(Attention):
    """Double a map whose sum is positive: a decision that no graph can hold."""

    def __init__(self, channels: int):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return x * self.factor if x.sum() > 0 else x


class Constant(Attention):
    """Scale by learnt factors (nowhere in particular)."""

    def __init__(self, channels: int):
        super().__init__()
        self.factors = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        return x * self.factors


class Broken(Attention):
    def __init__(self, channels: int):
        super().__init__()

    def forward(self, x):
        return x[:, :1]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(attentions, "STAGES", ((8, 64), (4, 128)))


def describe(*names, **options):
    names = [f"{__name__}:{name.__name__}" if isinstance(name, type) else name for name in names]
    frame = bench_attentions(names, rounds=1, **options)
    return dict(zip(frame.attention, frame.to_dict("records"), strict=True))


@pytest.mark.slow
def test_costs_are_those_of_one_attachment(small):
    rows = describe("se", "triplet", "broad")
    assert rows["se"]["params_8"] == 2 * 64 * 4 + 4 + 64
    assert rows["se"]["macs_4"] == 2 * 128 * 8
    assert rows["triplet"]["macs_8"] == 98 * (8 * 8 + 2 * 64 * 8)
    assert rows["broad"]["params_4"] == 0
    assert all(row[f"ms_{side}"] > 0 for row in rows.values() for side in (8, 4))


@pytest.mark.slow
def test_gates_that_pruning_can_fold(small):
    rows = describe("sge", "se", Constant)
    folds = [row["fold"] for row in rows.values()]
    assert folds == ["no", "if it hardly varies", "always"]


@pytest.mark.slow
def test_what_tracers_cannot_hold_is_said(small):
    rows = describe("eca", Branching)
    assert (rows["eca"]["compile"], rows["eca"]["export"]) == ("yes", "yes")
    broken = rows[f"{__name__}:Branching"]
    assert (broken["compile"], broken["export"], broken["onnx"]) == ("no", "no", "no")


@pytest.mark.slow
def test_families_are_those_of_the_coverage(small, tmp_path):
    coverage = tmp_path / "coverage.csv"
    lines = ["family,position,status", "a,residual,ok", "b,residual,failed", "c,block,ok"]
    coverage.write_text("\n".join([*lines, "a,block,ok", "d,block,ok"]))
    rows = describe("simam", "depthwise", coverage=coverage)
    assert (rows["simam"]["families"], rows["depthwise"]["families"]) == (3, 3)
    assert rows["simam"]["positions"] == "residual block"


@pytest.mark.slow
def test_an_attention_that_breaks_its_contract_is_left_out(small, caplog):
    assert list(describe(Broken, "simam")) == ["simam"]
    assert "Broken is left out" in caplog.text
    with pytest.raises(UserError, match="unknown attention 'simm'; did you mean 'simam'"):
        describe("simm")


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("se", "arXiv 1709.01507"),
        ("simam", "ICML 2021"),
        ("spa", "ICME 2020"),
        ("ema_attention", "ICASSP 2023"),
        ("ela", "arXiv 2403.01123"),  # timm's module names two papers, the class one of them
        ("coord", ""),
        ("full", ""),
    ],
)
def test_papers_are_those_of_the_documentation(name, paper):
    assert paper_of(find_attention(name)) == paper

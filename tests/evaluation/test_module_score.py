"""Placements of a user's module are scored by a user's function."""

import math

import numpy as np
import pytest
import torch

from ean_search.core.score import Score
from ean_search.evaluation.module_score import ModuleEvaluator, measure_score
from ean_search.networks.builder import build, place, prune
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.site_table import live_space
from ean_search.utils.errors import UserError
from tests.networks.modules import GatedNet

IMAGES = torch.rand(6, 1, 8, 8)
LIVE = register_live(GatedNet(2), Example.of(IMAGES))
SPACE = live_space(LIVE, "own")
ERROR = Score(name="error", maximize=False, low=None, high=None, reference=2.0)


def each(network):
    assert not network.training
    assert not torch.is_grad_enabled()
    return network(IMAGES)["y"].abs().mean(1)


def test_scores_are_those_of_pruned_networks():
    network = build(SPACE)
    placements = [SPACE.parse(text) for text in ("00", "01", "11")]
    results = list(ModuleEvaluator(network, each, ERROR).evaluate(placements))
    for placement, result in zip(placements, results, strict=True):
        values = each_without_grad(prune(network, placement).eval())
        assert ERROR.value(result.accuracy) == pytest.approx(values.mean())
        assert 2.0 * result.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(6))
    assert len({result.accuracy for result in results}) == 3


def each_without_grad(network):
    with torch.no_grad():
        return each(network).numpy().astype(float)


def test_a_single_number_has_no_error():
    network = build(SPACE)
    found = measure_score(place(network, "11"), lambda n: each(n).mean())
    assert found.error is None
    assert measure_score(network, lambda _: np.float32(0.5)).value == 0.5


def test_every_placement_sees_the_same_random_numbers():
    network = build(SPACE)
    draws = [measure_score(network, lambda _: torch.rand(3)).value for _ in range(2)]
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda _: "good", r"score\(model\) gave str; expected a number"),
        (lambda _: [], r"score\(model\) gave numbers of shape \(0,\)"),
        (lambda _: torch.zeros(2, 2), r"gave numbers of shape \(2, 2\); expected one axis"),
        (lambda _: {}["AP"], r"score\(model\) failed: KeyError: 'AP'"),
    ],
)
def test_what_is_no_score_is_one_line(function, message):
    with pytest.raises(UserError, match=message):
        measure_score(build(SPACE), function)


def test_a_placement_may_fail_and_a_range_must_hold():
    network, placements = build(SPACE), [SPACE.parse("11")]
    (failed,) = ModuleEvaluator(network, lambda _: math.nan, ERROR).evaluate(placements)
    assert (failed.accuracy, failed.note) == (None, "its error is nan")

    def exhausted(_):
        raise MemoryError("no room")

    (failed,) = ModuleEvaluator(network, exhausted, ERROR).evaluate(placements)
    assert failed.note == "out of memory: no room"
    share = Score(name="mIoU")
    with pytest.raises(UserError, match="mIoU is 45, beyond the range 0 to 1 that was stated"):
        list(ModuleEvaluator(network, lambda _: 45, share).evaluate(placements))

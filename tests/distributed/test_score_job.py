"""Workers score a user's module as this process does."""

import torch

from ean_search.core.score import Score
from ean_search.distributed.score_job import ScoreJob
from ean_search.evaluation.module_score import ModuleEvaluator
from ean_search.networks.builder import build
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.site_table import live_space
from tests.networks.modules import GatedNet

IMAGES = torch.rand(4, 1, 8, 8)


def score(network):
    return network(IMAGES)["y"].sigmoid().mean()


def test_a_chunk_is_scored_as_in_this_process(tmp_path):
    live = register_live(GatedNet(2), Example.of(IMAGES))
    space = live_space(live, "own")
    evaluator = ModuleEvaluator(build(space), score, Score(name="mean"))
    job = ScoreJob(evaluator)
    placements = space.enumerate()
    assert sorted(i for part in job.cut(placements, 2) for i in part) == [0, 1, 2, 3]
    ready = job.prepare("cpu")
    assert ready.evaluator.network is not evaluator.network
    measured = [result.accuracy for result in ready.measure(placements, 1, tmp_path)]
    assert measured == [result.accuracy for result in evaluator.evaluate(placements)]
    assert (job.joint, job.rounds) == (False, 1)

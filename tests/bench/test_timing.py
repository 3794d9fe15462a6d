import torch

from ean_search.bench.timing import TimingSettings, evaluation_of, median_seconds
from ean_search.testing.toy import ToyLandscape
from tests.synthetic import SPACE


def test_noise_images_are_the_same_every_time():
    settings = TimingSettings(image_size=8, images=3)
    one, two = settings.make_split(), settings.make_split()
    assert one.images.shape == (3, 3, 8, 8)
    assert torch.equal(one.images, two.images)
    assert one.labels.tolist() == [0, 0, 0]


def test_every_action_is_timed_in_every_round():
    calls = []
    actions = {name: lambda name=name: calls.append(name) for name in ("slow", "fast")}
    seconds = median_seconds(actions, rounds=1, device="cpu")
    assert calls == ["slow", "fast"]
    assert set(seconds) == {"slow", "fast"}
    assert min(seconds.values()) >= 0


def test_an_evaluation_takes_the_whole_cohort():
    seen = []

    class Evaluator:
        def evaluate(self, placements):
            for placement in placements:
                seen.append(placement)
                yield ToyLandscape(SPACE).accuracy(placement)

    cohort = SPACE.enumerate()[:5]
    assert evaluation_of(Evaluator(), cohort)() is None
    assert seen == cohort

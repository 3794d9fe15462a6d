import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.training.path_sampling import PATH_SAMPLERS, find_path_sampler
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(8, 8))
MIXED = Space(name="mixed", backbone="x", attention=["se", "eca"], stages=(3, 3))


def draw_many(name, space, times=400):
    rng = np.random.default_rng(0)
    return [PATH_SAMPLERS[name].draw(space, rng) for _ in range(times)]


@pytest.mark.parametrize("name", PATH_SAMPLERS)
@pytest.mark.parametrize("space", [SPACE, MIXED], ids=lambda space: space.name)
def test_draws_lie_in_the_space_and_follow_the_generator(name, space):
    first, second = draw_many(name, space, 20), draw_many(name, space, 20)
    assert first == second
    assert all(space.parse(str(p)) == p for placements in first for p in placements)


def test_uniform_count_draws_sparse_placements_more_often_than_bernoulli():
    counts = {
        n: [d[0].attached for d in draw_many(n, SPACE)] for n in ("bernoulli", "uniform-count")
    }
    sparse = {name: np.mean(np.array(drawn) <= 3) for name, drawn in counts.items()}
    assert sparse["bernoulli"] < 0.04
    assert sparse["uniform-count"] == pytest.approx(4 / 17, abs=0.06)


@pytest.mark.parametrize("space", [SPACE, MIXED], ids=lambda space: space.name)
def test_a_complement_gives_every_site_every_choice_once(space):
    for placements in draw_many("complement", space, 20):
        for choices in zip(*(p.choices for p in placements), strict=True):
            assert sorted(choices) == list(range(space.choices))


def test_a_sandwich_has_all_and_none_and_two_others():
    for placements in draw_many("sandwich", SPACE, 20):
        assert placements[:2] == [SPACE.named["all"], SPACE.named["none"]]
        assert len(placements) == 4


def test_an_unknown_path_sampler_is_an_error():
    with pytest.raises(UserError, match="did you mean 'bernoulli'"):
        find_path_sampler("bernouli")

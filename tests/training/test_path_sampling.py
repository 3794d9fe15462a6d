import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.training.path_sampling import PATH_SAMPLERS, find_path_sampler
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(8, 8))
MIXED = Space(name="mixed", backbone="x", attention=["se", "eca"], stages=(3, 3))


def draws(name, space, times=400):
    rng = np.random.default_rng(0)
    return [PATH_SAMPLERS[name].draw(space, rng) for _ in range(times)]


@pytest.mark.parametrize("name", PATH_SAMPLERS)
@pytest.mark.parametrize("space", [SPACE, MIXED], ids=lambda space: space.name)
def test_draws_lie_in_the_space_and_follow_the_generator(name, space):
    first, second = draws(name, space, 20), draws(name, space, 20)
    assert first == second
    assert all(space.parse(str(p)) == p for placements in first for p in placements)


def test_bernoulli_rarely_leaves_the_middle_and_uniform_count_does():
    counts = {n: [d[0].attached for d in draws(n, SPACE)] for n in ("bernoulli", "uniform-count")}
    few = {name: np.mean(np.array(found) <= 3) for name, found in counts.items()}
    assert few["bernoulli"] < 0.04
    assert few["uniform-count"] == pytest.approx(4 / 17, abs=0.06)


@pytest.mark.parametrize("space", [SPACE, MIXED], ids=lambda space: space.name)
def test_complements_give_every_site_every_choice_once(space):
    for placements in draws("complement", space, 20):
        for choices in zip(*(p.choices for p in placements), strict=True):
            assert sorted(choices) == list(range(space.choices))


def test_sandwiches_have_all_and_none_and_some_between():
    for placements in draws("sandwich", SPACE, 20):
        assert placements[:2] == [SPACE.named["all"], SPACE.named["none"]]
        assert len(placements) == 4


def test_unknown_samplers_are_refused():
    with pytest.raises(UserError, match="did you mean 'bernoulli'"):
        find_path_sampler("bernouli")

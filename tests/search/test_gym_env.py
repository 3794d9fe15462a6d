import math

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import MultiBinary, MultiDiscrete
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.gym_env import PlacementEnv, make_action_space
from ean_search.search.gym_registration import ID
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.testing.toy import ToyLandscape, price
from ean_search.utils.errors import UserError
from tests.synthetic import SPACE, write_synthetic

BINARY = Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(3, 2))
both = pytest.mark.parametrize("space", [BINARY, MIXED], ids=["binary", "mixed"])


def make_env(space, reward="accuracy", limits="", evaluate=None):
    problem = Problem(space, Objective.parse(reward, limits), price)
    return PlacementEnv(problem, evaluate or ToyLandscape(space).accuracy)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("tables") / "six.parquet")


@both
@pytest.mark.parametrize("limits", ["", "sites <= 2"])
def test_check_env_accepts_the_environment_of_a_problem(space, limits):
    problem = Problem(space, Objective.parse("accuracy - 0.1 sites", limits), price)
    env = gymnasium.make(ID, problem=problem, evaluate=ToyLandscape(space).accuracy)
    check_env(env.unwrapped)


def test_check_env_accepts_the_environment_of_a_table(table):
    check_env(gymnasium.make(ID, table=table, sees="one", seed=1).unwrapped)


def test_the_rewards_of_a_table_environment_come_from_the_table(table):
    env = gymnasium.make(ID, table=table, objective="accuracy - 0.1 sites")
    env.reset(seed=0)
    placement = SPACE.parse("10-110-0")
    _, reward, terminated, _, info = env.step(placement.to_array())
    assert terminated
    assert reward == pytest.approx(PlacementBench(table).accuracy(placement) - 0.1 * 3 / 6)
    assert info["placement"] == "10-110-0"


@pytest.mark.parametrize("options", [{}, {"table": "a.parquet", "evaluate": print}])
def test_an_environment_needs_a_table_or_a_problem(options):
    with pytest.raises(UserError, match="expected a table, or a problem"):
        gymnasium.make(ID, **options)


def test_vector_environments_evaluate_at_every_step(table):
    envs = gymnasium.make_vec(ID, num_envs=2, table=table)
    envs.reset(seed=0)
    placements = [SPACE.named["none"], SPACE.named["all"]]
    actions = np.stack([placement.to_array() for placement in placements])
    for _ in range(2):
        _, rewards, terminated, _, _ = envs.step(actions)
        assert terminated.all()
        assert rewards == pytest.approx([PlacementBench(table).reward(p) for p in placements])
    envs.close()


def test_actions_are_bits_for_two_choices_and_integers_for_more():
    assert make_action_space(BINARY) == MultiBinary(8)
    assert make_action_space(MIXED) == MultiDiscrete([3] * 5, dtype=np.int8)


@both
def test_placements_convert_to_actions_and_back(space, rng):
    actions = make_action_space(space)
    for _ in range(20):
        placement = space.sample(rng)
        assert placement.to_array() in actions
        assert space.placement(placement.to_array()) == placement
        assert space.placement(actions.sample()) in space.enumerate()


@pytest.mark.parametrize(
    ("action", "got"),
    [
        (np.full(8, 2), r"shape \(8,\): array\(\[2, 2"),
        (np.full(8, 0.5), r"shape \(8,\): array\(\[0.5"),
        (np.full(8, np.nan), r"shape \(8,\): array\(\[nan"),
        (np.zeros((1, 8)), r"shape \(1, 8\): array"),
        ([1, 0], r"\[1, 0\]"),
        ([[1], [1, 2]], r"\[\[1\], \[1, 2\]\]"),
        (np.zeros(200), r"shape \(200,\): .*\.\.\.$"),
        (1, "1"),
        ("10-110-010", "'10-110-010'"),
        (["1"] * 8, r"\['1'"),
        (None, "None"),
    ],
)
def test_a_wrong_action_gives_an_error_that_says_what_was_expected(action, got):
    words = r"expected an action of shape \(8,\), one choice for each site: whole numbers from"
    with pytest.raises(UserError, match=f"{words} 0 to 1; got {got}") as caught:
        make_env(BINARY).step(action)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("action", [[1] * 8, (1.0,) * 8, np.ones(8, bool), np.ones(8, np.uint8)])
def test_whole_numbers_of_any_type_are_an_action(action):
    assert make_env(BINARY).step(action)[4]["placement"] == "11-111-111"


def test_a_step_ends_the_episode_and_returns_the_reward_of_the_objective():
    env = make_env(BINARY, "accuracy - 0.1 sites", evaluate=lambda placement: 0.75)
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(np.array([1, 0, 1, 1, 0, 0, 1, 0]))
    assert (terminated, truncated) == (True, False)
    assert reward == pytest.approx(0.75 - 0.1 * 4 / 8)
    assert (info["placement"], info["accuracy"], info["cost"]["sites"]) == ("10-110-010", 0.75, 4)


def test_a_placement_is_evaluated_once():
    calls = []
    env = make_env(BINARY, evaluate=lambda placement: calls.append(placement) or 0.5)
    for _ in range(3):
        env.reset()
        env.step(np.ones(8, dtype=np.int8))
    assert calls == [BINARY.named["all"]]


def test_infeasible_placements_are_not_evaluated_and_get_the_penalty():
    def refuse(placement):
        raise AssertionError

    env = make_env(BINARY, limits="sites <= 4", evaluate=refuse)
    _, high_excess, _, _, info = env.step(np.ones(8))
    _, low_excess, _, _, _ = env.step(np.arange(8) < 5)
    assert info["accuracy"] is None
    assert high_excess < low_excess <= -1.0


def test_a_failed_evaluation_gets_the_penalty():
    _, reward, _, _, info = make_env(BINARY, evaluate=lambda placement: math.nan).step(np.ones(8))
    assert (reward, info["accuracy"]) == (-1.0, None)


@both
def test_environments_run_in_a_vector_environment(space):
    makers = [lambda: make_env(space, limits="sites <= 4")] * 3
    envs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    landscape = ToyLandscape(space)
    placements = [space.named[name] for name in ("none", "all", "last-per-stage")]
    for _ in range(2):  # with SAME_STEP, every step is an evaluation
        actions = np.stack([placement.to_array() for placement in placements])
        _, rewards, terminated, _, _ = envs.step(actions)
        assert terminated.all()
        assert rewards[[0, 2]] == pytest.approx([landscape.accuracy(p) for p in placements[::2]])
        assert rewards[1] < -1.0
    envs.close()

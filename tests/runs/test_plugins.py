"""Plug-ins that cannot work are told before a run has a folder, quickly and in one line."""

import time

import pytest
from torch import nn

from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import resolve, start_run
from ean_search.runs.plugins import check_plugins
from ean_search.utils.errors import UserError

TINY = {"space": {"base": "tiny"}, "device": "cpu"}


class Sampling:
    """A searcher that works."""

    def __init__(self, problem, start=1.0):
        self.space, self.start = problem.space, start

    def ask(self, n, rng):
        return [self.space.sample(rng) for _ in range(n)]

    def tell(self, trials):
        pass


class WithoutGenerator(Sampling):
    def ask(self, n):
        return []


class OfSpace(Sampling):
    def __init__(self, space):
        self.sites = space.sites


class OfNumbers(Sampling):
    def __init__(self, sites, choices):
        self.sites, self.choices = sites, choices


class OfNothing(Sampling):
    def __init__(self):
        pass


class AsksLists(Sampling):
    def ask(self, n, rng):
        return [[0, 1, 0, 1]] * n


class Forgetful(Sampling):
    def tell(self, trials):
        raise KeyError("lost")


class Halved(nn.Module):
    """An attention that works."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x / 2


class OfMap(Halved):
    def __init__(self, channels, height):
        super().__init__(channels)


class Pooled(Halved):
    def forward(self, x):
        return x.mean((2, 3))


class Divided(Halved):
    def forward(self, x):
        return x / (x - x)


class Doubled(Halved):
    def forward(self, x):
        return x, x


class Crashing(Halved):
    def forward(self, x):
        return x.nothing


NO_FUNCTION = 3


@pytest.mark.parametrize(
    ("searcher", "words"),
    [
        ("WithoutGenerator", r"has the methods ask\(n, rng\).*; ask\(n\): too many positional"),
        ("OfSpace", r"no attribute 'sites' \(test_plugins.py, line \d+\)"),
        ("OfNumbers", r"takes a problem, .*; OfNumbers\(sites, choices\): missing .*'choices'"),
        ("OfNothing", r"takes a problem, .*; OfNothing\(\): too many positional"),
        ("AsksLists", r"ask returned \[0, 1, 0, 1\] as a placement of stages \(1, 1, 1, 1\)"),
        ("Forgetful", r"breaks: KeyError: 'lost' \(test_plugins.py, line \d+\)"),
        ("NO_FUNCTION", "expected a class, got 3"),
        ("Sampling strt=1", "unknown option of searcher .*'strt'; did you mean 'start'"),
    ],
)
def test_a_searcher_that_cannot_work_is_told_before_the_folder_is_made(tmp_path, searcher, words):
    start = time.perf_counter()
    changes = TINY | {"search.searcher": f"{__name__}:{searcher}"}
    with pytest.raises(UserError, match=words) as caught:
        start_run(load_experiment(None, changes), tmp_path / "run")
    assert time.perf_counter() - start < 5  # some milliseconds, but machines may be busy
    assert f"{__name__}:{searcher.split()[0]}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("attention", "words"),
    [
        ("OfMap", "missing 1 required positional argument: 'height'; expected a constructor that"),
        ("Pooled", r"on 512 x 1 x 1 gives \(2, 512\), not \(2, 512, 1, 1\)"),
        ("Divided", "on 512 x 1 x 1 gives values that are not finite"),
        ("Doubled", "gives a tuple, not a tensor"),
        ("Crashing", r"breaks: AttributeError: .*'nothing' \(test_plugins.py, line \d+\)"),
    ],
)
def test_an_attention_that_cannot_work_is_told_before_the_folder_is_made(
    tmp_path, attention, words
):
    name = f"{__name__}:{attention}"
    changes = {"space.attention": ["se", name], "space.unit_gate": False}
    with pytest.raises(UserError, match=words) as caught:
        start_run(load_experiment(None, TINY | changes), tmp_path / "run")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_plugins_that_work_pass_and_leave_the_generators_alone():
    import numpy as np
    import torch

    changes = {"space.attention": f"{__name__}:Halved", "space.unit_gate": False}
    changes |= {"search.searcher": f"{__name__}:Sampling start=0.5"}
    experiment = resolve(load_experiment(None, TINY | changes))
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    check_plugins(experiment)
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_wrong_options_of_registered_searchers_are_told_as_early(tmp_path):
    experiment = load_experiment(None, TINY | {"search.searcher": "random trys=5"})
    with pytest.raises(UserError, match="did you mean 'tries'"):
        start_run(experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()

import pytest

from ean_search.search.evaluator import is_joint


class Independent:
    def evaluate(self, placements):
        return iter(())


class Racing(Independent):
    joint = True


@pytest.mark.parametrize(("evaluator", "expected"), [(Independent(), False), (Racing(), True)])
def test_evaluators_are_joint_only_if_they_say_so(evaluator, expected):
    assert is_joint(evaluator) is expected

import pytest

from ean_search.bench.precision import measure_precision
from ean_search.core.space import load_space
from ean_search.networks.builder import build
from tests.helpers import blobs


@pytest.fixture(scope="module")
def frame():
    space = load_space("tiny")
    return measure_precision(build(space), space, blobs(12, 0, size=32), rounds=1)


def test_every_way_is_compared_with_full_precision(frame):
    rows = frame.set_index("precision")
    assert rows.loc["float32", ["logits_off", "answers_changed", "accuracy_off"]].eq(0).all()
    assert rows.loc["float32", "speedup"] == 1
    assert rows.loc["float32, channels last", "logits_off"] < 1e-4
    assert 0 < rows.loc["bfloat16", "logits_off"] < 0.5
    assert set(frame.images) == {12}


def test_half_precision_is_left_out_on_a_cpu(frame):
    assert not frame.precision.str.startswith("float16").any()

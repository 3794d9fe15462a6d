import pytest

from ean_search.bench.precision import measure_precision
from tests.helpers import blobs


@pytest.mark.slow
def test_each_precision_is_compared_with_float32(tiny, tiny_network):
    frame = measure_precision(tiny_network, tiny, blobs(12, 0, size=32), rounds=1)
    exact = frame[frame.precision == "float32"].iloc[0]
    assert (exact.speedup, exact.logits_off) == (1, 0)
    assert (exact.answers_changed, exact.accuracy_off) == (0, 0)
    low = frame[frame.precision == "bfloat16"].iloc[0]
    assert 0 < low.logits_off < 1
    assert set(frame.images) == {12}


def test_half_precision_is_left_out_on_a_cpu(tiny, tiny_network):
    frame = measure_precision(tiny_network, tiny, blobs(4, 0, size=32), rounds=1)
    assert not frame.precision.str.startswith("float16").any()
    assert frame.speedup.iloc[0] == pytest.approx(1)

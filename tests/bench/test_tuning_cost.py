"""What freezing the backbone saves."""

import pytest

from ean_search.bench.timing import TimingSettings
from ean_search.bench.tuning_cost import bench_tuning
from tests.helpers import load_small


@pytest.mark.slow
def test_training_attention_alone_is_cheaper():
    timing = TimingSettings(image_size=64, images=64, rounds=3)
    (row,) = bench_tuning([load_small("resnet18_shared")], timing).to_dict("records")
    assert row["ratio"] == row["attention_s"] / row["all_s"] < 1

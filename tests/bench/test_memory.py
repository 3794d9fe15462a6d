import sys

import pytest

from ean_search.bench.memory import measure_memory
from ean_search.bench.timing import TimingSettings


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peaks_of_two_processes_are_measured(small_resnet):
    memory = measure_memory(small_resnet, TimingSettings(image_size=32, images=8))
    assert memory["cohort"] >= 0.9 * memory["single"] > 1e8

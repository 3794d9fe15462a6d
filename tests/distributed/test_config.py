"""How many workers there are, what each is given, and the flags that say so."""

from ean_search.distributed.config import Workers
from ean_search.utils.device import count_cpus


def test_workers_share_the_machine_and_its_threads():
    assert Workers(count=1).threads == count_cpus()
    assert Workers(count=10_000).cpus_each == 1
    assert Workers(count=2, cpus=0.5).threads == 1
    assert Workers(count=4, cpus=2).cpus_here >= 8
    assert Workers(count=1, address="auto").cpus_each == 1


def test_their_device_follows_their_gpus():
    assert Workers(gpus=0.25).device == "cuda"
    assert Workers().device == Workers(gpus=0).device == "cpu"

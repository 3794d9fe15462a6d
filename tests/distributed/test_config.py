import argparse

import pytest

from ean_search.cli.workers import add_workers_flags, flags_of, read_workers
from ean_search.distributed.config import Workers
from ean_search.utils.device import count_cpus
from ean_search.utils.errors import UserError


def read(text):
    parser = argparse.ArgumentParser()
    add_workers_flags(parser)
    return read_workers(parser.parse_args(text.split()))


def test_without_flags_there_are_no_workers():
    assert read("") is None
    assert flags_of(None) == ""


def test_flags_and_workers_say_the_same():
    text = "--workers 3 --gpus-per-worker 0.25 --max-failures 1"
    workers = read(text)
    assert (workers.count, workers.gpus, workers.max_failures) == (3, 0.25, 1)
    assert flags_of(workers).split() == text.split()


def test_flags_about_workers_need_workers():
    with pytest.raises(UserError, match="--workers N"):
        read("--gpus-per-worker 0.5")
    with pytest.raises(UserError, match="count"):
        read("--workers 0")


def test_workers_share_the_machine_and_its_threads():
    assert Workers(count=1).threads == count_cpus()
    assert Workers(count=10_000).cpus_each == 1
    assert Workers(count=2, cpus=0.5).threads == 1
    assert Workers(count=4, cpus=2).cpus_here >= 8
    assert Workers(count=1, address="auto").cpus_each == 1


def test_their_device_follows_their_gpus():
    assert Workers(gpus=0.25).device == "cuda"
    assert Workers().device == Workers(gpus=0).device == "cpu"

"""The flags about Ray workers."""

import argparse

import pytest

from ean_search.cli.workers import add_workers_flags, flags_of, read_workers
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

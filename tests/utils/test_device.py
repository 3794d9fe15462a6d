import os
from contextlib import nullcontext

import pytest
import torch

from ean_search.utils.device import count_cpus, empty_cache, find_device, free_bytes
from ean_search.utils.errors import UserError


@pytest.mark.parametrize(("available", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_gpu_if_there_is_one(monkeypatch, available, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert find_device("auto") == device


def test_a_device_of_this_machine_is_returned_as_it_is():
    assert find_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["cuda:99", "nonsense"])
def test_a_missing_device_is_an_error_of_one_line(name):
    with pytest.raises(UserError, match=f"no device '{name}' here: ") as caught:
        find_device(name)
    assert "\n" not in str(caught.value)


def test_cpus_are_those_that_this_process_may_use(monkeypatch):
    assert 1 <= count_cpus() <= os.cpu_count()
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert count_cpus() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert count_cpus() == os.cpu_count()


def test_free_memory_is_positive_and_less_than_the_machine_has():
    import psutil

    assert 0 < free_bytes("cpu") < psutil.virtual_memory().total


def test_free_memory_of_a_gpu_is_that_of_the_named_one(monkeypatch):
    memory = {"cuda:0": (1, 10), "cuda:1": (7, 10)}
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory.__getitem__)
    monkeypatch.setattr(torch.cuda, "memory_reserved", {"cuda:1": 3}.__getitem__)
    monkeypatch.setattr(torch.cuda, "memory_allocated", {"cuda:1": 1}.__getitem__)
    assert free_bytes("cuda:1") == 7 + 2  # what torch keeps and does not use


def test_a_cpu_has_no_cache_to_empty_and_a_gpu_its_own(monkeypatch):
    emptied = []
    monkeypatch.setattr(torch.cuda, "device", lambda name: nullcontext(emptied.append(name)))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("empty"))
    empty_cache("cpu")
    empty_cache("cuda:1")
    assert emptied == ["cuda:1", "empty"]

"""Starting Ray: no room is refused, and the environment is left as it was."""

import os
import time

import psutil
import pytest

from ean_search.distributed import cluster as cluster_module
from ean_search.distributed.cluster import check_room, check_room_for_all, check_storage, cluster
from ean_search.distributed.config import Workers
from ean_search.utils.errors import UserError


@pytest.fixture
def nodes(monkeypatch):
    """Pretend that Ray runs on two nodes."""
    resources = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]
    listed = [{"Alive": True, "Resources": each} for each in resources]
    listed.append({"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}})
    monkeypatch.setattr(cluster_module.ray, "nodes", lambda: listed)
    monkeypatch.setattr(cluster_module.ray, "is_initialized", lambda: True)


@pytest.mark.slow
@pytest.mark.parametrize("address", ["nowhere.invalid:1", "127.0.0.1:1", ":1", "x:y", "h:99999"])
def test_an_address_where_nobody_listens_is_told_soon(address):
    start = time.monotonic()
    with (
        pytest.raises(UserError, match=r"no Ray cluster|expected an address"),
        cluster(Workers(count=1, address=address)),
    ):
        pass
    assert time.monotonic() - start < 10


@pytest.mark.slow
def test_ray_listens_on_loopback_only(ray_here):
    processes = [p for p in psutil.process_iter() if is_of_ray(p)]
    assert processes
    own = [psutil.Process(), *processes]
    listening = {c.laddr.ip for p in own for c in p.net_connections() if c.status == "LISTEN"}
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def is_of_ray(process):
    try:
        return process.ppid() == os.getpid() and "ray" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_workers_are_not_started_in_a_run_folder(tmp_path, monkeypatch):
    (tmp_path / "training.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="start from another one"), cluster(Workers(count=1)):
        pass


@pytest.mark.slow
def test_workers_that_fit_nowhere_are_refused(ray_here):
    with pytest.raises(UserError, match="fits on no node"):
        check_room(Workers(count=1, cpus=1000))


def test_one_node_must_have_all_that_a_worker_needs(nodes):
    check_room(Workers(cpus=4))
    check_room(Workers(cpus=2, gpus=0.5))
    with pytest.raises(UserError, match=r"4 CPUs and 1 GPUs fits on no node \(4 CPUs, 0 GPUs; 2"):
        check_room(Workers(cpus=4, gpus=1))


def test_processes_that_train_together_need_room_for_all(nodes):
    check_room_for_all(Workers(count=3, cpus=2))
    check_room_for_all(Workers(count=4, cpus=0.5, gpus=0.25))
    with pytest.raises(UserError, match=r"2 training workers work together, .* room for 1"):
        check_room_for_all(Workers(count=2, cpus=2, gpus=1))


def test_several_nodes_need_a_place_that_all_of_them_reach(nodes):
    check_storage(Workers(storage="s3://bucket"))
    with pytest.raises(UserError, match=r"the cluster has 2 nodes, .* --storage-path"):
        check_storage(Workers())


def test_rays_environment_is_set_in_the_block_only(nodes, monkeypatch):
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "of the user")
    monkeypatch.delenv("TUNE_MAX_PENDING_TRIALS_PG", raising=False)
    before = dict(os.environ)
    with cluster(Workers(count=3, storage="shared")):
        assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == "3"
        assert os.environ["RAY_AIR_NEW_OUTPUT"] == "of the user"
    assert dict(os.environ) == before

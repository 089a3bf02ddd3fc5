"""A Ray cluster on this machine makes the zoo that local processes make, also when its workers are killed."""

import threading
import time

import psutil
import pytest
import ray
from zoo_making import NETWORKS, files_of, tiny_plan

from hf_sne.errors import UserError
from hf_sne.zoo.images import load_images, save_images
from hf_sne.zoo.make import make_zoo
from hf_sne.zoo.scale_out import RayWorkers
from hf_sne.zoo.unit import Unit

CLUSTER = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False, "log_to_driver": False}


@pytest.fixture(scope="module", autouse=True)
def _quiet_ray():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield


@pytest.fixture(scope="module")
def cluster(_quiet_ray):
    """One that this process has started by itself."""
    ray.init(**CLUSTER)
    yield
    ray.shutdown()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense", "auto", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_told_at_once(address, zoo, tmp_path):
    begun = time.monotonic()
    with pytest.raises(UserError, match=rf"{address}: no Ray cluster.*Fix: name one as HOST:PORT"):
        list(make_zoo(tiny_plan(), tmp_path / "zoo", RayWorkers(address), NETWORKS))
    assert time.monotonic() - begun < 20


def test_a_cluster_of_its_own_makes_the_same_zoo_and_is_ended(zoo, tmp_path):
    list(make_zoo(tiny_plan(), tmp_path / "zoo", RayWorkers(), NETWORKS))
    assert files_of(tmp_path / "zoo") == files_of(zoo)
    assert not ray.is_initialized()


def test_killed_workers_change_nothing(cluster, zoo, tmp_path):
    killed, ended = [], threading.Event()
    killer = threading.Thread(target=kill_tasks, args=(killed, ended))
    killer.start()
    list(make_zoo(tiny_plan(), tmp_path / "zoo", RayWorkers(), NETWORKS))
    ended.set()
    killer.join()
    assert len(killed) == 3
    assert files_of(tmp_path / "zoo") == files_of(zoo)
    assert ray.is_initialized(), "the cluster is its owner's"


def kill_tasks(killed, ended):
    """Three times, a worker that is at work on a unit."""
    while len(killed) < 3 and not ended.is_set():
        for process in psutil.Process().children(recursive=True):
            try:
                if process.cmdline()[:1] == ["ray::_train"] and process.pid not in killed and len(killed) < 3:
                    process.kill()
                    killed.append(process.pid)
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.01)


def test_an_error_in_a_task_is_raised_as_what_it_is(cluster, tmp_path):
    save_images(load_images("digits"), tmp_path / "images")
    (run, *_) = tiny_plan().draw_runs()
    unknown = Unit("000000", (type(run)(**{**vars(run), "family": "rnn"}),))
    with pytest.raises(UserError, match=r"no zoo family 'rnn'. Fix: use one of cnn"):
        list(RayWorkers().train([unknown], tmp_path / "images", tmp_path))

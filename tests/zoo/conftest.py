"""One tiny zoo, trained once for all tests of the folder."""

import shutil

import pytest
from zoo_making import NETWORKS, finish, tiny_plan

from hf_sne.zoo.make import make_zoo
from hf_sne.zoo.workers import LocalWorkers


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Every network is trained, and the zoo is not yet written."""
    folder = tmp_path_factory.mktemp("trained") / "zoo"
    making = make_zoo(tiny_plan(), folder, LocalWorkers(1), NETWORKS)
    while next(making).stage != "writing":
        pass
    making.close()
    return folder


@pytest.fixture(scope="session")
def zoo(trained, tmp_path_factory):
    """The zoo as it should be: made without disturbance by one process."""
    folder = tmp_path_factory.mktemp("made") / "zoo"
    shutil.copytree(trained, folder)
    finish(folder)
    return folder

from __future__ import annotations

import os

import pytest
import torch
from helpers.networks import DNN, images
from helpers.shells import Shell

# Importing it changes the process for good; pytest's search for doctests would.
collect_ignore = ["helpers/simulated_accelerator.py"]

if "PYTEST_XDIST_WORKER" in os.environ:
    # Where processes share the cores, threads of torch mostly wait for each other.
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for kernels and all that tests start


@pytest.fixture(scope="session", autouse=True)
def _own_ipython_folder(tmp_path_factory):
    """Profile and history of this process's own: the user's stay alone, other workers' too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield


@pytest.fixture(autouse=True)
def _same_random_numbers():
    torch.manual_seed(0)


@pytest.fixture(scope="module", autouse=True)
def _no_process_group_is_left():
    """A distributed tensor of one file needs a process group, which no other file expects."""
    yield
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.fixture
def model():
    return DNN()


@pytest.fixture
def x():
    return images()


@pytest.fixture
def shell(model, x):
    shell = Shell()
    shell.names.update(model=model, x=x, torch=torch)
    yield shell
    shell.close()

"""A kernel with the tutorial's network, shared by the tests of this folder."""

from __future__ import annotations

import pytest
from helpers.kernels import Kernel
from helpers.tutorial import NETWORK

# Hooks between cells are counted by a callback that stands before featmagic's own.
BEFORE_LOADING = """
from helpers.networks import flags_of, hooks_on
hooks_between_cells = []
def count():
    hooks_between_cells.append(len(hooks_on(model)))
get_ipython().events.register("pre_execute", count)
"""
AS_AT_FIRST = """
%unhook
globals().pop("feature_maps", None)
model = DNN()
model.load_state_dict(like.state_dict())
hooks_between_cells.clear()
"""


@pytest.fixture(scope="session")
def tutorial_kernel():
    kernel = Kernel()
    kernel.good(NETWORK + BEFORE_LOADING)
    kernel.good("%load_ext featmagic")
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(tutorial_kernel):
    """The kernel in its initial state: the network exists, and nothing has been captured."""
    tutorial_kernel.good(AS_AT_FIRST)
    return tutorial_kernel

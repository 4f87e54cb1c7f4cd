"""Tab in a terminal."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest
from helpers import TESTS
from helpers.kernels import SECONDS


class Tmux:
    """An IPython in a terminal that tmux is."""

    def __init__(self, folder):
        self._socket = str(folder / "tmux")
        program = f"{sys.executable} -m IPython --no-banner --no-confirm-exit"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40",
                   "-e", f"IPYTHONDIR={folder}", "-e", f"PYTHONPATH={TESTS.parent}",
                   "-c", str(TESTS), program)  # fmt: skip
        self.until("In [1]:")

    def _tmux(self, *words):
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def press(self, *keys):
        self._tmux("send-keys", *keys)

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def until(self, *texts):
        """The screen, as soon as all the texts are on it."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            screen = self._tmux("capture-pane", "-p")
            if all(text in screen for text in texts):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"No {texts} in:\n{screen}")

    def close(self):
        self._tmux("kill-server")


@pytest.fixture(scope="module")
def tmux(tmp_path_factory):
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    terminal = Tmux(tmp_path_factory.mktemp("tmux"))
    terminal.type("from helpers.completing import Trainer, residual")
    terminal.press("Enter")
    terminal.until("In [2]:")
    terminal.type("net, trainer = residual(), Trainer()")
    terminal.press("Enter")
    terminal.until("In [3]:")
    terminal.type("%load_ext featmagic")
    terminal.press("Enter")
    terminal.until("In [4]:")
    yield terminal
    terminal.close()


@pytest.fixture
def prompt(tmux):
    """The terminal at an empty prompt of a clear screen."""
    tmux.press("C-c")
    tmux.press("C-l")
    yield tmux
    tmux.press("Escape")


def test_a_terminal_pops_up_the_layers_and_runs_what_was_accepted(prompt):
    prompt.type("%hook net layer1.0.")
    prompt.press("Tab")
    screen = prompt.until("conv1", "bn1", "relu", "conv2", "bn2")
    assert "%hook net layer1.0." in screen
    prompt.type("co")
    prompt.press("Tab")
    prompt.until("%hook net layer1.0.conv", "conv1", "conv2")
    prompt.press("Tab")
    prompt.until("%hook net layer1.0.conv1")
    prompt.press("Enter")  # takes it
    prompt.press("Enter")
    prompt.until("Watching layer1.0.conv1 of net → feature_maps")


def test_a_terminal_completes_models_and_options(prompt):
    prompt.type("%hook trainer.mo")
    prompt.press("Tab")
    prompt.until("%hook trainer.model")
    prompt.type(" --in")
    prompt.press("Tab")
    prompt.until("%hook trainer.model --into")
    prompt.type(" maps layer1[0].re")
    prompt.press("Tab")
    prompt.until("%hook trainer.model --into maps layer1[0].relu")
    prompt.press("Enter")
    prompt.until("Watching layer1[0].relu of trainer.model → maps")


def test_in_a_terminal_python_completes_in_the_body_of_a_look(prompt):
    prompt.type("%%featuremaps net layer1.1.co")
    prompt.press("Tab")
    prompt.until("%%featuremaps net layer1.1.conv", "conv1", "conv2")
    prompt.type("1")
    prompt.press("Enter")
    prompt.until("...:")
    prompt.type("net.conv1.in_ch")
    prompt.press("Tab")
    prompt.until("net.conv1.in_channels")

"""Processes that are forked while other threads are at work do not wait for ever."""

import os
import threading
import time

import numpy as np
import pytest

from sk_posters._base import _threads
from sk_posters._base._threads import ForkSafeLock
from sk_posters._features import _backbones
from sk_posters._features._backbones import make_networks

pytestmark = [
    pytest.mark.skipif(
        not hasattr(os, "fork"), reason="this system cannot fork processes"
    ),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
SECONDS = 10


def run_in_child(function):
    """Return the exit code of a forked process that calls this; None if it hangs."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


@pytest.fixture
def hold():
    """Function that lets another thread hold a lock, until the test ends."""
    end, threads = threading.Event(), []

    def hold(lock, seconds=60):
        held = threading.Event()

        def work():
            with lock:
                held.set()
                end.wait(seconds)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        held.wait()

    yield hold
    end.set()
    for thread in threads:
        thread.join()


def test_a_lock_of_another_thread_is_free_in_a_child(hold):
    lock = ForkSafeLock()
    hold(lock)
    assert run_in_child(lock.__enter__) == 0


def test_a_fork_waits_for_what_cannot_be_inherited(hold, monkeypatch):
    monkeypatch.setattr(_threads, "_waited_for", [])
    lock = ForkSafeLock(wait=True)
    hold(lock, seconds=0.3)
    started = time.monotonic()
    assert run_in_child(lock.__enter__) == 0
    assert time.monotonic() - started > 0.25
    with lock:  # The parent has it back, and who forks does not wait for itself.
        assert run_in_child(lock.__enter__) == 0


def test_a_fork_while_a_network_is_opened_can_use_it(save_onnx, monkeypatch):
    pytest.importorskip("onnxruntime")
    path, batch = save_onnx(), np.ones((1, 6, 5, 3), np.uint8)
    opened, open_on = threading.Event(), _backbones._open_on

    def open_slowly(*args):
        opened.set()
        time.sleep(0.2)
        return open_on(*args)

    def use():
        [network] = make_networks(path, pooling="avg", image_size=(6, 5))
        assert network.features(batch).shape == (1, 4)

    monkeypatch.setattr(_backbones, "_open_on", open_slowly)
    thread = threading.Thread(target=use)
    thread.start()
    opened.wait()
    assert run_in_child(use) == 0
    thread.join()


def test_the_package_has_no_lock_that_a_child_would_inherit():
    from pathlib import Path

    import sk_posters

    package = Path(sk_posters.__file__).parent
    with_locks = {
        path.name
        for path in package.rglob("*.py")
        if any(
            word in path.read_text() for word in ("threading.Lock", "threading.RLock")
        )
    }
    assert with_locks == {"_threads.py"}

"""Measures one side of a benchmark in a process of its own; and what sides share."""

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

PEAK = "peak memory, MB"


def memory_mb(*, peak):
    """Return the memory of this process in MB: its greatest so far, or that of now."""
    # ru_maxrss starts at the size of the process that started this one; this does not.
    key = "VmHWM:" if peak else "VmRSS:"
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def onednn_is_on():
    """Tell whether TensorFlow computes with oneDNN, None if it does not say."""
    try:
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:
        return None
    return bool(_pywrap_util_port.IsMklEnabled())


def epoch_clock():
    """Return a Keras callback whose ``seconds`` are those of the epochs 2 to n.

    Each is taken from the end of the last epoch to its own, so that nothing between
    two epochs is left out. The first one, which traces the graph, has no such time.
    """
    import keras

    class EpochClock(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.ends = []

        def on_epoch_end(self, epoch, logs=None):
            self.ends.append(time.perf_counter())

        @property
        def seconds(self):
            return np.diff(self.ends)

    return EpochClock()


def random_batches(job, n_batches=1):
    """Return images and labels of some batches, drawn from a seed."""
    generator = np.random.default_rng(0)
    n_rows = n_batches * job.batch_size
    shape = (n_rows, job.image_size, job.image_size, 3)
    target = generator.integers(0, 2, (n_rows, job.n_labels))
    return generator.random(shape, dtype=np.float32), target


def seconds_of(function):
    """Call a function once and return the seconds that it took."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def seconds_in_turn(functions, rounds, warm_up=2):
    """Call all functions in turn, and return the median seconds of each.

    Parameters
    ----------
    functions : dict of str to callable
        What to call.
    rounds : int
        How often each is timed.
    warm_up : int, default=2
        How often each is called before.

    Returns
    -------
    dict of str to float
        Median seconds.
    """
    taken = {name: [] for name in functions}
    for number in range(-warm_up, rounds):
        for name, function in functions.items():
            seconds = seconds_of(function)
            if number >= 0:
                taken[name].append(seconds)
    return {name: float(np.median(seconds)) for name, seconds in taken.items()}


def main(script, function, given, found):
    """Run one function of a benchmark on a job, both named by files."""
    job = SimpleNamespace(**json.loads(Path(given).read_text()))
    benchmark = importlib.import_module(Path(script).stem)
    figures = getattr(benchmark, function)(job)
    figures.setdefault(PEAK, memory_mb(peak=True))
    Path(found).write_text(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])

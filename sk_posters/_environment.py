"""What the environment says, and settings to make before TensorFlow is imported."""

import multiprocessing
import os
import platform
import sys
import warnings
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "hint_at_slow_tensorflow",
    "package_versions",
    "prepare_tensorflow",
    "share_of_cores",
    "thread_count",
]

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
CPU_INFO = Path("/proc/cpuinfo")
# What answers may depend on.
PACKAGES = ("sk-posters", "scikit-learn", "numpy", "skops", "keras", "tensorflow")
PACKAGES += ("onnxruntime", "pillow")

_came_too_late = False


def prepare_tensorflow():
    """Switch oneDNN on, unless the user has decided, or TensorFlow is there already.

    TensorFlow leaves it off on processors without AVX512-VNNI, where a training step
    of the poster network is then two to four times slower.
    """
    global _came_too_late
    if ONEDNN in os.environ:
        return
    if "tensorflow" in sys.modules:
        _came_too_late = True
        return
    os.environ[ONEDNN] = "1"


def hint_at_slow_tensorflow():
    """Warn once if TensorFlow was imported too early to be switched to oneDNN.

    Warns
    -----
    UserWarning
        If it was, and the processor is one where TensorFlow leaves it off.
    """
    global _came_too_late
    if _came_too_late and _is_off_by_default():
        warnings.warn(
            f"TensorFlow trains several times slower here without oneDNN: import "
            f"sk_posters before tensorflow, or set {ONEDNN}=1.",
            stacklevel=4,
        )
    _came_too_late = False


def share_of_cores():
    """Return how many threads joblib leaves to this process.

    Returns
    -------
    int or None
        Cores divided by processes, in a process that joblib has started; None
        elsewhere.
    """
    if multiprocessing.parent_process() is None:
        return None
    # What joblib tells NumPy's libraries, too.
    n_threads = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(n_threads)) if n_threads.isdecimal() else None


def thread_count(n_jobs):
    """Return how many threads to start.

    Parameters
    ----------
    n_jobs : int or None
        What a user asks for, as in joblib. Negative numbers count from the cores that
        are this process's share, never from those of a whole cluster.

    Returns
    -------
    int
        The number of threads.
    """
    # Imported here, because it takes longer than all else in `import sk_posters`.
    from joblib import cpu_count, effective_n_jobs, parallel_config

    # In workers of Dask, joblib starts no processes and warns; these are threads.
    daemonic = multiprocessing.current_process().daemon
    with parallel_config("threading") if daemonic else nullcontext():
        n_threads = effective_n_jobs(n_jobs)
    if n_jobs is None or n_jobs < 0:
        # Under joblib's backend "dask", all cores are those of all machines.
        n_threads = min(n_threads, share_of_cores() or cpu_count())
    return n_threads


def package_versions():
    """Return the versions of Python and of the packages that answers may depend on.

    Returns
    -------
    dict of str to str
        Names and versions; a package that is not installed is left out.
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _is_off_by_default():
    """Tell whether this is a Linux machine whose processor lacks AVX512-VNNI."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), None)
    return flags is not None and "avx512_vnni" not in flags.split()

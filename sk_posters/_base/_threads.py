"""How many threads to start, functions in several of them, and locks between them."""

import multiprocessing
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache

__all__ = [
    "ForkSafeLock",
    "count_threads",
    "map_in_threads",
    "share_of_cores",
    "use_one_blas_thread",
]

# All locks, those that a fork waits for, and those of them that it holds meanwhile.
_locks, _waited_for, _held = weakref.WeakSet(), [], []


class ForkSafeLock:
    """A lock that no process inherits held, as one that another thread held would be.

    With `wait`, a fork waits until no thread holds it: where native code is at work
    that a process cannot inherit half done.
    """

    def __init__(self, *, wait=False):
        self.renew()
        _locks.add(self)
        if wait:
            _waited_for.append(self)

    def renew(self):
        """Be free, whoever held the lock."""
        # Of a thread: one that forks in the middle must not wait for itself.
        self._lock = threading.RLock()

    def __enter__(self):
        self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()


def _before_fork():
    for lock in tuple(_waited_for):
        lock.__enter__()
        _held.append(lock)


def _after_in_parent():
    while _held:
        _held.pop().__exit__()


def _after_in_child():
    _held.clear()
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork.
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )


def share_of_cores():
    """Return how many threads joblib leaves to this process."""
    if multiprocessing.parent_process() is None:
        return None
    # What joblib tells NumPy's libraries, too.
    n_threads = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(n_threads)) if n_threads.isdecimal() else None


def count_threads(n_jobs):
    """Return how many threads to start."""
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


def map_in_threads(function, items, n_jobs):
    """Yield what a function makes of each item, in order, made by several threads."""
    n_threads = min(count_threads(n_jobs), len(items))
    if n_threads < 2:
        yield from map(function, items)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            yield from pool.map(function, items)


@cache
def _find_libraries():
    """Return what limits the threads of loaded libraries; finding these takes 10 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def use_one_blas_thread():
    """Let products of matrices use one thread in this block."""
    return _find_libraries().limit(limits=1, user_api="blas")

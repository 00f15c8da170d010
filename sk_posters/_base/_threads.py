"""How many threads to start, and functions in several of them."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

__all__ = ["count_threads", "map_in_threads", "share_of_cores"]


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

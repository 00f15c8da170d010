"""joblib's backend for Dask, one level deep."""

import functools

from joblib import parallel_config
from joblib.parallel import FallbackToBackend, SequentialBackend

from sk_posters._base._optional import import_optional

__all__ = ["one_level_backend"]


def one_level_backend(client):
    """Return a backend that sends the outermost `n_jobs` to a cluster."""
    import_optional("distributed", extra="distributed", purpose="dask_backend")
    return _backend_class()(client=client)


@functools.cache
def _backend_class():
    # Private to joblib, and imported late: it takes a second, for it imports Dask.
    from joblib._dask import DaskDistributedBackend

    class OneLevelBackend(DaskDistributedBackend):
        default_n_jobs = 1

        def effective_n_jobs(self, n_jobs):
            return 1 if n_jobs in (None, 1) else super().effective_n_jobs(n_jobs)

        def configure(self, n_jobs=1, parallel=None, **options):
            if n_jobs in (None, 1):
                raise FallbackToBackend(
                    SequentialBackend(nesting_level=self.nesting_level)
                )
            return super().configure(n_jobs, parallel, **options)

        def submit(self, func, callback=None):
            func.items = [
                (functools.partial(_call_alone, function), arguments, options)
                for function, arguments, options in func.items
            ]
            return super().submit(func, callback)

    return OneLevelBackend


def _call_alone(function, *arguments, **options):
    with parallel_config("sequential"):
        return function(*arguments, **options)

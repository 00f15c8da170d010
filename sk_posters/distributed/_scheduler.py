"""Executors of partitions: serial in this process, or parallel on a Dask cluster.

The loop is our own, not `distributed.as_completed`: a timeout without any completed
partition is what shows that all workers are paused for want of memory.
"""

import itertools
import uuid

from sk_posters._base._optional import import_optional
from sk_posters.exceptions import MAX_FAILED_PARTITIONS

__all__ = ["DaskExecutor", "SerialExecutor"]

# Seconds without a result after which the workers are checked.
PATIENCE = 10


class SerialExecutor:
    """Runs partitions in this process, one after the other."""

    def run(self, function, partitions, job):
        """Call a function for each partition."""
        results, failed = {}, {}
        for number, partition in partitions.items():
            try:
                if hasattr(partition, "compute"):
                    partition = partition.compute(scheduler="synchronous")
                results[number] = function(partition, number, job)
            except Exception as error:
                failed[number] = error
            if len(failed) == MAX_FAILED_PARTITIONS:
                break
        return results, failed


class DaskExecutor:
    """Runs partitions on the workers of a Dask cluster."""

    def __init__(self, client):
        self._client = client
        self._dask = import_optional(
            "distributed", extra="distributed", purpose="predict_to_parquet"
        )

    def run(self, function, partitions, job):
        """Call a function for each partition, again where a worker was lost."""
        results, failed = self._round(function, partitions, job)
        # Dask blames the death of a worker on all partitions that waited there. Run
        # alone, a partition shows whether it was the cause.
        for number, error in list(failed.items()):
            if isinstance(error, self._dask.KilledWorker):
                alone = {number: partitions[number]}
                again, failed_again = self._round(function, alone, job)
                del failed[number]
                results |= again
                failed |= failed_again
        return results, failed

    def _round(self, function, partitions, job):
        waiting, running = iter(partitions.items()), {}
        results, failed = {}, {}
        try:
            while True:
                if len(failed) < MAX_FAILED_PARTITIONS:
                    n_more = max(0, self._n_at_once() - len(running))
                    for number, partition in itertools.islice(waiting, n_more):
                        future = self._submit(function, partition, number, job)
                        running[future] = number
                if not running:
                    return results, failed
                for future in self._done(list(running)):
                    number, error = running.pop(future), future.exception()
                    if error is None:
                        results[number] = future.result()
                    else:
                        failed[number] = error
        except MemoryError as error:
            return results, failed | dict.fromkeys(running.values(), error)
        finally:
            self._client.cancel(list(running))

    def _n_at_once(self):
        # One for each thread, and one in reserve for each worker, which may change.
        n_threads = self._client.nthreads()
        return max(2, sum(n_threads.values()) + len(n_threads))

    def _submit(self, function, partition, number, job):
        if hasattr(partition, "compute"):
            partition = self._client.compute(partition)
        key = f"partition-{number}-{uuid.uuid4().hex}"
        return self._client.submit(function, partition, number, job, key=key)

    def _done(self, futures):
        while True:
            try:
                return self._dask.wait(
                    futures, timeout=PATIENCE, return_when="FIRST_COMPLETED"
                ).done
            except self._dask.TimeoutError:
                self._check_workers()

    def _check_workers(self):
        if self._client.run_on_scheduler(_all_are_paused):
            raise MemoryError(
                "all workers are paused, because their memory_limit is nearly used up "
                "while they do nothing: Dask would wait forever. Start them with more "
                "memory"
            )


def _all_are_paused(dask_scheduler):
    """Return whether all workers are paused and idle."""
    workers = list(dask_scheduler.workers.values())
    return bool(workers) and all(
        worker.status.name == "paused" and not worker.metrics.get("executing", 0)
        for worker in workers
    )

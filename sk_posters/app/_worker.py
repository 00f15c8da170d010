"""The thread that the model runs in, poster after poster, each with a deadline."""

import asyncio
import threading
import weakref
from collections import deque
from contextlib import suppress

from sk_posters.app._uploads import Refused

__all__ = ["Worker", "is_any_busy"]

QUEUE_SECONDS = 60
POSTER_SECONDS = 30

_workers = weakref.WeakSet()


def is_any_busy():
    """Return whether a worker still runs something, as after its server has ended."""
    return any(worker.is_busy for worker in _workers)


class _Job:
    """A function to call, and two futures: that it has begun, and what it returned."""

    def __init__(self, function, loop):
        self.function = function
        self.loop = loop
        self.is_given_up = False
        self.begun, self.done = loop.create_future(), loop.create_future()

    def tell(self, future, result=None, error=None):
        """Set a future of the loop's thread, unless nobody waits any more."""

        def tell():
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        with suppress(RuntimeError):  # The loop is closed.
            self.loop.call_soon_threadsafe(tell)


class _Turns:
    """Jobs that wait, of one client after the other."""

    def __init__(self):
        self._of_clients = {}
        self._changed = threading.Condition()

    def put(self, job, client):
        with self._changed:
            self._of_clients.setdefault(client, deque()).append(job)
            self._changed.notify()

    def get(self):
        """Return a job, when there is one, of the client whose last is longest ago."""
        with self._changed:
            self._changed.wait_for(lambda: self._of_clients)
            client = next(iter(self._of_clients))
            jobs = self._of_clients.pop(client)
            job = jobs.popleft()
            if jobs:
                self._of_clients[client] = jobs  # Behind all others.
            return job


class Worker:
    """Calls functions one by one in a thread that does not keep a program from ending.

    A function cannot be stopped in the middle. Whoever waits for it can. Clients take
    turns, so that nobody waits for all that another has sent.
    """

    def __init__(self):
        self.is_busy = False
        self._jobs = _Turns()
        self._thread = None
        _workers.add(self)

    async def run(self, function, client=None):
        """Return what a function returns for a client; refuse if it takes too long."""
        job = _Job(function, asyncio.get_running_loop())
        self._jobs.put(job, client)
        if self._thread is None:
            self._thread = threading.Thread(
                target=_work, args=(weakref.ref(self), self._jobs), daemon=True
            )
            self._thread.start()
        try:
            await _wait(
                job.begun,
                QUEUE_SECONDS,
                "The posters of others take too long. Try again in a moment.",
            )
            return await _wait(
                job.done,
                POSTER_SECONDS,
                f"This poster took over {POSTER_SECONDS} s. Save a smaller copy.",
            )
        finally:
            job.is_given_up = True


async def _wait(future, seconds, message):
    try:
        return await asyncio.wait_for(future, seconds)
    except TimeoutError as error:
        if not future.cancelled():  # It is the function's own.
            raise
        raise Refused(503, message) from error


def _work(worker, jobs):
    """Call the functions of jobs, for ever."""
    while True:
        job = jobs.get()
        if job.is_given_up:
            continue
        _set_busy(worker, True)
        job.tell(job.begun)
        try:
            job.tell(job.done, job.function())
        except BaseException as error:
            job.tell(job.done, error=error)
        finally:
            _set_busy(worker, False)
            del job  # It holds an upload.


def _set_busy(worker, value):
    if (worker := worker()) is not None:
        worker.is_busy = value

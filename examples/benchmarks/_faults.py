"""What can go wrong while a file is written or lies on a disk, done on purpose.

Each trial works in an empty folder, and each writer in a process of its own, forked
from one that has everything imported. Afterwards the file is read, written once more
and read again. What came of it is one of `OUTCOMES`.
"""

import contextlib
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

RIGHT, CLEAR, UNCLEAR, WRONG = OUTCOMES = (
    "right answers",
    "clear errors",
    "unclear errors",
    "silently wrong",
)
LEFTOVERS = "leftovers"
TIMEOUT = 120
DAYS = 3 * 24 * 3600
PRELOADED = [
    *("PIL.Image", "numpy", "pandas", "sklearn.linear_model", "sklearn.multiclass"),
    *(
        "sk_posters",
        "sk_posters._images._loader",
        "sk_posters._features._encoder",
        "sk_posters.datasets",
    ),
    *(
        "sk_posters._persistence._models",
        "sk_posters._persistence._onnx",
        "sk_posters.cli",
    ),
    *(
        "sk_posters._report",
        "sk_posters._persistence._skops",
        "sk_posters.datasets._checks",
    ),
    *("sk_posters.cli._streaming", "sk_posters.cli._training", "onnxruntime", "onnx"),
    *("skops.io", "matplotlib.figure", "imagehash", "sk_posters.distributed"),
    *("pyarrow.parquet",),
]


class Trials:
    """Faults of one kind of file.

    Parameters
    ----------
    kind : Kind
        What is written.
    seed : int
        Of the moments and the places that chance chooses.
    """

    def __init__(self, kind, seed=0):
        self.kind = kind
        self.notes = []  # Errors that are not clear.
        self.random = np.random.default_rng(seed)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            self.in_child(_written, kind, folder)
            first = time.perf_counter()
            self.in_child(_written, kind, folder)
            # The first one started the server of forks as well.
            self.seconds = min(time.perf_counter() - first, first - started)
            self.expected = self.in_child(_answered, kind, folder)
            self.n_bytes = sum(
                path.stat().st_size
                for path in Path(folder).rglob("*")
                if path.is_file()
            )

    def in_child(self, function, *arguments):
        """Return what a function returns in a process of its own, or raise."""
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_sent, args=(sender, function, arguments))
        process.start()
        sender.close()
        try:
            if not receiver.poll(TIMEOUT):
                raise TimeoutError(f"{function.__name__} took more than {TIMEOUT} s")
            is_result, value = receiver.recv()
        finally:
            process.kill()
            process.join()
        if not is_result:
            raise value
        return value

    def killed(self, folder):
        """Kill a process that writes again and again, at a random moment.

        Every other time, a moment after a temporary file is seen.
        """
        self._perhaps_before(folder)
        ready, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=_write_for_ever, args=(sender, self.kind, folder)
        )
        process.start()
        sender.close()
        ready.poll(TIMEOUT)
        if self.random.random() < 0.5:
            time.sleep(self.random.uniform(0, max(2 * self.seconds, 0.1)))
        else:
            deadline = time.perf_counter() + max(4 * self.seconds, 1)
            while not _is_writing(folder) and time.perf_counter() < deadline:
                pass
            time.sleep(self.random.exponential(0.001))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        return self.aftermath(folder, after_days=True)

    def full(self, folder):
        """Write where there is room for a part of it."""
        share = self.random.uniform(0, 1)
        self._perhaps_before(folder)
        filler = Path(folder, "filler")
        with _filled(folder, filler, int(share * self.n_bytes)) as limit:
            outcome = self._refused(folder, limit)
            n_left = leftovers(folder)
        return _worse((outcome, n_left), self.aftermath(folder))

    def read_only(self, folder):
        """Write into a folder that allows no writing."""
        self._perhaps_before(folder)
        with read_only(folder):
            outcome = self._refused(folder, None)
        return _worse((outcome, 0), self.aftermath(folder))

    def at_once(self, folder, n_processes=4):
        """Let four processes write the same thing, and read it in between."""
        pipes = []
        for _ in range(n_processes):
            receiver, sender = self.context.Pipe(duplex=False)
            arguments = (sender, _write_and_answer, (self.kind, folder, self.expected))
            process = self.context.Process(target=_sent, args=arguments)
            process.start()
            sender.close()
            pipes.append((process, receiver))
        outcomes = []
        for process, receiver in pipes:
            came = receiver.poll(TIMEOUT)
            is_result, value = receiver.recv() if came else (False, TimeoutError())
            outcomes.append(value if is_result else self._kind_of(value, folder))
            process.kill()
            process.join()
        worst = max(outcomes, key=OUTCOMES.index)
        return _worse((worst, 0), self.aftermath(folder))

    def corrupted(self, folder):
        """Change one byte of what was written."""
        self.in_child(_written, self.kind, folder)
        files = [
            path
            for path in _files_of(self.kind.target(folder))
            if path.is_file() and path.stat().st_size
        ]
        file = files[self.random.integers(len(files))]
        content = bytearray(file.read_bytes())
        place = self.random.integers(len(content))
        content[place] ^= int(self.random.integers(1, 256))
        file.write_bytes(content)
        return self.aftermath(folder)

    def aftermath(self, folder, *, after_days=False):
        """Read what is there, write again, read again.

        Parameters
        ----------
        folder : str
            Where it was written.
        after_days : bool, default=False
            Whether days pass before it is written again, so that what is left of a
            process that was killed counts as abandoned.

        Returns
        -------
        outcome : str
            The worst of both times.
        n_leftovers : int
            Temporary files that are still there.
        """
        if after_days:
            then = time.time() - DAYS
            for path in [*Path(folder).rglob("*"), *Path(folder).rglob(".*")]:
                if ".part" in str(path):
                    os.utime(path, (then, then))
        first = self._read(folder, may_be_missing=True)
        if first in (CLEAR, UNCLEAR):
            _delete(self.kind.target(folder))
        try:
            self.kind.set_aside(folder)
            self.in_child(_written, self.kind, folder)
            second = self._read(folder)
        except Exception as error:
            second = self._kind_of(error, folder)
        if second == CLEAR:  # There is nothing to be deleted any more.
            second = UNCLEAR
        return max(first, second, key=OUTCOMES.index), leftovers(folder)

    def _perhaps_before(self, folder):
        """Write something every other time that is then to be replaced."""
        if self.random.random() < 0.5 and not self.kind.is_made_once:
            self.in_child(_written, self.kind, folder)

    def _refused(self, folder, limit):
        """Tell what comes of writing where that may not be possible."""
        try:
            self.in_child(_written, self.kind, folder, limit)
        except Exception as error:
            outcome = self._kind_of(error, folder)
            if outcome != CLEAR:
                return outcome
        else:
            outcome = RIGHT
        read = self._read(folder, may_be_missing=True, limit=limit)
        return max(outcome, read, key=OUTCOMES.index)

    def _read(self, folder, *, may_be_missing=False, limit=None):
        try:
            answer = self.in_child(_answered, self.kind, folder, limit)
        except FileNotFoundError as error:
            is_missing = not self.kind.target(folder).exists()
            if may_be_missing and is_missing:
                return RIGHT
            return self._kind_of(error, folder)
        except Exception as error:
            return self._kind_of(error, folder)
        return RIGHT if answer == self.expected else WRONG

    def _kind_of(self, error, folder):
        """Tell an error that names its file and the next step from any other."""
        names = str(self.kind.target(folder)) in str(error) or str(folder) in str(error)
        is_clear = isinstance(error, OSError | ValueError) and names
        if not is_clear:
            self.notes.append(repr(error))
        return CLEAR if is_clear else UNCLEAR


FAULTS = {
    "kill -9": Trials.killed,
    "full disk": Trials.full,
    "read-only": Trials.read_only,
    "four at once": Trials.at_once,
    "a corrupted byte": Trials.corrupted,
}


def faults_of(kind):
    """Return the names of the faults that can be noticed."""
    return [name for name in FAULTS if kind.checks_bytes or name != "a corrupted byte"]


def run(kind, fault, n_trials, seed=0, trials=None):
    """Return how often each outcome came.

    Parameters
    ----------
    kind : Kind
        What is written.
    fault : str
        A key of `FAULTS`.
    n_trials : int
        How often.
    seed : int, default=0
        Of what chance chooses.
    trials : Trials, default=None
        Of this kind, to begin at once.

    Returns
    -------
    dict of str to int
        Trials, each of `OUTCOMES`, and leftovers.
    """
    trials = trials or Trials(kind, seed)
    found = {"trials": n_trials, **dict.fromkeys(OUTCOMES, 0), LEFTOVERS: 0}
    for _ in range(n_trials):
        with work_folder() as folder:
            outcome, n_left = FAULTS[fault](trials, folder)
        found[outcome] += 1
        found[LEFTOVERS] += n_left
    return found


def leftovers(folder):
    """Return the number of temporary files and folders, at any depth."""
    return sum(
        ".part" in name
        for _, folders, files in os.walk(folder)
        for name in folders + files
        # What a download leaves is what it will continue.
        if not name.endswith(".tar.gz.part")
    )


@contextlib.contextmanager
def work_folder():
    """Make a folder: a small disk of its own, where the system allows that."""
    with tempfile.TemporaryDirectory() as outer:
        os.chmod(outer, 0o755)
        folder = Path(outer, "work")
        folder.mkdir()
        mounted = can_mount() and _mount("-t", "tmpfs", "-o", "size=64m", "t", folder)
        try:
            yield str(folder)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=True)


def can_mount():
    """Tell whether this process may mount a disk in memory."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def _mount(*arguments):
    return not subprocess.run(["mount", *arguments], capture_output=True).returncode


@contextlib.contextmanager
def _filled(folder, filler, free):
    """Leave so many bytes free on the disk, or give the limit of a file's size."""
    if not os.path.ismount(folder):
        yield max(free, 1)
        return
    status = os.statvfs(folder)
    n_filled = max(status.f_bavail * status.f_frsize - free, 0)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(n_filled, 1))
    try:
        yield None
    finally:
        filler.unlink()


def can_be_read_only():
    """Tell whether there is a way to forbid this process to write."""
    return os.geteuid() != 0 or can_mount()


@contextlib.contextmanager
def read_only(folder):
    """Forbid writing into a folder."""
    if os.path.ismount(folder):
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        try:
            yield
        finally:
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        return
    places = [Path(folder), *(p for p in Path(folder).rglob("*") if p.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        yield
    finally:
        for place in places:
            place.chmod(0o755)


def _sent(sender, function, arguments):
    warnings.simplefilter("ignore")
    try:
        result = True, function(*arguments)
    except Exception as error:
        result = False, _portable(error)
    sender.send(result)


def _portable(error):
    """Return an error that any process can unpickle."""
    for base in (FileNotFoundError, OSError, ValueError):
        if isinstance(error, base):
            return base(str(error))
    if type(error).__module__.startswith("sk_posters."):
        return ValueError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


def _written(kind, folder, limit=None):
    _limit(limit)
    kind.write(folder)


def _answered(kind, folder, limit=None):
    _limit(limit)
    return kind.answer(folder)


def _limit(n_bytes):
    if n_bytes is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))


def _write_for_ever(sender, kind, folder):
    warnings.simplefilter("ignore")
    sender.send(None)
    while True:
        kind.set_aside(folder)
        kind.write(folder)


def _files_of(target):
    return sorted(target.rglob("*")) if target.is_dir() else [target]


def _is_writing(folder):
    for place, _, files in os.walk(folder):
        if ".part" in place or any(".part" in name for name in files):
            return True
    return False


def _write_and_answer(kind, folder, expected):
    for _ in range(2):
        kind.write(folder)
        if kind.answer(folder) != expected:
            return WRONG
    return RIGHT


def _worse(one, other):
    return max(one[0], other[0], key=OUTCOMES.index), one[1] + other[1]


def _delete(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

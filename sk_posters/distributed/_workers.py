"""Settings of a worker's process before TensorFlow starts: threads, and a GPU."""

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["prepare_process", "settings_of_process", "visible_gpus"]

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
GPUS = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")
NEXT = (
    "Restart the workers, with client.restart(), and prepare them before anything else"
)

# The lock of this process's GPU. The system frees it with the process, however that
# ends, so that the worker that is started in its place finds the GPU free.
_lock = None


def prepare_process(n_threads, pin_gpus=True):
    """Limit the threads of TensorFlow, and take a GPU that no other worker has."""
    settings = dict.fromkeys(THREADS, str(n_threads))
    if "tensorflow" in sys.modules and any(
        os.environ.get(name) != value for name, value in settings.items()
    ):
        raise RuntimeError(
            f"n_threads={n_threads!r} came too late: TensorFlow is already in the "
            f"process {os.getpid()}. {NEXT}."
        )
    os.environ.update(settings)
    if pin_gpus and _lock is None:
        _pin_gpu(visible_gpus())


def settings_of_process():
    """Return the settings of this process."""
    return {name: os.environ.get(name) for name in (*THREADS, GPUS)}


def visible_gpus():
    """Return the GPUs that this process may use, without asking TensorFlow."""
    text = os.environ.get(GPUS)
    if text is None:
        return [str(number) for number in range(len(list(DRIVER.glob("*"))))]
    names = [name.strip() for name in text.split(",")]
    # As CUDA does: names after -1 are ignored.
    return [name for name in names[: (names + ["-1"]).index("-1")] if name]


def _pin_gpu(gpus):
    global _lock
    if not gpus:
        return
    if "tensorflow" in sys.modules:
        raise RuntimeError(
            f"It is too late to pin a GPU: TensorFlow is already in the process "
            f"{os.getpid()}. {NEXT}."
        )
    for gpu in gpus:
        _lock = _lock_gpu(gpu)
        if _lock is not None:
            os.environ[GPUS] = gpu
            return
    raise RuntimeError(
        f"Each worker needs a GPU of its own, and other workers have taken all that "
        f"this one may use ({', '.join(gpus)}). Start no more workers than GPUs, or "
        "pass pin_gpus=False."
    )


def _own_folder():
    """Make a folder for temporary files in which no other user can put a link."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    folder = Path(tempfile.gettempdir(), f"sk_posters-{user}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = os.lstat(folder)
    is_own = not hasattr(os, "getuid") or (
        status.st_uid == os.getuid() and not status.st_mode & 0o022
    )
    if not (stat.S_ISDIR(status.st_mode) and is_own):
        raise PermissionError(
            f"{str(folder)!r} is not a folder of yours alone: another user may have "
            "made it. Remove it, or set TMPDIR to another folder."
        )
    return folder


def _lock_gpu(gpu):
    """Return the lock of a GPU, or None if another process has it."""
    # Two batch jobs on one host may give different GPUs the same number.
    job = os.environ.get("SLURM_JOB_ID", "")
    lock = FileLock(_own_folder() / f"{job}-{gpu.replace('/', '_')}.gpu")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock

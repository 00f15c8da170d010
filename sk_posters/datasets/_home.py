"""Where data sets are kept, and how a folder comes to be there whole or not at all."""

import hashlib
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from sk_posters._base._atomic import name_target_in_errors, remove_abandoned

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = [
    "changed_files",
    "folder_made_whole",
    "get_data_home",
    "one_at_a_time",
    "write_checksums",
]

ENVIRONMENT_VARIABLE = "SK_POSTERS_DATA"
DEFAULT_HOME = "~/sk_posters_data"


def get_data_home(data_home=None):
    """Return the folder of all data sets, which need not exist yet."""
    if data_home is None:
        data_home = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_HOME
    return Path(data_home).expanduser().absolute()


@contextmanager
def folder_made_whole(folder):
    """Yield a temporary folder that becomes ``folder`` if nothing goes wrong."""
    remove_abandoned(folder.parent, r".+\.[0-9a-f]{32}\.part")
    work = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.part")
    with name_target_in_errors(folder, work):
        work.mkdir(parents=True)
        try:
            yield work
            try:
                work.rename(folder)
            except OSError:
                # Another process may have made the same folder in the meantime.
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def one_at_a_time(folder):
    """Let other processes wait that want to make the same folder."""
    lock = folder.with_name(f"{folder.name}.lock")
    with name_target_in_errors(folder, lock):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    with open(lock, "rb") as file:
        with suppress(OSError):  # A file system that knows no locks.
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_checksums(folder, name, files):
    """Write down what files hold, as ``sha256sum`` prints it."""
    lines = [f"{_sha256(folder / file)}  {file}\n" for file in files]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def changed_files(folder, name):
    """Compare files with what was written down of them."""
    try:
        lines = (folder / name).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    changed = []
    for line in lines.splitlines():
        checksum, _, file = line.partition("  ")
        try:
            is_same = _sha256(folder / file) == checksum
        except (OSError, ValueError):  # A damaged name.
            is_same = False
        if not is_same:
            changed.append(file or name)
    return changed


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

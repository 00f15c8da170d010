"""Where data sets are kept, in folders that are complete or not there."""

import hashlib
import os
import re
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from sk_posters._base._atomic import name_target_in_errors, remove_abandoned
from sk_posters._base._regular import open_regular, read_regular
from sk_posters._images._machine import explain_machine

__all__ = [
    "find_changed_files",
    "get_data_home",
    "lock_folder",
    "replace_folder_when_done",
    "write_checksums",
]

ENVIRONMENT_VARIABLE = "SK_POSTERS_DATA"
DEFAULT_HOME = "~/sk_posters_data"
TEMPORARY = re.compile(r".+\.[0-9a-f]{32}\.part")
# A file in each temporary folder: a name alone does not tell who made it.
MARK = ".sk_posters_part"
MARKED = "Made by sk_posters, which removes this folder if it is abandoned.\n"


def get_data_home(data_home=None):
    """Return the folder of all data sets, which need not exist yet."""
    if data_home is None:
        data_home = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_HOME
    return Path(data_home).expanduser().absolute()


@contextmanager
def replace_folder_when_done(folder):
    """Yield a temporary folder that becomes ``folder`` if nothing goes wrong."""
    _remove_abandoned_folders(folder)
    work = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.part")
    with name_target_in_errors(folder, work):
        work.mkdir(parents=True)
        try:
            (work / MARK).write_text(MARKED, encoding="utf-8")
            yield work
            try:
                work.rename(folder)
            except OSError:
                # Another process may have made the same folder in the meantime.
                if not folder.is_dir():
                    raise
            else:
                with suppress(OSError):
                    (folder / MARK).unlink()
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _remove_abandoned_folders(folder):
    """Remove what killed processes left, where a file in it says that it is ours."""
    home = folder.parent
    with suppress(OSError):
        for name in filter(TEMPORARY.fullmatch, os.listdir(home)):
            is_namesake = name.startswith(f"{folder.name}.")
            if _is_marked(home / name) or (is_namesake and _is_empty(home / name)):
                remove_abandoned(home, re.escape(name))


def _is_marked(place):
    try:
        text = read_regular(place / MARK).decode()
    except (OSError, ValueError):
        return False
    return MARKED.startswith(text)  # A process may be killed while it writes.


def _is_empty(place):
    return place.is_dir() and not os.listdir(place)


@contextmanager
def lock_folder(folder):
    """Make other processes wait that want to make the same folder."""
    lock = folder.with_name(f"{folder.name}.lock")
    with name_target_in_errors(folder, lock):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # No link, which may be of another user where several share the folder.
        flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
        os.close(os.open(lock, flags, 0o666))
    with FileLock(lock):
        yield


def write_checksums(folder, name, files):
    """Write the checksums of files, as ``sha256sum`` prints them."""
    lines = [f"{_sha256(folder / file)}  {file}\n" for file in files]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def find_changed_files(folder, name):
    """Return the files that do not match their written checksums."""
    try:
        lines = read_regular(folder / name).decode(errors="replace")
    except FileNotFoundError:
        return []
    changed = []
    for line in lines.splitlines():
        checksum, _, file = line.partition("  ")
        try:
            is_same = _sha256(folder / file) == checksum
        except (OSError, ValueError) as error:  # Such as a damaged name.
            fault = explain_machine(error, folder / file)
            if fault is not None:
                raise fault from error
            is_same = False
        if not is_same:
            changed.append(file or name)
    return changed


def _sha256(path):
    with open(path, "rb", opener=open_regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

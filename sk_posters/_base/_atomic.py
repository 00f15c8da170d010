"""Files that are written whole or not at all."""

import errno
import os
import re
import shutil
import stat
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

from sk_posters.exceptions import ModelFileError

__all__ = [
    "check_writable",
    "match_parts",
    "name_target_in_errors",
    "read_file",
    "remove_abandoned",
    "replace_when_done",
    "write_file",
]


# What is still temporary after a day was left behind by a process that was killed.
ABANDONED_AFTER = 24 * 3600
HEX = "[0-9a-f]{32}"
MAX_NAME = 255  # Bytes of a file's name, on the usual file systems.

# What keeps a file from being written, and what to do about it.
NEXT_STEPS = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)),
        "Free some space, or write to another disk",
    ),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Make the folder writable, or write to another",
    ),
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ENOENT: "Make the folder first",
    errno.EIO: "The disk may fail: write to another",
}


def read_file(path):
    """Read a file once, so that what is checked is what is used."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ModelFileError("this is a folder or a device, not a file")
    return path.read_bytes()


def check_writable(path, *, replaces=True):
    """Return a path to write to, or raise before any work is done.

    What only opens a path, and replaces no file, may write to a pipe or a device.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"Cannot write to {str(path)!r}, which is a folder: name a file in it."
        )
    size = len(os.fsencode(path.name))
    if size > MAX_NAME:
        raise OSError(
            errno.ENAMETOOLONG,
            f"Cannot write {str(path)!r}: its name has {size} bytes, more than "
            f"{MAX_NAME}. Choose a shorter one.",
        )
    if not os.path.isdir(path.parent):
        raise FileNotFoundError(
            f"Cannot write {str(path)!r}: there is no folder {str(path.parent)!r}. "
            "Make it first, or choose another."
        )
    if replaces and os.path.exists(path) and not os.path.isfile(path):
        raise OSError(
            errno.EINVAL,
            f"Cannot write {str(path)!r}, which is a pipe or a device: name a file.",
        )
    return path


def write_file(path, content):
    """Write a file, all of it or nothing; what was there before is replaced."""
    with replace_when_done(path) as part, open(part, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replace_when_done(path):
    """Give the path of an empty file to write, which then takes the place of another.

    The new file has the permissions of the one that it replaces. A link stays, and the
    file that it names is replaced.
    """
    path = check_writable(path)
    target = _follow_link(path)
    stem = _shorten(target.stem, target.suffix)
    suffix = target.suffix if stem else ""
    part = target.with_name(f".{stem}.{uuid.uuid4().hex}.part{suffix}")
    remove_abandoned(target.parent, match_parts(re.escape(stem), re.escape(suffix)))
    with name_target_in_errors(path, part):
        mode = _find_mode(target)
        try:
            # Empty, and for nobody else to read if the old file was not.
            private = 0o666 if mode is None else 0o600
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, private))
            yield part
            if mode is not None:
                os.chmod(part, mode)
            os.replace(part, target)
        finally:
            with suppress(OSError):  # It was renamed, or could not be made.
                part.unlink()


def _follow_link(path):
    """Return the file that a link names, unless somebody else may have put it there."""
    if not path.is_symlink():
        return path
    # As Linux does for files that are opened.
    folder, link = os.stat(path.parent), os.lstat(path)
    is_shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if is_shared and link.st_uid not in (os.geteuid(), folder.st_uid):
        raise PermissionError(
            errno.EACCES,
            f"Cannot write {str(path)!r}, a link of another user in a folder that all "
            "may write to: choose another name, or another folder.",
        )
    return Path(os.path.realpath(path))


def _shorten(stem, suffix):
    """Return as much of a stem as leaves room for the rest of a temporary name."""
    room = MAX_NAME - len(os.fsencode(f"..{uuid.uuid4().hex}.part{suffix}"))
    while len(os.fsencode(stem)) > max(room, 0):
        stem = stem[:-1]
    return stem


def _find_mode(path):
    """Return the permissions of a file, None if there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


@contextmanager
def name_target_in_errors(path, part):
    """Let an error of the disk in this block say what could not be written."""
    try:
        yield
    except OSError as error:
        about = error.filename is None or str(error.filename).startswith(str(part))
        if not about or error.errno not in NEXT_STEPS:
            raise
        raise OSError(
            error.errno,
            f"Cannot write {str(path)!r} ({os.strerror(error.errno)}); what was there "
            f"before is unchanged. {NEXT_STEPS[error.errno]}.",
        ) from error


def match_parts(stem, suffix):
    """Return a pattern of the temporary files of `replace_when_done`."""
    return rf"\.{stem}\.{HEX}\.part{suffix}"


def remove_abandoned(folder, pattern, age=ABANDONED_AFTER):
    """Remove temporary files and folders that killed processes left `age` s ago."""
    with suppress(OSError):
        for name in filter(re.compile(pattern).fullmatch, os.listdir(folder)):
            _remove_if_old(Path(folder, name), age)


def _remove_if_old(place, age):
    with suppress(OSError):  # Another process removes it, too.
        inside = place.iterdir() if place.is_dir() else ()
        changed = max(each.stat().st_mtime for each in (place, *inside))
        if time.time() - changed > age:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink()

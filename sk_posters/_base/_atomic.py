"""Files that are written whole or not at all."""

import errno
import os
import re
import shutil
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
    errno.ENOENT: "Make the folder first",
    errno.EIO: "The disk may fail: write to another",
}


def read_file(path):
    """Read a file once, so that what is checked is what is used."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ModelFileError("this is a folder or a device, not a file")
    return path.read_bytes()


def check_writable(path):
    """Return a path to write to, or raise before any work is done."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"Cannot write to {str(path)!r}, which is a folder: name a file in it."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"Cannot write {str(path)!r}: there is no folder {str(path.parent)!r}. "
            "Make it first, or choose another."
        )
    return path


def write_file(path, content):
    """Write a file, all of it or nothing; what was there before is replaced."""
    with replace_when_done(path) as part, open(part, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replace_when_done(path):
    """Give the path of a file to write, which then takes the place of another."""
    path = Path(path)
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    remove_abandoned(
        path.parent, match_parts(re.escape(path.stem), re.escape(path.suffix))
    )
    with name_target_in_errors(path, part):
        try:
            yield part
            os.replace(part, path)
        finally:
            with suppress(OSError):  # It was renamed, or could not be made.
                part.unlink()


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

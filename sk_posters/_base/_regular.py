"""Files alone: opening a pipe may wait for ever, and reading a device may never end."""

import errno
import os
import stat

__all__ = ["NOT_A_FILE", "open_regular", "read_regular", "stat_regular"]

NOT_A_FILE = "a device or a pipe, not a file"


def open_regular(path, flags):
    """Open a file, as `opener` of `open`; refuse pipes and devices."""
    # Or else a pipe would wait for its writer here.
    number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        _refuse_others(os.fstat(number), path)
    except OSError:
        os.close(number)
        raise
    return number


def read_regular(path):
    """Return the bytes of a file."""
    with open(path, "rb", opener=open_regular) as file:
        return file.read()


def stat_regular(path):
    """Return the status of a file, without opening it."""
    status = os.stat(path)
    _refuse_others(status, path)
    return status


def _refuse_others(status, path):
    if stat.S_ISDIR(status.st_mode):
        number = errno.EISDIR
        raise IsADirectoryError(number, os.strerror(number), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, NOT_A_FILE, os.fspath(path))

"""Where commands write to: checked before any work is done."""

import os
import sys
import tempfile

from sk_posters._base._atomic import check_writable, name_target_in_errors

__all__ = ["check_output", "check_stdout"]


def check_output(path, *inputs, replaces=True):
    """Raise if a file cannot be written, or is one of those that are read.

    What only opens a path, and replaces no file, may write to a pipe or a device.
    """
    is_special = os.path.exists(path) and not os.path.isfile(path)
    if is_special and not os.path.isdir(path) and not replaces:
        return
    check_writable(path)
    for other in inputs:
        if _is_same(path, other):
            raise ValueError(
                f"Cannot write to {str(path)!r}, which this command reads or writes as "
                f"{str(other)!r}: choose another name."
            )
    with (
        name_target_in_errors(path, path.parent),
        tempfile.TemporaryFile(dir=path.parent),
    ):
        pass


def _is_same(path, other):
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # One of them is not there, or no path at all.
        return os.path.realpath(path) == os.path.realpath(other or os.devnull)


def check_stdout(instead):
    """Raise if nobody will see what a command prints."""
    if sys.stdout is None:
        raise OSError(f"Standard output is closed: open it, or {instead}.")

"""Where commands write to: checked before any work is done."""

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from sk_posters._base._atomic import check_writable, name_target_in_errors
from sk_posters._images._suffixes import has_image_suffix

__all__ = ["check_output", "check_stdout"]


# What posters come in, and no output but a drawing.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")


def check_output(path, *inputs, replaces=True, draws=False):
    """Raise if a file cannot be written, or is one of those that are read.

    What only opens a path, and replaces no file, may write to a pipe or a device. What
    draws may replace an image, unless that is in a folder which is read.
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
    may_be_drawn = draws and not any(_is_inside(path, other) for other in inputs)
    if _holds_image(path) and not may_be_drawn:
        raise ValueError(
            f"Cannot write to {str(path)!r}, which is an image already: choose another "
            "name."
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


def _is_inside(path, folder):
    try:
        return Path(folder).resolve() in Path(path).resolve().parents
    except (OSError, ValueError):  # It is no path at all.
        return False


def _holds_image(path):
    """Return whether a file is there that is an image, as the posters of tables."""
    if not os.path.isfile(path):
        return False
    if has_image_suffix(str(path)):
        return True
    try:
        Image.open(path, formats=FORMATS).close()
    except Exception:  # Of a file that is something else.
        return False
    return True


def check_stdout(instead):
    """Raise if nobody will see what a command prints."""
    if sys.stdout is None:
        raise OSError(f"Standard output is closed: open it, or {instead}.")

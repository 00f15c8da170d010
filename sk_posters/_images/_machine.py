"""Errors of the machine, which must not pass for errors of an image.

An image that is missing, unreadable or damaged may be replaced by a black one. Where
the machine is out of files or memory, or a disk fails, every image would be replaced.
"""

import errno
import os

from PIL import Image

from sk_posters._base._regular import NOT_A_FILE

__all__ = [
    "MISSING",
    "NO_FILE",
    "NO_PERMISSION",
    "explain_machine",
    "was_not_read",
]

# What a path may be to blame for; other numbers are of the machine. Damaged files make
# Pillow seek to places that no file has: EINVAL and EOVERFLOW.
OF_PATHS = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.EINVAL, errno.EILSEQ, errno.ENXIO, errno.EOVERFLOW),
}
DENIED = {errno.EACCES, errno.EPERM}
# Texts of `explain_path`: it may be otherwise at the next try.
MISSING, NO_FILE = "no such file", "is a directory, not a file"
NO_PERMISSION = "no permission to read it"

NEXT_STEPS = {
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE),
        "Close files, or allow more of them (ulimit -n)",
    ),
    errno.ENOMEM: "Free some memory, or take fewer threads (n_jobs)",
    getattr(errno, "ESTALE", errno.EIO): "Mount the folder again",
    errno.EIO: "The disk may fail: copy the images to another",
    **dict.fromkeys(DENIED, "Make the folder readable"),
}
BYTES_PER_PIXEL = 4
PIXELS = 89_000_000  # Where a user has set no limit.


def explain_machine(error, path, *, is_folder=False):
    """Return the error to raise if it is the machine's, or None if it is the image's.

    `path` may be an image in memory, or a folder whose images are listed.
    """
    if isinstance(error, MemoryError):
        if _has_memory():  # So a damaged file asks for more than any image needs.
            return None
        return MemoryError(_describe(path, os.strerror(errno.ENOMEM), errno.ENOMEM))
    number = error.errno if isinstance(error, OSError) else None
    if number is None or number in OF_PATHS:
        return None
    if number in DENIED and not is_folder and not _is_closed_off(str(path)):
        return None
    return OSError(number, _describe(path, os.strerror(number), number))


def was_not_read(reason):
    """Return whether a reason says that a file could not be opened."""
    texts = {MISSING, NO_FILE, NO_PERMISSION, NOT_A_FILE, *map(os.strerror, OF_PATHS)}
    return reason in texts


def _is_closed_off(path):
    """Return whether it is the folder of a file that may not be entered."""
    folder = os.path.dirname(path) or os.curdir
    return not os.path.isdir(path) and not os.access(folder, os.X_OK)


def _describe(path, reason, number):
    step = NEXT_STEPS.get(number, "See to it")
    return (
        f"Cannot read {str(path)!r} ({reason}). This is an error of the machine, so no "
        f"image is left out or replaced by a black one for it. {step}, and try again."
    )


def _has_memory():
    """Return whether the largest image that is allowed would fit."""
    n_pixels = Image.MAX_IMAGE_PIXELS or PIXELS
    try:
        bytearray(BYTES_PER_PIXEL * n_pixels)
    except MemoryError:
        return False
    return True

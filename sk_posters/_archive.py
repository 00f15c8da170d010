"""Parts of a file in one zip, which holds what it should and nothing else."""

import errno
import os
import re
import shutil
import stat
import time
import uuid
import zipfile
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from sk_posters.exceptions import ModelFileError

__all__ = [
    "pack",
    "part_beside",
    "read_whole",
    "remove_abandoned",
    "unpack",
    "write_whole",
    "writing",
]

MAX_PARTS = 100_000

# What is still temporary after a day was left behind by a process that was killed.
ABANDONED_AFTER = 24 * 3600
HEX = "[0-9a-f]{32}"

# What keeps a file from being written, and what to do about it.
NEXT_STEPS = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "Free some space, or write to another disk",
    ),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "Make the folder writable, or write to another",
    ),
    errno.ENOENT: "Make the folder first",
    errno.EIO: "The disk may fail: write to another",
}


def pack(parts):
    """Put parts into a zip, uncompressed.

    Parameters
    ----------
    parts : dict of str to bytes
        Name and content of each part.

    Returns
    -------
    bytes
        The zip.
    """
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            # A fixed date, so that equal models make equal files.
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpack(content, *, what, names, required):
    """Take a zip apart, in memory.

    Parts are stored, never compressed, and together no larger than the zip: so there
    is nothing that could grow. No part is written to disk.

    Parameters
    ----------
    content : bytes
        The zip.
    what : str
        What it is: the subject of error messages.
    names : str
        Regular expression of the names that parts may have.
    required : tuple of str
        Names of parts that must be there.

    Returns
    -------
    dict of str to bytes
        Name and content of each part.

    Raises
    ------
    ModelFileError
        If it is no zip, or damaged, or anything about it is unusual.
    """
    if not content.startswith(b"PK\x03\x04"):
        raise ModelFileError(f"{what} is {'no zip archive' if content else 'empty'}")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(content), what, names)
            parts = {entry.filename: archive.read(entry) for entry in entries}
    except ModelFileError:
        raise
    except Exception as error:  # zipfile lets errors of many kinds through.
        raise ModelFileError(f"{what} is damaged or cut off ({error})") from error
    missing = [name for name in required if name not in parts]
    if missing:
        raise ModelFileError(f"{what} lacks {', '.join(missing)}")
    return parts


def _check_entries(entries, size, what, names):
    if len(entries) > MAX_PARTS:
        raise ModelFileError(
            f"{what} has {len(entries)} parts, more than the {MAX_PARTS} allowed"
        )
    seen = set()
    for entry in entries:
        name = entry.orig_filename
        if not re.fullmatch(names, name):
            raise ModelFileError(f"{what} holds {name!r}, which does not belong there")
        if name in seen:
            raise ModelFileError(f"{what} holds {name!r} twice")
        seen.add(name)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ModelFileError(f"{what} holds {name!r} as a link, not as a file")
        if entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:
            raise ModelFileError(
                f"{what} holds {name!r} compressed or encrypted; parts are stored"
            )
    # Parts that share their bytes would be larger together than the file.
    if sum(entry.file_size for entry in entries) > size:
        raise ModelFileError(f"{what} declares more bytes than it has")


def read_whole(path):
    """Read a file once, so that what is checked is what is used.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    bytes
        Its content.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ModelFileError
        If it is a folder, a device or a pipe.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ModelFileError("this is a folder or a device, not a file")
    return path.read_bytes()


def write_whole(path, content):
    """Write a file, all of it or nothing; what was there before is replaced.

    Parameters
    ----------
    path : str or path-like
        The file.
    content : bytes
        Its content.
    """
    with part_beside(path) as part, open(part, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def part_beside(path):
    """Give the path of a file to write, which then takes the place of another.

    What killed processes have left of the same file a day ago or earlier is removed.

    Parameters
    ----------
    path : str or path-like
        The file that is to be written, all of it or nothing.

    Yields
    ------
    Path
        A hidden file in the same folder, with the same suffix. It is renamed once the
        block has ended, and removed if the block fails.

    Raises
    ------
    OSError
        If the disk is full, or the folder cannot be written to.
    """
    path = Path(path)
    begin, end = re.escape(f".{path.stem}."), re.escape(f".part{path.suffix}")
    part = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    remove_abandoned(path.parent, f"{begin}{HEX}{end}")
    with writing(path, part):
        try:
            yield part
            os.replace(part, path)
        finally:
            with suppress(OSError):  # It was renamed, or could not be made.
                part.unlink()


@contextmanager
def writing(path, part):
    """Let an error of the disk in this block say what could not be written.

    Parameters
    ----------
    path : Path
        What was to be written.
    part : Path
        What is written in its place: a file, or a folder.

    Raises
    ------
    OSError
        Of the same class, if an error is about the part or something in it.
    """
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


def remove_abandoned(folder, pattern):
    """Remove what killed processes have left behind.

    Parameters
    ----------
    folder : Path
        Where to look.
    pattern : str
        Regular expression of the whole names of temporary files and folders. Those
        that were changed within a day may be in use, and stay.
    """
    with suppress(OSError):
        for name in filter(re.compile(pattern).fullmatch, os.listdir(folder)):
            _remove_if_old(Path(folder, name))


def _remove_if_old(place):
    with suppress(OSError):  # Another process removes it, too.
        inside = place.iterdir() if place.is_dir() else ()
        changed = max(each.stat().st_mtime for each in (place, *inside))
        if time.time() - changed > ABANDONED_AFTER:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink()

"""Parts of a file in one zip, which holds what it should and nothing else."""

import re
import stat
import zipfile
from io import BytesIO

from sk_posters.exceptions import ModelFileError

__all__ = ["pack", "unpack"]

MAX_PARTS = 100_000


def pack(parts):
    """Put parts into a zip, uncompressed."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            # A fixed date, so that equal models make equal files.
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpack(content, *, what, names, required):
    """Take a zip apart, in memory."""
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

"""How many scans a JPEG comes in: each walks over all pixels, however few its bytes."""

import re

from sk_posters._images._sources import Refused

__all__ = ["check_scans", "count_scans"]

# Encoders write about ten.
MAX_SCANS = 100
# Pixels of all scans: about three seconds.
MAX_SCANNED = 1_000_000_000

# What begins a segment, as libjpeg looks for it: neither data nor a restart.
MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = b"\xd8", b"\xd9", b"\xda"


def check_scans(file, n_pixels, max_scanned=MAX_SCANNED):
    """Refuse a JPEG with so many scans that decoding takes minutes."""
    start = file.tell()
    file.seek(0)
    n_scans = count_scans(file.read())
    file.seek(start)
    allowed = min(MAX_SCANS, max(1, max_scanned // max(n_pixels, 1)))
    if n_scans > allowed:
        raise Refused(
            f"it comes in {n_scans} scans, more than the {allowed} allowed for its "
            "size, as in a decompression bomb: save it again"
        )


def count_scans(content):
    """Return the number of scans of a JPEG, without those of pictures inside of it."""
    n_scans, position = 0, 0
    while found := MARKER.search(content, position):
        kind, position = found[1], found.end()
        if kind == END_OF_IMAGE:
            break
        if kind != START_OF_IMAGE:
            n_scans += kind == START_OF_SCAN
            position += int.from_bytes(content[position : position + 2], "big")
    return n_scans

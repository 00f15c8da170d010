"""HEIC images, which Pillow reads where pillow-heif is installed."""

import importlib

from sk_posters._images._sources import Refused

__all__ = ["is_heic", "register_heic"]

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def is_heic(file):
    """Return whether a file starts as HEIC images do."""
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in BRANDS and b"avif" not in head


def register_heic():
    """Let Pillow read HEIC in this process."""
    try:
        package = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise Refused(
            "it is HEIC, which needs one more package: pip install pillow-heif"
        ) from error
    package.register_heif_opener()

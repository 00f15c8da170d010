"""Decoded images on disk, shared by folds, candidates and processes."""

import hashlib
import os
import re
import threading
import time
import uuid
import warnings
import zlib
from contextlib import suppress

import PIL
from PIL import Image, ImageFile, features

__all__ = ["ImageStore"]

# To be raised whenever decoding changes, so that no older entry is taken for a new one.
FORMAT = 1
LIBJPEG = features.version("libjpeg_turbo")

SHARD = re.compile(r"[0-9a-f]{2}")
OWN_FILE = re.compile(r"[0-9a-f]{32}\.(rgb|[0-9a-f]{32}\.part)")

# A file is written in milliseconds; one that is still temporary after an hour was left
# behind by a process that was killed.
STALE_AFTER = 3600
# Telling which entries are in use to the hour costs no write per read.
TOUCH_AFTER = 3600
# How far the store is emptied when it is full, so that it is not full again at once.
KEPT_WHEN_FULL = 0.9
# What one process may write before it looks at what the others wrote.
UNSEEN = 0.05


class ImageStore:
    """Pixels of decoded image files, one entry per content and way of decoding.

    Any number of threads and processes may use one folder at once. An entry is written
    under a temporary name and then renamed, so it is there whole or not at all, and
    its checksum tells when the disk has damaged it. An entry that is lost costs the
    time to decode its file anew, never a wrong image.

    Parameters
    ----------
    folder : str
        Where the entries are. It is made when the first is written.
    max_bytes : int
        When the entries take more, those not used for longest are removed, until a
        tenth is free. Each process that writes at that time may exceed the bound by
        up to 5 percent for a moment.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sk_posters._store import ImageStore
    >>> Image.new("RGB", (3, 2), "red").save("poster.png")
    >>> store = ImageStore("cache", max_bytes=1_000_000)
    >>> key = store.key("poster.png", image_size=(2, 3), interpolation="nearest")
    >>> store.write(key, np.full((2, 3, 3), 7, dtype=np.uint8))
    >>> image = np.empty((2, 3, 3), dtype=np.uint8)
    >>> store.read_into(key, image), int(image.max())
    (True, 7)
    """

    def __init__(self, folder, max_bytes):
        self.folder = folder
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._size = None  # Unknown until the first write, so that readers never scan.
        self._unseen = 0
        self._writable = True

    def __reduce__(self):
        return type(self), (self.folder, self.max_bytes)

    def key(self, path, image_size, interpolation):
        """Name the entry of a file by its content and the way it is decoded.

        Parameters
        ----------
        path : str
            The image file.
        image_size : tuple of two int
            Height and width of the decoded image.
        interpolation : str
            How the image is resized.

        Returns
        -------
        str or None
            The name; None if the file cannot be read.
        """
        # All that decides what Pillow makes of the same bytes, or whether it refuses.
        decoding = (
            *(FORMAT, PIL.__version__, LIBJPEG),
            *(Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
            *(*map(int, image_size), interpolation),
        )
        digest = hashlib.blake2b(repr(decoding).encode(), digest_size=16)
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, lambda: digest).hexdigest()
        except (OSError, ValueError):  # ValueError: a path that no file can have.
            return None

    def holds(self, key, n_bytes):
        """Tell whether there is an entry of the right size, without reading it.

        Parameters
        ----------
        key : str
            What `key` returns.
        n_bytes : int
            Size of the image.

        Returns
        -------
        bool
            True if so. `read_into` may yet find it damaged.
        """
        try:
            status = os.stat(self._entry(key))
        except OSError:
            return False
        return status.st_size == n_bytes + len(_checksum(b""))

    def read_into(self, key, image):
        """Read an entry into an array.

        Parameters
        ----------
        key : str
            What `key` returns.
        image : ndarray of shape (height, width, 3), dtype uint8
            Where the pixels go, contiguous in memory.

        Returns
        -------
        bool
            False if the entry is missing or damaged: what the array then holds is of
            no use.
        """
        entry = self._entry(key)
        # Read, not mapped: mapped pages would count as memory of the process.
        try:
            with open(entry, "rb", buffering=0) as file:
                # A short entry leaves no checksum behind its pixels.
                file.readinto(image)
                checksum = file.read(len(_checksum(b"")))
                unused = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError:
            return False
        if unused > TOUCH_AFTER:
            with suppress(OSError):
                os.utime(entry)
        return checksum == _checksum(image)

    def write(self, key, image):
        """Keep an image, unless the disk refuses: then warn once and write no more.

        Parameters
        ----------
        key : str
            What `key` returns.
        image : ndarray of shape (height, width, 3), dtype uint8
            The pixels, contiguous in memory.
        """
        if not self._writable:
            return
        entry = self._entry(key)
        part = f"{entry.removesuffix('.rgb')}.{uuid.uuid4().hex}.part"
        try:
            os.makedirs(os.path.dirname(entry), exist_ok=True)
            try:
                # Not synced: after a power cut, the checksum finds what is not whole.
                with open(part, "xb") as file:
                    file.write(image)
                    file.write(_checksum(image))
                os.replace(part, entry)
            except BaseException:
                _remove(part)
                raise
        except FileNotFoundError:
            return  # Another process has just cleared the store.
        except OSError as error:
            self._stop_writing(error)
            return
        self._count(image.nbytes + len(_checksum(b"")))

    def clear(self):
        """Remove all entries, and no file that is not the store's own.

        Returns
        -------
        int
            Number of entries that were removed.
        """
        removed = [path for path, _ in self._own_files() if _remove(path)]
        for shard in _names(self.folder, SHARD):
            with suppress(OSError):  # It holds something else, or is in use again.
                os.rmdir(os.path.join(self.folder, shard))
        return sum(path.endswith(".rgb") for path in removed)

    def _entry(self, key):
        # In 256 folders, because some file systems are slow with one large folder.
        return os.path.join(self.folder, key[:2], f"{key}.rgb")

    def _stop_writing(self, error):
        with self._lock:
            is_first, self._writable = self._writable, False
        if is_first:
            warnings.warn(
                f"Decoded images cannot be kept in the folder {self.folder!r} "
                f"({error.strerror or error}), so they are decoded each time they are "
                "needed. Free some space, make the folder writable, or pass another "
                "cache_dir.",
                stacklevel=2,
            )

    def _count(self, n_bytes):
        """Add to the size of the store, and make room where it gets too large."""
        with self._lock:
            self._unseen += n_bytes
            if (
                self._size is None
                or self._size + self._unseen > self.max_bytes
                or self._unseen > self.max_bytes * UNSEEN
            ):
                self._size = self._make_room()
                self._unseen = 0

    def _make_room(self):
        """Remove the oldest entries if there are too many; return the size of all."""
        entries = []
        for path, status in self._own_files():
            if path.endswith(".rgb"):
                entries.append((status.st_mtime, status.st_size, path))
            elif time.time() - status.st_mtime > STALE_AFTER:
                _remove(path)
        size = sum(n_bytes for _, n_bytes, _ in entries)
        if size <= self.max_bytes:
            return size
        for _, n_bytes, path in sorted(entries):
            if size <= self.max_bytes * KEPT_WHEN_FULL:
                break
            _remove(path)
            size -= n_bytes
        return size

    def _own_files(self):
        """Yield path and status of each file that this or another store has made."""
        for shard in _names(self.folder, SHARD):
            folder = os.path.join(self.folder, shard)
            for name in _names(folder, OWN_FILE):
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:
                    continue  # Another process has removed it.
                yield path, status


def _names(folder, pattern):
    try:
        return [name for name in os.listdir(folder) if pattern.fullmatch(name)]
    except OSError:
        return []


def _remove(path):
    """Remove a file that another process may remove at the same time."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _checksum(pixels):
    return zlib.crc32(pixels).to_bytes(4, "little")

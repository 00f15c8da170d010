"""Arrays on disk, shared by folds, processes and later runs.

Checksums find what accidents have changed. Whoever may write to the folder decides what
is in it.

Hand-made, because diskcache is dormant and pickles what it keeps.
"""

import os
import re
import stat
import time
import uuid
import warnings
import zlib
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from sk_posters._base._regular import open_regular
from sk_posters._base._threads import ForkSafeLock

__all__ = ["CACHE_VARIABLE", "ArrayStore", "disable_caches"]

CACHE_VARIABLE = "SK_POSTERS_CACHE"

_may_keep = ContextVar("may_keep", default=True)


SHARD = re.compile(r"[0-9a-f]{2}")
OWN_FILE = r"[0-9a-f]{{32}}\.({}|[0-9a-f]{{32}}\.part)"

# A file is written in milliseconds; one that is still temporary after an hour was left
# behind by a process that was killed.
STALE_AFTER = 3600
# Telling which entries are in use to the hour costs no write per read.
TOUCH_AFTER = 3600
# How far the store is emptied when it is full, so that it is not full again at once.
KEPT_WHEN_FULL = 0.9
# Share of the size that a process may write before it counts the entries of others.
UNSEEN = 0.05


@contextmanager
def disable_caches():
    """Use no cache in this block, whatever estimators and the environment say."""
    token = _may_keep.set(False)
    try:
        yield
    finally:
        _may_keep.reset(token)


class _Tally:
    """What a process knows of the size of a folder of entries."""

    def __init__(self):
        self.lock = ForkSafeLock()
        self.size = None  # Unknown until the first write, so that readers never scan.
        self.unseen = 0


# One for each folder, as estimators make a store for each call: were each of them to
# list all entries again, a stream of batches would take a time that grows with the
# square of their number.
_tallies = {}


class ArrayStore:
    """Arrays on disk, each under a key of 32 hexadecimal digits."""

    subfolder = "arrays"
    suffix = "array"
    contents = "Arrays"
    consequence = "made again"

    def __init__(self, folder, max_bytes):
        self.folder = folder
        self.max_bytes = max_bytes
        self._own_file = re.compile(OWN_FILE.format(self.suffix))
        self._lock = ForkSafeLock()
        self._tally = _tallies.setdefault((folder, self.suffix), _Tally())
        self._writable = True

    @classmethod
    def open(cls, cache_dir, max_bytes):
        """Return the store in a user's cache; None where caches are disabled."""
        if not _may_keep.get():
            return None
        # Absolute, because workers may run in another folder.
        folder = Path(cache_dir).expanduser().absolute() / cls.subfolder
        return cls(str(folder), max_bytes)

    def __reduce__(self):
        return type(self), (self.folder, self.max_bytes)

    def holds(self, key, n_bytes):
        """Tell whether there is an entry of the right size, without reading it."""
        try:
            status = os.lstat(self._entry(key))
        except OSError:
            return False
        is_file = stat.S_ISREG(status.st_mode)
        return is_file and status.st_size == n_bytes + len(_checksum(b""))

    def read_into(self, key, array):
        """Read an entry into an array."""
        entry = self._entry(key)
        # Read, not mapped: mapped pages would count as memory of the process.
        try:
            with open(entry, "rb", buffering=0, opener=_open_file) as file:
                # A short entry leaves no checksum behind its values.
                file.readinto(array)
                checksum = file.read(len(_checksum(b"")))
                unused = time.time() - os.fstat(file.fileno()).st_mtime
        except OSError:
            return False
        if unused > TOUCH_AFTER:
            with suppress(OSError):
                os.utime(entry)
        return checksum == _checksum(array)

    def write(self, key, array):
        """Keep an array, unless the disk refuses: then warn once and write no more."""
        if not self._writable:
            return
        try:
            self._write_entry(self._entry(key), array)
        except FileNotFoundError:
            return  # It is cleared again and again.
        except OSError as error:
            self._stop_writing(error)
            return
        self._count(array.nbytes + len(_checksum(b"")))

    def _write_entry(self, entry, array, n_retries=10):
        """Write a file, also where others clear the store and so remove its folder."""
        part = f"{entry.removesuffix(self.suffix)}{uuid.uuid4().hex}.part"
        try:
            os.makedirs(os.path.dirname(entry), exist_ok=True)
            try:
                # Not synced: after a power cut, the checksum finds what is not whole.
                with open(part, "xb") as file:
                    file.write(array)
                    file.write(_checksum(array))
                os.replace(part, entry)
            except BaseException:
                _remove(part)
                raise
        except (FileNotFoundError, FileExistsError):
            # The second is what makedirs makes of a folder that goes while it looks.
            if not n_retries:
                raise
            self._write_entry(entry, array, n_retries - 1)

    def clear(self):
        """Remove all entries, and no file that is not the store's own."""
        removed = [path for path, _ in self._own_files() if _remove(path)]
        with self._tally.lock:
            self._tally.size = None
        for shard in _names(self.folder, SHARD):
            with suppress(OSError):  # It holds something else, or is in use again.
                os.rmdir(os.path.join(self.folder, shard))
        return sum(path.endswith(self.suffix) for path in removed)

    def _entry(self, key):
        # In 256 folders, because some file systems are slow with one large folder.
        return os.path.join(self.folder, key[:2], f"{key}.{self.suffix}")

    def _stop_writing(self, error):
        with self._lock:
            is_first, self._writable = self._writable, False
        if is_first:
            warnings.warn(
                f"{self.contents} cannot be kept in the folder {self.folder!r} "
                f"({error.strerror or error}), so they are {self.consequence} each "
                "time they are needed. Free some space, make the folder writable, or "
                "pass another cache_dir.",
                stacklevel=2,
            )

    def _count(self, n_bytes):
        """Add to the size of the store, and make room where it gets too large."""
        tally = self._tally
        with tally.lock:
            tally.unseen += n_bytes
            if (
                tally.size is None
                or tally.size + tally.unseen > self.max_bytes
                or tally.unseen > self.max_bytes * UNSEEN
            ):
                tally.size = self._make_room()
                tally.unseen = 0

    def _make_room(self):
        """Remove the oldest entries if there are too many; return the size of all."""
        entries = []
        for path, status in self._own_files():
            if path.endswith(self.suffix):
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
            for name in _names(folder, self._own_file):
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:
                    continue  # Another process has removed it.
                yield path, status


def _open_file(path, flags):
    """Open a file, and no link."""
    return open_regular(path, flags | getattr(os, "O_NOFOLLOW", 0))


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


def _checksum(values):
    return zlib.crc32(values).to_bytes(4, "little")

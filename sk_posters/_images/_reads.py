"""How often a file is read: Pillow reads some headers, of any length, byte by byte."""

from sk_posters._images._sources import Refused

__all__ = ["CountedFile"]

# Large images are read in some thousand pieces. As many as this take half a second.
MAX_READS = 300_000


class CountedFile:
    """A file that may be read so many times only."""

    def __init__(self, file):
        self._file, self._n_reads = file, 0

    def __getattr__(self, name):
        return getattr(self._file, name)

    def read(self, *size):
        """Read as the file does."""
        self._n_reads += 1
        if self._n_reads > MAX_READS:
            raise Refused(
                f"it is cut into more than {MAX_READS:,} pieces, as in a decompression "
                "bomb: save it again"
            )
        return self._file.read(*size)

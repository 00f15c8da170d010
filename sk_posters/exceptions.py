"""Exceptions that users may want to catch.

Each also derives from the built-in exception that callers would catch without knowing
this package.
"""

import itertools

__all__ = ["DivergenceError", "ModelFileError", "PartitionError", "PosterFileError"]

MAX_FILES_LISTED = 5
MAX_PARTITIONS_LISTED = 3
# predict_to_parquet gives up after this many failed partitions.
MAX_FAILED_PARTITIONS = 10


class PosterFileError(OSError, ValueError):
    """One or more files, or images in memory, cannot be used as posters.

    Parameters
    ----------
    failed : list of (str, str)
        Path of each bad file, or row of an image in memory, such as ``"row 3: bytes
        (12,345 B)"``, and what is wrong with it.

    Attributes
    ----------
    failed : list of (str, str)
        The same, all of them; the message lists the first five.

    Examples
    --------
    >>> from sk_posters.exceptions import PosterFileError
    >>> error = PosterFileError([("poster.jpg", "no such file")])
    >>> error.failed
    [('poster.jpg', 'no such file')]
    """

    def __init__(self, failed):
        self.failed = list(failed)
        super().__init__(
            describe_failures(self.failed) + "\nReplace these files, drop their rows, "
            "or set on_error='blank' (of PosterImageLoader and PosterEncoder), which "
            "puts a black image in place of each."
        )

    def __reduce__(self):
        # The default would rebuild it from its message, in the parent of a worker.
        return type(self), (self.failed,)


class ModelFileError(ValueError):
    """A model file that cannot be used, or a model that no file can hold.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.

    Examples
    --------
    >>> from sk_posters.exceptions import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """

    def __init__(self, message):
        super().__init__(message)


class DivergenceError(FloatingPointError, ValueError):
    """A training whose loss or weights are no longer finite.

    The network keeps what it had learned until the epoch before.

    Parameters
    ----------
    message : str
        In which epoch, and the usual causes.

    Examples
    --------
    >>> from sk_posters.exceptions import DivergenceError
    >>> issubclass(DivergenceError, ValueError)
    True
    """

    def __init__(self, message):
        super().__init__(message)


class PartitionError(RuntimeError):
    """Partitions without predictions, although all others may have theirs.

    Parameters
    ----------
    folder : str
        Where the predictions go.
    failed : dict of int to Exception
        What went wrong, by number of the partition.
    n_partitions : int
        Number of all partitions.

    Attributes
    ----------
    failed : dict of int to Exception
        The same.

    Examples
    --------
    >>> from sk_posters.exceptions import PartitionError
    >>> error = PartitionError("out", {7: MemoryError("too large")}, 12)
    >>> print(str(error).partition(". ")[0])
    1 of 12 partitions of 'out' has no predictions: partition 7 (MemoryError: too large)
    """

    def __init__(self, folder, failed, n_partitions):
        self.folder, self.failed, self.n_partitions = folder, dict(failed), n_partitions
        shown = ", ".join(
            f"partition {number} ({type(error).__name__}: {error})"
            for number, error in itertools.islice(
                sorted(self.failed.items()), MAX_PARTITIONS_LISTED
            )
        )
        more = len(self.failed) - MAX_PARTITIONS_LISTED
        super().__init__(
            f"{len(self.failed)} of {n_partitions} partitions of {folder!r} "
            f"{'has' if len(self.failed) == 1 else 'have'} no predictions: {shown}"
            f"{f' and {more} more' if more > 0 else ''}. {self._next_step()} Then call "
            "predict_to_parquet again: finished partitions are not repeated."
        )

    def __reduce__(self):
        return type(self), (self.folder, self.failed, self.n_partitions)

    def _next_step(self):
        names = {type(error).__name__ for error in self.failed.values()}
        if "KilledWorker" in names:
            return (
                "Each partition that names KilledWorker was also tried alone, and its "
                "worker died each time: most often it ran out of its memory_limit. "
                "Give the workers more memory, or fewer threads."
            )
        if len(self.failed) >= MAX_FAILED_PARTITIONS:
            return "The remaining ones were not tried. Fix what the errors name."
        return "Fix what the errors name."


def describe_failures(failed):
    """Return a heading, the first bad files with their reasons, and how many more."""
    files = "1 file" if len(failed) == 1 else f"{len(failed)} files"
    lines = [f"{files} cannot be used as a poster:"]
    lines += [f"  {path!r}: {reason}" for path, reason in failed[:MAX_FILES_LISTED]]
    if len(failed) > MAX_FILES_LISTED:
        lines.append(f"  and {len(failed) - MAX_FILES_LISTED} more")
    return "\n".join(lines)

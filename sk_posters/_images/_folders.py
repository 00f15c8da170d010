"""The images in a folder and its subfolders, and what is left out and why."""

import os
from collections import Counter

from sk_posters._base._regular import NOT_A_FILE
from sk_posters._images._machine import MISSING, NO_PERMISSION, explain_machine
from sk_posters._images._suffixes import has_image_suffix

__all__ = ["Skipped", "explain", "iterate_images"]

MOST_SUFFIXES = 5


class Skipped:
    """Counts of what is left out, by reason, each with its first path."""

    def __init__(self):
        self._counts, self._first = {}, {}

    def add(self, reason, path, detail=""):
        """Count a path that is left out."""
        self._first.setdefault(reason, path)
        self._counts.setdefault(reason, Counter())[detail] += 1

    def lines(self):
        """Return a line for each reason."""
        return [
            f"skipped: {counts.total()} × {reason}{_list_details(counts)}, such as "
            f"{self._first[reason]!r}"
            for reason, counts in self._counts.items()
        ]


def _list_details(counts):
    named = [(name, n) for name, n in counts.most_common(MOST_SUFFIXES) if name]
    if not named:
        return ""
    rest = len(counts) - len(named)
    others = [f"{rest} others"] if rest else []
    return f" ({', '.join([f'{name} {n}' for name, n in named] + others)})"


def iterate_images(folder, skipped):
    """Yield (path, None) for each image, or (path, problem) where it cannot be read.

    Links to folders are not followed. What is no image by its suffix is counted in
    `skipped`.
    """
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        subfolders = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        subfolders.append(entry.path)
                    else:
                        yield from _judge(entry, skipped)
        except OSError as error:
            yield folder, explain(error, folder)
        waiting += sorted(subfolders, reverse=True)


def _judge(entry, skipped):
    """Yield an image with its problem or None; count anything else."""
    if os.path.isdir(entry.path):
        skipped.add("a link to a folder, which is not followed", entry.path)
    elif not has_image_suffix(entry.name):
        suffix = os.path.splitext(entry.name)[1].lower() or "no suffix"
        skipped.add("no image by its suffix", entry.path, suffix)
    else:
        yield entry.path, _find_problem(entry)


def _find_problem(entry):
    try:
        entry.stat()
        return None if entry.is_file() else NOT_A_FILE
    except FileNotFoundError:
        return "a link to a file that does not exist"
    except OSError as error:  # Links in a circle, among others.
        return explain(error, entry.path)


def explain(error, path):
    """Return in a few words why a path cannot be read; raise errors of the machine."""
    fault = explain_machine(error, path)
    if fault is not None:
        raise fault from error
    if isinstance(error, FileNotFoundError):
        return MISSING
    if isinstance(error, PermissionError):
        return NO_PERMISSION
    return getattr(error, "strerror", None) or str(error)

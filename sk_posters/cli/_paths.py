"""Files, folders, patterns and lists of paths, one path after another.

At most the names in one folder are held at a time: there may be more paths than memory
can hold.
"""

import glob
import os
import re
import stat
from pathlib import Path

from sk_posters._base._regular import NOT_A_FILE
from sk_posters._images._folders import Skipped, explain, iterate_images

__all__ = ["iterate_paths"]

STDIN = "-"
# No path has a null character, and `glob` does not expect one.
PATTERN = re.compile(r"[^\0]*[*?[][^\0]*")
REPEATED_STARS = re.compile(r"(?<![^/])(?:\*\*/+)+(?=\*\*(?:/|$))")


def iterate_paths(arguments, stdin, skipped=None):
    """Yield (path, None) for each file, or (path, problem) if it cannot be read.

    What is left out of folders and patterns is counted in `skipped`.
    """
    skipped = Skipped() if skipped is None else skipped
    for argument in arguments:
        if argument == STDIN:
            for line in stdin:
                path = os.fsdecode(line.rstrip(b"\r\n"))
                if path:
                    yield from _iterate_path(path, skipped)
        elif PATTERN.fullmatch(argument) and not os.path.lexists(argument):
            yield from _explain_if_empty(
                _match(argument, skipped), argument, "no file matches this pattern"
            )
        else:
            yield from _iterate_path(argument, skipped)


def _iterate_path(path, skipped):
    """Yield a file, or the images in a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character.
        yield path, explain(error, path)
        return
    if stat.S_ISDIR(mode):
        found = iterate_images(path, skipped)
        yield from _explain_if_empty(found, path, "no images in this folder")
    elif stat.S_ISREG(mode):
        yield path, None
    else:  # Reading a pipe or a device might never end.
        yield path, NOT_A_FILE


def _explain_if_empty(found, path, problem):
    is_empty = True
    for item in found:
        is_empty = False
        yield item
    if is_empty:
        yield path, problem


def _match(pattern, skipped):
    """Yield the files that match a pattern; ``**`` follows no links to folders."""
    # Repeated stars mean the same, and would visit each folder again and again.
    pattern = REPEATED_STARS.sub("", pattern)
    before, stars, _ = pattern.partition("**")
    n_before = len(Path(before).parts)
    for path in glob.iglob(pattern, recursive=True):
        folders = Path(path).parents if stars else ()
        if any(
            folder.is_symlink() for folder in folders if len(folder.parts) > n_before
        ):
            skipped.add("behind a link to a folder, which ** does not follow", path)
        elif not os.path.isdir(path):
            yield from _iterate_path(path, skipped)
        elif not stars:  # They stand for the files below a folder, too.
            skipped.add("a folder that matches a pattern of files", path)

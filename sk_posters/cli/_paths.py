"""Files, folders, patterns and lists of paths, one path after another.

At most the names in one folder are held at a time: there may be more paths than memory
can hold.
"""

import glob
import os
import re
import stat
from pathlib import Path

__all__ = ["iterate_paths"]

SUFFIXES = (".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif")
SUFFIXES += (".tiff", ".webp")
STDIN = "-"
# No path has a null character, and `glob` does not expect one.
PATTERN = re.compile(r"[^\0]*[*?[][^\0]*")
REPEATED_STARS = re.compile(r"(?<![^/])(?:\*\*/+)+(?=\*\*(?:/|$))")


def iterate_paths(arguments, stdin):
    """Yield (path, None) for each file, or (argument, problem) if there is none."""
    for argument in arguments:
        if argument == STDIN:
            for line in stdin:
                path = os.fsdecode(line.rstrip(b"\r\n"))
                if path:
                    yield from _iterate_path(path)
        elif PATTERN.fullmatch(argument) and not os.path.lexists(argument):
            yield from _explain_if_empty(
                _match(argument), argument, "no file matches this pattern"
            )
        else:
            yield from _iterate_path(argument)


def _iterate_path(path):
    """Yield a file, or the images in a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character.
        yield path, _explain(error)
        return
    if stat.S_ISDIR(mode):
        yield from _explain_if_empty(
            _find_images(path), path, "no images in this folder"
        )
    elif stat.S_ISREG(mode):
        yield path, None
    else:  # Reading a pipe or a device might never end.
        yield path, "a device or a pipe, not a file"


def _explain_if_empty(found, path, problem):
    is_empty = True
    for item in found:
        is_empty = False
        yield item
    if is_empty:
        yield path, problem


def _find_images(folder):
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        subfolders = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        subfolders.append(entry.path)
                    elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                        yield entry.path, None
        except OSError as error:
            yield folder, _explain(error)
        waiting += sorted(subfolders, reverse=True)


def _match(pattern):
    """Yield the files that match a pattern; ``**`` follows no links to folders."""
    # Repeated stars mean the same, and would visit each folder again and again.
    pattern = REPEATED_STARS.sub("", pattern)
    before, stars, _ = pattern.partition("**")
    n_before = len(Path(before).parts)
    for path in glob.iglob(pattern, recursive=True):
        folders = Path(path).parents if stars else ()
        is_linked = any(
            folder.is_symlink() for folder in folders if len(folder.parts) > n_before
        )
        if os.path.isfile(path) and not is_linked:
            yield path, None


def _explain(error):
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return getattr(error, "strerror", None) or str(error)

"""Files, folders, patterns and lists of paths, one path after another.

At most the names in one folder are held at a time, so that there may be more paths
than memory could hold.
"""

import glob
import os
import re
import stat
from pathlib import Path

__all__ = ["paths_of"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FROM_STDIN = "-"
# No file can have a null character in its path, which `glob` does not expect.
PATTERN = re.compile(r"[^\0]*[*?[][^\0]*")
REPEATED_STARS = re.compile(r"(?<![^/])(?:\*\*/+)+(?=\*\*(?:/|$))")


def paths_of(arguments, stdin):
    """Yield the paths that arguments of a command stand for.

    Parameters
    ----------
    arguments : iterable of str
        Files, folders, patterns with ``*``, ``**``, ``?`` or ``[…]``, and ``"-"``.
    stdin : iterable of bytes
        Where ``"-"`` reads paths, a line each.

    Yields
    ------
    path : str
        A file; or an argument that stands for none.
    problem : str or None
        Why there is no file, None where there is one.

    Notes
    -----
    A folder stands for the images in it and in its subfolders, told by their suffix,
    in the order in which the file system gives them. Links to folders are not
    followed. A pattern stands for files alone.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sk_posters.cli._paths import paths_of
    >>> Path("posters").mkdir()
    >>> Path("posters/a.jpg").touch()
    >>> list(paths_of(["posters", "b.jpg"], []))
    [('posters/a.jpg', None), ('b.jpg', 'no such file')]
    """
    for argument in arguments:
        if argument == FROM_STDIN:
            for line in stdin:
                path = os.fsdecode(line.rstrip(b"\r\n"))
                if path:
                    yield from _of_one(path)
        elif PATTERN.fullmatch(argument) and not os.path.lexists(argument):
            yield from _or_problem(
                _matching(argument), argument, "no file matches this pattern"
            )
        else:
            yield from _of_one(argument)


def _of_one(path):
    """Yield a file, or the images of a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character.
        yield path, _reason(error)
        return
    if stat.S_ISDIR(mode):
        yield from _or_problem(_images_in(path), path, "no image in this folder")
    elif stat.S_ISREG(mode):
        yield path, None
    else:  # Reading a pipe or a device might never end.
        yield path, "is no file, but a device or a pipe"


def _or_problem(found, path, problem):
    """Yield what was found, or, where that is nothing, why."""
    is_empty = True
    for item in found:
        is_empty = False
        yield item
    if is_empty:
        yield path, problem


def _images_in(folder):
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        subfolders = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        subfolders.append(entry.path)
                    elif _is_image(entry):
                        yield entry.path, None
        except OSError as error:
            yield folder, _reason(error)
        waiting += sorted(subfolders, reverse=True)


def _is_image(entry):
    return entry.name.lower().endswith(SUFFIXES) and entry.is_file()


def _matching(pattern):
    """Yield the files that a pattern matches; ``**`` follows no links to folders."""
    # Repeated, it means the same, and would visit each folder again and again.
    pattern = REPEATED_STARS.sub("", pattern)
    before, stars, _ = pattern.partition("**")
    n_given = len(Path(before).parts)
    for path in glob.iglob(pattern, recursive=True):
        folders = Path(path).parents if stars else ()
        is_linked = any(
            folder.is_symlink() for folder in folders if len(folder.parts) > n_given
        )
        if os.path.isfile(path) and not is_linked:
            yield path, None


def _reason(error):
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return getattr(error, "strerror", None) or str(error)

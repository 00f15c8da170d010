"""A folder with one folder of images per label."""

import hashlib
import os
from collections import Counter, defaultdict
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sk_posters._base._compat import StrOptions, validate_params
from sk_posters._base._regular import open_regular
from sk_posters._base._validation import shorten
from sk_posters._images._machine import explain_machine
from sk_posters._images._suffixes import has_image_suffix
from sk_posters.datasets._tables._column import SPLIT_NAME

__all__ = ["load_poster_folder"]

N_SHOWN = 5

DESCR = """\
Posters of the folder {root}, one folder per label

Rows (data, target, groups):   {n_rows}
Labels (target_names):         {n_labels}
Labels per row, mean:          {mean:.2f}

{reading}
"""


class Found(NamedTuple):
    """The images of a folder by label, and what was skipped."""

    images: list
    deep: list
    loose: list
    skipped: list
    empty: list


class File(NamedTuple):
    """An image file: its label, its name, its path and its size."""

    label: str
    name: str
    path: str
    size: int


@validate_params(
    {
        "root": [str, PathLike],
        "same_name": [StrOptions({"one", "different"}), None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_poster_folder(root, *, same_name=None, return_X_y=False):
    """Load a folder with one folder of images per label.

    An image that is in several folders, by its name or its content, has several labels.
    `reading` says how the folder was read and what was skipped.

    Parameters
    ----------
    root : str or path-like
        The folder. The images lie directly in the folders in it, whose names are the
        labels. Hidden files and folders are ignored.
    same_name : {"one", "different"}, default=None
        What files of the same name in several folders are, whose contents differ: one
        image that was saved several times, or different images. By default such files
        raise an error. Files with the same content are always one image.
    return_X_y : bool, default=False
        Whether to return only the paths and the labels.

    Returns
    -------
    posters : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the attributes that
        :func:`load_poster_table` returns. Rows are in the order of file names,
        `target_names` are in the order of the alphabet, `groups` holds the paths
        below `root`, and `frame` the column ``file`` with these paths, and the labels.

    (data, target) : tuple if ``return_X_y`` is True
        The paths and the labels.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds fewer than two folders with images, if its folders are parts of the
        data such as ``train`` and ``valid``, if images lie deeper than in the folder
        of their label, or if files of the same name differ.

    See Also
    --------
    load_poster_table : Load a table and a folder of images.

    Examples
    --------
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from sk_posters.datasets import load_poster_folder
    >>> for name in ["cat/1.png", "cat/2.png", "dog/2.png"]:
    ...     Path("pets", name).parent.mkdir(parents=True, exist_ok=True)
    ...     Image.new("RGB", (30, 44), "red" if "1" in name else "blue").save(
    ...         f"pets/{name}"
    ...     )
    >>> posters = load_poster_folder("pets")
    >>> posters.target
       cat  dog
    0    1    0
    1    1    1
    >>> print(posters.reading)
    folder: one folder per label, 2 images from 3 files in 'pets'
    labels: 2 folders: 'cat', 'dog'
    several labels: 1 images are in several folders, such as 'cat/2.png'
    """
    root = Path(root)
    found = _find(root)
    _refuse_other_layouts(root, found)
    images = _join_copies(found.images, root, same_name)
    names = sorted({file.label for file in found.images})
    position = {name: number for number, name in enumerate(names)}
    values = np.zeros((len(images), len(names)), dtype=np.int64)
    for row, (_, labels) in enumerate(images):
        values[row, [position[label] for label in labels]] = 1
    target = pd.DataFrame(values, columns=names)
    data = np.array([file.path for file, _ in images], dtype=object)
    if return_X_y:
        return data, target
    below = [Path(file.path).relative_to(root).as_posix() for file, _ in images]
    groups = np.array(below, dtype=object)
    frame = target.copy()
    # Objects, as names of files need not be UTF-8.
    column = pd.Series(groups, dtype=object) if _is_odd(below) else groups
    frame.insert(0, "file", column, allow_duplicates=True)
    reading = "\n".join(_describe(root, found, images, names, groups))
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        groups=groups,
        frame=frame,
        label_form="columns",
        reading=reading,
        DESCR=DESCR.format(
            root=root,
            n_rows=len(data),
            n_labels=len(names),
            mean=values.sum(axis=1).mean(),
            reading=reading,
        ),
    )


def _is_odd(names):
    """Return whether names cannot be encoded, as those of files that are not UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in "".join(names))


def _find(root):
    if not root.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(root)!r}. Give a folder that holds one folder of "
            "images per label as root."
        )
    found = Found([], [], [], [], [])
    for entry in _list(root, found):
        if entry.is_dir():
            n_before = len(found.images) + len(found.deep)
            _find_label(entry, found)
            if len(found.images) + len(found.deep) == n_before:
                found.empty.append(entry.name)
        elif has_image_suffix(entry.name) and entry.is_file():
            found.loose.append(entry.name)
        else:
            found.skipped.append(entry.path)
    return found


def _list(folder, found):
    """Yield what is in a folder by name; a link in a circle counts as skipped."""
    try:
        with os.scandir(folder) as entries:
            entries = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise (explain_machine(error, folder, is_folder=True) or error) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            entry.is_file()
        except OSError as error:  # Such as a link in a circle.
            fault = explain_machine(error, entry.path)
            if fault is not None:
                raise fault from error
            found.skipped.append(entry.path)
        else:
            yield entry


def _find_label(folder, found):
    for entry in _list(folder.path, found):
        if entry.is_dir():
            for path, _, files in os.walk(entry.path):
                found.deep.extend(
                    os.path.join(path, name) for name in files if has_image_suffix(name)
                )
        elif has_image_suffix(entry.name) and entry.is_file():
            size = entry.stat().st_size
            # A label is shown, so it must be text.
            label = os.fsencode(folder.name).decode(errors="backslashreplace")
            found.images.append(File(label, entry.name, entry.path, size))
        else:
            found.skipped.append(entry.path)


def _refuse_other_layouts(root, found):
    names = sorted({file.label for file in found.images})
    tops = {Path(path).relative_to(root).parts[0] for path in found.deep} | {*names}
    if tops and all(map(SPLIT_NAME.fullmatch, tops)):
        first = str(root / min(tops))
        raise ValueError(
            f"{root}: the folders {sorted(tops)} are named like parts of the data, not "
            f"like labels. Load one of them, such as load_poster_folder({first!r}), "
            "and the others by a further call."
        )
    if found.deep:
        raise ValueError(
            f"{root}: images must lie directly in the folder of their label, but "
            f"{len(found.deep)} lie deeper, such as {found.deep[0]!r}. Move them up, "
            "or give the folder of their label's folder as root."
        )
    if len(names) < 2:
        raise ValueError(
            f"{root}: there must be two or more folders with images, one per label: "
            f"got {names} ({len(found.loose)} images lie in no folder). For a table of "
            "labels, use load_poster_table."
        )


def _join_copies(files, root, same_name):
    """Return (first file, labels) of each image, in the order of their names."""
    digests = _hash_copies(files)
    by_name = defaultdict(list)
    for file in files:
        differs = same_name == "different" and digests[file.path]
        by_name[file.name, differs].append(file)
    by_content = defaultdict(list)
    for alike in by_name.values():
        if same_name is None and len({digests[file.path] for file in alike}) > 1:
            _raise_same_name(alike, root)
        by_content[digests[alike[0].path]].append(alike)
    images = [image for group in by_content.values() for image in _join_group(group)]
    return sorted(images, key=lambda image: (image[0].name, image[0].label))


def _join_group(images):
    """Return the images of one content: as many as one folder holds at most."""
    labels = {file.label for files in images for file in files}
    most, _ = Counter(file.label for files in images for file in files).most_common(1)[
        0
    ]
    # Copies in one folder are rows of their own, which check_posters reports.
    return [
        (files[0], labels)
        for files in images
        if any(file.label == most for file in files)
    ]


def _hash_copies(files):
    """Return a hash of each content; a file of a size of its own is no copy."""
    sizes = Counter(file.size for file in files)
    digests = {}
    for file in files:
        digests[file.path] = file.path
        if sizes[file.size] > 1:
            with open(file.path, "rb", opener=open_regular) as content:
                digests[file.path] = hashlib.file_digest(content, "sha256").digest()
    return digests


def _raise_same_name(files, root):
    shown = [f"{file.label}/{file.name}" for file in files]
    raise ValueError(
        f"{root}: {' and '.join(shown[:3])} have the same name and different contents. "
        "Give same_name='different' if they are different images, or same_name='one' "
        "if they are one image with several labels."
    )


def _describe(root, found, images, names, groups):
    yield (
        f"folder: one folder per label, {len(images)} images from "
        f"{len(found.images)} files in {str(root)!r}"
    )
    yield f"labels: {len(names)} folders: {shorten(names)}"
    several = [k for k, (_, labels) in enumerate(images) if len(labels) > 1]
    if several:
        yield (
            f"several labels: {len(several)} images are in several folders, such as "
            f"{groups[several[0]]!r}"
        )
    if found.loose:
        yield (
            f"skipped: {len(found.loose)} images without a label, directly in the "
            f"folder: {shorten(found.loose)}"
        )
    if found.skipped:
        skipped = [os.path.relpath(path, root) for path in found.skipped]
        yield f"skipped: {len(skipped)} files that are no images: {shorten(skipped)}"
    if found.empty:
        shown = shorten(found.empty)
        yield f"skipped: {len(found.empty)} folders without images: {shown}"

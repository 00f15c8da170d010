"""The image file that each id names."""

import os
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from sk_posters._base._validation import show
from sk_posters._images._machine import explain_machine
from sk_posters._images._suffixes import image_suffixes, split_suffix

__all__ = ["IMAGES_FOLDER", "ImageFinder", "check_ids"]

IMAGES_FOLDER = "Images"
MAX_FOLDERS = 1000
N_SAMPLE = 50
N_SHOWN = 5
MAX_NAME = 255  # Letters of a file's name, on the usual file systems.
LEADS_OUT = r"(?:^|[/\\])\.\.(?:[/\\]|$)|\x00|^\.$|[/\\]$|^[A-Za-z]:"
ADDRESS = r"^[A-Za-z]{2,}://"
EXACT, FLOAT, ZEROS = "as it is", "without '.0'", "with leading zeros"


class Folder:
    """The files in one folder by what an id may call them."""

    def __init__(self, path):
        self.path = str(path)
        self.names = {}
        self.stems = {}
        self.numbers = {}
        self.n_double = 0
        rank = {suffix: number for number, suffix in enumerate(image_suffixes())}
        for name in _list_files(self.path):
            for text in _read_name(name):
                stem, suffix = split_suffix(unicodedata.normalize("NFC", text))
                self.names.setdefault(stem + suffix, name)
                if suffix:
                    self.stems.setdefault(stem, []).append((rank[suffix], name))
        for stem, files in self.stems.items():
            self.n_double += len({name for _, name in files}) > 1
            self.stems[stem] = min(files)[1]
            if stem.isdecimal():
                self.numbers.setdefault(int(stem), []).append(stem)

    def find(self, name):
        """Return the file that a name calls, and how it was understood."""
        file = self.names.get(name) or self.stems.get(name)
        if file:
            return file, EXACT
        stem, suffix = split_suffix(unicodedata.normalize("NFC", name))
        file = self.names.get(stem + suffix) or (not suffix and self.stems.get(stem))
        if file:
            return file, EXACT
        number = re.fullmatch(r"(\d+)(\.0+)?", stem)
        if not number or len(number[1]) > MAX_NAME:
            return None, None
        if number[2] and (file := self._take(number[1], suffix)):
            return file, FLOAT
        stems = self.numbers.get(int(number[1]), ())
        if len(stems) == 1 and (file := self._take(stems[0], suffix)):
            return file, ZEROS
        return None, None

    def _take(self, stem, suffix):
        return self.names.get(stem + suffix) if suffix else self.stems.get(stem)


def _read_name(name):
    """Return a file's name, and what its bytes are in encodings that tables have."""
    content = os.fsencode(name)
    try:
        content.decode()
    except UnicodeDecodeError:
        others = {content.decode(each, "replace") for each in ("cp1252", "latin-1")}
        return [name, *sorted(others)]
    return [name]


def _list_files(path):
    """Return the names of the files in a folder, links to files among them."""
    names = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    if entry.is_file():
                        names.append(entry.name)
                except OSError as error:  # Such as a link in a circle.
                    _raise_machine(error, entry.path)
    except OSError as error:
        _raise_machine(error, path)
    return sorted(names)


def _raise_machine(error, folder):
    """Raise an error of the machine: files would seem to be missing."""
    fault = explain_machine(error, folder)
    if fault is not None:
        raise fault from error


def check_ids(ids, source):
    """Refuse ids that lead out of their folder, or that are no files at all."""
    if (row := _find_first(ids, LEADS_OUT)) is not None:
        raise ValueError(
            f"{source}: an id must be a file name, or a path that does not lead out of "
            f"its folder by '..', but row {row} (counted from 0) has {show(ids[row])} "
            f"in column {ids.name!r}. Correct the id, and give the folder as images."
        )
    if (row := _find_first(ids, ADDRESS)) is not None:
        raise ValueError(
            f"{source}: row {row} (counted from 0) has the address "
            f"{show(ids[row])} in column {ids.name!r}. Download the images, and give "
            "the column with the names of their files as id_column."
        )


def _find_first(ids, pattern):
    found = ids.str.contains(pattern, regex=True).to_numpy(dtype=bool)
    return int(found.argmax()) if found.any() else None


class ImageFinder:
    """Finds the files of ids, in a folder that is given or next to the table."""

    def __init__(self, images, folder, source):
        self.images = None if images is None else Path(images)
        self.folder = folder
        self.source = source
        self.folders = {}
        if self.images is not None and not self.images.is_dir():
            raise FileNotFoundError(
                f"There is no folder of images {str(self.images)!r}. Give it as images."
            )

    def count(self, names):
        """Return how many names have a file in the best folder, and as they are."""
        names = [_clean(name) for name in names]
        best = self._rank_roots(names)
        return best[0][0] if best else (0, 0)

    def locate(self, names):
        """Return the paths of names in the folder that has most of them."""
        names = [_clean(name) for name in names]
        best = self._rank_roots(names)
        return [self._find_one(best[0][1], name)[0] for name in names] if best else []

    def find(self, ids, column):
        """Return the path of each id's image, or None, lines, and the folder."""
        codes, unique = pd.factorize(ids)
        names = [_clean(name) for name in unique]
        root = self._choose_root(names[:: max(1, len(names) // N_SAMPLE)])
        found, hows = [], []
        for name in names:
            path, how = self._find_one(root, name)
            found.append(path)
            hows.append(how)
        if self.images is not None or root.name.lower() == IMAGES_FOLDER.lower():
            self._search_subfolders(root, names, found, hows)
        paths = np.array([*found, None], dtype=object)[codes]
        return paths, self._describe(column, root, names, found, hows), root

    def _find_one(self, root, name):
        folder, _, base = name.rpartition("/")
        if name.startswith("/"):
            place = folder or "/"
        else:
            place = os.path.normpath(os.path.join(root, folder))
        listing = self._list(place)
        file, how = listing.find(base)
        if file is None:
            return None, None
        return (file if place == "." else os.path.join(place, file)), how

    def _list(self, place):
        if place not in self.folders:
            self.folders[place] = Folder(place)
        return self.folders[place]

    def _rank_roots(self, names):
        """Return ((files found, as they are), folder), the best first."""
        ranked = []
        for root in self._list_roots(names):
            hows = [self._find_one(root, name)[1] for name in names]
            score = (sum(how is not None for how in hows), hows.count(EXACT))
            if score[0]:
                ranked.append((score, root))
            is_usual = self.images is not None or root.name == IMAGES_FOLDER
            if is_usual and score == (len(names), len(names)):
                break
        return sorted(ranked, key=lambda item: item[0], reverse=True)

    def _list_roots(self, names):
        """Return the folders in which ids may name files."""
        starts = {name.partition("/")[0] for name in names if "/" in name}
        if self.images is not None:
            roots = [self.images]
        else:
            inner = _list_folders(self.folder)
            named = [path for path in inner if path.name.lower() == "images"]
            roots = [*named, self.folder, *(p for p in inner if p not in named)]
        top = Path(roots[0] if self.images is not None else self.folder)
        # A path may begin with the folder that the table lies in.
        if top.resolve().name in starts:
            roots.append(top.resolve().parent)
        return roots

    def _choose_root(self, names):
        ranked = self._rank_roots(names)
        if not ranked:
            return self._fall_back()
        if self.images is None and len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            best = [root for score, root in ranked if score == ranked[0][0]]
            usual = [root for root in best if root.name == IMAGES_FOLDER]
            if not usual and len({self._find_one(r, names[0])[0] for r in best}) > 1:
                options = " or ".join(f"images={str(root)!r}" for root in best)
                raise ValueError(
                    f"{self.source}: several folders hold files with the names of the "
                    f"ids. Give one of them: {options}."
                )
            return (usual or best)[0]
        return ranked[0][1]

    def _fall_back(self):
        """Return the folder whose lack of images is then reported."""
        if self.images is not None:
            return self.images
        folder = self.folder / IMAGES_FOLDER
        if folder.is_dir():
            return folder
        raise FileNotFoundError(
            f"There is no folder of images {str(folder)!r}, and no image of the ids "
            f"next to {self.source}. Give the folder as images."
        )

    def _search_subfolders(self, root, names, found, hows):
        """Find what is missing below the folder, where only one file has the name."""
        wanted = [k for k, path in enumerate(found) if path is None]
        wanted = [k for k in wanted if "/" not in names[k]]
        if not wanted:
            return
        below = [Folder(path) for path, *_ in os.walk(root) if Path(path) != Path(root)]
        for k in wanted:
            places = [
                (os.path.join(folder.path, file), how)
                for folder in below
                for file, how in [folder.find(names[k])]
                if file
            ]
            if len(places) > 1:
                raise ValueError(
                    f"{self.source}: the id {show(names[k])} names several files below "
                    f"{str(root)!r}: {[path for path, _ in places[:N_SHOWN]]}. Write "
                    "the folder in front of the id, or give one folder as images."
                )
            if places:
                [(found[k], hows[k])] = places

    def _describe(self, column, root, names, found, hows):
        counts = Counter(hows)
        lines = [
            f"images: {len(names) - counts[None]} files in {str(root)!r}, named by the "
            f"column {column!r}"
        ]
        for how in (FLOAT, ZEROS):
            if counts[how]:
                k = hows.index(how)
                lines.append(
                    f"ids: {counts[how]} were found {how}, such as {names[k]!r} -> "
                    f"{os.path.basename(found[k])!r}"
                )
        outside = [n for n, p in zip(names, found, strict=True) if p and n[0] == "/"]
        inside = str(Path(root).resolve()) + os.sep
        outside = [name for name in outside if not name.startswith(inside)]
        if outside:
            lines.append(
                f"images: {len(outside)} ids are paths that lead out of this folder, "
                f"such as {outside[0]!r}"
            )
        n_double = self._list(os.path.normpath(root)).n_double
        if n_double and not all(split_suffix(name)[1] for name in names):
            lines.append(
                f"images: {n_double} names have files with several suffixes; the first "
                f"of {', '.join(image_suffixes()[:3])} is taken"
            )
        return lines


def _list_folders(folder):
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir() and e.name[0] != "."]
    except OSError as error:
        _raise_machine(error, folder)
        return []
    return [Path(folder, name) for name in sorted(names)[:MAX_FOLDERS]]


def _clean(name):
    """Return an id as a path with slashes."""
    if "\\" in name:
        name = name.replace("\\", "/")
    return name.removeprefix("./") if name[:1] == "." else name

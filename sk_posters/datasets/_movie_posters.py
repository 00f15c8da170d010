"""Posters and genres of 7254 movies, fetched from GitHub at a pinned commit."""

import gzip
import hashlib
import http.client
import shutil
import tarfile
import zlib
from contextlib import suppress
from numbers import Integral, Real
from os import PathLike
from pathlib import PurePosixPath

from sk_posters._base._atomic import name_target_in_errors
from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._regular import read_regular
from sk_posters.datasets._download import download
from sk_posters.datasets._home import (
    find_changed_files,
    get_data_home,
    lock_folder,
    replace_folder_when_done,
    write_checksums,
)
from sk_posters.datasets._table import IMAGES_FOLDER, TABLE_NAME, load_poster_table

__all__ = ["fetch_movie_posters"]

REPOSITORY = "laxmimerit/Movies-Poster_Dataset"
COMMIT = "0f2cea5ba255a8197cd749135080c93c3c931d48"
# One archive, because GitHub allows few requests for single files without a login.
# GitHub generates it for each request, and its bytes may differ: contents are checked.
ARCHIVE_URL = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
TABLE_SHA256 = "89146474a80e90abf2cdb58da7eafd6cefcc83d46954beaf04621c11a87a3f30"
# Of the lines that `sha256sum *.jpg` prints in Images, sorted in the C locale: one
# number for all 7867 images.
LISTING_SHA256 = "2fcf7adbde554bdb8ca90270cf2f5928d2385e722ad7b493762a9bfedd40e81d"
SAMPLES = ("endgame.jpg", "fast.jpg", "saaho.jpg")

FOLDER_NAME = "movie_posters"
# Of the samples no hash is known: what they were when they came is written down here.
CHECKSUMS = "samples.sha256"
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
N_SHOWN = 5

DESCR = f"""\
Posters and genres of movies

Source: https://github.com/{REPOSITORY}, commit {COMMIT}.

Rows (data, target, groups):     7254
Different ids (groups):          7242
Labels (target_names):             25
Labels per row:        1 to 3, 2.33 on average

The posters are JPEG files of about 300 x 444 pixels. They are copyrighted by the
owners of the movies: they are for research, and must not be passed on.

Mind these when you judge a model:

- 12 ids occur in two rows. Pass `groups` to the split, or a poster may be on both
  sides of it.
- Two different ids have the same image, with different labels.
- The genres are unequally frequent: Drama has 3619 posters, N/A 10, Reality-TV 2.
  "N/A" is a genre here, not a missing value.
- Predicting "no genre" for every poster is right for more than 90 % of all (poster,
  genre) pairs. Compare every score with that of the genre frequencies.
"""


class _CorruptDataError(OSError):
    """The files are not the data set."""


@validate_params(
    {
        "data_home": [str, PathLike, None],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "n_retries": [Interval(Integral, 0, None, closed="left")],
        "delay": [Interval(Real, 0.0, None, closed="left")],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_movie_posters(
    *,
    data_home=None,
    download_if_missing=True,
    return_X_y=False,
    n_retries=3,
    delay=1.0,
    verbose=0,
):
    """Load the posters and genres of 7254 movies, downloading them if necessary.

    The data set has 25 genres, one to three of them for each poster, and about 259 MB.
    It comes as one archive from GitHub. A download that breaks off is continued if the
    server can do so, else it starts again. The contents are compared with known hashes
    before they take their place in ``data_home``, so they are there whole or not at
    all. Of the three sample posters no hash is known: they only have to be JPEG files.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder of all data sets. By default the environment variable
        ``SK_POSTERS_DATA`` names it, else it is ``~/sk_posters_data``.
    download_if_missing : bool, default=True
        If False, raise an OSError if the posters are not there.
    return_X_y : bool, default=False
        Whether to return only the paths and the labels.
    n_retries : int, default=3
        Number of further attempts when the connection fails.
    delay : float, default=1.0
        Seconds between attempts.
    verbose : int, default=0
        Whether to show the progress of the download.

    Returns
    -------
    posters : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of str, shape (7254,)
            Paths of the images.
        target : DataFrame of shape (7254, 25)
            Integers 0 and 1, one column per genre.
        target_names : list of str
            The names of the genres.
        groups : ndarray of str, shape (7254,)
            The ids, to keep the rows of one poster together in a split.
        frame : DataFrame
            The whole table.
        sample_paths : list of str
            Paths of three posters without labels, to try a model on.
        DESCR : str
            Description of the data set and of its traps.

    (data, target) : tuple if ``return_X_y`` is True
        The paths and the labels.

    Raises
    ------
    OSError
        If the posters are missing and cannot or must not be downloaded, or if the files
        are not the data set.

    See Also
    --------
    load_poster_table : Load your own posters.
    make_posters : Draw posters with known genres.

    Examples
    --------
    >>> from sk_posters.datasets import fetch_movie_posters
    >>> posters = fetch_movie_posters()  # doctest: +SKIP
    >>> posters.target.shape  # doctest: +SKIP
    (7254, 25)
    """
    folder = get_data_home(data_home) / FOLDER_NAME
    if not folder.is_dir():
        if not download_if_missing:
            raise OSError(
                f"The movie posters are not in {str(folder)!r}, and "
                "download_if_missing=False. " + _by_hand(folder)
            )
        with lock_folder(folder):
            if not folder.is_dir():
                _fetch(folder, n_retries, delay, verbose)
    else:
        # What a process has left that was killed at the very end.
        with suppress(OSError):  # None, or on a disk that cannot be written to.
            _archive_of(folder).unlink()
        try:
            _verify(folder)
        except _CorruptDataError as error:
            raise OSError(
                f"{str(folder)!r} is not the data set: {error}. Delete the folder and "
                "call again to download it, or correct its files. To load them as they "
                f"are, use load_poster_table({str(folder / TABLE_NAME)!r})."
            ) from error

    posters = load_poster_table(folder / TABLE_NAME)
    if return_X_y:
        return posters.data, posters.target
    posters.sample_paths = [str(folder / name) for name in SAMPLES]
    posters.DESCR = DESCR
    return posters


def _by_hand(folder):
    return (
        f"Put {TABLE_NAME}, {IMAGES_FOLDER}/ and {', '.join(SAMPLES)} of "
        f"https://github.com/{REPOSITORY} into {str(folder)!r} by hand, or load other "
        "posters with load_poster_table."
    )


def _archive_of(folder):
    return folder.with_name(f"{folder.name}.tar.gz")


def _fetch(folder, n_retries, delay, verbose):
    archive = _archive_of(folder)
    for may_start_again in (True, False):
        try:
            with name_target_in_errors(archive, archive):
                resumed = download(
                    ARCHIVE_URL,
                    archive,
                    n_retries=n_retries,
                    delay=delay,
                    verbose=verbose,
                )
        except (OSError, http.client.HTTPException) as error:
            raise OSError(
                f"Could not download {ARCHIVE_URL} into {str(folder.parent)!r}: "
                f"{error}. Call again when there is a connection. {_by_hand(folder)}"
            ) from error
        try:
            with replace_folder_when_done(folder) as work:
                _extract(archive, work)
                _verify(work)
                write_checksums(work, CHECKSUMS, SAMPLES)
        except _CorruptDataError as error:
            archive.unlink(missing_ok=True)
            # The two parts of a continued download may be of two different archives.
            if resumed and may_start_again:
                continue
            raise OSError(
                f"What {ARCHIVE_URL} sent is not the data set: {error}. Nothing of it "
                f"was kept: call again to download it again. {_by_hand(folder)}"
            ) from error
        archive.unlink(missing_ok=True)
        return


def _extract(archive, folder):
    """Take the files of the data set, and nothing else, out of the archive."""
    (folder / IMAGES_FOLDER).mkdir()
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                place = _place_of(member)
                if place is not None:
                    with (
                        members.extractfile(member) as source,
                        open(folder / place, "wb") as target,
                    ):
                        shutil.copyfileobj(source, target)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _CorruptDataError(f"the archive cannot be read: {error}") from error


def _place_of(member):
    """Return where a member belongs, or None for what is no part of the data set."""
    # The first part is the name of the repository with the commit.
    parts = PurePosixPath(member.name).parts[1:]
    if not member.isfile():
        return None
    if len(parts) == 1 and parts[0] in (TABLE_NAME, *SAMPLES):
        return parts[0]
    if len(parts) == 2 and parts[0] == IMAGES_FOLDER and parts[1].endswith(".jpg"):
        return f"{IMAGES_FOLDER}/{parts[1]}"
    return None


def _verify(folder):
    """Compare all files with what is known of them."""
    missing = [name for name in (TABLE_NAME, *SAMPLES) if not (folder / name).is_file()]
    if missing:
        raise _CorruptDataError(f"there is no {', no '.join(missing)}")
    table = hashlib.sha256(read_regular(folder / TABLE_NAME)).hexdigest()
    if table != TABLE_SHA256:
        raise _CorruptDataError(
            f"{TABLE_NAME} has the sha256 {table}, not {TABLE_SHA256}"
        )
    listing = hashlib.sha256()
    broken = []
    files = sorted((folder / IMAGES_FOLDER).glob("*.jpg"))
    for file in files:
        content = read_regular(file)
        line = f"{hashlib.sha256(content).hexdigest()}  {file.name}\n"
        listing.update(line.encode())
        if not (content.startswith(JPEG_START) and content.endswith(JPEG_END)):
            broken.append(file.name)
    if listing.hexdigest() != LISTING_SHA256:
        # One hash for all images cannot tell which of them differ: show likely ones.
        hint = f", not whole JPEG files: {broken[:N_SHOWN]}" if broken else ""
        raise _CorruptDataError(
            f"the listing of the {len(files)} files {IMAGES_FOLDER}/*.jpg has the "
            f"sha256 {listing.hexdigest()}, not {LISTING_SHA256}{hint}"
        )
    for name in SAMPLES:
        if not read_regular(folder / name).startswith(JPEG_START):
            raise _CorruptDataError(f"{name} is not a JPEG file")
    changed = find_changed_files(folder, CHECKSUMS)
    if changed:
        raise _CorruptDataError(f"{changed[0]} has changed since it was downloaded")

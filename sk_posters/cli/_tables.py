"""A table, or a folder of images without one, through `check_posters`."""

import warnings

import numpy as np

from sk_posters._base._atomic import replace_when_done
from sk_posters.cli._paths import paths_of
from sk_posters.cli._rows import no_formula
from sk_posters.datasets import load_poster_table
from sk_posters.datasets._checks import PosterCheck, check_posters

__all__ = ["checked", "findings_to_csv", "first_files", "load"]

MOST_FILES = 3
TABLE, GENRES = "train.csv", "Genre"
OF_LABELS = ("constant label", "rare label")


def load(table, images, id_column):
    """Load a table, or the one in a folder.

    Parameters
    ----------
    table : Path
        The table, or a folder that holds ``train.csv``.
    images : Path or None
        Folder of its images.
    id_column : str
        Column that names them.

    Returns
    -------
    Bunch
        What `load_poster_table` returns.
    """
    if (table / TABLE).is_file():
        table = table / TABLE
    return load_poster_table(table, images, id_column=id_column)


def checked(table, *, images, id_column, max_distance, verbose):
    """Check a table of posters, or the images in a folder.

    Parameters
    ----------
    table : Path
        A table, a folder that holds ``train.csv``, or any folder of images.
    images : Path or None
        Folder of the images of a table.
    id_column : str
        Column that names them.
    max_distance : int or None
        How far near duplicates may be apart.
    verbose : int
        Whether to show progress.

    Returns
    -------
    PosterCheck
        The findings.
    """
    options = {"max_distance": max_distance, "verbose": verbose}
    if table.is_dir() and not (table / TABLE).is_file():
        return _checked_folder(table, options)
    with warnings.catch_warnings():
        # Contradictions between the column and the genres become findings below.
        warnings.filterwarnings("ignore", message=".*the column 'Genre' does not say")
        posters = load(table, images, id_column)
    genres = None
    if GENRES in posters.frame and id_column != GENRES:
        genres = posters.frame[GENRES]
    return check_posters(
        posters.data, posters.target, posters.groups, genre_text=genres, **options
    )


def _checked_folder(folder, options):
    found = list(paths_of([str(folder)], []))
    paths = sorted(path for path, problem in found if problem is None)
    if not paths:
        raise FileNotFoundError(
            f"There is no image in {str(folder)!r}, and no {TABLE}: give a table, or a "
            "folder of images."
        )
    # One label that nobody has: what is said of it is left out.
    check = check_posters(paths, np.zeros((len(paths), 1), dtype=int), **options)
    findings = check.findings[~check.findings["kind"].isin(OF_LABELS)]
    about = [f"{len(paths)} images in {str(folder)!r}, without a table"]
    return PosterCheck(findings.reset_index(drop=True), check.groups, about)


def findings_to_csv(check, path):
    """Write all findings, a row each.

    Parameters
    ----------
    check : PosterCheck
        The findings.
    path : Path
        The file.
    """
    findings = check.findings.copy()
    for column in ("rows", "paths", "labels"):
        findings[column] = [" | ".join(map(str, cell)) for cell in findings[column]]
    for column in findings:
        findings[column] = findings[column].map(no_formula)
    with replace_when_done(path) as part:
        findings.to_csv(part, index=False)


def first_files(check):
    """Say which files the findings about images are about.

    Parameters
    ----------
    check : PosterCheck
        The findings.

    Yields
    ------
    str
        Lines: a kind of findings, and below it the first files.
    """
    findings = check.findings[check.findings["labels"].str.len() == 0]
    for kind, few in findings.groupby("kind", sort=False):
        files = [" = ".join(paths) for paths in few["paths"]]
        yield f"files with {kind}:"
        yield from (f"  {line}" for line in files[:MOST_FILES])
        if len(files) > MOST_FILES:
            yield f"  and {len(files) - MOST_FILES} more"

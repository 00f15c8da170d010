"""The command ``sk-posters check``."""

import warnings
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from sk_posters._images._folders import Skipped
from sk_posters.cli._errors import FOUND
from sk_posters.cli._options import TABLE_NAME
from sk_posters.cli._paths import iterate_paths
from sk_posters.cli._tables import (
    add_table_options,
    find_table,
    load_folder,
    load_table,
    print_reading,
)
from sk_posters.cli._terminal import escape_control, get_verbosity, quote

__all__ = ["check"]

MOST_FILES = 3
GENRES = "Genre"
MEND_PATH = "Replace the file, or remove it from the folder."
ABOUT_LABELS = (
    "constant label",
    "contradicting text",
    "forgotten label",
    "rare label",
    "unknown label",
    "wrong label",
)


@add_table_options
def check(
    table: Annotated[
        Path,
        Argument(
            metavar="TABLE_OR_FOLDER",
            show_default=False,
            help=f"A table, a folder with {TABLE_NAME}, or any folder of images.",
        ),
    ],
    max_distance: Annotated[
        int,
        Option(
            min=-1,
            max=12,
            metavar="BITS",
            help="Bits of the image hash in which near duplicates may differ. -1: find "
            "exact duplicates only.",
        ),
    ] = 8,
    output: Annotated[
        Path | None,
        Option(metavar="FILE", help="CSV file to write all findings to."),
    ] = None,
    options=None,
):
    """Find problems in posters and their table, and suggest fixes.

    Finds damaged files, duplicates, contradictions and rare labels. The exit code is 1
    if any finding is an error. Nothing is changed.

    \b
    Examples:
      sk-posters check train.csv
      sk-posters check new_posters/
    """
    from sk_posters.cli._outputs import check_output, check_stdout

    if output is None:
        check_stdout("name a file with --output")
    else:
        check_output(output, table, find_table(table))
    result = _check_table_or_folder(
        table,
        options,
        max_distance=None if max_distance < 0 else max_distance,
        verbose=get_verbosity(),
    )
    typer.echo(escape_control(str(result)))
    for line in _list_first_files(result.findings):
        typer.echo(escape_control(line))
    if output is not None:
        _write_findings(result.findings, output)
        typer.echo(f"wrote {quote(output)}")
    if (result.findings["severity"] == "error").any():
        raise typer.Exit(FOUND)


def _check_table_or_folder(table, reading_options, **options):
    from sk_posters.datasets._checks import check_posters

    if table.is_dir() and find_table(table) is None:
        try:
            posters = load_folder(table, reading_options)
        except ValueError as error:
            if any(path.is_dir() for path in table.iterdir()):
                reason = escape_control(str(error))
                typer.echo(f"read as images without labels: {reason}\n")
            return _check_folder(table, **options)
    else:
        with warnings.catch_warnings():
            # Contradictions between columns and genres become findings below.
            warnings.filterwarnings("ignore", ".*the column 'Genre' does not say")
            posters = load_table(table, reading_options)
    print_reading(posters)
    genres = None
    others = set(posters.frame) - {*posters.target_names, reading_options["id_column"]}
    is_chosen = bool(reading_options["label_columns"])
    if posters.label_form == "columns" and GENRES in others and not is_chosen:
        genres = posters.frame[GENRES]
    return check_posters(
        posters.data, posters.target, posters.groups, genre_text=genres, **options
    )


def _check_folder(folder, **options):
    import numpy as np
    import pandas as pd

    from sk_posters.datasets._checks import PosterCheck, check_posters

    skipped = Skipped()
    found = dict(iterate_paths([str(folder)], [], skipped))
    paths = sorted(path for path, problem in found.items() if problem is None)
    problems = sorted(item for item in found.items() if item[1] is not None)
    if not paths:
        reasons = [f"{path!r}: {problem}" for path, problem in problems]
        raise FileNotFoundError(
            f"{str(folder)!r} has neither images nor {TABLE_NAME}: give a table or a "
            f"folder of images. {'; '.join(reasons + skipped.lines())}."
        )
    # One label that no image has: findings about it are left out.
    result = check_posters(paths, np.zeros((len(paths), 1), dtype=int), **options)
    findings = result.findings[~result.findings["kind"].isin(ABOUT_LABELS)]
    unreadable = pd.DataFrame(
        [
            ("unreadable file", "error", (row,), (path,), (), problem, MEND_PATH)
            for row, (path, problem) in enumerate(problems, start=len(paths))
        ],
        columns=findings.columns,
    )
    findings = pd.concat([unreadable, findings], ignore_index=True)
    about = [f"{len(found)} images in {str(folder)!r}, without a table"]
    return PosterCheck(findings, result.groups, about + skipped.lines())


def _write_findings(findings, path):
    import pandas as pd

    from sk_posters._base._atomic import replace_when_done
    from sk_posters.cli._writers import escape_formula

    # Objects, as names of files need not be UTF-8.
    findings = findings.astype(object)
    for column in findings:
        cells = findings[column]
        if column in ("rows", "paths", "labels"):
            cells = [" | ".join(map(str, cell)) for cell in cells]
        texts = [escape_formula(cell) for cell in cells]
        findings[column] = pd.Series(texts, findings.index, dtype=object)
    with replace_when_done(path) as part:
        findings.to_csv(part, index=False, errors="surrogateescape")


def _list_first_files(findings):
    """Yield lines: each kind of finding about images, and its first files."""
    findings = findings[~findings["kind"].isin(ABOUT_LABELS)]
    for kind, of_kind in findings.groupby("kind", sort=False):
        yield f"{kind}:"
        for paths, detail in of_kind[["paths", "detail"]].to_numpy()[:MOST_FILES]:
            reason = f": {detail}" if kind == "unreadable file" else ""
            yield f"  {' = '.join(paths)}{reason}"
        if len(of_kind) > MOST_FILES:
            yield f"  and {len(of_kind) - MOST_FILES} more"

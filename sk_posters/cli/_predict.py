"""The command ``sk-posters predict``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from sk_posters._images._folders import Skipped
from sk_posters.cli._errors import FOUND
from sk_posters.cli._options import Model, Trust
from sk_posters.cli._paths import iterate_paths
from sk_posters.cli._terminal import escape_control, is_terminal

__all__ = ["predict"]

NO_NOVELTY = (
    "note: no novelty, because the model was saved by sk_posters 0.1 or made without "
    "the step FeatureNovelty; train it again"
)


class OutputFormat(StrEnum):
    """Formats of predictions."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


class OnError(StrEnum):
    """What to do on an unreadable file."""

    row = "row"
    stop = "raise"


def predict(
    model: Model,
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATHS",
            show_default=False,
            help="Files, folders with their subfolders, patterns in quotes such as "
            "'posters/**/*.jpg', or - to read paths from standard input.",
        ),
    ],
    format: Annotated[
        OutputFormat | None,
        Option(
            "--format",
            "-f",
            show_default=False,
            help="Output format. Default: the suffix of --output, else table.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file, all rows or none, instead of standard output.",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        Option(
            "--top-k",
            "-k",
            min=1,
            metavar="K",
            help="Return this many top labels instead of applying thresholds.",
        ),
    ] = None,
    probabilities: Annotated[
        bool, Option("--probabilities", "-p", help="Write probabilities too.")
    ] = False,
    on_error: Annotated[
        OnError,
        Option(help="On an unreadable file: write a row with the error, or stop."),
    ] = OnError.row,
    batch_size: Annotated[
        int, Option(min=1, metavar="N", help="Posters per batch.")
    ] = 256,
    trust: Trust = None,
):
    """Predict the labels of posters.

    Rows are written batch by batch, in the order of the paths: there may be more paths
    than memory can hold. The exit code is 1 if a poster could not be read; the labels
    of all others are predicted.

    \b
    Examples:
      sk-posters predict genres.model endgame.jpg --top-k 3
      sk-posters predict genres.model posters/ --output genres.csv
      find . -name '*.jpg' | sk-posters predict genres.model - --format jsonl

    The novelty of a poster, where the model tells it, runs from 0 to 1: 0.97 is unlike
    97 % of the training posters. The table says so above 0.95; CSV and JSON Lines have
    a column. Such predictions may mean little, whatever their probabilities.

    CSV: labels are joined by |, and cells that a spreadsheet would run as formulas are
    escaped: ./ before a path, an apostrophe before a label. JSON Lines: exact names.
    """
    from tqdm import tqdm

    from sk_posters.cli._models import has_encoder, open_model
    from sk_posters.cli._outputs import check_output, check_stdout
    from sk_posters.cli._streaming import Predictor
    from sk_posters.cli._writers import choose_format, open_writer

    if output is None:
        check_stdout("name a file with --output")
    else:
        check_output(output, model, *paths, replaces=False)
    classifier, names = open_model(model, trust)
    predictor = Predictor(
        classifier,
        names,
        top_k=top_k,
        probabilities=probabilities,
        stop_at_error=on_error is OnError.stop,
        batch_size=batch_size,
    )
    if not predictor.has_novelty and has_encoder(classifier):
        typer.echo(NO_NOVELTY, err=True)
    skipped = Skipped()
    predictions = predictor.predict(iterate_paths(paths, _read_lines(), skipped))
    # Rows on a terminal are progress enough.
    hidden = output is None and is_terminal(sys.stdout)
    kind = choose_format(format and format.value, output)
    with_scores = probabilities or (top_k is not None and kind == "table")
    n_all = n_failed = 0
    with (
        open_writer(output, kind, names, with_scores, predictor.has_novelty) as writer,
        tqdm(unit=" posters", disable=True if hidden else None) as progress,
    ):
        for prediction in predictions:
            writer.write(prediction)
            progress.update()
            n_all += 1
            n_failed += prediction.error is not None
    for line in skipped.lines():
        typer.echo(escape_control(line), err=True)
    if n_failed:
        typer.echo(f"{n_failed} of {n_all} posters could not be read", err=True)
        raise typer.Exit(FOUND)


def _read_lines():
    """Yield the lines of standard input, which is left alone until it is needed."""
    if sys.stdin is None:
        raise OSError(
            "- reads paths from standard input, which is closed: give files or folders."
        )
    yield from sys.stdin.buffer

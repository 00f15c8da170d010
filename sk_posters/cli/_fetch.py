"""The command ``sk-posters fetch``."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._terminal import get_verbosity, print_next_steps, quote

__all__ = ["fetch"]


def fetch(
    data_home: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Folder for all data sets. Default: SK_POSTERS_DATA, or "
            "~/sk_posters_data.",
        ),
    ] = None,
    n_retries: Annotated[
        int, Option(min=0, metavar="N", help="Retries after a failed download.")
    ] = 3,
):
    """Download the movie poster data set: 7254 posters with 25 genres.

    \b
    Example:
      sk-posters fetch --data-home data
    """
    from sk_posters.datasets import fetch_movie_posters

    posters = fetch_movie_posters(
        data_home=data_home, n_retries=n_retries, verbose=get_verbosity()
    )
    folder = Path(posters.data[0]).parents[1]
    typer.echo(
        f"{len(posters.data)} posters, {len(posters.target_names)} genres: "
        f"{quote(folder)}"
    )
    print_next_steps(["check", folder / "train.csv"])

"""The command ``sk-posters app``."""

import os
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._options import Cache, Model, Trust, use_cache
from sk_posters.cli._tables import add_table_options, load_table
from sk_posters.cli._terminal import flush_streams

__all__ = ["app"]


@add_table_options
def app(
    model: Model,
    posters: Annotated[
        Path | None,
        Option(
            metavar="TABLE",
            help="Table of the training set: also show its most similar posters, with "
            "their true labels.",
        ),
    ] = None,
    cache: Cache = None,
    host: Annotated[
        str,
        Option(
            metavar="ADDRESS",
            help="Address to listen on. 127.0.0.1: reachable from this computer only.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        Option(
            min=0, max=65535, metavar="N", help="Port to listen on. 0: any free port."
        ),
    ] = 7860,
    trust: Trust = None,
    options=None,
):
    """Serve a web page that predicts the labels of a poster.

    \b
    Examples:
      sk-posters app genres.model
      sk-posters app genres.model --posters train.csv --cache cache
    """
    from sk_posters.app import run_app
    from sk_posters.app._worker import is_any_busy
    from sk_posters.cli._models import prepare_loading

    use_cache(cache)
    prepare_loading(model)
    paths = target = None
    if posters is not None:
        table = load_table(posters, options)
        paths, target = table.data, table.target
        hint = "" if cache else "; --cache FOLDER keeps them"
        typer.echo(f"computing features of {len(paths)} posters{hint}", err=True)
    run_app(
        model,
        posters=paths,
        target=target,
        host=host,
        port=port,
        trusted=trust or (),
    )
    if is_any_busy():
        # A poster is still being predicted. Python would end while native code runs.
        flush_streams()
        os._exit(0)

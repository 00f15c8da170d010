"""The command ``sk-posters demo``."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._options import Seed
from sk_posters.cli._terminal import (
    get_verbosity,
    print_next_steps,
    print_or_remember,
    quote,
)

__all__ = ["demo"]

OWN_POSTERS = """
to use your own posters, make a FOLDER like the one just drawn:
  FOLDER/train.csv   a column Id, and a column of 0 and 1 per genre
  FOLDER/Images/     a poster per row: {Id}.jpg"""


def demo(
    output: Annotated[
        Path, Option(metavar="FOLDER", help="Folder for the posters and the model.")
    ] = Path("sk-posters-demo"),
    n_samples: Annotated[
        int, Option(min=40, metavar="N", help="Number of posters.")
    ] = 600,
    random_state: Seed = 0,
):
    """Draw posters, train a model on them, and report its scores.

    Takes less than a minute and downloads nothing. Every score is reported next to
    baselines, which use no poster.

    \b
    Example:
      sk-posters demo
    """
    from sk_posters.cli._outputs import check_output
    from sk_posters.cli._training import (
        check_can_save,
        list_evaluate_words,
        train_and_save,
    )
    from sk_posters.datasets import make_posters

    check_can_save("demo")
    output.mkdir(parents=True, exist_ok=True)
    check_output(output / "demo.model")
    posters = make_posters(
        n_samples, random_state=random_state, data_home=output, verbose=get_verbosity()
    )
    folder = Path(posters.data[0]).parents[1]
    print_or_remember(f"drew {n_samples} posters: {quote(folder)}")
    model, held_out = output / "demo.model", folder / "held_out.csv"
    split = train_and_save(
        posters,
        model,
        held_out,
        description="Demo: drawn posters, frozen pretrained features.",
        # Drawn posters are simpler than real ones, and need less regularisation.
        params={"C": 0.1},
        random_state=random_state,
    )
    poster = posters.data[split.test_rows[0]]
    print_next_steps(
        ["predict", model, poster, "--top-k", "2"],
        ["explain", model, poster, "--output", output / "explained.png"],
        list_evaluate_words(model, held_out),
        ["app", model, "--posters", folder],
    )
    typer.echo(OWN_POSTERS)
    print_next_steps(
        ["check", "FOLDER"],
        ["train", "FOLDER", "-o", "genres.model", "--held-out", "FOLDER/held_out.csv"],
        ["evaluate", "genres.model", "FOLDER/held_out.csv", "--html", "report.html"],
        ["predict", "genres.model", "NEW_POSTERS"],
        ["app", "genres.model", "--posters", "FOLDER"],
        heading="then:",
    )

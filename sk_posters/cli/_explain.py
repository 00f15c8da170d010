"""The command ``sk-posters explain``."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from sk_posters.cli._options import Model, Trust
from sk_posters.cli._terminal import quote

__all__ = ["explain"]


def explain(
    model: Model,
    posters: Annotated[
        list[Path],
        Argument(metavar="POSTER", show_default=False, help="Image files."),
    ],
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            metavar="PNG",
            show_default=False,
            help="PNG file to write.",
        ),
    ],
    label: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="Label to explain. Can be given several times. Default: the three "
            "most probable labels of each poster.",
        ),
    ] = None,
    trust: Trust = None,
):
    """Draw which parts of a poster contribute to a label (Grad-CAM).

    \b
    Example:
      sk-posters explain genres.model endgame.jpg --output endgame.png --label Action
    """
    from sk_posters._base._atomic import replace_when_done
    from sk_posters._base._optional import import_optional
    from sk_posters.cli._models import open_model
    from sk_posters.cli._outputs import check_output

    check_output(output, model, *posters, draws=True)
    matplotlib = import_optional(
        "matplotlib", extra="plot", purpose="sk-posters explain"
    )
    matplotlib.use("Agg")  # Pictures go to files, even where there is a screen.
    from sk_posters.plotting import GradCAMDisplay

    classifier, names = open_model(model, trust)
    display = GradCAMDisplay.from_estimator(
        classifier,
        [str(path) for path in posters],
        labels=label or None,
        label_names=names,
        max_posters=len(posters),
    )
    with replace_when_done(output) as part:
        display.figure_.savefig(part, dpi=120, bbox_inches="tight")
    typer.echo(f"wrote {quote(output)}")

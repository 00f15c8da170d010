"""The command ``sk-posters export``."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from sk_posters.cli._options import Model
from sk_posters.cli._terminal import quote

__all__ = ["export"]


def export(
    model: Model,
    output: Annotated[
        Path,
        Argument(metavar="FILE.onnx", show_default=False, help="ONNX file to write."),
    ],
):
    """Export a model as an ONNX graph, from pixels to probabilities.

    \b
    Example:
      sk-posters export genres.model genres.onnx
    """
    from sk_posters._persistence._onnx import export_onnx
    from sk_posters.cli._models import open_model
    from sk_posters.cli._outputs import check_output

    check_output(output, model)
    classifier, _ = open_model(model)
    card = export_onnx(classifier, output)
    typer.echo(f"wrote {quote(output)}, which computes probabilities from:")
    for name, expected in card["inputs"].items():
        height, width = expected["image_size"]
        typer.echo(
            f"  {name} (uint8, n × {height} × {width} × 3, RGB, resized by "
            f"{expected['interpolation']})"
        )

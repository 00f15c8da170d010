"""The command ``sk-posters report``."""

import json
import textwrap
from numbers import Real
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._options import Model
from sk_posters.cli._terminal import escape_control

__all__ = ["format_card", "report"]

FIELDS = ["description", "model", "preprocessing", "created", "training_data"]
FIELDS += ["versions"]
HEADERS = {
    "value": "value",
    "low": "low",
    "high": "high",
    "no label": "no label",
    "label frequencies": "frequencies",
    "most frequent": "most freq.",
    "every label": "every",
}
WIDTH = 88


def report(
    model: Model,
    as_json: Annotated[
        bool, Option("--json", help="Print the whole model card as JSON.")
    ] = False,
):
    """Print the model card: labels, thresholds, scores, versions.

    The model itself is not loaded. For scores on other posters and a report with
    pictures, see evaluate.

    \b
    Example:
      sk-posters report genres.model
    """
    from sk_posters._persistence._models import model_card
    from sk_posters.cli._outputs import check_stdout

    check_stdout("write to a file")
    card = model_card(model)
    typer.echo(json.dumps(card, indent=2) if as_json else format_card(card))


def format_card(card):
    """Return a model card as text, whatever the author of the file wrote into it."""
    lines = []
    for name in FIELDS:
        if card.get(name):
            text = f"{name.replace('_', ' '):15}{_format_value(card[name])}"
            lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * 15)
    lines += [*_list_labels(card), *_list_scores(card.get("scores"))]
    return escape_control("\n".join(lines))


def _format_value(value):
    if isinstance(value, dict):
        items = value.items()
        return ", ".join(f"{name} {_format_value(item)}" for name, item in items)
    if isinstance(value, list):
        between = "; " if any(isinstance(item, dict) for item in value) else ", "
        return between.join(map(_format_value, value))
    return str(value)


def _list_labels(card):
    names, thresholds = card.get("label_names"), card.get("thresholds")
    if not isinstance(names, list):
        return ["labels         without names"]
    lines = ["", f"{len(names)} labels and their thresholds:"]
    if not isinstance(thresholds, list) or len(thresholds) != len(names):
        thresholds = [0.5] * len(names)
    return lines + [
        f"  {name!s:24}{_format_number(threshold)}"
        for name, threshold in zip(names, thresholds, strict=True)
    ]


def _list_scores(scores):
    if not isinstance(scores, dict) or not scores:
        return []
    headers = "".join(f"{header:>12}" for header in HEADERS.values())
    lines = ["", "scores, next to baselines that use no poster:"]
    lines.append(f"  {'':24}{headers}".rstrip())
    for name, score in scores.items():
        row = score if isinstance(score, dict) else {"value": score}
        cells = "".join(f"{_format_number(row.get(column)):>12}" for column in HEADERS)
        lines.append(f"  {name!s:24}{cells}".rstrip())
    return lines


def _format_number(value):
    if value is None:
        return ""
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:.3f}" if isinstance(value, float) else str(value)
    return str(value)

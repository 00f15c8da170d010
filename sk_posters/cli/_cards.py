"""What a file of a model says of itself, as text."""

import textwrap
from numbers import Real

from sk_posters.cli._terminal import printable

__all__ = ["card_text"]

COLUMNS = ["value", "low", "high", "no label", "label frequencies", "most frequent"]
HEADS = ["value", "low", "high", "no label", "frequencies", "most freq."]
WIDTH = 88


def card_text(card):
    """Return a model card as text.

    Parameters
    ----------
    card : dict
        What `model_card` returns. Whoever wrote the file wrote what is in it, so
        nothing is taken for granted.

    Returns
    -------
    str
        Some lines.
    """
    lines = []
    for name in ("description", "model", "created", "training_data", "versions"):
        if card.get(name):
            text = f"{name.replace('_', ' '):15}{_short(card[name])}"
            lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * 15)
    lines += [*_labels(card), *_scores(card.get("scores"))]
    return printable("\n".join(lines))


def _short(value):
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _labels(card):
    names, thresholds = card.get("label_names"), card.get("thresholds")
    if not isinstance(names, list):
        return ["labels         without names"]
    lines = ["", f"{len(names)} labels, given from these probabilities on:"]
    if not isinstance(thresholds, list) or len(thresholds) != len(names):
        thresholds = [0.5] * len(names)
    return lines + [
        f"  {name!s:24}{_number(threshold)}"
        for name, threshold in zip(names, thresholds, strict=True)
    ]


def _scores(scores):
    if not isinstance(scores, dict) or not scores:
        return []
    heads = "".join(f"{head:>12}" for head in HEADS)
    lines = ["", "scores, beside those of answers that look at no poster:"]
    lines.append(f"  {'':24}{heads}".rstrip())
    for name, score in scores.items():
        row = score if isinstance(score, dict) else {"value": score}
        cells = "".join(f"{_number(row.get(column)):>12}" for column in COLUMNS)
        lines.append(f"  {name!s:24}{cells}".rstrip())
    return lines


def _number(value):
    if value is None:
        return ""
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:.3f}" if isinstance(value, float) else str(value)
    return str(value)

"""What a stranger must know first: what this is, what came out, what to beware of."""

import numpy as np

from sk_posters._base._unwrap import list_parts
from sk_posters._base._versions import find_versions
from sk_posters._report._markup import listed, name_of, section, tag
from sk_posters._report._tables import best_trivial, interval
from sk_posters.metrics._report_text import number

__all__ = ["cautions", "opening"]

FEW_ROWS, FEW_POSITIVES = 100, 10
CARDS = {
    "macro average precision": "Do the right images come first? Mean over labels",
    "micro F1": "Are the labels that it gives right, and complete?",
    "log loss": "How surprising is the truth to it? Lower is better",
}


def opening(title, estimator, report, n_rows, thresholds, now):
    """Return title, what this is, and what came out of it.

    Parameters
    ----------
    title : str
        The heading.
    estimator : estimator
        The model.
    report : MultilabelReport
        Its scores.
    n_rows : int
        How many images there were.
    thresholds : str
        Where its thresholds come from.
    now : datetime
        When.

    Returns
    -------
    list of Element
        Header and first section.
    """
    names = report.labels.index
    models = [type(part).__name__ for _, part in list_parts(estimator)]
    judged = f"{n_rows} images, {len(names)} labels"
    judged += f", {report.labels['prevalence'].sum():.1f} of them per image"
    drawn = report.about[0].partition("; ")[2]
    versions = ", ".join(f"{k} {v}" for k, v in find_versions().items())
    facts = {
        "Model": [" → ".join(models)],
        "Judged on": [judged],
        "Labels": listed(names),
        "A label is given from": [thresholds],
        "Intervals": [drawn],
        "Made": [f"{now:%Y-%m-%d %H:%M} UTC"],
        "With": [versions],
    }
    terms = [
        part
        for term, parts in facts.items()
        for part in (tag("dt", term), tag("dd", *parts))
    ]
    lead = (
        "A model was shown images and asked which labels each of them has. This page "
        "compares its answers with the truth, and with answers that look at no image. "
        "It holds for images that the model did not learn from, which nothing here can "
        "check."
    )
    cards = [_card(report.scores, *card) for card in CARDS.items()]
    return [
        tag("header", tag("h1", name_of(title)), tag("p", lead)),
        section(
            "result",
            "In short",
            tag("p", _verdict(report.scores), class_="verdict"),
            tag("div", *cards, class_="cards"),
            tag("dl", *terms),
        ),
    ]


def _verdict(scores):
    known = scores["beats trivial"].dropna()
    if not len(known):
        return "No interval could be computed, so nothing here is sure."
    n_sure = int(known.astype(bool).sum())
    return (
        f"In {n_sure} of the {len(known)} scores with an interval, the whole interval "
        "is better than every answer that looks at no image."
    )


def _card(scores, name, question):
    row = scores.loc[name]
    return tag(
        "div",
        tag("p", name, class_="term"),
        tag("p", number(row["value"]), class_="figure"),
        None if np.isnan(row["low"]) else tag("p", f"interval {interval(row)}"),
        tag("p", f"without looking: {number(best_trivial(row))}"),
        tag("p", question, class_="quiet"),
        class_="card",
    )


def cautions(report, n_rows, further=None):
    """Return what to keep in mind, or None if there is nothing.

    Parameters
    ----------
    report : MultilabelReport
        The scores.
    n_rows : int
        How many images there were.
    further : str, default=None
        One thing more.

    Returns
    -------
    Element or None
        The section.
    """
    found = [*_of_labels(report.labels, n_rows), *_of_scores(report.scores)]
    if report.scores["low"].isna().all():
        found.append(["There are no intervals: chance alone may move every score."])
    if further is not None:
        found.append([further])
    if not found:
        return None
    items = [tag("li", *parts) for parts in found]
    return section("care", "Read with care", tag("ul", *items))


def _of_labels(labels, n_rows):
    if n_rows < FEW_ROWS:
        yield [f"There are {n_rows} images only, so that intervals are rough."]
    support = labels["support"]
    none, every = support == 0, support == n_rows
    few = (support > 0) & (support < FEW_POSITIVES)
    if none.any():
        text = "No image has these labels, so that nothing is known of them: "
        yield [text, *listed(labels.index[none]), "."]
    if every.any():
        text = "Every image has these labels, so that nothing is known of them: "
        yield [text, *listed(labels.index[every]), "."]
    if few.any():
        text = f"Fewer than {FEW_POSITIVES} images have these labels, too few to tell: "
        yield [text, *listed(labels.index[few]), "."]


def _of_scores(scores):
    undefined = scores.index[scores["value"].isna()]
    if len(undefined):
        text = "Undefined, for the reasons in the table: "
        yield [text, *listed(undefined), "."]

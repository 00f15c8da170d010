"""The sections of the page, in the order in which a stranger asks."""

import numpy as np

from sk_posters._environment import package_versions
from sk_posters._html_report._markup import name_of, tag
from sk_posters._html_report._model import changed_settings, parts_of
from sk_posters._html_report._tables import (
    best_trivial,
    interval,
    label_table,
    score_table,
    scrolling,
)
from sk_posters.metrics._text import number

__all__ = [
    "cautions",
    "history",
    "labels",
    "making",
    "opening",
    "posters",
    "probabilities",
    "scores",
]

FEW_ROWS, FEW_POSITIVES = 100, 10
MOST_NAMES = 12
CARDS = {
    "macro average precision": "Do the right images come first? Mean over labels",
    "micro F1": "Are the labels that it gives right, and complete?",
    "log loss": "How surprising is the truth to it? Lower is better",
}
SHOWN = {
    "worst": (
        "Where it was most wrong",
        "The images whose truth was most surprising to the model (greatest log loss). "
        "Look for wrong labels in the data as well as for mistakes.",
    ),
    "best": (
        "Where it was most right",
        "The images with a true label whose truth was least surprising to the model "
        "(least log loss).",
    ),
}


def _section(key, title, *children):
    heading = f"{key}-title"
    return tag(
        "section",
        tag("h2", title, id=heading),
        *children,
        id=key,
        aria_labelledby=heading,
    )


def _listed(names):
    """Return names as text that cannot turn around what stands beside it."""
    parts = []
    for name in names[:MOST_NAMES]:
        parts += [", ", name_of(name)]
    more = len(names) - MOST_NAMES
    return [*parts[1:], *([f" and {more} more"] if more > 0 else [])]


def opening(title, estimator, report, thresholds, now):
    """Return title, what this is, and what came out of it.

    Parameters
    ----------
    title : str
        The heading.
    estimator : estimator
        The model.
    report : MultilabelReport
        Its scores.
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
    models = [type(part).__name__ for _, part in parts_of(estimator)]
    rows, _, drawn = report.about[0].partition("; ")
    versions = ", ".join(f"{k} {v}" for k, v in package_versions().items())
    facts = {
        "Model": [" → ".join(models)],
        "Judged on": [rows],
        "Labels": _listed(names),
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
        _section(
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
        f"In {n_sure} of the {len(known)} scores with an interval, the whole interval is "
        "better than every answer that looks at no image."
    )


def _card(scores, name, question):
    row = scores.loc[name]
    around = f"{interval(row)} on other images like these"
    return tag(
        "div",
        tag("p", name, class_="term"),
        tag("p", number(row["value"]), class_="figure"),
        None if np.isnan(row["low"]) else tag("p", around),
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
    return _section("care", "Read with care", tag("ul", *items))


def _of_labels(labels, n_rows):
    if n_rows < FEW_ROWS:
        yield [f"There are {n_rows} images only, so that intervals are rough."]
    support = labels["support"]
    none, every = support == 0, support == n_rows
    few = (support > 0) & (support < FEW_POSITIVES)
    if none.any():
        text = "No image has these labels, so that nothing is known of them: "
        yield [text, *_listed(labels.index[none]), "."]
    if every.any():
        text = "Every image has these labels, so that nothing is known of them: "
        yield [text, *_listed(labels.index[every]), "."]
    if few.any():
        text = f"Fewer than {FEW_POSITIVES} images have these labels, too few to tell: "
        yield [text, *_listed(labels.index[few]), "."]


def _of_scores(scores):
    undefined = scores.index[scores["value"].isna()]
    if len(undefined):
        text = "Undefined, for the reasons in the table: "
        yield [text, *_listed(undefined), "."]


def scores(report, top_k):
    """Return the section of all scores.

    Parameters
    ----------
    report : MultilabelReport
        The scores.
    top_k : int
        The k of its scores at k.

    Returns
    -------
    Element
        The section.
    """
    return _section(
        "scores",
        "Scores, beside answers that look at no image",
        tag(
            "p",
            "On the right stand three simple answers, which say the same of every "
            "image; the best of them is underlined. They are a little too good here, as "
            "they know how often each label occurs among these very images. “Yes” means "
            "that the whole interval of the model's score is better than that, “not "
            "surely” that the score alone is.",
        ),
        score_table(report, top_k),
    )


def labels(report):
    """Return the section of all labels.

    Parameters
    ----------
    report : MultilabelReport
        The scores.

    Returns
    -------
    Element
        The section.
    """
    frame = report.labels
    key = tag(
        "p",
        "The bar is average precision: 1 if all images with the label stand ahead of "
        "those without. The thin line is its interval, the upright mark what chance "
        "would score. A pale bar is not surely better than chance.",
    )
    unsure = frame.index[(frame["low"] <= frame["chance"]).to_numpy()]
    parts = []
    if len(unsure):
        parts = ["Not surely better than chance: ", *_listed(unsure), "."]
    return _section(
        "labels",
        "Each label",
        key,
        tag("p", *parts) if parts else None,
        label_table(frame),
    )


def probabilities(picture, problem):
    """Return the section on whether probabilities mean what they say.

    Parameters
    ----------
    picture : str or None
        Address of the picture.
    problem : str or None
        Why there is none.

    Returns
    -------
    Element
        The section.
    """
    said = "Reliability curve: share of cells that are true, by probability given."
    text = (
        "Of all cells (an image and a label) that were given a probability near 0.3, "
        "30 % should turn out true: then the curve lies on the diagonal."
    )
    return _picture("probabilities", "Probabilities", text, picture, problem, said)


def history(picture, problem):
    """Return the section of the learning curves.

    Parameters
    ----------
    picture : str or None
        Address of the picture.
    problem : str or None
        Why there is none.

    Returns
    -------
    Element
        The section.
    """
    said = "Learning curves: loss by epoch, in training and in validation if there was."
    text = (
        "The loss while the model learned. A validation loss that rises while the "
        "training loss falls says that it learns its images by heart."
    )
    return _picture("history", "How it learned", text, picture, problem, said)


def _picture(key, title, text, picture, problem, said):
    if picture is None:
        return _section(key, title, tag("p", f"Left out. {problem}"))
    image = tag("img", src=picture, alt=said, class_="drawn")
    return _section(key, title, tag("p", text), image)


def posters(which, shown):
    """Return the section of the best or of the worst answers.

    Parameters
    ----------
    which : {"best", "worst"}
        Which ones.
    shown : Element or None
        The posters, None if there are none.

    Returns
    -------
    Element or None
        The section.
    """
    if shown is None:
        return None
    title, text = SHOWN[which]
    return _section(which, title, tag("p", text), shown)


def making(estimator):
    """Return the section on how the model was made.

    Parameters
    ----------
    estimator : estimator
        The model.

    Returns
    -------
    Element
        The section.
    """
    heads = [tag("th", text) for text in ("Part", "Settings")]
    rows = [_part(name, part) for name, part in parts_of(estimator)]
    return _section(
        "making",
        "How the model is made",
        tag("p", "Its parts in order, with the settings that are not the default."),
        scrolling("parts", heads, rows),
    )


def _part(name, part):
    settings = [f"{key}={value}" for key, value in changed_settings(part).items()]
    called = tag("small", name_of(name)) if name else None
    return tag(
        "tr",
        tag("th", type(part).__name__, called, scope="row"),
        tag("td", ", ".join(settings) or "default", class_="settings"),
    )

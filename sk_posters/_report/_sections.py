"""The sections of the page after its opening."""

from sk_posters._base._unwrap import list_parts
from sk_posters._report._markup import listed, name_of, section, tag
from sk_posters._report._model import changed_settings
from sk_posters._report._tables import label_table, score_table, scrolling

__all__ = ["history", "labels", "making", "posters", "probabilities", "scores"]

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
    return section(
        "scores",
        "Scores, beside answers that look at no image",
        tag(
            "p",
            "On the right stand three simple answers, which say the same of every "
            "image; the best of them is underlined. They are a little too good here, "
            "as they know how often each label occurs among these very images. “Yes” "
            "means that the whole interval of the model's score is better than that, "
            "“not surely” that the score alone is.",
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
        parts = ["Not surely better than chance: ", *listed(unsure), "."]
    return section(
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
        return section(key, title, tag("p", f"Left out. {problem}"))
    image = tag("img", src=picture, alt=said, class_="drawn")
    return section(key, title, tag("p", text), image)


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
    return section(which, title, tag("p", text), shown)


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
    rows = [_part(name, part) for name, part in list_parts(estimator)]
    return section(
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

"""Scores, labels, cautions and parts of the model, as plain data for the template."""

from sk_posters._base._unwrap import list_parts
from sk_posters._base._versions import find_versions
from sk_posters._report._model import list_settings
from sk_posters.metrics._evaluation import find_score

__all__ = ["BASELINES", "MEANINGS", "describe_model", "describe_scores"]

FEW_POSITIVES = 10
BASELINES = {
    "no label": "predicts no label",
    "label frequencies": "predicts each label's frequency",
    "most frequent": "predicts the most frequent labels",
    "every label": "predicts every label",
}
MEANINGS = {
    "hamming loss": "share of (image, label) pairs predicted wrongly",
    "subset accuracy": "share of images with exactly the right labels",
    "macro F1": "harmonic mean of precision and recall, averaged over labels",
    "micro F1": "F1 over all (image, label) pairs, so that frequent labels count most",
    "weighted F1": "F1 averaged over labels, weighted by their number of images",
    "samples F1": "F1 of each image, averaged over images",
    "macro average precision": "how well each label ranks its own images first, "
    "averaged over labels",
    "micro average precision": "the same over all (image, label) pairs",
    "macro ROC-AUC": "how often an image with a label ranks above one without, "
    "averaged over labels",
    "LRAP": "how well each image ranks its true labels first",
    "ranking loss": "share of pairs of a true and a false label in the wrong order",
    "coverage error": "number of top labels needed to include all true ones",
    "precision at k": "share of the most probable labels that are true",
    "recall at k": "share of the true labels among the most probable",
    "top-k hit": "share of images with a true label among the most probable",
    "top-1 hit": "share of images whose most probable label is true",
    "log loss": "how improbable the truth is to it; confident mistakes cost most",
    "calibration error": "how far probabilities are from observed frequencies",
    "element accuracy": "share of (image, label) pairs predicted correctly: flatters "
    "where labels are rare",
}


def describe_model(estimator):
    """Return the parts of a model with their settings, and the package versions."""
    parts = [
        {
            "name": name,
            "type": type(part).__name__,
            "settings": [f"{k}={value}" for k, value in list_settings(part).items()],
        }
        for name, part in list_parts(estimator)
    ]
    return {"parts": parts, "versions": find_versions()}


def describe_scores(report, n_rows, top_k, caution, black=()):
    """Return the scores and labels of a report, and what to keep in mind about them."""
    scores, labels = report.scores, report.labels
    by_support = labels.sort_values("support", ascending=False, kind="stable")
    known = scores["beats trivial"].dropna().astype(bool)
    return {
        "n_rows": n_rows,
        "n_per_image": labels["prevalence"].sum(),
        "intervals": report.about[0].partition("; ")[2],
        "n_known": len(known),
        "n_better": known.sum(),
        "cautions": list(_find_cautions(report, n_rows, caution, black)),
        "baselines": BASELINES,
        "scores": {
            row["name"]: row | _compare_with_baselines(row, top_k)
            for row in _list_rows(scores)
        },
        "label_names": labels.index.tolist(),
        "labels": _list_rows(by_support),
        "unclear": _find_unclear(labels),
    }


def _find_unclear(labels):
    """Return the labels that may be found by chance, if there are intervals at all."""
    if labels["low"].isna().all():
        return []
    found = labels["average precision"].notna()
    return labels.index[found & ~(labels["low"] > labels["chance"])].tolist()


def _list_rows(frame):
    """Return the rows of a frame as dicts, None in place of nan."""
    frame = frame.rename_axis("name").reset_index().astype(object)
    return frame.where(frame.notna(), None).to_dict("records")


def _compare_with_baselines(row, top_k):
    baselines = [row[name] for name in BASELINES if row[name] is not None]
    best = None
    if baselines:
        best = max(baselines) if row["better"] == "higher" else min(baselines)
    return {
        "meaning": MEANINGS[find_score(row["name"], top_k)],
        "best": best,
        "verdict": _judge(row, best),
    }


def _judge(row, best):
    """Return in a word whether a score is better than the best baseline."""
    if row["beats trivial"] is None:
        return "-"
    if row["beats trivial"]:
        return "yes"
    ahead = row["value"] > best if row["better"] == "higher" else row["value"] < best
    return "not clearly" if ahead else "no"


def _find_cautions(report, n_rows, caution, black):
    """Yield texts, each with the names that it ends with."""
    if black:
        yield f"Scored as black images, since unreadable ({len(black)}): ", black
    support, value = report.labels["support"], report.scores["value"]
    unknown = report.labels.get("unknown", 0 * support)
    n_known = (n_rows - unknown).where(support > 0)
    for line in report.about:
        if line.startswith("only "):
            yield f"There are {line}.", []
    if unknown.any():
        yield (
            f"{unknown.sum()} of {n_rows * len(unknown)} (image, label) pairs are not "
            "known: all scores leave them out.",
            [],
        )
    few = (support > 0) & (support < FEW_POSITIVES)
    for chosen, text in [
        (support == 0, "Labels that no image has, which cannot be judged"),
        (support == n_known, "Labels that every image has, which cannot be judged"),
        (few, f"Labels of fewer than {FEW_POSITIVES} images, too few to judge"),
    ]:
        if chosen.any():
            yield f"{text}: ", support.index[chosen].tolist()
    if value.isna().any():
        names = value.index[value.isna()].tolist()
        yield "Undefined, for the reasons in the table: ", names
    if report.scores["low"].isna().all():
        yield "There are no intervals: differences between scores may be chance.", []
    if caution is not None:
        yield caution, []

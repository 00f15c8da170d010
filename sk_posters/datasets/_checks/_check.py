"""`check_posters`: what to correct in a table before anything is trained."""

from numbers import Integral

import numpy as np
import pandas as pd

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._groups import encode_groups
from sk_posters._base._validation import (
    check_probabilities,
    count_unknown,
    find_known,
    indicator_matrix,
    match_names,
    score_matrix,
    shorten,
)
from sk_posters._images._sources import check_sources
from sk_posters.datasets._checks import _text
from sk_posters.datasets._checks._files import read_facts
from sk_posters.datasets._checks._image_findings import image_findings
from sk_posters.datasets._checks._label_findings import (
    label_findings,
    suspicious_labels,
    text_findings,
)
from sk_posters.datasets._checks._leaks import check_splits, leaks
from sk_posters.datasets._checks._rows import PosterRows

__all__ = ["PosterCheck", "check_posters"]

SEVERITIES = ["error", "warning", "note"]
COLUMNS = ["kind", "severity", "rows", "paths", "labels", "detail", "advice"]
ONE_COLUMN = "For one label, give a matrix of one column."


class PosterCheck:
    """What is wrong with a table of posters; `check_posters` makes it.

    ``print(check)`` shows a summary by kind, and a notebook shows it as tables.

    Parameters
    ----------
    findings : DataFrame
        A row per finding. The columns are those that `check_posters` names.
    groups : ndarray of shape (n_samples,), dtype int
        Which rows belong together.
    about : list of str
        What was checked, and what was not, a line each.

    See Also
    --------
    check_posters : Makes the check.

    Examples
    --------
    >>> from PIL import Image
    >>> from sk_posters import check_posters
    >>> for name in ["a.png", "b.png"]:
    ...     Image.linear_gradient("L").save(name)
    >>> check = check_posters(["a.png", "b.png"], [[0, 1], [1, 0]], n_splits=2)
    >>> check.findings[["kind", "severity", "rows"]]
                   kind severity    rows
    0      other labels    error  (0, 1)
    1  exact duplicates  warning  (0, 1)
    2        rare label  warning    (1,)
    3        rare label  warning    (0,)
    >>> check.groups
    array([0, 0])
    """

    def __init__(self, findings, groups, about):
        self.findings = findings
        self.groups = groups
        self.about = about

    def __str__(self):
        return _text.check_text(self)

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        return self.to_html()

    def counts(self):
        """Return how many findings there are of each kind.

        Returns
        -------
        DataFrame
            A row per kind, with ``"severity"`` and ``"findings"``, the most severe
            first.
        """
        kinds = self.findings.groupby("kind", sort=False)
        severity = kinds["severity"].first()
        return pd.DataFrame({"severity": severity, "findings": kinds.size()})

    def to_html(self):
        """Return the check as HTML, all names escaped.

        Returns
        -------
        str
            A ``<div>`` with the counts, and the first findings of each kind.
        """
        return _text.check_html(self)


@validate_params(
    {
        "max_distance": [Interval(Integral, 0, 12, closed="both"), None],
        "min_side": [Interval(Integral, 1, None, closed="left")],
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def check_posters(
    paths,
    y,
    groups=None,
    *,
    genre_text=None,
    scores=None,
    splits=None,
    max_distance=8,
    min_side=64,
    n_splits=5,
    n_jobs=-1,
    verbose=0,
):
    """Find what is wrong with a table of posters before anything is trained on it.

    Each finding names its rows and what to do. Nothing is changed or dropped. The check
    also finds which rows belong together, because they share an id or show the same
    image, so that a split can keep them on one side.

    Parameters
    ----------
    paths : array-like of shape (n_samples,)
        The posters, each a path (str or path-like), the bytes of an image file, a PIL
        image, or a dict with ``"bytes"`` and ``"path"``; or one column of
        them, as a frame or array.
    y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0/1 for each row and label, nan where it is not known.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, such as the Id of its poster.
    genre_text : sequence or Series of length n_samples, default=None
        The genres of each row as a list of names, or such a list as text, which are
        compared with `y`. Its columns must have names then.
    scores : array-like, DataFrame or list of arrays, default=None
        Probabilities, of shape (n_samples, n_labels), by a model that was fitted
        without the row, such as ``cross_val_predict(..., method="predict_proba")``
        returns; also its list with an array of shape (n_samples, 2) per label.
    splits : cross-validator or iterable of (train, test), default=None
        The splits to check for leaks. A cross-validator gets `groups`.
    max_distance : int or None, default=8
        Number of the 64 bits in which the perceptual hashes of near duplicates may
        differ, 0 to 12; the hash of a mirror image in half as many. None finds exact
        duplicates only, which needs no further package.
    min_side : int, default=64
        Pixels that the shorter side of an image should have.
    n_splits : int, default=5
        Number of folds that each label should be in.
    n_jobs : int or None, default=-1
        Number of threads that decode. None means 1, unless in a
        :func:`joblib.parallel_config` context, and -1 means all cores.
    verbose : int, default=0
        If above 0, show a progress bar.

    Returns
    -------
    PosterCheck
        With ``findings``, ``groups``, ``about``, ``counts()`` and ``to_html()``.

        ``findings`` is a DataFrame, the most severe findings first, with the columns
        ``"kind"``, ``"severity"`` ("error", "warning" or "note"), ``"rows"`` (tuple
        of int, counted from 0), ``"paths"`` (tuple of str; such as
        ``"row 3: bytes (12,345 B)"`` for images in memory), ``"labels"`` (tuple of
        names, where the finding is about labels), ``"detail"`` and ``"advice"``.

        ``groups`` is an array of int of shape (n_samples,): the same for rows that
        have one id or look alike, also by way of further rows. Give it to
        `MultilabelStratifiedGroupKFold`.

    Raises
    ------
    ValueError
        If lengths, shapes or names do not fit each other, or `y` holds anything but 0,
        1 and nan.
    ImportError
        If the package ImageHash is not installed, and `max_distance` is not None.

    See Also
    --------
    PosterImageLoader : Loads images, and names the files that cannot be loaded.
    sk_posters.model_selection.MultilabelStratifiedGroupKFold : Folds that keep groups
        whole.

    Notes
    -----
    These are the kinds of findings:

    - errors: ``"unreadable file"``, ``"blank image"`` (of one colour), ``"other
      labels"`` (rows of one id, or with the same pixels, disagree), ``"contradicting
      text"``, ``"leak"`` (rows of one group on both sides of a split);
    - warnings: ``"tiny image"``, ``"repeated id"``, ``"exact duplicates"`` (the same
      path, file content or pixels under different ids), ``"near duplicates"``,
      ``"constant label"``, ``"rare label"`` (1, or 0, in fewer groups than folds);
    - notes: ``"more than 8 bits"`` (a channel: how they were scaled, see
      :class:`PosterImageLoader`), ``"unknown label"`` (nan in some rows),
      ``"forgotten label"`` (0, and probably 1), ``"wrong label"`` (1, and probably 0).

    Pairs that are not known neither disagree nor contradict.

    Near duplicates are found by the perceptual hash ``phash`` of the package ImageHash,
    which describes coarse structure in grey. Copies of 150 real posters at half the
    size, in another compression, darker, without colour, stretched or mirrored were all
    found at a distance of 8, brighter ones or those cropped by 2 % a side nearly all,
    and six in ten of those cropped by 4 % or with a border. Among 3989 real posters,
    one pair that is not the same image is that close; from 10 on there are more. Two
    films may share a design: inspect near duplicates before you drop any. Hashes are
    compared within buckets, not all with all.

    Forgotten and wrong labels are found by confident learning, a label at a time: the
    other value is likelier than the given one, and at least as likely as for the
    average row with that value. Each kind has the most certain first. With a weak
    model, most of them are right, and the model is wrong: they are only an order in
    which to review posters.

    References
    ----------
    C. Northcutt, L. Jiang, I. Chuang (2021). Confident Learning: Estimating
    Uncertainty in Dataset Labels. Journal of Artificial Intelligence Research 70.

    Examples
    --------
    >>> from PIL import Image
    >>> from sk_posters import check_posters
    >>> Image.linear_gradient("L").save("one.png")
    >>> Image.linear_gradient("L").resize((200, 200)).save("again.png")
    >>> Image.radial_gradient("L").save("two.png")
    >>> y = [[1, 0], [1, 0], [0, 1]]
    >>> check = check_posters(["one.png", "again.png", "two.png"], y)
    >>> check.findings.loc[0, ["kind", "rows", "labels"]].tolist()
    ['near duplicates', (0, 1), ()]
    >>> check.groups
    array([0, 0, 1])
    """
    sources = check_sources(paths, "paths")
    _check_columns(y)
    labels, names = indicator_matrix(y, "y", ONE_COLUMN)
    _check_length(labels, "y", len(sources))
    ids = None if groups is None else encode_groups(groups, len(sources))
    if genre_text is not None:
        genre_text = list(genre_text)
        _check_length(genre_text, "genre_text", len(sources))
    if scores is not None:
        scores = _check_scores(scores, labels, names)
    if splits is not None:
        splits = check_splits(splits, sources, labels, groups)

    unique = list(dict.fromkeys(sources))
    facts = read_facts(
        unique,
        with_codes=max_distance is not None,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    posters = PosterRows(
        sources,
        [facts[source] for source in sources],
        labels,
        list(names),
        ids,
        max_distance,
    )
    found = [*image_findings(posters, min_side), *label_findings(posters, n_splits)]
    if genre_text is not None:
        found += text_findings(posters, genre_text)
    if splits is not None:
        found += leaks(posters, splits)
    if scores is not None:
        found += suspicious_labels(posters, scores)
    asked = {"genre_text": genre_text, "scores": scores, "splits": splits}
    asked["max_distance"] = max_distance
    about = _about(posters, unique, asked)
    return PosterCheck(_frame(found, sources), posters.groups, about)


def _check_columns(y):
    names = pd.Index(getattr(y, "columns", []))
    doubled = names[names.duplicated()].unique()
    if len(doubled):
        raise ValueError(
            "The columns of y must differ, but these occur more than once: "
            f"{shorten(doubled)}. Rename or drop all but one of each."
        )


def _check_length(values, name, n):
    if len(values) != n:
        raise ValueError(
            f"{name} must have one row for each of the {n} paths: got {len(values)}. "
            "Select the rows of both by the same mask."
        )


def _check_scores(scores, labels, names):
    scores, score_names = score_matrix(scores)
    if scores.shape != labels.shape:
        raise ValueError(
            "scores must have the shape of y, a row per poster and a column per label: "
            f"got {scores.shape} and {labels.shape}."
        )
    names = match_names(names, "y", score_names, "scores")
    check_probabilities(scores, names, parameter="scores")
    return scores


def _frame(found, sources):
    # sorted() keeps the order of what is equally severe.
    found = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    rows = [
        (
            finding.kind,
            finding.severity,
            tuple(int(row) for row in finding.rows),
            tuple(dict.fromkeys(str(sources[row]) for row in finding.rows)),
            tuple(finding.labels),
            finding.detail,
            finding.advice,
        )
        for finding in found
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _about(posters, unique, asked):
    what = "files" if all(isinstance(each, str) for each in unique) else "images"
    n_groups = len(np.unique(posters.groups))
    left_out = [name for name, value in asked.items() if value is None]
    lines = [
        f"{len(posters.sources)} rows, {len(unique)} {what}, {len(posters.names)} "
        f"labels, {n_groups} groups of rows that belong together"
    ]
    lines += count_unknown(find_known(posters.labels))
    if left_out:
        lines.append(f"skipped, because not given: {', '.join(left_out)}")
    return lines

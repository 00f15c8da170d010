"""Everything a report needs, gathered, and its page put together."""

from datetime import UTC, datetime
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path

from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._atomic import write_file
from sk_posters._base._compat import Interval, _num_samples, validate_params
from sk_posters._base._validation import check_names, check_probabilities, label_matrix
from sk_posters._report import _sections
from sk_posters._report._markup import page
from sk_posters._report._model import history_of, thresholds_of
from sk_posters._report._opening import cautions, opening
from sk_posters._report._pictures import calibration, learning_curves
from sk_posters._report._posters import Answers, heat_maps
from sk_posters.metrics import multilabel_report
from sk_posters.plotting._estimators import predict_for_display

__all__ = ["save_html_report"]

TOP_K = 3
COUNT = [Interval(Integral, 0, None, closed="left")]


@validate_params(
    {
        "file": [str, PathLike],
        "n_posters": COUNT,
        "grad_cam": ["boolean"],
        "n_bootstrap": COUNT,
        "title": [str],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def save_html_report(
    file,
    estimator,
    X,
    y,
    *,
    groups=None,
    label_names=None,
    n_posters=6,
    grad_cam=False,
    n_bootstrap=1000,
    title="How well are labels found?",
    random_state=None,
):
    """Save one HTML file that shows how well a model does, to hand on or to keep.

    It holds all scores of `sk_posters.metrics.multilabel_report` with intervals, beside
    those of answers that look at no image; a row for each label; whether probabilities
    mean what they say; learning curves if the model has kept some; and the posters
    whose answers were best and worst. The file needs no other file and no network.

    Parameters
    ----------
    file : str or path-like
        The file to write. One that is there is replaced once the new one is complete.
    estimator : estimator
        A fitted classifier with `predict_proba`, or a Pipeline that ends in one: any
        recipe, also in `MultilabelTunedThresholdClassifierCV`, whose thresholds then
        say which labels count as given.
    X : array-like of path, or ndarray of shape (n_samples, height, width, 3)
        What the estimator takes, of rows that it was not fitted on: paths of image
        files, or images (uint8, or floats from 0 to 1).
    y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        The true labels of these rows, 0/1.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group (one movie, one poster) are drawn together for the intervals,
        and only one of them is shown as a poster. None draws rows.
    label_names : sequence of shape (n_labels,), default=None
        Names of the labels; None takes the columns of `y`, or what the estimator has
        learned.
    n_posters : int, default=6
        How many of the best and of the worst answers are shown; 0 shows none.
    grad_cam : bool, default=False
        Whether each poster shown comes with a heat map of what spoke for its most
        probable label, by `sk_posters.inspection.grad_cam`.
    n_bootstrap : int, default=1000
        How many resamples the intervals are made of; 0 leaves the intervals out.
    title : str, default="How well are labels found?"
        The heading.
    random_state : int, RandomState instance or None, default=None
        Draws the resamples; an int makes them repeatable.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError or IsADirectoryError
        If the folder of `file` is missing, or `file` is a folder itself.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If there are no rows, if the estimator gives no probabilities, or if rows, names
        or groups do not fit each other.

    See Also
    --------
    sk_posters.metrics.multilabel_report : The scores, to work with.
    sk_posters.plotting.PosterGridDisplay : Posters with their labels, as a figure.

    Notes
    -----
    The learning curves and the picture of probabilities need Matplotlib
    (``pip install "sk-posters[plot]"``); without it, the report says that they are
    left out. Names of labels and files are text and nothing else in it, and its
    policy forbids a browser to run or load anything that does not come with it. It
    holds small copies of the posters shown, and the names of their files without
    their folders.

    Posters are best or worst by their log loss, the mean over all labels. Of the best,
    only those with a true label are shown, if there are any.

    Examples
    --------
    >>> from sk_posters import make_poster_pipeline, save_html_report
    >>> from sk_posters.datasets import make_posters
    >>> posters = make_posters(
    ...     24, n_labels=2, image_size=(96, 64), random_state=0, data_home="posters"
    ... )
    >>> model = make_poster_pipeline(image_size=(96, 64))
    >>> model = model.fit(posters.data[:16], posters.target[:16])
    >>> file = save_html_report(
    ...     "report.html", model, posters.data[16:], posters.target[16:], n_bootstrap=50
    ... )
    >>> file.name, file.stat().st_size < 2_000_000
    ('report.html', True)
    """
    file = _checked(file)
    check_is_fitted(estimator)
    if not _num_samples(X):
        raise ValueError(
            "X must hold one row at least to report on: got none. Give the rows that "
            "were held out."
        )
    check_consistent_length(X, y, groups)
    scores, names = predict_for_display(estimator, X, y, "save_html_report")
    labels, _ = label_matrix(y, "y")
    names = check_names(label_names, names, "y and the estimator")
    check_probabilities(scores, names)
    names = _as_text(names)
    thresholds, about_thresholds, caution = thresholds_of(estimator)
    report = multilabel_report(
        labels,
        scores,
        label_names=names,
        thresholds=thresholds,
        n_bootstrap=n_bootstrap,
        groups=groups,
        top_k=TOP_K,
        random_state=random_state,
    )
    answers = Answers(X, labels, scores, thresholds, names)
    best, worst = answers.best_and_worst(n_posters, groups)
    heat = heat_maps(estimator, X, best + worst, scores) if grad_cam else {}
    history, n_rows = history_of(estimator), len(labels)
    content = page(
        title,
        *opening(
            *(title, estimator, report, n_rows, about_thresholds), datetime.now(UTC)
        ),
        cautions(report, n_rows, caution),
        _sections.scores(report, min(TOP_K, labels.shape[1])),
        _sections.labels(report),
        _sections.probabilities(*_draw(calibration, labels, scores)),
        _sections.history(*_draw(learning_curves, history)) if history else None,
        _sections.posters("worst", answers.gallery(worst, heat)),
        _sections.posters("best", answers.gallery(best, heat)),
        _sections.making(estimator),
    )
    write_file(file, content)
    return file


def _checked(file):
    """Return the path to write to; no score is computed before it is sure."""
    path = Path(file)
    if path.is_dir():
        raise IsADirectoryError(
            f"file must name a file to write: {fspath(file)!r} is a folder. Add a "
            "name, such as 'report.html'."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"file must be in a folder that exists: there is no {str(path.parent)!r}. "
            "Make it, or name another."
        )
    return path


def _as_text(names):
    if list(names) == list(range(len(names))):
        return [f"label {j}" for j in names]
    return [str(name) for name in names]


def _draw(draw, *data):
    """Return a picture, or why there is none."""
    try:
        return draw(*data), None
    except ImportError as error:
        return None, str(error)

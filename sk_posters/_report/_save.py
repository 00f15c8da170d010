"""The HTML report: its data collected, its template rendered, its file written."""

import os
from datetime import UTC, datetime
from importlib.resources import files
from numbers import Integral
from os import PathLike

from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._atomic import check_writable, write_file
from sk_posters._base._compat import Interval, _num_samples, validate_params
from sk_posters._base._optional import import_optional
from sk_posters._base._unwrap import list_replaced_files
from sk_posters._base._validation import (
    check_names,
    check_probabilities,
    find_known,
    label_matrix,
)
from sk_posters._images._display import hash_inline
from sk_posters._report._context import describe_model, describe_scores
from sk_posters._report._model import describe_thresholds, find_history
from sk_posters._report._pictures import draw_calibration, draw_learning_curves
from sk_posters._report._posters import Predictions, map_saliency
from sk_posters.metrics import multilabel_report
from sk_posters.metrics._report_text import number
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
    """Save one HTML file that shows how well a model does, to share or to keep.

    It shows all scores of `sk_posters.metrics.multilabel_report` with their intervals,
    next to baselines; a row for each label; a calibration curve; learning curves if the
    model kept its history; and the posters with the best and the worst predictions.
    The file needs no other file and no network.

    Parameters
    ----------
    file : str or path-like
        The file to write. An existing one is replaced once the new one is complete.
    estimator : estimator
        A fitted classifier with `predict_proba`, or a Pipeline that ends in one: any
        recipe, also in `MultilabelTunedThresholdClassifierCV`, whose thresholds then
        decide which labels are predicted.
    X : array-like of path, or ndarray of shape (n_samples, height, width, 3)
        The images of a test set, as the estimator takes them: paths of image files,
        bytes of them, PIL images, or arrays (uint8, or floats from 0 to 1).
    y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        The true labels of these images: 0/1, nan where a label is not known.
    groups : array-like of shape (n_samples,), default=None
        Rows of one group (one movie, one poster) are drawn together for the intervals,
        and only one of them is shown as a poster. None draws rows.
    label_names : sequence of shape (n_labels,), default=None
        Names of the labels; None takes the columns of `y`, or the names that the
        estimator learned.
    n_posters : int, default=6
        Number of posters shown with the best and with the worst predictions; 0 shows
        none.
    grad_cam : bool, default=False
        Whether to show a saliency map next to each poster, by
        `sk_posters.inspection.grad_cam`: the areas that contribute to its most probable
        label.
    n_bootstrap : int, default=1000
        Number of resamples for the intervals; 0 omits the intervals.
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
        If the folder of `file` is missing, or `file` is itself a folder.
    ImportError
        If Jinja2 is missing: ``pip install "sk-posters[plot]"``.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If there are no rows or no known labels, if the estimator predicts no
        probabilities, or if rows, names or groups do not fit each other.

    See Also
    --------
    sk_posters.metrics.multilabel_report : The same scores as data frames.
    sk_posters.plotting.PosterGridDisplay : Posters with their labels, as a figure.

    Notes
    -----
    The calibration and the learning curves need Matplotlib, which the extra ``plot``
    also installs; without it, the report says that they are left out. Names of labels
    and files are escaped, and the policy of the page forbids a browser to run or load
    anything from elsewhere. The file holds small copies of the posters shown, and the
    names of their files without their folders.

    Predictions are best or worst by their log loss, the mean over all labels that are
    known; an image of which nothing is known is not shown. The best are chosen among
    the images with a true label, if there are any.

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
    file = check_writable(file)
    jinja2 = import_optional("jinja2", extra="plot", purpose="The HTML report")
    check_is_fitted(estimator)
    if not _num_samples(X):
        raise ValueError("X must hold at least one row: got none. Give the test set.")
    check_consistent_length(X, y, groups)
    scores, names = predict_for_display(estimator, X, y, "save_html_report")
    black = [os.path.basename(path) for path in list_replaced_files(estimator)]
    labels, _ = label_matrix(y, "y", allow_unknown=True)
    if not find_known(labels).any():
        raise ValueError(
            "y must hold a known label: it is nan everywhere, so that there is nothing "
            "to score. Give rows of which something is known."
        )
    names = check_names(label_names, names, "y and the estimator")
    check_probabilities(scores, names)
    names = _as_text(names)
    thresholds, about_thresholds, caution = describe_thresholds(estimator)
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
    predictions = Predictions(X, labels, scores, thresholds, names)
    best, worst = predictions.find_best_and_worst(n_posters, groups)
    saliency = map_saliency(estimator, X, best + worst, scores) if grad_cam else {}
    history = find_history(estimator)
    page = _render(
        jinja2,
        title=title,
        now=datetime.now(UTC),
        thresholds=about_thresholds,
        **describe_model(estimator),
        **describe_scores(
            report, len(labels), min(TOP_K, labels.shape[1]), caution, black
        ),
        calibration=_draw(draw_calibration, labels, scores),
        learning_curves=history and _draw(draw_learning_curves, history),
        worst=predictions.describe(worst, saliency),
        best=predictions.describe(best, saliency),
    )
    # Names of files may hold bytes that are no text.
    write_file(file, page.encode("utf-8", "replace"))
    return file


def _as_text(names):
    if list(names) == list(range(len(names))):
        return [f"label {j}" for j in names]
    return [str(name) for name in names]


def _draw(draw, *data):
    """Return a figure, or why there is none."""
    try:
        return {"src": draw(*data)}
    except ImportError as error:
        return {"problem": str(error)}


def _render(jinja2, **context):
    """Return the page; its policy allows its own style and script, and nothing else."""
    template, style, script = (
        files(__package__).joinpath(name).read_text(encoding="utf-8")
        for name in ("template.html", "style.css", "sort.js")
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src {hash_inline(style)}; "
        f"script-src {hash_inline(script)}; base-uri 'none'; form-action 'none'"
    )
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _format_number
    environment.filters["sortable"] = lambda value: "" if value is None else value
    page = environment.from_string(template).render(
        style=style, script=script, policy=policy, **context
    )
    return f"{page.strip()}\n"


def _format_number(value, digits=3):
    return "-" if value is None else number(value, digits)

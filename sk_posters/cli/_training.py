"""A table of posters in, a model and its report on rows held out."""

from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from sk_posters._base._atomic import replace_when_done
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_thresholds, iterate_estimators
from sk_posters._persistence._models import save_model
from sk_posters._pipelines import make_poster_pipeline
from sk_posters.cli._manners import load_quietly
from sk_posters.datasets._checks import check_posters
from sk_posters.metrics import MultilabelReport, multilabel_report
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.model_selection._thresholds import MultilabelTunedThresholdClassifierCV

__all__ = ["Trained", "save", "save_rows", "set_verbose", "train"]

# Recipes whose classifier trains in seconds: their thresholds come from five folds.
QUICK = {"frozen", "best"}
HELD_OUT_FOR_THRESHOLDS = 0.2


class Trained(NamedTuple):
    """A model, and how good it is on rows that it has not seen.

    Parameters
    ----------
    model : Pipeline
        The model.
    report : MultilabelReport
        Its scores on the rows held out.
    train_rows, test_rows : ndarray of int
        The rows of the table that it has learned from, and those held out.
    """

    model: Pipeline
    report: MultilabelReport
    train_rows: np.ndarray
    test_rows: np.ndarray


def train(
    posters,
    *,
    recipe="frozen",
    params=None,
    thresholds=True,
    groups="id",
    test_size=0.15,
    random_state=0,
    n_bootstrap=1000,
    verbose=0,
):
    """Fit a recipe to a part of a table, and score it on the rest.

    Parameters
    ----------
    posters : Bunch
        What `load_poster_table` returns.
    recipe : str, default="frozen"
        What `make_poster_pipeline` makes.
    params : dict, default=None
        Its parameters.
    thresholds : bool, default=True
        Whether the thresholds of labels are tuned, within the rows that the model
        learns from.
    groups : {"id", "alike", "none"}, default="id"
        Which rows stay on one side: those of one id, those that look alike as well,
        or none.
    test_size : float, default=0.15
        Share of rows to hold out.
    random_state : int, default=0
        Seed of the split, of networks and of intervals.
    n_bootstrap : int, default=1000
        Resamples for intervals.
    verbose : int, default=0
        Whether to show progress.

    Returns
    -------
    Trained
        The model, its report, and the rows of both parts.
    """
    belonging = _groups_of(posters, groups, verbose)
    train_rows, test_rows = multilabel_train_test_split(
        np.arange(len(posters.data)),
        stratify=posters.target,
        groups=belonging,
        test_size=test_size,
        random_state=random_state,
    )
    model = _model(recipe, params or {}, thresholds, random_state)
    fit_params = {}
    if thresholds and belonging is not None:
        fit_params["classifier__groups"] = belonging[train_rows]
    y_train = posters.target.iloc[train_rows]
    set_verbose(model, verbose)
    model.fit(posters.data[train_rows], y_train, **fit_params)
    report = multilabel_report(
        posters.target.iloc[test_rows],
        predict_scores(model, posters.data[test_rows], n_labels=y_train.shape[1])[0],
        thresholds=find_thresholds(model),
        groups=None if belonging is None else belonging[test_rows],
        y_train=y_train,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )
    set_verbose(model, 0)  # Whoever loads the model decides for themselves.
    return Trained(model, report, train_rows, test_rows)


def save(trained, posters, path, description):
    """Save a model with its scores.

    Parameters
    ----------
    trained : Trained
        What `train` returned.
    posters : Bunch
        The table.
    path : Path
        The file.
    description : str
        What the model card says of it.
    """
    rows = trained.train_rows
    scores = trained.report.scores
    columns = ["value", "low", "high", "no label", "label frequencies", "most frequent"]
    save_model(
        trained.model,
        path,
        label_names=posters.target_names,
        scores={
            "rows held out": len(trained.test_rows),
            **{name: row[columns].to_dict() for name, row in scores.iterrows()},
        },
        training_data=(posters.data[rows], posters.target.iloc[rows]),
        description=description,
    )


def save_rows(posters, rows, path):
    """Save some rows of a table as a table of their own.

    Parameters
    ----------
    posters : Bunch
        The table.
    rows : ndarray of int
        Which ones.
    path : Path
        The file.
    """
    with replace_when_done(path) as part:
        posters.frame.iloc[np.sort(rows)].to_csv(part, index=False)


def _groups_of(posters, groups, verbose):
    if groups == "none":
        return None
    if groups == "id":
        return posters.groups
    return check_posters(
        posters.data, posters.target, posters.groups, verbose=verbose
    ).groups


def _model(recipe, params, thresholds, random_state):
    if recipe not in QUICK:
        load_quietly("tensorflow")
    model = make_poster_pipeline(recipe, **params)
    if recipe not in QUICK and model[-1].random_state is None:
        model.set_params(classifier__random_state=random_state)
    if thresholds:
        # Around the classifier alone, so that each poster is looked at once.
        quick = recipe in QUICK
        tuned = MultilabelTunedThresholdClassifierCV(
            model[-1],
            cv=None if quick else HELD_OUT_FOR_THRESHOLDS,
            random_state=None if quick else random_state,
        )
        model.steps[-1] = ("classifier", tuned)
    return model


def set_verbose(model, value):
    """Let the package's own parts of a model show their progress, or not.

    Parameters
    ----------
    model : estimator
        The model, fitted or not.
    value : int
        Above 0 to show it.
    """
    for part in iterate_estimators(model):
        is_own = type(part).__module__.partition(".")[0] == "sk_posters"
        if is_own and hasattr(part, "verbose"):
            part.verbose = value

"""Training and saving a model, as the commands demo and train do it."""

from typing import NamedTuple

import numpy as np
import typer
from sklearn.pipeline import Pipeline

from sk_posters._base._atomic import replace_when_done
from sk_posters._base._optional import import_optional
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_thresholds, iterate_estimators
from sk_posters._persistence._models import save_model
from sk_posters._pipelines import make_poster_pipeline
from sk_posters.cli._models import import_quietly
from sk_posters.cli._terminal import escape_control, get_verbosity, quote
from sk_posters.datasets._checks import check_posters
from sk_posters.metrics import MultilabelReport, multilabel_report
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.model_selection._thresholds import MultilabelTunedThresholdClassifierCV

__all__ = ["check_can_save", "list_evaluate_words", "set_verbose", "train_and_save"]

# Recipes whose classifier trains in seconds: thresholds are tuned on five folds.
QUICK = {"frozen", "best"}
VALIDATION_SHARE = 0.2


class Trained(NamedTuple):
    """A model, its report on the test set, and the rows of both sets."""

    model: Pipeline
    report: MultilabelReport
    train_rows: np.ndarray
    test_rows: np.ndarray


def check_can_save(command):
    """Raise the error of a missing package before the model is trained."""
    import_optional("skops", extra="models", purpose=f"sk-posters {command}")


def train_and_save(posters, output, held_out, *, description, **options):
    """Train on a table, print the scores, save model and test set; return `Trained`."""
    trained = _train(posters, verbose=get_verbosity(), **options)
    n_train, n_test = len(trained.train_rows), len(trained.test_rows)
    typer.echo(f"training set: {n_train} posters, test set: {n_test} posters\n")
    typer.echo(escape_control(str(trained.report)))
    _save(trained, posters, output, description)
    typer.echo(f"\nwrote {quote(output)}")
    if held_out is not None:
        with replace_when_done(held_out) as part:
            test_set = posters.frame.iloc[np.sort(trained.test_rows)]
            test_set.to_csv(part, index=False)
        typer.echo(f"wrote {quote(held_out)}, the test set")
    return trained


def list_evaluate_words(model, held_out, where=()):
    """Return the words of the command that scores a model on its test set."""
    words = ["evaluate", model, held_out, *where]
    return [*words, "--html", model.with_name("report.html")]


def _train(
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
    """Fit a recipe to part of a table, and score it on the rest."""
    group_ids = _find_groups(posters, groups, verbose)
    train_rows, test_rows = multilabel_train_test_split(
        np.arange(len(posters.data)),
        stratify=posters.target,
        groups=group_ids,
        test_size=test_size,
        random_state=random_state,
    )
    model = _make_model(recipe, params or {}, thresholds, random_state)
    fit_params = {}
    if thresholds and group_ids is not None:
        fit_params["classifier__groups"] = group_ids[train_rows]
    y_train = posters.target.iloc[train_rows]
    set_verbose(model, verbose)
    model.fit(posters.data[train_rows], y_train, **fit_params)
    report = multilabel_report(
        posters.target.iloc[test_rows],
        predict_scores(model, posters.data[test_rows], n_labels=y_train.shape[1])[0],
        thresholds=find_thresholds(model),
        groups=None if group_ids is None else group_ids[test_rows],
        y_train=y_train,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )
    set_verbose(model, 0)  # Verbosity is not part of a saved model.
    return Trained(model, report, train_rows, test_rows)


def _find_groups(posters, groups, verbose):
    if groups == "none":
        return None
    if groups == "id":
        return posters.groups
    return check_posters(
        posters.data, posters.target, posters.groups, verbose=verbose
    ).groups


def _make_model(recipe, params, thresholds, random_state):
    is_quick = recipe in QUICK
    if not is_quick:
        import_quietly("tensorflow")
    model = make_poster_pipeline(recipe, **params)
    if not is_quick and model[-1].random_state is None:
        model.set_params(classifier__random_state=random_state)
    if thresholds:
        # Around the classifier alone, so that features are computed once.
        tuned = MultilabelTunedThresholdClassifierCV(
            model[-1],
            cv=None if is_quick else VALIDATION_SHARE,
            random_state=None if is_quick else random_state,
        )
        model.steps[-1] = ("classifier", tuned)
    return model


def set_verbose(model, value):
    """Set `verbose` of the package's own estimators in a model."""
    for part in iterate_estimators(model):
        is_own = type(part).__module__.partition(".")[0] == "sk_posters"
        if is_own and hasattr(part, "verbose"):
            part.verbose = value


def _save(trained, posters, path, description):
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

"""Training and saving a model, as the commands demo and train do it."""

import warnings
from typing import NamedTuple

import numpy as np
import typer

from sk_posters._base._atomic import replace_when_done
from sk_posters._base._disk_cache import disable_caches
from sk_posters._base._optional import import_optional
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_thresholds, iterate_estimators
from sk_posters._images._loader import PosterImageLoader
from sk_posters._persistence._models import save_model
from sk_posters._pipelines import make_poster_pipeline
from sk_posters.cli._models import KERAS, import_quietly
from sk_posters.cli._terminal import escape_control, get_verbosity, quote
from sk_posters.datasets._checks import check_posters
from sk_posters.metrics import multilabel_report
from sk_posters.metrics._baselines import BASELINES
from sk_posters.model_selection import multilabel_train_test_split
from sk_posters.model_selection._thresholds import MultilabelTunedThresholdClassifierCV

__all__ = ["check_can_save", "list_evaluate_words", "set_verbose", "train_and_save"]

# Recipes whose classifier trains in seconds: thresholds are tuned on five folds.
QUICK = {"frozen", "best"}
VALIDATION_SHARE = 0.2


class Split(NamedTuple):
    """The rows of both sets, their groups, and how many rows of each are unreadable."""

    train_rows: np.ndarray
    test_rows: np.ndarray
    groups: np.ndarray | None
    n_black: int
    n_left_out: int


def check_can_save(command):
    """Raise the error of a missing package before the model is trained."""
    import_optional("skops", extra="models", purpose=f"sk-posters {command}")


def train_and_save(
    posters,
    output,
    held_out,
    *,
    description,
    recipe="frozen",
    params=None,
    thresholds=True,
    groups="id",
    test_size=0.15,
    random_state=0,
    n_bootstrap=1000,
):
    """Train on a table, print the scores, save model and test set; return a `Split`."""
    verbose = get_verbosity()
    model = _make_model(recipe, params or {}, thresholds, random_state)
    unreadable = _find_unreadable(model, posters.data, verbose)
    group_ids = _find_groups(posters, groups, verbose)
    split = _split(posters, group_ids, unreadable, test_size, random_state)
    _fit(model, posters, split, thresholds, verbose)
    # A model that took hours is there before anything else can fail.
    _save(model, posters, split, output, description)
    if held_out is not None:
        _write_test_set(posters, split, held_out)
    try:
        report = _evaluate(model, posters, split, n_bootstrap, random_state)
    except BaseException:
        typer.echo(f"wrote {quote(output)}, which has no scores: evaluation failed")
        raise
    _save(model, posters, split, output, description, _list_scores(report, split))
    typer.echo(
        f"training set: {len(split.train_rows)} posters, test set: "
        f"{len(split.test_rows)} posters"
    )
    for line in _list_unreadable(split):
        typer.echo(line)
    typer.echo(f"\n{escape_control(str(report))}")
    typer.echo(f"\nwrote {quote(output)}")
    if held_out is not None:
        typer.echo(f"wrote {quote(held_out)}, the test set")
    return split


def list_evaluate_words(model, held_out, where=()):
    """Return the words of the command that scores a model on its test set."""
    words = ["evaluate", model, held_out, *where]
    return [*words, "--html", model.with_name("report.html")]


def _find_unreadable(model, paths, verbose):
    """Read all files before the training; raise, or return which are unreadable."""
    settings = {
        getattr(part, "on_error", "blank") for part in iterate_estimators(model)
    }
    on_error = "raise" if "raise" in settings else "blank"
    loader = PosterImageLoader(image_size=(1, 1), on_error=on_error, verbose=verbose)
    with disable_caches(), warnings.catch_warnings():
        # The rows are counted below, and the training warns of its own.
        warnings.filterwarnings("ignore", ".*cannot be used as a poster")
        return np.asarray(loader.fit_transform(paths).blank)


def _split(posters, groups, unreadable, test_size, random_state):
    train_rows, test_rows = multilabel_train_test_split(
        np.arange(len(posters.data)),
        stratify=posters.target,
        groups=groups,
        test_size=test_size,
        random_state=random_state,
    )
    readable = test_rows[~unreadable[test_rows]]
    if not len(readable):
        raise ValueError(
            f"None of the {len(test_rows)} files of the test set can be read: replace "
            "them, or leave them out of the table."
        )
    return Split(
        train_rows,
        readable,
        groups,
        n_black=int(unreadable[train_rows].sum()),
        n_left_out=len(test_rows) - len(readable),
    )


def _list_unreadable(split):
    """Yield what became of the rows whose files cannot be read."""
    if split.n_black:
        yield f"unreadable: {split.n_black} in the training set, as black images"
    if split.n_left_out:
        yield f"unreadable: {split.n_left_out} left out of the test set"


def _fit(model, posters, split, thresholds, verbose):
    fit_params = {}
    if thresholds and split.groups is not None:
        fit_params["classifier__groups"] = split.groups[split.train_rows]
    set_verbose(model, verbose)
    rows = split.train_rows
    model.fit(posters.data[rows], posters.target.iloc[rows], **fit_params)
    set_verbose(model, 0)  # Verbosity is not part of a saved model.


def _evaluate(model, posters, split, n_bootstrap, random_state):
    """Return the report on the test set."""
    rows, y = split.test_rows, posters.target
    return multilabel_report(
        y.iloc[rows],
        predict_scores(model, posters.data[rows], n_labels=y.shape[1])[0],
        thresholds=find_thresholds(model),
        groups=None if split.groups is None else split.groups[rows],
        y_train=y.iloc[split.train_rows],
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )


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
        import_quietly(KERAS)
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


def _list_scores(report, split):
    """Return the scores of a report for a model card."""
    rows = report.scores[["value", "low", "high", *BASELINES]].iterrows()
    return {
        "rows held out": len(split.test_rows),
        **{name: row.to_dict() for name, row in rows},
    }


def _save(model, posters, split, path, description, scores=None):
    rows = split.train_rows
    save_model(
        model,
        path,
        label_names=posters.target_names,
        scores=scores,
        training_data=(posters.data[rows], posters.target.iloc[rows]),
        description=description,
    )


def _write_test_set(posters, split, path):
    with replace_when_done(path) as part:
        posters.frame.iloc[np.sort(split.test_rows)].to_csv(
            part, index=False, errors="surrogateescape"
        )

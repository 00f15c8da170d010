"""The command ``sk-posters evaluate``."""

import warnings
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._options import (
    Cache,
    Model,
    Resamples,
    Seed,
    Table,
    Trust,
    use_cache,
)
from sk_posters.cli._tables import (
    add_table_options,
    find_table,
    load_table,
    print_reading,
)
from sk_posters.cli._terminal import escape_control, quote

__all__ = ["evaluate", "select_labels"]


@add_table_options
def evaluate(
    model: Model,
    table: Table,
    html: Annotated[
        Path | None,
        Option(metavar="FILE", help="HTML file to write a report with pictures to."),
    ] = None,
    grad_cam: Annotated[
        bool,
        Option("--grad-cam", help="Add Grad-CAM saliency maps to the HTML report."),
    ] = False,
    cache: Cache = None,
    n_bootstrap: Resamples = 1000,
    random_state: Seed = 0,
    trust: Trust = None,
    options=None,
):
    """Score a model on a table, next to baselines that use no poster.

    Take posters that are not in the training set, such as the test set that train
    writes with --held-out.

    \b
    Examples:
      sk-posters evaluate genres.model held_out.csv
      sk-posters evaluate genres.model held_out.csv --html report.html
    """
    from sk_posters._base._predictions import predict_scores
    from sk_posters._base._unwrap import find_thresholds
    from sk_posters.cli._models import open_model, remember_probabilities
    from sk_posters.cli._outputs import check_output, check_stdout
    from sk_posters.metrics import multilabel_report

    if grad_cam and html is None:
        raise typer.BadParameter("--grad-cam needs --html FILE")
    if html is None:
        check_stdout("write a report with --html")
    else:
        check_output(html, model, table, find_table(table))
    use_cache(cache)
    posters = load_table(table, options)
    print_reading(posters)
    classifier, names = open_model(model, trust)
    if not hasattr(classifier, "predict_proba"):
        raise ValueError(
            f"{str(model)!r} gives no probabilities, which evaluate needs. Train a "
            "classifier that has predict_proba."
        )
    y = select_labels(posters.target, names, table, posters.label_form)
    _warn_of_training_rows(model, posters.data, table)
    remember_probabilities(classifier)  # Both reports need those of the same posters.
    settings = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    scores = predict_scores(classifier, posters.data, n_labels=y.shape[1])[0]
    thresholds = find_thresholds(classifier)
    if thresholds is None:
        typer.echo(
            "note: the tuned thresholds are not probabilities; labels are predicted "
            "from probability 0.5"
        )
        thresholds = 0.5
    report = multilabel_report(
        y, scores, thresholds=thresholds, groups=posters.groups, **settings
    )
    typer.echo(escape_control(str(report)))
    if html is not None:
        from sk_posters._report import save_html_report

        save_html_report(
            html,
            classifier,
            posters.data,
            y,
            groups=posters.groups,
            label_names=list(y.columns),
            grad_cam=grad_cam,
            title=f"{model.name} on {table.name}",
            **settings,
        )
        typer.echo(f"wrote {quote(html)}")


def _warn_of_training_rows(model, paths, table):
    from sk_posters._persistence._models import find_training_rows

    is_training_row = find_training_rows(model, paths)
    if is_training_row is not None and is_training_row.any():
        warnings.warn(
            f"{is_training_row.sum()} of the {len(is_training_row)} rows of "
            f"{str(table)!r} are in the training set of {str(model)!r}, so that its "
            "scores are too good. Leave them out, or take the test set that train "
            "writes with --held-out.",
            stacklevel=2,
        )


def select_labels(target, names, table, label_form="columns"):
    """Return the columns of a target that a model predicts; all without names."""
    if names is None:
        return target
    missing = [name for name in names if name not in target.columns]
    if missing and len(missing) < len(names) and label_form == "text":
        # A table whose rows name their labels has no column for one that none has.
        return target.reindex(columns=names, fill_value=0)
    if missing:
        from sk_posters._base._validation import shorten

        raise ValueError(
            f"{str(table)!r} has no columns for these labels of the model: "
            f"{shorten(missing)}. Add them, with 0 and 1."
        )
    return target[names]

"""The command ``sk-posters train``."""

import ast
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._options import (
    Cache,
    Resamples,
    Seed,
    Table,
    use_cache,
)
from sk_posters.cli._tables import (
    add_table_options,
    find_table,
    list_table_words,
    load_table,
    name_test_set,
    print_reading,
)
from sk_posters.cli._terminal import print_next_steps

__all__ = ["train"]


class Recipe(StrEnum):
    """Recipes of `make_poster_pipeline`."""

    frozen = "frozen"
    best = "best"
    finetuned = "finetuned"
    cnn = "cnn"


class SplitGroups(StrEnum):
    """Rows that stay together in a split."""

    id = "id"
    alike = "alike"
    none = "none"


@add_table_options
def train(
    table: Table,
    output: Annotated[
        Path,
        Option(
            "--output",
            "-o",
            metavar="MODEL",
            show_default=False,
            help="Model file to write.",
        ),
    ],
    recipe: Annotated[
        Recipe,
        Option(
            help="frozen: pretrained features, a minute per thousand posters. best: "
            "three pretrained networks, about ten times as long. finetuned, cnn: "
            "train a network, hours without a GPU."
        ),
    ] = Recipe.frozen,
    param: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=VALUE",
            help="Parameter of the recipe, such as C=0.01 or epochs=10. Can be given "
            "several times.",
        ),
    ] = None,
    thresholds: Annotated[
        bool,
        Option(
            help="Tune the probability from which each label is predicted, within the "
            "training set, or use 0.5."
        ),
    ] = True,
    groups: Annotated[
        SplitGroups,
        Option(
            help="Rows that are never split between training and test set: those with "
            "the same id; with alike, also those that look alike; or none."
        ),
    ] = SplitGroups.id,
    test_size: Annotated[
        float,
        Option(min=0.01, max=0.9, metavar="SHARE", help="Share of the test set."),
    ] = 0.15,
    held_out: Annotated[
        Path | None,
        Option(metavar="FILE", help="Table to write the test set to, for evaluate."),
    ] = None,
    cache: Cache = None,
    n_bootstrap: Resamples = 1000,
    random_state: Seed = 0,
    options=None,
):
    """Train a model on a table of posters, score it, and save it.

    Part of the rows is held out as a test set. The saved model is the one that was
    scored on it: it is not trained again on all rows. Every score is reported next to
    baselines, which use no poster.

    \b
    Example:
      sk-posters train train.csv --output genres.model --held-out held_out.csv
    """
    from sk_posters.cli._outputs import check_output
    from sk_posters.cli._training import (
        check_can_save,
        list_evaluate_words,
        train_and_save,
    )

    check_can_save("train")
    check_output(output, table, find_table(table))
    if held_out is not None:
        check_output(held_out, output, table, find_table(table))
    use_cache(cache)
    params = _parse_params(param or [])
    posters = load_table(table, options)
    print_reading(posters)
    if held_out is not None:
        where = name_test_set(posters, held_out, options)
    train_and_save(
        posters,
        output,
        held_out,
        description=f"{recipe.value}, trained on {table.name}",
        recipe=recipe.value,
        params=params,
        thresholds=thresholds,
        groups=groups.value,
        test_size=test_size,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )
    page = ["app", output, "--posters", table, *list_table_words(options)]
    steps = [["predict", output, "NEW_POSTERS"], page]
    if held_out is not None:
        steps.insert(0, list_evaluate_words(output, held_out, where))
    print_next_steps(*steps)


def _parse_params(texts):
    """Return NAME=VALUE as a dict; a value that is no Python literal is text."""
    params = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"--param must be NAME=VALUE: got {text!r}")
        try:
            params[name] = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            params[name] = value
    return params

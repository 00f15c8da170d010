"""The commands that make a model: demo, fetch, check, train."""

import ast
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from sk_posters.cli._app import command
from sk_posters.cli._manners import FOUND, Stop
from sk_posters.cli._options import (
    Cache,
    Groups,
    IdColumn,
    Images,
    Recipe,
    Resamples,
    Seed,
    Table,
    use_cache,
)
from sk_posters.cli._terminal import called, printable, progress, shown

__all__ = ["check", "demo", "fetch", "train"]

OWN_POSTERS = """
for posters of your own, make a FOLDER like the one that was drawn:
  FOLDER/train.csv   a column Id, and for each genre a column of 0 and 1
  FOLDER/Images/     a poster for each row: {Id}.jpg"""


@command
def demo(
    output: Annotated[
        Path, Option(metavar="FOLDER", help="Where posters and model go.")
    ] = Path("sk-posters-demo"),
    n_samples: Annotated[
        int, Option(min=40, metavar="N", help="Number of posters.")
    ] = 600,
    random_state: Seed = 0,
):
    """Draw posters, learn their genres, and report what came of it.

    Takes less than a minute, and downloads nothing. Each score stands beside those of
    answers that never look at a poster.

    \b
    Example:
      sk-posters demo
    """
    from sk_posters.datasets import make_posters

    _need_skops("demo")
    output.mkdir(parents=True, exist_ok=True)
    posters = make_posters(
        n_samples, random_state=random_state, data_home=output, verbose=progress()
    )
    folder = Path(posters.data[0]).parents[1]
    typer.echo(f"drew {n_samples} posters: {shown(folder)}")
    model, held_out = output / "demo.model", folder / "held_out.csv"
    trained = _train_and_save(
        posters,
        model,
        held_out,
        description="The demonstration: drawn posters, frozen pretrained features.",
        # Drawn posters are simpler than real ones: less regularisation does.
        params={"C": 0.1},
        random_state=random_state,
    )
    unseen = posters.data[trained.test_rows[0]]
    _next(
        ["predict", model, unseen, "--top-k", "2"],
        ["explain", model, unseen, "--output", output / "explained.png"],
        _evaluation(model, held_out, posters),
        ["app", model, "--posters", folder],
    )
    typer.echo(OWN_POSTERS)
    _next(
        ["check", "FOLDER"],
        ["train", "FOLDER", "-o", "genres.model", "--held-out", "FOLDER/held_out.csv"],
        ["evaluate", "genres.model", "FOLDER/held_out.csv", "--html", "report.html"],
        ["predict", "genres.model", "NEW_POSTERS"],
        ["app", "genres.model", "--posters", "FOLDER"],
        heading="then:",
    )


@command
def fetch(
    data_home: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Folder of all data sets. Default: SK_POSTERS_DATA, or "
            "~/sk_posters_data.",
        ),
    ] = None,
    n_retries: Annotated[
        int, Option(min=0, metavar="N", help="Further tries after a failure.")
    ] = 3,
):
    """Download the movie poster data set: 7254 posters with 25 genres.

    \b
    Example:
      sk-posters fetch --data-home data
    """
    from sk_posters.datasets import fetch_movie_posters

    posters = fetch_movie_posters(
        data_home=data_home, n_retries=n_retries, verbose=progress()
    )
    folder = Path(posters.data[0]).parents[1]
    typer.echo(
        f"{len(posters.data)} posters, {len(posters.target_names)} genres: "
        f"{shown(folder)}"
    )
    _next(["check", folder / "train.csv"])


@command
def check(
    table: Annotated[
        Path,
        Argument(
            metavar="TABLE_OR_FOLDER",
            show_default=False,
            help="A table, or the folder of its train.csv, or any folder of images.",
        ),
    ],
    images: Images = None,
    id_column: IdColumn = "Id",
    max_distance: Annotated[
        int,
        Option(
            min=-1,
            max=12,
            metavar="BITS",
            help="How far near duplicates may be from each other. -1: exact "
            "duplicates only.",
        ),
    ] = 6,
    output: Annotated[
        Path | None,
        Option(metavar="FILE", help="Write all findings there, as CSV."),
    ] = None,
):
    """Say what is wrong with posters or their table, and what to do.

    Damaged files, duplicates, contradictions, rare labels. The exit code is 1 if any
    finding is an error. Nothing is changed.

    \b
    Examples:
      sk-posters check train.csv
      sk-posters check new_posters/
    """
    from sk_posters.cli._rows import check_target
    from sk_posters.cli._tables import checked, findings_to_csv, first_files

    check_target(output)
    found = checked(
        table,
        images=images,
        id_column=id_column,
        max_distance=None if max_distance < 0 else max_distance,
        verbose=progress(),
    )
    typer.echo(printable(str(found)))
    for line in first_files(found):
        typer.echo(printable(line))
    if output is not None:
        findings_to_csv(found, output)
        typer.echo(f"wrote {shown(output)}")
    if (found.findings["severity"] == "error").any():
        raise Stop(FOUND)


@command
def train(
    table: Table,
    output: Annotated[
        Path,
        Option("--output", "-o", metavar="MODEL", show_default=False, help="The file."),
    ],
    recipe: Annotated[
        Recipe,
        Option(
            help="frozen: pretrained features, a minute per thousand posters. best: "
            "three networks, some twenty times as long. finetuned, cnn: networks that "
            "are trained, hours without a GPU."
        ),
    ] = Recipe.frozen,
    param: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=VALUE",
            help="A parameter of the recipe, such as C=0.01 or epochs=10. As often as "
            "you like.",
        ),
    ] = None,
    thresholds: Annotated[
        bool,
        Option(
            help="Tune the probability from which each label is given, on rows held "
            "out for it, or take 0.5."
        ),
    ] = True,
    groups: Annotated[
        Groups,
        Option(
            help="Which rows are never parted: those of one Id, or those that look "
            "alike as well, or none."
        ),
    ] = Groups.id,
    test_size: Annotated[
        float, Option(min=0.01, max=0.9, metavar="SHARE", help="Rows to hold out.")
    ] = 0.15,
    held_out: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Write the table of the rows held out there, for evaluate.",
        ),
    ] = None,
    images: Images = None,
    id_column: IdColumn = "Id",
    cache: Cache = None,
    n_bootstrap: Resamples = 1000,
    random_state: Seed = 0,
):
    """Train a model on a table of posters, score it, and save it.

    A part of the rows is held out. The model that is saved is the one that was scored
    on them: it has never seen them. Each score stands beside those of answers that
    look at no poster.

    \b
    Example:
      sk-posters train train.csv --output genres.model --held-out held_out.csv
    """
    from sk_posters.cli._rows import check_target
    from sk_posters.cli._tables import load

    _need_skops("train")
    check_target(output)
    check_target(held_out)
    use_cache(cache)
    params = _parameters(param or [])
    posters = load(table, images, id_column)
    _train_and_save(
        posters,
        output,
        held_out,
        description=f"{recipe.value}, learned from {table.name}",
        recipe=recipe.value,
        params=params,
        thresholds=thresholds,
        groups=groups.value,
        test_size=test_size,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )
    page = ["app", output, "--posters", table]
    if images is not None:
        page += ["--images", images]
    if id_column != "Id":
        page += ["--id-column", id_column]
    steps = [["predict", output, "NEW_POSTERS"], page]
    if held_out is not None:
        steps.insert(0, _evaluation(output, held_out, posters, id_column))
    _next(*steps)


def _next(*steps, heading="next:"):
    """Print what to do next, as lines that can be pasted."""
    typer.echo(f"\n{heading}")
    for step in steps:
        typer.echo(f"  {called()} {' '.join(map(shown, step))}")


def _evaluation(model, held_out, posters, id_column="Id"):
    """Return the words that score a model on the rows held out."""
    words = ["evaluate", model, held_out]
    images = Path(posters.data[0]).parent
    if images.resolve() != (held_out.parent / "Images").resolve():
        words += ["--images", images]
    if id_column != "Id":
        words += ["--id-column", id_column]
    return [*words, "--html", model.with_name("report.html")]


def _need_skops(name):
    """Say before any work that its result could not be saved."""
    from sk_posters._base._optional import import_optional

    import_optional("skops", extra="models", purpose=f"sk-posters {name}")


def _parameters(texts):
    """Return NAME=VALUE as a dict; what is no Python literal is text."""
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


def _train_and_save(posters, output, held_out, *, description, **options):
    from sk_posters.cli._training import save, save_rows, train

    trained = train(posters, verbose=progress(), **options)
    n_train, n_test = len(trained.train_rows), len(trained.test_rows)
    typer.echo(f"{n_train} posters to learn from, {n_test} held out\n")
    typer.echo(printable(str(trained.report)))
    save(trained, posters, output, description)
    typer.echo(f"\nwrote {shown(output)}")
    if held_out is not None:
        save_rows(posters, trained.test_rows, held_out)
        typer.echo(f"wrote {shown(held_out)}, the rows held out")
    return trained

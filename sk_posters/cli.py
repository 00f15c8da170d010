"""The command ``sk-posters``: what the package does, from a shell.

A thin skin: each command reads its options, calls the package, and prints. What is
heavy is imported when a command needs it, so that ``--help`` comes at once.
"""

import ast
import functools
import importlib
import inspect
import os
import shlex
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from sk_posters._command._manners import FOUND, Stop, manners
from sk_posters._command._terminal import is_terminal, printable

__all__ = ["main"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Recipe(StrEnum):
    """What `make_poster_pipeline` makes."""

    frozen = "frozen"
    best = "best"
    finetuned = "finetuned"
    cnn = "cnn"


class Groups(StrEnum):
    """Which rows stay together in a split."""

    id = "id"
    alike = "alike"
    none = "none"


class Format(StrEnum):
    """How predictions are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


class OnError(StrEnum):
    """What to do about files that cannot be used."""

    row = "row"
    stop = "raise"


Option, Argument = typer.Option, typer.Argument
Model = Annotated[
    Path, Argument(metavar="MODEL", show_default=False, help="File of a model.")
]
Table = Annotated[
    Path,
    Argument(
        metavar="TABLE",
        show_default=False,
        help="CSV with an Id column and a column of 0 and 1 for each label, or the "
        "folder of its train.csv.",
    ),
]
Images = Annotated[
    Path | None,
    Option(
        "--images",
        metavar="FOLDER",
        help="Folder of {Id}.jpg, .jpeg or .png. Default: Images, beside the table.",
    ),
]
IdColumn = Annotated[str, Option(metavar="NAME", help="Column that names the images.")]
Seed = Annotated[int, Option("--random-state", metavar="N", help="Seed of chance.")]
Resamples = Annotated[
    int, Option("--n-bootstrap", min=0, metavar="N", help="Resamples for intervals.")
]
Cache = Annotated[
    Path | None,
    Option(
        "--cache",
        metavar="FOLDER",
        help="Keep what was computed of each poster there, for later runs.",
    ),
]
WithTraceback = Annotated[
    bool, Option("--traceback", help="Show where an error comes from.")
]


def command(function):
    """Make a function a command: with our manners, and an option to see tracebacks."""

    @functools.wraps(function)
    def run(*args, traceback=False, **kwargs):
        passed = (typer.Exit, typer.Abort, typer.BadParameter)
        try:
            with manners(with_traceback=traceback, passed=passed):
                function(*args, **kwargs)
        except Stop as stop:
            raise typer.Exit(stop.code) from None

    signature = inspect.signature(function)
    extra = inspect.Parameter(
        "traceback",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=WithTraceback,
    )
    run.__signature__ = signature.replace(
        parameters=[*signature.parameters.values(), extra]
    )
    run.__annotations__ = {**function.__annotations__, "traceback": WithTraceback}
    return app.command(function.__name__.rstrip("_"))(run)


def _version(value):
    if value:
        typer.echo(f"sk-posters {version('sk-posters')}")
        raise typer.Exit


@app.callback()
def sk_posters(
    show_version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
):
    """Which genres does a movie have, judged by its poster?

    Begin with a demonstration, which draws its own posters:

    \b
      sk-posters demo

    Then with posters of your own, which stand in a table:

    \b
      sk-posters check train.csv
      sk-posters train train.csv --output genres.model --held-out held_out.csv
      sk-posters evaluate genres.model held_out.csv --html report.html
      sk-posters predict genres.model new_posters/

    Exit codes: 0 if all is well; 1 if a check has found errors or a poster could not
    be read; 2 if the command could not do its job; 130 after Ctrl-C.
    """


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
    """Draw posters, learn their genres, and report: under a minute, no download.

    Each score stands beside those of answers that never look at a poster.

    \b
    Example:
      sk-posters demo
    """
    from sk_posters.datasets import make_posters

    _need_skops("demo")
    output.mkdir(parents=True, exist_ok=True)
    posters = make_posters(
        n_samples, random_state=random_state, data_home=output, verbose=_verbose()
    )
    folder = Path(posters.data[0]).parents[1]
    typer.echo(f"drew {n_samples} posters: {folder}")
    model, held_out = output / "demo.model", folder / "held_out.csv"
    _train_and_save(
        posters,
        model,
        held_out,
        description="The demonstration: drawn posters, frozen pretrained features.",
        # Drawn posters are simpler than real ones: less regularisation does.
        params={"C": 0.1},
        random_state=random_state,
    )
    _next(
        ["predict", model, folder / "Images", "--top-k", "2"],
        ["evaluate", model, held_out, "--html", output / "report.html"],
        ["check", folder / "train.csv"],
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
        data_home=data_home, n_retries=n_retries, verbose=_verbose()
    )
    folder = Path(posters.data[0]).parents[1]
    typer.echo(
        f"{len(posters.data)} posters, {len(posters.target_names)} genres: "
        f"{printable(str(folder))}"
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
    """Say what is wrong with posters and their table, and what to do about it.

    Damaged files, duplicates, contradictions, rare labels. The exit code is 1 if any
    finding is an error. Nothing is changed.

    \b
    Examples:
      sk-posters check train.csv
      sk-posters check new_posters/
    """
    from sk_posters._command._checking import checked, findings_to_csv
    from sk_posters._command._rows import check_target

    check_target(output)
    found = checked(
        table,
        images=images,
        id_column=id_column,
        max_distance=None if max_distance < 0 else max_distance,
        verbose=_verbose(),
    )
    typer.echo(printable(str(found)))
    if output is not None:
        findings_to_csv(found, output)
        typer.echo(f"wrote {_shown(output)}")
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
    """Train a model on a table of posters, score it on rows held out, and save it.

    The model that is saved is the one that was scored: it has never seen the rows
    held out. Each score stands beside those of answers that look at no poster.

    \b
    Example:
      sk-posters train train.csv --output genres.model --held-out held_out.csv
    """
    from sk_posters._command._rows import check_target

    _need_skops("train")
    check_target(output)
    check_target(held_out)
    _use_cache(cache)
    params = _parameters(param or [])
    posters = _load(table, images, id_column)
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
    steps = [["predict", output, "FOLDER"], ["report", output]]
    if held_out is not None:
        steps.insert(1, ["evaluate", output, held_out, "--html", "report.html"])
    _next(*steps)


@command
def evaluate(
    model: Model,
    table: Table,
    html: Annotated[
        Path | None,
        Option(metavar="FILE", help="Write a report with pictures there, in one file."),
    ] = None,
    grad_cam: Annotated[
        bool, Option("--grad-cam", help="Show in it where the model looks.")
    ] = False,
    images: Images = None,
    id_column: IdColumn = "Id",
    cache: Cache = None,
    n_bootstrap: Resamples = 1000,
    random_state: Seed = 0,
):
    """Score a model on a table, beside answers that look at no poster.

    Give it rows that the model has not learned from: what train writes as --held-out.

    \b
    Examples:
      sk-posters evaluate genres.model held_out.csv
      sk-posters evaluate genres.model held_out.csv --html report.html
    """
    from sk_posters._command._predictions import opened, with_labels_of
    from sk_posters._command._rows import check_target
    from sk_posters._command._training import thresholds_of
    from sk_posters.metrics import multilabel_report

    if grad_cam and html is None:
        raise typer.BadParameter("--grad-cam needs --html FILE")
    check_target(html)
    _use_cache(cache)
    posters = _load(table, images, id_column)
    classifier, names = opened(model)
    y = with_labels_of(names, posters.target, table)
    options = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    report = multilabel_report(
        y,
        classifier.predict_proba(posters.data),
        thresholds=thresholds_of(classifier),
        groups=posters.groups,
        **options,
    )
    typer.echo(printable(str(report)))
    if html is not None:
        html_report = importlib.import_module("sk_posters._html_report")
        html_report.save_html_report(
            html,
            classifier,
            posters.data,
            y,
            groups=posters.groups,
            label_names=list(y.columns),
            grad_cam=grad_cam,
            title=f"{model.name} on {table.name}",
            **options,
        )
        typer.echo(f"wrote {_shown(html)}")


@command
def predict(
    model: Model,
    paths: Annotated[
        list[str],
        Argument(
            metavar="PATHS",
            show_default=False,
            help="Files, folders with all below them, patterns in quotes such as "
            "'posters/**/*.jpg', or - to read paths from the standard input.",
        ),
    ],
    format: Annotated[
        Format | None,
        Option(
            "--format",
            "-f",
            show_default=False,
            help="Default: what the suffix of --output says, else a table.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write there, all of it or nothing, in place of the standard output.",
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        Option(
            "--top-k",
            "-k",
            min=1,
            metavar="K",
            help="The K most probable labels, best first, in place of those that "
            "reach their thresholds.",
        ),
    ] = None,
    probabilities: Annotated[
        bool, Option("--probabilities", "-p", help="Write probabilities, too.")
    ] = False,
    on_error: Annotated[
        OnError,
        Option(
            help="About a file that cannot be used: a row with the error in it, or an "
            "end of all."
        ),
    ] = OnError.row,
    batch_size: Annotated[
        int, Option(min=1, metavar="N", help="Posters that are answered at a time.")
    ] = 256,
):
    """Give posters their labels, in the order of their paths.

    Rows are written as they come, and no more than a batch of paths is ever kept. The
    exit code is 1 if a file could not be used; all others are answered even so.

    \b
    Examples:
      sk-posters predict genres.model endgame.jpg --top-k 3
      sk-posters predict genres.model posters/ --output genres.csv
      find . -name '*.jpg' | sk-posters predict genres.model - --format jsonl

    CSV: labels are joined by |, and cells that a spreadsheet would take for formulas
    are made harmless: ./ before a path, an apostrophe before a label. JSON Lines: all
    names exact.
    """
    from tqdm import tqdm

    from sk_posters._command._paths import paths_of
    from sk_posters._command._predictions import Predictor, opened
    from sk_posters._command._rows import check_target, format_of, opened_rows

    check_target(output)
    classifier, names = opened(model)
    predictor = Predictor(
        classifier,
        names,
        top_k=top_k,
        probabilities=probabilities,
        stop_at_error=on_error is OnError.stop,
        batch_size=batch_size,
    )
    answers = predictor.answers(paths_of(paths, _lines_of_stdin()))
    # Rows on a terminal are progress enough.
    hidden = output is None and is_terminal(sys.stdout)
    kind = format_of(format and format.value, output)
    scored = probabilities or (top_k is not None and kind == "table")
    n_all = n_failed = 0
    with (
        opened_rows(output, kind, names, scored) as rows,
        tqdm(unit=" posters", disable=True if hidden else None) as progress,
    ):
        for answer in answers:
            rows.write(answer)
            progress.update()
            n_all += 1
            n_failed += answer.error is not None
    if n_failed:
        typer.echo(f"{n_failed} of {n_all} could not be used", err=True)
        raise Stop(FOUND)


@command
def explain(
    model: Model,
    posters: Annotated[
        list[Path], Argument(metavar="POSTER", show_default=False, help="Files.")
    ],
    output: Annotated[
        Path,
        Option(
            "--output", "-o", metavar="PNG", show_default=False, help="The picture."
        ),
    ],
    label: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="A label to explain. As often as you like."),
    ] = None,
):
    """Draw where in a poster the model sees a label (Grad-CAM).

    \b
    Example:
      sk-posters explain genres.model endgame.jpg --output endgame.png --label Action
    """
    from sk_posters._archive import part_beside
    from sk_posters._command._predictions import opened
    from sk_posters._command._rows import check_target
    from sk_posters._optional import import_optional

    check_target(output)
    matplotlib = import_optional(
        "matplotlib", extra="plot", purpose="sk-posters explain"
    )
    matplotlib.use("Agg")  # Pictures go to files, also where there is a screen.
    from sk_posters.plotting import GradCAMDisplay

    classifier, _ = opened(model)
    display = GradCAMDisplay.from_estimator(
        classifier, [str(path) for path in posters], labels=label or None
    )
    with part_beside(output) as part:
        display.figure_.savefig(part, dpi=120, bbox_inches="tight")
    typer.echo(f"wrote {_shown(output)}")


@command
def report(
    model: Model,
    json: Annotated[bool, Option("--json", help="As JSON, all of it.")] = False,
):
    """Print what is known of a model: labels, thresholds, scores, versions.

    The model is not loaded. For scores on other posters, and a report with pictures,
    see evaluate.

    \b
    Example:
      sk-posters report genres.model
    """
    from sk_posters._command._cards import card_text
    from sk_posters._persistence import model_card

    card = model_card(model)
    if json:
        from json import dumps

        typer.echo(dumps(card, indent=2))
    else:
        typer.echo(card_text(card))


@command
def export(
    model: Model,
    output: Annotated[
        Path,
        Argument(metavar="FILE.onnx", show_default=False, help="The ONNX file."),
    ],
):
    """Write a model as an ONNX graph, from pixels to probabilities.

    \b
    Example:
      sk-posters export genres.model genres.onnx
    """
    from sk_posters._command._rows import check_target
    from sk_posters._onnx_export import export_onnx
    from sk_posters._persistence import load_model

    check_target(output)
    card = export_onnx(load_model(model), output)
    height, width = card["image_size"]
    typer.echo(
        f"wrote {_shown(output)}: images (uint8, n × {height} × {width} × 3, RGB, "
        f"resized by {card['interpolation']}) to probabilities"
    )


@command
def app_(
    model: Model,
    posters: Annotated[
        Path | None,
        Option(metavar="TABLE", help="Show the nearest of these posters, too."),
    ] = None,
    host: Annotated[
        str, Option(metavar="ADDRESS", help="127.0.0.1 is this computer alone.")
    ] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, metavar="N", help="Port.")] = 7860,
):
    """Open a web page that takes a poster and shows its labels.

    \b
    Example:
      sk-posters app genres.model
    """
    importlib.import_module("sk_posters.app").run_app(
        model, posters=posters, host=host, port=port
    )


def main(arguments=None):
    """Run the command ``sk-posters``.

    Parameters
    ----------
    arguments : list of str, default=None
        What stands behind the command; None takes what the shell gave.

    Returns
    -------
    int
        The exit code: 0 if all is well; 1 if a check has found errors or a poster could
        not be read; 2 if the command could not do its job; 130 after Ctrl-C.

    Examples
    --------
    >>> from sk_posters.cli import main
    >>> main(["--version"])
    sk-posters ...
    0
    """
    # TensorFlow reads it when it is imported: warnings and errors, no notes.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        app(arguments, prog_name="sk-posters")
    except SystemExit as stop:
        return stop.code or 0


def _verbose():
    return int(is_terminal(sys.stderr))


def _shown(path):
    return printable(shlex.quote(str(path)))


def _next(*steps):
    """Print what to do next, as lines that can be pasted."""
    typer.echo("\nnext:")
    for step in steps:
        words = " ".join(_shown(word) for word in step)
        typer.echo(f"  sk-posters {words}")


def _need_skops(name):
    """Say before any work that its result could not be saved."""
    from sk_posters._optional import import_optional

    import_optional("skops", extra="models", purpose=f"sk-posters {name}")


def _use_cache(folder):
    if folder is not None:
        os.environ["SK_POSTERS_CACHE"] = str(folder)


def _load(table, images, id_column):
    from sk_posters.datasets import load_poster_table

    if (table / "train.csv").is_file():
        table = table / "train.csv"
    return load_poster_table(table, images, id_column=id_column)


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


def _lines_of_stdin():
    """Yield lines of the standard input, which is not touched before it is asked."""
    yield from sys.stdin.buffer


def _train_and_save(posters, output, held_out, *, description, **options):
    from sk_posters._command._training import save, train

    trained = train(posters, verbose=_verbose(), **options)
    n_train, n_test = len(trained.train_rows), len(trained.test_rows)
    typer.echo(f"{n_train} posters to learn from, {n_test} held out\n")
    typer.echo(printable(str(trained.report)))
    save(trained, posters, output, description)
    typer.echo(f"\nwrote {_shown(output)}")
    if held_out is not None:
        from sk_posters._archive import part_beside

        with part_beside(held_out) as part:
            posters.frame.iloc[trained.test_rows].to_csv(part, index=False)
        typer.echo(f"wrote {_shown(held_out)}, the rows held out")

"""The commands that use a model: evaluate, predict, explain, report, export, app."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from sk_posters.cli._app import command
from sk_posters.cli._manners import FOUND, Stop
from sk_posters.cli._options import (
    Cache,
    Format,
    IdColumn,
    Images,
    Model,
    OnError,
    Resamples,
    Seed,
    Table,
    use_cache,
)
from sk_posters.cli._terminal import is_terminal, printable, shown

__all__ = ["app", "evaluate", "explain", "export", "predict", "report"]


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
    from sk_posters._base._predictions import predict_scores
    from sk_posters._base._unwrap import find_thresholds
    from sk_posters.cli._predictions import answering_once, opened, with_labels_of
    from sk_posters.cli._rows import check_target
    from sk_posters.cli._tables import load
    from sk_posters.metrics import multilabel_report

    if grad_cam and html is None:
        raise typer.BadParameter("--grad-cam needs --html FILE")
    check_target(html)
    use_cache(cache)
    posters = load(table, images, id_column)
    classifier, names = opened(model)
    y = with_labels_of(names, posters.target, table)
    answering_once(classifier)  # Both reports ask about the same posters.
    options = {"n_bootstrap": n_bootstrap, "random_state": random_state}
    thresholds = find_thresholds(classifier)
    report = multilabel_report(
        y,
        predict_scores(classifier, posters.data, n_labels=y.shape[1])[0],
        thresholds=0.5 if thresholds is None else thresholds,
        groups=posters.groups,
        **options,
    )
    typer.echo(printable(str(report)))
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
            **options,
        )
        typer.echo(f"wrote {shown(html)}")


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

    from sk_posters.cli._paths import paths_of
    from sk_posters.cli._predictions import Predictor, opened
    from sk_posters.cli._rows import check_target, format_of, opened_rows

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
        Option(
            metavar="NAME",
            help="A label to explain. As often as you like. Default: the three most "
            "probable ones of each poster.",
        ),
    ] = None,
):
    """Draw where in a poster the model sees a label (Grad-CAM).

    \b
    Example:
      sk-posters explain genres.model endgame.jpg --output endgame.png --label Action
    """
    from sk_posters._base._atomic import replace_when_done
    from sk_posters._base._optional import import_optional
    from sk_posters.cli._predictions import opened
    from sk_posters.cli._rows import check_target

    check_target(output)
    matplotlib = import_optional(
        "matplotlib", extra="plot", purpose="sk-posters explain"
    )
    matplotlib.use("Agg")  # Pictures go to files, also where there is a screen.
    from sk_posters.plotting import GradCAMDisplay

    classifier, names = opened(model)
    display = GradCAMDisplay.from_estimator(
        classifier,
        [str(path) for path in posters],
        labels=label or None,
        label_names=names,
        max_posters=len(posters),
    )
    with replace_when_done(output) as part:
        display.figure_.savefig(part, dpi=120, bbox_inches="tight")
    typer.echo(f"wrote {shown(output)}")


@command
def report(
    model: Model,
    json: Annotated[bool, Option("--json", help="As JSON, all of it.")] = False,
):
    """Print what is known of a model: labels, scores, versions.

    The model is not loaded. For scores on other posters, and a report with pictures,
    see evaluate.

    \b
    Example:
      sk-posters report genres.model
    """
    from sk_posters._persistence._models import model_card
    from sk_posters.cli._cards import card_text

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
    from sk_posters._persistence._onnx import export_onnx
    from sk_posters.cli._predictions import opened
    from sk_posters.cli._rows import check_target

    check_target(output)
    classifier, _ = opened(model)
    card = export_onnx(classifier, output)
    typer.echo(f"wrote {shown(output)}, which makes probabilities of:")
    for name, given in card["inputs"].items():
        height, width = given["image_size"]
        typer.echo(
            f"  {name} (uint8, n × {height} × {width} × 3, RGB, resized by "
            f"{given['interpolation']})"
        )


@command
def app(
    model: Model,
    posters: Annotated[
        Path | None,
        Option(
            metavar="TABLE",
            help="Show those of this table that are most alike, too, with their true "
            "labels: what the model has learned from.",
        ),
    ] = None,
    images: Images = None,
    id_column: IdColumn = "Id",
    cache: Cache = None,
    host: Annotated[
        str, Option(metavar="ADDRESS", help="127.0.0.1 is this computer alone.")
    ] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, metavar="N", help="Port.")] = 7860,
):
    """Open a web page that takes a poster and shows its labels.

    \b
    Examples:
      sk-posters app genres.model
      sk-posters app genres.model --posters train.csv --cache cache
    """
    from sk_posters.app import run_app
    from sk_posters.cli._predictions import prepared
    from sk_posters.cli._tables import load

    use_cache(cache)
    prepared(model)
    paths = target = None
    if posters is not None:
        table = load(posters, images, id_column)
        paths, target = table.data, table.target
        hint = "" if cache else "; --cache FOLDER keeps what it sees"
        typer.echo(f"looking at {len(paths)} posters first{hint}", err=True)
    run_app(model, posters=paths, target=target, host=host, port=port)


def _lines_of_stdin():
    """Yield lines of the standard input, which is not touched before it is asked."""
    yield from sys.stdin.buffer

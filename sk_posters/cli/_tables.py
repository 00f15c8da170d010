"""How commands read tables: options, errors in the words of options, test sets."""

import ast
import functools
import inspect
import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from sk_posters.cli._options import TABLE_NAME
from sk_posters.cli._terminal import escape_control, print_or_remember

__all__ = [
    "add_table_options",
    "find_table",
    "list_table_words",
    "load_folder",
    "load_table",
    "name_test_set",
    "print_reading",
]

TABLE_NAMES = (TABLE_NAME, "metadata.csv", "metadata.jsonl", "metadata.parquet")


class Missing(StrEnum):
    """What to do with rows without image or labels."""

    error = "raise"
    drop = "drop"


class SameName(StrEnum):
    """What files of one name in several folders are."""

    one = "one"
    different = "different"


OPTIONS = {
    "images": ("--images", "FOLDER", Path | None),
    "id_column": ("--id-column", "NAME", str | None),
    "label_columns": ("--label-column", "NAME", list[str] | None),
    "label_separator": ("--separator", "TEXT", str | None),
    "no_label": ("--no-label", "TEXT", list[str] | None),
    "unknown": ("--unknown", "TEXT", list[str] | None),
    "missing": ("--missing", None, Missing),
    "encoding": ("--encoding", "NAME", str | None),
    "same_name": ("--same-name", None, SameName | None),
}
DEFAULTS = {"missing": Missing.error}
HELP = {
    "images": "Folder of the images. Default: the folder Images next to the table, or "
    "the one there with the files.",
    "id_column": "Column with the ids or paths, which name the images. Default: the "
    "column whose values name files.",
    "label_columns": "Column with the labels of each row, or column of one label. Can "
    "be given several times. Default: all columns of 0 and 1, or the one with labels.",
    "label_separator": "Text between the labels of one row. Empty: the whole text is "
    "one label.",
    "no_label": "Value that says that no label applies, such as 'No Finding'. Can be "
    "given several times.",
    "unknown": "Value that says that a label is not known, such as '' or -1. Can be "
    "given several times.",
    "missing": "On a row without id, image or labels: stop, or drop it and count it.",
    "encoding": "Encoding of the table, such as cp1252. Default: UTF-8 where possible.",
    "same_name": "In a folder per label, files of one name with different contents: "
    "one image, or different ones.",
}
VALUE = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|\([^)]*\)"
ARGUMENT = re.compile(rf"\b({'|'.join(OPTIONS)})=({VALUE})")
AS_PARAMETER = re.compile(rf"\bas ({'|'.join(OPTIONS)})\b")


def add_table_options(function):
    """Give a command the options that say how a table is read, as `options`."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        options = {name: kwargs.pop(name) for name in OPTIONS}
        return function(*args, options=options, **kwargs)

    signature = inspect.signature(function)
    kept = [p for p in signature.parameters.values() if p.name != "options"]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=DEFAULTS.get(name),
            annotation=Annotated[kind, Option(word, metavar=metavar, help=HELP[name])],
        )
        for name, (word, metavar, kind) in OPTIONS.items()
    ]
    run.__signature__ = signature.replace(parameters=[*kept, *added])
    run.__annotations__ = {
        name: annotation
        for name, annotation in function.__annotations__.items()
        if name != "options"
    } | {parameter.name: parameter.annotation for parameter in added}
    return run


def find_table(path):
    """Return the file of a table, or of the table in a folder, or None."""
    if path.is_file():
        return path
    inside = (path / name for name in TABLE_NAMES)
    return next((table for table in inside if table.is_file()), None)


def load_table(path, options):
    """Load a table, the table in a folder, or a folder with one folder per label."""
    table = find_table(path)
    if table is None and path.is_dir():
        return load_folder(path, options)
    if table is None:
        raise FileNotFoundError(
            f"{str(path)!r} is neither a table nor a folder with {TABLE_NAME} or with "
            "one folder of images per label."
        )
    from sk_posters.datasets import load_poster_table

    options = {name: options[name] for name in OPTIONS if name != "same_name"}
    options["missing"] = options["missing"].value
    options["unknown"] = options["unknown"] or ()
    options["label_columns"] = options["label_columns"] or None
    return _load(load_poster_table, table, **options)


def load_folder(path, options):
    """Load a folder with one folder of images per label."""
    from sk_posters.datasets import load_poster_folder

    same_name = options["same_name"]
    same_name = None if same_name is None else same_name.value
    return _load(load_poster_folder, path, same_name=same_name)


def _load(load, path, **options):
    try:
        posters = load(path, **options)
    except UnicodeError:
        raise
    except (OSError, ValueError) as error:
        raise type(error)(_translate(str(error))) from error
    posters.reading = _translate(posters.reading)
    return posters


def _translate(text):
    """Return a text about parameters as one about options."""
    text = ARGUMENT.sub(_as_option, text)
    return AS_PARAMETER.sub(lambda found: f"with {OPTIONS[found[1]][0]}", text)


def _as_option(found):
    word = OPTIONS[found[1]][0]
    try:
        values = ast.literal_eval(found[2])
    except (SyntaxError, ValueError):
        return f"{word} {found[2]}"
    values = values if isinstance(values, (list, tuple)) else [values]
    return " ".join(
        "…" if value is ... else f"{word} {shlex.quote(str(value))}" for value in values
    )


def print_reading(posters):
    """Print how a table was read."""
    print_or_remember(f"{escape_control(posters.reading)}\n")


def list_table_words(options):
    """Return the words of the options that were given."""
    words = []
    for name, (word, *_) in OPTIONS.items():
        value = options[name]
        if value is None or value == DEFAULTS.get(name):
            continue
        for item in value if isinstance(value, list) else [value]:
            words += [word, item]
    return words


def name_test_set(posters, path, options):
    """Make the frame one that can be read from a path; return the words that it needs.

    A table of ids and labels is written as it is. Of all others, only the paths of the
    images and the labels are.
    """
    if not isinstance(posters.data[0], str):
        raise typer.BadParameter(
            "--held-out needs images in files, and those of this table are in it"
        )
    import pandas as pd

    images = Path(posters.data[0]).parent
    if _has_ids_and_labels(posters):
        words = []
        if images.resolve() != (path.parent / "Images").resolve():
            words = ["--images", images]
        if options["id_column"] is not None:
            words += ["--id-column", options["id_column"]]
        return words
    folder = path.parent.resolve()
    files = [Path(file).resolve() for file in posters.data]
    files = [
        file.relative_to(folder) if file.is_relative_to(folder) else file
        for file in files
    ]
    name = next(
        name for name in ("file", "path", "image") if name not in posters.target_names
    )
    posters.frame = posters.target.copy()
    # Objects, as names of files need not be UTF-8.
    names = pd.Series(list(map(str, files)), posters.frame.index, dtype=object)
    posters.frame.insert(0, name, names)
    if not posters.target.isna().any(axis=None):
        return []
    words = ["--unknown", "", "--id-column", name]
    return words + [w for n in posters.target_names for w in ("--label-column", n)]


def _has_ids_and_labels(posters):
    others = set(posters.frame) - set(posters.target_names) - {"Genre"}
    return (
        posters.label_form == "columns"
        and len(others) == 1
        and not posters.target.isna().any(axis=None)
        and not any("/" in str(group) for group in posters.groups)
    )

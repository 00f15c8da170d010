"""A table of any format as a frame of raw values."""

import importlib
import json
import os
from collections import Counter
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sk_posters._base._regular import NOT_A_FILE
from sk_posters._base._validation import check_text, shorten
from sk_posters._images._machine import explain_machine
from sk_posters.datasets._tables._compressed import (
    MAX_UNPACKED,
    TooLarge,
    check_unpacked,
    open_file,
    strip_compression,
)
from sk_posters.datasets._tables._delimited import read_delimited
from sk_posters.datasets._tables._json import read_json

__all__ = ["Source", "read_source"]

EXCEL = (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods")
PARQUET = (".parquet", ".pq")
# Spreadsheets append a few columns without names and values.
MAX_UNNAMED = 100
JSON = (".json", ".jsonl", ".ndjson")
# How much larger a table of Parquet gets, beside MAX_UNPACKED, where it is no bomb.
MAX_RATIO, N_ROWS_AT_ONCE = 10, 1024


class Source(NamedTuple):
    """A table as it was read: raw values, and what there is to say about it."""

    frame: pd.DataFrame
    name: str
    folder: Path
    lines: list


def read_source(table, encoding=None):
    """Read a file of any format, or take a frame."""
    if isinstance(table, (str, os.PathLike)):
        path = Path(table)
        frame, line = _read_file(path, encoding)
        name, folder = str(path), path.parent
    else:
        frame, line = _take_frame(table)
        name, folder = "table", Path()
    lines = [f"table: {line}"]
    frame = _name_columns(frame, name, lines)
    if not len(frame):
        raise ValueError(f"{name}: the table has a header, but no rows.")
    return Source(frame, name, folder, lines)


def _read_file(path, encoding):
    if path.is_dir():
        raise IsADirectoryError(
            f"table must be a file, but {str(path)!r} is a folder. "
            f"Give the file in it, such as {str(path / 'train.csv')!r}, or use "
            "load_poster_folder for one folder per label."
        )
    if path.exists() and not path.is_file():
        raise ValueError(
            f"table must be a file, but {str(path)!r} is {NOT_A_FILE}. Write what it "
            "gives into a file first."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table {str(path)!r}. Give the path of a CSV file as table, "
            "or of one of the other formats."
        )
    suffix = strip_compression(path).suffix.lower()
    if suffix in EXCEL:
        return _read_excel(path)
    if suffix in PARQUET:
        return _read_parquet(path)
    if suffix in (".feather", ".arrow"):
        return _read_feather(path)
    if suffix in JSON or _starts_like_json(path):
        return read_json(path, encoding)
    return read_delimited(path, suffix, encoding)


def _starts_like_json(path):
    with open_file(path) as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith((b'{"', b'[{"', b"[\n", b"{\n"))


@contextmanager
def _name_file(path, kind, way):
    """Name the file in errors of a package that reads it."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{path}: pandas needs a package to read {kind}: {error} {way}, or save "
            "the table as CSV."
        ) from error
    except TooLarge:
        raise
    except Exception as error:  # Damaged files make readers raise nearly anything.
        if explain_machine(error, path) is not None:
            raise
        raise ValueError(
            f"{path}: the table cannot be read as {kind}, it may be damaged "
            f"({type(error).__name__}: {str(error)[:200]!r}). Write the file again, or "
            "save the table as CSV."
        ) from error


def _read_excel(path):
    check_unpacked(path)
    way = "Install what it names (pip install openpyxl for .xlsx)"
    # As objects and without a header, as in a text file: pandas would rename
    # repeated columns and take the label "N/A" for a missing value.
    with _name_file(path, "Excel", way), pd.ExcelFile(path) as book:
        sheets = book.sheet_names
        rows = pd.read_excel(
            book, sheets[0], header=None, dtype=object, keep_default_na=False
        )
    if rows.empty:
        raise ValueError(f"{path}: the table is empty, not even a header.")
    line = f"Excel, sheet {sheets[0]!r}"
    if len(sheets) > 1:
        line += f", the first of {len(sheets)} sheets"
    table = rows.iloc[1:].reset_index(drop=True)
    return table.set_axis(rows.iloc[0].tolist(), axis=1), line


def _read_feather(path):
    with _name_file(path, "Feather", "Install pyarrow (pip install pyarrow)"):
        feather = importlib.import_module("pyarrow.feather")
        # pyarrow ends the process where damaged offsets are followed.
        feather.read_table(path).validate(full=True)
        return pd.read_feather(path), "Feather"


def _read_parquet(path):
    with _name_file(path, "Parquet", "Install it (pip install pyarrow)"):
        content, parquet = None, _import_parquet()
        if parquet is not None:
            _check_size(path, parquet)
            content = (parquet.read_schema(path).metadata or {}).get(b"huggingface")
        frame = _keep_index(pd.read_parquet(path))
    for name, classes in _find_class_names(content, path).items():
        if name in frame:
            frame[name] = _name_classes(frame[name], classes, path)
    return frame, "Parquet"


def _import_parquet():
    """Return pyarrow's module, None where pandas reads with another package."""
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError:
        return None


def _check_size(path, parquet):
    """Refuse a table of Parquet that is much larger than it seems."""
    most, size = MAX_UNPACKED + MAX_RATIO * path.stat().st_size, 0
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=N_ROWS_AT_ONCE):
            batch.validate(full=True)
            size += batch.nbytes
            if size > most:
                raise TooLarge(path, most, "read it with pandas, and give the frame")


def _find_class_names(content, path):
    """Return the names of classes that Hugging Face keeps beside their numbers."""
    if content is None:
        return {}
    try:
        features = json.loads(content)["info"]["features"].items()
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as err:
        raise _refuse_metadata(path, f"no features ({type(err).__name__})") from err
    found = {}
    for name, feature in features:
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            found[name] = _check_class_names(inner.get("names") or [], name, path)
    return {name: classes for name, classes in found.items() if classes}


def _check_class_names(names, column, path):
    fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not fits or len(set(names)) < len(names):
        what = f"{ascii(names)[:80]} as the names of classes in column {column!a:.80}"
        raise _refuse_metadata(path, what)
    return names


def _refuse_metadata(path, found):
    return ValueError(
        f"{path}: its metadata 'huggingface' must name the classes of each column, a "
        f"list of different texts; got {found}. Write the file again with datasets, or "
        "read it with pandas.read_parquet, name the classes, and give the frame."
    )


def _name_classes(column, classes, path):
    def find(number, row):
        is_number = isinstance(number, (Integral, float))
        if is_number and 0 <= number < len(classes) and number == int(number):
            return classes[int(number)]
        raise ValueError(
            f"{path}: column {column.name!r} must hold numbers of its {len(classes)} "
            f"classes, from 0 to {len(classes) - 1}; got {number!r:.80} in row {row} "
            "(counted from 0). Correct it, or give the table as CSV, with names."
        )

    def name(value, row):
        if hasattr(value, "tolist") and getattr(value, "ndim", 0):
            value = value.tolist()
        if isinstance(value, list):
            return [find(number, row) for number in value]
        if value is None or value is pd.NA or value != value or value == -1:
            return None  # What is missing is -1 there.
        return find(value, row)

    named = [name(value, row) for row, value in enumerate(column)]
    return pd.Series(named, column.index, dtype=object)


def _take_frame(table):
    if isinstance(table, pd.DataFrame):
        return _keep_index(table), "a pandas DataFrame"
    kind = type(table)
    of = f"a {kind.__module__.partition('.')[0]} {kind.__name__}"
    if hasattr(table, "collect") and not hasattr(table, "to_pandas"):
        table = table.collect()
    try:
        if hasattr(table, "to_pandas"):
            return table.to_pandas(), of
        return pd.api.interchange.from_dataframe(table), of
    except ImportError as error:
        raise ImportError(
            f"table is {of}, which needs a package to become a pandas DataFrame: "
            f"{error}. Install it (pip install pyarrow)."
        ) from error


def _keep_index(frame):
    """Return the frame with an index that may name the images as a column."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise ValueError(
            "table must have one row of column names: got a MultiIndex of "
            f"{frame.columns.nlevels} levels. Join them to one name per column."
        )
    is_named = any(name is not None for name in frame.index.names)
    if is_named or not pd.api.types.is_integer_dtype(frame.index.dtype):
        return frame.reset_index()
    return frame.reset_index(drop=True)


def _name_columns(frame, source, lines):
    """Strip the names, give one to columns without, and refuse repeated ones."""
    names = [_as_name(name) for name in frame.columns]
    check_text(names, f"{source}: names of columns")
    if names.count("") > MAX_UNNAMED:
        raise ValueError(
            f"{source}: {names.count('')} columns have no name. Give each a name in "
            "the first line, or drop them."
        )
    empty = [
        k for k, name in enumerate(names) if not name and _is_empty(frame.iloc[:, k])
    ]
    if empty:
        kept = [k for k in range(len(names)) if k not in empty]
        frame, names = frame.iloc[:, kept], [names[k] for k in kept]
        lines.append(f"left out: {len(empty)} columns without name and values")
    names = [name or f"Unnamed: {k}" for k, name in enumerate(names)]
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise ValueError(
            f"{source}: columns must differ, but these occur more than once: "
            f"{shorten(doubled)}. Rename or drop all but one of each."
        )
    return frame.set_axis(names, axis=1)


def _as_name(name):
    return "" if name is None or name != name else str(name).strip()


def _is_empty(column):
    return all(value is None or value != value or value == "" for value in column)

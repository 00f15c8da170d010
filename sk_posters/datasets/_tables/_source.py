"""A table of any format as a frame of raw values."""

import importlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sk_posters._base._regular import NOT_A_FILE
from sk_posters._base._validation import shorten
from sk_posters.datasets._tables._compressed import open_file, strip_compression
from sk_posters.datasets._tables._delimited import read_delimited
from sk_posters.datasets._tables._json import read_json

__all__ = ["Source", "read_source"]

EXCEL = (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods")
PARQUET = (".parquet", ".pq")
# Spreadsheets append a few columns without names and values.
MAX_UNNAMED = 100
JSON = (".json", ".jsonl", ".ndjson")


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
        return pd.read_feather(path), "Feather"
    if suffix in JSON or _starts_like_json(path):
        return read_json(path, encoding)
    return read_delimited(path, suffix, encoding)


def _starts_like_json(path):
    with open_file(path) as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith((b'{"', b'[{"', b"[\n", b"{\n"))


def _read_excel(path):
    try:
        # As objects and without a header, as in a text file: pandas would rename
        # repeated columns and take the label "N/A" for a missing value.
        with pd.ExcelFile(path) as book:
            sheets = book.sheet_names
            rows = pd.read_excel(
                book, sheets[0], header=None, dtype=object, keep_default_na=False
            )
    except ImportError as error:
        raise ImportError(
            f"{path}: pandas cannot read this Excel file: {error} Install what it "
            "names (pip install openpyxl for .xlsx), or save the sheet as CSV."
        ) from error
    if rows.empty:
        raise ValueError(f"{path}: the table is empty, not even a header.")
    line = f"Excel, sheet {sheets[0]!r}"
    if len(sheets) > 1:
        line += f", the first of {len(sheets)} sheets"
    table = rows.iloc[1:].reset_index(drop=True)
    return table.set_axis(rows.iloc[0].tolist(), axis=1), line


def _read_parquet(path):
    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            f"{path}: pandas needs a package to read Parquet: pip install pyarrow, or "
            "save the table as CSV."
        ) from error
    for name, classes in _find_class_names(path).items():
        frame[name] = _name_classes(frame[name], classes)
    return frame, "Parquet"


def _find_class_names(path):
    """Return the names of classes that Hugging Face keeps beside their numbers."""
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return {}
    content = (parquet.read_schema(path).metadata or {}).get(b"huggingface")
    features = json.loads(content)["info"]["features"] if content else {}
    found = {}
    for name, feature in features.items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel":
            found[name] = inner.get("names") or []
    return {name: classes for name, classes in found.items() if classes}


def _name_classes(column, classes):
    def name(value):
        if isinstance(value, (int, float)) and value == value and value >= 0:
            return classes[int(value)]
        if hasattr(value, "tolist") or isinstance(value, list):
            return [classes[int(number)] for number in value]
        return None

    return pd.Series([name(value) for value in column], column.index, dtype=object)


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

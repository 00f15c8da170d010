"""One partition of posters through a model, into one Parquet file, or not at all."""

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from sk_posters._base._atomic import read_file, write_file
from sk_posters._base._optional import import_optional
from sk_posters._base._predictions import as_scores
from sk_posters._base._regular import open_regular
from sk_posters._base._threads import ForkSafeLock
from sk_posters._base._unwrap import refuse_bad_files
from sk_posters._base._zip import unpack
from sk_posters._images._cache import hash_source
from sk_posters._images._machine import was_not_read
from sk_posters._images._sources import MemoryImage, check_sources
from sk_posters._persistence._models import load_model
from sk_posters.exceptions import PosterFileError

__all__ = [
    "PART",
    "Count",
    "Job",
    "find_finished_partition",
    "forget_models",
    "model_fingerprint",
    "part_file",
    "predict_partition",
]

METADATA = b"sk_posters"
PART_NAME = "part-{:08d}.parquet"
PART = re.compile(r"part-(\d{8})\.parquet")
PURPOSE = "predict_to_parquet"

_loaded = {}
_lock = ForkSafeLock()


class Job(NamedTuple):
    """What all partitions of a run have in common."""

    folder: str
    model_file: str
    sha256: str
    model: str
    method: str
    label_names: list | None
    trusted: tuple


class Count(NamedTuple):
    """Rows of a partition."""

    n_rows: int
    n_failed: int


def model_fingerprint(content):
    """Name a model by what it has learned, not by when and where it was saved."""
    anything = {"what": "it", "names": ".*"}
    parts = unpack(content, required=("estimator.skops",), **anything)
    parts = unpack(parts["estimator.skops"], required=("schema.json",), **anything)

    # skops names arrays by where they were in memory.
    def identify_by_content(match):
        part = parts.get(match[1])
        return match[0] if part is None else f'"{hashlib.sha256(part).hexdigest()}"'

    schema = parts["schema.json"].decode()
    schema = re.sub(r'"([\w-]+\.(?:npy|bin))"', identify_by_content, schema)
    return hashlib.sha256(schema.encode()).hexdigest()


def part_file(folder, number):
    """Return the file of a partition: names sort as numbers do."""
    return Path(folder, PART_NAME.format(number))


def find_finished_partition(paths, number, job):
    """Look for the file of a partition."""
    pyarrow = import_optional("pyarrow", extra="distributed", purpose=PURPOSE)
    parquet = import_optional("pyarrow.parquet", extra="distributed", purpose=PURPOSE)
    file = part_file(job.folder, number)
    try:
        with (
            open(file, "rb", opener=open_regular) as content,
            parquet.ParquetFile(content, page_checksum_verification=True) as opened,
        ):
            table = opened.read()
    except (OSError, pyarrow.ArrowException):
        return None
    found = (table.schema.metadata or {}).get(METADATA)
    if found != _metadata(_as_list(paths), job):
        raise ValueError(
            f"{str(file)!r} does not hold the predictions of this call: it was written "
            "for other posters, in another order or partition, or for another model. "
            "Pass another folder, or delete this one to start again."
        )
    if _has_come_back(paths, table["error"].to_pylist()):
        return None
    return Count(len(table), len(table) - table["error"].null_count)


def _has_come_back(paths, errors):
    """Return whether a file that could not be opened can be, now that a disk is back.

    An image that was opened and refused stays as it is.
    """
    return any(
        error is not None
        and was_not_read(error)
        and isinstance(source, str)
        and os.path.isfile(source)
        and os.access(source, os.R_OK)
        for source, error in zip(_as_list(paths), errors, strict=True)
    )


def predict_partition(paths, number, job):
    """Predict a partition and write the predictions."""
    paths = _as_list(paths)
    reasons, values, names = _predict(paths, job)
    names_of_rows = [str(path) for path in paths]
    bad = np.array([name in reasons for name in names_of_rows], dtype=bool)
    shown = [_encode_name(name) for name in names_of_rows]
    frame = {"path": pd.array(shown, dtype="string")}
    for name, column in zip(names, values.T, strict=True):
        frame[name] = _with_gaps(column, bad)
    errors = [reasons.get(name) for name in names_of_rows]
    errors = [error and _encode_text(error) for error in errors]
    frame["error"] = pd.array(errors, dtype="string")
    write_file(
        part_file(job.folder, number),
        _parquet(pd.DataFrame(frame), _metadata(paths, job)),
    )
    return Count(len(paths), int(bad.sum()))


def _encode_name(path):
    """Return a path as Parquet can hold it: one that is not UTF-8 as a ``file:`` URI.

    No path is such a URI, as URLs are refused.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return path


def _encode_text(text):
    return text.encode(errors="backslashreplace").decode()


def forget_models():
    """Free the memory of the model that this process keeps."""
    with _lock:
        _loaded.clear()


def _as_list(paths):
    """Return the paths of a partition, which may have none."""
    paths = paths if hasattr(paths, "shape") else list(paths)
    return list(check_sources(paths)) if len(paths) else []


def _metadata(paths, job):
    names = [_name_content(path) for path in paths]
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogateescape"))
    known = {
        "model": job.model,
        "method": job.method,
        "columns": job.label_names,
        "paths": digest.hexdigest(),
    }
    return json.dumps(known).encode()


def _name_content(source):
    """Return a path, or for an image in memory a digest of its content."""
    if not isinstance(source, MemoryImage):
        return source
    try:
        return f"sha256 {hash_source(source).hexdigest()}"
    except PosterFileError:
        return str(source)


def _predict(paths, job):
    """Return reasons of bad files, predictions of the others, and column names."""
    model = _model(job)
    reasons = {}
    while True:
        good = [path for path in paths if str(path) not in reasons]
        try:
            values, names = (
                _call(model, good, job) if good else _predict_none(model, job)
            )
        except PosterFileError as error:
            # A part of the model that invents paths would go on for ever.
            names = {str(path) for path in good}
            new = {name: why for name, why in error.failed if name in names}
            if not new:
                raise
            reasons |= new
        else:
            return reasons, values, names


def _call(model, paths, job):
    values = getattr(model, job.method)(np.array(paths, dtype=object))
    if job.method == "predict_proba":
        n_labels = None if job.label_names is None else len(job.label_names)
        dtype = getattr(values, "dtype", float)
        values = as_scores(values, model, n_labels)[0].astype(dtype, copy=False)
    values = np.asarray(values).reshape(len(paths), -1)
    return values, _column_names(model, values.shape[1], job)


def _predict_none(model, job):
    """Return no predictions, in the form that the model gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "blank.png"))
        Image.new("RGB", (64, 64)).save(path)
        values, names = _call(model, [path], job)
    return values[:0], names


def _column_names(model, n_columns, job):
    if job.method == "transform":
        if hasattr(model, "get_feature_names_out"):
            return [str(name) for name in model.get_feature_names_out()]
        return [f"feature_{number}" for number in range(n_columns)]
    if job.label_names is None:
        return [f"label_{number}" for number in range(n_columns)]
    if len(job.label_names) != n_columns:
        raise ValueError(
            f"label_names has {len(job.label_names)} names, and {job.method} gives "
            f"{n_columns} columns: pass a name for each."
        )
    return job.label_names


def _with_gaps(column, bad):
    """Spread the predictions over all rows, in a type that does not depend on gaps."""
    if column.dtype.kind == "f":
        full = np.full(len(bad), np.nan, dtype=column.dtype)
        full[~bad] = column
        return full
    values = pd.array(column) if column.dtype.kind in "iub" else None
    if values is None:
        values = pd.array([str(value) for value in column], dtype="string")
    full = pd.array([pd.NA] * len(bad), dtype=values.dtype)
    full[~bad] = values
    return full


def _parquet(frame, metadata):
    pyarrow = import_optional("pyarrow", extra="distributed", purpose=PURPOSE)
    parquet = import_optional("pyarrow.parquet", extra="distributed", purpose=PURPOSE)
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**table.schema.metadata, METADATA: metadata})
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue().to_pybytes()


def _model(job):
    """Return the model of a run, loaded once per process."""
    with _lock:
        if job.sha256 not in _loaded:
            content = read_file(job.model_file)
            if hashlib.sha256(content).hexdigest() != job.sha256:
                raise ValueError(
                    f"{job.model_file!r} has changed since the run began: delete "
                    f"{job.folder!r}, or pass another folder, to start again."
                )
            _loaded.clear()
            _loaded[job.sha256] = refuse_bad_files(
                load_model(job.model_file, trusted=job.trusted)
            )
        return _loaded[job.sha256]

"""The folder of a run: which model and which posters its predictions are of."""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from sk_posters._base._atomic import (
    match_parts,
    read_file,
    remove_abandoned,
    write_file,
)
from sk_posters._base._regular import read_regular
from sk_posters._base._validation import check_text
from sk_posters._persistence._models import model_card, save_model
from sk_posters.distributed._partition import PART, Job, model_fingerprint

__all__ = ["open_folder"]

FORMAT, FORMAT_VERSION = "sk_posters answers", 1
# Readers of Parquet ignore names that start with an underscore or a dot.
RUN, MODEL = "_run.json", "_model.skops"
OWN_COLUMNS = ("path", "error")
NEXT = "Pass another folder, or delete this one to start again"
# A file is written in seconds; one that is still temporary after an hour was left
# behind by a process that was killed.
STALE_AFTER = 3600


def open_folder(folder, model, *, method, label_names, trusted, n_partitions):
    """Make a folder for a run, or continue the run in it."""
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _check_files(folder, n_partitions)
    content, names = _read_model(model, trusted)
    names = names if label_names is None else [str(name) for name in label_names]
    _check_names(names)
    asked = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": model_fingerprint(content),
        "method": method,
        "label_names": names,
        "n_partitions": n_partitions,
    }
    sha256 = _begin(folder, asked, content)
    return Job(
        folder=str(folder),
        model_file=str(folder / MODEL),
        sha256=sha256,
        model=asked["model"],
        method=method,
        label_names=names,
        trusted=tuple(trusted),
    )


def _check_files(folder, n_partitions):
    remove_abandoned(folder, match_parts(".*", ".*"), STALE_AFTER)
    names = sorted(os.listdir(folder))
    parts = {name: PART.fullmatch(name) for name in names}
    others = [
        name
        for name in names
        if not (parts[name] or name in (RUN, MODEL) or name.startswith("."))
    ]
    if others:
        raise ValueError(
            "folder must be new, empty, or hold the predictions of a run: "
            f"{str(folder)!r} holds {others[0]!r}, which belongs to no run. Pass "
            "another folder."
        )
    late = [
        name for name in names if parts[name] and int(parts[name][1]) >= n_partitions
    ]
    if late:
        raise ValueError(
            f"{str(folder)!r} holds {late[0]!r}, and the posters make {n_partitions} "
            f"partitions only, so it is of other posters. {NEXT}."
        )


def _read_model(model, trusted):
    """Return the bytes of a model file, and the names of its labels."""
    if isinstance(model, str | os.PathLike):
        return read_file(model), model_card(model)["label_names"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, MODEL)
        card = save_model(model, file, trusted=trusted)
        return file.read_bytes(), card["label_names"]


def _check_names(names):
    check_text(names or (), "label_names")
    if names and (len(set(names)) < len(names) or set(names) & set(OWN_COLUMNS)):
        raise ValueError(
            f"label_names must differ from each other, and from the columns "
            f"{OWN_COLUMNS!r}: got {names!r}. Pass other label_names."
        )


def _begin(folder, asked, content):
    """Write or check the description of a run; return the checksum of its model."""
    begun = _read_run(folder)
    if begun is not None:
        for key, value in asked.items():
            if begun.get(key) != value:
                raise ValueError(
                    f"{str(folder)!r} holds a run of another {key.replace('_', ' ')}: "
                    f"this call has {value!r}, its {RUN} says {begun.get(key)!r}. "
                    f"{NEXT}."
                )
        with suppress(OSError, ValueError):
            kept = read_file(folder / MODEL)
            if model_fingerprint(kept) == asked["model"]:
                return hashlib.sha256(kept).hexdigest()
    write_file(folder / MODEL, content)
    if begun is None:
        write_file(folder / RUN, json.dumps(asked, indent=1).encode())
    return hashlib.sha256(content).hexdigest()


def _read_run(folder):
    file = folder / RUN
    try:
        found = json.loads(read_regular(file))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(
            f"{str(file)!r} is damaged ({error}). Delete this file only: the "
            "predictions next to it carry their own description."
        ) from error
    return found if isinstance(found, dict) else {}

"""What the benchmarks share: posters, sides run in turn, a table and a JSON file."""

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from joblib import cpu_count

PACKAGES = (
    "sk-posters",
    "tensorflow",
    "keras",
    "scikit-learn",
    "numpy",
    "pandas",
    "pillow",
    "scikeras",
    "torch",
    "jax",
    "onnxruntime",
    "onnxruntime-gpu",
    "PyTurboJPEG",
)
OPTIONS = {
    "n_samples": "posters",
    "image_size": "height and width in pixels",
    "epochs": "epochs, two or more",
    "batch_size": "posters in a training step",
    "steps": "timed steps",
    "folds": "folds of the search",
}
# sk_posters may have set the first one in this process; a side without a wish of its
# own shall have what TensorFlow, or sk_posters, chooses, and shall decode its posters.
NOT_INHERITED = ("TF_ENABLE_ONEDNN_OPTS", "SK_POSTERS_CACHE")
N_LABELS = 25  # As many as the tutorial's network answers for.


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison, measured in a process of its own.

    Parameters
    ----------
    function : str
        The function of the benchmark that takes the job and returns figures.
    environment : dict, default={}
        Environment variables of this side's process.
    changes : dict, default={}
        What this side's job has otherwise than the other sides' jobs.
    """

    function: str
    environment: dict = dataclasses.field(default_factory=dict)
    changes: dict = dataclasses.field(default_factory=dict)


def parser(doc, *, data=True, repeat, **defaults):
    """Return a parser with the options that benchmarks have in common.

    Parameters
    ----------
    doc : str
        The benchmark's docstring.
    data : bool, default=True
        Whether posters are needed.
    repeat : int
        Default of ``--repeat``.
    **defaults : dict
        Defaults of those in `OPTIONS` that the benchmark has.
    """
    result = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def add(name, default, text, kind=int):
        result.add_argument(
            name, type=kind, default=default, help=f"{text} (default: {default})"
        )

    if data:
        result.add_argument(
            "--data",
            type=Path,
            help="folder with train.csv and Images/ (default: draw posters)",
        )
    for name, default in defaults.items():
        add(f"--{name.replace('_', '-')}", default, OPTIONS[name])
    add("--repeat", repeat, "how often every side runs, in turn")
    add("--output", Path("examples/output"), "folder of the JSON file", Path)
    return result


def parsed(parser, arguments):
    """Parse, and refuse what cannot be measured."""
    options = parser.parse_args(arguments)
    if getattr(options, "epochs", 2) < 2:
        parser.error("--epochs must be 2 or more: the first one traces the graph")
    if options.repeat < 1:
        parser.error("--repeat must be 1 or more")
    return options


def job_of(options, n_samples=None):
    """Return what the sides need to know, paths and labels included."""
    job = {
        name: value
        for name, value in vars(options).items()
        if name not in ("data", "output", "repeat")
    }
    n_samples = n_samples or getattr(options, "n_samples", None)
    if n_samples is not None:
        posters = load(options.data, n_samples)
        job["paths"] = [str(path) for path in posters.data[:n_samples]]
        job["target"] = posters.target[:n_samples].to_numpy().tolist()
    return job


def load(folder, n_samples):
    """Load the posters of a folder, or draw some."""
    from sk_posters.datasets import load_poster_table, make_posters

    if folder is None:
        return make_posters(n_samples, n_labels=N_LABELS, random_state=0, verbose=1)
    posters = load_poster_table(folder / "train.csv")
    if len(posters.data) < n_samples:
        raise SystemExit(
            f"{folder} holds {len(posters.data)} posters, and {n_samples} are asked "
            "for: give fewer."
        )
    return posters


def split_by_group(n_splits, y, groups):
    """Return stratified folds that part no group, in the same order at each call."""
    from sk_posters.model_selection import MultilabelStratifiedGroupKFold

    folds = MultilabelStratifiedGroupKFold(n_splits, shuffle=True, random_state=0)
    return list(folds.split(np.zeros(len(y)), y, groups))


def frequencies_of(y, splits):
    """Return, for each row, how frequent labels are where its fold is left out."""
    scores = np.empty(y.shape)
    for train, test in splits:
        scores[test] = y[train].mean(axis=0)
    return scores


def in_turn(script, sides, job, repeat):
    """Run all sides, then all again, so that a machine that drifts hurts all alike.

    Parameters
    ----------
    script : str
        The benchmark: its ``__file__``.
    sides : dict of str to Side
        The sides and their names.
    job : dict
        What the sides are given.
    repeat : int
        How often each side runs.

    Returns
    -------
    dict of str to list of dict
        The figures of every run of each side.
    """
    runs = {name: [] for name in sides}
    for number in range(1, repeat + 1):
        for name, side in sides.items():
            print(f"run {number} of {repeat}: {name}", file=sys.stderr, flush=True)
            runs[name].append(run_side(script, side, job))
    return runs


def run_side(script, side, job):
    """Measure one side in a process of its own and return its figures."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    for name in NOT_INHERITED:
        environment.pop(name, None)
    environment.update(side.environment)
    runner = Path(__file__).with_name("_side.py")
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "job.json"), Path(folder, "figures.json")
        given.write_text(json.dumps({**job, **side.changes}))
        started = time.perf_counter()
        process = subprocess.run(
            [sys.executable, runner, script, side.function, given, found],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if process.returncode:
            raise RuntimeError(
                f"The side {side.function!r} of {Path(script).name} failed with exit "
                f"status {process.returncode}:\n{process.stderr[-4000:]}"
            )
        figures = json.loads(found.read_text())
    return {**figures, "whole process, s": time.perf_counter() - started}


def summary(runs, reference=None):
    """Return median, least and greatest value of each figure, and ratios of medians.

    Parameters
    ----------
    runs : dict of str to list of dict
        What `in_turn` returns.
    reference : str, default=None
        The side that the medians of all others are divided by.

    Returns
    -------
    dict of str to dict of str to dict
        By figure and side.
    """
    result = {}
    for side, figures in runs.items():
        for name, value in figures[0].items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                values = [run[name] for run in figures]
                result.setdefault(name, {})[side] = {
                    "median": float(np.median(values)),
                    "min": min(values),
                    "max": max(values),
                }
    for sides in result.values():
        divisor = sides.get(reference, {}).get("median")
        for row in sides.values():
            row["ratio"] = row["median"] / divisor if divisor else None
    return result


def median(runs, side, figure):
    """Return the median of a figure over the runs of a side."""
    return float(np.median([run[figure] for run in runs[side]]))


def print_table(table, reference=None):
    """Print what `summary` returns: figures of several sides, then those of one."""
    width = max(len(name) for sides in table.values() for name in [*table, *sides])
    ratio = "" if reference is None else f"÷ {reference}"
    alone = {}
    for figure, sides in table.items():
        if len(sides) > 1:
            _print_block(figure, sides, width, ratio)
        else:
            [(side, row)] = sides.items()
            alone.setdefault(side, {})[figure] = {**row, "ratio": None}
    for side, rows in alone.items():
        _print_block(side, rows, width, "")


def _print_block(title, rows, width, ratio):
    heads = ["median", "min", "max", ratio]
    print(f"\n{title:{width}}" + "".join(f"{head:>14}" for head in heads).rstrip())
    for name, row in rows.items():
        cells = [row[key] for key in ("median", "min", "max", "ratio")]
        cells = [cell for cell in cells if cell is not None]
        print(f"{name:{width}}" + "".join(f"{cell:>14.4g}" for cell in cells))


def report(script, options, runs, *, reference=None, derived=None):
    """Print the table and what is derived from it, and write all of it as JSON.

    Parameters
    ----------
    script : str
        The benchmark: its ``__file__``.
    options : argparse.Namespace
        Its options.
    runs : dict of str to list of dict
        What `in_turn` returns.
    reference : str, default=None
        The side that others are divided by.
    derived : dict of str to float or list, default=None
        Figures made of more than one side's.
    """
    table = summary(runs, reference)
    print_table(table, reference)
    print()
    for name, value in (derived or {}).items():
        print(f"{name}: {value:.4g}")
    for side, (run, *_) in runs.items():
        if run.get("oneDNN") is not None:
            print(f"oneDNN, {side}: {'on' if run['oneDNN'] else 'off'}")
    name = Path(script).stem
    content = {
        "benchmark": name,
        "machine": machine(),
        "posters": "drawn" if getattr(options, "data", None) is None else "own",
        "options": {
            key: value
            for key, value in vars(options).items()
            if not isinstance(value, Path)
        },
        "table": table,
        "derived": derived or {},
        "runs": runs,
    }
    write_json(options, name, content)


def write_json(options, name, content):
    """Write what a benchmark found to a JSON file, and say where."""
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / f"{name}.json"
    file.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {file}")


def machine():
    """Return processor, cores and versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu_model(),
        "cores": cpu_count(),
        "gpus": list_gpu_names(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }


def list_gpu_names():
    """Return the names of NVIDIA's GPUs."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return found.stdout.split("\n")[:-1]


def _cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()

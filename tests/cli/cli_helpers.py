"""Helpers of several tests of the command."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from typer.testing import CliRunner

from sk_posters.cli._main import command_line
from sk_posters.exceptions import PosterFileError

ROOT = Path(__file__).parents[2]
GROUP = typer.main.get_command(command_line)
COMMAND = [sys.executable, "-m", "sk_posters"]
# Few pixels are enough for drawn motifs, and quick to process.
SMALL = ["--param", "image_size=(64, 48)", "--param", "interpolation=nearest"]
SMALL += ["--param", "C=0.1", "--n-bootstrap", "20"]
RARE = "ignore:.*(labels are|has no positive|is undefined|is ill-defined):UserWarning"


def run(*arguments, **options):
    """Run a command in this process."""
    return CliRunner().invoke(
        command_line, [str(word) for word in arguments], **options
    )


class Stub:
    """A model of two labels that predicts from the names of the paths."""

    names = ["Short", "Odd"]

    def __init__(self):
        self.batches = []

    def predict_proba(self, paths):
        bad = [(path, "it is bad") for path in paths if "bad" in path]
        if bad:
            raise PosterFileError(bad)
        self.batches.append(len(paths))
        return np.array([[len(path) < 8, 0.25] for path in paths], dtype=float)

    def predict(self, paths):
        return (self.predict_proba(paths) > 0.5).astype(int)


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return list(names)


def copy_with_bad_files(table, folder, rows):
    """Copy a table and its images; the images of some rows become text."""
    target = shutil.copytree(table.parent, folder / "copy")
    ids = pd.read_csv(table, dtype={"Id": str})["Id"]
    for row in rows:
        (target / "Images" / f"{ids[row]}.jpg").write_text("no image")
    return target


def find_examples(text):
    return re.findall(r"(?:^|\| |&& )\s*(sk-posters .*)$", text, flags=re.MULTILINE)


def parse(line):
    """Parse a line of a shell as the command does, without running it."""
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    if "--help" in words:
        return
    GROUP.commands[words[0]].make_context(words[0], words[1:])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def start(*words, **options):
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        **{**streams, "stderr": subprocess.PIPE, "env": make_environment(), **options},
    )


def make_environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}

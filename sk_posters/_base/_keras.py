"""Keras, or an error that says what its backend lacks."""

import importlib.util
import json
import os
import sys
from pathlib import Path

__all__ = ["check_backend", "keras"]

BACKENDS = ("tensorflow", "jax", "torch")
SETTING = "KERAS_BACKEND"


def check_backend():
    """Raise an error in our own words where Keras cannot be imported."""
    name, source = _find_backend()
    if name not in BACKENDS:
        raise ValueError(
            f"{source} is {name!r}, and networks run on 'tensorflow', 'jax' or "
            f"'torch'. Set {SETTING} to one of them before Python starts: "
            f"{SETTING}=tensorflow."
        )
    if not _is_installed(name):
        others = [other for other in BACKENDS if _is_installed(other)]
        choice = f", or set {SETTING} to {' or '.join(map(repr, others))}"
        raise ImportError(
            f"{source} is {name!r}, and the package {name!r}, on which networks run "
            f"then, is not installed. Install it with: pip install {name}"
            f"{choice if others else ''}."
        )


def _find_backend():
    """Return the backend that Keras would take, and what says so."""
    name = os.environ.get(SETTING)
    if name:
        return name, SETTING
    home = os.environ.get("KERAS_HOME", Path.home() / ".keras")
    file = Path(home) / "keras.json"
    try:
        return json.loads(file.read_text())["backend"], f'"backend" in {file}'
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", f"The default of {SETTING}"


def _is_installed(package):
    return importlib.util.find_spec(package) is not None


if "keras" not in sys.modules:
    check_backend()

import keras  # noqa: E402

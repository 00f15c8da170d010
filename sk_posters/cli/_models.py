"""Model files, as the commands open them."""

import importlib
import os
import sys
import tempfile

from sk_posters._base._unwrap import list_parts, refuse_bad_files
from sk_posters._persistence._models import load_model, model_card

__all__ = [
    "KERAS",
    "has_encoder",
    "import_quietly",
    "open_model",
    "prepare_loading",
    "remember_probabilities",
]

# Imports Keras and its backend, whichever that is.
KERAS = "sk_posters._base._keras"


def open_model(path, trusted=None):
    """Load a model, to raise on bad files; return it and its label names, or None."""
    names = prepare_loading(path).get("label_names")
    model = refuse_bad_files(load_model(path, trusted=trusted or ()))
    return model, names if isinstance(names, list) else None


def has_encoder(model):
    """Tell whether a PosterEncoder is part of a model."""
    return any(type(part).__name__ == "PosterEncoder" for _, part in list_parts(model))


def prepare_loading(path):
    """Read a model card, and import what the model needs without its messages."""
    card = model_card(path)
    if "PosterClassifier" in (card.get("model") or []):
        import_quietly(KERAS)
    return card


def import_quietly(module):
    """Import a module without what it prints."""
    if module in sys.modules:
        return
    stderr = os.dup(2)
    try:
        with tempfile.TemporaryFile() as sink:
            os.dup2(sink.fileno(), 2)
            importlib.import_module(module)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def remember_probabilities(model):
    """Change a model to remember the probabilities of the last posters; return it."""
    if hasattr(model, "predict_proba"):
        model.predict_proba = _LastResult(model.predict_proba)
    return model


class _LastResult:
    """A function of X that remembers its last result."""

    def __init__(self, function):
        self.function = function
        self.X = self.result = None

    def __call__(self, X):
        if X is not self.X:
            self.result = self.function(X)
            self.X = X
        return self.result

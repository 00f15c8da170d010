"""Fitted models in files without code."""

import hashlib
import json
import math
import os
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._atomic import read_file, write_file
from sk_posters._base._unwrap import find_label_names, list_parts, unwrap
from sk_posters._base._validation import find_known
from sk_posters._base._versions import find_versions
from sk_posters._base._zip import pack, unpack
from sk_posters._features._efficientnet import BACKBONES
from sk_posters._features._encoder import PosterEncoder
from sk_posters._images._cache import hash_source
from sk_posters._images._loader import PosterImageLoader
from sk_posters._images._sources import check_sources, holds_sources
from sk_posters._persistence._skops import estimator_from_bytes, estimator_to_bytes
from sk_posters.exceptions import ModelFileError, PosterFileError

__all__ = ["load_model", "model_card", "save_model"]

FORMAT = "sk_posters model"
FORMAT_VERSION = 1
CARD, ESTIMATOR = "manifest.json", "estimator.skops"
MAX_CARD = 1_000_000
# Parameters that decide what pixels a network gets and which features are kept.
PREPROCESSING = ("image_size", "interpolation", "backbone", "pooling", "flip")
NEXT = "Nothing in it was run. Get the file again, or save the model once more"


def save_model(
    model,
    path,
    *,
    label_names=None,
    scores=None,
    training_data=None,
    description="",
    trusted=(),
):
    """Save a fitted pipeline or classifier in one file that holds no code.

    Parameters
    ----------
    model : estimator
        What :func:`make_poster_pipeline` makes, a pipeline of your own, or any
        classifier or transformer of scikit-learn or this package, fitted.
    path : str or path-like
        The file. An existing one is replaced once the new one is complete.
    label_names : array-like of str, default=None
        Names of the labels for the model card. None takes `label_names_` of the
        model, if there are any.
    scores : dict of str to float, default=None
        Scores for the model card, such as ``{"macro mAP on test rows": 0.29}``.
    training_data : tuple of (X, y), default=None
        What the model was fitted on. The model card gets its number of rows and a
        fingerprint: the SHA-256 of the files' contents, or of the pixels, and of the
        labels. A file that cannot be read counts as 32 zero bytes. The data itself is
        not saved.
    description : str, default=""
        Any text for the model card.
    trusted : list of str, default=()
        Dotted names of further types that the model holds, such as
        ``"sklearn.tree._tree.Tree"`` for trees and forests. They must be
        trusted for loading, too.

    Returns
    -------
    dict
        The model card that was written, see :func:`model_card`.

    Raises
    ------
    ModelFileError
        If the model holds something that no such file can hold, or a type that is not
        trusted. It is a ValueError.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ImportError
        If skops is not installed: ``pip install "sk-posters[models]"``.

    See Also
    --------
    load_model : Loads the file.
    model_card : Reads what is known of a model without loading it.

    Notes
    -----
    The file is a zip of ``manifest.json``, the model card, and ``estimator.skops``,
    the estimators as skops writes them, networks in Keras's own format inside.
    The pretrained networks of :class:`PosterEncoder` come with their packages, and
    files that a user gives as `backbone` stay where they are. `cache_dir` and
    `failed_` are not saved: they belong to one machine.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> from sk_posters import load_model, save_model
    >>> X, y = np.eye(4), np.array([[0, 1], [1, 0], [0, 1], [1, 1]])
    >>> model = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    >>> card = save_model(
    ...     model, "genres.model", label_names=["Drama", "Comedy"], scores={"mAP": 1.0}
    ... )
    >>> bool((load_model("genres.model").predict(X) == model.predict(X)).all())
    True
    """
    check_is_fitted(model)
    _check_trusted(trusted)
    try:
        content = estimator_to_bytes(model, trusted=trusted)
    except ModelFileError as error:
        raise ModelFileError(
            f"The model cannot be saved to {os.fspath(path)!r}: {error}."
        ) from error
    card = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "description": str(description),
        "model": [type(part).__name__ for _, part in list_parts(model)],
        "preprocessing": _describe_preprocessing(model),
        "label_names": _names(model, label_names),
        "thresholds": _thresholds(model),
        "scores": _plain(dict(scores or {})),
        "training_data": None if training_data is None else _summary(*training_data),
        "versions": find_versions(),
        "trusted": sorted(trusted),
        "parts": {ESTIMATOR: {"bytes": len(content), "sha256": _sha256(content)}},
    }
    text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False).encode()
    if len(text) > MAX_CARD:
        raise ModelFileError(
            f"The model cannot be saved to {os.fspath(path)!r}: its model card has "
            f"{len(text)} bytes, more than {MAX_CARD}. Give fewer scores, or a shorter "
            "description."
        )
    _warn_of_files(model)
    write_file(path, pack({CARD: text, ESTIMATOR: content}))
    return card


def load_model(path, *, trusted=()):
    """Load what :func:`save_model` wrote, from any source: no code in it is run.

    Everything is checked before any object is created: the form of the file, its
    checksums, every type and every layer.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : list of str, default=()
        Dotted names of further types that may be loaded. A file can use them in any
        way: only do this for files of your own.

    Returns
    -------
    estimator
        The model, with the same predictions as the one that was saved.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged, was tampered with, or has a format
        that this version does not know. It is a ValueError.
    ImportError
        If skops is not installed: ``pip install "sk-posters[models]"``.

    Warns
    -----
    UserWarning
        If the file was written with other versions of libraries, or the model needs
        files that are not in it.

    See Also
    --------
    save_model : Writes the file.
    model_card : Reads what is known of a model without loading it.

    Notes
    -----
    A file can still hold a model that gives wrong predictions on purpose, or a large
    one, if the file is as large. The checksums find damage, and prove nothing about
    where a file comes from.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sk_posters import load_model, save_model
    >>> model = DummyClassifier().fit([[0], [1]], [[0, 1], [0, 1]])
    >>> card = save_model(model, "dummy.model")
    >>> load_model("dummy.model").predict([[7]])
    array([[0, 1]])
    """
    _check_trusted(trusted)
    card, content = _read_parts(path)
    try:
        model = estimator_from_bytes(content, trusted=trusted)
    except ModelFileError as error:
        raise _refusal(path, error) from error
    _warn_of_versions(path, card["versions"])
    _warn_of_files(model)
    return model


def model_card(path):
    """Read the card of a model file without loading the model.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict
        With ``"description"``, ``"model"``, ``"preprocessing"``, ``"label_names"``,
        ``"thresholds"``, ``"scores"``, ``"training_data"``, ``"created"``,
        ``"versions"``, ``"trusted"`` and more. These are claims of the file's author.

    Raises
    ------
    ModelFileError
        If the file is not a model, or is damaged. It is a ValueError.

    See Also
    --------
    save_model : Writes the file.
    load_model : Loads the model.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sk_posters import model_card, save_model
    >>> model = DummyClassifier().fit([[0], [1]], [[0, 1], [0, 1]])
    >>> card = save_model(model, "dummy.model", scores={"mAP": 0.5})
    >>> model_card("dummy.model")["scores"]
    {'mAP': 0.5}
    """
    card, _ = _read_parts(path)
    return card


def _check_trusted(trusted):
    if isinstance(trusted, str):
        raise TypeError(
            f"trusted must be a list of dotted names: write trusted=[{trusted!r}]."
        )


def _read_parts(path):
    """Return the card and the estimators of a file with a valid form and checksums."""
    try:
        parts = unpack(
            read_file(path),
            what="it",
            names=f"{CARD}|{ESTIMATOR}".replace(".", r"\."),
            required=(CARD, ESTIMATOR),
        )
        return _card(parts), parts[ESTIMATOR]
    except ModelFileError as error:
        raise _refusal(path, error) from error


def _card(parts):
    text = parts[CARD]
    if len(text) > MAX_CARD:
        raise ModelFileError(
            f"its {CARD} has {len(text)} bytes, more than {MAX_CARD} allowed"
        )
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its {CARD} is not JSON ({error})") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelFileError(f"its {CARD} is not that of a model of sk_posters")
    if card.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"it is of format version {card.get('format_version')!r}, and this "
            f"sk_posters {version('sk-posters')} knows {FORMAT_VERSION} only: the file "
            f"was written by sk_posters {_text(card, 'versions', 'sk-posters')}, "
            "install that one"
        )
    content = parts[ESTIMATOR]
    if _text(card, "parts", ESTIMATOR, "sha256") != _sha256(content):
        raise ModelFileError(
            f"{ESTIMATOR} does not match the checksum in {CARD}: one of them was "
            "changed or damaged"
        )
    if not isinstance(card.get("versions"), dict):
        raise ModelFileError(f"its {CARD} does not name the versions of its writer")
    return card


def _text(value, *keys):
    """Return the value under these keys of any JSON, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _refusal(path, problem):
    return ModelFileError(
        f"{os.fspath(path)!r} cannot be loaded as a model: {problem}. {NEXT}."
    )


def _warn_of_versions(path, versions):
    here = find_versions()
    other = [
        f"{name} {versions[name]} (here {here[name]})"
        for name in here
        if name in versions and versions[name] != here[name]
    ]
    if other:
        warnings.warn(
            f"{os.fspath(path)!r} was written with {', '.join(other)}. Predictions "
            "may differ: compare some, or install the versions of the file.",
            stacklevel=3,
        )


def _warn_of_files(model):
    """Warn where an encoder reads its network from a file of its own."""
    files = [
        os.fspath(name)
        for _, step in list_parts(model)
        for name in _as_list(getattr(step, "backbone", ()))
        if isinstance(name, str | os.PathLike)
        and os.fspath(name) not in BACKBONES
        and os.fspath(name).endswith((".onnx", ".keras"))
    ]
    if files:
        warnings.warn(
            f"The model reads its network from {', '.join(map(repr, files))}, which is "
            "not part of the model file: keep them together, at this path.",
            stacklevel=3,
        )


def _as_list(value):
    return value if isinstance(value, list | tuple) else [value]


def _describe_preprocessing(model):
    """Return the settings of each step that takes images."""
    return [
        {
            "step": type(step).__name__,
            **{
                name: _describe(value)
                for name, value in step.get_params(deep=False).items()
                if name in PREPROCESSING
            },
        }
        for _, step in list_parts(model)
        if isinstance(step, PosterEncoder | PosterImageLoader)
    ]


def _describe(value):
    """Return a parameter as JSON can hold it; of a network only its type."""
    if isinstance(value, list | tuple):
        return [_describe(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str | Real | np.bool_):
        return _plain(value)
    return type(value).__name__


def _thresholds(model):
    tuner = unwrap(model).tuner
    return None if tuner is None else _plain(tuner.best_thresholds_)


def _names(model, label_names):
    names = find_label_names(model) if label_names is None else label_names
    return None if names is None else [str(name) for name in names]


def _plain(value):
    """Return a value as JSON can hold it; nan and infinity become None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    raise ModelFileError(
        f"scores must be numbers or text, in dicts and lists: got {type(value)!r}."
    )


def _summary(X, y):
    digest = hashlib.sha256()
    y = np.ascontiguousarray(y)
    if holds_sources(X):
        for source in check_sources(X, "X of training_data"):
            digest.update(_hash_if_readable(source))
    else:
        X = np.asarray(X)
        digest.update(f"{X.shape} {X.dtype}".encode())
        digest.update(np.ascontiguousarray(X))
    digest.update(f"{y.shape}".encode())
    known = find_known(y)
    # 2 where a label is not known, which no integer tells.
    digest.update((y if known.all() else np.where(known, y, 2)).astype(np.int64))
    return {"n_rows": len(X), "sha256": digest.hexdigest()}


def _hash_if_readable(source):
    """Return the checksum of a source, zeros where it cannot be read any more."""
    try:
        return hash_source(source).digest()
    except (OSError, PosterFileError):
        return bytes(hashlib.sha256().digest_size)


def _sha256(content):
    return hashlib.sha256(content).hexdigest()

"""A model and a poster → what the page shows, as values that JSON can hold."""

import base64
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from sk_posters._base._disk_cache import disable_caches
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import find_label_names, find_thresholds, unwrap
from sk_posters._base._validation import label_matrix
from sk_posters._images._decoding import decode_within
from sk_posters._persistence._models import load_model, model_card
from sk_posters.app._uploads import Refused
from sk_posters.exceptions import PosterFileError

__all__ = ["Showcase"]

SHOWN_SIDE = 640
THUMBNAIL_SIDE = 220
N_NEIGHBORS = 6

# From what hardly matters to what matters most: darker to brighter in every vision.
HEAT = np.array([[140, 20, 60], [220, 60, 30], [250, 150, 20], [255, 240, 120]])


class Showcase:
    """What a model says of single posters.

    Parameters
    ----------
    model : estimator, str or path-like
        A fitted classifier that takes paths, or a file that
        :func:`~sk_posters.save_model` wrote.
    posters : array-like of str or path-like, default=None
        Paths of training posters, among which the nearest are looked for.
    target : array-like of shape (n_posters, n_labels), default=None
        True labels of `posters`: columns with names, or in the order of the model.
    label_names : array-like of str, default=None
        Names of the labels. None takes those of the model, or of its file.

    Attributes
    ----------
    label_names : list of str
        Names of all labels; their numbers if there are no names.
    title : str
        Says which model this is.

    Raises
    ------
    TypeError
        If the model gives no probabilities.
    ValueError
        If `label_names` has not one name for each label, or `target` one row for
        each poster.
    """

    def __init__(self, model, *, posters=None, target=None, label_names=None):
        file = None
        if isinstance(model, str | os.PathLike):
            file = model
            if label_names is None:
                label_names = model_card(file)["label_names"]
            model = load_model(file)
        self._model = model
        if not hasattr(model, "predict_proba"):
            raise TypeError(
                "model must be a fitted classifier with predict_proba, or a file of "
                f"one: got {type(unwrap(model).head).__name__!r}, which gives no "
                "probabilities."
            )
        self._posters = None if posters is None else [os.fspath(p) for p in posters]
        self._search = None if posters is None else _search(model, self._posters)
        n_labels = self._warm_up()
        self.label_names = self._names(label_names, n_labels)
        self._true = None if target is None else self._true_labels(target)
        self.title = f"{n_labels} genres"
        if file is not None:
            self.title = f"{Path(file).name}, {n_labels} genres"

    def _warm_up(self):
        """Answer once for a blank poster: the first visitor need not wait for it."""
        with tempfile.TemporaryDirectory(prefix="sk_posters-") as folder:
            path = Path(folder) / "blank.png"
            Image.new("RGB", (200, 300)).save(path)
            with disable_caches():
                return len(self._answer(path)[0])

    def _names(self, label_names, n_labels):
        if label_names is None:
            label_names = find_label_names(self._model, range(n_labels))
        names = [str(name) for name in label_names]
        if len(names) != n_labels:
            raise ValueError(
                f"label_names must have a name for each of the {n_labels} labels of "
                f"the model: got {len(names)}."
            )
        return names

    def _true_labels(self, target):
        """Return the names of the labels that each of the posters truly has."""
        n_posters = 0 if self._posters is None else len(self._posters)
        labels, names = label_matrix(target, "target")
        if len(labels) != n_posters:
            raise ValueError(
                "target must have one row for each of the posters: got "
                f"{len(labels)} rows and {n_posters} posters. Take both from one table."
            )
        if not isinstance(target, pd.DataFrame):
            if labels.shape[1] != len(self.label_names):
                raise ValueError(
                    "target must have a column for each of the "
                    f"{len(self.label_names)} labels of the model, or columns with "
                    f"names: got {labels.shape[1]} columns. Give a dataframe."
                )
            names = self.label_names
        names = np.array([str(name) for name in names], dtype=object)
        return [names[row == 1].tolist() for row in labels]

    def _answer(self, path):
        """Return 0/1 and probability of each label."""
        chosen, _ = label_matrix(self._model.predict([os.fspath(path)]), "predictions")
        n_labels = chosen.size
        scores, _, _ = predict_scores(self._model, [os.fspath(path)], n_labels=n_labels)
        return chosen.ravel(), scores.ravel()

    def _thresholds(self):
        """Return from which probability on each genre is named, if that decides."""
        thresholds = find_thresholds(self._model)
        if thresholds is None:
            return [None] * len(self.label_names)
        return np.broadcast_to(thresholds, len(self.label_names)).tolist()

    def predict(self, path):
        """Say which genres a poster shows, and what it looks like.

        Parameters
        ----------
        path : path-like
            The poster.

        Returns
        -------
        dict
            ``"image"``, the poster upright and made smaller, as a data URL;
            ``"genres"``, a list of dicts, the likeliest first; and ``"neighbors"``,
            a list of dicts, the nearest first, or None if there are no posters.
        """
        picture = decode_within(path, SHOWN_SIDE)
        chosen, scores = self._answer(path)
        cells = zip(self.label_names, scores, self._thresholds(), chosen, strict=True)
        genres = [
            {
                "name": name,
                "probability": float(score),
                "threshold": threshold,
                "chosen": bool(is_chosen),
            }
            for name, score, threshold, is_chosen in cells
        ]
        return {
            "image": _data_url(Image.fromarray(picture), "JPEG"),
            "genres": sorted(genres, key=lambda genre: -genre["probability"]),
            "neighbors": None if self._posters is None else self._nearest(path),
        }

    def _nearest(self, path):
        features = unwrap(self._model).estimators[0].transform([os.fspath(path)])
        distances, rows = self._search.kneighbors(features)
        return [
            {
                "name": Path(self._posters[row]).name,
                "distance": float(distance),
                "genres": None if self._true is None else self._true[row],
                "image": _thumbnail(self._posters[row]),
            }
            for row, distance in zip(rows[0], distances[0], strict=True)
        ]

    def explain(self, path, label):
        """Say where in a poster a genre is seen.

        Parameters
        ----------
        path : path-like
            The poster.
        label : str
            Name of the genre.

        Returns
        -------
        dict
            ``"image"``, a data URL of a picture to be laid over that of `predict`:
            brighter where more speaks for the genre, transparent where nothing does;
            and ``"found"``, whether anything does.

        Raises
        ------
        Refused
            If there is no such genre, or the model cannot be explained this way.
        """
        from sk_posters.inspection import grad_cam

        if label not in self.label_names:
            raise Refused(
                422,
                f"There is no genre {label!r}: the field 'label' is one of "
                f"{', '.join(self.label_names)}.",
            )
        height, width = decode_within(path, SHOWN_SIDE).shape[:2]
        number = self.label_names.index(label)
        try:
            heat = grad_cam(self._model, [os.fspath(path)], labels=[number])[0, 0]
        except ValueError as error:
            raise Refused(422, f"This model cannot show where: {error}") from error
        overlay = _overlay(heat, (width, height))
        return {"image": _data_url(overlay, "PNG"), "found": bool(heat.any())}


def _search(model, posters):
    """Return a search among training posters, whose features are computed once.

    It finds what `nearest_posters` does, which computes them in every call.
    """
    from sk_posters.inspection import nearest_posters

    # For its word on models that have no such features.
    nearest_posters(model, posters[:1], posters[:1], n_neighbors=1)
    features = unwrap(model).estimators[0].transform(posters)
    n_neighbors = min(N_NEIGHBORS, len(posters))
    return NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(features)


def _thumbnail(path):
    try:
        picture = decode_within(path, THUMBNAIL_SIDE)
    except PosterFileError:  # It was there when its features were computed.
        return None
    return _data_url(Image.fromarray(picture), "JPEG")


def _overlay(heat, size):
    """Return heat from 0 to 1 as a picture with transparency."""
    heat = Image.fromarray(heat.astype(np.float32))
    heat = np.clip(np.asarray(heat.resize(size, Image.Resampling.BILINEAR)), 0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    channels = [np.interp(heat, stops, channel) for channel in HEAT.T]
    channels.append(255 * np.clip(1.2 * heat, 0, 0.9))
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def _data_url(image, kind):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    text = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{text}"

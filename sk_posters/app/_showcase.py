"""What the page shows for a poster, as data for JSON."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from sk_posters._base._disk_cache import disable_caches
from sk_posters._base._novelty import describe_novelty, gives_novelty, pass_steps
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import (
    find_label_names,
    find_thresholds,
    refuse_bad_files,
    unwrap,
)
from sk_posters._base._validation import label_matrix
from sk_posters._features._encoder import list_encoders
from sk_posters._images._decoding import decode_whole, decode_within
from sk_posters._images._display import make_data_url, make_overlay, make_thumbnail
from sk_posters._images._loader import PosterImageLoader
from sk_posters._images._sources import as_source, check_sources
from sk_posters._persistence._models import load_model, model_card
from sk_posters.app._uploads import Refused

__all__ = ["Showcase"]

SHOWN_SIDE = 640
THUMBNAIL_SIDE = 220
N_NEIGHBORS = 6


class Showcase:
    """A model, and what it predicts for single posters."""

    def __init__(
        self, model, *, posters=None, target=None, label_names=None, trusted=()
    ):
        file = None
        if isinstance(model, str | os.PathLike):
            file = model
            if label_names is None:
                label_names = model_card(file)["label_names"]
            model = refuse_bad_files(load_model(file, trusted=trusted))
        self._model = model
        self._takes_images = _takes_images(model)
        if not hasattr(model, "predict_proba"):
            raise TypeError(
                "model must be a fitted classifier with predict_proba, or the file of "
                f"one: got {type(unwrap(model).head).__name__!r}, which predicts no "
                "probabilities."
            )
        self._posters = None if posters is None else check_sources(posters, "posters")
        self._index = None if posters is None else _index_posters(model, self._posters)
        n_labels = self._warm_up()
        self.label_names = self._check_names(label_names, n_labels)
        self._true = None if target is None else self._list_true_names(target)
        self.title = f"{n_labels} genres"
        if file is not None:
            self.title = f"{Path(file).name}, {n_labels} genres"

    def _warm_up(self):
        """Predict a blank poster, so that the first visitor does not wait longer."""
        with tempfile.TemporaryDirectory(prefix="sk_posters-") as folder:
            path = Path(folder) / "blank.png"
            Image.new("RGB", (200, 300)).save(path)
            with disable_caches():
                return len(self._decide(self._open(path))[0])

    def _check_names(self, label_names, n_labels):
        if label_names is None:
            label_names = find_label_names(self._model, range(n_labels))
        names = [str(name) for name in label_names]
        if len(names) != n_labels:
            raise ValueError(
                f"label_names must have one name for each of the {n_labels} labels of "
                f"the model: got {len(names)}."
            )
        return names

    def _list_true_names(self, target):
        """Return the names of the true labels of each poster."""
        n_posters = 0 if self._posters is None else len(self._posters)
        labels, names = label_matrix(target, "target", allow_unknown=True)
        if len(labels) != n_posters:
            raise ValueError(
                "target must have one row for each of the posters: got "
                f"{len(labels)} rows and {n_posters} posters."
            )
        if not isinstance(target, pd.DataFrame):
            if labels.shape[1] != len(self.label_names):
                raise ValueError(
                    "target must have one column for each of the "
                    f"{len(self.label_names)} labels of the model: got "
                    f"{labels.shape[1]} columns. If it has other labels, pass a "
                    "DataFrame with their names."
                )
            names = self.label_names
        names = np.array([str(name) for name in names], dtype=object)
        return [names[row == 1].tolist() for row in labels]

    def _open(self, path):
        """Return what the model takes of a poster, decoded once where it takes that."""
        if self._takes_images:
            return Image.fromarray(decode_whole(path)[0])
        return os.fspath(path)

    def _decide(self, poster):
        """Return 0/1 and the probability of each label."""
        chosen, _ = label_matrix(self._model.predict([poster]), "predictions")
        n_labels = chosen.size
        scores, _, _ = predict_scores(self._model, [poster], n_labels=n_labels)
        return chosen.ravel(), scores.ravel()

    def _list_thresholds(self):
        """Return the threshold of each genre, None if it is not a probability."""
        thresholds = find_thresholds(self._model)
        if thresholds is None:
            return [None] * len(self.label_names)
        return np.broadcast_to(thresholds, len(self.label_names)).tolist()

    def predict(self, path):
        """Return the poster as a picture, its genres, novelty and nearest neighbors."""
        poster = self._open(path)
        picture = Image.fromarray(decode_within(as_source(poster), SHOWN_SIDE))
        chosen, scores = self._decide(poster)
        thresholds = self._list_thresholds()
        novelty, neighbors = self._compare_with_training(poster)
        genres = [
            {
                "name": name,
                "probability": float(score),
                "threshold": threshold,
                "chosen": bool(is_chosen),
            }
            for name, score, threshold, is_chosen in zip(
                self.label_names, scores, thresholds, chosen, strict=True
            )
        ]
        return {
            "image": make_data_url(picture.save, "jpeg"),
            "genres": sorted(genres, key=lambda genre: -genre["probability"]),
            "novelty": novelty,
            "unlike": describe_novelty(novelty),
            "neighbors": neighbors,
        }

    def _compare_with_training(self, poster):
        """Return the novelty of a poster and its neighbors, None where unknown."""
        encoder, *others = unwrap(self._model).estimators
        if self._posters is None and not any(map(gives_novelty, others)):
            return None, None
        features = encoder.transform([poster])
        _, novelty = pass_steps(others[:-1], features)
        novelty = None if novelty is None else float(novelty[0])
        neighbors = None if self._posters is None else self._find_neighbors(features)
        return novelty, neighbors

    def _find_neighbors(self, features):
        distances, rows = self._index.kneighbors(features)
        return [
            {
                "name": Path(str(self._posters[row])).name,
                "distance": float(distance),
                "genres": None if self._true is None else self._true[row],
                "image": _make_thumbnail(self._posters[row]),
            }
            for row, distance in zip(rows[0], distances[0], strict=True)
        ]

    def explain(self, path, label):
        """Return the saliency map of a genre to lay over the picture of `predict`."""
        from sk_posters.inspection import grad_cam

        if label not in self.label_names:
            raise Refused(
                422,
                f"There is no genre {label!r}. Send one of these as 'label': "
                f"{', '.join(self.label_names)}.",
            )
        poster = self._open(path)
        height, width = decode_within(as_source(poster), SHOWN_SIDE).shape[:2]
        number = self.label_names.index(label)
        try:
            saliency = grad_cam(self._model, [poster], labels=[number])[0, 0]
        except ValueError as error:
            raise Refused(422, f"This model has no saliency maps: {error}") from error
        overlay = make_overlay(saliency, (width, height))
        return {
            "image": make_data_url(overlay.save, "png"),
            "found": bool(saliency.any()),
        }


def _takes_images(model):
    """Return whether a model begins with a step that takes images in memory."""
    return any(
        isinstance(first, PosterImageLoader) or list_encoders(first)
        for first in unwrap(model).estimators[:1]
    )


def _index_posters(model, posters):
    """Return an index of the features of training posters, computed once."""
    # nearest_posters would compute them in every call. It is called for its error if
    # the model has no such features.
    from sk_posters.inspection import nearest_posters

    nearest_posters(model, posters[:1], posters[:1], n_neighbors=1)
    features = unwrap(model).estimators[0].transform(posters)
    n_neighbors = min(N_NEIGHBORS, len(posters))
    return NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(features)


def _make_thumbnail(path):
    image = make_thumbnail(path, THUMBNAIL_SIDE)
    # None: the file has gone since its features were computed.
    return None if image is None else make_data_url(image.save, "jpeg")

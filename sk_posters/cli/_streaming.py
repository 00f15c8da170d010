"""Predictions for a stream of paths, a batch at a time."""

import copy
from itertools import islice
from typing import NamedTuple

import numpy as np

from sk_posters._base._novelty import gives_novelty, pass_steps
from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import unwrap
from sk_posters.cli._models import remember_probabilities
from sk_posters.exceptions import PosterFileError

__all__ = ["Prediction", "Predictor"]


class Prediction(NamedTuple):
    """Labels of a poster, its novelty, and all probabilities; or why there are none."""

    path: str
    labels: list | None = None
    probabilities: dict | None = None
    novelty: float | None = None
    error: str | None = None


class Predictor:
    """Predicts for paths in batches, and continues after unreadable files."""

    def __init__(
        self,
        model,
        names,
        *,
        top_k=None,
        probabilities=False,
        stop_at_error=False,
        batch_size=256,
    ):
        if top_k is not None and names is not None and top_k > len(names):
            raise ValueError(
                f"--top-k must be at most {len(names)}, the number of labels of the "
                f"model: got {top_k}."
            )
        self.transformers, self.classifier = _split(model)
        self.has_novelty = any(map(gives_novelty, self.transformers))
        self.names = names
        self.top_k = top_k
        self.probabilities = probabilities
        self.stop_at_error = stop_at_error
        self.batch_size = batch_size

    def predict(self, paths):
        """Yield a `Prediction` for each (path, problem) of `iterate_paths`."""
        paths = iter(paths)
        while batch := list(islice(paths, self.batch_size)):
            yield from self._predict_batch(batch)

    def _predict_batch(self, batch):
        problems = {path: problem for path, problem in batch if problem is not None}
        readable = [path for path, problem in batch if problem is None]
        predictions = {}
        while readable and not predictions and not (problems and self.stop_at_error):
            try:
                predictions = self._predict_readable(list(dict.fromkeys(readable)))
            except PosterFileError as error:
                failed = dict(error.failed)
                if failed.keys().isdisjoint(readable):
                    raise  # Leaving it out would change nothing.
                problems |= failed
                readable = [path for path in readable if path not in failed]
        if problems and self.stop_at_error:
            raise PosterFileError(problems.items())
        for path, _ in batch:
            yield predictions.get(path) or Prediction(path, error=problems[path])

    def _predict_readable(self, paths):
        X, novelty = pass_steps(self.transformers, paths)
        scores = None
        if self.probabilities or self.top_k is not None:
            scores = self._predict_scores(X)
        if self.top_k is None:
            y = np.asarray(self.classifier.predict(X))
            # With one label, scikit-learn's classifiers return a 1-D array.
            rows = [np.flatnonzero(row) for row in y.reshape(len(paths), -1)]
        else:
            rows = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]
        predictions = {}
        for number, (path, row) in enumerate(zip(paths, rows, strict=True)):
            by_name = None if scores is None else self._name_scores(scores[number])
            labels = [self._name_label(label) for label in row]
            unlike = None if novelty is None else round(float(novelty[number]), 4)
            predictions[path] = Prediction(path, labels, by_name, unlike)
        return predictions

    def _predict_scores(self, X):
        if not hasattr(self.classifier, "predict_proba"):
            raise ValueError(
                "The model gives no probabilities: leave out --probabilities and "
                "--top-k."
            )
        n_labels = None if self.names is None else len(self.names)
        return predict_scores(self.classifier, X, n_labels=n_labels)[0]

    def _name_label(self, label):
        return str(label) if self.names is None else self.names[label]

    def _name_scores(self, scores):
        # Further decimals differ from one processor to the next.
        return {
            self._name_label(label): round(float(score), 6)
            for label, score in enumerate(scores)
        }


def _split(model):
    """Return the transformers of a model, and its classifier."""
    steps, tuners = unwrap(model)
    classifier = remember_probabilities(steps[-1][1])
    for _, tuner in reversed(tuners):
        inner, classifier = classifier, copy.copy(tuner)
        classifier.estimator_ = inner
    return [step for _, step in steps[:-1]], classifier

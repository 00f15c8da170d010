"""Paths in, answers out, a batch at a time."""

import copy
from itertools import islice
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from sk_posters._base._predictions import predict_scores
from sk_posters._base._unwrap import unwrap
from sk_posters._base._validation import shorten
from sk_posters._persistence._models import load_model, model_card
from sk_posters.cli._manners import load_quietly
from sk_posters.exceptions import PosterFileError

__all__ = [
    "Answer",
    "Predictor",
    "answering_once",
    "opened",
    "prepared",
    "with_labels_of",
]


class Answer(NamedTuple):
    """What a model says of one poster, or why it says nothing.

    Parameters
    ----------
    path : str
        The file.
    labels : list of str or None
        The labels that it is given.
    probabilities : dict of str to float or None
        The probability of each label, where asked for.
    error : str or None
        What is wrong with the file.
    """

    path: str
    labels: list | None = None
    probabilities: dict | None = None
    error: str | None = None


def opened(path):
    """Load a model, and the names of its labels.

    Parameters
    ----------
    path : str or path-like
        A file of `save_model`.

    Returns
    -------
    model : estimator
        The model.
    names : list of str or None
        Its labels, None if it does not know them.

    Raises
    ------
    ModelFileError
        If it is no such file.
    """
    names = prepared(path).get("label_names")
    return load_model(path), names if isinstance(names, list) else None


def prepared(path):
    """Import quietly what a model needs, and read its card.

    Parameters
    ----------
    path : str or path-like
        A file of `save_model`.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ModelFileError
        If it is no such file.
    """
    card = model_card(path)
    if "PosterClassifier" in (card.get("model") or []):
        load_quietly("tensorflow")
    return card


def answering_once(model):
    """Let a model remember its last probabilities, for who asks for them again.

    Parameters
    ----------
    model : estimator
        The model. It is changed.

    Returns
    -------
    estimator
        The model.
    """
    if hasattr(model, "predict_proba"):
        model.predict_proba = _Once(model.predict_proba)
    return model


def with_labels_of(model_names, target, table):
    """Return the columns of a target that a model gives, in its order.

    Parameters
    ----------
    model_names : list of str or None
        The labels of the model; None takes all columns.
    target : DataFrame of shape (n_samples, n_labels)
        0 and 1.
    table : str or path-like
        Where the target comes from.

    Returns
    -------
    DataFrame
        Its columns.

    Raises
    ------
    ValueError
        If a label of the model has no column.
    """
    if model_names is None:
        return target
    missing = [name for name in model_names if name not in target.columns]
    if missing:
        raise ValueError(
            f"{str(table)!r} lacks columns of labels that the model gives: "
            f"{shorten(missing)}. Add them, with 0 and 1."
        )
    return target[model_names]


class Predictor:
    """A model that answers paths, in batches, and goes on past bad files.

    What comes before the classifier is computed once for answers and probabilities.

    Parameters
    ----------
    model : Pipeline or estimator
        A fitted model that takes paths.
    names : list of str or None
        Its labels; None numbers them.
    top_k : int or None, default=None
        Give the best labels, so many, in place of those that reach their threshold.
    probabilities : bool, default=False
        Whether answers have the probabilities of all labels.
    stop_at_error : bool, default=False
        Whether to raise an error for files that cannot be used.
    batch_size : int, default=256
        How many paths are answered at a time.

    Raises
    ------
    ValueError
        If `top_k` is more than there are labels.
    """

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
                f"There are no {top_k} best labels: the model has {len(names)}. Ask "
                "for fewer."
            )
        self.front, self.head = _split_head(model)
        self.names = names
        self.top_k = top_k
        self.probabilities = probabilities
        self.stop_at_error = stop_at_error
        self.batch_size = batch_size

    def answers(self, paths):
        """Answer paths, a batch at a time.

        Parameters
        ----------
        paths : iterable of (str, str or None)
            What `paths_of` yields. No more than a batch of it is kept.

        Yields
        ------
        Answer
            One for each, in their order.

        Raises
        ------
        PosterFileError
            If a file cannot be used and `stop_at_error` is set.
        """
        paths = iter(paths)
        while batch := list(islice(paths, self.batch_size)):
            yield from self._answered(batch)

    def _answered(self, batch):
        problems = {path: problem for path, problem in batch if problem is not None}
        wanted = [path for path, problem in batch if problem is None]
        answers = {}
        while wanted and not answers and not (problems and self.stop_at_error):
            try:
                answers = self._answers_of(list(dict.fromkeys(wanted)))
            except PosterFileError as error:
                failed = dict(error.failed)
                if failed.keys().isdisjoint(wanted):
                    raise  # Leaving it out would change nothing.
                problems |= failed
                wanted = [path for path in wanted if path not in failed]
        if problems and self.stop_at_error:
            raise PosterFileError(problems.items())
        for path, _ in batch:
            yield answers.get(path) or Answer(path, error=problems[path])

    def _answers_of(self, paths):
        features = paths if self.front is None else self.front.transform(paths)
        scores = None
        if self.probabilities or self.top_k is not None:
            scores = self._scores_of(features)
        if self.top_k is None:
            given = np.asarray(self.head.predict(features))
            # A classifier of scikit-learn's that knows one label gives a flat array.
            rows = [np.flatnonzero(row) for row in given.reshape(len(paths), -1)]
        else:
            rows = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]
        answers = {}
        for number, (path, row) in enumerate(zip(paths, rows, strict=True)):
            each = None if scores is None else self._named(scores[number])
            answers[path] = Answer(path, [self._name(label) for label in row], each)
        return answers

    def _scores_of(self, features):
        if not hasattr(self.head, "predict_proba"):
            raise ValueError(
                "The model gives no probabilities: ask for its labels alone."
            )
        n_labels = None if self.names is None else len(self.names)
        return predict_scores(self.head, features, n_labels=n_labels)[0]

    def _name(self, label):
        return str(label) if self.names is None else self.names[label]

    def _named(self, scores):
        # What is smaller than that differs from one processor to the next.
        return {
            self._name(label): round(float(score), 6)
            for label, score in enumerate(scores)
        }


def _split_head(model):
    """Return what comes before the classifier of a model, or None, and the classifier.

    The classifier computes the probabilities of the same rows once only.
    """
    steps, tuners = unwrap(model)
    head = answering_once(steps[-1][1])
    for _, tuner in reversed(tuners):
        inner, head = head, copy.copy(tuner)
        head.estimator_ = inner
    return Pipeline(steps[:-1]) if len(steps) > 1 else None, head


class _Once:
    """A function of rows that remembers its last answer."""

    def __init__(self, function):
        self.function = function
        self.rows = self.answer = None

    def __call__(self, rows):
        if rows is not self.rows:
            self.answer = self.function(rows)
            self.rows = rows
        return self.answer

"""What a model is made of, through searches, tuned thresholds, pipelines and unions."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

__all__ = [
    "Unwrapped",
    "find_label_names",
    "find_thresholds",
    "iterate_estimators",
    "list_parts",
    "list_replaced_files",
    "refuse_bad_files",
    "unwrap",
]


class Unwrapped(NamedTuple):
    """The steps that data passes in a fitted model, and the thresholds at its end."""

    steps: list
    tuners: list

    @property
    def estimators(self):
        return [estimator for _, estimator in self.steps]

    @property
    def head(self):
        return self.steps[-1][1] if self.steps else None

    @property
    def tuner(self):
        return self.tuners[0][1] if self.tuners else None


def unwrap(model, name=""):
    """Return the `Unwrapped` of a model: fitted parts where there are any."""
    if hasattr(model, "best_estimator_"):
        return unwrap(model.best_estimator_, name)
    if hasattr(model, "best_thresholds_"):
        inner = unwrap(model.estimator_)
        return Unwrapped(inner.steps, [(name, model), *inner.tuners])
    if not hasattr(model, "steps"):
        return Unwrapped([(name, model)], [])
    parts = [
        unwrap(step, step_name)
        for step_name, step in model.steps
        if not _is_left_out(step)
    ]
    tuners = parts[-1].tuners if parts else []
    return Unwrapped([step for part in parts for step in part.steps], tuners)


def list_parts(model):
    """Return name and estimator of each part, in the order in which data passes."""
    steps, tuners = unwrap(model)
    parts = []
    for name, step in steps:
        for branch_name, branch in _branches(step):
            parts += [
                (part_name or branch_name, part)
                for part_name, part in list_parts(branch)
            ]
        parts.append((name, step))
    return [*parts, *reversed(tuners)]


def iterate_estimators(model):
    """Yield each estimator in a model: those it was given, and those that fit made."""
    waiting, seen = [model], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, BaseEstimator):
            yield item
            waiting += vars(item).values()
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple) or (
            isinstance(item, np.ndarray) and item.dtype == object
        ):
            waiting += list(item)
        elif hasattr(item, "estimator"):  # As of CalibratedClassifierCV.
            waiting.append(item.estimator)


def refuse_bad_files(model):
    """Change a model to raise on bad files: a black image gets no prediction."""
    for part in iterate_estimators(model):
        if hasattr(part, "on_error"):
            part.on_error = "raise"
    return model


def list_replaced_files(model):
    """Return the files that a black image replaced in the last call of each part."""
    failed = [getattr(part, "failed_", ()) for part in iterate_estimators(model)]
    return list(dict.fromkeys(path for paths in failed for path in paths))


def find_label_names(model, default=None):
    """Return the label names that a model learned, or a default."""
    steps, tuners = unwrap(model)
    for _, part in [*tuners, *steps[-1:]]:
        names = getattr(part, "label_names_", None)
        if names is not None:
            return names
    return default


def find_thresholds(model):
    """Return thresholds of probabilities: tuned ones, 0.5, or None."""
    tuner = unwrap(model).tuner
    if tuner is None:
        return 0.5
    if tuner.response_method == "decision_function" and tuner.calibration_ is None:
        return None
    return np.asarray(tuner.best_thresholds_, dtype=float)


def _branches(step):
    """Return name and fitted estimator of each branch of a step."""
    for names in ("transformers_", "transformer_list"):
        if hasattr(step, names):
            branches = [each[:2] for each in getattr(step, names)]
            break
    else:
        branches = getattr(step, "named_estimators_", {}).items()
    return [(name, part) for name, part in branches if not _is_left_out(part)]


def _is_left_out(step):
    return step is None or isinstance(step, str)  # "passthrough" or "drop"

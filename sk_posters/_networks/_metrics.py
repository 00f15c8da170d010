"""Keras's metrics, without the (sample, label) pairs that are not known."""

import numpy as np

from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module

__all__ = ["KnownPairsMetric", "leave_unknown_out"]


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class KnownPairsMetric(keras.metrics.Metric):
    """A metric of single pairs, of those whose target is not nan."""

    def __init__(self, metric, name=None, dtype=None):
        super().__init__(name=name or metric.name, dtype=dtype)
        self.metric = metric

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count the known pairs of a batch, each as a row of its own."""
        y_true = keras.ops.cast(keras.ops.reshape(y_true, (-1, 1)), self.dtype)
        y_pred = keras.ops.reshape(y_pred, (-1, 1))
        unknown = keras.ops.isnan(y_true)
        known = keras.ops.cast(keras.ops.logical_not(unknown), self.dtype)
        y_true = keras.ops.where(unknown, 0, y_true)
        self.metric.update_state(y_true, y_pred, sample_weight=known[:, 0])

    def result(self):
        """Return the value over all batches."""
        return self.metric.result()

    def reset_state(self):
        """Begin again."""
        self.metric.reset_state()

    def get_config(self):
        """Return what the metric is built from."""
        metric = keras.metrics.serialize(self.metric)
        return {**super().get_config(), "metric": metric}

    @classmethod
    def from_config(cls, config):
        """Build the metric that `get_config` describes."""
        return cls(**{**config, "metric": keras.metrics.deserialize(config["metric"])})


def leave_unknown_out(metric):
    """Return a metric of known pairs; refuse one that compares whole rows."""
    given = metric
    # Keras reads these by the form of y, as the first of several labels.
    if metric not in ("accuracy", "acc"):
        metric = keras.metrics.get(metric)
        metric = metric() if isinstance(metric, type) else metric
        if not isinstance(metric, keras.metrics.Metric):
            metric = keras.metrics.MeanMetricWrapper(metric, name=metric.__name__)
        if _judges_pairs(metric):
            return KnownPairsMetric(metric)
    raise ValueError(
        f"metrics={given!r} compares whole rows, which unknown labels (nan in y) do "
        "not allow: give metrics of single pairs, such as 'binary_accuracy', "
        "'Precision' or 'AUC', or leave metrics=None."
    )


def _judges_pairs(metric):
    """Return whether a metric is the same of rows of labels and of single pairs."""
    y_true = np.array([[1, 0, 0], [1, 1, 0]], "float32")
    y_pred = np.array([[0.4, 0.3, 0.7], [0.9, 0.2, 0.6]], "float32")
    values = []
    for shape in ((2, 3), (6, 1)):
        try:
            metric.reset_state()
            metric.update_state(y_true.reshape(shape), y_pred.reshape(shape))
            values.append(np.asarray(metric.result()))
        except (TypeError, ValueError):
            return False
    metric.reset_state()
    return values[0].shape == values[1].shape and np.allclose(*values)

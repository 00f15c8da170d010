"""Losses of multi-label networks, and what labels that are rare can be given."""

from collections.abc import Mapping

import numpy as np

from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module
from sk_posters._base._validation import find_known, has_unknown, shorten

__all__ = [
    "AsymmetricLoss",
    "LabelwiseLoss",
    "find_loss",
    "label_balance",
    "label_wise",
]


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class AsymmetricLoss(keras.losses.Loss):
    """Asymmetric loss for multi-label classification [1]_."""

    def __init__(
        self,
        gamma_neg=4.0,
        gamma_pos=1.0,
        clip=0.05,
        reduction="sum_over_batch_size",
        name="asymmetric",
    ):
        super().__init__(name=name, reduction=reduction)
        self.gamma_neg = gamma_neg
        self.gamma_pos = gamma_pos
        self.clip = clip

    def call(self, y_true, y_pred):
        """Return the loss of each row."""
        smallest = keras.config.epsilon()
        p = keras.ops.clip(y_pred, smallest, 1 - smallest)
        # Never 0, whose power has no gradient where gamma_neg is below 1.
        q = keras.ops.maximum(p - self.clip, smallest)
        positive = (1 - p) ** self.gamma_pos * keras.ops.log(p)
        negative = q**self.gamma_neg * keras.ops.log(1 - q)
        losses = y_true * positive + (1 - y_true) * negative
        return -keras.ops.mean(losses, axis=-1)

    def get_config(self):
        """Return what the loss is built from."""
        return {
            **super().get_config(),
            "gamma_neg": self.gamma_neg,
            "gamma_pos": self.gamma_pos,
            "clip": self.clip,
        }


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class LabelwiseLoss(keras.losses.Loss):
    """A loss with weights of labels, adjusted logits, or unknown labels left out.

    Where `known_only`, pairs whose target is nan are left out: the loss of a batch is
    the sum over its known pairs, divided by their number.
    """

    def __init__(
        self,
        loss,
        weights=None,
        offsets=None,
        known_only=False,
        reduction="sum_over_batch_size",
        name="labelwise",
    ):
        super().__init__(name=name, reduction=reduction)
        self.loss = loss
        self.weights = weights
        self.offsets = offsets
        self.known_only = known_only

    def call(self, y_true, y_pred):
        """Return the loss of each row."""
        known = None
        if self.known_only:
            known = keras.ops.logical_not(keras.ops.isnan(y_true))
            y_true = keras.ops.where(known, y_true, 0)
        if self.offsets is not None:
            y_pred = self._adjust(y_pred)
        of_rows = getattr(self.loss, "call", self.loss)
        # Losses average over the last axis: with one label each, that is its own loss.
        losses = of_rows(y_true[..., None], y_pred[..., None])
        if self.weights is not None:
            weights = keras.ops.convert_to_tensor(self.weights, dtype=losses.dtype)
            losses = losses * (1 + y_true * (weights - 1))
        if known is None:
            return keras.ops.mean(losses, axis=-1)
        counts = keras.ops.cast(known, losses.dtype)
        per_row = keras.ops.sum(counts) / keras.ops.sum(
            keras.ops.ones_like(counts[:, 0])
        )
        # Keras takes the mean over rows: of what each has, per mean number of known.
        of_known = keras.ops.sum(keras.ops.where(known, losses, 0), axis=-1)
        return keras.ops.divide_no_nan(of_known, per_row)

    def _adjust(self, probabilities):
        smallest = keras.config.epsilon()
        p = keras.ops.clip(probabilities, smallest, 1 - smallest)
        offsets = keras.ops.convert_to_tensor(self.offsets, dtype=p.dtype)
        return keras.ops.sigmoid(keras.ops.log(p) - keras.ops.log(1 - p) + offsets)

    def get_config(self):
        """Return what the loss is built from."""
        return {
            **super().get_config(),
            "loss": keras.losses.serialize(self.loss),
            "weights": self.weights,
            "offsets": self.offsets,
            "known_only": self.known_only,
        }

    @classmethod
    def from_config(cls, config):
        """Build the loss that `get_config` describes."""
        return cls(**{**config, "loss": keras.losses.deserialize(config["loss"])})


NAMED = {
    "asymmetric": AsymmetricLoss,
    "focal": keras.losses.BinaryFocalCrossentropy,
}


def find_loss(loss):
    """Return the class of a name, or the loss unchanged."""
    return NAMED.get(loss, loss) if isinstance(loss, str) else loss


def label_wise(loss, weights=None, offsets=None, known_only=False):
    """Let a loss weight or adjust labels or leave out unknown ones, where asked to."""
    if weights is None and offsets is None and not known_only:
        return loss
    # Tensors, as in training: PyTorch multiplies none by an array.
    y_true = keras.ops.convert_to_tensor([[1, 0, 0]], "float32")
    y_pred = keras.ops.convert_to_tensor([[0.5, 0.3, 0.1]], "float32")
    of_rows = getattr(loss, "call", loss)
    expected = keras.ops.convert_to_numpy(of_rows(y_true, y_pred))
    found = keras.ops.convert_to_numpy(LabelwiseLoss(loss).call(y_true, y_pred))
    if expected.shape != found.shape or not np.allclose(expected, found, rtol=1e-3):
        raise ValueError(
            "label_weight, logit_adjustment and unknown labels (nan in y) need a loss "
            "that is the mean over labels, such as 'binary_crossentropy', 'focal' or "
            f"'asymmetric': got {loss!r}. Give another loss, or leave "
            "label_weight=None and logit_adjustment=0, and rows with nan out."
        )
    return LabelwiseLoss(loss, weights, offsets, known_only)


def label_balance(
    targets, label_names, sample_weight=None, *, label_weight=None, logit_adjustment=0.0
):
    """Return what `label_wise` takes, from the rows that are trained on."""
    row_weights = np.ones(len(targets)) if sample_weight is None else sample_weight
    total = row_weights.sum()
    if has_unknown(targets):
        total = row_weights @ find_known(targets)
        targets = np.nan_to_num(targets)
    positives = row_weights @ targets
    # One more of each: a label that was never seen has odds, too.
    odds = (positives + 1) / (total - positives + 1)
    weights = offsets = None
    if label_weight is not None:
        is_balanced = isinstance(label_weight, str)  # No other text gets here.
        weights = 1 / odds if is_balanced else _in_order(label_weight, label_names)
        weights = [float(weight) for weight in weights]
    if logit_adjustment:
        offsets = [float(offset) for offset in logit_adjustment * np.log(odds)]
    return weights, offsets


def _in_order(label_weight, label_names):
    """Return weights that a user gave as an array in the order of labels."""
    names = list(label_names)
    if isinstance(label_weight, Mapping):
        unknown = [name for name in label_weight if name not in names]
        if unknown:
            raise ValueError(
                f"label_weight names labels that are not there: {shorten(unknown)}. "
                f"Known are {shorten(names)}."
            )
        label_weight = [label_weight.get(name, 1.0) for name in names]
    weights = np.asarray(label_weight, dtype=float)
    if weights.shape != (len(names),):
        raise ValueError(
            f"label_weight must hold a weight for each of the {len(names)} labels: got "
            f"shape {weights.shape}."
        )
    wrong = [
        name
        for name, weight in zip(names, weights, strict=True)
        if not 0 < weight < np.inf
    ]
    if wrong:
        raise ValueError(
            "label_weight must be positive and finite: it is not for "
            f"{shorten(wrong)}. Take a label out of y to leave it out."
        )
    return weights

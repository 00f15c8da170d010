"""Pretrained backbones trained further: first the head, then the layers below."""

import math
import weakref
from numbers import Integral

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module
from sk_posters._base._threads import use_one_blas_thread
from sk_posters._base._validation import find_known
from sk_posters._features._efficientnet import BACKBONES
from sk_posters._networks._augmentation import (
    MIXTURES,
    MixedBatches,
    augmentation_layers,
)
from sk_posters._networks._backbone_models import (
    ImageModel,
    keras_backbone,
    restore_weights,
)
from sk_posters._networks._batches import ImageBatches
from sk_posters._networks._cnn import reseed
from sk_posters._networks._compat import position_of_variable

__all__ = [
    "BackboneTraining",
    "FineTuningAdamW",
    "OneCycle",
    "build_finetuning_network",
    "renew",
]

HEAD = "labels"
POOL = "pooled"
# Rate of the one dropout layer where `dropout` names no single rate.
DROPOUT = 0.2
# Inverse strength of regularisation of the linear head, on standardised features.
HEAD_C = 1e-3

# The part before the head of each network that is still there.
_bodies = weakref.WeakKeyDictionary()


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class FineTuningAdamW(keras.optimizers.AdamW):
    """AdamW with a higher learning rate in the head, which starts from less."""

    def __init__(self, learning_rate=4e-4, head_factor=10.0, **options):
        super().__init__(learning_rate, **options)
        self.head_factor = head_factor

    def build(self, variables):
        """Build the optimizer, and note which variables are those of the head."""
        super().build(variables)
        self._of_head = {
            index
            for index, variable in enumerate(variables)
            if HEAD in variable.path.split("/")
        }

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable."""
        if position_of_variable(self, variable) in self._of_head:
            learning_rate = learning_rate * self.head_factor
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        """Return what the optimizer is built from."""
        return {**super().get_config(), "head_factor": self.head_factor}


class OneCycle(keras.callbacks.Callback):
    """One-cycle schedule (Smith 2018): a rise over a tenth of the steps, then a fall.

    A callback, not a schedule of the optimizer: compiled networks are used again, and
    their optimizer would keep the schedule of an earlier fit.
    """

    def __init__(self, first_epoch=0):
        super().__init__()
        self.first_epoch = first_epoch

    def on_train_begin(self, logs=None):
        """Store the peak of the cycle."""
        self._peak = float(self.model.optimizer.learning_rate)
        epochs = self.params["epochs"] - self.first_epoch
        self._n_steps = epochs * self.params["steps"]
        self._step = 0

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate of the next step."""
        factor = cycle(self._step, self._n_steps)
        self.model.optimizer.learning_rate = self._peak * factor
        self._step += 1

    def on_train_end(self, logs=None):
        """Restore the rate for a further call."""
        self.model.optimizer.learning_rate = self._peak


def cycle(step, n_steps):
    """Return the factor of the peak rate for a step."""
    n_rising = max(1, round(n_steps / 10))
    if step < n_rising:
        return (step + 1) / n_rising
    done = (step + 1 - n_rising) / (n_steps - n_rising + 1)
    return (1 + math.cos(math.pi * done)) / 2


def build_finetuning_network(
    name,
    image_shape,
    n_labels,
    *,
    dropout=None,
    unfreeze="all",
    augment=(),
    dtype=None,
):
    """Build a backbone with one sigmoid per label."""
    rate = DROPOUT if dropout is None or np.ndim(dropout) else float(dropout)
    backbone = keras_backbone(name, image_shape, dtype=dtype)
    _set_trainable(backbone, unfreeze)
    inputs = keras.Input(image_shape, name="images")
    images = inputs
    for layer in augmentation_layers(augment):
        images = layer(images)
    # Half precision would cost accuracy here and save almost nothing.
    options = {"dtype": keras.config.floatx()}
    pooled = keras.layers.GlobalAveragePooling2D(name=POOL, **options)(backbone(images))
    dropped = keras.layers.Dropout(rate, seed=0, name="dropout", **options)(pooled)
    outputs = keras.layers.Dense(
        n_labels,
        activation="sigmoid",
        kernel_initializer=keras.initializers.GlorotUniform(seed=0),
        name=HEAD,
        **options,
    )(dropped)
    return ImageModel(inputs, outputs, name=f"finetuned_{name}")


def renew(model, seed):
    """Give a network of `build_finetuning_network` the weights of a new one."""
    restore_weights(_backbone_of(model))
    reseed(model, seed)


def _backbone_of(model):
    return next(layer for layer in model.layers if layer.name in BACKBONES)


def _set_trainable(backbone, unfreeze):
    n_stages = len(BACKBONES[backbone.name].stages)
    if isinstance(unfreeze, Integral) and not 0 <= unfreeze <= n_stages:
        raise ValueError(
            f"unfreeze must be 'all', or the number of stages to train, counted from "
            f"the last (from 0 to {n_stages} for {backbone.name!r}): got {unfreeze!r}."
        )
    if unfreeze == "all":
        return
    for layer in backbone.layers:
        place = layer.name.partition("_")[0]
        if place.startswith("block"):
            layer.trainable = int(place[len("block")]) > n_stages - unfreeze
        else:
            layer.trainable = place == "head" and unfreeze > 0


class BackboneTraining:
    """The part of PosterClassifier that trains pretrained backbones.

    A mixin to the left of KerasEstimator, whose hooks `_auto_optimizer` and `_schedule`
    it overrides. It provides `_has_backbone`, `_mix` and `_train_backbone`. What it
    reads of its host is in `EXPECTS`: parameters, then what a fit has set.
    """

    EXPECTS = (
        *("augment", "network", "optimizer", "shuffle", "unfreeze"),
        *("_balance", "_compile", "_kind", "_seed", "_train"),
        *("current_epoch", "history_"),
    )

    @property
    def _has_backbone(self):
        return self.network != "poster_cnn"

    def _auto_optimizer(self):
        return FineTuningAdamW if self._has_backbone else "adam"

    def _schedule(self):
        if not self._has_backbone or self.optimizer != "auto":
            return []
        return [OneCycle(first_epoch=self.current_epoch)]

    def _augmentations(self):
        """Return the names in `augment`, or the default of the network."""
        head_only = self._has_backbone and self.unfreeze == 0
        if self.augment is None:
            return ("flip", "crop") if self._has_backbone and not head_only else ()
        for reason, applies in {
            "unfreeze=0 trains on features that are computed once": head_only,
            "X holds feature vectors, not images": self._kind == "rows",
        }.items():
            if applies and len(self.augment):
                raise ValueError(
                    f"augment={self.augment!r} has no images to vary, since {reason}. "
                    "Leave augment=None."
                )
        return tuple(self.augment)

    def _mix(self, batches):
        """Return batches with the mixtures that `augment` names."""
        kinds = [name for name in self._augmentations() if name in MIXTURES]
        if not kinds:
            return batches
        epoch = self.current_epoch
        return MixedBatches(batches, kinds=kinds, seed=self._seed, epoch=epoch)

    def _train_backbone(
        self, model, training, held_out, *, starts, batch_size, **arguments
    ):
        """Fit the head on frozen features, then train the unfrozen layers."""

        def features_of(batches):
            return ImageBatches(
                *compute_features(model, batches),
                batch_size=batch_size,
                seed=self._seed if self.shuffle else None,
                epoch=self.current_epoch,
            )

        head_only = self.unfreeze == 0
        features = features_of(training) if starts or head_only else None
        if starts:
            set_linear_head(model, features, *self._balance)
        if not head_only:
            self._train(model, self._mix(training), held_out, **arguments)
            return
        held_out = None if held_out is None else features_of(held_out)
        head = head_of(model)
        self._compile(head)
        if not starts:
            self._train(head, features, held_out, **arguments)
            return
        # There is nothing left to train: only the loss is recorded.
        for prefix, batches in (("", features), ("val_", held_out)):
            if batches is not None:
                scores = head.evaluate(batches, return_dict=True, verbose=0)
                for name, value in scores.items():
                    self.history_[prefix + name] = [float(value)]


def head_of(model):
    """Return the head of a network as a model that shares its weights."""
    n_features = model.get_layer(POOL).output.shape[-1]
    layers = [model.get_layer("dropout"), model.get_layer(HEAD)]
    return keras.Sequential([keras.Input((n_features,)), *layers])


def compute_features(model, batches):
    """Return the inputs of the head for all images, with their targets and weights."""
    # Once per network, as its first prediction traces a graph for a second.
    if model not in _bodies:
        _bodies[model] = ImageModel(model.inputs, model.get_layer(POOL).output)
    body = _bodies[model]
    parts = []
    for images, *others in (batches[index] for index in range(len(batches))):
        parts.append((body.predict_on_batch(images), *others))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def set_linear_head(model, batches, weights=None, offsets=None):
    """Fit a logistic regression per label, and make them the network's head."""
    rows = [batches[index] for index in range(len(batches))]
    features, targets, *row_weights = map(np.concatenate, zip(*rows, strict=True))
    row_weights = row_weights[0] if row_weights else np.ones(len(features))
    scaler = StandardScaler().fit(features, sample_weight=row_weights)
    standardised = scaler.transform(features)
    n_labels = targets.shape[1]
    weights = np.ones(n_labels) if weights is None else weights
    kernel = np.zeros((features.shape[1], n_labels))
    bias = np.zeros(n_labels)
    for label, weight in enumerate(weights):
        rows = find_known(targets[:, label])
        # All rows without a copy.
        rows = slice(None) if rows.all() else rows
        target, weights_of_rows = targets[rows, label], row_weights[rows]
        if not len(target) or target.min() == target.max():
            # Smoothed odds: one more row of each kind.
            positives = weights_of_rows @ target
            negatives = weights_of_rows.sum() - positives
            bias[label] = np.log((positives + 1) / (negatives + 1))
            continue
        sample_weight = weights_of_rows * np.where(target == 1, weight, 1.0)
        regression = LogisticRegression(C=HEAD_C, max_iter=1000)
        with use_one_blas_thread():  # As in OneVsRestHead.
            regression.fit(standardised[rows], target, sample_weight=sample_weight)
        kernel[:, label] = regression.coef_[0] / scaler.scale_
        bias[label] = regression.intercept_[0] - scaler.mean_ @ kernel[:, label]
    if offsets is not None:
        bias -= offsets
    model.get_layer(HEAD).set_weights([kernel, bias])

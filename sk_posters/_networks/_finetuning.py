"""Pretrained backbones trained further: a head first, then what is below it."""

import math
from numbers import Integral

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sk_posters._base._public_path import set_module
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
    "finetuning_network",
    "renew",
]

HEAD = "labels"
POOL = "pooled"
# Rate of the one dropout layer where `dropout` holds those of the tutorial's network.
DROPOUT = 0.2
# Inverse strength of regularisation of the linear head, on standardised features.
HEAD_C = 1e-3


@keras.saving.register_keras_serializable(package="sk_posters")
@set_module("sk_posters")
class FineTuningAdamW(keras.optimizers.AdamW):
    """AdamW that goes faster in the head, which has more to learn."""

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
    """Lets the learning rate rise over the first tenth of the steps, then fall to 0."""

    def __init__(self, first_epoch=0):
        super().__init__()
        self.first_epoch = first_epoch

    def on_train_begin(self, logs=None):
        """Note the rate that the cycle rises to."""
        self._peak = float(self.model.optimizer.learning_rate)
        epochs = self.params["epochs"] - self.first_epoch
        self._n_steps = epochs * self.params["steps"]
        self._step = 0

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate of the step that comes."""
        factor = cycle(self._step, self._n_steps)
        self.model.optimizer.learning_rate = self._peak * factor
        self._step += 1

    def on_train_end(self, logs=None):
        """Set the rate back, for a further call."""
        self.model.optimizer.learning_rate = self._peak


def cycle(step, n_steps):
    """Return the share of the highest rate that a step gets."""
    n_rising = max(1, round(n_steps / 10))
    if step < n_rising:
        return (step + 1) / n_rising
    done = (step + 1 - n_rising) / (n_steps - n_rising + 1)
    return (1 + math.cos(math.pi * done)) / 2


def finetuning_network(
    name,
    image_shape,
    n_labels,
    *,
    dropout=DROPOUT,
    unfreeze="all",
    augment=(),
    dtype=None,
):
    """Build a backbone with one sigmoid per label."""
    rate = DROPOUT if np.ndim(dropout) else float(dropout)
    backbone = keras_backbone(name, image_shape, dtype=dtype)
    _set_trainable(backbone, unfreeze)
    inputs = keras.Input(image_shape, name="images")
    images = inputs
    for layer in augmentation_layers(augment):
        images = layer(images)
    # Half floats would cost accuracy here, and save next to nothing.
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
    """Give a network of `finetuning_network` the weights of one just built."""
    restore_weights(_backbone_of(model))
    reseed(model, seed)


def _backbone_of(model):
    return next(layer for layer in model.layers if layer.name in BACKBONES)


def _set_trainable(backbone, unfreeze):
    n_stages = len(BACKBONES[backbone.name].stages)
    if isinstance(unfreeze, Integral) and not 0 <= unfreeze <= n_stages:
        raise ValueError(
            f"unfreeze must be 'all', or from 0 to the {n_stages} stages of "
            f"{backbone.name!r}: got {unfreeze!r}."
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
    """What PosterClassifier does otherwise where its network is a backbone."""

    @property
    def _has_backbone(self):
        return self.network != "poster_cnn"

    def _auto_optimizer(self):
        return FineTuningAdamW if self._has_backbone else "adam"

    def _callbacks(self, *, has_validation):
        callbacks = super()._callbacks(has_validation=has_validation)
        if self._has_backbone and self.optimizer == "auto":
            done = len(self.history_.get("loss", ()))
            callbacks = [OneCycle(first_epoch=done), *callbacks]
        return callbacks

    def _augmentations(self):
        """Return the names in `augment`, or those that suit the network."""
        head_only = self._has_backbone and self.unfreeze == 0
        if self.augment is None:
            return ("flip", "crop") if self._has_backbone and not head_only else ()
        for reason, applies in {
            "unfreeze=0 trains on features that are computed once": head_only,
            "X holds rows of features, not images": self._kind == "rows",
        }.items():
            if applies and len(self.augment):
                raise ValueError(
                    f"augment={self.augment!r} has nothing to vary, since {reason}. "
                    "Leave augment=None."
                )
        return tuple(self.augment)

    def _mixed(self, batches):
        """Return batches with the mixtures that `augment` asks for."""
        kinds = [name for name in self._augmentations() if name in MIXTURES]
        if not kinds:
            return batches
        epoch = len(self.history_.get("loss", ()))
        return MixedBatches(batches, kinds=kinds, seed=self._seed, epoch=epoch)

    def _train_backbone(
        self, model, training, held_out, *, starts, batch_size, **arguments
    ):
        """Fit the head on frozen features, then train what shall be trained."""

        def features_of(batches):
            return ImageBatches(
                *pooled_features(model, batches),
                batch_size=batch_size,
                seed=self._seed if self.shuffle else None,
                epoch=len(self.history_.get("loss", ())),
            )

        head_only = self.unfreeze == 0
        features = features_of(training) if starts or head_only else None
        if starts:
            set_linear_head(model, features, *self._balance)
        if not head_only:
            self._train(model, self._mixed(training), held_out, **arguments)
            return
        held_out = None if held_out is None else features_of(held_out)
        head = head_of(model)
        self._compile(head)
        if not starts:
            self._train(head, features, held_out, **arguments)
            return
        # There is nothing left to train: the loss is all that can be told.
        for prefix, batches in (("", features), ("val_", held_out)):
            if batches is not None:
                scores = head.evaluate(batches, return_dict=True, verbose=0)
                for name, value in scores.items():
                    self.history_[prefix + name] = [float(value)]


def head_of(model):
    """Return the head of a network as a model, which shares its weights."""
    n_features = model.get_layer(POOL).output.shape[-1]
    layers = [model.get_layer("dropout"), model.get_layer(HEAD)]
    return keras.Sequential([keras.Input((n_features,)), *layers])


def pooled_features(model, batches):
    """Return what comes into the head for some images, and what belongs to them."""
    body = ImageModel(model.inputs, model.get_layer(POOL).output)
    parts = []
    for images, *others in (batches[index] for index in range(len(batches))):
        parts.append((body.predict_on_batch(images), *others))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def set_linear_head(model, batches, weights=None, offsets=None):
    """Fit a logistic regression for each label, and make it the network's head."""
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
        target = targets[:, label]
        if target.min() == target.max():
            # Odds that one row more of each kind would leave.
            positives = row_weights @ target
            negatives = row_weights.sum() - positives
            bias[label] = np.log((positives + 1) / (negatives + 1))
            continue
        cells = row_weights * np.where(target == 1, weight, 1.0)
        regression = LogisticRegression(C=HEAD_C, max_iter=1000)
        with threadpool_limits(1, user_api="blas"):  # As in OneVsRestHead.
            regression.fit(standardised, target, sample_weight=cells)
        kernel[:, label] = regression.coef_[0] / scaler.scale_
        bias[label] = regression.intercept_[0] - scaler.mean_ @ kernel[:, label]
    if offsets is not None:
        bias -= offsets
    model.get_layer(HEAD).set_weights([kernel, bias])

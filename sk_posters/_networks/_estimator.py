"""scikeras's estimator, repaired for scikit-learn and current Keras.

All contact with scikeras is here, and it is only a thin base class: leaving it means
deriving from ClassifierMixin and BaseEstimator, and copying the helpers imported below.
"""

import inspect
from io import IOBase
from numbers import Number

import numpy as np
from scikeras._utils import (
    get_loss_class_function_or_string,
    get_metric_class,
    get_optimizer_class,
    route_params,
    try_to_convert_strings_to_classes,
    unflatten_params,
)
from scikeras.wrappers import KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import ClassifierTags

from sk_posters._base._compat import get_param_names
from sk_posters._base._keras import keras
from sk_posters._base._predictions import score_subsets
from sk_posters._networks._batches import NextOrder, for_keras, prefetch
from sk_posters._networks._devices import (
    EvenBatches,
    JointLossScaleOptimizer,
    compute_policy,
    device_scope,
    devices_of,
    predict_on_devices,
)
from sk_posters._networks._divergence import FiniteLoss, explain_divergence
from sk_posters._networks._losses import find_loss, label_wise
from sk_posters._networks._metrics import leave_unknown_out

__all__ = ["KerasEstimator"]

# What takes the place of a parameter of Keras.
INSTEAD = {
    "class_weight": "label_weight, the weight of each label's positives (a class "
    "weight would apply to whole rows of several labels; weights of rows are the "
    "sample_weight of fit)",
    "validation_batch_size": "fit__batch_size",
}

# What Keras's callbacks hold of the network that they were last trained with.
HELD = {"_model", "best_weights"}

# Parameters of the form prefix__name, handed to what the prefix names.
ROUTED = ("callbacks", "compile", "fit", "loss", "metrics", "optimizer", "predict")


def _reduce_to_config(part):
    """Return what copies and pickles build a metric, loss or optimizer from."""
    return _build_from_config, (type(part), part.get_config())


def _build_from_config(kind, config):
    return kind.from_config(config)


# scikeras lets Keras look up the class by its name, and takes the name itself for the
# object where that is not one of Keras's.
for _kind in (keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer):
    _kind.__reduce__ = _reduce_to_config


class KerasEstimator(KerasClassifier):
    """scikeras's KerasClassifier without what breaks scikit-learn's contract.

    The base of PosterClassifier: parameters, tags, compiling, training, prediction.
    Subclasses may override the hooks `_auto_optimizer` and `_schedule`. What it reads
    of its subclass is in `EXPECTS`: parameters, then what a fit has set.
    """

    EXPECTS = (
        *("callbacks", "distribute", "jit_compile", "learning_rate", "loss"),
        *("mixed_precision", "optimizer", "patience", "verbose"),
        *("_NETWORK", "_balance", "_has_unknown", "_network", "_target_encoder"),
        *("history_", "image_shape_", "label_names_"),
    )

    def __init_subclass__(cls, **options):
        # `**routed` of __init__ takes names with two underscores and is not a parameter
        # itself: scikit-learn's checks would try to set it.
        super().__init_subclass__(**options)
        signature = inspect.signature(cls.__init__)
        own = [p for p in signature.parameters.values() if p.kind == p.KEYWORD_ONLY]
        cls.__signature__ = signature.replace(parameters=own)

    # -- parameters ---------------------------------------------------------------

    # scikeras lists everything in __dict__, so that learned names without an
    # underscore become parameters; scikit-learn reads the signature of __init__.
    _get_param_names = classmethod(get_param_names)
    __repr__ = BaseEstimator.__repr__

    def _store_routed(self, routed):
        """Store the parameters that __init__ took as `**routed`."""
        for name, value in routed.items():
            if name in INSTEAD:
                raise TypeError(
                    f"{type(self).__name__} has no parameter {name!r}: set "
                    f"{INSTEAD[name]}."
                )
            if not _is_routed(name):
                raise TypeError(
                    f"{type(self).__name__} has no parameter {name!r}. It has "
                    f"{', '.join(self._get_param_names())}, and passes on names that "
                    f"start with {', '.join(prefix + '__' for prefix in ROUTED)}."
                )
            setattr(self, name, value)

    def get_params(self, deep=True):
        """Get parameters, with those of the form ``optimizer__momentum``.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn: with the parameters of parameters that are estimators.

        Returns
        -------
        dict
            Parameter names and values.
        """
        routed = {name: value for name, value in vars(self).items() if _is_routed(name)}
        return {**BaseEstimator.get_params(self, deep=deep), **routed}

    def set_params(self, **params):
        """Set parameters, with those of the form ``optimizer__momentum``.

        scikeras's own refuses ``callbacks__patience`` and cannot search it.

        Parameters
        ----------
        **params : dict
            Parameter names and values.

        Returns
        -------
        KerasEstimator
            This estimator.
        """
        routed = {name: params.pop(name) for name in list(params) if _is_routed(name)}
        BaseEstimator.set_params(self, **params)
        for name, value in routed.items():
            setattr(self, name, value)
        return self

    # -- what scikit-learn asks ---------------------------------------------------

    def __sklearn_tags__(self):
        # ClassifierMixin cannot be left of KerasClassifier (method resolution order),
        # so scikit-learn would not recognise a classifier.
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_class=True, multi_label=True)
        tags.target_tags.required = True
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_network")

    @property
    def initialized_(self):
        """Whether there is a network (scikeras's name)."""
        return hasattr(self, "_network")

    @property
    def current_epoch(self):
        """Number of epochs trained so far (scikeras's name)."""
        # scikeras's own fails between `initialize` and `fit`, and with it `repr` in a
        # notebook.
        return len(getattr(self, "history_", {}).get("loss", ()))

    @property
    def model_(self):
        """The network. Once accessed, it is no longer recycled by later fits."""
        if not hasattr(self, "_network"):
            raise AttributeError(
                f"This {type(self).__name__} has no model_ before fit."
            )
        return self._network.share()

    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose known labels are all predicted rightly.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images like those in `fit`.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            The true labels, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            Subset accuracy, of the rows in which any label is known; the accuracy for
            a 1-D target. A constant prediction may come close to it: look at
            :func:`sk_posters.metrics.mean_average_precision_score` first.

        Raises
        ------
        ValueError
            If the columns of `y` are not the labels seen in fit, in the same order.
        """
        if self._target_encoder.multilabel:
            return score_subsets(self, X, y, sample_weight)
        return ClassifierMixin.score(self, X, y, sample_weight)

    # -- Keras --------------------------------------------------------------------

    def _network_key(self):
        """Return what a recycled network must share with a new one; None forbids it."""
        params = self.get_params(deep=False)
        names = {"optimizer", "loss", "metrics", "jit_compile", "distribute"}
        names |= set(self._NETWORK)
        prefixes = ("compile__", "loss__", "metrics__", "optimizer__")
        chosen = {
            name: value
            for name, value in sorted(params.items())
            if name in names or name.startswith(prefixes)
        }
        # A numeric rate is set for each fit, see `_set_learning_rate`.
        chosen["learning_rate"] = self.learning_rate is None
        if self.callbacks is not None or not _is_plain(list(chosen.values())):
            return None
        state = keras.config.floatx(), keras.config.dtype_policy().name
        state += (compute_policy(self.mixed_precision),)
        shape = self.image_shape_, len(self.label_names_)
        return repr((shape, state, self._balance, self._has_unknown, chosen))

    def _compile(self, model, optimizer=None):
        """Compile a model with optimizer, loss, metrics and their routed parameters."""
        params = self.get_params(deep=False)
        params["loss"] = find_loss(self.loss)
        if self.optimizer == "auto":
            params["optimizer"] = self._auto_optimizer()

        def build(name, to_class, **more):
            item = try_to_convert_strings_to_classes(params[name], to_class)
            routed = route_params(params, destination=name, pass_filter=())
            return unflatten_params(item, {**more, **routed})

        metrics = build("metrics", get_metric_class)
        if metrics is not None and not isinstance(metrics, (dict, list)):
            metrics = [metrics]
        if self._has_unknown and metrics is not None:
            metrics = keras.tree.map_structure(leave_unknown_out, metrics)
        routed = route_params(params, destination="compile", pass_filter=())
        if optimizer is None:
            optimizer = self._make_optimizer(build)
            # Keras checks the policy of the model only, not those of its layers.
            if routed.get("auto_scale_loss", True) and _trains_in_half_floats(model):
                optimizer = _with_loss_scale(optimizer, devices_of(model))
        model.compile(
            loss=label_wise(
                build("loss", get_loss_class_function_or_string),
                *self._balance,
                known_only=self._has_unknown,
            ),
            metrics=metrics,
            optimizer=optimizer,
            **{"jit_compile": self._jit_compile(), **routed},
        )
        model.optimizer.build(model.trainable_variables)

    def _allow_unknown(self, network):
        """Let a network that was compiled for known labels leave unknown ones out."""
        self._has_unknown = True
        # Not for the pool, whose key says otherwise; the optimizer keeps its state.
        model = network.share()
        self._compile(model, optimizer=model.optimizer)

    def __setstate__(self, state):
        super().__setstate__(state)
        network = vars(self).get("_network")
        # Losses and metrics of the user's own are no part of a saved network.
        if network is not None and getattr(network.model, "loss", None) is None:
            model = network.model
            shared = devices_of(model) > 1
            with device_scope(self.distribute if shared else None):
                self._compile(model, optimizer=getattr(model, "optimizer", None))

    def _jit_compile(self):
        if self.jit_compile is True and self.distribute is not None:
            raise ValueError(
                f"jit_compile=True and distribute={self.distribute!r} do not work "
                "together in TensorFlow: leave jit_compile='auto', or distribute=None."
            )
        return self.jit_compile

    def _set_learning_rate(self, model):
        """Set the rate of this fit in a network that may come from another one."""
        routed = "optimizer__learning_rate" in vars(self)
        if self.learning_rate is not None and not routed:
            model.optimizer.learning_rate = self.learning_rate

    def _make_optimizer(self, build):
        if not isinstance(self.optimizer, keras.optimizers.Optimizer):
            rate = self.learning_rate
            rate = {} if rate is None else {"learning_rate": rate}
            return build("optimizer", get_optimizer_class, **rate)
        if self.learning_rate is not None:
            raise ValueError(
                f"learning_rate={self.learning_rate!r} does not reach an optimizer "
                "that is already built: give `optimizer` as a name or a class, or set "
                "the rate there and leave learning_rate=None."
            )
        # An optimizer belongs to one model: a second fit needs one of its own.
        return type(self.optimizer).from_config(self.optimizer.get_config())

    def _auto_optimizer(self):
        """Return what optimizer="auto" means."""
        return "adam"

    def _schedule(self):
        """Return callbacks that set the learning rate."""
        return []

    def _callbacks(self, *, has_validation):
        """Return all callbacks: schedule, those of the user, early stopping."""
        callbacks = []
        if self.callbacks is not None:
            params = self.get_params(deep=False)
            routed = route_params(params, destination="callbacks", pass_filter=())
            callbacks = unflatten_params(self.callbacks, routed)
        if isinstance(callbacks, dict):
            callbacks = list(callbacks.values())
        if not isinstance(callbacks, (list, tuple)):
            callbacks = [callbacks]
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise TypeError(
                    "callbacks must be Keras callbacks or classes of them, one or a "
                    f"list or a dict: got {callback!r}."
                )
        if self.patience is None:
            return [*self._schedule(), *callbacks]
        if not has_validation:
            raise ValueError(
                f"patience={self.patience!r} watches the validation loss, and there is "
                "no validation set: set validation_fraction (0.1, say), or pass "
                "validation_data to fit."
            )
        # A parameter of its own, since callbacks=EarlyStopping cannot be cloned and
        # searched together with callbacks__patience.
        stopping = keras.callbacks.EarlyStopping(
            patience=self.patience, restore_best_weights=True
        )
        return [*self._schedule(), *callbacks, stopping]

    def _refuse_misplaced(self, misplaced, fit_arguments):
        """Raise an error that says where arguments belong that fit does not take."""
        for name, value in misplaced.items():
            where = "It takes X, y, sample_weight, validation_data and validation_split"
            if name in INSTEAD:
                where = f"Set {INSTEAD[name]}"
            elif name in self._get_param_names():
                where = f"It is a parameter: {type(self).__name__}({name}={value!r})"
            elif name in fit_arguments:
                where = f"It is the parameter fit__{name} of {type(self).__name__}"
            raise TypeError(f"fit of {type(self).__name__} takes no {name!r}. {where}.")

    def _collect_routed(self, method, allowed):
        """Return the arguments routed to a method of the model, as fit__verbose."""
        params = self.get_params(deep=False)
        routed = route_params(params, destination=method, pass_filter=())
        for name in routed:
            if name not in allowed:
                names = ", ".join(f"{method}__{known}" for known in allowed)
                raise ValueError(
                    f"There is no parameter {method}__{name}: allowed are {names}."
                )
        return routed

    def _train(self, model, batches, held_out, *, epochs, **arguments):
        """Train a network for more epochs and extend the history."""
        done = self.current_epoch
        callbacks = self._callbacks(has_validation=held_out is not None)
        finite = FiniteLoss()
        arguments = {
            "initial_epoch": done,
            "epochs": done + epochs,
            "validation_data": self._feed(held_out, model),
            "callbacks": [*callbacks, NextOrder(batches), finite],
            "shuffle": False,  # The batches have an order of their own.
            "verbose": self.verbose,
            **arguments,
        }
        try:
            history = model.fit(self._feed(batches, model), **arguments).history
        except Exception as error:
            # TensorFlow wraps errors of reading a batch into its own, in a long text.
            for source in (batches, held_out):
                if source is not None and source.error is not None:
                    raise source.error from error
            if not finite.find_in(error):
                raise
            history = finite.history
        finally:
            _release(callbacks)
        for name, values in history.items():
            values = values[:-1] if name in finite.bad_logs else values
            if values:
                self.history_.setdefault(name, []).extend(map(float, values))
        if finite.problem is not None:
            n_epochs = self.current_epoch
            error = explain_divergence(finite.problem, model, n_epochs)
            finite.restore()
            raise error

    def _feed(self, batches, model):
        """Return batches in the form that Keras takes, divided among the devices."""
        if batches is None:
            return None
        if self.distribute is None:
            return for_keras(batches)
        # A strategy would divide and order a tf.data.Dataset differently.
        n_devices = devices_of(model)
        return EvenBatches(batches, n_devices) if n_devices > 1 else batches

    def _predict_scores(self, images, batch_size):
        """Return the outputs of the network, always of shape (n, n_outputs)."""
        # Batch by batch, because model.predict copies the whole input first.
        batches, model = prefetch(images, batch_size), self._network.model
        scores = np.concatenate([predict_on_devices(model, x) for x in batches])
        rows = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        if len(rows):
            raise ValueError(
                f"The network gives scores that are nan or infinite for {len(rows)} of "
                f"{len(scores)} rows, first in row {rows[0]}: its weights are not "
                "finite, or float16 overflows. Fit it again with a lower "
                "learning_rate, or with mixed_precision=False."
            )
        # Under mixed precision the network ends in half floats.
        return scores.astype(keras.config.floatx(), copy=False)


def _release(callbacks):
    """Let callbacks forget the network: copies and pickles would hold it, too."""
    for callback in callbacks:
        for name, value in vars(callback).items():
            if name in HELD or (isinstance(value, IOBase) and value.closed):
                setattr(callback, name, None)


def _trains_in_half_floats(model):
    return any(
        layer.compute_dtype == "float16" or _trains_in_half_floats(layer)
        for layer in getattr(model, "layers", ())
    )


def _with_loss_scale(optimizer, n_devices):
    """Return an optimizer that keeps small gradients from vanishing in float16."""
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    if n_devices > 1:
        return JointLossScaleOptimizer(optimizer)
    return keras.optimizers.LossScaleOptimizer(optimizer)


def _is_plain(value):
    """Return whether a parameter holds only text, numbers, None and lists of them."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, Number))


def _is_routed(name):
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest and prefix in ROUTED)

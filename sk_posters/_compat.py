"""The only module that takes private names from scikit-learn and Keras.

Those of Keras are functions here, which look them up when they are called: most rooms
that use this module must not load Keras. A test names each one that disappears.
"""

from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection._split import (
    GroupsConsumerMixin,
    _BaseKFold,
    _validate_shuffle_split,
)
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils.validation import (
    _check_method_params,
    _check_sample_weight,
    _estimator_has,
    _num_samples,
)

__all__ = [
    "GroupsConsumerMixin",
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "_BaseKFold",
    "_check_method_params",
    "_check_sample_weight",
    "_estimator_has",
    "_fit_context",
    "_num_samples",
    "_safe_indexing",
    "_validate_shuffle_split",
    "get_param_names",
    "keras_global",
    "node_of",
    "position_of_variable",
    "set_keras_global",
    "validate_params",
    "validate_params_of",
]

get_param_names = BaseEstimator._get_param_names.__func__


def validate_params_of(estimator):
    """Check an estimator's parameters where `_fit_context` does not.

    Parameters
    ----------
    estimator : estimator
        It has `_parameter_constraints`.
    """
    estimator._validate_params()


def node_of(tensor):
    """Return the call of a Keras layer that a symbolic tensor comes from.

    Parameters
    ----------
    tensor : keras.KerasTensor
        The tensor.

    Returns
    -------
    keras.src.ops.node.Node
        With ``operation``, ``input_tensors`` and ``output_tensors``.
    """
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]


def position_of_variable(optimizer, variable):
    """Return the position of a variable among those that an optimizer trains.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        The optimizer, built.
    variable : keras.Variable
        The variable.

    Returns
    -------
    int
        The position.
    """
    return optimizer._get_variable_index(variable)


def keras_global(name, default):
    """Return what Keras keeps under a name for the whole thread.

    Parameters
    ----------
    name : str
        The name.
    default : object
        What to return where there is nothing.

    Returns
    -------
    object
        The value.
    """
    return _global_state().get_global_attribute(name, default)


def set_keras_global(name, value):
    """Set what Keras keeps under a name for the whole thread.

    Parameters
    ----------
    name : str
        The name.
    value : object
        The value.
    """
    _global_state().set_global_attribute(name, value)


def _global_state():
    from keras.src.backend.common import global_state

    return global_state

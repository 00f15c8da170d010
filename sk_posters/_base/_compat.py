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
from sklearn.multiclass import _fit_binary
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils.metadata_routing import _raise_for_params
from sklearn.utils.validation import (
    _check_method_params,
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
    "_estimator_has",
    "_fit_binary",
    "_fit_context",
    "_num_samples",
    "_raise_for_params",
    "_safe_indexing",
    "_validate_shuffle_split",
    "get_param_names",
    "validate_params",
    "validate_params_of",
]

get_param_names = BaseEstimator._get_param_names.__func__


def validate_params_of(estimator):
    """Check an estimator's parameters where `_fit_context` does not."""
    estimator._validate_params()

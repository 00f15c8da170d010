"""The only module that takes private names from scikit-learn."""

from sklearn.base import _fit_context
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
    "validate_params",
]

"""A linear classifier for each label, on pretrained features."""

import numpy as np
import pandas as pd
from sklearn.multiclass import OneVsRestClassifier
from threadpoolctl import threadpool_limits

from sk_posters._base._label_warnings import name_labels
from sk_posters._base._public_path import set_module

__all__ = ["OneVsRestHead"]


@set_module("sk_posters")
class OneVsRestHead(OneVsRestClassifier):
    """scikit-learn's OneVsRestClassifier on one BLAS thread, which knows label names.

    Fitted on a DataFrame, it has `label_names_`, the columns.
    """

    def fit(self, X, y, **fit_params):
        """Fit a classifier for each label."""
        vars(self).pop("label_names_", None)
        names = list(y.columns) if isinstance(y, pd.DataFrame) else None
        with (
            name_labels(names, lambda: self.estimators_),
            threadpool_limits(1, user_api="blas"),
        ):
            super().fit(X, y, **fit_params)
        if names is not None and len(names) == len(self.estimators_):
            self.label_names_ = np.array(names, dtype=object)
        return self

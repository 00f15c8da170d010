"""A linear classifier for each label, on pretrained features."""

from sklearn.multiclass import OneVsRestClassifier
from threadpoolctl import threadpool_limits

from sk_posters._base._public_path import set_module

__all__ = ["OneVsRestHead"]


@set_module("sk_posters")
class OneVsRestHead(OneVsRestClassifier):
    """scikit-learn's OneVsRestClassifier, fitted on one BLAS thread."""

    def fit(self, X, y, **fit_params):
        """Fit a classifier for each label."""
        with threadpool_limits(1, user_api="blas"):
            return super().fit(X, y, **fit_params)

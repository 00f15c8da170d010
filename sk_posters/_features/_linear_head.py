"""What follows pretrained features: a linear classifier for each label."""

from sklearn.multiclass import OneVsRestClassifier
from threadpoolctl import threadpool_limits

from sk_posters._base._public_path import set_module

__all__ = ["OneVsRestHead"]


@set_module("sk_posters")
class OneVsRestHead(OneVsRestClassifier):
    """scikit-learn's OneVsRestClassifier, fitted on one BLAS thread.

    A step of logistic regression multiplies some thousand features by one vector. That
    takes less time than the threads of OpenBLAS need to agree on who does what: with
    1280 features of 3200 rows, two threads take six times as long as one, and more
    where other programs run. `n_jobs` shares out labels, in processes of their own.
    One thread adds up in one order, too: answers do not depend on the number of cores.

    Parameters, attributes and methods are those of
    :class:`sklearn.multiclass.OneVsRestClassifier`.
    """

    def fit(self, X, y, **fit_params):
        """Fit a classifier for each label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples, n_labels) or (n_samples,)
            Labels.
        **fit_params : dict
            Passed on to the `fit` of each classifier, as metadata routing says.

        Returns
        -------
        OneVsRestHead
            This classifier.
        """
        with threadpool_limits(1, user_api="blas"):
            return super().fit(X, y, **fit_params)

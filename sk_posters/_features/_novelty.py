"""How unlike the training images an image is, told from its features."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.extmath import row_norms
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_posters._base._public_path import set_module

__all__ = ["FeatureNovelty"]

MAX_DISTANCES = 10_000
# Equal images are equally far, whatever the last digits of sums in single precision.
DECIMALS = 5
DTYPES = [np.float32, np.float64]


@set_module("sk_posters")
class FeatureNovelty(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Pass features on, and learn how unlike the training images an image is.

    A step of the recipes `"frozen"` and `"best"`, between encoder and scaler. It learns
    the mean direction of the training images' features. The distance of an image is
    one minus the cosine of the angle between its features and that direction, and its
    novelty is the share of training images that are nearer.
    :func:`~sk_posters.inspection.novelty` takes images and whole models.

    Attributes
    ----------
    direction_ : ndarray of shape (n_features,)
        Mean of the training rows after each was scaled to length 1, itself scaled to
        length 1.
    distances_ : ndarray of shape (n_distances,), dtype float32
        Distances of the training rows, in ascending order, each from the mean
        direction of all other rows. At most 10,000 of them: every tenth of 100,000.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if they are strings.

    See Also
    --------
    sk_posters.inspection.novelty : The novelty of images, for a whole model.
    make_poster_pipeline : Makes pipelines with this step.

    Notes
    -----
    Novelty runs from 0 to 1, and high is novel: 0.97 says that 97 % of the training
    images are nearer. For new images like those of the training it is uniform: 5 % of
    them are above 0.95. One minus novelty is a p-value as conformal prediction defines
    it [2]_, up to the influence of a single row on the direction. With `n` training
    rows, novelty is at most `n / (n + 1)`: more than 19 are needed to exceed 0.95.

    Rows count alike, whatever their weights or labels in a later step. Features are
    taken as the encoder gives them: after a scaler that centres them, they have no mean
    direction.

    The distance is that to a single prototype. Distances to the nearest training
    images [1]_ and Mahalanobis distances [3]_ were on the whole no better at telling
    other images from posters, with far more numbers: see ``docs/benchmarks.md``.
    Neighbours are better where the training images are of several very different
    kinds. Neither the direction nor the distances show a training image.

    References
    ----------
    .. [1] Y. Sun, Y. Ming, X. Zhu and Y. Li, "Out-of-Distribution Detection with Deep
       Nearest Neighbors", ICML 2022.
    .. [2] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random
       World", Springer 2005.
    .. [3] K. Lee, K. Lee, H. Lee and J. Shin, "A Simple Unified Framework for Detecting
       Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018.

    Examples
    --------
    >>> from sk_posters import FeatureNovelty
    >>> step = FeatureNovelty().fit([[2.0, 1.0], [4.0, 1.0], [9.0, 3.0]])
    >>> step.novelty([[30.0, 10.0], [1.0, 8.0]])
    array([0.  , 0.75])
    """

    def fit(self, X, y=None):
        """Learn the mean direction, and the distance of each row from the others'.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, none of them infinite or nan.
        y : object, default=None
            Ignored.

        Returns
        -------
        FeatureNovelty
            The fitted step.
        """
        X = validate_data(self, X, dtype=DTYPES)
        inverse = _invert_norms(X)
        total = X.T @ inverse
        length = np.linalg.norm(total)
        self.direction_ = total / length if length else total
        distances = np.sort(_leave_one_out(X @ total * inverse, inverse > 0, length))
        if len(distances) > MAX_DISTANCES:
            kept = np.linspace(0, len(distances) - 1, MAX_DISTANCES).round().astype(int)
            distances = distances[kept]
        self.distances_ = distances
        return self

    def transform(self, X):
        """Return the features as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The same features.
        """
        return self._check(X)

    def novelty(self, X):
        """Return the share of training images that are nearer than each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0 (the nearest) to 1 (unlike anything seen in training).
        """
        X = self._check(X)
        cosines = X @ self.direction_.astype(X.dtype) * _invert_norms(X)
        n_nearer = np.searchsorted(self.distances_, _round(1 - cosines))
        return n_nearer / (len(self.distances_) + 1)

    def _check(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=DTYPES, reset=False)


def _invert_norms(X):
    """Return the inverse of each row's length, 0 for a row of zeros."""
    norms = row_norms(X)
    return np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)


def _leave_one_out(products, is_counted, length):
    """Return each row's distance from the mean direction of all others.

    `products` are those of unit rows with their sum, of which `length` is the length.
    """
    own = is_counted.astype(float)
    products = products.astype(float)
    rest = np.sqrt(np.maximum(float(length) ** 2 - 2 * products * own + own, 0))
    # Rounding leaves a rest that is not quite 0 where there is no other row.
    has_rest = rest > 1e-3
    cosines = np.divide(products - own, rest, out=np.zeros_like(rest), where=has_rest)
    return _round(1 - cosines)


def _round(distances):
    return np.round(distances, DECIMALS).astype(np.float32)

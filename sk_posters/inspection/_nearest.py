"""Which training images look most alike to a pretrained network."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from sk_posters._base._compat import Interval, validate_params
from sk_posters._base._unwrap import unwrap
from sk_posters._features._encoder import RESIZED, as_images, list_encoders
from sk_posters._images._lazy import PosterImages
from sk_posters._images._sources import MemoryImage, check_sources

__all__ = ["nearest_posters"]


@validate_params(
    {"n_neighbors": [Interval(Integral, 1, None, closed="left")]},
    prefer_skip_nested_validation=False,
)
def nearest_posters(estimator, X, X_train, *, n_neighbors=5):
    """Find the posters that look most alike to a pretrained network.

    Parameters
    ----------
    estimator : PosterEncoder, Pipeline or MultilabelTunedThresholdClassifierCV
        An encoder, or a fitted pipeline that begins with one or with a FeatureUnion of
        encoders, as the recipes `"frozen"` and `"best"` do.
    X : array-like of shape (n_images,) or (n_images, height, width, 3)
        Paths, images in memory or arrays to find neighbours for, as the encoder takes
        them.
    X_train : array-like of shape (n_train,) or (n_train, height, width, 3)
        Paths, images in memory or arrays to find them among.
    n_neighbors : int, default=5
        How many for each.

    Returns
    -------
    DataFrame of shape (n_images * n_neighbors, 5)
        ``row`` (position in `X`), ``rank`` (from 1, the nearest), ``index`` (position
        in `X_train`), ``path`` (None for images without one) and ``distance``: cosine
        distance of the features, 0 for those that are alike.

    Raises
    ------
    ValueError
        If the estimator has no encoder, there are fewer than `n_neighbors` posters in
        `X_train`, or these are not what the encoder takes, or of another size than `X`.

    See Also
    --------
    grad_cam : Which parts of a poster contribute to a label.

    Notes
    -----
    Features are compared as the encoder gives them, before any scaler or classifier:
    what is near looks alike to a network that has learned from photographs, and may
    differ in all genres. A poster of `X` that is in `X_train`, too, finds itself.

    Examples
    --------
    >>> from sk_posters import PosterEncoder
    >>> from sk_posters.datasets import make_posters
    >>> from sk_posters.inspection import nearest_posters
    >>> posters = make_posters(8, random_state=0, data_home="posters")
    >>> encoder = PosterEncoder(image_size=(96, 64))
    >>> found = nearest_posters(encoder, posters.data[:1], posters.data, n_neighbors=2)
    >>> found[["row", "rank", "index"]].iloc[0].tolist()
    [0, 1, 0]
    """
    step = unwrap(estimator).estimators[0]
    if not list_encoders(step):
        raise ValueError(
            "nearest_posters takes a PosterEncoder, or a pipeline that begins with one "
            "or with a FeatureUnion of them, as make_poster_pipeline('frozen') makes: "
            f"got {type(step).__name__}."
        )
    for encoder, _ in list_encoders(step):
        _check_same_size(encoder, X, X_train)
    train = step.transform(X_train)
    if n_neighbors > len(train):
        raise ValueError(
            f"n_neighbors must be at most the {len(train)} posters of X_train: got "
            f"{n_neighbors!r}."
        )
    search = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(train)
    distances, indices = search.kneighbors(step.transform(X))
    paths = _paths_of(X_train, len(train))
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(len(indices)), n_neighbors),
            "rank": np.tile(np.arange(1, n_neighbors + 1), len(indices)),
            "index": indices.ravel(),
            # Objects, as names of files need not be UTF-8.
            "path": pd.Series(paths[indices.ravel()], dtype=object),
            "distance": distances.ravel(),
        }
    )


def _check_same_size(encoder, X, X_train):
    """Refuse images of two sizes, such as paths and arrays: their features differ."""
    size, train_size = (as_images(encoder, each).shape[1:3] for each in (X, X_train))
    if tuple(size) != tuple(train_size):
        raise ValueError(
            f"X and X_train must have images of one size: got {size[0]} x {size[1]} "
            f"and {train_size[0]} x {train_size[1]} pixels (height x width). {RESIZED}."
        )


def _paths_of(X, n_rows):
    try:
        sources = X.sources if isinstance(X, PosterImages) else check_sources(X)
    except ValueError:  # An array, since the encoder took it.
        return np.full(n_rows, None)
    paths = [each.path if isinstance(each, MemoryImage) else each for each in sources]
    return np.array(paths, dtype=object)

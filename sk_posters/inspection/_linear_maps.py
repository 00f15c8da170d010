"""Grad-CAM of linear classifiers on pooled feature maps, without any gradient.

The score is linear in the features, which are means or maxima of maps. So the
gradient, averaged over a map, is the weight of its feature divided by the number of
positions. For covariances that average is 0; there the gradient is multiplied with the
map position by position [1]_, which divides their part of the score among them. Where
features are normalised, the factor that roots and lengths come to is taken as constant.

References
----------
.. [1] R. L. Draelos and L. Carin, "Use HiResCAM instead of Grad-CAM for faithful
   explanations of convolutional neural networks", arXiv:2011.08891, 2020.
"""

import warnings

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from sk_posters._base._threads import count_threads, map_in_threads
from sk_posters._features._encoder import (
    as_images,
    check_fitted_size,
    list_networks,
    open_images,
)
from sk_posters._features._novelty import FeatureNovelty
from sk_posters._features._pooling import PARTS, normalize_parts, pool
from sk_posters.exceptions import PosterFileError, describe_failures
from sk_posters.inspection._maps import add_enlarged

__all__ = ["linear_maps", "linear_weights"]

SMALLEST_CORRELATION = 0.01


def linear_weights(steps):
    """Return the weights of features in each label's score, or None."""
    *scalers, classifier = steps
    if not isinstance(classifier, OneVsRestClassifier) or not classifier.multilabel_:
        return None
    weights = []
    for each in classifier.estimators_:
        if hasattr(each, "coef_"):
            weights.append(np.ravel(each.coef_))
        elif hasattr(each, "y_"):  # A constant: one class in fit.
            weights.append(np.zeros(1))
        else:
            return None
    weights = np.stack(np.broadcast_arrays(*weights))
    for scaler in scalers:
        if isinstance(scaler, FeatureNovelty):  # It changes no feature.
            continue
        if not isinstance(scaler, StandardScaler):
            return None
        if scaler.with_std:
            weights = weights / scaler.scale_
    return weights


def linear_maps(encoders, weights, X):
    """Return the maps of images, (n, n_labels, height, width), at the images' size."""
    images = [as_images(encoder, X) for encoder, _ in encoders]
    for (encoder, _), posters in zip(encoders, images, strict=True):
        check_fitted_size(encoder, posters)
    size = max((each.shape[1:3] for each in images), key=np.prod)
    maps = np.zeros((len(images[0]), len(weights), *size), dtype=np.float32)
    start = 0
    for (encoder, factor), posters in zip(encoders, images, strict=True):
        for network in list_networks(encoder, posters.shape[1:3]):
            end = start + sum(network.widths)
            parts = weights if weights.shape[1] == 1 else weights[:, start:end]
            parts = np.broadcast_to(factor * parts, (len(weights), end - start))
            _add_maps(maps, encoder, network, parts.astype(np.float32), posters)
            start = end
    return maps


def _add_maps(maps, encoder, network, weights, posters):
    if network.parts == ("",):
        raise _refuse(network, "vectors")
    reader = open_images(posters)

    def add(row):
        image, failed, _ = reader.read([row])
        if failed and encoder.on_error == "raise":
            return list(failed.items())
        for straight in (True, False) if encoder.flip else (True,):
            view = image if straight else np.ascontiguousarray(image[:, :, ::-1])
            for small in _weigh_maps(network, weights, view, encoder.normalize):
                small = small if straight else small[:, :, ::-1]
                add_enlarged(maps[row], small / (2 if encoder.flip else 1))
        return list(failed.items())

    rows = range(len(posters))
    found = list(map_in_threads(add, rows, count_threads(encoder.n_jobs)))
    failed = list(dict.fromkeys(bad for each in found for bad in each))
    if failed and encoder.on_error == "raise":
        raise PosterFileError(failed)
    if failed:
        text = f"{describe_failures(failed)}\nTheir maps are those of a black image."
        warnings.warn(text, stacklevel=2)


def _weigh_maps(network, weights, image, normalize):
    """Yield for each part its weighted sum of maps, (n_labels, rows, columns)."""
    ends = np.cumsum(network.widths)[:-1]
    parts = zip(
        *(network.parts, network.maps(image), np.split(weights, ends, axis=1)),
        strict=True,
    )
    for part, (maps,), weights in parts:
        if maps.ndim == 2:
            raise _refuse(network, "tokens, whose places are not known")
        kind = "covariance" if part in PARTS["covariances"] else part
        if normalize:
            weights = weights * _slope(maps, kind)
        if kind == "covariance":
            yield _divide_covariances(maps, weights)
        else:
            # Averages and maxima have the same gradient, averaged over a map.
            yield np.moveaxis(maps @ weights.T, 2, 0)


def _slope(maps, part):
    """Return what each pooled value is multiplied with when its part is normalised."""
    pooled = pool(maps[np.newaxis], (part,), axes=(1, 2))
    rooted = pooled.copy()
    normalize_parts(rooted, (part,), [rooted.shape[1]])
    return np.divide(rooted, pooled, out=np.zeros_like(pooled), where=pooled != 0)


def _refuse(network, given):
    return ValueError(
        f"grad_cam needs the feature maps of the backbone {network.prefix!r}, which "
        f"gives feature {given}: choose an output of rank 4 by the parameter output "
        "of PosterEncoder, which then pools it."
    )


def _divide_covariances(maps, weights):
    """Divide weighted roots of covariances among the positions of a map."""
    shape = maps.shape
    centred = (maps - maps.mean(axis=(0, 1))).reshape(-1, shape[2])
    covariance = centred.T @ centred / len(centred)
    spread = np.sqrt(np.diag(covariance))
    # Pairs that hardly vary together would have endless gradients.
    least = SMALLEST_CORRELATION * np.outer(spread, spread)
    upper = np.triu_indices(shape[2])
    root = np.sqrt(np.maximum(np.abs(covariance), least))[upper]
    slopes = np.divide(weights, root, out=np.zeros_like(weights), where=root > 0)
    result = np.empty((len(weights), *shape[:2]), dtype=np.float32)
    matrix = np.zeros((shape[2], shape[2]), dtype=np.float32)
    for label, slope in enumerate(slopes):
        matrix[upper] = slope
        result[label] = ((centred @ matrix) * centred).sum(axis=1).reshape(shape[:2])
    return result

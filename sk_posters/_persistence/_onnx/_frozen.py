"""Encoders of pretrained networks, and a linear classifier on their features."""

import os
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from sk_posters._features._backbones import (
    OUTPUTS,
    choose_precision,
    list_parts,
    make_graph,
)
from sk_posters._features._efficientnet import BACKBONES
from sk_posters._features._encoder import find_settings
from sk_posters._features._pooling import LENGTH, ROOTED
from sk_posters._persistence._onnx._graph import refuse

__all__ = ["add_frozen", "name_inputs"]

# A margin whose probability is 0 or 1 in float32, for labels with one class in fit.
SURE = 200.0


class Body(NamedTuple):
    """A backbone that runs on one input, and on its mirror images if `flip`."""

    images: str
    backbone: str
    precision: str
    flip: bool


def name_inputs(encoders):
    """Return the name of each input that encoders need, by (size, interpolation)."""
    kinds = list(dict.fromkeys(_find_kind(encoder) for encoder, _ in encoders))
    if len(kinds) == 1:
        return {kinds[0]: "images"}
    sizes = [size for size, _ in kinds]
    names = {}
    for size, interpolation in kinds:
        name = "images_{}x{}".format(*size)
        several = sizes.count(size) > 1
        names[size, interpolation] = f"{name}_{interpolation}" if several else name
    return names


def _find_kind(encoder):
    settings = find_settings(encoder)
    # Arrays keep the size that they have in fit.
    size = getattr(encoder, "image_size_", settings.image_size)
    return tuple(int(side) for side in size), settings.interpolation


def add_frozen(graph, encoders, scaler, classifier, inputs):
    """Add encoders, scaler and linear head to a graph; return the number of labels."""
    weights, bias = _linear(scaler, classifier)
    wanted = [
        (
            Body(
                inputs[_find_kind(encoder)],
                name,
                _find_precision(encoder),
                encoder.flip,
            ),
            part,
            encoder.normalize,
            factor,
        )
        for encoder, factor in encoders
        for name in _names(encoder)
        for part in list_parts(encoder.pooling, is_shipped=True)
    ]
    found = {
        body: _add_body(
            graph, body, {OUTPUTS[part] for each, part, *_ in wanted if each == body}
        )
        for body in dict.fromkeys(body for body, *_ in wanted)
    }
    normalized = {
        (body, part): _normalize(graph, found[body][OUTPUTS[part]], part)
        for body, part in dict.fromkeys(
            (body, part) for body, part, normalize, _ in wanted if normalize
        )
    }
    features = [
        _multiply(
            graph,
            normalized[body, part] if normalize else found[body][OUTPUTS[part]],
            factor,
        )
        for body, part, normalize, factor in wanted
    ]
    graph.node("Concat", features, "features", axis=1)
    head = [graph.constant("head.weight", weights), graph.constant("head.bias", bias)]
    graph.node("Gemm", ["features", *head], "margins", transB=1)
    graph.node("Sigmoid", ["margins"], "probabilities")
    return len(bias)


def _names(encoder):
    """Return the names of an encoder's networks."""
    given = encoder.backbone
    names = given if isinstance(given, list | tuple) else [given]
    for name in names:
        if not isinstance(name, str | os.PathLike) or name not in BACKBONES:
            raise refuse(f"backbone={given!r}")
    return names


def _add_body(graph, body, outputs):
    """Add a backbone; return the names of its outputs, averaged over mirroring."""
    precision = "" if body.precision == "float32" else f".{body.precision}"
    place = f"{body.images}.{body.backbone}{precision}" + ".flip" * body.flip
    images = body.images
    if body.flip:
        images = _with_mirrored(graph, images)
    found = graph.embed(
        make_graph(body.backbone, body.precision),
        images,
        sorted(outputs),
        place=place,
        owner=f"{body.backbone}{precision}",
    )
    if body.flip:
        return {name: _halves_mean(graph, each) for name, each in found.items()}
    return found


def _with_mirrored(graph, images):
    """Add a batch of some images and, after them, their mirror images."""
    # From the last column down to before the first.
    ranges = {"starts": -1, "ends": np.iinfo(np.int64).min, "axes": 2, "steps": -1}
    ranges = [graph.constant(f"mirror.{name}", [n]) for name, n in ranges.items()]
    mirrored = graph.node("Slice", [images, *ranges], f"{images}.mirrored")
    return graph.node("Concat", [images, mirrored], f"{images}.both", axis=0)


def _halves_mean(graph, features):
    """Add the mean of the first and the second half of the rows."""
    halves = [f"{features}.straight", f"{features}.mirrored"]
    graph.node("Split", [features], halves, axis=0)
    total = graph.node("Add", halves, f"{features}.sum")
    half = graph.constant("half", 0.5)
    return graph.node("Mul", [total, half], f"{features}.mean")


def _normalize(graph, features, part):
    """Add what `normalize_parts` of ``_pooling`` does to one part."""
    name = features
    if part in ROOTED:
        sign = graph.node("Sign", [name], f"{name}.sign")
        size = graph.node("Abs", [name], f"{name}.size")
        root = graph.node("Sqrt", [size], f"{name}.root")
        features = graph.node("Mul", [sign, root], f"{name}.rooted")
    kind = "LpNormalization"
    found = graph.node(kind, [features], f"{name}.direction", axis=1, p=2)
    length = graph.constant("length", LENGTH)
    return graph.node("Mul", [found, length], f"{name}.normalized")


def _find_precision(encoder):
    found = getattr(encoder, "precision_", encoder.precision)
    return choose_precision(found, encoder.backbone, "cpu")


def _multiply(graph, features, factor):
    if factor == 1:
        return features
    name = graph.constant(f"{features}.factor{factor}", float(factor))
    return graph.node("Mul", [features, name], f"{features}.times{factor}")


def _linear(scaler, classifier):
    """Fold the scaler into the weights and biases of the classifier."""
    if not classifier.multilabel_:
        raise refuse("one that was fitted to classes")
    n_features = scaler.n_features_in_
    mean = scaler.mean_ if scaler.with_mean else np.zeros(n_features)
    scale = scaler.scale_ if scaler.with_std else np.ones(n_features)
    weights, bias = [], []
    for each in classifier.estimators_:
        if isinstance(each, LogisticRegression):
            weights.append(each.coef_[0] / scale)
            bias.append(each.intercept_[0] - weights[-1] @ mean)
        elif hasattr(each, "y_"):  # A constant: one class in fit.
            weights.append(np.zeros(n_features))
            bias.append(SURE if each.y_[0] else -SURE)
        else:
            raise refuse(f"OneVsRestClassifier of {type(each).__name__}")
    return np.array(weights), np.array(bias)

"""Fitted pipelines as ONNX graphs, from the pixels of posters to probabilities."""

import json
import os

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from sk_posters._archive import write_whole
from sk_posters._backbones import BACKBONES, IR_VERSION, OPSET, backbone_onnx
from sk_posters._encoder import PosterEncoder
from sk_posters._images import PosterImageLoader
from sk_posters._onnx_runner import OUTPUTS
from sk_posters._onnx_seal import sealed
from sk_posters._optional import import_optional
from sk_posters._pixels import PARTS
from sk_posters._thresholds import MultilabelTunedThresholdClassifierCV

__all__ = ["export_onnx"]

# A margin whose probability is 0 or 1 in float32, for labels that never vary.
SURE = 200.0

ALLOWED = (
    "export_onnx takes the recipes of make_poster_pipeline, fitted to a label "
    "indicator matrix: PosterEncoder with one EfficientNet-Lite, StandardScaler and "
    "OneVsRestClassifier(LogisticRegression()); or PosterImageLoader and "
    "PosterClassifier; or MultilabelTunedThresholdClassifierCV of them, without "
    "calibration. Save others with save_model"
)


def export_onnx(model, path):
    """Write a fitted pipeline as an ONNX file, from pixels to probabilities.

    Such a file runs without Python, on onnxruntime and much else.

    Parameters
    ----------
    model : Pipeline or MultilabelTunedThresholdClassifierCV
        A fitted recipe of :func:`make_poster_pipeline`, also with tuned thresholds
        around the pipeline or its last step.
    path : str or path-like
        The file. One that is there is replaced once the new one is complete.

    Returns
    -------
    dict
        What stands in the file's metadata, too: ``"image_size"`` (height and width to
        which the pipeline brings files), ``"interpolation"``, ``"label_names"`` and
        ``"thresholds"``.

    Raises
    ------
    ValueError
        If the pipeline is not one of these.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ImportError
        If onnx is not installed: ``pip install "sk-posters[pretrained]"``.

    See Also
    --------
    save_model : Saves any model, for Python.

    Notes
    -----
    Input: ``images``, uint8 of shape (n, height, width, 3), RGB. Output:
    ``probabilities``, float32 of shape (n, n_labels). Reading and resizing files is
    left to whoever runs the graph. Features and scores are computed in float32, where
    scikit-learn takes float64: probabilities may differ in the fifth digit.

    The metadata ``"sha256"`` is the checksum of all bytes but the last 78, which hold
    it: ``head -c -78 genres.onnx | sha256sum``. onnxruntime does not look at it;
    :class:`PosterEncoder` does.

    Examples
    --------
    >>> from sk_posters import export_onnx, make_poster_pipeline
    >>> from sk_posters.datasets import make_posters
    >>> posters = make_posters(12, n_labels=2, random_state=0, data_home="posters")
    >>> pipe = make_poster_pipeline(image_size=(96, 64))
    >>> card = export_onnx(pipe.fit(posters.data, posters.target), "genres.onnx")
    >>> card["image_size"]
    [96, 64]
    """
    check_is_fitted(model)
    onnx = import_optional("onnx", extra="pretrained", purpose="export_onnx")
    steps, tuned = _steps(model)
    kinds = [type(step) for step in steps]
    if kinds == [PosterEncoder, StandardScaler, OneVsRestClassifier]:
        graph = _frozen_graph(onnx, *steps)
    elif len(kinds) == 2 and kinds[0] is PosterImageLoader:
        graph = _cnn_graph(onnx, *steps)
    else:
        raise _refusal(", ".join(kind.__name__ for kind in kinds))
    names = getattr(tuned or steps[-1], "label_names_", None)
    card = {
        "image_size": [int(side) for side in steps[0].image_size],
        "interpolation": steps[0].interpolation,
        "label_names": None if names is None else [str(name) for name in names],
        "thresholds": None if tuned is None else tuned.best_thresholds_.tolist(),
    }
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    written = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    texts = {name: json.dumps(value) for name, value in card.items()}
    onnx.helper.set_model_props(written, texts)
    onnx.checker.check_model(written)
    write_whole(path, sealed(written.SerializeToString()))
    return card


def _refusal(what):
    return ValueError(f"{ALLOWED}; got {what}")


def _steps(model):
    """Return the steps in order, and what has the thresholds."""
    if isinstance(model, MultilabelTunedThresholdClassifierCV):
        if model.calibration_ is not None:
            raise _refusal(f"calibration={model.calibration!r}")
        return _steps(model.estimator_)[0], model
    if not isinstance(model, Pipeline):
        return [model], None
    steps = [step for _, step in model.steps]
    last, tuned = _steps(steps[-1])
    return [*steps[:-1], *last], tuned


def _frozen_graph(onnx, encoder, scaler, classifier):
    name = encoder.backbone
    if not isinstance(name, str | os.PathLike) or name not in BACKBONES or encoder.flip:
        raise _refusal(f"backbone={name!r}, flip={encoder.flip!r}")
    graph = onnx.load_model_from_string(backbone_onnx(name)).graph
    # Without the classes of ImageNet.
    kept = [each for each in graph.node if each.output[0] != "logits"]
    values = [v for v in graph.initializer if not v.name.startswith("classifier.")]
    pooled = [OUTPUTS[part] for part in PARTS[encoder.pooling]]
    node, value = onnx.helper.make_node, onnx.numpy_helper.from_array
    weights, bias = _linear(scaler, classifier)
    kept += [
        node("Concat", pooled, ["features"], axis=1),
        node("Gemm", ["features", "head.weight", "head.bias"], ["margins"], transB=1),
        node("Sigmoid", ["margins"], ["probabilities"]),
    ]
    values += [
        value(weights.astype(np.float32), "head.weight"),
        value(bias.astype(np.float32), "head.bias"),
    ]
    shape = ["n", "height", "width", 3]
    return _graph(onnx, kept, values, shape, len(bias))


def _linear(scaler, classifier):
    """Return weights and bias that do what scaler and classifier do."""
    if not classifier.multilabel_:
        raise _refusal("one that was fitted to classes")
    n_features = scaler.n_features_in_
    mean = scaler.mean_ if scaler.with_mean else np.zeros(n_features)
    scale = scaler.scale_ if scaler.with_std else np.ones(n_features)
    weights, bias = [], []
    for each in classifier.estimators_:
        if isinstance(each, LogisticRegression):
            weights.append(each.coef_[0] / scale)
            bias.append(each.intercept_[0] - weights[-1] @ mean)
        elif hasattr(each, "y_"):  # The same answer for all rows.
            weights.append(np.zeros(n_features))
            bias.append(SURE if each.y_[0] else -SURE)
        else:
            raise _refusal(f"OneVsRestClassifier of {type(each).__name__}")
    return np.array(weights), np.array(bias)


def _cnn_graph(onnx, loader, classifier):
    network = getattr(classifier, "model_", None)
    if type(network).__name__ != "ImageNetwork":
        raise _refusal(f"PosterImageLoader, {type(classifier).__name__}")
    if not isinstance(classifier.classes_, list):
        raise _refusal("one that was fitted to classes")
    node = onnx.helper.make_node
    nodes = [
        node("Transpose", ["images"], ["channels_first"], perm=[0, 3, 1, 2]),
        node("Cast", ["channels_first"], ["floats"], to=1),
        node("Div", ["floats", "255"], ["scaled"]),
    ]
    constants, latest = {"255": np.array(255)}, "scaled"
    for layer in network.layers:
        kind = type(layer).__name__
        if kind not in LAYERS:
            raise _refusal(f"a network with the layer {kind}")
        for name, value in LAYERS[kind](layer):
            if isinstance(value, np.ndarray):
                constants[f"{layer.name}.{name}"] = value
                continue
            inputs = [f"{layer.name}.{each}" for each in value.pop("constants", ())]
            output = f"{layer.name}.{name.lower()}"
            nodes.append(node(name, [latest, *inputs], [output], **value))
            latest = output
    nodes.append(node("Identity", [latest], ["probabilities"]))
    values = [
        onnx.numpy_helper.from_array(value.astype(np.float32), name)
        for name, value in constants.items()
    ]
    shape = ["n", *classifier.image_shape_]
    return _graph(onnx, nodes, values, shape, len(classifier.classes_))


def _convolution(layer):
    kernel, bias = layer.get_weights()
    yield "weight", kernel.transpose(3, 2, 0, 1)
    yield "bias", bias
    yield "Conv", {"constants": ("weight", "bias")}
    yield _activation(layer)


def _dense(layer):
    kernel, bias = layer.get_weights()
    yield "weight", kernel
    yield "bias", bias
    yield "Gemm", {"constants": ("weight", "bias")}
    yield _activation(layer)


def _activation(layer):
    return {"relu": "Relu", "sigmoid": "Sigmoid"}[layer.activation.__name__], {}


def _normalisation(layer):
    names = ("scale", "offset", "mean", "variance")
    yield from zip(names, layer.get_weights(), strict=True)
    yield "BatchNormalization", {"constants": names, "epsilon": layer.epsilon}


def _pooling(layer):
    sides = list(layer.pool_size)
    yield "MaxPool", {"kernel_shape": sides, "strides": sides}


def _flattening(layer):
    # Keras has the channels last, and counts its values so.
    yield "Transpose", {"perm": [0, 2, 3, 1]}
    yield "Flatten", {}


def _nothing(layer):
    return ()


LAYERS = {
    "Conv2D": _convolution,
    "Dense": _dense,
    "Dropout": _nothing,
    "Flatten": _flattening,
    "FusedBatchNormalization": _normalisation,
    "MaxPooling2D": _pooling,
}


def _graph(onnx, nodes, values, shape, n_labels):
    tensor, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    images = tensor("images", types.UINT8, shape)
    probabilities = tensor("probabilities", types.FLOAT, ["n", n_labels])
    return onnx.helper.make_graph(
        nodes, "sk_posters", [images], [probabilities], values
    )

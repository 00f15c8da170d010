"""The networks of PosterClassifier, layer by layer."""

import numpy as np

from sk_posters._features._backbones import BACKBONES, backbone_onnx
from sk_posters._persistence._onnx._refusal import refusal

__all__ = ["add_network"]


def add_network(graph, classifier):
    """Add the network of a PosterClassifier to a graph.

    Parameters
    ----------
    graph : Graph
        The graph, whose input is ``images``.
    classifier : PosterClassifier
        The classifier, fitted.

    Returns
    -------
    int
        Number of labels.
    """
    network = getattr(classifier, "model_", None)
    kind = type(network).__name__
    if kind not in KINDS:
        raise refusal(f"PosterImageLoader, {type(classifier).__name__}")
    if not isinstance(classifier.classes_, list):
        raise refusal("one that was fitted to classes")
    KINDS[kind](graph, network)
    return len(classifier.classes_)


def _add_finetuned(graph, network):
    """Add a backbone with the weights that it has learned, and its sigmoids."""
    from sk_posters._networks._backbone_models import backbone_weights

    # Dropout and variations of images do nothing but in training.
    others = ("InputLayer", "GlobalAveragePooling2D", "Dropout", *VARIATIONS)
    backbone, head = None, None
    for layer in network.layers:
        kind = type(layer).__name__
        if layer.name in BACKBONES:
            backbone = layer
        elif kind == "Dense" and layer.activation.__name__ == "sigmoid":
            head = layer
        elif kind not in others:
            raise refusal(f"a network with the layer {kind}")
    kernel, bias = head.get_weights()
    weights = {"classifier.weight": kernel.T, "classifier.bias": bias}
    content = backbone_onnx(backbone.name, backbone_weights(backbone) | weights)
    found = graph.embed(content, "images", ["logits"], place="network", owner="network")
    graph.node("Sigmoid", [found["logits"]], "probabilities")


def _add_cnn(graph, network):
    graph.node("Transpose", ["images"], "channels_first", perm=[0, 3, 1, 2])
    graph.node("Cast", ["channels_first"], "floats", to=1)
    latest = graph.node("Div", ["floats", graph.constant("255", 255.0)], "scaled")
    for layer in network.layers:
        kind = type(layer).__name__
        if kind not in LAYERS:
            raise refusal(f"a network with the layer {kind}")
        for name, value in LAYERS[kind](layer):
            if isinstance(value, np.ndarray):
                graph.constant(f"{layer.name}.{name}", value)
                continue
            inputs = [f"{layer.name}.{each}" for each in value.pop("constants", ())]
            output = f"{layer.name}.{name.lower()}"
            latest = graph.node(name, [latest, *inputs], output, **value)
    graph.node("Identity", [latest], "probabilities")


KINDS = {"ImageModel": _add_finetuned, "ImageNetwork": _add_cnn}


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


# They vary images while training, and only then.
VARIATIONS = (
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomTranslation",
    "RandomZoom",
)
LAYERS = {
    "Conv2D": _convolution,
    "Dense": _dense,
    "Dropout": _nothing,
    "Flatten": _flattening,
    "FusedBatchNormalization": _normalisation,
    "MaxPooling2D": _pooling,
    **dict.fromkeys(VARIATIONS, _nothing),
}

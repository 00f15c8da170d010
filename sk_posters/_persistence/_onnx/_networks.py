"""The networks of PosterClassifier, layer by layer."""

import numpy as np

from sk_posters._features._efficientnet import BACKBONES, backbone_onnx
from sk_posters._persistence._onnx._graph import refuse

__all__ = ["add_network"]


def add_network(graph, classifier):
    """Add the network of a PosterClassifier to a graph; return the number of labels."""
    network = getattr(classifier, "model_", None)
    kind = type(network).__name__
    if kind not in KINDS:
        raise refuse(f"PosterImageLoader, {type(classifier).__name__}")
    if np.ndim(classifier.classes_) != 2:
        raise refuse("one that was fitted to classes")
    KINDS[kind](graph, network)
    return len(classifier.classes_)


def _add_finetuned(graph, network):
    """Add a fine-tuned backbone and its sigmoids."""
    from sk_posters._networks._backbone_models import backbone_weights

    # Dropout and augmentation act during training only.
    others = ("InputLayer", "GlobalAveragePooling2D", "Dropout", *AUGMENTATIONS)
    backbone, head = None, None
    for layer in network.layers:
        kind = type(layer).__name__
        if layer.name in BACKBONES:
            backbone = layer
        elif kind == "Dense" and layer.activation.__name__ == "sigmoid":
            head = layer
        elif kind not in others:
            raise refuse(f"a network with the layer {kind}")
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
            raise refuse(f"a network with the layer {kind}")
        for name, value in LAYERS[kind](layer):
            if isinstance(value, np.ndarray):
                graph.constant(f"{layer.name}.{name}", value)
                continue
            inputs = [f"{layer.name}.{each}" for each in value.pop("constants", ())]
            output = f"{layer.name}.{name.lower()}"
            latest = graph.node(name, [latest, *inputs], output, **value)
    graph.node("Identity", [latest], "probabilities")


KINDS = {"ImageModel": _add_finetuned, "ImageNetwork": _add_cnn}


def _convolve(layer):
    kernel, bias = layer.get_weights()
    yield "weight", kernel.transpose(3, 2, 0, 1)
    yield "bias", bias
    yield "Conv", {"constants": ("weight", "bias")}
    yield _activate(layer)


def _dense(layer):
    kernel, bias = layer.get_weights()
    yield "weight", kernel
    yield "bias", bias
    yield "Gemm", {"constants": ("weight", "bias")}
    yield _activate(layer)


def _activate(layer):
    return {"relu": "Relu", "sigmoid": "Sigmoid"}[layer.activation.__name__], {}


def _normalise(layer):
    names = ("scale", "offset", "mean", "variance")
    yield from zip(names, layer.get_weights(), strict=True)
    yield "BatchNormalization", {"constants": names, "epsilon": layer.epsilon}


def _pool(layer):
    sides = list(layer.pool_size)
    yield "MaxPool", {"kernel_shape": sides, "strides": sides}


def _flatten(layer):
    # Keras flattens with the channels last.
    yield "Transpose", {"perm": [0, 2, 3, 1]}
    yield "Flatten", {}


def _skip(layer):
    return ()


# Active during training only.
AUGMENTATIONS = (
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomTranslation",
    "RandomZoom",
)
LAYERS = {
    "Conv2D": _convolve,
    "Dense": _dense,
    "Dropout": _skip,
    "Flatten": _flatten,
    "FusedBatchNormalization": _normalise,
    "MaxPooling2D": _pool,
    **dict.fromkeys(AUGMENTATIONS, _skip),
}

"""An ONNX graph that is put together piece by piece."""

import json

import numpy as np

from sk_posters._features._efficientnet import IR_VERSION, OPSET

__all__ = ["Graph", "refuse"]

ALLOWED = (
    "export_onnx takes the recipes of make_poster_pipeline, fitted to a label "
    "indicator matrix: PosterEncoder with EfficientNet-Lites, or FeatureUnion of "
    "several, then StandardScaler and OneVsRestClassifier(LogisticRegression()); or "
    "PosterImageLoader and PosterClassifier; or MultilabelTunedThresholdClassifierCV "
    "of them, without calibration. Save others with save_model"
)


class Graph:
    """Nodes and constants; each constant is there once, however often it is used."""

    def __init__(self, onnx):
        self._onnx = onnx
        self._nodes = []
        self._constants = {}

    def node(self, kind, inputs, output, **attributes):
        """Add a node of the operator `kind`; return the name(s) of its output."""
        outputs = [output] if isinstance(output, str) else output
        made = self._onnx.helper.make_node(kind, inputs, outputs, **attributes)
        self._nodes.append(made)
        return output

    def constant(self, name, value):
        """Add a constant as int64 or float32; return its name."""
        value = np.asarray(value)
        is_whole = np.issubdtype(value.dtype, np.integer)
        value = value.astype(np.int64 if is_whole else np.float32)
        self._constants[name] = self._onnx.numpy_helper.from_array(value, name)
        return name

    def embed(self, content, images, outputs, *, place, owner):
        """Add the part of a network that computes some of its outputs."""
        network = self._onnx.load_model_from_string(content).graph
        weights = {value.name: value for value in network.initializer}

        def rename(name):
            if name == "images":
                return images
            return f"{owner if name in weights else place}.{name}"

        for node in _select_nodes(network.node, outputs):
            for name in weights.keys() & node.input:
                value = weights[name]
                value.name = rename(name)
                self._constants.setdefault(value.name, value)
            node.input[:] = [rename(name) for name in node.input]
            node.output[:] = [rename(name) for name in node.output]
            self._nodes.append(node)
        return {name: rename(name) for name in outputs}

    def to_model(self, inputs, n_labels, card):
        """Return the checked graph as the bytes of a model, with metadata."""
        helper, types = self._onnx.helper, self._onnx.TensorProto
        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(
            self._nodes,
            "sk_posters",
            [tensor(name, types.UINT8, shape) for name, shape in inputs.items()],
            [tensor("probabilities", types.FLOAT, ["n", n_labels])],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        texts = {name: json.dumps(value) for name, value in card.items()}
        helper.set_model_props(model, texts)
        self._onnx.checker.check_model(model)
        return model.SerializeToString()


def _select_nodes(nodes, outputs):
    """Return the nodes that some outputs depend on, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def refuse(what):
    """Return the error for something that cannot be exported."""
    return ValueError(f"{ALLOWED}; got {what}")

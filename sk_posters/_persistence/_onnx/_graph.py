"""An ONNX graph that is put together piece by piece."""

import json

import numpy as np

from sk_posters._features._backbones import IR_VERSION, OPSET

__all__ = ["Graph"]


class Graph:
    """Nodes and constants; each constant is there once, whoever uses it.

    Parameters
    ----------
    onnx : module
        The package onnx.
    """

    def __init__(self, onnx):
        self._onnx = onnx
        self._nodes = []
        self._constants = {}

    def node(self, kind, inputs, output, **attributes):
        """Add a node.

        Parameters
        ----------
        kind : str
            Name of the operator.
        inputs : list of str
            Names of what goes in.
        output : str or list of str
            Names of what comes out.
        **attributes : object
            Attributes of the operator.

        Returns
        -------
        str or list of str
            `output`.
        """
        outputs = [output] if isinstance(output, str) else output
        made = self._onnx.helper.make_node(kind, inputs, outputs, **attributes)
        self._nodes.append(made)
        return output

    def constant(self, name, value):
        """Add a constant: integers as int64, other numbers as float32.

        Parameters
        ----------
        name : str
            Its name.
        value : array-like
            Its value.

        Returns
        -------
        str
            `name`.
        """
        value = np.asarray(value)
        is_whole = np.issubdtype(value.dtype, np.integer)
        value = value.astype(np.int64 if is_whole else np.float32)
        self._constants[name] = self._onnx.numpy_helper.from_array(value, name)
        return name

    def embed(self, content, images, outputs, *, place, owner):
        """Add that part of a network that gives some of its outputs.

        Parameters
        ----------
        content : bytes
            The network, as `backbone_onnx` returns it.
        images : str
            What it is given.
        outputs : list of str
            Outputs that are wanted.
        place : str
            What names of nodes start with.
        owner : str
            What names of weights start with: networks of one owner share them.

        Returns
        -------
        dict of str to str
            Names of the outputs in this graph.
        """
        network = self._onnx.load_model_from_string(content).graph
        weights = {value.name: value for value in network.initializer}

        def renamed(name):
            if name == "images":
                return images
            return f"{owner if name in weights else place}.{name}"

        for node in _needed(network.node, outputs):
            for name in weights.keys() & node.input:
                value = weights[name]
                value.name = renamed(name)
                self._constants.setdefault(value.name, value)
            node.input[:] = [renamed(name) for name in node.input]
            node.output[:] = [renamed(name) for name in node.output]
            self._nodes.append(node)
        return {name: renamed(name) for name in outputs}

    def finished(self, inputs, n_labels, card):
        """Return the graph as a model, checked.

        Parameters
        ----------
        inputs : dict of str to list
            Name and shape of each input, uint8.
        n_labels : int
            Columns of the output ``probabilities``.
        card : dict
            Metadata.

        Returns
        -------
        bytes
            The model.
        """
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


def _needed(nodes, outputs):
    """Return the nodes that some outputs are made by, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]

"""Grad-CAM of Keras networks: the last feature map, weighted by a logit's gradient."""

from weakref import WeakKeyDictionary

import numpy as np

from sk_posters._base._keras import keras
from sk_posters._networks._batches import prefetch
from sk_posters._networks._cnn import in_unit_range
from sk_posters._networks._compat import node_of

__all__ = ["network_maps"]

# Traced functions by network, so that a second call starts at once.
_traced = WeakKeyDictionary()


def network_maps(model, images, labels, batch_size):
    """Yield the maps of images, (n, n_labels, rows, columns), batch by batch."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Grad-CAM of a Keras network needs gradients by TensorFlow, and Keras runs "
            f"on {keras.backend.backend()!r}: set the environment variable "
            "KERAS_BACKEND='tensorflow' before keras is imported."
        )
    for batch in prefetch(images, batch_size):
        features_of, weigh_maps = _functions(model, batch.dtype.name)
        features = features_of(batch)
        maps = [weigh_maps(features, np.int32(label)).numpy() for label in labels]
        yield np.stack(maps, axis=1)


def _functions(model, dtype):
    """Return the functions of a network, traced once for all batches and labels."""
    known = _traced.setdefault(model, {})
    if dtype not in known:
        known[dtype] = _trace_functions(model, dtype)
    return known[dtype]


def _trace_functions(model, dtype):
    import tensorflow as tf

    cut = _cut(model)
    if cut is None:
        raise ValueError(
            f"Grad-CAM needs a feature map, and the network {model.name!r} has none "
            "that only its last layers read: give one with convolutions, built by "
            "keras.Sequential or keras.Model(inputs, outputs)."
        )
    below, symbolic, above = cut
    images = tf.TensorSpec((None, *model.inputs[0].shape[1:]), dtype)
    maps = tf.TensorSpec((None, *symbolic.shape[1:]), symbolic.dtype)

    @tf.function(input_signature=[images], autograph=False)
    def features_of(images):
        outputs = in_unit_range(images)
        for part in below:
            outputs = part(outputs, training=False)
        return outputs

    @tf.function(input_signature=[maps, tf.TensorSpec((), tf.int32)], autograph=False)
    def weigh_maps(features, label):
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = features
            for part in above:
                outputs = part(outputs)
            # The score of an image depends on no other image, so the gradient of
            # their sum holds the gradient of each.
            total = tf.reduce_sum(outputs[:, label])
        gradient = tf.cast(tape.gradient(total, features), tf.float32)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        return tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=3)

    return features_of, weigh_maps


def _cut(model):
    """Return models below the last feature map, the map, and functions above it."""
    output = model.outputs[0] if getattr(model, "outputs", None) else None
    for node in [] if output is None else reversed(_nodes_below(output)):
        tensor, layer = node.output_tensors[0], node.operation
        entrance = node.input_tensors[0] if node.input_tensors else None
        if entrance is None or len(entrance.shape) != 4:
            continue
        try:
            above = _parts_between(tensor, output)
        except ValueError:  # Something further down is read above, too.
            continue
        if len(tensor.shape) == 4:
            below = keras.Model(model.inputs, tensor)
            # Layers without weights, such as augmentation, make no features.
            return ([below], tensor, above) if below.weights else None
        inner = _cut(layer) if isinstance(layer, keras.Model) else None
        if inner is not None:
            below, features, inner_above = inner
            if entrance is not model.inputs[0]:
                below = [keras.Model(model.inputs, entrance), *below]
            return below, features, [*inner_above, *above]
    return None


def _nodes_below(tensor):
    """Return the layer calls that a symbolic tensor comes from, the last one last."""
    # Not by the layers' attribute `output`: a layer may be called several times.
    nodes, seen, waiting = [], set(), [(tensor, False)]
    while waiting:
        each, is_done = waiting.pop()
        node = node_of(each)
        if is_done:
            nodes.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((each, True))
            waiting.extend((below, False) for below in node.input_tensors)
    return nodes


def _parts_between(tensor, output):
    """Return functions that lead from one tensor to another, up to the logits."""
    if tensor is output:
        return []
    node = node_of(output)
    layer, entrance = node.operation, node.input_tensors[0]
    if isinstance(layer, keras.Model):
        last = _parts_between(layer.inputs[0], layer.outputs[0])
    elif getattr(layer, "activation", None) is not keras.activations.sigmoid:
        return [keras.Function(tensor, output)]
    elif isinstance(layer, keras.layers.Dense):
        last = [_without_sigmoid(layer)]
    else:
        last = []
    if entrance is tensor:
        return last
    return [keras.Function(tensor, entrance), *last]


def _without_sigmoid(dense):
    """Return what a dense layer computes before its sigmoid, which saturates."""

    def logits(inputs):
        # As the layer itself does, which may compute in another type than those below.
        inputs = keras.ops.cast(inputs, dense.compute_dtype)
        products = keras.ops.matmul(inputs, dense.kernel)
        return products + dense.bias if dense.use_bias else products

    return logits

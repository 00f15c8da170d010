"""The only module that takes private names from Keras."""

__all__ = ["keras_global", "node_of", "position_of_variable", "set_keras_global"]


def node_of(tensor):
    """Return the call of a Keras layer that a symbolic tensor comes from."""
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]


def position_of_variable(optimizer, variable):
    """Return the position of a variable among those that an optimizer trains."""
    return optimizer._get_variable_index(variable)


def keras_global(name, default):
    """Return what Keras keeps under a name for the whole thread."""
    return _global_state().get_global_attribute(name, default)


def set_keras_global(name, value):
    """Set what Keras keeps under a name for the whole thread."""
    _global_state().set_global_attribute(name, value)


def _global_state():
    from keras.src.backend.common import global_state

    return global_state

"""Compiled networks, recycled by one fit after another.

Each network that Keras compiles leaks some 10 MB, and its first step traces a graph
for seconds. A search makes dozens of equal ones. So a network that is no longer used is
kept, and gets new weights when a fit needs one with the same key: memory stays flat
over many fits. This dictates `_network_key` (what networks must share), `reseed`,
`renew` and `restore_weights` (as good as new), `_set_learning_rate`, that `model_`
takes a network out of the pool, and that the one-cycle schedule is a callback.
"""

import weakref
from collections import deque

import numpy as np

from sk_posters._base._public_path import set_module
from sk_posters._base._threads import ForkSafeLock
from sk_posters._networks._cnn import reseed
from sk_posters._networks._serialize import network_from_bytes, network_to_bytes

__all__ = ["CompiledNetwork", "get_compiled_network"]

# Unused networks, the oldest first. With the moments of its optimizer, one takes 80 MB
# at 350×350 pixels.
N_FREE = 4
_free = deque(maxlen=N_FREE)
_taking = ForkSafeLock()


@set_module("sk_posters")
class CompiledNetwork:
    """Holds a compiled network, and returns it to the pool when garbage-collected."""

    def __init__(self, model, key=None, initial=()):
        self.model = model
        self._kept = _Kept(model, key, initial)
        weakref.finalize(self, _set_free, self._kept).atexit = False

    def share(self):
        """Return the network and keep it out of the pool: others may use it now."""
        self._kept.key = None
        return self.model

    def __reduce__(self):
        # Keras does not save the state of dropout's seeds, so a copy would continue
        # training differently from its original.
        return _restore, (self.model, self._seeds())

    # Model files, which hold no code, use these two; pickle and copy the method above.

    def __getstate__(self):
        return {"network": network_to_bytes(self.model), "seeds": self._seeds()}

    def __setstate__(self, state):
        self.__init__(network_from_bytes(state["network"]))
        _set_seeds(self.model, state["seeds"])

    def _seeds(self):
        return [state.numpy() for state in _seed_states(self.model)]


class _Kept:
    """A network in the pool, with its key and the initial state of its optimizer."""

    def __init__(self, model, key, initial):
        self.model = model
        self.key = key
        self.initial = initial


def get_compiled_network(build, seed, key=None, renew=reseed):
    """Return a network with weights drawn from a seed: recycled, or built."""
    kept = _take(key)
    if kept is None:
        model = build()
        initial = [_compact(each.numpy()) for each in model.optimizer.variables]
        kept = _Kept(model, key, initial)
    else:
        for variable, value in zip(
            kept.model.optimizer.variables, kept.initial, strict=True
        ):
            variable.assign(np.broadcast_to(value, variable.shape))
    renew(kept.model, seed)
    return CompiledNetwork(kept.model, kept.key, kept.initial)


def _take(key):
    if key is None:
        return None
    with _taking:
        for kept in list(_free):
            if kept.key == key:
                try:
                    _free.remove(kept)
                except ValueError:
                    continue  # Just pushed out by another one.
                return kept
    return None


def _set_free(kept):
    # Without a lock: the garbage collector may call this in the middle of anything.
    if kept.key is not None:
        _free.append(kept)


def _compact(value):
    """Return an array, or its only value: the moments of Adam are all zero."""
    first = value.flat[0]
    return first if (value == first).all() else value


def _seed_states(model):
    """Return the variables of a network that are not among its weights."""
    weights = {id(weight) for weight in model.weights}
    return [each for each in model.variables if id(each) not in weights]


def _set_seeds(model, seeds):
    for variable, value in zip(_seed_states(model), seeds, strict=True):
        variable.assign(value)


def _restore(model, seeds):
    _set_seeds(model, seeds)
    return CompiledNetwork(model)

"""Training that diverges is ended, and what it had learned before is kept."""

import numpy as np

from sk_posters._base._keras import keras
from sk_posters.exceptions import DivergenceError

__all__ = ["FiniteLoss", "explain_divergence"]


# PyTorch computes no cross-entropy of nan, but raises an error that says this.
REFUSED_BY_TORCH = "all elements of input should be between 0 and 1"


class FiniteLoss(keras.callbacks.Callback):
    """Ends training where loss or weights are not finite.

    Then `problem` says what is not, `bad_logs` holds the logs of that epoch, `history`
    those of the epochs before, and `restore` gives the network the weights of the last
    epoch before it.
    """

    async_safe = True  # Setting a flag need not wait for other callbacks.

    def __init__(self):
        super().__init__()
        self.problem = None
        self.bad_logs = {}
        self.history = {}
        self._epoch = 0

    def find_in(self, error):
        """Return whether an error says that the outputs of the network are nan."""
        if REFUSED_BY_TORCH not in str(error):
            return False
        self.problem = f"Training diverged in epoch {self._epoch + 1}: its loss is nan."
        return True

    def on_train_begin(self, logs=None):
        """Keep the weights that training starts from, and its learning rate."""
        # `model` makes JAX write its state back, while another thread may take a step.
        self._stopped = self.model
        self._first = self._kept = self._read()

    def on_epoch_begin(self, epoch, logs=None):
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """End the epoch where its loss is not finite: the rest would be in vain."""
        if not np.isfinite((logs or {}).get("loss", 0.0)):
            self._stopped.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        """Keep the weights of an epoch that ended well."""
        logs = logs or {}
        values = self._read()
        bad = [n for n in ("loss", "val_loss") if not np.isfinite(logs.get(n, 0.0))]
        if not bad and all(np.isfinite(value).all() for value in values):
            self._kept = values
            for name, value in logs.items():
                self.history.setdefault(name, []).append(value)
            return
        what = f"its {bad[0]} is {logs[bad[0]]}" if bad else "its weights overflow"
        self.problem = f"Training diverged in epoch {epoch + 1}: {what}."
        self.bad_logs = logs
        self.model.stop_training = True

    def restore(self):
        """Give the network the weights that were kept, and its optimizer its state."""
        kept = zip(self._variables(), self._kept, self._first, strict=True)
        for variable, value, first in kept:
            # A schedule may have ended anywhere.
            variable.assign(first if variable.name == "learning_rate" else value)

    def _read(self):
        return [each.numpy() for each in self._variables()]

    def _variables(self):
        return [*self.model.weights, *self.model.optimizer.variables]


def explain_divergence(problem, model, n_epochs):
    """Return the error of a training that diverged, with the usual causes."""
    rate = float(model.optimizer.learning_rate)
    kept = f"history_ and weights are those after epoch {n_epochs}"
    if not n_epochs:
        kept = "No epoch came before it"
    return DivergenceError(
        f"{problem} Usual causes: a learning rate that is too high (it is {rate:g}: "
        "try a tenth of it), values in X, sample_weight or label_weight "
        "that are huge or nan, a loss of your own, and float16 (set "
        f"mixed_precision=False). {kept}."
    )

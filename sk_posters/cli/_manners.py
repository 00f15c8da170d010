"""How a command behaves: errors in a line, Ctrl-C, closed pipes, warnings."""

import importlib
import os
import sys
import tempfile
import traceback
import warnings
from contextlib import contextmanager

from sk_posters.cli._terminal import one_line, printable

__all__ = ["FAILED", "FOUND", "Stop", "load_quietly", "manners"]

# As grep has them: 1 for what was found, 2 for what kept the command from its job.
FOUND, FAILED = 1, 2
# As a shell has them: 128 and the number of the signal.
INTERRUPTED, PIPE_CLOSED = 130, 141


class Stop(Exception):
    """The command is over.

    Parameters
    ----------
    code : int
        Its exit code.
    """

    def __init__(self, code):
        self.code = code
        super().__init__(code)


@contextmanager
def manners(*, with_traceback=False, passed=()):
    """Say what goes wrong within a block in one line, and stop the command.

    Parameters
    ----------
    with_traceback : bool, default=False
        Whether to show where an error comes from.
    passed : tuple of exception types, default=()
        What is none of this block's business.

    Yields
    ------
    None

    Raises
    ------
    Stop
        With the exit code of what went wrong.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield
        except (Stop, *passed):
            raise
        except KeyboardInterrupt:
            _say("interrupted")
            raise Stop(INTERRUPTED) from None
        except BrokenPipeError:
            _forget(sys.stdout)
            raise Stop(PIPE_CLOSED) from None
        except Exception as error:
            if with_traceback:
                traceback.print_exc()
            _say(f"error: {one_line(error)}")
            raise Stop(FAILED) from error


def load_quietly(module):
    """Import a module whose libraries talk while they load.

    TensorFlow says what it finds on this machine before it has read how much it
    should say, and past Python, so that nothing less keeps it quiet.

    Parameters
    ----------
    module : str
        Its name.
    """
    if module in sys.modules:
        return
    said_to = os.dup(2)
    try:
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), 2)
            importlib.import_module(module)
    finally:
        os.dup2(said_to, 2)
        os.close(said_to)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    # What libraries tell their programmers is no news for whoever runs a command.
    if issubclass(category, UserWarning):
        _say(f"warning: {printable(' '.join(str(message).split()))}")


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _forget(stream):
    """Let what is still buffered for a closed pipe go nowhere, at the exit, too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

"""The command ``sk-posters``: what the package does, from a shell.

A thin skin: each command reads its options, calls the package, and prints. What is
heavy is imported when a command needs it, so that ``--help`` comes at once.
"""

import os
import signal
import sys
import threading

# These two hang their commands on `app`, in the order of the help.
from sk_posters.cli import _building, _using  # noqa: F401
from sk_posters.cli._app import app

__all__ = ["main"]


def main(arguments=None):
    """Run the command ``sk-posters``.

    Parameters
    ----------
    arguments : list of str, default=None
        What stands behind the command; None takes what the shell gave.

    Returns
    -------
    int
        The exit code: 0 if all is well; 1 if a check has found errors or a poster could
        not be read; 2 if the command could not do its job; 130 after Ctrl-C.

    Examples
    --------
    >>> from sk_posters.cli import main
    >>> main(["--version"])
    sk-posters ...
    0
    """
    # TensorFlow calls it an error that a machine has no GPU. What really fails raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Signals are not for other threads.
    is_main = threading.current_thread() is threading.main_thread()
    if is_main:
        previous = signal.signal(signal.SIGTERM, _exit)
    try:
        app(arguments, prog_name="sk-posters")
    except SystemExit as stop:
        return stop.code or 0
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, previous)


def _exit(number, frame):
    """Let temporary files be removed where a process is asked to end."""
    sys.exit(128 + number)

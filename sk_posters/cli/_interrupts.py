"""Ctrl-C that does not get lost.

Python raises KeyboardInterrupt in whatever runs. While libraries written in C are
imported, some of them clear that error, or make an ImportError of it: the command would
go on, or say something strange. So it is remembered, too.
"""

import signal
from contextlib import contextmanager

__all__ = ["remembered_interrupts", "stop_if_interrupted", "was_interrupted"]

_seen = []


@contextmanager
def remembered_interrupts():
    """Remember each Ctrl-C within a block, for the main thread.

    Where somebody else takes care of Ctrl-C, or it is to be ignored, as after nohup,
    nothing is changed.

    Yields
    ------
    None
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _seen.clear()


def _remember(number, frame):
    _seen.append(number)
    raise KeyboardInterrupt


def was_interrupted():
    """Tell whether Ctrl-C has been pressed.

    Returns
    -------
    bool
        False outside of `remembered_interrupts`.
    """
    return bool(_seen)


def stop_if_interrupted():
    """Stop where an earlier Ctrl-C has been swallowed.

    Raises
    ------
    KeyboardInterrupt
        If there was one.
    """
    if _seen:
        raise KeyboardInterrupt

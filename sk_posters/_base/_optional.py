"""Optional packages: imported when needed, with the line that installs them."""

import importlib
import signal
import threading
from contextlib import contextmanager

__all__ = ["explain_missing", "import_optional"]


def import_optional(module, *, extra, purpose):
    """Import an optional package, or say how to install it."""
    try:
        with _interrupts_held_back():
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # The package is there, but something that it needs is not.
        raise explain_missing(package, extra=extra, purpose=purpose) from error


@contextmanager
def _interrupts_held_back():
    # Extension modules that are interrupted while they load, onnxruntime's among them,
    # swallow the KeyboardInterrupt, call it an ImportError, or abort the process.
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(handler):
        yield
        return
    came = []
    signal.signal(signal.SIGINT, lambda *signals: came.append(signals))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])


def explain_missing(package, *, extra, purpose):
    """Return the error that says how to install a package."""
    return ImportError(
        f"{purpose} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'sk-posters[{extra}]'"
    )

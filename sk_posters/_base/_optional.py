"""Optional packages: imported when needed, with the line that installs them."""

import importlib
import os

__all__ = ["explain_missing", "import_optional"]

# Packages that write or look up more than their work needs, and the variables that keep
# them from it. They are read when a package is imported; a user's own values stay.
SILENCING = {
    # Else it writes an identifier of this machine into the folder of caches, and sends
    # events to its makers.
    "onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"},
    "huggingface_hub": {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    },
}


def import_optional(module, *, extra, purpose):
    """Import an optional package, or say how to install it."""
    settings = SILENCING.get(module, {})
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    try:
        package = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # The package is there, but something that it needs is not.
        raise explain_missing(package, extra=extra, purpose=purpose) from error
    if settings and settings.items() <= os.environ.items():
        _stop_events(package)
    return package


def _stop_events(package):
    """Stop a package from sending events, if it can be told to."""
    stop = getattr(package, "disable_telemetry_events", None)
    if stop is not None:
        stop()


def explain_missing(package, *, extra, purpose):
    """Return the error that says how to install a package."""
    return ImportError(
        f"{purpose} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'sk-posters[{extra}]'"
    )

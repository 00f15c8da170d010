"""Optional packages: imported when needed, with the line that installs them."""

import importlib

__all__ = ["explain_missing", "import_optional"]


def import_optional(module, *, extra, purpose):
    """Import an optional package, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # The package is there, but something that it needs is not.
        raise explain_missing(package, extra=extra, purpose=purpose) from error


def explain_missing(package, *, extra, purpose):
    """Return the error that says how to install a package."""
    return ImportError(
        f"{purpose} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'sk-posters[{extra}]'"
    )

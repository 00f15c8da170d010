"""Optional packages: imported when needed, with the line that installs them."""

import importlib

__all__ = ["import_optional", "missing_package"]


def import_optional(module, *, extra, purpose):
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted name of the module, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of sk-posters that brings the package along.
    purpose : str
        What needs the package: the subject of the error message.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # The package is there, but something that it needs is not.
        raise missing_package(package, extra=extra, purpose=purpose) from error


def missing_package(package, *, extra, purpose):
    """Return the error that says how to install a package.

    Parameters
    ----------
    package : str
        The package that is missing.
    extra : str
        The extra of sk-posters that brings it along.
    purpose : str
        What needs the package: the subject of the message.

    Returns
    -------
    ImportError
        The error, to be raised.
    """
    return ImportError(
        f"{purpose} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'sk-posters[{extra}]'"
    )

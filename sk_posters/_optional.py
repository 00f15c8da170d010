"""Optional packages: imported when needed, with the line that installs them."""

import importlib

__all__ = ["import_optional"]


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
        raise ImportError(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'sk-posters[{extra}]'"
        ) from error

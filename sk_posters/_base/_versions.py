"""Versions of the packages that predictions may depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["find_versions"]

# Predictions may depend on these.
PACKAGES = (
    *("sk-posters", "scikit-learn", "numpy", "skops", "keras", "tensorflow"),
    *("onnxruntime", "pillow"),
)


def find_versions():
    """Return the versions of Python and of packages that predictions depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

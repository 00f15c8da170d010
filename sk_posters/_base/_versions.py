"""Versions of the packages that predictions may depend on."""

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["find_versions"]

# Predictions may depend on these.
PACKAGES = (
    *("sk-posters", "scikit-learn", "numpy", "skops", "keras", "tensorflow"),
    *("onnxruntime", "pillow"),
)


def find_versions():
    """Return the versions of Python and of packages that predictions depend on."""
    found = {name: _find_version(name) for name in PACKAGES}
    installed = {name: found for name, found in found.items() if found is not None}
    return {"python": platform.python_version(), **installed}


@lru_cache(100)  # Reading it takes as long as reading a small model.
def _find_version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None

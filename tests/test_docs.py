"""The documentation builds without a warning, says all, and its code runs."""

import ast
import doctest
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sk_posters

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BUILDERS = ("sphinx", "myst_parser", "numpydoc", "pydata_sphinx_theme")
BUILDERS += ("sphinx_design", "sphinx_gallery")


def public_modules():
    found = pkgutil.walk_packages(sk_posters.__path__, prefix="sk_posters.")
    names = ["sk_posters", *sorted(module.name for module in found)]
    return [n for n in names if not any(p.startswith("_") for p in n.split("."))]


def public_names():
    """Dotted names of all that users can import from this package."""
    return {
        f"{module}.{name}"
        for module in public_modules()
        for name in importlib.import_module(module).__all__
        if not name.startswith("__")
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder of the web site, built without running the examples."""
    for name in BUILDERS:
        pytest.importorskip(name, reason='the documentation needs ".[docs]"')
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-D", "plot_gallery=0", "-d", folder / "doctrees", DOCS, folder / "html"]
    built = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_the_documentation_builds_without_a_warning(site):
    for page in ["index", "install", "tour", "guide/index", "gallery/index"]:
        assert (site / f"{page}.html").is_file()


def test_the_reference_has_every_public_name(site):
    from sphinx.util.inventory import InventoryFile

    with open(site / "objects.inv", "rb") as file:
        inventory = InventoryFile.load(file, "", os.path.join)
    described = {
        name
        for kind in ("py:class", "py:function", "py:exception", "py:data")
        for name in inventory.get(kind, {})
    }
    assert public_names() - described == set(), "not in docs/api/*.md"
    assert described - public_names() == set(), "in docs/api/*.md, yet not public"

"""Sphinx: the guide, the API reference and the gallery as one web site.

``python -m sphinx -W -b html docs docs/_build/html`` builds all of it, the gallery
included, which runs the examples; ``-D plot_gallery=0`` shows them without running
them. The code of pages is run as well, and ``-D nb_execution_mode=off`` shows it alone.
With both, a build takes seconds.
"""

import inspect
import logging
import os
import sys
import tempfile
from pathlib import Path

# TensorFlow greets with several lines about the processor, on every page it runs on.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# The order of the gallery is given to Sphinx-Gallery by name.
HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
# Pages run in processes of their own, which inherit this: where `console.py` is, how
# wide a terminal is, and a place for files.
made = tempfile.TemporaryDirectory(prefix="sk-posters-docs-")
paths = filter(None, [HERE, os.environ.get("PYTHONPATH")])
os.environ["PYTHONPATH"] = os.pathsep.join(paths)
os.environ |= {"COLUMNS": "88", "IPYTHONDIR": made.name}
os.environ["OMP_NUM_THREADS"] = "1"  # Threads are no gain on a few rows.
os.environ["SK_POSTERS_DATA"] = str(Path(made.name, "data"))
os.environ.pop("SK_POSTERS_CACHE", None)

import sk_posters  # noqa: E402

project = "sk_posters"
author = "The sk_posters developers"
project_copyright = author
release = version = sk_posters.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
# Links into the pages of other projects need the network, and a build must not: it
# runs wherever the tests run. ``-t intersphinx`` adds them.
if tags.has("intersphinx"):  # noqa: F821  Sphinx defines tags.
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "joblib": ("https://joblib.readthedocs.io/en/stable", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

exclude_patterns = ["_build", "gallery/*.ipynb"]  # The latter are for download.
templates_path = ["_templates"]
default_role = "literal"  # As in scikit-learn, docstrings write `name` for code.

# Every link is checked. Names of other projects lead nowhere without intersphinx.
smartquotes = False  # Texts hold quoted code.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(sklearn|joblib|keras|numpy|pandas|matplotlib|scipy)\..*"),
]
autosummary_generate = True
numpydoc_show_class_members = False  # The template of classes lists their methods.
maximum_signature_line_length = 80
autodoc_typehints = "none"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120  # Seconds for a cell.
nb_merge_streams = True
nb_output_stderr = "remove"  # TensorFlow's remarks on the processor.

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"[/\\]plot_",
    "ignore_pattern": r"^(?!(.*[/\\])?plot_)",
    "within_subsection_order": "gallery_order.as_one_reads",
    "minigallery_sort_order": "gallery_order.as_one_reads",
    "doc_module": ("sk_posters",),
    "backreferences_dir": "api/generated/backreferences",
    "reset_modules": ("matplotlib",),
    "capture_repr": ("_repr_html_",),
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sk_posters"
html_static_path = ["_static"]
html_css_files = ["sk_posters.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "install": [], "tour": []}


def written_elsewhere(app, what, name, member, skip, options):
    """Whether a member is not this package's: scikit-learn documents its own."""
    member = getattr(member, "fget", member)
    member = inspect.unwrap(getattr(member, "__func__", member))
    module = getattr(member, "__module__", None) or ""
    if what == "class" and not module.startswith("sk_posters"):
        return True
    return None


def setup(app):
    app.connect("autodoc-skip-member", written_elsewhere)
    return {"parallel_read_safe": False}

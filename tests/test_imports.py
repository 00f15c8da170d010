"""The layers hold: imports point down, and nothing heavy loads before it is needed."""

import ast
import functools
import graphlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sk_posters
from sk_posters._persistence._skops import TRUSTED

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sk_posters"

# A package may import those on lower lines, never one beside it or above.
LAYERS = [
    {"exceptions"},
    {"_base"},
    {"_images", "metrics", "model_selection"},
    {"_features", "datasets"},
    {"_networks"},
    {"_persistence", "_pipelines", "inspection"},
    {"distributed", "plotting"},
    {"_report", "app"},
    {"cli"},
    {"__main__"},
]
LAYER_OF = {name: number for number, layer in enumerate(LAYERS) for name in layer}

# The only places that may import Keras; nothing else needs it to be installed.
WITH_KERAS = (
    "_base/_gpus.py",
    "_base/_keras.py",
    "_networks/",
    "_features/_keras_network.py",
    "inspection/_network_maps.py",
)
KERAS = {"keras", "scikeras", "tensorflow"}
KERAS_BACKED = {"PosterClassifier"}
MAX_ENTRIES = 20
MAX_ARROWS = 80

# Asks the import system what the public names pull in, in a fresh interpreter.
PROBE = """
import sys
import sk_posters
from sk_posters import {names}
import sk_posters.datasets, sk_posters.metrics, sk_posters.model_selection
import sk_posters.app, sk_posters.inspection, sk_posters.plotting
heavy = ["keras", "matplotlib", "scikeras", "starlette", "tensorflow"]
print("loaded:", sorted(name for name in heavy if name in sys.modules))
"""


@functools.cache
def module_files():
    """Every module of the package, the root aside."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [path for path in files if path != PACKAGE / "__init__.py"]


@functools.cache
def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place_of(path):
    return path.relative_to(PACKAGE).as_posix()


def package_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@functools.cache
def imports_of(path):
    """Return (line, dotted name) of all that a module imports, at any depth."""
    found = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [(node.lineno, f"{module}.{each.name}") for each in node.names]
    return found


def own_packages_imported_by(path):
    """Yield (line, first part of the name) of each own module that a module imports."""
    for line, name in imports_of(path):
        root, _, rest = name.partition(".")
        if root == "sk_posters":
            yield line, rest.partition(".")[0]


def imports_where(is_wrong):
    """Return "file:line imports name" for each import that a rule calls wrong."""
    return [
        f"{place_of(path)}:{line} imports {name}"
        for path in module_files()
        for line, name in imports_of(path)
        if is_wrong(path, name)
    ]


def test_every_package_is_on_one_layer():
    assert {package_of(path) for path in module_files()} == set(LAYER_OF), (
        "the packages in sk_posters/ and the list LAYERS differ: give a new one its "
        "layer there and in docs/contributing.md, take an old one out"
    )
    assert sum(map(len, LAYERS)) == len(LAYER_OF)


def test_the_contributing_guide_shows_the_same_layers():
    guide = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    block = guide.split("<!-- layers -->")[1].split("```")[1]
    shown = [set(line.split()) for line in block.splitlines() if line.split()]
    assert shown[1:] == LAYERS[::-1]


def test_imports_point_down():
    def points_up(path, name):
        root, _, rest = name.partition(".")
        package, other = package_of(path), rest.partition(".")[0]
        if root != "sk_posters" or other == package:
            return False
        # What is on no layer comes from the package's root.
        return LAYER_OF.get(other, len(LAYERS)) >= LAYER_OF[package]

    assert imports_where(points_up) == []


def test_the_root_has_few_entries_and_few_imports_cross_it():
    entries = {package_of(path) for path in module_files()} | {"__init__"}
    arrows = {
        (package_of(path), other)
        for path in module_files()
        for _, other in own_packages_imported_by(path)
        if other != package_of(path)
    }
    assert len(entries) <= MAX_ENTRIES
    assert len(arrows) <= MAX_ARROWS


def imports_at_load(path):
    """Yield the package's own modules that a module imports when it is loaded."""
    modules = {dotted_name(file) for file in module_files()}
    for node in parse(path).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module


def test_no_modules_import_each_other_in_a_circle():
    modules = set(map(dotted_name, module_files()))
    graph = {
        dotted_name(path): modules.intersection(imports_at_load(path))
        for path in module_files()
    }
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))


def test_imports_are_absolute():
    assert imports_where(lambda path, name: name.startswith(".")) == []


def test_only_compat_takes_private_names_from_scikit_learn():
    def is_private(path, name):
        return name.startswith("sklearn.") and "._" in name

    places = {line.partition(":")[0] for line in imports_where(is_private)}
    assert places == {"_base/_compat.py"}  # If it needs none, it can go.


def test_keras_is_imported_in_few_places():
    def is_keras(path, name):
        is_allowed = place_of(path).startswith(WITH_KERAS)
        return not is_allowed and name.partition(".")[0] in KERAS

    assert imports_where(is_keras) == []


def test_scikeras_is_imported_in_one_module():
    found = imports_where(lambda path, name: name.startswith("scikeras"))
    assert {line.partition(":")[0] for line in found} == {"_networks/_estimator.py"}


def test_one_module_walks_over_estimators_and_one_reads_their_scores():
    walkers, readers = set(), set()
    for path in module_files():
        for node in ast.walk(parse(path)):
            word = getattr(node, "attr", getattr(node, "value", None))
            if word in ("best_estimator_", "named_estimators_", "transformers_"):
                walkers.add(place_of(path))
            if isinstance(node, ast.Name) and node.id == "score_matrix":
                readers.add(place_of(path))
    assert walkers == {"_base/_unwrap.py"}
    # What an estimator gave is read in one place; the others read a user's y_score.
    assert readers == {
        *("_base/_predictions.py", "_base/_validation.py"),
        *("datasets/_checks/_check.py", "plotting/_grad_cam.py"),
        "plotting/_poster_grid.py",
    }


def test_only_the_command_imports_the_data_sets():
    def is_data_set(path, name):
        may_import = package_of(path) in {"datasets", "cli"}
        return not may_import and name.startswith("sk_posters.datasets")

    assert imports_where(is_data_set) == []


def test_every_name_in_dunder_all_exists():
    missing = []
    for path in module_files():
        module = importlib.import_module(dotted_name(path))
        is_private_package = path.name == "__init__.py" and "._" in dotted_name(path)
        names = getattr(module, "__all__", ())
        if not names and not is_private_package:
            missing.append(f"{place_of(path)}: __all__")
        missing += [f"{place_of(path)}: {n}" for n in names if not hasattr(module, n)]
    assert missing == []


def test_names_without_keras_load_neither_keras_nor_matplotlib():
    names = sorted(set(sk_posters.__all__) - KERAS_BACKED - {"__version__"})
    probe = PROBE.format(names=", ".join(names))
    result = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "loaded: []\n"


@pytest.mark.parametrize("name", sorted(sk_posters.__all__))
def test_every_public_name_can_be_imported(name):
    assert getattr(sk_posters, name) is not None


def test_lazy_names_are_public_or_parts_of_models():
    public = set(sk_posters.__all__) - {"__version__"}
    assert public <= set(sk_posters._HOMES)
    # The others are parts of fitted models, which files name by this path.
    parts = {f"sk_posters.{name}" for name in set(sk_posters._HOMES) - public}
    assert parts <= TRUSTED
    assert len(sk_posters.__all__) == len(set(sk_posters.__all__))


def test_model_files_name_classes_by_public_paths():
    for name in TRUSTED:
        module, _, cls = name.rpartition(".")
        if module.startswith("sk_posters"):
            assert "._" not in module
            found = getattr(importlib.import_module(module), cls)
            assert (found.__module__, found.__name__) == (module, cls)


def test_dir_lists_the_public_names():
    assert dir(sk_posters) == sorted(sk_posters.__all__)


def test_an_unknown_name_raises_attribute_error():
    message = "module 'sk_posters' has no attribute 'PosterClasifier'"
    with pytest.raises(AttributeError, match=message):
        _ = sk_posters.PosterClasifier


def test_an_unknown_name_cannot_be_imported():
    with pytest.raises(ImportError, match="PosterClasifier"):
        from sk_posters import PosterClasifier  # noqa: F401

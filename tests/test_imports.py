"""The house holds: imports point down, and nothing heavy loads before it is needed."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import sk_posters

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sk_posters"

# Floors of the house, the ground floor first. A room may use the rooms of lower
# floors, never one beside it or above. docs/contributing.md shows the same picture.
FLOORS = [
    [
        "_answers",
        "_archive",
        "_augmentation",
        "_calibration",
        "_compat",
        "_cutoffs",
        "_decoding",
        "_devices",
        "_efficientnet",
        "_environment",
        "_heads",
        "_heat",
        "_layers",
        "_onnx_probe",
        "_onnx_seal",
        "_optional",
        "_pixels",
        "_store",
        "_stratify",
        "_weights",
        "_workers",
    ],
    [
        "_backbones",
        "_cluster",
        "_dask_backend",
        "_feature_store",
        "_labels",
        "_lazy_images",
        "_losses",
        "_rows",
        "_skops",
        "_targets",
        "metrics",
        "model_selection",
    ],
    [
        "_encoding",
        "_images",
        "_keras_runner",
        "_onnx_runner",
        "_out_of_fold",
        "datasets",
    ],
    ["_checks", "_feeding", "_networks", "_runners", "_thresholds"],
    ["_encoder", "_network_files", "_network_maps", "_trainable"],
    ["_compiled", "_finetuning", "_keras", "_linear_maps"],
    ["_classifier", "inspection"],
    ["_onnx_export", "_persistence", "_pipelines", "plotting"],
    ["_html_report", "_partitions", "_web"],
    ["_answer_folder", "app"],
    ["cli", "distributed"],
    ["__main__"],
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}

# They serve any classifier, so they must work where Keras is not even installed.
WITHOUT_KERAS = ["_answers", "_backbones", "_decoding", "_efficientnet", "_images"]
WITHOUT_KERAS += ["_labels", "_lazy_images", "_store", "_weights"]
WITHOUT_KERAS += ["_encoder", "_encoding", "_feature_store", "_onnx_runner"]
WITHOUT_KERAS += ["_heads", "_pipelines", "_pixels", "_runners"]
WITHOUT_KERAS += ["datasets", "metrics", "plotting"]
WITHOUT_KERAS += ["_calibration", "_cutoffs", "_out_of_fold", "_stratify"]
WITHOUT_KERAS += ["_thresholds", "model_selection"]
WITHOUT_KERAS += ["_web", "app"]
WITHOUT_KERAS += ["_heat", "_linear_maps", "inspection"]
WITHOUT_KERAS += ["_archive", "_html_report", "_onnx_export", "_persistence", "_skops"]
WITHOUT_KERAS += ["__main__", "cli"]
WITHOUT_KERAS += ["_answer_folder", "_cluster", "_dask_backend", "_partitions"]
WITHOUT_KERAS += ["_workers", "distributed"]
KERAS = {"keras", "scikeras", "tensorflow"}
KERAS_BACKED = {"PosterClassifier"}

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


def module_files():
    """Every module of the package, the root aside."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [path for path in files if path != PACKAGE / "__init__.py"]


def dotted_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path):
    """Yield (line, dotted name) of all that a module imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def own_rooms_imported_by(path):
    """Yield (line, room) of the package's own rooms that a module imports."""
    for line, name in imports_of(path):
        package, _, rest = name.partition(".")
        if package == "sk_posters":
            yield line, rest.partition(".")[0]


each_module = pytest.mark.parametrize("path", module_files(), ids=dotted_name)


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in module_files()}
    assert rooms == set(FLOOR_OF), (
        "the rooms in sk_posters/ and the table FLOORS differ: give a new module its "
        "floor there and in the picture of docs/contributing.md, take an old one out"
    )


def test_the_contributing_guide_shows_the_same_floors():
    guide = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    block = guide.split("<!-- floors -->")[1].split("```")[1]
    shown = [sorted(line.split()) for line in block.splitlines() if line.split()]
    assert shown[1:] == [sorted(floor) for floor in reversed(FLOORS)]


@each_module
def test_imports_point_down(path):
    room = room_of(path)
    for line, other in own_rooms_imported_by(path):
        assert other in FLOOR_OF, f"{path.name}:{line} imports the package root"
        if other == room and path.parent != PACKAGE:
            continue  # The files of one subpackage may use each other.
        assert FLOOR_OF[other] < FLOOR_OF[room], (
            f"{path.name}:{line} imports {other}, which is not on a lower floor"
        )


@each_module
def test_imports_are_absolute(path):
    relative = [line for line, name in imports_of(path) if name.startswith(".")]
    assert relative == []


@each_module
def test_only_compat_takes_private_names_from_scikit_learn(path):
    private = [
        (line, name)
        for line, name in imports_of(path)
        if name.startswith("sklearn.")
        and any(part.startswith("_") for part in name.split("."))
    ]
    if room_of(path) == "_compat":
        assert private, "if _compat imports nothing private, it is no longer needed"
    else:
        assert private == []


@each_module
def test_only_rooms_for_keras_import_keras(path):
    if room_of(path) in WITHOUT_KERAS:
        imported = {name.partition(".")[0] for _, name in imports_of(path)}
        assert imported.isdisjoint(KERAS)


@each_module
def test_scikeras_is_met_in_one_module_only(path):
    if any(name.startswith("scikeras") for _, name in imports_of(path)):
        assert room_of(path) == "_keras"


@each_module
def test_only_the_command_imports_the_data_sets(path):
    if room_of(path) not in {"datasets", "cli"}:
        assert "datasets" not in {room for _, room in own_rooms_imported_by(path)}


@each_module
def test_every_name_in_dunder_all_exists(path):
    module = importlib.import_module(dotted_name(path))
    assert module.__all__
    missing = [name for name in module.__all__ if not hasattr(module, name)]
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


def test_lazy_names_and_dunder_all_agree():
    assert set(sk_posters.__all__) == {*sk_posters._HOMES, "__version__"}
    assert len(sk_posters.__all__) == len(set(sk_posters.__all__))


def test_dir_lists_the_public_names():
    assert dir(sk_posters) == sorted(sk_posters.__all__)


def test_an_unknown_name_raises_attribute_error():
    message = "module 'sk_posters' has no attribute 'PosterClasifier'"
    with pytest.raises(AttributeError, match=message):
        _ = sk_posters.PosterClasifier


def test_an_unknown_name_cannot_be_imported():
    with pytest.raises(ImportError, match="PosterClasifier"):
        from sk_posters import PosterClasifier  # noqa: F401

"""Private names of other packages: all in one place, and missed by name.

Where a test of this list fails, a new version has dropped a name: the fix belongs in
`_compat.py` (for scikeras in `_estimator.py`, for joblib's Dask in
`_joblib_backend.py`, which imports it late), and in a lowest or highest version in
pyproject.toml if there is none.
"""

import ast
import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection._split import BaseCrossValidator, _BaseKFold

import sk_posters
from sk_posters._base import _compat
from sk_posters._networks import _compat as keras_compat

PACKAGE = Path(sk_posters.__file__).parent
MODULES = {
    "sklearn.base": ["_fit_context"],
    "sklearn.model_selection._split": [
        *("GroupsConsumerMixin", "_BaseKFold", "_validate_shuffle_split")
    ],
    "sklearn.multiclass": ["_fit_binary"],
    "sklearn.utils": ["_safe_indexing"],
    "sklearn.utils._param_validation": [
        *("HasMethods", "Interval", "RealNotInt", "StrOptions", "validate_params")
    ],
    "sklearn.utils.metadata_routing": ["_raise_for_params"],
    "sklearn.utils.validation": [
        *("_check_method_params", "_estimator_has", "_num_samples")
    ],
    "keras.src.backend.common.global_state": [
        *("get_global_attribute", "set_global_attribute")
    ],
    "keras.src.models.functional": ["Functional"],
    "joblib._dask": ["DaskDistributedBackend"],
    "scikeras._utils": [
        *("get_loss_class_function_or_string", "get_metric_class"),
        *("get_optimizer_class", "route_params"),
        *("try_to_convert_strings_to_classes", "unflatten_params"),
    ],
}
NAMES = [(module, name) for module, names in MODULES.items() for name in names]


def symbolic():
    return keras.layers.Dense(1, name="dense")(keras.Input((2,)))


# Of objects and classes, with how to come by one.
ATTRIBUTES = {
    "_get_param_names": (lambda: BaseEstimator, "scikit-learn's BaseEstimator"),
    "_validate_params": (lambda: BaseEstimator, "scikit-learn's BaseEstimator"),
    "_iter_test_masks": (lambda: BaseCrossValidator, "scikit-learn's splitters"),
    "_keras_history": (symbolic, "Keras's symbolic tensors"),
    "_inbound_nodes": (
        lambda: symbolic()._keras_history.operation,
        "Keras's layers",
    ),
    "_get_variable_index": (
        lambda: keras.optimizers.Optimizer,
        "Keras's optimizers",
    ),
}
# A named tuple's own methods, which are documented.
DOCUMENTED = {"_asdict", "_replace"}


def gone(name, where):
    return f"{name} has gone from {where}: see what has taken its place, in _compat.py"


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_private_name_is_still_there(module, name):
    try:
        found = hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        found = False
    assert found, gone(name, module)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_private_attribute_is_still_there(name):
    make, where = ATTRIBUTES[name]
    assert hasattr(make(), name), gone(name, where)


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Yield module and name of all imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def private(name):
    return any(part.startswith("_") or part == "src" for part in name.split("."))


def test_the_list_holds_all_private_names_that_are_imported():
    found = set()
    for path, tree in modules():
        for module, name in imported(tree):
            own = module.partition(".")[0] == "sk_posters"
            if not own and module != "__future__" and private(f"{module}.{name}"):
                found.add((path.name, module))
    assert found == {
        *(("_compat.py", m) for m in MODULES if m.startswith("sklearn")),
        ("_compat.py", "keras.src.backend.common"),
        ("_estimator.py", "scikeras._utils"),
        ("_joblib_backend.py", "joblib._dask"),
    }


def test_the_list_is_that_of_the_compat_module():
    taken = {
        name
        for module, name in imported(ast.parse(Path(_compat.__file__).read_text()))
        if module in MODULES
    }
    listed = {name for module, name in NAMES if module.startswith("sklearn")}
    assert taken - {"BaseEstimator"} == listed


def own_names(trees):
    """Return all names that the package defines or assigns itself."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield node.name
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield node.attr
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def test_private_attributes_of_others_are_touched_in_compat_alone():
    trees = dict(modules())
    own = {*own_names(trees.values()), *DOCUMENTED} - set(ATTRIBUTES)
    # KerasEstimator puts scikit-learn's in place of scikeras's, under its own name.
    foreign = [
        (path.name, node.attr)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own
        and (path.name, node.attr) != ("_estimator.py", "_get_param_names")
    ]
    assert {file for file, _ in foreign} == {"_compat.py"}
    hooks = {"_iter_test_masks"}  # Defined for scikit-learn to call.
    assert {name for _, name in foreign} == set(ATTRIBUTES) - hooks


def test_the_call_that_a_symbolic_tensor_comes_from():
    tensor = symbolic()
    node = keras_compat.node_of(tensor)
    assert node.operation.name == "dense"
    assert node.output_tensors[0] is tensor


def test_positions_of_variables_of_an_optimizer():
    optimizer = keras.optimizers.SGD()
    variables = [keras.Variable(np.zeros(n), name=f"v{n}") for n in (1, 2)]
    optimizer.build(variables)
    found = [keras_compat.position_of_variable(optimizer, each) for each in variables]
    assert found == [0, 1]


def test_keras_globals_can_be_read_and_set():
    assert keras_compat.keras_global("sk_posters_test", "nothing") == "nothing"
    keras_compat.set_keras_global("sk_posters_test", "something")
    assert keras_compat.keras_global("sk_posters_test", "nothing") == "something"
    keras_compat.set_keras_global("sk_posters_test", None)


def test_folds_are_made_by_the_hook_that_is_listed():
    assert issubclass(_compat._BaseKFold, BaseCrossValidator)
    assert _BaseKFold is _compat._BaseKFold

"""Documentation is held to the code: names, order, defaults, attributes, examples."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString
from numpydoc.validate import validate
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import sk_posters

# Codes of numpydoc.validate: layout, summary, parameters, returns, yields, examples.
CODES = {
    *("GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "GL10"),
    *("SS01", "SS02", "SS03", "SS04"),
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10"),
    *("RT01", "RT03", "RT04", "RT05", "YD01", "SA02", "SA03"),
}
SCIKIT_LEARN_WRITES = re.compile(r"set_\w+_request|get_metadata_routing|set_output")


def module_names():
    """Every module of the package."""
    found = pkgutil.walk_packages(sk_posters.__path__, prefix="sk_posters.")
    return ["sk_posters", *sorted(module.name for module in found)]


def public_objects():
    """Yield (dotted public name, object) of each documented name users can type."""
    for module_name in module_names():
        parts = module_name.split(".")
        if any(part.startswith("_") for part in parts):
            continue
        module = importlib.import_module(module_name)
        for name in module.__all__:
            if not name.startswith("__"):
                yield f"{module_name}.{name}", getattr(module, name)


def public_methods(cls):
    """Yield (name, function) of the methods and properties written in this package."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        if name.startswith("_") or SCIKIT_LEARN_WRITES.fullmatch(name):
            continue
        if isinstance(member, property):
            member = member.fget
        member = inspect.unwrap(getattr(member, "__func__", member))
        if getattr(member, "__module__", "").startswith("sk_posters"):
            yield name, member


OBJECTS = dict(public_objects())
CALLABLES = {
    name: item for name, item in OBJECTS.items() if callable(inspect.unwrap(item))
}
CLASSES = {name: item for name, item in OBJECTS.items() if inspect.isclass(item)}
METHODS = {
    f"{name}.{method}": function
    for name, cls in CLASSES.items()
    for method, function in public_methods(cls)
}
DOCUMENTED = {**CALLABLES, **METHODS}


def documented_parameters(item):
    """Return (name, type) of each parameter that a docstring lists, in order."""
    # A class's docstring speaks for its __init__.
    listed = NumpyDocString(inspect.getdoc(item) or "")
    parameters = listed["Parameters"] + listed["Other Parameters"]
    return [
        (name.strip(), parameter.type)
        for parameter in parameters
        for name in parameter.name.split(",")
    ]


def signature_parameters(item):
    parameters = inspect.signature(item).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        (stars.get(parameter.kind, "") + parameter.name, parameter.default)
        for parameter in parameters
        if parameter.name not in {"self", "cls"}
    ]


def value_of(text):
    """Return what a documented default stands for, as text that can be compared."""
    try:
        return repr(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text


def each(table):
    return pytest.mark.parametrize("name", sorted(table))


def test_the_tables_hold_the_names_of_the_issue():
    assert "sk_posters.PosterClassifier" in CLASSES
    assert "sk_posters.PosterClassifier.predict_top_k" in METHODS
    assert "sk_posters.datasets.load_poster_table" in CALLABLES


@each(DOCUMENTED)
def test_parameters_are_those_of_the_signature_in_order(name):
    item = DOCUMENTED[name]
    if item in METHODS.values() and not signature_parameters(item):
        return
    documented = [parameter for parameter, _ in documented_parameters(item)]
    assert documented == [parameter for parameter, _ in signature_parameters(item)]


@each(DOCUMENTED)
def test_defaults_are_those_of_the_signature(name):
    item = DOCUMENTED[name]
    defaults = dict(signature_parameters(item))
    for parameter, text in documented_parameters(item):
        default = defaults[parameter]
        match = re.search(r"default=(.*)$", text, flags=re.DOTALL)
        if parameter.startswith("*") or default is inspect.Parameter.empty:
            assert match is None, f"{parameter} has no default"
        else:
            assert match, f"{parameter}: the default {default!r} is not documented"
            assert value_of(match.group(1)) == repr(default), parameter


@each(DOCUMENTED)
def test_numpydoc_finds_nothing_to_complain_about(name):
    complaints = [
        f"{code}: {text}" for code, text in validate(name)["errors"] if code in CODES
    ]
    assert complaints == []


@each(CALLABLES)
def test_every_public_object_shows_an_example(name):
    assert ">>>" in "\n".join(FunctionDoc(CALLABLES[name])["Examples"])


def learned_by(estimator):
    """Names that fit gave to an estimator: public, with a trailing underscore."""
    names = [*vars(estimator), *dir(type(estimator))]
    return {name for name in names if re.fullmatch(r"[a-z]\w*_", name)} | (
        {"n_features_in_"} & set(vars(estimator))
    )


def fitted_loader(tmp_path):
    path = tmp_path / "poster.png"
    Image.new("RGB", (8, 8)).save(path)
    return sk_posters.PosterImageLoader(n_jobs=1).fit([path])


def fitted_classifier(_):
    X = np.zeros((4, 3), dtype=np.float32)
    y = np.array([[0, 1], [1, 0], [0, 1], [1, 1]])
    return sk_posters.PosterClassifier(epochs=1).fit(X, y)


def fitted_encoder(tmp_path):
    path = tmp_path / "poster.png"
    Image.new("RGB", (8, 8)).save(path)
    return sk_posters.PosterEncoder(n_jobs=1).fit([path])


def fitted_thresholds(_):
    X = np.arange(20.0).reshape(-1, 1)
    y = np.column_stack([X[:, 0] > 8, X[:, 0] % 3 == 0]).astype(int)
    classifier = OneVsRestClassifier(LogisticRegression())
    return sk_posters.MultilabelTunedThresholdClassifierCV(classifier).fit(X, y)


@pytest.mark.parametrize(
    "build",
    [fitted_loader, fitted_encoder, fitted_classifier, fitted_thresholds],
)
def test_attributes_documented_are_those_that_fit_gives(build, tmp_path):
    estimator = build(tmp_path)
    attributes = NumpyDocString(inspect.getdoc(type(estimator)))["Attributes"]
    documented = {
        attribute.name
        for attribute in attributes
        if "only" not in " ".join(attribute.desc).lower()
    }
    assert documented == {name for name in learned_by(estimator)}


def docstring_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in module_names():
        for test in finder.find(importlib.import_module(name)):
            if test.examples:
                yield pytest.param(test, id=test.name)


@pytest.mark.parametrize("examples", list(docstring_examples()))
def test_examples_print_what_they_say(examples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    report = []
    doctest.DocTestRunner(optionflags=flags, verbose=False).run(
        examples, out=report.append
    )
    assert report == [], "".join(report)

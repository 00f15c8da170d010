"""What scikit-learn does with an estimator, it does with those of this package.

Each consumer gets the estimators of this package, on numbers and on paths of posters,
and one of scikit-learn's own in the same place, behind a plain reader of files where
the input is paths: whatever works with that one works with ours. LEFT_OUT says which
pairs are not run, and why.
"""

import io
import pickle
import warnings
from functools import cache
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from several_encoders import make_several
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import (
    PartialDependenceDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import has_fit_parameter

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    OneVsRestHead,
    PosterClassifier,
    make_poster_pipeline,
)

pytestmark = pytest.mark.usefixtures("shallow_backbones")

REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError)
SCORERS = {"macro": "f1_macro", "auc": "roc_auc", "subsets": "accuracy"}
ONE_LABEL = ("ClassifierChain", "MultiOutputClassifier", "OneVsRestClassifier")


class Data:
    """Rows, their labels, and the same rows as a table with other columns."""

    def __init__(self, X, table):
        self.X, self.table = X, table
        self.Y = (np.arange(len(X))[:, np.newaxis] % [2, 3, 4] == 0).astype(int)
        self.groups = np.arange(len(X)) // 2
        self.weights = np.arange(len(X)) % 2 + 1.0


class PixelReader(TransformerMixin, BaseEstimator):
    """What anyone would write to give images to an estimator of scikit-learn."""

    def __init__(self, flat=True, verbose=0):
        self.flat, self.verbose = flat, verbose

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        paths = np.ravel(X)
        images = np.stack([np.asarray(Image.open(path)) for path in paths]) / 255
        return images.reshape(len(images), -1) if self.flat else images

    def get_feature_names_out(self, input_features=None):
        return np.array([f"pixel_{number}" for number in range(16 * 12 * 3)])


def flatten(images):
    return np.asarray(images).reshape(len(images), -1)


def measure_files(X):
    """Return a number for each path, to put beside the features of its poster."""
    return np.array([[len(str(path))] for path in np.ravel(X)], dtype=float)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posters")
    noise = np.random.default_rng(0).integers(0, 128, (12, 16, 12, 3), dtype=np.uint8)
    noise[::2] += 127
    names = [folder / f"{'long' * (row % 3)}{row}.png" for row in range(12)]
    for name, pixels in zip(names, noise, strict=True):
        Image.fromarray(pixels).save(name)
    table = pd.DataFrame(
        {
            "path": [str(name) for name in names],
            "title": ["the dark night", "a day in may", "night and day"] * 4,
            "year": np.arange(12) + 1990.0,
            "runtime": np.arange(12) % 5 + 90.0,
        }
    )
    return Data(table["path"].to_numpy(dtype=object), table)


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).random((24, 5), dtype=np.float32)
    return Data(X, None)


HEAD = OneVsRestHead(LogisticRegression())
ON_ROWS = {
    "head": lambda: HEAD,
    "tuned": lambda: MultilabelTunedThresholdClassifierCV(HEAD, cv=2),
    "searched": lambda: GridSearchCV(HEAD, {"estimator__C": [0.1, 1]}, cv=2),
    "cnn": lambda: PosterClassifier(**NETWORK),
}
NETWORK = {
    "filters": (),
    "dense_units": (4,),
    "batch_norm": False,
    "dropout": 0.0,
    "epochs": 1,
    "random_state": 0,
}


def make_frozen(onnx, pipe=None):
    """Return a pipeline with a tiny network in place of each pretrained one."""
    pipe = make_poster_pipeline(C=1, n_jobs=1) if pipe is None else pipe
    names = [name for name in pipe.get_params() if name.endswith("__backbone")]
    sizes = [name.replace("__backbone", "__image_size") for name in names]
    return pipe.set_params(
        **dict.fromkeys(names, onnx), **dict.fromkeys(sizes, (16, 12))
    )


ON_PATHS = {
    "frozen": make_frozen,
    "several encoders": lambda onnx: make_frozen(onnx, make_several()),
    "tuned": lambda onnx: MultilabelTunedThresholdClassifierCV(make_frozen(onnx), cv=2),
    "searched": lambda onnx: GridSearchCV(
        make_frozen(onnx), {"classifier__estimator__C": [1]}, cv=2
    ),
    "cnn": lambda onnx: make_poster_pipeline("cnn", image_size=(16, 12), **NETWORK),
    "finetuned": lambda onnx: make_poster_pipeline(
        "finetuned", image_size=(32, 32), unfreeze=0, epochs=1, random_state=0
    ),
}
MLP = MLPClassifier((4,), max_iter=2, random_state=0)
PEERS = {
    "MLPClassifier": MLP,
    # Some take one label, which what is for several refuses; and scorers need
    # `classes_` of a form that has no partial dependence.
    "several labels": MultiOutputClassifier(LogisticRegression()),
    "neighbors": KNeighborsClassifier(),
}


def put_behind_reader(peer, reads_images):
    """Return an estimator of scikit-learn that takes paths."""
    steps = [("reader", PixelReader(flat=not reads_images))]
    if reads_images:
        steps.append(("flat", FunctionTransformer(flatten)))
    return Pipeline([*steps, ("classifier", peer)])


def predict_folds(method):
    return lambda model, data: cross_val_predict(
        model, data.X, data.Y, cv=2, method=method
    )


def stack(model, data):
    stacked = StackingClassifier([("a", model)], clone(HEAD), cv=2)
    return stacked.fit(data.X, data.Y).predict(data.X)


def find_parameter(model):
    """Return a parameter that all have, those of steps by their long names."""
    return max((n for n in model.get_params() if n.endswith("verbose")), key=len)


def search(kind, **params):
    def run(model, data):
        grid = {find_parameter(model): [0, 0]}
        params_of_all = {"cv": 2, "scoring": "f1_macro", "error_score": "raise"}
        searcher = kind(model, grid, **params_of_all, **params)
        return searcher.fit(data.X, data.Y).predict(data.X)

    return run


def search_with_optuna(model, data):
    optuna = pytest.importorskip("optuna")
    integration = pytest.importorskip("optuna_integration")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    grid = {find_parameter(model): optuna.distributions.IntDistribution(0, 0)}
    searcher = integration.OptunaSearchCV(
        *(model, grid), cv=2, scoring="f1_macro", n_trials=1, error_score="raise"
    )
    return searcher.fit(data.X, data.Y).predict(data.X)


def validate_over_a_parameter(model, data):
    curve = validation_curve(
        *(model, data.X, data.Y),
        param_name=find_parameter(model),
        param_range=[0],
        cv=2,
        scoring="f1_macro",
        error_score="raise",
    )
    return curve[1]


def route_metadata(model, data):
    with config_context(enable_metadata_routing=True):
        weighted = clone(model)
        for part in [weighted, *weighted.get_params().values()]:
            if takes_weights(part):
                part.set_fit_request(sample_weight=True)
            if hasattr(part, "set_score_request"):
                part.set_score_request(sample_weight=False)
        scorer = make_scorer(f1_score, average="macro")
        scores = cross_validate(
            *(weighted, data.X, data.Y),
            params={"sample_weight": data.weights, "groups": data.groups},
            cv=GroupKFold(2),
            scoring=scorer.set_score_request(sample_weight=False),
            error_score="raise",
        )
    return scores["test_score"]


def takes_weights(part):
    return hasattr(part, "set_fit_request") and has_fit_parameter(part, "sample_weight")


def name_weights(model, data):
    """Fit with weights of the last step by its name, without metadata routing."""
    name = "sample_weight"
    inner = getattr(model, "estimator", model)
    if isinstance(inner, Pipeline):
        name = f"{inner.steps[-1][0]}__sample_weight"
    return clone(model).fit(data.X, data.Y, **{name: data.weights}).predict(data.X)


def copy_by_skops(fitted):
    from skops.io import dumps, get_untrusted_types, loads

    content = dumps(fitted)
    return loads(content, trusted=get_untrusted_types(data=content))


def copy_by_joblib(fitted):
    with io.BytesIO() as file:
        joblib.dump(fitted, file)
        file.seek(0)
        return joblib.load(file)


def copy_by(copy):
    def run(model, data):
        fitted = clone(model).fit(data.X, data.Y)
        expected = fitted.predict_proba(data.X)
        np.testing.assert_array_equal(copy(fitted).predict_proba(data.X), expected)
        return np.asarray(expected)

    return run


def fit_clone(model, data):
    first, second = (clone(model).fit(data.X, data.Y) for _ in range(2))
    expected = first.predict_proba(data.X)
    np.testing.assert_array_equal(second.predict_proba(data.X), expected)
    return np.asarray(expected)


def on_one_label(make):
    return lambda model, data: (
        make(model).fit(data.X, data.Y[:, 0]).predict_proba(data.X)
    )


def replace_features(model, wrap):
    """Return a model whose features are part of something else."""
    model = clone(model)
    pipe = model if isinstance(model, Pipeline) else model.estimator
    name, features = pipe.steps[0]
    pipe.steps[0] = (name, wrap(features))
    return model


def unite(features):
    length = FunctionTransformer(measure_files, feature_names_out=lambda *_: ["length"])
    return FeatureUnion([("poster", features), ("file", length)])


def put_into_table(features):
    numbers = ["year", "runtime"]
    return ColumnTransformer(
        [
            ("poster", features, "path"),
            ("title", TfidfVectorizer(), "title"),
            ("numbers", StandardScaler(), numbers),
        ],
        sparse_threshold=0,
    )


def find_features(fitted):
    for name in ("best_estimator_", "estimator_"):
        fitted = getattr(fitted, name, fitted)
    return fitted.steps[0][1]


def fit_union(model, data):
    united = replace_features(model, unite).fit(data.X, data.Y)
    names = find_features(united).get_feature_names_out()
    assert names[-1] == "file__length"
    assert all(name.startswith("poster__") for name in names[:-1])
    return united.predict(data.X)


def fit_table(model, data):
    united = replace_features(model, put_into_table).fit(data.table, data.Y)
    names = find_features(united).get_feature_names_out()
    assert list(names[-3:]) == ["title__the", "numbers__year", "numbers__runtime"]
    assert all(name.startswith("poster__") for name in names[:-10])
    return united.predict(data.table)


def set_output(library):
    def run(model, data):
        pytest.importorskip(library)
        with config_context(transform_output=library):
            plain = clone(model).fit(data.X, data.Y)
            if data.table is None:
                return plain.predict(data.X)
            features = find_features(plain).transform(data.X)
            if hasattr(features, "columns"):
                assert type(features).__module__.partition(".")[0] == library
                names = find_features(plain).get_feature_names_out()
                assert list(features.columns) == list(names)
            return plain.predict(data.X)

    return run


def set_output_of_table(library):
    def run(model, data):
        pytest.importorskip(library)
        with config_context(transform_output=library):
            return fit_table(model, data)

    return run


def show_partial_dependence(model, data):
    united = replace_features(model, put_into_table).fit(data.table, data.Y)
    shown = PartialDependenceDisplay.from_estimator(
        united, data.table, ["year"], target=0, grid_resolution=3
    )
    return shown.pd_results[0]["average"]


def permute(X_of):
    def run(model, data):
        fitted = clone(model).fit(X_of(data), data.Y)
        found = permutation_importance(
            fitted, X_of(data), data.Y, scoring="f1_macro", n_repeats=1
        )
        return found.importances_mean

    return run


def take_column(data):
    return data.X if data.table is None else data.table[["path"]]


def bag(model, data):
    bagged = BaggingClassifier(model, n_estimators=2, random_state=0)
    return bagged.fit(take_column(data), data.Y).predict(take_column(data))


def bag_one_label(model, data):
    bagged = BaggingClassifier(model, n_estimators=2, random_state=0)
    X = take_column(data)
    return bagged.fit(X, data.Y[:, 0]).predict_proba(X)


def fit_in_threads(model, data):
    fits = joblib.Parallel(2, prefer="threads")(
        joblib.delayed(lambda: clone(model).fit(data.X, data.Y))() for _ in range(2)
    )
    return np.concatenate([fitted.predict_proba(data.X) for fitted in fits])


CONSUMERS = {
    "cross_val_predict predict": predict_folds("predict"),
    "cross_val_predict predict_proba": predict_folds("predict_proba"),
    "cross_val_predict predict_log_proba": predict_folds("predict_log_proba"),
    "cross_val_predict decision_function": predict_folds("decision_function"),
    "cross_validate, three scorers": lambda model, data: cross_validate(
        model, data.X, data.Y, cv=2, scoring=SCORERS, error_score="raise"
    )["test_auc"],
    "GridSearchCV": search(GridSearchCV),
    "HalvingGridSearchCV": search(HalvingGridSearchCV, min_resources=8),
    "OptunaSearchCV": search_with_optuna,
    "StackingClassifier": stack,
    "VotingClassifier": lambda model, data: (
        VotingClassifier([("a", model)], voting="soft")
        .fit(data.X, data.Y)
        .predict(data.X)
    ),
    "BaggingClassifier": bag,
    "CalibratedClassifierCV": lambda model, data: (
        CalibratedClassifierCV(model, cv=2).fit(data.X, data.Y).predict_proba(data.X)
    ),
    "CalibratedClassifierCV, one label": on_one_label(
        lambda model: CalibratedClassifierCV(model, cv=2)
    ),
    "TunedThresholdClassifierCV, one label": on_one_label(
        lambda model: TunedThresholdClassifierCV(model, cv=2)
    ),
    "BaggingClassifier, one label": bag_one_label,
    "VotingClassifier, one label": on_one_label(
        lambda model: VotingClassifier([("a", model)], voting="soft")
    ),
    "StackingClassifier, one label": on_one_label(
        lambda model: StackingClassifier([("a", model)], cv=2)
    ),
    "ClassifierChain": lambda model, data: (
        ClassifierChain(model).fit(data.X, data.Y).predict(data.X)
    ),
    "MultiOutputClassifier": lambda model, data: (
        MultiOutputClassifier(model).fit(data.X, data.Y).predict(data.X)
    ),
    "OneVsRestClassifier": lambda model, data: (
        OneVsRestClassifier(model).fit(data.X, data.Y).predict_proba(data.X)
    ),
    "FrozenEstimator": lambda model, data: (
        FrozenEstimator(clone(model).fit(data.X, data.Y))
        .fit(data.X, data.Y)
        .predict_proba(data.X)
    ),
    "permutation_importance": permute(take_column),
    "learning_curve": lambda model, data: learning_curve(
        *(model, data.X, data.Y),
        cv=2,
        train_sizes=[0.7, 1.0],
        scoring="f1_macro",
        error_score="raise",
    )[2],
    "validation_curve": validate_over_a_parameter,
    "metadata routing": route_metadata,
    "weights by step name": name_weights,
    "clone": fit_clone,
    "pickle": copy_by(lambda fitted: pickle.loads(pickle.dumps(fitted))),
    "cloudpickle": copy_by(lambda fitted: pickle.loads(cloudpickle.dumps(fitted))),
    "joblib": copy_by(copy_by_joblib),
    "skops": copy_by(copy_by_skops),
    "joblib.Parallel": fit_in_threads,
    "set_output pandas": set_output("pandas"),
    "set_output polars": set_output("polars"),
}
ONLY_ON_ROWS = {
    "partial_dependence": lambda model, data: partial_dependence(
        clone(model).fit(data.X, data.Y), data.X, [0], grid_resolution=3
    )["average"],
}
ONLY_ON_PATHS = {
    "FeatureUnion": fit_union,
    "ColumnTransformer": fit_table,
    "ColumnTransformer, set_output pandas": set_output_of_table("pandas"),
    "ColumnTransformer, set_output polars": set_output_of_table("polars"),
    "permutation_importance, table": lambda model, data: permute(
        lambda data: data.table
    )(replace_features(model, put_into_table), data),
    "PartialDependenceDisplay, table": show_partial_dependence,
}

ALL = {
    "rows": {**CONSUMERS, **ONLY_ON_ROWS},
    "paths": {**CONSUMERS, **ONLY_ON_PATHS},
}
ESTIMATORS = {"rows": ON_ROWS, "paths": ON_PATHS}

# Why scikit-learn refuses its own estimators, too: by data, estimators and consumers.
ON_ONE_LABEL = [
    *("MultiOutputClassifier", "OneVsRestClassifier"),
    *(name for name in CONSUMERS if name.endswith("one label")),
]
REFUSED = [
    (
        "it takes one label, and no matrix of labels",
        [*ON_ROWS, *ON_PATHS],
        ["BaggingClassifier", "CalibratedClassifierCV", "VotingClassifier"],
    ),
    ("it puts labels beside X as numbers", [*ON_PATHS], ["ClassifierChain"]),
    (
        "it gives one label to a classifier of several, as `MultiOutputClassifier` is",
        ["tuned"],
        [*ON_ONE_LABEL, "ClassifierChain"],
    ),
    (
        "it needs a decision function, which networks lack",
        ["cnn", "finetuned"],
        ["cross_val_predict decision_function"],
    ),
    (
        "it puts features side by side, and an image is no row of features",
        ["cnn", "finetuned"],
        [*ONLY_ON_PATHS],
    ),
    (
        "it takes `classes_` for a list of numbers, as with `KNeighborsClassifier`",
        ["tuned", "cnn"],
        ["partial_dependence", "PartialDependenceDisplay, table"],
    ),
]
# What is the same on paths, and what is the same as with another network.
ON_NUMBERS_ALONE = ["ClassifierChain", "partial_dependence"]
OF_FINETUNING = ["metadata routing", *ONLY_ON_PATHS]
OF_UNIONS = ["GridSearchCV", "metadata routing", "weights by step name", "pickle"]
OF_UNIONS += ["skops", "set_output pandas", "set_output polars", *ONLY_ON_PATHS]
LEFT_OUT = [
    (
        "it is run on paths, and consumers pass X on or select its rows",
        ("rows", ["tuned", "searched", "cnn"]),
        lambda consumer: consumer not in ON_NUMBERS_ALONE,
    ),
    (
        "it is run with cnn, the same class with a network that is built faster; "
        "tests/networks/test_finetuning.py has copies of fitted networks",
        ("paths", ["finetuned"]),
        lambda consumer: consumer not in OF_FINETUNING,
    ),
    (
        "it is run with frozen, the same pipeline with one encoder in place of four",
        ("paths", ["several encoders"]),
        lambda consumer: consumer not in OF_UNIONS,
    ),
    (
        "they ask for what pickle asks for, and are run with frozen",
        ("paths", ["tuned", "searched", "cnn"]),
        lambda consumer: consumer in ("cloudpickle", "joblib"),
    ),
]


def is_refused(kind, estimator, consumer):
    """Return whether scikit-learn refuses its own estimator in this place."""
    if kind == "rows" and consumer == "ClassifierChain":
        return estimator == "tuned"
    return any(
        estimator in estimators and consumer in consumers
        for _, estimators, consumers in REFUSED
    )


def is_left_out(kind, estimator, consumer):
    return any(
        data == kind and estimator in estimators and leaves_out(consumer)
        for _, (data, estimators), leaves_out in LEFT_OUT
    )


PAIRS = [
    (kind, estimator, consumer)
    for kind, estimators in ESTIMATORS.items()
    for estimator in estimators
    for consumer in ALL[kind]
]
RUN = [pair for pair in PAIRS if not is_left_out(*pair)]


def try_out(consumer, model, data):
    """Return the result, or the error in its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(consumer(model, data))
        except Exception as error:
            return error


def find_peer(estimator, consumer):
    """Return the estimator of scikit-learn that takes the same targets."""
    if estimator == "tuned" and (consumer in ONE_LABEL or "one label" in consumer):
        return "several labels"
    if estimator in ("tuned", "cnn") and "artial" in consumer:
        return "neighbors"
    return "MLPClassifier"


@pytest.fixture(scope="module")
def try_out_peer(rows, paths):
    """Function that says what a consumer does with an estimator of scikit-learn."""

    @cache
    def try_it(kind, consumer, peer, reads_images):
        if kind == "rows":
            return try_out(ALL[kind][consumer], PEERS[peer], rows)
        model = put_behind_reader(PEERS[peer], reads_images)
        return try_out(ALL[kind][consumer], model, paths)

    return try_it


@pytest.fixture(scope="module")
def models(tmp_path_factory, write_onnx):
    onnx = write_onnx(tmp_path_factory.mktemp("onnx") / "tiny.onnx")
    return {
        **{("rows", name): model() for name, model in ON_ROWS.items()},
        **{("paths", name): model(onnx) for name, model in ON_PATHS.items()},
    }


@pytest.mark.parametrize(
    ("kind", "estimator", "consumer"), RUN, ids=["-".join(pair) for pair in RUN]
)
def test_what_works_with_scikit_learns_own_works_with_ours(
    kind, estimator, consumer, models, rows, paths, try_out_peer
):
    reads_images = estimator in ("cnn", "finetuned")
    peer_name = find_peer(estimator, consumer)
    peer = try_out_peer(kind, consumer, peer_name, reads_images)
    data = {"rows": rows, "paths": paths}[kind]
    ours = try_out(ALL[kind][consumer], models[kind, estimator], data)
    if is_refused(kind, estimator, consumer):
        assert isinstance(peer, REFUSALS)
        assert isinstance(ours, REFUSALS)
        return
    if isinstance(ours, Exception):
        raise ours
    assert isinstance(peer, Exception) or ours.shape == peer.shape
    assert np.isfinite(ours[ours > -np.inf]).all()
    assert ours.size


def find_reason(estimator, consumer):
    """Return the number of the reason why a pair on paths is refused, from 1; or 0."""
    matches = (
        number
        for number, (_, estimators, consumers) in enumerate(REFUSED, 1)
        if estimator in estimators and consumer in consumers
    )
    return next(matches, 0)


def write_matrix():
    """Return the lines of the table in the guide: all pairs on paths."""
    lines = ["| | " + " | ".join(ON_PATHS) + " |", "| --- " * (len(ON_PATHS) + 1) + "|"]
    for consumer in ALL["paths"]:
        reasons = [find_reason(estimator, consumer) for estimator in ON_PATHS]
        words = [f"refused ({number})" if number else "works" for number in reasons]
        lines.append(f"| {consumer} | " + " | ".join(words) + " |")
    return lines


def test_the_guide_has_the_matrix():
    page = Path(__file__).parents[1] / "docs" / "guide" / "scikit_learn.md"
    text = page.read_text(encoding="utf-8")
    assert "\n".join(write_matrix()) in text
    n_pairs, n_run = (sum(p[0] == "paths" for p in pairs) for pairs in (PAIRS, RUN))
    assert f"All {n_pairs} pairs" in text
    assert f"runs {n_run} of them" in text
    for number, (reason, _, _) in enumerate(REFUSED, 1):
        assert f"\n{number}. {reason[0].upper()}{reason[1:]}" in text

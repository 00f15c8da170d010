"""Values in model files: each class has its fields, and each field its range."""

import json
import os
import re
import warnings
from importlib import import_module

import numpy as np
import pytest
from hostile_files import as_node, edited_schema, node, with_fields
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

from sk_posters import (
    FeatureNovelty,
    MultilabelTunedThresholdClassifierCV,
    OneVsRestHead,
    PosterEncoder,
    PosterImageLoader,
    load_model,
    save_model,
)
from sk_posters._persistence._fields import check_fields
from sk_posters._persistence._kept import KEPT
from sk_posters._persistence._skops import _find_default
from sk_posters.exceptions import ModelFileError

pytest.importorskip("skops.io")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X + np.random.default_rng(1).normal(size=(40, 3)) > 0).astype(int)


def linear(calibration="sigmoid", classifier=None, scaler=None, cv=0.5):
    """A pipeline of all that the recipe "frozen" has after its encoder."""
    head = OneVsRestHead(classifier or LogisticRegression())
    tuner = MultilabelTunedThresholdClassifierCV(
        head, thresholds=10, cv=cv, random_state=0, calibration=calibration
    )
    steps = [("novelty", FeatureNovelty()), ("scaler", scaler or StandardScaler())]
    return Pipeline([*steps, ("classifier", tuner)]).fit(X, Y)


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The bytes of good files by name."""
    path = tmp_path_factory.mktemp("good") / "it.model"
    models = {
        "linear": linear(),
        "temperature": linear("temperature"),
        "cv": linear(cv=ShuffleSplit(2, random_state=0)),
        "encoder": PosterEncoder(n_jobs=1, image_size=(320, 224)),
        "file": PosterEncoder("its.onnx", mean=0, std=255, n_jobs=1),
        "loader": PosterImageLoader(n_jobs=1),
        "dummy": DummyClassifier().fit(X, Y),
        "uniform": DummyClassifier(strategy="uniform").fit(X, Y),
        "normalizer": Normalizer().fit(X),
        "union": FeatureUnion([("a", MaxAbsScaler()), ("b", MinMaxScaler())]).fit(X),
        "robust": RobustScaler().fit(X),
    }
    found = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of a network that is not in the file.
            save_model(model, path)
        found[name] = path.read_bytes()
    return found


@pytest.fixture
def spoil(contents, tmp_path):
    """Function that writes a good file with other fields, and returns its path."""

    def write(name, fields):
        path = tmp_path / "it.model"
        path.write_bytes(contents[name])
        with_fields(fields)(path, None)
        return path

    return write


@pytest.mark.parametrize(
    "model",
    [
        linear(None),
        linear("temperature", LinearSVC(fit_intercept=False), RobustScaler()),
        linear(scaler=StandardScaler(with_mean=False, with_std=False)),
        linear(scaler=RobustScaler(with_centering=False)),
        linear(scaler=Normalizer()),
        OneVsRestHead(LogisticRegression()).fit(X, np.arange(40) % 3),
        OneVsRestHead(LogisticRegression()).fit(X, np.arange(40) % 2 * 4),
        LogisticRegression().fit(X, np.array(list("abcd") * 10)),
        *(DummyClassifier(strategy=each).fit(X, Y) for each in ("uniform", "prior")),
        DummyClassifier(strategy="constant", constant=[0, 1, 1]).fit(X, Y),
    ],
    ids=lambda model: type(model).__name__,
)
def test_good_values_pass(model, tmp_path):
    save_model(model, tmp_path / "it.model")
    loaded = load_model(tmp_path / "it.model")
    if getattr(model, "strategy", None) != "uniform":
        assert_array_equal(loaded.predict(X), model.predict(X))


def pair(*values):
    """Return a tuple as skops writes it."""
    return as_node(list(values), {}) | {
        "__loader__": "TupleNode",
        "__class__": "tuple",
    }


HALF = np.array([0.5, np.nan, 0.5])
BIG = 10**9
WRONG = {
    # Shapes, finite numbers and signs.
    ("linear", "StandardScaler.scale_"): [np.ones(2), np.ones((3, 1)), HALF, None],
    ("linear", "StandardScaler.mean_"): [np.ones(4), HALF, np.ones(3, int), "x"],
    ("linear", "StandardScaler.var_"): [-np.ones(3), np.ones(3, complex), None],
    ("linear", "StandardScaler.n_features_in_"): [2, -1, 3.0, True, "3"],
    ("linear", "StandardScaler.n_samples_seen_"): [-1, np.ones(2)],
    ("linear", "StandardScaler.with_std"): ["False", False],
    ("linear", "FeatureNovelty.direction_"): [np.ones(3), np.ones(2) / 2, HALF],
    ("linear", "FeatureNovelty.distances_"): [np.arange(2.0)[::-1], np.ones(0), HALF],
    ("linear", "LogisticRegression.coef_"): [
        *(np.ones((1, 4)), np.ones(3), [[1.0]]),
        np.ma.masked_invalid([[1.0, np.nan, 1.0]]),
    ],
    ("linear", "LogisticRegression.intercept_"): [np.ones(2), np.full(1, np.inf), 0.0],
    ("linear", "LogisticRegression.classes_"): [np.arange(3), np.array([1, 1]), "01"],
    ("linear", "LogisticRegression.n_iter_"): [-np.ones(1, int), "many"],
    ("linear", "LogisticRegression.C"): [-1.0, "x"],
    ("linear", "LogisticRegression.max_iter"): [10**15],
    ("cv", "ShuffleSplit.n_splits"): [10**6],
    ("linear", "OneVsRestHead.classes_"): [np.arange(4), np.array([0, 2, 5])],
    ("linear", "OneVsRestHead.estimators_"): [[], None],
    ("linear", "LabelBinarizer.classes_"): [np.arange(2), np.arange(1, 4)],
    ("linear", "LabelBinarizer.neg_label"): [-1, 5],
    ("linear", "LabelBinarizer.pos_label"): [0, BIG],
    ("linear", "LabelBinarizer.y_type_"): ["multiclass", "x"],
    ("linear", "LabelBinarizer.sparse_output"): [False],
    ("linear", "LabelBinarizer.sparse_input_"): [1],
    ("linear", "SigmoidCalibration.slope"): [np.ones(2), -np.ones(3), HALF],
    ("linear", "SigmoidCalibration.intercept"): [np.ones(2), HALF],
    ("linear", f"{(T := 'MultilabelTunedThresholdClassifierCV')}.best_thresholds_"): [
        *(np.ones(2) / 2, np.array([0.5, 0.5, 7.0]), HALF, -np.ones(3)),
    ],
    ("linear", f"{T}.label_names_"): [np.array(["a", "a", "b"]), np.arange(2)],
    ("linear", f"{T}.classes_"): [np.zeros((3, 2), int), np.arange(2)],
    ("linear", f"{T}.common_threshold_"): [float("nan"), "x"],
    ("linear", f"{T}.best_score_"): [float("inf")],
    ("linear", f"{T}.calibration_"): [None],
    ("linear", f"{T}.calibration"): ["temperature", "x"],
    ("linear", f"{T}._method"): ["predict", "__init__"],
    ("linear", f"{T}.thresholds"): [BIG, -1],
    ("linear", f"{T}.estimator_"): [None],
    ("temperature", "TemperatureCalibration.temperature"): [0, -1.0, float("nan")],
    ("encoder", "PosterEncoder.image_size"): [
        *([60000, 60000], [4096, 4096], [1, 2**24], [0, 5], [5], ["a", "b"]),
    ],
    ("encoder", "PosterEncoder.batch_size"): [BIG, 0, 16.0],
    ("encoder", "PosterEncoder.backbone"): [
        *(7, None, "\x1b[31m", [], "hf://", "hf://a/../b", "hf://datasets/a/b"),
    ],
    ("encoder", "PosterEncoder.mean"): [float("nan"), "x", np.ones(2)],
    ("encoder", "PosterEncoder.std"): [np.full(3, np.inf)],
    ("file", "PosterEncoder.std"): [0.0, -1.0, [1, 0, 1], 1e-300, np.ones(1)],
    ("file", "PosterEncoder.mean"): [float("inf"), 1e300, [0, float("nan"), 0]],
    ("file", "PosterEncoder.output"): [-1, True, "", "\x1b[31m", [0], 1.5],
    # Not in a network that comes with its own.
    ("encoder", "PosterEncoder.output"): ["features", 0],
    ("encoder", "PosterEncoder.channel_order"): ["NCHW"],
    ("encoder", "PosterEncoder.pooling"): ["cls", "cls-", 3],
    ("encoder", "PosterEncoder.revisions_"): [{"hf://a/b": "hf://evil/c@1"}, "x"],
    ("encoder", "PosterEncoder.devices_"): [["\x1b[31m"]],
    ("encoder", "PosterEncoder.n_cached_"): [-1, "x"],
    ("loader", "PosterImageLoader.image_size"): [[60000, 60000], [350, 350.0], [1]],
    ("loader", "PosterImageLoader.on_error"): ["x"],
    ("loader", "PosterImageLoader.n_decoded_"): [-1],
    ("dummy", "DummyClassifier.n_outputs_"): [BIG, 2],
    ("dummy", "DummyClassifier.sparse_output_"): [np.zeros(3), 1, "x"],
    ("uniform", "DummyClassifier.sparse_output_"): [True],
    ("dummy", "DummyClassifier.n_classes_"): [[2, 2], [2, 2, BIG]],
    ("dummy", "DummyClassifier.class_prior_"): [[np.array([2.0, -1.0])] * 3],
    ("dummy", "DummyClassifier.strategy"): ["x", "uniform"],
    ("union", "FeatureUnion.transformer_list"): [[], None, [1]],
    ("union", "FeatureUnion.transformer_weights"): [{"c": 1.0}, {"a": float("nan")}],
    ("union", "MaxAbsScaler.max_abs_"): [np.ones(2), -np.ones(3)],
    ("union", "MinMaxScaler.data_range_"): [np.ones(2), -np.ones(3)],
    ("union", "MinMaxScaler.min_"): [HALF],
    ("union", "MinMaxScaler.feature_range"): [
        *(pair("a", "b"), pair(1, 0), pair(0.0, float("inf")), pair(0)),
    ],
    ("normalizer", "Normalizer.n_features_in_"): [None, 0, "3"],
    ("robust", "RobustScaler.center_"): [None, np.ones(2)],
    ("robust", "RobustScaler.scale_"): [np.zeros(3), HALF],
}
CASES = [(*place, value) for place, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "field", "value"), CASES)
def test_a_value_that_makes_no_sense_is_refused(name, field, value, spoil):
    owner, _, attribute = field.partition(".")
    with pytest.raises(ModelFileError) as caught:
        load_model(spoil(name, {field: value}))
    message = str(caught.value)
    assert attribute in message or owner in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"StandardScaler.n_features_in_": 2}
            | {f"StandardScaler.{each}_": np.ones(2) for each in ("mean", "scale")}
            | {"StandardScaler.var_": np.ones(2)},
            "its StandardScaler takes 2 columns, and the steps before it give 3",
        ),
        (
            {"LogisticRegression.n_features_in_": 2}
            | {"LogisticRegression.coef_": np.ones((1, 2))},
            r"classifiers of its OneVsRestHead take \[2, 3\] columns",
        ),
    ],
)
def test_widths_that_differ_are_refused(fields, message, spoil):
    with pytest.raises(ModelFileError, match=message):
        load_model(spoil("linear", fields))


def test_a_scaler_does_not_fit_its_encoder(tmp_path, spoil):
    pipe = Pipeline(
        [("encoder", PosterEncoder(n_jobs=1)), ("scaler", StandardScaler())]
    )
    pipe["scaler"].fit(np.random.default_rng(0).normal(size=(5, 640)))
    message = r"StandardScaler takes 640 columns, and the steps before it give 1280"
    with pytest.raises(ModelFileError, match=message):
        save_model(pipe, tmp_path / "it.model")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "field",
    [
        *("StandardScaler.mean_", "StandardScaler.with_mean", "Pipeline.memory"),
        *("LogisticRegression.coef_", f"{T}.best_thresholds_", f"{T}.estimator_"),
        "OneVsRestHead.label_binarizer_",
    ],
)
def test_a_field_that_is_not_there_is_refused(field, spoil):
    def remove(attributes, name):
        del attributes["content"][name]
        attributes["key_types"]["content"].pop()

    owner, _, attribute = field.partition(".")
    with pytest.raises(ModelFileError, match=f"its {owner} lacks {attribute}"):
        load_model(spoil("linear", {field: remove}))


@pytest.mark.parametrize("n_levels", [4, 12])
def test_estimators_within_each_other_are_counted(n_levels, tmp_path):
    pipe = StandardScaler()
    for _ in range(n_levels):
        pipe = Pipeline([("it", pipe)])
    head = OneVsRestHead(LogisticRegression())
    model = Pipeline([("scaler", pipe.fit(X)), ("head", head.fit(X, Y))])
    path = tmp_path / "it.model"
    if n_levels == 4:
        save_model(model, path)
        np.testing.assert_array_equal(load_model(path).predict(X), model.predict(X))
        return
    with pytest.raises(ModelFileError, match="are nested more than 8 deep"):
        check_fields(model)


def test_a_part_that_was_not_fitted_is_refused(spoil):
    def unfit(attributes, name):
        for each in ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_"):
            del attributes["content"][each]
            attributes["key_types"]["content"].pop()

    message = "a part of its pipeline, StandardScaler, is not fitted"
    with pytest.raises(ModelFileError, match=message):
        load_model(spoil("linear", {"StandardScaler.mean_": unfit}))


# -- what a file does not decide -------------------------------------------------------

RESET = {
    ("linear", "Pipeline.memory"): ["theirs", [1], {"a": "b"}],
    ("linear", "Pipeline.verbose"): [True],
    ("linear", "OneVsRestHead.n_jobs"): [30, -30, 0, True, "x"],
    ("union", "FeatureUnion.n_jobs"): [30],
    ("union", "FeatureUnion.verbose"): [True],
    ("encoder", "PosterEncoder.cache_dir"): ["theirs"],
    ("encoder", "PosterEncoder.cache_size"): [1],
    ("encoder", "PosterEncoder.n_jobs"): [100_000],
    ("encoder", "PosterEncoder.verbose"): [2],
    ("loader", "PosterImageLoader.cache_dir"): ["theirs"],
    ("linear", "LogisticRegression.verbose"): [10],
}


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [(*place, value) for place, values in RESET.items() for value in values],
)
def test_what_belongs_to_one_machine_is_reset_in_words(name, field, value, spoil):
    owner, _, attribute = field.partition(".")
    path = spoil(name, {field: value})
    message = rf"Left out of '.*it\.model': {owner}\.{attribute}\. .* with set_params"
    with pytest.warns(UserWarning, match=message):
        loaded = load_model(path)
    [part] = [each for each in parts_of(loaded) if type(each).__name__ == owner][:1]
    assert getattr(part, attribute) == getattr(clone(part), attribute)
    assert getattr(part, attribute) in (None, False, 0, -1, 2_000_000_000)


def parts_of(model):
    yield model
    for _, step in getattr(model, "steps", ()):
        yield from parts_of(step)
    if hasattr(model, "estimator_"):
        yield from parts_of(model.estimator_)
    yield from getattr(model, "estimators_", ())


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_a_sane_number_of_processes_is_kept(n_jobs, tmp_path, recwarn):
    union = FeatureUnion([("a", MaxAbsScaler())], n_jobs=n_jobs).fit(X)
    save_model(union, tmp_path / "it.model")
    assert load_model(tmp_path / "it.model").n_jobs == n_jobs
    assert recwarn.list == []


def test_a_loaded_pipeline_reads_no_folder_of_its_author(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = [("a", StandardScaler()), ("b", LogisticRegression())]
    pipe = Pipeline(steps, memory="theirs").fit(X, Y[:, 0])
    assert os.listdir("theirs")  # What would be unpickled.
    with pytest.warns(UserWarning, match=r"Not saved: Pipeline\.memory\. "):
        save_model(pipe, "it.model")
    os.rename("theirs", "elsewhere")
    loaded = load_model("it.model")
    clone(loaded).fit(X, Y[:, 0])
    assert loaded.memory is None
    assert pipe.memory == "theirs"
    assert not os.path.exists("theirs")


def test_attributes_that_no_class_has_are_left_out(spoil):
    path = spoil("linear", {"Pipeline.predict": "x", "Pipeline.\x1b[31m": 1})
    with pytest.warns(
        UserWarning, match=r"Pipeline\.\?\[31m, Pipeline\.predict\. "
    ) as w:
        loaded = load_model(path)
    assert str(w[0].message).isprintable()
    assert vars(loaded).keys() == set(KEPT["sklearn.pipeline.Pipeline"].params)


def test_all_parameters_of_the_classes_are_listed():
    for name, kept in KEPT.items():
        module, _, kind = name.rpartition(".")
        found = getattr(import_module(module), kind)
        if hasattr(found, "_get_param_names"):
            names = set(found._get_param_names())
            assert names <= {*kept.params, *kept.optional}, name


def test_a_parameter_that_is_not_listed_must_have_its_default(tmp_path, monkeypatch):
    name = "sklearn.preprocessing._data.StandardScaler"
    kept = KEPT[name]._replace(params=("with_std", "copy"))
    monkeypatch.setitem(KEPT, name, kept)
    _find_default.cache_clear()
    save_model(StandardScaler().fit(X), tmp_path / "it.model")
    assert load_model(tmp_path / "it.model").with_mean is True
    message = "with_mean of its StandardScaler is a parameter that this version"
    with pytest.raises(ModelFileError, match=message):
        save_model(StandardScaler(with_mean=False).fit(X), tmp_path / "it.model")
    _find_default.cache_clear()


# -- kinds of nodes and types ----------------------------------------------------------


@pytest.mark.parametrize("model", [KNeighborsClassifier(), SVC()])
def test_other_estimators_need_trust(model, tmp_path):
    model.fit(X, Y[:, 0])
    kind = type(model).__name__
    message = rf"trusted=\[.*{kind}'.*\], or to a command .*--trust sklearn\..*{kind}"
    with pytest.raises(ModelFileError, match=message) as caught:
        save_model(model, tmp_path / "it.model")
    trusted = re.findall(r"--trust ([\w.]+\w)", str(caught.value))
    save_model(model, tmp_path / "it.model", trusted=trusted)
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "it.model")
    loaded = load_model(tmp_path / "it.model", trusted=trusted)
    assert_array_equal(loaded.predict(X), model.predict(X))


def text(value):
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def of_list(kind, name, *items):
    return node(kind, name, content=[text(item) for item in items])


NODES = {
    "a list of another type": of_list("ListNode", "sk_posters.PosterEncoder", "x"),
    "a tuple of another type": of_list("TupleNode", "sklearn.pipeline.Pipeline", "x"),
    "a type": node("TypeNode", "sk_posters.CompiledNetwork"),
    "a call of a trusted class": node(
        "ConstructorFromReduceNode",
        "sklearn.pipeline.Pipeline",
        content=of_list("TupleNode", "builtins.tuple", "x"),
    ),
    "a call by another path": node(
        "ConstructorFromReduceNode",
        "sk_posters._networks._reuse.CompiledNetwork",
        content=of_list("TupleNode", "builtins.tuple", "theirs", "key"),
    ),
    "a list in a text": text([1]),
    "a dict in a text": text({"memory": "theirs"}),
    "a dict with too few names": node(
        "DictNode",
        "builtins.dict",
        content={"a": text(1)},
        key_types=of_list("ListNode", "builtins.list"),
    ),
    "a function of NumPy": node("FunctionNode", "numpy.log"),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_that_calls_anything_is_refused(name, spoil):
    path = spoil("linear", {"Pipeline.transform_input": NODES[name]})
    with pytest.raises(ModelFileError, match="it holds "):
        load_model(path)
    trusted = ["sk_posters._networks._reuse.CompiledNetwork", "numpy.log"]
    with pytest.raises(ModelFileError):  # Trusted or not.
        load_model(path, trusted=trusted)


def test_attributes_in_a_text_are_refused(contents, tmp_path):
    def edit(schema, marker):
        schema["content"] = text({"steps": [], "memory": "theirs"})
        return schema, {}

    path = tmp_path / "it.model"
    path.write_bytes(contents["linear"])
    edited_schema(edit)(path, None)
    with pytest.raises(
        ModelFileError, match=r"attributes of its .*Pipeline are no dict"
    ):
        load_model(path)


def test_a_random_state_that_reads_beyond_its_numbers_is_refused(tmp_path):
    model = LogisticRegression(random_state=np.random.RandomState(0)).fit(X, Y[:, 0])
    path = tmp_path / "it.model"
    save_model(model, path)
    assert load_model(path).random_state.rand() == np.random.RandomState(0).rand()

    def move(attributes, name):
        state = attributes["content"][name]["content"]["content"]["state"]["content"]
        state["pos"]["content"] = str(2**30)

    with_fields({"LogisticRegression.random_state": move})(path, None)
    with pytest.raises(ModelFileError, match="RandomState whose position is out of"):
        load_model(path)

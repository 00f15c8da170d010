"""Objects of Keras in what is saved: kept by their config, or left out in words."""

import gc
import json
import pickle
import re
import warnings

import joblib
import keras
import numpy as np
import pytest
from hostile_files import edited_schema, node, with_fields
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterClassifier,
    PosterImageLoader,
    load_model,
    save_model,
)
from sk_posters._base._zip import pack, unpack
from sk_posters._networks import _reuse, _serialize
from sk_posters._networks._parts import KerasPart, write_part
from sk_posters.exceptions import ModelFileError

pytest.importorskip("skops.io")

callbacks, losses, metrics = keras.callbacks, keras.losses, keras.metrics
optimizers = keras.optimizers


class OwnCallback(callbacks.Callback):
    """A callback of the user's, with a setting."""

    def __init__(self, setting=1):
        super().__init__()
        self.setting = setting


class OwnOptimizer(optimizers.SGD):
    """An optimizer of the user's."""


class OwnLoss(losses.Loss):
    """A loss of the user's."""

    def call(self, y_true, y_pred):
        return squared(y_true, y_pred)


class OwnMetric(metrics.BinaryAccuracy):
    """A metric of the user's."""


def squared(y_true, y_pred):
    y_true = keras.ops.cast(y_true, y_pred.dtype)
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def binary_crossentropy(y_true, y_pred):
    """A loss of the user's that has the name of Keras's."""
    return squared(y_true, y_pred)


def schedule():
    return optimizers.schedules.ExponentialDecay(0.01, decay_steps=10, decay_rate=0.9)


def stopping(**options):
    return callbacks.EarlyStopping(monitor="loss", min_delta=0.5, **options)


KEPT = {
    "objects in lists": {
        "callbacks": [
            stopping(restore_best_weights=True),
            callbacks.ReduceLROnPlateau("loss", factor=0.5),
        ],
        "metrics": [metrics.AUC(num_thresholds=9), "binary_accuracy"],
        "optimizer": optimizers.AdamW(0.02, weight_decay=0.1),
        "loss": losses.BinaryFocalCrossentropy(gamma=3.0),
    },
    "dicts, functions and routed objects": {
        "callbacks": {"stop": stopping(), "swap": callbacks.SwapEMAWeights()},
        "metrics": [metrics.binary_accuracy],
        "optimizer": "adam",
        "optimizer__use_ema": True,
        "optimizer__learning_rate": schedule(),
        "loss": losses.binary_crossentropy,
    },
    "classes": {
        "callbacks": callbacks.EarlyStopping,
        "callbacks__monitor": "loss",
        "metrics": [metrics.MeanSquaredError],
        "optimizer": optimizers.SGD,
        "loss": losses.BinaryFocalCrossentropy,
        "loss__gamma": 3.0,
    },
    "single objects": {
        "callbacks": callbacks.TerminateOnNaN(),
        "compile__weighted_metrics": [metrics.Precision()],
        "metrics": metrics.AUC(multi_label=True, num_labels=3),
        "optimizer": optimizers.SGD(schedule(), momentum=0.5),
        "loss": losses.BinaryFocalCrossentropy(gamma=3.0),
        "label_weight": "balanced",
    },
}
FILES_AND_CODE = (
    r"functions, arrays, files and addresses do not go into model files\. The"
)
CODE = r"code of your own does not go into model files, unless with trusted=\['.*%s'\]"
LOSS = r".* trains with loss='binary_crossentropy'\."
# The parameters, what the warnings say, and what the loaded model has then.
LEFT_OUT = {
    "in lists": (
        lambda folder: {
            "callbacks": [
                callbacks.ModelCheckpoint(folder / "it.keras"),
                callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
                OwnCallback(),
                stopping(),
            ],
            "metrics": [OwnMetric(), squared, "AUC"],
            "optimizer": OwnOptimizer,
            "optimizer__momentum": 0.5,
            "loss": squared,
            "label_weight": "balanced",
        },
        [
            "ModelCheckpoint in callbacks is left out: " + FILES_AND_CODE,
            "LambdaCallback in callbacks is left out: " + FILES_AND_CODE,
            "OwnCallback in callbacks is left out: " + CODE % "OwnCallback",
            "squared in loss is left out: " + CODE % "squared" + LOSS,
            "OwnMetric in metrics is left out: .* trains without it",
            "squared in metrics is left out: .* trains without it",
            "OwnOptimizer in optimizer is left out: .* with optimizer='auto'",
        ],
        {
            "callbacks": [stopping()],
            "metrics": ["AUC"],
            "optimizer": "auto",
            "optimizer__momentum": "is not there",
            "loss": "binary_crossentropy",
        },
    ),
    "alone": (
        lambda folder: {
            "callbacks": callbacks.CSVLogger(folder / "it.csv"),
            "metrics": {"name": squared},
            "loss": binary_crossentropy,
        },
        [
            "CSVLogger in callbacks is left out: " + FILES_AND_CODE,
            "binary_crossentropy in loss is left out: " + CODE % "binary_crossentropy",
            "squared in metrics is left out: " + CODE % "squared",
        ],
        {"callbacks": None, "metrics": {}, "loss": "binary_crossentropy"},
    ),
    "nameless": (
        lambda folder: {"loss": lambda y_true, y_pred: squared(y_true, y_pred)},
        ["<lambda> in loss is left out: " + CODE % "<lambda>"],
        {"loss": "binary_crossentropy"},
    ),
}


@pytest.fixture
def fitted(tiny, images, labels):
    """Function that trains a network for one step, operation by operation.

    Without a graph, this takes a tenth of the time.
    """
    tiny |= {"batch_size": 24, "compile__run_eagerly": True}

    def fit(parameters):
        return PosterClassifier(**tiny, **parameters).fit(images, labels)

    return fit


def described(value):
    """A parameter in a form that can be compared."""
    if isinstance(value, dict):
        return {name: described(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(each) for each in value]
    is_plain = value is None or isinstance(value, (str, int, float))
    return value if is_plain else write_part(value)


def assert_same_training(copied, classifier, images, labels):
    """Train two networks further, and compare their losses and weights."""
    for each in (copied, classifier):
        each.partial_fit(images, labels)
    assert copied.history_ == classifier.history_
    weights = copied.model_.get_weights(), classifier.model_.get_weights()
    for actual, expected in zip(*weights, strict=True):
        assert_array_equal(actual, expected)


def saved(model, path, **options):
    """Save a model; return what it warns of, and the loaded one, without a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")  # Of Keras itself, while it saves.
        warnings.simplefilter("always", UserWarning)
        save_model(model, path, **options)
        texts = [str(each.message) for each in caught]
        loaded = load_model(path, **options)
    assert len(caught) == len(texts)
    return texts, loaded


@pytest.mark.parametrize("name", KEPT)
def test_what_keras_can_build_again_is_kept(name, fitted, images, labels, tmp_path):
    classifier = fitted(KEPT[name])
    texts, loaded = saved(classifier, tmp_path / "it.model")
    assert texts == []
    assert described(loaded.get_params()) == described(classifier.get_params())
    expected = classifier.predict_proba(images)
    assert_array_equal(loaded.predict_proba(images), expected)
    clone(loaded).initialize(images, labels)


def test_a_loaded_network_trains_on_with_its_optimizer(
    fitted, images, labels, tmp_path
):
    classifier = fitted(KEPT["objects in lists"])
    _, loaded = saved(classifier, tmp_path / "it.model")
    assert_same_training(loaded, classifier, images, labels)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_no_file_can_hold_is_left_out_in_words(
    name, fitted, images, labels, tmp_path
):
    make, messages, expected = LEFT_OUT[name]
    classifier = fitted(make(tmp_path))
    before = classifier.get_params()
    texts, loaded = saved(classifier, tmp_path / "it.model")
    assert len(texts) == len(messages)
    for message in messages:
        assert any(re.match(message, text) for text in texts), (message, texts)
    assert classifier.get_params() == before
    scores = classifier.predict_proba(images)
    assert_array_equal(loaded.predict_proba(images), scores)
    params = loaded.get_params()
    found = {key: params.get(key, "is not there") for key in expected}
    assert described(found) == described(expected)
    assert loaded._network.model.loss is not None
    for each in (classifier, loaded):
        clone(each).initialize(images, labels)


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": squared, "label_weight": "balanced", "metrics": [squared]},
        {"loss": binary_crossentropy, "metrics": [OwnMetric()]},
    ],
    ids=["functions", "a name of Keras's"],
)
def test_a_pickle_trains_on_with_code_of_the_user(parameters, fitted, images, labels):
    classifier = fitted(parameters)
    copied = pickle.loads(pickle.dumps(classifier))
    assert described(copied.get_params()) == described(classifier.get_params())
    assert_same_training(copied, classifier, images, labels)


def test_trusted_code_of_the_user_is_kept(fitted, images, labels, tmp_path):
    parameters = {"callbacks": [OwnCallback(7)], "loss": squared, "metrics": OwnMetric}
    classifier = fitted(parameters)
    trusted = [f"{__name__}.{each}" for each in ("OwnCallback", "squared", "OwnMetric")]
    texts, loaded = saved(classifier, tmp_path / "it.model", trusted=trusted)
    assert texts == []
    with pytest.raises(ModelFileError, match=r"types that are not trusted: .*squared"):
        load_model(tmp_path / "it.model")
    assert (loaded.loss, loaded.metrics) == (squared, OwnMetric)
    assert loaded.callbacks[0].setting == 7
    assert_same_training(loaded, classifier, images, labels)


def test_copies_keep_metrics_losses_and_optimizers_of_the_user():
    parameters = {
        "metrics": [OwnMetric(threshold=0.3)],
        "loss": OwnLoss(reduction="sum"),
        "optimizer": OwnOptimizer(0.5),
    }
    copied = clone(PosterClassifier(**parameters)).get_params()
    for name, kind in [("loss", OwnLoss), ("optimizer", OwnOptimizer)]:
        assert type(copied[name]) is kind
        assert copied[name].get_config() == parameters[name].get_config()
    assert type(copied["metrics"][0]) is OwnMetric
    assert copied["metrics"][0].get_config()["threshold"] == 0.3
    weighted = metrics.AUC(multi_label=True, num_labels=2, label_weights=[1.0, 2.0])
    assert_array_equal(
        clone(PosterClassifier(metrics=weighted)).metrics.label_weights, [1, 2]
    )


def test_callbacks_hold_no_network_after_fit(fitted, tmp_path):
    stop = stopping(restore_best_weights=True)
    log = callbacks.CSVLogger(tmp_path / "it.csv")
    classifier = fitted({"callbacks": [stop, log]})
    assert (stop.model, stop.best_weights, stop.best_epoch) == (None, None, 0)
    sizes = [len(pickle.dumps(each)) for each in (classifier, fitted({}))]
    assert sizes[0] - sizes[1] < 1000
    joblib.dump(classifier, tmp_path / "it.joblib")
    assert clone(classifier).callbacks[1].filename == log.filename


# -- in what holds other estimators --------------------------------------------------


def test_a_search_keeps_its_candidates(tiny, images, labels, tmp_path):
    tiny |= {"batch_size": 24, "compile__run_eagerly": True, "loss": "focal"}
    pipe = Pipeline([("classifier", PosterClassifier(**tiny))])
    own = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    grid = {
        "classifier__callbacks": [
            [stopping()],
            None,
            [own, callbacks.TerminateOnNaN()],
        ],
        "classifier__optimizer": [optimizers.SGD(0.5)],
        "classifier__loss": [squared],
    }
    search = GridSearchCV(pipe, grid, cv=ShuffleSplit(1, random_state=0))
    search.fit(images, labels)
    trusted = ["sklearn.metrics._scorer._PassthroughScorer"]
    trusted += ["sklearn.model_selection._search.GridSearchCV"]
    search.best_params_["classifier__optimizer"].learning_rate = 0.25
    texts, loaded = saved(search, tmp_path / "it.model", trusted=trusted)
    for start in ("LambdaCallback in classifier__callbacks", "squared in classifier__"):
        assert any(text.startswith(start) for text in texts)
    assert_array_equal(loaded.predict_proba(images), search.predict_proba(images))
    first, second, third = loaded.param_grid["classifier__callbacks"]
    assert described(first) == described([stopping()])
    assert second is None
    assert described(third) == described([callbacks.TerminateOnNaN()])
    assert loaded.param_grid["classifier__loss"] == ["binary_crossentropy"]
    assert search.param_grid["classifier__loss"] == [squared]
    column = loaded.cv_results_["param_classifier__callbacks"]
    assert described(column[0]) == described([stopping()])
    assert column.shape == (3,)
    assert loaded.cv_results_["params"][2]["classifier__loss"] == "binary_crossentropy"
    kept = loaded.best_params_["classifier__optimizer"]
    assert float(kept.learning_rate) == 0.25
    assert loaded.best_estimator_["classifier"].loss == "binary_crossentropy"
    clone(loaded.best_estimator_)["classifier"].initialize(images, labels)


def test_a_tuned_pipeline_keeps_them(tiny, images, labels, tmp_path):
    tiny |= {"batch_size": 24, "compile__run_eagerly": True}
    network = PosterClassifier(**tiny, callbacks=[stopping()], metrics=[metrics.AUC()])
    model = MultilabelTunedThresholdClassifierCV(
        Pipeline([("classifier", network)]), thresholds=5, cv=0.5, random_state=0
    ).fit(images, labels)
    texts, loaded = saved(model, tmp_path / "it.model")
    assert texts == []
    assert_array_equal(loaded.predict(images), model.predict(images))
    for pipe in (loaded.estimator, loaded.estimator_):
        assert described(pipe["classifier"].callbacks) == described([stopping()])


def test_what_refers_to_itself_is_refused_in_words(tmp_path):
    model = LogisticRegression().fit([[0], [1]], [0, 1])
    model.own_ = [0]
    model.own_[0] = model.own_
    with pytest.raises(
        ModelFileError, match=r"skops cannot write the est.*RecursionError"
    ):
        save_model(model, tmp_path / "it.model")


def test_an_optimizer_of_another_library_is_not_replaced(tmp_path):
    model = LogisticRegression().fit([[0], [1]], [0, 1])
    model.optimizer = squared
    message = r"Not saved: LogisticRegression\.optimizer\. .* that sk_posters knows"
    with pytest.warns(UserWarning, match=message):
        save_model(model, tmp_path / "it.model")
    assert not hasattr(load_model(tmp_path / "it.model"), "optimizer")


# -- hostile files -------------------------------------------------------------------


def call_of(name, *arguments):
    """The node of a call of this package in the list of estimators."""
    items = [
        node("JsonNode", "builtins.str", content=json.dumps(each), is_json=True)
        for each in arguments
    ]
    content = node("TupleNode", "builtins.tuple", content=items)
    call = node("ConstructorFromReduceNode", f"sk_posters.{name}", content=content)

    def edit(schema, marker):
        schema["content"]["content"]["estimator"] = call
        return schema, {}

    return edited_schema(edit)


def keras_object(module, name, config, **more):
    described = {"module": module, "class_name": name, "config": config, **more}
    return json.dumps({"object": described})


FILES = {
    "a class of another module": json.dumps({"class": "subprocess.Popen"}),
    "a class that is none": json.dumps({"class": 7}),
    "a function for a class": json.dumps({"class": "keras.losses.get"}),
    "a checkpoint": json.dumps(
        {"callback": "ModelCheckpoint", "config": {"filepath": "/tmp/it.keras"}}
    ),
    "a class of checkpoints": json.dumps({"class": "keras.callbacks.ModelCheckpoint"}),
    "an object in a callback": json.dumps(
        {"callback": "EarlyStopping", "config": {"monitor": ["loss"]}}
    ),
    "a layer": keras_object("keras.layers", "Lambda", {}),
    "a download": keras_object("keras.utils", "get_file", {}),
    "a function": keras_object(
        "builtins", "function", "eval", registered_name="function"
    ),
    "a lambda": json.dumps({"object": {"class_name": "__lambda__", "config": {}}}),
    "a registered class": keras_object(
        "theirs", "Own", {}, registered_name="theirs>Own"
    ),
    "a registered name": keras_object(
        "keras.losses", "Huber", {}, registered_name="theirs>Own"
    ),
    "a lambda inside": keras_object(
        "keras.optimizers", "SGD", {"learning_rate": {"class_name": "__lambda__"}}
    ),
    "a metric inside": keras_object(
        "keras.optimizers",
        "SGD",
        {
            "learning_rate": {
                "module": "keras.metrics",
                "class_name": "MeanIoU",
                "config": {"num_classes": 2},
            }
        },
    ),
    "another form": json.dumps({"call": "os.system"}),
    "a list": "[]",
}


@pytest.fixture
def file(tmp_path):
    model = OneVsRestClassifier(LogisticRegression())
    save_model(model.fit(np.eye(4), np.eye(4)[:, :2]), tmp_path / "it.model")
    return tmp_path / "it.model"


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_no_other_parts(name, file):
    call_of("KerasPart", FILES[name])(file, None)
    with pytest.raises(ModelFileError, match="and of Keras only its own losses"):
        load_model(file)
    with pytest.raises(ModelFileError, match="and of Keras only its own losses"):
        KerasPart(FILES[name])


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"num_thresholds": 10**9}, "AUC"),
        ({"num_classes": 90_000}, "MeanIoU"),
    ],
)
def test_a_metric_larger_than_its_file_is_refused(config, name, file):
    text = keras_object("keras.metrics", name, config)
    with pytest.raises(ModelFileError, match=f"metric {name} in it has more than"):
        KerasPart(text)
    call_of("KerasPart", text)(file, None)
    with pytest.raises(ModelFileError, match=f"metric {name} in it has more than"):
        load_model(file)


def test_a_text_that_is_no_json_is_refused(file):
    call_of("KerasPart", "{")(file, None)
    with pytest.raises(ModelFileError, match="a part of Keras in it is not JSON"):
        load_model(file)


def test_a_file_makes_no_other_calls(file):
    # Such a network would get into the pool, and into the user's own next fit.
    call_of("CompiledNetwork", "theirs", "key")(file, None)
    with pytest.raises(ModelFileError, match=r"a call of sk_posters\.CompiledNetwork"):
        load_model(file)


@pytest.mark.parametrize(
    "module", ["sk_posters", "sk_posters._networks._reuse", "sk_posters._networks"]
)
@pytest.mark.parametrize("kind", ["ConstructorFromReduceNode", "ListNode", "TupleNode"])
def test_no_object_of_a_file_gets_into_the_pool(module, kind, file):
    before = list(_reuse._free)
    items = [
        node("JsonNode", "builtins.str", content=json.dumps(each), is_json=True)
        for each in ("theirs", "key")
    ]
    if kind == "ConstructorFromReduceNode":
        items = node("TupleNode", "builtins.tuple", content=items)
    call = node(kind, f"{module}.CompiledNetwork", content=items)
    with_fields({"OneVsRestClassifier.estimator": call})(file, None)
    for trusted in ([], [f"{module}.CompiledNetwork"]):
        with pytest.raises(ModelFileError):
            load_model(file, trusted=trusted)
    gc.collect()
    assert list(_reuse._free) == before


# -- parameters and networks of hostile files ----------------------------------------


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """Function that writes the file of a small network again, with other fields."""
    images = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    tiny = {"filters": (2,), "dense_units": (2,), "dropout": 0.1, "epochs": 1}
    path = tmp_path_factory.mktemp("network") / "it.model"
    labels = np.eye(3, 2, dtype=int)[[0, 1, 2] * 2]
    save_model(PosterClassifier(**tiny).fit(images, labels), path)
    good = path.read_bytes()

    def write(fields):
        path.write_bytes(good)
        with_fields(fields)(path, None)
        return path

    return write


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", {"class_name": "Lambda", "config": {}}),
        ("loss", "get"),
        ("optimizer", {"class_name": "SGD", "module": "theirs", "config": {}}),
        ("optimizer", "deserialize"),
        ("metrics", ["AUC", "deserialize"]),
        ("metrics", {"a": {"config": 1}}),
        ("metrics__num_thresholds", 10**9),
        ("compile__weighted_metrics", [[10**9]]),
        ("callbacks", "ModelCheckpoint"),
        ("callbacks", ["ModelCheckpoint"]),
    ],
)
def test_a_parameter_that_keras_would_build_anything_from_is_refused(
    name, value, network_file
):
    message = f"its parameter {name} of PosterClassifier holds .*, and only names of K"
    with pytest.raises(ModelFileError, match=message):
        load_model(network_file({f"PosterClassifier.{name}": value}))


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "PosterClassifier.filters": [[10**9], [2.5], "x", [2048] * 3, [1] * 101],
        "PosterClassifier.dense_units": [[0], [2**15] * 2],
        "PosterClassifier.epochs": [10**12],
        "PosterClassifier.batch_size": [10**9, 0],
        "PosterClassifier.predict__batch_size": [10**9, -1],
        "PosterClassifier.n_features_in_": [7],
        "PosterClassifier._kind": ["x"],
        "PosterClassifier._has_unknown": [2],
        "PosterClassifier._seed": [-1],
        "PosterClassifier._balance": [[None], "x"],
        "PosterClassifier._target_encoder": [None],
        "PosterClassifier.label_names_": [np.arange(3)],
        "PosterClassifier.history_": [{"loss": [1, "x"]}],
        "PosterClassifier._network": [None, "x"],
        "TargetEncoder.multilabel": [False, 2],
        "TargetEncoder.classes": [np.arange(2)],
        "TargetEncoder.label_names": [np.arange(3), np.array(["a", "a"])],
        "CompiledNetwork.seeds": [[], [np.zeros(2)] * 9, "x"],
    }.items(),
)
def test_a_value_of_a_classifier_that_makes_no_sense_is_refused(
    field, values, network_file
):
    for value in values:
        with pytest.raises(ModelFileError):
            load_model(network_file({field: value}))


def with_tuple(*values):
    def edit(attributes, name):
        items = [
            node("JsonNode", "builtins.str", content=json.dumps(each), is_json=True)
            for each in values
        ]
        shape = node("TupleNode", "builtins.tuple", content=items)
        attributes["content"][name] = shape

    return edit


def test_a_network_for_other_images_is_refused(network_file):
    fields = {"PosterClassifier.image_shape_": with_tuple(8, 9, 3)}
    fields |= {"PosterClassifier.n_features_in_": 8 * 9 * 3}
    message = (
        r"inputs of shape \(None, 8, 8, 3\) .* needs \(None, 8, 9, 3\) and \(None,"
    )
    with pytest.raises(ModelFileError, match=message):
        load_model(network_file(fields))


def test_a_loader_of_other_images_than_its_network_is_refused(network_file):
    classifier = load_model(network_file({}))
    steps = [("a", PosterImageLoader(image_size=(9, 8))), ("b", classifier)]
    message = r"image_size of its PosterImageLoader must be \(8, 8\), which its class"
    with pytest.raises(ModelFileError, match=message):
        save_model(Pipeline(steps), "it.model")


def test_weights_that_are_not_finite_are_refused(network_file, tmp_path):
    classifier = load_model(network_file({}))
    weights = classifier.model_.get_weights()
    classifier.model_.set_weights([weights[0] * np.nan, *weights[1:]])
    with pytest.raises(ModelFileError, match="has weights that are not finite"):
        save_model(classifier, tmp_path / "it.model")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("steps_per_execution", each) for each in ([1], 0, 10**9, True, "1")),
        *(("jit_compile", "x"), ("run_eagerly", [1]), ("auto_scale_loss", 7)),
    ],
)
def test_a_network_that_is_compiled_in_another_way_is_refused(name, value):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    parts = unpack(_serialize.save_network(model), what="it", names=".*", required=())
    config = json.loads(parts["config.json"])
    config["compile_config"][name] = value
    content = pack({**parts, "config.json": json.dumps(config).encode()})
    with pytest.raises(ModelFileError, match="compiled with steps_per_execution, jit_"):
        _serialize.check_network(content)


def test_layers_that_grow_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(_serialize, "MAX_OUTPUTS", 100)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    message = r"gives outputs of shape \(None, 6, 6, 4\) for an image, more than 100 va"
    with pytest.raises(ModelFileError, match=message):
        _serialize.network_from_bytes(_serialize.save_network(model))
    larger = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.UpSampling2D(2)])
    with pytest.raises(
        ModelFileError, match=r"holds 'UpSampling2D' of 'keras\.layers'"
    ):
        _serialize.network_from_bytes(_serialize.save_network(larger))


@pytest.mark.parametrize(
    ("layer", "key", "value"),
    [
        ("MaxPooling2D", "pool_size", [2**31 - 1] * 2),
        ("MaxPooling2D", "strides", [0, 1]),
        ("Conv2D", "dilation_rate", [10**5] * 2),
        ("Conv2D", "kernel_size", [3.5, 3]),
        ("Rescaling", "scale", [[[1.0]]] * 2),
        ("Rescaling", "scale", [1.0] * 5),
        ("Rescaling", "offset", float("nan")),
        ("Rescaling", "offset", "a"),
        ("BatchNormalization", "epsilon", -1e9),
    ],
)
def test_layers_that_would_take_endless_time_or_memory_are_refused(layer, key, value):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
        ]
    )
    content = _serialize.save_network(model)
    _serialize.check_network(content)
    parts = unpack(content, what="it", names=".*", required=())
    config = json.loads(parts["config.json"])
    [found] = [x for x in config["config"]["layers"] if x["class_name"] == layer]
    found["config"][key] = value
    edited = pack({**parts, "config.json": json.dumps(config).encode()})
    with pytest.raises(ModelFileError, match=f"a layer {layer} of .* has {key}=.*must"):
        _serialize.check_network(edited)

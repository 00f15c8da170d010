"""Files of models: the same answers elsewhere, and nothing run from a hostile file."""

import io
import json
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from hostile_files import (
    HOSTILE,
    Bomb,
    keras_bytes,
    lambda_network,
    later_format,
    opened,
    rewritten,
)
from keras.src.backend.common.global_state import (
    get_global_attribute,
    set_global_attribute,
)
from numpy.testing import assert_array_equal
from PIL import Image
from several_encoders import make_several
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    OneVsRestHead,
    PosterClassifier,
    PosterEncoder,
    PosterImageLoader,
    find_training_rows,
    load_model,
    make_poster_pipeline,
    model_card,
    save_model,
)
from sk_posters._base import _versions
from sk_posters._base._atomic import write_file
from sk_posters._base._zip import pack, unpack
from sk_posters._networks._cnn import poster_cnn
from sk_posters._networks._serialize import (
    check_network,
    network_from_bytes,
    read_network,
    save_network,
)
from sk_posters._persistence import _models
from sk_posters._persistence._skops import estimator_from_bytes, estimator_to_bytes
from sk_posters.datasets import make_posters
from sk_posters.exceptions import ModelFileError

skops_io = pytest.importorskip("skops.io")

# What a fresh process answers; it has seen nothing but files and the images.
ANSWER = """
import sys
import numpy as np
import sk_posters
X = np.load("X.npy")
for number in range(int(sys.argv[1])):
    model = sk_posters.load_model(f"{number}.model")
    np.save(f"{number} p.npy", model.predict_proba(X))
    np.save(f"{number} y.npy", model.predict(X))
    print("tensorflow" in sys.modules)
"""


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    return make_posters(
        24, n_labels=3, random_state=0, data_home=tmp_path_factory.mktemp("posters")
    )


def cnn(tiny):
    loader = PosterImageLoader(image_size=(16, 12), n_jobs=1)
    return Pipeline([("images", loader), ("classifier", PosterClassifier(**tiny))])


def frozen():
    return make_poster_pipeline(image_size=(64, 64), encoder__n_jobs=1)


def tuned(classifier, **parameters):
    return MultilabelTunedThresholdClassifierCV(
        classifier, thresholds=10, cv=0.5, random_state=0, **parameters
    )


def finetuned():
    # The last stage alone is trained: its step is traced in the least time.
    few = {"image_size": (64, 48), "images__n_jobs": 1, "unfreeze": 1, "epochs": 1}
    return make_poster_pipeline("finetuned", **few, random_state=0)


# Those without a network of Keras first.
RECIPES = {
    "tuned best": lambda tiny: tuned(
        make_poster_pipeline("best", image_size=(64, 48), encoder__n_jobs=1)
    ),
    "two encoders": lambda tiny: make_several([(48, 32), (32, 32)]),
    "tuned frozen": lambda tiny: tuned(frozen(), calibration="sigmoid"),
    "frozen with tuned head": lambda tiny: make_pipeline(
        PosterEncoder(image_size=(64, 64), n_jobs=1),
        StandardScaler(),
        tuned(OneVsRestHead(LinearSVC()), calibration="temperature"),
    ),
    "finetuned": lambda tiny: finetuned(),
    "tuned cnn": lambda tiny: tuned(cnn(tiny), at_least_one=True),
}


@pytest.mark.usefixtures("shallow_backbones")
def test_a_fresh_process_gives_the_same_bytes(posters, tiny, tmp_path):
    X = posters.data
    models = {name: make(tiny).fit(X, posters.target) for name, make in RECIPES.items()}
    np.save(tmp_path / "X.npy", X.astype(str))
    for number, model in enumerate(models.values()):
        save_model(model, tmp_path / f"{number}.model")
    command = [sys.executable, "-c", ANSWER, str(len(models))]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "UserWarning" not in result.stderr
    for number, (name, model) in enumerate(models.items()):
        answers = np.load(tmp_path / f"{number} p.npy", allow_pickle=True)
        expected = np.asarray(model.predict_proba(X))
        assert answers.tobytes() == expected.tobytes(), name
        labels = np.load(tmp_path / f"{number} y.npy")
        assert labels.tobytes() == model.predict(X).tobytes(), name
    # What needs no network of Keras loads none.
    has_network = [name in ("finetuned", "tuned cnn") for name in models]
    assert result.stdout.split() == [str(each) for each in has_network]


def test_a_loaded_network_trains_on_as_its_original_would(
    images, labels, tiny, tmp_path
):
    tiny |= {"dropout": 0.5, "warm_start": True}
    classifier = PosterClassifier(**tiny).fit(images, labels)
    save_model(classifier, tmp_path / "it.model")
    loaded = load_model(tmp_path / "it.model")
    assert loaded.history_ == classifier.history_
    assert_array_equal(loaded.label_names_, list(labels))
    for each in (classifier, loaded):
        each.fit(images, labels)
    assert_array_equal(loaded.predict_proba(images), classifier.predict_proba(images))


@pytest.fixture
def head():
    X = np.random.default_rng(0).normal(size=(20, 3))
    y = (X > 0).astype(int)
    return OneVsRestClassifier(LogisticRegression()).fit(X, y)


@pytest.fixture
def file(head, tmp_path):
    path = tmp_path / "it.model"
    save_model(head, path, label_names=["Drama", "War", "Été"])
    return path


def test_places_of_one_machine_are_not_saved(posters, tmp_path):
    cache = tmp_path / "secret cache"
    encoder = PosterEncoder(image_size=(32, 32), n_jobs=1, cache_dir=cache)
    (tmp_path / "secret.jpg").write_bytes(b"no image")
    paths = [*posters.data[:2], str(tmp_path / "secret.jpg")]
    loader = PosterImageLoader(n_jobs=1, cache_dir=str(cache), on_error="blank")
    with pytest.warns(UserWarning, match=r"secret\.jpg"):
        loader.fit(paths)
    for transformer in (encoder.fit(posters.data[:2]), loader):
        with pytest.warns(UserWarning, match=r"Not saved: Poster\w+\.cache_dir\. "):
            save_model(transformer, tmp_path / "it.model")
        assert b"secret" not in (tmp_path / "it.model").read_bytes()
        loaded = load_model(tmp_path / "it.model")
        assert loaded.cache_dir is None
        assert loaded.failed_ == []
        assert transformer.cache_dir is not None
    assert loader.failed_ == [str(tmp_path / "secret.jpg")]


def test_a_place_in_a_hostile_file_is_not_kept(tmp_path, posters):
    encoder = PosterEncoder(n_jobs=1, cache_dir="theirs").fit(posters.data[:1])
    loaded, left_out = estimator_from_bytes(skops_io.dumps(encoder))
    assert loaded.cache_dir is None
    assert left_out == ["PosterEncoder.cache_dir"]


def test_a_network_in_a_file_of_the_users_is_warned_about(posters, save_onnx, tmp_path):
    encoder = PosterEncoder(save_onnx(), n_jobs=1, image_size=(8, 8))
    encoder.set_params(backbone=str(encoder.backbone)).fit(posters.data[:2])
    model = make_pipeline(encoder, StandardScaler()).fit(posters.data[:2])
    with pytest.warns(UserWarning, match=r"reads its network from '.*tiny\.onnx'"):
        save_model(model, tmp_path / "it.model")
    with pytest.warns(UserWarning, match=r"reads its network from '.*tiny\.onnx'"):
        load_model(tmp_path / "it.model")
    union = FeatureUnion([("a", PosterEncoder(n_jobs=1)), ("b", encoder)])
    with pytest.warns(UserWarning, match=r"reads its network from '.*tiny\.onnx'"):
        save_model(union.fit(posters.data[:2]), tmp_path / "it.model")


# -- the model card ----------------------------------------------------------------


def test_the_model_card_says_what_was_given(posters, tmp_path):
    target = posters.target
    model = tuned(frozen()).fit(posters.data, target)
    written = save_model(
        model,
        tmp_path / "it.model",
        scores={"macro mAP": np.float64(0.25), "F1": np.nan, "rows": np.int64(9)},
        training_data=(posters.data, target),
        description="Synthetic ones.",
    )
    card = model_card(str(tmp_path / "it.model"))
    assert card == written
    assert card["scores"] == {"macro mAP": 0.25, "F1": None, "rows": 9}
    assert card["label_names"] == list(target)
    assert card["thresholds"] == model.best_thresholds_.tolist()
    assert card["description"] == "Synthetic ones."
    assert card["training_data"]["n_rows"] == 24
    assert card["versions"]["scikit-learn"] == __import__("sklearn").__version__
    steps = ["PosterEncoder", "FeatureNovelty", "StandardScaler", "OneVsRestHead"]
    assert card["model"] == [*steps, "MultilabelTunedThresholdClassifierCV"]
    [preprocessing] = card["preprocessing"]
    assert preprocessing == {
        "step": "PosterEncoder",
        "backbone": "efficientnet_lite0",
        "image_size": [64, 64],
        "interpolation": "bilinear",
        "pooling": "auto",
        "flip": False,
        "normalize": True,
        "precision": "int8",
        "draft": False,
    }


def test_the_card_of_a_search_lists_what_it_found(posters, tmp_path):
    search = GridSearchCV(tuned(frozen()), {}, cv=KFold(2))
    search.fit(posters.data, posters.target)
    trusted = ["sklearn.metrics._scorer._PassthroughScorer"]
    trusted += ["sklearn.model_selection._search.GridSearchCV"]
    card = save_model(search, tmp_path / "it.model", trusted=trusted)
    assert card["model"] == [
        *("PosterEncoder", "FeatureNovelty", "StandardScaler", "OneVsRestHead"),
        "MultilabelTunedThresholdClassifierCV",
    ]
    assert [each["step"] for each in card["preprocessing"]] == ["PosterEncoder"]
    thresholds = search.best_estimator_.best_thresholds_
    assert card["thresholds"] == pytest.approx(thresholds.tolist())
    assert card["label_names"] == list(posters.target)


def test_the_model_card_says_what_each_encoder_does(tmp_path):
    pipe = make_several()
    pipe["encoders"].transformer_list[0] = ("left out", "drop")
    encoder = pipe["encoders"].transformer_list[1][1]
    encoder.backbone = ["efficientnet_lite0", Path("efficientnet_lite1")]
    pipe.steps.insert(0, ("images", PosterImageLoader(image_size=(9, np.int64(7)))))
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    pipe.steps.insert(1, ("own", PosterEncoder(network)))
    found = _models._describe_preprocessing(pipe)
    assert found[0] == {
        "step": "PosterImageLoader",
        "image_size": [9, 7],
        "interpolation": "nearest",
    }
    assert [each["backbone"] for each in found[1:]] == [
        "Sequential",
        ["efficientnet_lite0", "efficientnet_lite1"],
        "efficientnet_lite2",
    ]
    assert found[-1]["pooling"] == ["avg", "max", "covariance"]
    assert found[-1]["flip"] is True


def test_the_fingerprint_is_of_contents(posters, head, tmp_path):
    def fingerprint(X, y):
        data = save_model(head, tmp_path / "it.model", training_data=(X, y))
        return data["training_data"]["sha256"]

    first = fingerprint(posters.data, posters.target)
    copies = []
    for number, path in enumerate(posters.data):
        copies.append(tmp_path / f"{number}.jpg")
        with open(path, "rb") as file:
            copies[-1].write_bytes(file.read())
    assert fingerprint(copies, posters.target.to_numpy(dtype=float)) == first
    assert fingerprint(posters.data, 1 - posters.target) != first
    assert fingerprint(posters.data[::-1], posters.target) != first
    X = np.zeros((2, 3))
    assert fingerprint(X, [[1], [0]]) != fingerprint(X + 1, [[1], [0]])


# -- training rows -----------------------------------------------------------------


def test_training_rows_are_found_wherever_their_files_are(posters, head, tmp_path):
    file, copy = tmp_path / "it.model", tmp_path / "copy.jpg"
    copy.write_bytes(Path(posters.data[0]).read_bytes())
    save_model(
        head, file, training_data=(posters.data[:6], np.zeros((6, 2), dtype=int))
    )
    rows = [*posters.data[5:8], copy, copy.read_bytes(), tmp_path / "missing.jpg"]
    found = find_training_rows(file, rows)
    assert found.tolist() == [True, False, False, True, True, False]


def test_training_rows_in_memory_are_found(posters, head, tmp_path):
    file, y = tmp_path / "it.model", np.zeros((2, 1), dtype=int)
    images = [Image.open(path) for path in posters.data[:3]]
    save_model(head, file, training_data=(images[:2], y))
    assert find_training_rows(file, images).tolist() == [True, True, False]
    arrays = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    save_model(head, file, training_data=(arrays[:2], y))
    assert find_training_rows(file, arrays).tolist() == [True, True, False]
    assert not find_training_rows(file, arrays.reshape(3, 4)).any()


def test_unreadable_files_are_no_training_rows_of_each_other(head, tmp_path):
    save_model(head, tmp_path / "it.model", training_data=(["a.jpg"], [[1]]))
    assert find_training_rows(tmp_path / "it.model", ["b.jpg"]).tolist() == [False]


def test_a_file_without_hashes_does_not_tell(head, tmp_path):
    save_model(head, tmp_path / "it.model")
    assert find_training_rows(tmp_path / "it.model", np.eye(2)) is None


def test_each_training_row_takes_8_bytes_and_each_file_has_its_salt(head, tmp_path):
    X, contents = np.arange(300.0).reshape(100, 3), []
    for name in ("a.model", "b.model"):
        card = save_model(head, tmp_path / name, training_data=(X, X[:, :1] > 9))
        contents.append(opened((tmp_path / name).read_bytes())["training_rows.bin"])
        assert card["parts"]["training_rows.bin"]["bytes"] == 16 + 8 * 100
    hashes = [set(np.frombuffer(content[16:], "<u8")) for content in contents]
    assert not hashes[0] & hashes[1]
    order = np.frombuffer(contents[0][16:], "<u8")
    assert (np.diff(order) > 0).all()  # Sorted: the order of rows is not told.


def test_hashes_that_were_changed_or_taken_out_are_refused(head, tmp_path):
    file = tmp_path / "it.model"
    save_model(head, file, training_data=(np.eye(3), np.eye(3)))
    parts = opened(file.read_bytes())
    for content in (None, parts["training_rows.bin"][:-8]):
        others = {**parts, "training_rows.bin": content}
        others = {name: part for name, part in others.items() if part is not None}
        file.write_bytes(pack(others))
        for read in (load_model, model_card, lambda path: find_training_rows(path, [])):
            with pytest.raises(
                ModelFileError, match=r"training_rows.bin does not matc"
            ):
                read(file)


@pytest.mark.parametrize("size", [0, 15, 20])
def test_hashes_of_another_length_are_refused(size, head, tmp_path):
    file = tmp_path / "it.model"
    save_model(head, file, training_data=(np.eye(3), np.eye(3)))
    parts = opened(file.read_bytes())
    card = json.loads(parts["manifest.json"])
    card["parts"]["training_rows.bin"]["sha256"] = _models._sha256(bytes(size))
    changed = {"manifest.json": json.dumps(card), "training_rows.bin": bytes(size)}
    file.write_bytes(pack({**parts, **changed}))
    message = f"training rows have {size} bytes, which do not fit a salt of 16 and 8"
    with pytest.raises(ModelFileError, match=message):
        find_training_rows(file, np.eye(3))


def test_a_package_that_is_not_there_has_no_version(head, tmp_path, monkeypatch):
    monkeypatch.setattr(_versions, "PACKAGES", ("numpy", "sk-no-such-package"))
    card = save_model(head, tmp_path / "it.model")
    assert list(card["versions"]) == ["python", "numpy"]


def test_names_are_read_back_in_any_alphabet(file):
    assert model_card(file)["label_names"] == ["Drama", "War", "Été"]
    assert model_card(file)["thresholds"] is None


def test_a_score_must_be_a_number_or_text(head, tmp_path):
    with pytest.raises(ModelFileError, match="scores must be numbers or text"):
        save_model(head, tmp_path / "it.model", scores={"mAP": object()})
    save_model(head, tmp_path / "it.model", scores={"best": True, "by": ["fold", 1]})
    assert model_card(tmp_path / "it.model")["scores"] == {
        "best": True,
        "by": ["fold", 1],
    }


def test_a_model_card_of_any_length_is_refused(head, tmp_path):
    with pytest.raises(ModelFileError, match="a shorter description"):
        save_model(head, tmp_path / "it.model", description="x" * 1_000_001)


# -- saving ------------------------------------------------------------------------


def test_a_model_must_be_fitted(tmp_path):
    with pytest.raises(NotFittedError):
        save_model(LogisticRegression(), tmp_path / "it.model")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(file, head, monkeypatch):
    before = file.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("stopped here"))
    with pytest.raises(pytest.fail.Exception, match="stopped here"):
        save_model(head, file, description="new")
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
    monkeypatch.undo()
    save_model(head, file, description="new")
    assert model_card(file)["description"] == "new"


def test_a_type_that_nobody_trusts_is_not_saved(tmp_path):
    forest = RandomForestClassifier(2, random_state=0).fit([[0], [1]], [[0, 1], [1, 0]])
    path = tmp_path / "it.model"
    with pytest.raises(ModelFileError, match=r"pass trusted=\['sklearn.*Tree'\]"):
        save_model(forest, path)
    assert not path.exists()
    trusted = ["sklearn.ensemble._forest.RandomForestClassifier"]
    trusted += ["sklearn.tree._classes.DecisionTreeClassifier"]
    trusted += ["sklearn.tree._tree.Tree"]
    assert save_model(forest, path, trusted=trusted)["trusted"] == trusted
    message = r"sklearn\.tree._tree\.Tree\. A .*, or to a command --trust sklearn\.ens"
    with pytest.raises(ModelFileError, match=message):
        load_model(path)
    loaded = load_model(path, trusted=trusted)
    assert_array_equal(loaded.predict([[0], [1]]), forest.predict([[0], [1]]))


def test_trusted_is_a_list(head, file):
    for use in (partial(save_model, head), load_model):
        with pytest.raises(TypeError, match=r"write trusted=\['theirs\.Type'\]"):
            use(file, trusted="theirs.Type")


def test_a_label_without_a_positive_is_saved(tmp_path):
    X, y = np.eye(4), np.array([[0, 1, 1], [0, 0, 1], [0, 1, 1], [0, 0, 1]])
    classifier = OneVsRestClassifier(LogisticRegression())
    with pytest.warns(UserWarning, match="Label"):
        classifier.fit(X, y)
    save_model(classifier, tmp_path / "it.model")
    loaded = load_model(tmp_path / "it.model")
    assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


def test_errors_of_skops_are_reported(tmp_path):
    model = FunctionTransformer(lambda X: X).fit([[1]])
    with pytest.raises(ModelFileError, match="not trusted"):
        save_model(model, tmp_path / "it.model")
    model.extra_ = np.zeros(1, dtype=[("field", object)])
    with pytest.raises(ModelFileError, match="skops cannot write the estimator"):
        save_model(model, tmp_path / "it.model")


def test_skops_is_asked_for(head, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"pip install 'sk-posters\[models\]'"):
        save_model(head, file)
    with pytest.raises(ImportError, match="load_model needs the package 'skops'"):
        load_model(file)
    assert model_card(file)


# -- versions ----------------------------------------------------------------------


def test_other_versions_are_warned_about(file):
    rewritten(file, card=lambda card: card["versions"].update(numpy="1.0"))
    with pytest.warns(UserWarning, match=r"written with numpy 1\.0 \(here \d"):
        load_model(file)


def test_the_warning_of_scikit_learn_is_not_given_next_to_ours(file, recwarn):
    estimator = opened(opened(file.read_bytes())["estimator.skops"])
    here = __import__("sklearn").__version__
    schema = estimator["schema.json"].replace(here.encode(), b"1.0.0")
    assert schema != estimator["schema.json"]
    rewritten(file, estimator=pack({**estimator, "schema.json": schema}))
    load_model(file)
    assert [str(each.message) for each in recwarn] == []


def test_an_unknown_format_is_refused(file):
    later_format(file, None)
    for read in (load_model, model_card):
        with pytest.raises(ModelFileError, match="format version 2, and this sk_po"):
            read(file)


# -- hostile files -----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_in_it_runs(name, file, tmp_path):
    build, message = HOSTILE[name]
    marker = tmp_path / "it ran"
    build(file, marker)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(file)
    assert repr(str(file)) in str(caught.value)
    assert "Nothing in it was run" in str(caught.value)
    assert not marker.exists()
    assert sorted(tmp_path.iterdir()) == before


def test_the_bomb_of_these_tests_goes_off(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "it ran")))
    assert (tmp_path / "it ran").exists()


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.model")


def test_too_many_parts_are_refused(monkeypatch):
    monkeypatch.setattr("sk_posters._base._zip.MAX_PARTS", 2)
    content = pack({str(number): b"" for number in range(3)})
    with pytest.raises(ModelFileError, match="it has 3 parts, more than the 2"):
        unpack(content, what="it", names=".*", required=())


def test_equal_parts_make_equal_files(tmp_path):
    write_file(tmp_path / "a", pack({"a": b"1"}))
    write_file(tmp_path / "b", pack({"a": b"1"}))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# -- hostile networks --------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return poster_cnn((8, 8, 3), 2, filters=(2,), dense_units=(3,), dropout=0.1)


def test_a_lambda_layer_is_refused_even_if_keras_would_run_it(tmp_path):
    marker = tmp_path / "it ran"
    content = lambda_network(marker)
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(ModelFileError, match="holds 'Lambda' of"):
            network_from_bytes(content)
        assert not marker.exists()
        read_network(content)
        assert marker.exists()  # So much for Keras, where the user has allowed it.
    finally:
        set_global_attribute("safe_mode_saving", None)


class Stranger(keras.layers.Layer):
    """A layer of another module, which Keras does not know."""

    def call(self, inputs):
        return inputs


def test_a_layer_of_another_module_is_refused():
    model = keras.Sequential([keras.Input((3,)), Stranger()])
    content = keras_bytes(model)
    with pytest.raises(ModelFileError, match="holds 'Stranger' of"):
        network_from_bytes(content)


def edited_network(network, edit):
    parts = opened(save_network(network))
    config = json.loads(parts["config.json"])
    edit(config)
    return pack({**parts, "config.json": json.dumps(config).encode()})


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("os", "system", None),
        ("keras.utils", "get_file", None),
        ("keras", "saving.load_model", None),
        ("keras.layers", "TFSMLayer", None),
        ("keras.layers", "Dense", "theirs>Dense"),
        ("sk_posters._networks._cnn", "Anything", None),
        ("builtins", "eval", None),
        (None, "__lambda__", None),
        (None, ["Dense"], None),
    ],
)
def test_a_class_that_is_no_part_of_networks_is_refused(
    network, module, name, registered
):
    def edit(config):
        layer = config["config"]["layers"][1]
        layer.update(module=module, class_name=name, registered_name=registered)

    with pytest.raises(ModelFileError, match="and only layers of Keras that run"):
        check_network(edited_network(network, edit))


def test_a_network_that_keras_cannot_build_is_refused(network):
    def edit(config):
        config["config"]["layers"][1]["config"]["filters"] = -1

    with pytest.raises(ModelFileError, match="Keras cannot build the network"):
        network_from_bytes(edited_network(network, edit))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "glu"}, "has the activation 'glu', which is none of celu, elu"),
        ({"activation": "no_such"}, "Keras cannot build the network"),
        ({"data_format": "channels_first"}, "data_format=.channels_first., which must"),
        ({"dtype": "int32"}, "computes with int32, which must be one of float32, floa"),
    ],
)
def test_a_network_that_would_fail_at_its_first_image_is_refused(
    settings, message, network
):
    def edit(config):
        config["config"]["layers"][1]["config"].update(settings)

    with pytest.raises(ModelFileError, match=message):
        network_from_bytes(edited_network(network, edit))


def test_a_scaling_of_other_channels_is_refused():
    layers = [keras.Input((4, 4, 3)), keras.layers.Rescaling([1.0, 2.0, 3.0])]
    network = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()])
    assert network_from_bytes(save_network(network)).output_shape == (None, 3)

    def edit(config):
        config["config"]["layers"][1]["config"]["scale"] = [1.0, 2.0]

    with pytest.raises(ModelFileError, match="scales 3 channels by 2 or no numbers"):
        network_from_bytes(edited_network(network, edit))


@pytest.mark.parametrize("module", [[], {}, 1])
def test_a_module_that_is_no_text_is_refused(module, network):
    with pytest.raises(ModelFileError, match="and only layers of Keras that run"):
        check_network(
            edited_network(network, lambda config: config.update(module=module))
        )


def test_a_network_larger_than_its_file_is_refused(network):
    def edit(config):
        config["config"]["layers"][-1]["config"]["units"] = 2**50

    waiting = "uninitialized_variables"
    before = list(get_global_attribute(waiting, []))
    with pytest.raises(
        ModelFileError, match=r"needs \d{16} values, and brings \d+ byt"
    ):
        network_from_bytes(edited_network(network, edit))
    # Or else Keras would make room for them when it builds the next network.
    assert get_global_attribute(waiting) == before


def test_weights_that_lie_in_another_file_are_refused(network, tmp_path):
    h5py = pytest.importorskip("h5py")
    parts = opened(save_network(network))
    elsewhere = tmp_path / "other.h5"
    with h5py.File(elsewhere, "w") as other:
        other["bias"] = np.zeros(2, np.float32)
    weights = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        del file["layers/conv2d/vars/1"]
        file["layers/conv2d/vars/1"] = h5py.ExternalLink(elsewhere, "bias")
    content = pack({**parts, "model.weights.h5": weights.getvalue()})
    with pytest.raises(ModelFileError, match="Keras cannot build the network"):
        network_from_bytes(content)


def test_a_network_file_holds_what_keras_writes(network):
    parts = opened(save_network(network))
    for more, message in [
        ({"assets/evil.py": b""}, "'assets/evil.py', which does not belong"),
        ({"config.json": b"{"}, r"no readable config\.json"),
        ({"config.json": b"[" * 100_000}, r"no readable config\.json"),
    ]:
        with pytest.raises(ModelFileError, match=message):
            check_network(pack({**parts, **more}))
    del parts["model.weights.h5"]
    with pytest.raises(ModelFileError, match=r"lacks model\.weights\.h5"):
        check_network(pack(parts))


@pytest.mark.parametrize("pickled_before", [False, True])
def test_functional_networks_pass(pickled_before):
    inputs = keras.Input((4, 4, 3))
    mixed = keras.layers.Add()([inputs, keras.layers.ReLU()(inputs)])
    pooled = keras.layers.GlobalAveragePooling2D()(mixed)
    model = keras.Model(inputs, keras.layers.Dense(2, "sigmoid")(pooled))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC()])
    model.optimizer.build(model.trainable_variables)
    if pickled_before:  # scikeras then registers its class for good.
        pickle.loads(pickle.dumps(model))
    content = save_network(model)
    images = np.random.default_rng(0).random((3, 4, 4, 3), dtype=np.float32)
    loaded = network_from_bytes(content)
    assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_a_network_of_layers_from_elsewhere_is_not_saved(images, labels, tiny):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    classifier.model_.add(Stranger())
    with pytest.raises(ModelFileError, match="holds 'Stranger'"):
        estimator_to_bytes(classifier)


def test_a_dummy_needs_no_keras_file(tmp_path):
    model = DummyClassifier().fit([[0], [1]], [[0, 1], [0, 1]])
    save_model(model, tmp_path / "it.model")
    assert_array_equal(load_model(tmp_path / "it.model").predict([[5]]), [[0, 1]])

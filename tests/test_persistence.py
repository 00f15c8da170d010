"""Files of models: the same answers elsewhere, and nothing run from a hostile file."""

import io
import json
import os
import pickle
import stat
import subprocess
import sys
import zipfile
from functools import partial

import keras
import numpy as np
import pytest
from keras.src.backend.common.global_state import (
    get_global_attribute,
    set_global_attribute,
)
from numpy.testing import assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterClassifier,
    PosterEncoder,
    PosterImageLoader,
    _environment,
    _persistence,
    load_model,
    make_poster_pipeline,
    model_card,
    save_model,
)
from sk_posters._archive import ModelFileError, pack, unpack, write_whole
from sk_posters._network_files import check_network, network_from_bytes
from sk_posters._networks import loaded_network, poster_cnn, saved_network
from sk_posters._skops import estimator_from_bytes, estimator_to_bytes
from sk_posters.datasets import make_posters

skops_io = pytest.importorskip("skops.io")

# What a fresh process answers; it has seen nothing but the file and the images.
ANSWER = """
import sys
import numpy as np
import sk_posters
model = sk_posters.load_model(sys.argv[1])
X = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict_proba(X))
np.save(sys.argv[4], model.predict(X))
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


RECIPES = {
    "cnn": cnn,
    "frozen": lambda tiny: frozen(),
    "tuned frozen": lambda tiny: tuned(frozen(), calibration="sigmoid"),
    "tuned cnn": lambda tiny: tuned(cnn(tiny), at_least_one=True),
    "frozen with tuned head": lambda tiny: make_pipeline(
        PosterEncoder(image_size=(64, 64), n_jobs=1),
        StandardScaler(),
        tuned(KNeighborsClassifier(3), calibration="temperature"),
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_fresh_process_gives_the_same_bytes(recipe, posters, tiny, tmp_path):
    model = RECIPES[recipe](tiny).fit(posters.data, posters.target)
    save_model(model, tmp_path / "it.model")
    np.save(tmp_path / "X.npy", posters.data.astype(str))
    command = [sys.executable, "-c", ANSWER]
    command += [tmp_path / name for name in ("it.model", "X.npy", "p.npy", "y.npy")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "UserWarning" not in result.stderr
    answers = np.load(tmp_path / "p.npy", allow_pickle=True)
    assert answers.tobytes() == np.asarray(model.predict_proba(posters.data)).tobytes()
    labels = np.load(tmp_path / "y.npy")
    assert labels.tobytes() == model.predict(posters.data).tobytes()
    # What needs no network of Keras loads none.
    assert result.stdout == f"{'cnn' in recipe}\n"


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
        save_model(transformer, tmp_path / "it.model")
        assert b"secret" not in (tmp_path / "it.model").read_bytes()
        loaded = load_model(tmp_path / "it.model")
        assert loaded.cache_dir is None
        assert loaded.failed_ == []
        assert transformer.cache_dir is not None
    assert loader.failed_ == [str(tmp_path / "secret.jpg")]


def test_a_place_in_a_hostile_file_is_not_kept(tmp_path, posters):
    encoder = PosterEncoder(n_jobs=1, cache_dir="theirs").fit(posters.data[:1])
    loaded = estimator_from_bytes(skops_io.dumps(encoder))
    assert loaded.cache_dir is None


def test_a_network_in_a_file_of_the_users_is_warned_about(posters, save_onnx, tmp_path):
    encoder = PosterEncoder(save_onnx(), n_jobs=1, image_size=(8, 8))
    encoder.set_params(backbone=str(encoder.backbone)).fit(posters.data[:2])
    model = make_pipeline(encoder, StandardScaler()).fit(posters.data[:2])
    with pytest.warns(UserWarning, match=r"reads its network from '.*tiny\.onnx'"):
        save_model(model, tmp_path / "it.model")
    with pytest.warns(UserWarning, match=r"reads its network from '.*tiny\.onnx'"):
        load_model(tmp_path / "it.model")


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
    steps = ["PosterEncoder", "StandardScaler", "OneVsRestClassifier"]
    assert card["model"] == [*steps, "MultilabelTunedThresholdClassifierCV"]


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


def test_a_package_that_is_not_there_has_no_version(head, tmp_path, monkeypatch):
    monkeypatch.setattr(_environment, "PACKAGES", ("numpy", "sk-no-such-package"))
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
    with pytest.raises(ModelFileError, match=r"give trusted=\['sklearn.*Tree'\]"):
        save_model(forest, path)
    assert not path.exists()
    trusted = ["sklearn.tree._tree.Tree"]
    assert save_model(forest, path, trusted=trusted)["trusted"] == trusted
    with pytest.raises(ModelFileError, match=r"not trusted: sklearn\.tree"):
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


def test_what_skops_cannot_write_is_said(tmp_path):
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


def rewritten(path, *, seal=True, card=None, estimator=None):
    """Write a file anew, with an edited card or other estimators, sums made to fit."""
    parts = opened(path.read_bytes())
    if estimator is not None:
        parts["estimator.skops"] = estimator
    manifest = json.loads(parts["manifest.json"])
    if seal:
        digest = _persistence._sha256(parts["estimator.skops"])
        manifest["parts"]["estimator.skops"]["sha256"] = digest
    if card:
        card(manifest)
    parts["manifest.json"] = json.dumps(manifest).encode()
    path.write_bytes(pack(parts))
    return path


def opened(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_other_versions_are_warned_about(file):
    rewritten(file, card=lambda card: card["versions"].update(numpy="1.0"))
    with pytest.warns(UserWarning, match=r"written with numpy 1\.0 \(here \d"):
        load_model(file)


def test_the_warning_of_scikit_learn_is_not_given_beside_ours(file, recwarn):
    estimator = opened(opened(file.read_bytes())["estimator.skops"])
    here = __import__("sklearn").__version__
    schema = estimator["schema.json"].replace(here.encode(), b"1.0.0")
    assert schema != estimator["schema.json"]
    rewritten(file, estimator=pack({**estimator, "schema.json": schema}))
    load_model(file)
    assert [str(each.message) for each in recwarn] == []


def test_an_unknown_format_is_refused(file):
    rewritten(file, card=lambda card: card.update(format_version=2))
    for read in (load_model, model_card):
        with pytest.raises(ModelFileError, match="format version 2, and this sk_po"):
            read(file)


# -- hostile files -----------------------------------------------------------------


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def damaged(edit):
    """Change the bytes of a file."""

    def build(path, marker):
        path.write_bytes(edit(path.read_bytes(), marker))

    return build


def with_member(name, content=b"x", **settings):
    """Add a member to a file of a model."""

    def build(path, marker):
        entry = zipfile.ZipInfo(name)
        for key, value in settings.items():
            setattr(entry, key, value)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, content)

    return build


def other_parts(**changes):
    """Replace members, or leave them out; the checksums stay."""

    def build(path, marker):
        parts = opened(path.read_bytes())
        for name, content in changes.items():
            full = {"card": "manifest.json", "estimator": "estimator.skops"}[name]
            parts.pop(full) if content is None else parts.update({full: content})
        path.write_bytes(pack(parts))

    return build


def folder(path, marker):
    path.unlink()
    path.mkdir()


def linked(path, marker):
    parts = opened(path.read_bytes())
    entry = zipfile.ZipInfo("estimator.skops")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", parts["manifest.json"])
        archive.writestr(entry, "/etc/passwd")


def compressed_bomb(path, marker):
    """A member of 50 MB in 50 kB, whose checksum is right."""
    content = bytes(50_000_000)
    parts = opened(path.read_bytes())
    card = json.loads(parts["manifest.json"])
    digest = _persistence._sha256(content)
    card["parts"]["estimator.skops"]["sha256"] = digest
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(card))
        archive.writestr("estimator.skops", content)


def declares(size):
    """Let the directory of the zip declare another size than there is."""

    def edit(content, _):
        start = content.rindex(b"PK\x01\x02")
        field = size.to_bytes(4, "little")
        return content[: start + 20] + field * 2 + content[start + 28 :]

    return damaged(edit)


def pickled_estimator(path, marker):
    rewritten(path, estimator=pickle.dumps(Bomb(marker)))


def edited_schema(edit):
    """Change the list of estimators, with checksums that fit."""

    def build(path, marker):
        parts = opened(opened(path.read_bytes())["estimator.skops"])
        schema = json.loads(parts["schema.json"])
        form = {name: schema[name] for name in ("protocol", "_skops_version")}
        schema, more = edit(schema, marker)
        if isinstance(schema, dict):
            schema |= form
        parts["schema.json"] = json.dumps(schema).encode()
        rewritten(path, estimator=pack({**parts, **more}))

    return build


def skops_of(build_object):
    """Estimators of this kind, as skops writes them."""

    def build(path, marker):
        rewritten(path, estimator=skops_io.dumps(build_object(marker)))

    return build


def node(kind, name, **more):
    module, _, name = name.rpartition(".")
    return {"__class__": name, "__module__": module, "__loader__": kind, **more}


def partial_of_system(marker):
    return partial(os.system, f"touch '{marker}'")


def calls_system(schema, marker):
    args = skops_io.dumps((f"touch '{marker}'",))
    args = json.loads(opened(args)["schema.json"])
    return node("ConstructorFromReduceNode", "posix.system", content=args), {}


def operator_node(schema, marker):
    return node("OperatorFuncNode", "operator.methodcaller", attrs=schema), {}


def method_node(schema, marker):
    content = {"func": "fit", "obj": schema}
    return node(
        "MethodNode", "sklearn.multiclass.OneVsRestClassifier", content=content
    ), {}


def not_an_estimator(schema, marker):
    return node("JsonNode", "builtins.str", content='"text"', is_json=True), {}


def text_for_attributes(schema, marker):
    schema["content"] = node("JsonNode", "builtins.str", content='"text"')
    return schema, {}


def deep_schema(schema, marker):
    for _ in range(400):
        schema = node("ListNode", "builtins.list", content=[schema])
    return schema, {}


def array_node(content):
    def edit(schema, marker):
        item = node("NdArrayNode", "numpy.ndarray", type="numpy", file="7.npy")
        made = content(marker) if callable(content) else content
        return item, {"7.npy": made}

    return edit


def pickled_array(marker):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def huge_array(shape):
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(8)


def missing_array(schema, marker):
    item = node("NdArrayNode", "numpy.ndarray", type="numpy", file="8.npy")
    return item, {}


def laughs(schema, marker):
    """Each node names the one before twice: a few lines for 2**60 nodes."""
    schema["__id__"] = 1
    for number in range(2, 60):
        reference = node("CachedNode", "builtins.list", __id__=number - 1)
        content = [schema, reference, reference]
        schema = node("ListNode", "builtins.list", content=content, __id__=number)
    return schema, {}


HOSTILE = {
    "empty": (damaged(lambda *_: b""), "it is empty"),
    "no zip": (damaged(lambda *_: b"Id,Drama\n1,0\n"), "it is no zip archive"),
    "a pickle": (damaged(lambda _, m: pickle.dumps(Bomb(m))), "it is no zip archive"),
    "a pickle before the zip": (
        damaged(lambda content, m: pickle.dumps(Bomb(m)) + content),
        "it is no zip archive",
    ),
    "a folder": (folder, "a folder or a device"),
    "cut off": (damaged(lambda c, _: c[: len(c) // 2]), "damaged or cut off"),
    "a flipped bit": (
        damaged(lambda c, _: c.replace(b"OneVsRest", b"TwoVsRest", 1)),
        "damaged or cut off",
    ),
    "a path upwards": (with_member("../../evil.py"), "does not belong there"),
    "an absolute path": (with_member("/tmp/evil.py"), "does not belong there"),
    "a name with NUL": (with_member("evil\0.py"), "does not belong there"),
    "one more part": (with_member("setup.py"), "'setup.py', which does not belong"),
    "a part twice": (with_member("manifest.json"), "'manifest.json' twice"),
    "a link": (linked, "'estimator.skops' as a link"),
    "no card": (other_parts(card=None), r"lacks manifest\.json"),
    "no estimator": (other_parts(estimator=None), r"lacks estimator\.skops"),
    "a zip bomb": (compressed_bomb, "compressed or encrypted"),
    "a larger size declared": (declares(2_000_000_000), "declares more bytes"),
    "a smaller size declared": (declares(100), "damaged or cut off"),
    "another estimator": (other_parts(estimator=b"PK\x03\x04"), "not the checksum"),
    "a card that is no JSON": (other_parts(card=b"{"), "is no JSON"),
    "a card without end": (other_parts(card=b"[" * 200_000), "is no JSON"),
    "a card too large": (other_parts(card=b" " * 1_000_001), "has 1000001 bytes"),
    "a card of something else": (other_parts(card=b"[1]"), "not that of a model"),
    "no versions": (
        lambda path, marker: rewritten(path, card=lambda card: card.pop("versions")),
        "does not say with which versions",
    ),
    "checksums of another form": (
        lambda path, marker: rewritten(path, card=lambda card: card.update(parts=[])),
        "not the checksum",
    ),
    "pickle as estimators": (pickled_estimator, "estimators is no zip archive"),
    "functools.partial": (skops_of(partial_of_system), "not trusted: builtins|functoo"),
    "a call of os.system": (edited_schema(calls_system), r"not trusted: posix\.system"),
    "an operator": (edited_schema(operator_node), "which no estimator needs"),
    "a method": (edited_schema(method_node), "which no estimator needs"),
    "references": (edited_schema(laughs), "holds a CachedNode"),
    "a text for a model": (edited_schema(not_an_estimator), "not an estimator"),
    "a text for attributes": (edited_schema(text_for_attributes), "cannot be read"),
    "a deep list": (edited_schema(deep_schema), "RecursionError"),
    "estimators that are no list": (
        edited_schema(lambda *_: ([1], {})),
        "not what",
    ),
    "a pickle in an array": (
        edited_schema(array_node(pickled_array)),
        "array of shape",
    ),
    "an array of 8 TB": (
        edited_schema(array_node(huge_array((10**12,)))),
        r"array of shape \(1000000000000,\)",
    ),
    "an array that is none": (edited_schema(array_node(b"x")), "NumPy cannot read"),
    "an array that is not there": (edited_schema(missing_array), "not what skops"),
}


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
    monkeypatch.setattr("sk_posters._archive.MAX_PARTS", 2)
    content = pack({str(number): b"" for number in range(3)})
    with pytest.raises(ModelFileError, match="it has 3 parts, more than the 2"):
        unpack(content, what="it", names=".*", required=())


def test_equal_parts_make_equal_files(tmp_path):
    write_whole(tmp_path / "a", pack({"a": b"1"}))
    write_whole(tmp_path / "b", pack({"a": b"1"}))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# -- hostile networks --------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return poster_cnn((8, 8, 3), 2, filters=(2,), dense_units=(3,), dropout=0.1)


def lambda_layer(tmp_path):
    marker = tmp_path / "it ran"
    source = f"lambda x: __import__('os').system(\"touch '{marker}'\") or x"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(eval(source))])
    return model, marker


def keras_bytes(model, tmp_path):
    path = tmp_path / "hostile.keras"
    model.save(path)
    content = path.read_bytes()
    path.unlink()
    return content


def test_a_lambda_layer_is_refused_even_if_keras_would_run_it(tmp_path):
    model, marker = lambda_layer(tmp_path)
    content = keras_bytes(model, tmp_path)
    marker.unlink(missing_ok=True)
    keras.config.enable_unsafe_deserialization()
    try:
        with pytest.raises(ModelFileError, match="holds 'Lambda' of"):
            network_from_bytes(content)
        assert not marker.exists()
        loaded_network(content)
        assert marker.exists()  # So much for Keras, where the user has allowed it.
    finally:
        set_global_attribute("safe_mode_saving", None)


class Stranger(keras.layers.Layer):
    """A layer of another module, which Keras does not know."""

    def call(self, inputs):
        return inputs


def test_a_layer_of_another_module_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((3,)), Stranger()])
    content = keras_bytes(model, tmp_path)
    with pytest.raises(ModelFileError, match="holds 'Stranger' of"):
        network_from_bytes(content)


def edited_network(network, edit):
    parts = opened(saved_network(network))
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
        ("sk_posters._networks", "Anything", None),
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
    parts = opened(saved_network(network))
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
    parts = opened(saved_network(network))
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
    mixed = keras.layers.Concatenate()([inputs, keras.layers.ReLU()(inputs)])
    pooled = keras.layers.GlobalAveragePooling2D()(mixed)
    model = keras.Model(inputs, keras.layers.Dense(2, "sigmoid")(pooled))
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC()])
    model.optimizer.build(model.trainable_variables)
    if pickled_before:  # scikeras then registers its class for good.
        pickle.loads(pickle.dumps(model))
    content = saved_network(model)
    images = np.random.default_rng(0).random((3, 4, 4, 3), dtype=np.float32)
    loaded = network_from_bytes(content)
    assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_a_hostile_network_in_a_file_of_a_model_is_refused(
    images, labels, tiny, tmp_path
):
    model, marker = lambda_layer(tmp_path)
    content = keras_bytes(model, tmp_path)
    marker.unlink(missing_ok=True)
    path = tmp_path / "it.model"
    save_model(PosterClassifier(**tiny).fit(images, labels), path)
    parts = opened(opened(path.read_bytes())["estimator.skops"])
    (name,) = [name for name in parts if name.endswith(".bin")]
    rewritten(path, estimator=pack({**parts, name: content}))
    with pytest.raises(ModelFileError, match=r"it\.model' cannot be loaded.*'Lambda'"):
        load_model(path)
    assert not marker.exists()


def test_a_network_of_layers_from_elsewhere_is_not_saved(images, labels, tiny):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    classifier.model_.add(Stranger())
    with pytest.raises(ModelFileError, match="holds 'Stranger'"):
        estimator_to_bytes(classifier)


def test_a_dummy_needs_no_keras_file(tmp_path):
    model = DummyClassifier().fit([[0], [1]], [[0, 1], [0, 1]])
    save_model(model, tmp_path / "it.model")
    assert_array_equal(load_model(tmp_path / "it.model").predict([[5]]), [[0, 1]])

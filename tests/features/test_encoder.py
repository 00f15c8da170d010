"""The encoder gives each image the same features, whatever stands beside it."""

import pickle
import threading
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sk_posters import PosterEncoder, PosterImageLoader
from sk_posters._features import _encoder
from sk_posters._features._backbones import BackboneNetwork
from sk_posters._features._pooling import normalize_parts
from sk_posters._images._decoding import decode_image
from sk_posters._images._lazy import PosterImages
from sk_posters.exceptions import PosterFileError

N_POSTERS = 6
SIZE = (40, 32)
LITE = "efficientnet_lite0"


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)


@pytest.fixture
def paths(tmp_path):
    """Files of noise, as list of str."""
    rng = np.random.default_rng(0)
    for number in range(N_POSTERS):
        pixels = rng.integers(0, 256, (50, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return [str(tmp_path / f"{number}.png") for number in range(N_POSTERS)]


@pytest.fixture
def pixels(paths):
    return np.stack([decode_image(path, SIZE, "bilinear") for path in paths])


@pytest.fixture
def expected(paths):
    """Features of all files, one file at a time."""
    return np.concatenate([small_encoder().transform([path]) for path in paths])


def small_encoder(backbone=LITE, **params):
    return PosterEncoder(backbone, **{"image_size": SIZE, "n_jobs": 1, **params})


def with_two_bad_files(paths):
    """Replace two of six paths: a missing file and an empty one."""
    Path(paths[3]).write_bytes(b"")
    return [paths[0], "missing.jpg", *paths[2:]]


# --------------------------------------------------------------------------- features


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_features_do_not_depend_on_other_images(batch_size, n_jobs, paths, expected):
    encoder = small_encoder(batch_size=batch_size, n_jobs=n_jobs)
    np.testing.assert_array_equal(encoder.transform(paths), expected, strict=True)
    order = [5, 0, 3, 3]
    shuffled = encoder.transform(np.array(paths)[order])
    np.testing.assert_array_equal(shuffled, expected[order])


def test_features_are_those_of_the_reference(reference):
    answers = np.load(reference / f"{LITE}.npz")
    features = PosterEncoder().transform(answers["images"])
    np.testing.assert_allclose(features, answers["features"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "container",
    [
        lambda pixels: pixels,
        list,
        lambda pixels: pixels / np.float32(255),
        lambda pixels: pixels / 255,
        np.asfortranarray,
    ],
)
def test_images_give_what_their_files_give(container, pixels, expected):
    features = small_encoder().transform(container(pixels))
    np.testing.assert_array_equal(features, expected, strict=True)


@pytest.mark.parametrize("as_array", [False, True])
def test_a_loader_may_come_before_the_encoder(as_array, paths, expected):
    loader = PosterImageLoader(image_size=SIZE, interpolation="bilinear")
    images = loader.fit_transform(paths)
    images = np.asarray(images) if as_array else images
    np.testing.assert_array_equal(small_encoder().fit_transform(images), expected)


def test_images_keep_their_own_size(pixels, expected):
    encoder = small_encoder(image_size=(350, 350))
    np.testing.assert_array_equal(encoder.transform(pixels), expected)


@pytest.mark.parametrize(
    "container", [tuple, np.array, pd.Series, lambda paths: pd.DataFrame({"p": paths})]
)
def test_paths_come_in_many_containers(container, paths, expected):
    features = small_encoder().fit_transform(container(paths))
    np.testing.assert_array_equal(features, expected)


def test_avgmax_puts_both_poolings_side_by_side(paths, expected):
    both = small_encoder(pooling="avgmax").transform(paths)
    maximum = small_encoder(pooling="max").transform(paths)
    np.testing.assert_array_equal(both, np.hstack([expected, maximum]))
    assert (maximum >= expected - 1e-5).all()


def test_several_poolings_come_from_one_pass(paths, pixels, monkeypatch):
    kinds = ("covariance", "max", "avg")
    alone = [small_encoder(pooling=kind).transform(paths) for kind in kinds]
    runs = []
    run = BackboneNetwork._run
    monkeypatch.setattr(
        BackboneNetwork, "_run", lambda *given: runs.append(1) or run(*given)
    )
    encoder = small_encoder(pooling=kinds, batch_size=1)
    np.testing.assert_array_equal(encoder.fit_transform(paths), np.hstack(alone))
    assert len(runs) == len(paths)
    names = encoder.get_feature_names_out()
    assert list(names[[0, 6327, 6328, -1]]) == [
        f"{LITE}_covariance_0",
        f"{LITE}_covariance_6327",
        f"{LITE}_max_0",
        f"{LITE}_avg_1279",
    ]
    auto = small_encoder(pooling="auto").transform(paths)
    np.testing.assert_array_equal(auto, np.hstack([alone[2], alone[0]]))


def test_a_draft_is_a_feature_of_its_own(tmp_path):
    rows, columns = np.mgrid[0:400, 0:320]
    waves = np.stack([rows % 50, columns % 40, (rows + columns) % 30], axis=-1) * 5
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "it.jpg", quality=95)
    paths, features = [tmp_path / "it.jpg"], {}
    for draft in (False, True):
        encoder = small_encoder(draft=draft, cache_dir=tmp_path / "cache")
        features[draft] = encoder.fit_transform(paths)
        assert encoder.n_computed_ == 1
        np.testing.assert_array_equal(encoder.transform(paths), features[draft])
        assert encoder.n_cached_ == 1
    assert 0 < np.abs(features[True] - features[False]).max() < features[False].max()
    loaded = PosterImageLoader(image_size=SIZE, interpolation="bilinear")
    images = loaded.fit_transform(paths)
    given = small_encoder(draft=True).fit_transform(images)
    np.testing.assert_array_equal(given, features[False])


def test_covariances_are_those_of_three_stages(paths):
    encoder = small_encoder(pooling=("covariances", "avg"))
    features = encoder.fit_transform(paths)
    names = [name.rpartition("_")[0] for name in encoder.get_feature_names_out()]
    parts = ["covariance4", "covariance", "covariance6", "avg"]
    expected = np.repeat([f"{LITE}_{part}" for part in parts], [3240, 6328, 6328, 1280])
    assert names == expected.tolist()
    alone = small_encoder(pooling="covariance").transform(paths)
    np.testing.assert_array_equal(features[:, 3240:9568], alone)
    for start, end in [(0, 3240), (3240, 9568), (9568, 15896)]:
        assert np.ptp(features[:, start:end], axis=0).min() > 0


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        (("avg", "maximum"), r"a tuple of several.*got \('avg', 'maximum'\).*did you "),
        (("avgmax", "max"), "each at most once and one at least"),
        ((), "each at most once and one at least"),
        ((1,), r"got \(1,\)$"),
        (("avg", "cls"), "takes the first token of a transformer"),
    ],
)
def test_other_poolings_are_refused(pooling, message, paths):
    with pytest.raises(ValueError, match=message):
        small_encoder(pooling=pooling).fit(paths)


def test_normalised_parts_are_roots_of_one_length(paths, expected, tmp_path):
    encoder = small_encoder(pooling="auto", normalize=True, cache_dir=tmp_path)
    found = encoder.fit_transform(paths)
    roots = np.sqrt(expected)
    roots *= 1280**0.5 / np.linalg.norm(roots, axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, :1280], roots, rtol=1e-5)
    plain = small_encoder(pooling="covariance", cache_dir=tmp_path)
    covariances = plain.fit_transform(paths)
    # The cache holds features as they were before, for both.
    assert plain.n_computed_ == 0
    covariances *= 1280**0.5 / np.linalg.norm(covariances, axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, 1280:], covariances, rtol=1e-5, atol=1e-6)


def test_vectors_are_scaled_without_a_root(pixels, save_onnx):
    settings = {"pooling": ("avg", "max"), "n_jobs": 1}
    path = save_onnx(rank=2)
    vectors = PosterEncoder(path, **settings).transform(pixels)
    found = PosterEncoder(path, normalize=True, **settings).transform(pixels)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found, vectors * 1280**0.5 / lengths, rtol=1e-5)


def test_a_black_part_stays_zero():
    rows = np.array([[0, 0, 4, 9], [4, -9, 0, 0]], dtype=np.float32)
    normalize_parts(rows, ("avg", "covariance"), [2, 2])
    expected = [[0, 0, 4 / 97**0.5, 9 / 97**0.5], [2 / 13**0.5, -3 / 13**0.5, 0, 0]]
    np.testing.assert_allclose(rows, np.multiply(expected, 1280**0.5), rtol=1e-6)


def test_features_of_eight_bits_are_kept_apart(paths, expected, tmp_path):
    encoder = small_encoder(precision="int8", cache_dir=tmp_path)
    found = encoder.fit_transform(paths)
    assert encoder.precision_ == "int8"
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95
    assert not np.array_equal(found, expected)
    exact = small_encoder(cache_dir=tmp_path)
    np.testing.assert_array_equal(exact.fit_transform(paths), expected)
    assert (exact.precision_, exact.n_computed_) == ("float32", N_POSTERS)
    # What was fitted stays, whatever the parameter is set to.
    encoder.set_params(precision="float32")
    np.testing.assert_array_equal(encoder.transform(paths), found)
    assert encoder.n_computed_ == 0
    np.testing.assert_array_equal(encoder.fit_transform(paths), expected)


def test_a_model_fitted_in_eight_bits_stays_on_the_cpu(paths, monkeypatch):
    encoder = small_encoder(precision="auto").fit(paths)
    features = encoder.transform(paths)
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    with pytest.warns(UserWarning, match="fitted in int8 and runs on the CPU, though"):
        found = encoder.transform(paths)
    np.testing.assert_array_equal(found, features)
    assert encoder.devices_ == ["cpu"]


def test_models_without_the_newer_parameters_are_asked_as_they_were(paths, expected):
    encoder = small_encoder().fit(paths)
    state = encoder.__getstate__()
    for name in ("normalize", "precision", "precision_"):
        del state[name]
    older = PosterEncoder.__new__(PosterEncoder)
    older.__setstate__(state)
    np.testing.assert_array_equal(older.transform(paths), expected)


def test_flip_is_the_mean_with_the_mirrored_image(pixels, expected):
    mirrored = small_encoder().transform(pixels[:, :, ::-1])
    assert not np.array_equal(mirrored, expected)
    flipped = small_encoder(flip=True).transform(pixels)
    np.testing.assert_array_equal(flipped, (expected + mirrored) / 2, strict=True)


def test_interpolation_and_size_reach_the_decoder(paths):
    encoder = small_encoder(interpolation="nearest", image_size=[33, 20])
    images = np.stack([decode_image(path, (33, 20)) for path in paths])
    np.testing.assert_array_equal(
        encoder.transform(paths), small_encoder().transform(images)
    )


def test_features_of_backbones_are_concatenated(paths, expected, save_onnx):
    encoder = small_encoder([LITE, save_onnx()], pooling="avgmax")
    features = encoder.transform(paths)
    assert features.shape == (N_POSTERS, 2 * 1280 + 2 * 4)
    np.testing.assert_array_equal(features[:, :1280], expected)
    alone = small_encoder(save_onnx(), pooling="avgmax").transform(paths)
    np.testing.assert_array_equal(features[:, -8:], alone)


def test_a_keras_model_is_a_backbone(pixels, paths):
    import keras

    image = keras.Input((None, None, 3))
    maps = keras.layers.AveragePooling2D(2, padding="same")(image)
    model = keras.Model(image, maps, name="mean")
    encoder = small_encoder(model, mean=0, std=1, n_jobs=2, batch_size=2)
    features = clone(encoder).fit(paths).transform(paths)
    np.testing.assert_allclose(features, pixels.mean(axis=(1, 2)), rtol=1e-5)
    assert encoder.get_feature_names_out().tolist() == [
        f"mean_avg_{channel}" for channel in range(3)
    ]


def test_one_path_in_many_rows_is_encoded_once(paths, expected):
    encoder = small_encoder(n_jobs=2, batch_size=2)
    order = [0, 1, 0, 2, 1, 0]
    features = encoder.transform([paths[row] for row in order])
    np.testing.assert_array_equal(features, expected[order])
    assert (encoder.n_computed_, encoder.n_cached_) == (3, 0)


def test_memory_does_not_grow_with_rows(paths, save_onnx, monkeypatch):
    sizes = []
    read = _encoder.FileImages.read

    def measured(self, rows, is_kept):
        batch, *others = read(self, rows, is_kept)
        sizes.append(len(batch))
        return batch, *others

    monkeypatch.setattr(_encoder.FileImages, "read", measured)
    copies = []
    for number in range(40):
        copies.append(f"{paths[0]}{number}.png")
        Path(copies[-1]).write_bytes(Path(paths[0]).read_bytes())
    small_encoder(save_onnx(), batch_size=8, n_jobs=2).transform(copies)
    assert max(sizes) == 8
    assert sum(sizes) == 40


def test_threads_share_few_images(paths, save_onnx, monkeypatch):
    # Each batch waits until all threads hold one, so that none can take two.
    barrier = threading.Barrier(3, timeout=10)
    read = _encoder.FileImages.read

    def wait_and_read(self, rows, is_kept):
        barrier.wait()
        return read(self, rows, is_kept)

    monkeypatch.setattr(_encoder.FileImages, "read", wait_and_read)
    small_encoder(save_onnx(), n_jobs=3).transform(paths)


def test_verbose_shows_images_per_second(paths, save_onnx, capfd):
    small_encoder(save_onnx(), verbose=1).transform(paths)
    printed = capfd.readouterr()
    assert "Encoding posters: 100%" in printed.err
    assert "6/6" in printed.err
    assert "image/s" in printed.err
    assert printed.out == ""


def test_nothing_is_printed_by_default(paths, save_onnx, capfd):
    small_encoder(save_onnx()).fit_transform(paths)
    assert capfd.readouterr() == ("", "")


# -------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a.jpg", r"got the single path 'a\.jpg': pass \['a\.jpg'\]"),
        ([], "at least one; got none"),
        (np.zeros((2, 3, 8, 8)), r"channels first, as in torch: pass X\.transpose\(0"),
        ((path for path in "ab"), "From a generator, rows cannot be selected"),
        (7, "got int: pass a list of paths"),
        (np.zeros((4, 3)), r"X must hold paths, or images .*got an array of shape \(4"),
        (np.zeros((2, 8, 8, 1)), r"got an array of shape \(2, 8, 8, 1\)"),
        (np.zeros((0, 8, 8, 3)), r"got an array of shape \(0, 8, 8, 3\)"),
        (np.zeros((2, 8, 8, 3), int), r"got int64: convert .* with X\.astype\('uint8'"),
        (np.full((2, 8, 8, 3), 255.0), "values from 255 to 255: divide images"),
        (np.full((2, 8, 8, 3), -0.5), "got values from -0.5 to -0.5"),
        (np.full((2, 8, 8, 3), np.nan), "got values from nan to nan"),
        (["a.jpg", None], "got None in row 1"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_anything_but_paths_and_images_is_refused(method, X, message):
    with pytest.raises(ValueError, match=message):
        getattr(small_encoder(), method)(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_size": 350}, "'image_size' parameter of PosterEncoder"),
        ({"image_size": (0, 8)}, "image_size must be the height and the width"),
        ({"interpolation": "cubic"}, "'interpolation' parameter of PosterEncoder"),
        ({"pooling": "mean"}, "'pooling' parameter of PosterEncoder"),
        ({"flip": "yes"}, "'flip' parameter of PosterEncoder"),
        ({"mean": "a"}, "'mean' parameter of PosterEncoder"),
        ({"std": "a"}, "'std' parameter of PosterEncoder"),
        ({"channel_order": "CHW"}, "'channel_order' parameter of PosterEncoder"),
        ({"output": 1.5}, "'output' parameter of PosterEncoder"),
        ({"on_error": "skip"}, "'on_error' parameter of PosterEncoder"),
        ({"cache_dir": 7}, "'cache_dir' parameter of PosterEncoder"),
        ({"cache_size": 0}, "'cache_size' parameter of PosterEncoder"),
        ({"batch_size": 0}, "'batch_size' parameter of PosterEncoder"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter of PosterEncoder"),
        ({"verbose": -1}, "'verbose' parameter of PosterEncoder"),
        ({"backbone": "lite0"}, "backbone must be 'efficientnet_lite0'"),
        ({"mean": 0}, "mean can be set for files and Keras models only"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_parameters_are_checked(method, params, message, paths):
    with pytest.raises(ValueError, match=message):
        getattr(small_encoder(**params), method)(paths)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_all_bad_files_are_named_at_once(method, n_jobs, paths):
    X = with_two_bad_files(paths)
    message = (
        r"2 files cannot be used as a poster:\n"
        r"  'missing\.jpg': no such file\n"
        r"  '.*3\.png': the file is empty"
    )
    encoder = small_encoder(n_jobs=n_jobs, batch_size=1)
    with pytest.raises(PosterFileError, match=message) as caught:
        getattr(encoder, method)(X)
    assert [path for path, _ in caught.value.failed] == [X[1], X[3]]


@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_blank_warns_once_and_keeps_the_list(method, paths):
    X = with_two_bad_files(paths)
    encoder = small_encoder(on_error="blank")
    message = r"(?s)2 files.*missing\.jpg': no such file.*replaced by a black"
    with pytest.warns(UserWarning, match=message) as warned:
        getattr(encoder, method)([*X, X[1]])
    assert len(warned) == 1
    assert encoder.failed_ == [X[1], X[3]]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_blank_rows_are_of_black_images_and_no_row_shifts(n_jobs, paths, expected):
    X = with_two_bad_files(paths)
    encoder = small_encoder(on_error="blank", n_jobs=n_jobs)
    with pytest.warns(UserWarning, match="replaced by a black image"):
        features = encoder.transform(X)
    black = small_encoder().transform(np.zeros((1, *SIZE, 3), np.uint8))
    expected[[1, 3]] = black
    np.testing.assert_array_equal(features, expected)


def test_failed_is_of_the_last_call(paths):
    encoder = small_encoder(on_error="blank")
    with pytest.warns(UserWarning, match="replaced by a black image"):
        encoder.transform(["missing.jpg"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(paths)
    assert encoder.failed_ == []


def test_blank_images_of_a_loader_stay_black(paths, expected):
    loader = PosterImageLoader(
        image_size=SIZE, interpolation="bilinear", on_error="blank"
    )
    with pytest.warns(UserWarning, match="replaced by a black image"):
        images = loader.transform(with_two_bad_files(paths))
    expected[[1, 3]] = small_encoder().transform(np.zeros((1, *SIZE, 3), np.uint8))
    np.testing.assert_array_equal(small_encoder().transform(images), expected)


@pytest.mark.parametrize("on_error", ["raise", "blank"])
def test_a_file_that_turns_bad_after_the_loader_is_named(on_error, paths):
    images = PosterImages(paths, image_size=SIZE)
    with_two_bad_files(paths)
    with pytest.raises(PosterFileError, match=r"1 file .*\n.*3\.png': the file is emp"):
        small_encoder(on_error=on_error).transform(images)


# ---------------------------------------------------------------- as scikit-learn asks


def test_transform_needs_no_fit(paths, expected):
    encoder = small_encoder()
    check_is_fitted(encoder)
    np.testing.assert_array_equal(encoder.transform(paths), expected)


def test_fit_computes_nothing(paths, pixels):
    encoder = small_encoder()
    for X in (paths, pixels, PosterImages(paths)):
        assert encoder.fit(X, y=[0] * N_POSTERS) is encoder
        assert (encoder.n_computed_, encoder.n_cached_, encoder.failed_) == (0, 0, [])


def test_tags_say_what_the_encoder_takes():
    tags = get_tags(PosterEncoder())
    assert tags.input_tags.one_d_array
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert not tags.requires_fit


def test_features_have_names(paths, save_onnx):
    encoder = small_encoder([LITE, save_onnx(rank=2)], pooling="avgmax")
    names = encoder.get_feature_names_out()
    assert len(names) == len(set(names)) == 2 * 1280 + 4
    assert [names[0], names[1280 + 17], names[-1]] == [
        "efficientnet_lite0_avg_0",
        "efficientnet_lite0_max_17",
        "tiny_3",
    ]


def test_output_may_be_a_frame(paths, expected):
    encoder = small_encoder().set_output(transform="pandas")
    X = pd.Series(paths, index=range(10, 16))
    for frame in (encoder.fit_transform(X), encoder.fit(X).transform(list(X))):
        np.testing.assert_array_equal(frame.to_numpy(), expected)
        assert frame.columns[17] == "efficientnet_lite0_avg_17"


def test_a_pickle_holds_no_network(paths, expected):
    encoder = clone(small_encoder()).fit(paths)
    encoder.transform(paths)
    pickled = pickle.dumps(encoder)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(paths), expected)


def test_a_search_in_two_processes_gives_the_same_scores(paths, tmp_path):
    y = np.arange(N_POSTERS) % 2
    grid = {"posterencoder__flip": [False, True], "ridge__alpha": [1.0, 10.0]}
    scores = []
    for n_jobs, cache in ((1, None), (2, tmp_path / "cache"), (2, tmp_path / "cache")):
        pipe = make_pipeline(small_encoder(cache_dir=cache), Ridge())
        search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs, error_score="raise")
        results = search.fit(np.array(paths), y).cv_results_
        scores.append(results["mean_test_score"])
    np.testing.assert_array_equal(scores[1], scores[0])
    np.testing.assert_array_equal(scores[2], scores[0])


def test_real_posters_are_encoded(real_posters):
    paths = sorted((real_posters / "Images").glob("*.jpg"))[:6]
    features = PosterEncoder(n_jobs=2).fit_transform(paths)
    again = PosterEncoder(n_jobs=1, batch_size=1).fit_transform(paths)
    assert features.shape == (6, 1280)
    np.testing.assert_array_equal(features, again)

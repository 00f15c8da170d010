"""Images in memory go wherever paths go, with the same result, and become no files."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from several_encoders import make_several
from sklearn.model_selection import GridSearchCV, cross_val_predict

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    check_posters,
    make_poster_pipeline,
    model_card,
    save_html_report,
    save_model,
)
from sk_posters.exceptions import PosterFileError
from sk_posters.inspection import grad_cam, nearest_posters
from sk_posters.model_selection import multilabel_train_test_split

SIZE = (12, 8)
N_ROWS = 12


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Posters of several sizes, some of them reddish."""
    folder = tmp_path_factory.mktemp("posters")
    generator = np.random.default_rng(0)
    paths = []
    for row in range(N_ROWS):
        pixels = generator.integers(0, 200, (66 + row, 70, 3), dtype=np.uint8)
        pixels[..., 0] += 55 * (row % 2)
        paths.append(str(folder / f"{row}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def target():
    rows = np.arange(N_ROWS)
    labels = {"Odd": rows % 2, "Third": (rows % 3 == 0).astype(int)}
    return pd.DataFrame(labels)


def read(path):
    with open(path, "rb") as file:
        return file.read()


FORMS = {
    "bytes": lambda paths: [read(path) for path in paths],
    "pil": lambda paths: [Image.open(path) for path in paths],
    "dict": lambda paths: [{"bytes": read(path), "path": "gone.png"} for path in paths],
}
each_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def frozen_pipe(save_onnx):
    pytest.importorskip("onnxruntime")
    pipe = make_poster_pipeline(backbone=str(save_onnx()), image_size=SIZE, C=1.0)
    return pipe.set_params(encoder__n_jobs=1)


@each_form
def test_frozen_predicts_the_same_for_every_form(form, paths, target, frozen_pipe):
    expected = frozen_pipe.fit(paths, target).predict_proba(paths)
    X = FORMS[form](paths)
    np.testing.assert_array_equal(frozen_pipe.predict_proba(X), expected)
    frozen_pipe.fit(X, target)
    np.testing.assert_array_equal(frozen_pipe.predict_proba(paths), expected)
    assert len(set(expected[:, 0])) == N_ROWS


@each_form
def test_several_encoders_take_every_form(form, paths, target, save_onnx):
    pytest.importorskip("onnxruntime")
    pipe = make_several()
    for number, (name, _) in enumerate(pipe["encoders"].transformer_list):
        sizes = {f"encoders__{name}__backbone": str(save_onnx(f"{number}.onnx"))}
        sizes[f"encoders__{name}__image_size"] = (8 + number, 8)
        sizes[f"encoders__{name}__pooling"] = "avg"
        pipe.set_params(**sizes)
    expected = pipe.fit(paths, target).predict_proba(paths)
    np.testing.assert_array_equal(pipe.predict_proba(FORMS[form](paths)), expected)
    maps = [grad_cam(pipe, X[:2]) for X in (paths, FORMS[form](paths))]
    np.testing.assert_array_equal(*maps)
    with pytest.raises(ValueError, match="was fitted on images of 8 x 8"):
        pipe.predict_proba(np.zeros((2, 11, 8, 3), dtype=np.uint8))


@each_form
def test_the_networks_take_every_form(form, paths, target, tiny):
    pipe = make_poster_pipeline("cnn", image_size=SIZE, **tiny)
    expected = pipe.fit(paths, target).predict_proba(paths)
    X = FORMS[form](paths)
    np.testing.assert_array_equal(pipe.predict_proba(X), expected)
    np.testing.assert_array_equal(pipe.fit(X, target).predict_proba(paths), expected)
    np.testing.assert_array_equal(grad_cam(pipe, X[:1]), grad_cam(pipe, paths[:1]))


def test_a_network_without_a_loader_says_what_to_do(paths, target, tiny):
    from sk_posters import PosterClassifier

    message = r"not paths, bytes or PIL images: got '.*'\. Put a PosterImageLoader"
    for X in ([*FORMS["bytes"](paths)], FORMS["pil"](paths), paths):
        with pytest.raises(TypeError, match=message):
            PosterClassifier(**tiny).fit(X, target)


@each_form
def test_searches_folds_and_thresholds_take_every_form(
    form, paths, target, frozen_pipe
):
    X = FORMS[form](paths)
    y = target.to_numpy()
    results = []
    for rows in (paths, X):
        folds = cross_val_predict(frozen_pipe, rows, y, cv=2, method="predict_proba")
        search = GridSearchCV(frozen_pipe, {"classifier__estimator__C": [1, 2]}, cv=2)
        tuned = MultilabelTunedThresholdClassifierCV(frozen_pipe, cv=2)
        train, test, *_ = multilabel_train_test_split(
            rows, y, stratify=y, random_state=0
        )[:2]
        results.append(
            [
                folds,
                search.fit(rows, y).predict_proba(rows),
                tuned.fit(rows, y).predict(rows),
                frozen_pipe.fit(train, y[: len(train)]).predict_proba(test),
            ]
        )
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)


# ----------------------------------------------------------- one size for fit and after


def test_an_array_of_another_size_than_in_fit_is_refused(paths, target, frozen_pipe):
    frozen_pipe.fit(paths, target)
    arrays = np.zeros((2, 24, 16, 3), dtype=np.uint8)
    message = (
        r"X has images of 24 x 16 pixels \(height x width\), but PosterEncoder was "
        r"fitted on images of 12 x 8\. Resize them alike; or give paths or PIL images"
    )
    for ask in (frozen_pipe.predict_proba, lambda X: grad_cam(frozen_pipe, X)):
        with pytest.raises(ValueError, match=message):
            ask(arrays)
    tuned = MultilabelTunedThresholdClassifierCV(frozen_pipe, cv=2).fit(paths, target)
    with pytest.raises(ValueError, match=message):
        tuned.predict(arrays)


def test_an_array_of_the_size_in_fit_is_what_its_file_is(paths, target, frozen_pipe):
    expected = frozen_pipe.fit(paths, target).predict_proba(paths)
    images = [Image.open(path).resize(SIZE[::-1], Image.BILINEAR) for path in paths]
    arrays = np.stack([np.asarray(image) for image in images])
    np.testing.assert_array_equal(frozen_pipe.predict_proba(arrays), expected)
    np.testing.assert_array_equal(frozen_pipe.predict_proba(list(arrays)), expected)


def test_files_of_another_size_than_arrays_in_fit_are_refused(
    paths, target, frozen_pipe
):
    arrays = np.zeros((N_ROWS, 24, 16, 3), dtype=np.uint8)
    frozen_pipe.fit(arrays, target)
    with pytest.raises(ValueError, match=r"of 12 x 8 pixels .* fitted on .* 24 x 16"):
        frozen_pipe.predict(paths)


def test_neighbours_of_another_size_are_refused(paths, save_onnx):
    encoder = PosterEncoder(str(save_onnx()), image_size=SIZE)
    arrays = np.zeros((2, 24, 16, 3), dtype=np.uint8)
    message = r"X and X_train must .* got 24 x 16 and 12 x 8 pixels .* PIL images"
    with pytest.raises(ValueError, match=message):
        nearest_posters(encoder, arrays, paths, n_neighbors=1)


def test_an_encoder_that_was_not_fitted_takes_any_size(save_onnx):
    encoder = PosterEncoder(str(save_onnx()), image_size=SIZE)
    for size in [(5, 4), (6, 7)]:
        encoder.transform(np.zeros((2, *size, 3), dtype=np.uint8))
    assert not hasattr(encoder, "image_size_")
    encoder.fit(np.zeros((2, 5, 4, 3), dtype=np.uint8))
    assert encoder.image_size_ == (5, 4)
    encoder.fit(np.zeros((2, 6, 7, 3), dtype=np.uint8))
    assert encoder.image_size_ == (6, 7)


def test_arrays_of_several_sizes_are_refused_with_a_way_around(save_onnx):
    encoder = PosterEncoder(str(save_onnx()), image_size=SIZE)
    arrays = [np.zeros((5, 4, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)]
    message = r"one shape; got \(5, 4, 3\) and \(6, 4, 3\)\. .*PIL\.Image\.fromarray"
    with pytest.raises(ValueError, match=message):
        encoder.fit_transform(arrays)
    images = [Image.fromarray(array) for array in arrays]
    assert encoder.fit_transform(images).shape == (2, 4)


# --------------------------------------------------------------------------- the caches


def test_features_of_bytes_are_those_of_their_file_in_the_cache(
    paths, save_onnx, tmp_path
):
    cache = tmp_path / "cache"
    encoder = PosterEncoder(str(save_onnx()), image_size=SIZE, cache_dir=cache)
    expected = encoder.fit_transform(paths)
    assert encoder.n_computed_ == N_ROWS
    for form, n_computed in {"bytes": 0, "dict": 0, "pil": N_ROWS}.items():
        features = encoder.transform(FORMS[form](paths))
        assert encoder.n_computed_ == n_computed
        np.testing.assert_array_equal(features, expected)
    encoder.transform(FORMS["pil"](paths))
    assert encoder.n_cached_ == N_ROWS


def test_bad_rows_are_named_by_the_encoder(paths, save_onnx):
    encoder = PosterEncoder(str(save_onnx()), image_size=SIZE)
    X = [paths[0], b"bad", {"bytes": b"", "path": "a.jpg"}, paths[1]]
    with pytest.raises(PosterFileError, match=r"'row 1: bytes \(3 B\)': not an image"):
        encoder.transform(X)
    encoder.set_params(on_error="blank")
    with pytest.warns(UserWarning, match="2 files cannot be used"):
        features = encoder.transform(X)
    assert encoder.failed_ == ["row 1: bytes (3 B)", "row 2: bytes (0 B) of a.jpg"]
    np.testing.assert_array_equal(features[[0, 3]], encoder.transform(paths[:2]))


# ---------------------------------------------------------------- checks and inspection


def test_a_check_finds_duplicates_across_forms(paths):
    X = [
        *(paths[0], read(paths[0]), Image.open(paths[0])),
        *(read(paths[1]), read(paths[1]), b"bad", paths[2]),
    ]
    check = check_posters(X, np.eye(7, 2, dtype=int), max_distance=None)
    found = check.findings.set_index("kind")
    assert found.loc["unreadable file", "rows"] == (5,)
    assert found.loc["unreadable file", "paths"] == ("row 5: bytes (3 B)",)
    duplicates = found.loc["exact duplicates", ["rows", "detail"]].values.tolist()
    assert duplicates == [
        [(0, 1, 2), "3 rows have the same pixels"],
        [(3, 4), "2 rows have the same file content"],
    ]
    assert check.groups.tolist() == [0, 0, 0, 1, 1, 2, 3]
    assert check.about[0].startswith("7 rows, 6 images,")


def test_nearest_posters_takes_every_form(paths, save_onnx):
    encoder = PosterEncoder(str(save_onnx()), image_size=SIZE)
    expected = nearest_posters(encoder, paths[:3], paths, n_neighbors=2)
    for form in FORMS:
        X = FORMS[form](paths)
        found = nearest_posters(encoder, X[:3], X, n_neighbors=2)
        columns = ["row", "rank", "index", "distance"]
        pd.testing.assert_frame_equal(found[columns], expected[columns])
        names = {"bytes": None, "dict": "gone.png", "pil": expected["path"].iloc[0]}
        assert found["path"].iloc[0] == names[form]


@each_form
def test_displays_and_reports_show_every_form(
    form, paths, target, frozen_pipe, tmp_path
):
    plotting = pytest.importorskip("sk_posters.plotting")
    plt = pytest.importorskip("matplotlib.pyplot")
    frozen_pipe.fit(paths, target)
    X = FORMS[form](paths)
    shown = []
    for rows in (paths, X, pd.Series(X, dtype=object)):
        grid = plotting.PosterGridDisplay.from_estimator(frozen_pipe, rows, target)
        maps = plotting.GradCAMDisplay.from_estimator(
            frozen_pipe, rows, max_posters=2, k=1
        )
        shown.append([*grid.images, *maps.images])
        plt.close("all")
    for images in zip(*shown, strict=True):
        assert images[0].ndim == 3
        np.testing.assert_array_equal(images[0], images[1])
        np.testing.assert_array_equal(images[0], images[2])
    pages = []
    for number, rows in enumerate((paths, X)):
        file = tmp_path / f"{number}.html"
        save_html_report(
            file, frozen_pipe, rows, target, n_bootstrap=0, n_posters=2, grad_cam=True
        )
        pages.append(file.read_text(encoding="utf-8"))
    pictures = [page.count("data:image/jpeg") for page in pages]
    assert pictures[0] == pictures[1] == 8


def test_a_row_that_became_unreadable_leaves_a_gap_in_a_grid(
    paths, target, frozen_pipe
):
    plotting = pytest.importorskip("sk_posters.plotting")
    plt = pytest.importorskip("matplotlib.pyplot")
    frozen_pipe.set_params(encoder__on_error="blank").fit(paths, target)
    with pytest.warns(UserWarning, match="row 1: bytes"):
        grid = plotting.PosterGridDisplay.from_estimator(
            frozen_pipe, [read(paths[0]), b"bad"]
        )
    plt.close("all")
    assert [image is None for image in grid.images] == [False, True]


def test_the_web_page_takes_training_posters_in_memory(paths, target, frozen_pipe):
    pytest.importorskip("starlette")
    from sk_posters.app._showcase import Showcase

    # Four normalised features of noise lie too near to each other for float32.
    frozen_pipe.set_params(encoder__normalize=False).fit(paths, target)
    X = FORMS["dict"](paths)
    showcase = Showcase(frozen_pipe, posters=X, target=target)
    nearest = showcase.predict(paths[3])["neighbors"][0]
    assert nearest["genres"] == ["Odd", "Third"]
    assert nearest["name"].endswith("gone.png")
    assert nearest["image"].startswith("data:image/jpeg")


# --------------------------------------------------------------- models and predictions


@pytest.mark.filterwarnings("ignore:The model reads its network from:UserWarning")
def test_a_model_card_has_one_fingerprint_for_a_file_and_its_bytes(
    paths, target, frozen_pipe, tmp_path
):
    pytest.importorskip("skops")
    frozen_pipe.fit(paths, target)
    prints = []
    for X in (paths, *(FORMS[form](paths) for form in FORMS)):
        file = tmp_path / "model"
        save_model(frozen_pipe, file, training_data=(X, target))
        prints.append(model_card(file)["training_data"]["sha256"])
    assert prints[0] == prints[1] == prints[3]
    assert prints[2] != prints[0]  # Of pixels, as PIL has no file.


@pytest.mark.filterwarnings("ignore:The model reads its network from:UserWarning")
@each_form
def test_predict_to_parquet_takes_every_form(
    form, paths, target, frozen_pipe, tmp_path
):
    for package in ("pyarrow", "skops"):
        pytest.importorskip(package)
    from sk_posters.distributed import predict_to_parquet

    expected = frozen_pipe.fit(paths, target).predict_proba(paths[:4])
    X = [*FORMS[form](paths[:4]), b"bad"]
    options = {"partition_size": 2, "label_names": ["Odd", "Third"]}
    made = predict_to_parquet(frozen_pipe, X, tmp_path / "out", **options)
    assert (made.n_rows, made.n_failed, made.n_computed) == (5, 1, 3)
    found = pd.read_parquet(tmp_path / "out")
    np.testing.assert_array_equal(
        found[["Odd", "Third"]].to_numpy()[:4],
        expected.astype(found["Odd"].dtype),
    )
    assert found["path"].iloc[4] == "row 4: bytes (3 B)"
    assert found["error"].iloc[4].startswith("not an image")
    assert found["Odd"].isna().tolist() == [False] * 4 + [True]
    again = predict_to_parquet(frozen_pipe, X, tmp_path / "out", **options)
    assert again.n_computed == 0
    X[0] = paths[5]
    with pytest.raises(ValueError, match="written for other posters"):
        predict_to_parquet(frozen_pipe, X, tmp_path / "out", **options)


def test_single_images_are_not_taken_apart_by_predict_to_parquet(frozen_pipe, tmp_path):
    pytest.importorskip("pyarrow")
    from sk_posters.distributed import predict_to_parquet

    with pytest.raises(ValueError, match=r"got a single bytes: pass \[X\]"):
        predict_to_parquet(frozen_pipe, b"bytes", tmp_path / "out")


def test_a_parquet_table_with_images_is_used_without_any_file(
    paths, target, frozen_pipe, tiny, tmp_path
):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "data"
    folder.mkdir()
    images = [{"bytes": read(path), "path": "x.png"} for path in paths]
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    table = arrow.table(
        {"image": arrow.array(images, kind)} | {n: target[n] for n in target}
    )
    parquet.write_table(table, folder / "train.parquet")
    frame = pd.read_parquet(folder / "train.parquet")
    X, y = frame["image"].to_numpy(), frame[["Odd", "Third"]]

    assert "unreadable file" not in check_posters(X, y).counts().index
    cache = str(tmp_path / "cache")
    frozen_pipe.set_params(encoder__cache_dir=cache)
    expected = frozen_pipe.fit(paths, target).predict_proba(paths)
    frozen_pipe.fit(X, y)
    assert frozen_pipe["encoder"].n_cached_ == N_ROWS
    np.testing.assert_array_equal(frozen_pipe.predict_proba(X), expected)
    cnn = make_poster_pipeline("cnn", image_size=SIZE, cache_dir=cache, **tiny)
    predicted = cnn.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(predicted, cnn.predict_proba(paths))
    assert [file.name for file in folder.iterdir()] == ["train.parquet"]

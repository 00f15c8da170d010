"""The loader checks files and hands on images that are decoded on demand."""

import pickle
import shutil
import threading
import tracemalloc
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags, resample
from sklearn.utils.validation import check_is_fitted

from sk_posters import PosterImageLoader
from sk_posters._images import _lazy
from sk_posters._images._decoding import decode_image
from sk_posters._images._lazy import PosterImages
from sk_posters.exceptions import PosterFileError

N_POSTERS = 6


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)


@pytest.fixture
def paths(tmp_path):
    """Files of noise, as list of str."""
    rng = np.random.default_rng(0)
    for number in range(N_POSTERS):
        pixels = rng.integers(0, 256, (8, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return [str(tmp_path / f"{number}.png") for number in range(N_POSTERS)]


@pytest.fixture
def images(paths):
    return PosterImages(paths, image_size=(5, 4))


@pytest.fixture
def array(paths):
    """What ``images`` stands for."""
    return np.stack([decode_image(path, (5, 4)) for path in paths]) / np.float32(255)


@pytest.fixture
def decoded(monkeypatch):
    """Paths in the order in which they were decoded."""
    seen = []

    def decode(path, *args):
        seen.append(path)
        return decode_image(path, *args)

    monkeypatch.setattr(_lazy, "decode_image", decode)
    return seen


def small_loader(**params):
    return PosterImageLoader(**{"image_size": (5, 4), "n_jobs": 1, **params})


def with_two_bad_files(paths):
    """Replace two of six paths: a missing file and an empty one."""
    Path(paths[3]).write_bytes(b"")
    return [paths[0], "missing.jpg", *paths[2:]]


# ----------------------------------------------------------------------- the loader


def test_defaults_give_the_values_of_keras(tmp_path):
    from keras.utils import img_to_array, load_img

    pixels = np.random.default_rng(0).integers(0, 256, (444, 300, 3), dtype=np.uint8)
    path = tmp_path / "poster.jpg"
    Image.fromarray(pixels).save(path)
    expected = img_to_array(load_img(path, target_size=(350, 350))) / 255
    image = PosterImageLoader().fit_transform([path])[0]
    np.testing.assert_array_equal(image, expected, strict=True)


def test_real_posters_have_the_values_of_keras(real_posters):
    from keras.utils import img_to_array, load_img

    paths = sorted((real_posters / "Images").glob("*.jpg"))[:20]
    images = np.asarray(PosterImageLoader().fit_transform(paths))
    for path, image in zip(paths, images, strict=True):
        expected = img_to_array(load_img(path, target_size=(350, 350))) / 255
        np.testing.assert_array_equal(image, expected, strict=True, err_msg=str(path))


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        np.array,
        lambda paths: np.array(paths, dtype=object),
        lambda paths: [Path(path) for path in paths],
        lambda paths: np.array([Path(path) for path in paths]),
        lambda paths: pd.Series(paths, index=range(10, 16)),
        lambda paths: pd.Series(paths, dtype=object),
        lambda paths: pd.Series(paths, dtype="category"),
        lambda paths: pd.DataFrame({"path": paths}),
    ],
)
def test_paths_come_in_many_containers(container, paths):
    images = small_loader().fit_transform(container(paths))
    assert images.sources.tolist() == paths
    assert all(type(path) is str for path in images.sources)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a.jpg", r"got the single path 'a\.jpg': pass \['a\.jpg'\]"),
        (Path("a.jpg"), r"got the single path .*Path\('a\.jpg'\)"),
        ([], "at least one; got none"),
        (np.array([], dtype=object), "at least one; got none"),
        (np.zeros((4, 3)), r"got an array of shape \(4, 3\): pass the column of paths"),
        (np.zeros((2, 5, 4, 3)), "leave the loader out if these are images already"),
        (np.array("a.jpg"), r"got an array of shape \(\)"),
        (np.zeros((2, 3, 8, 8)), r"channels first, as in torch: pass X\.transpose\(0"),
        ((path for path in "ab"), "From a generator, rows cannot be selected"),
        (7, "got int: pass a list of paths"),
        ({"a.jpg": 1}, r"got a single dict: pass \[X\]"),
        (pd.DataFrame({"Id": ["a"], "path": ["b"]}), r"columns \['Id', 'path'\]: pass"),
        (np.zeros(3), r"got np\.float64\(0\.0\) in row 0"),
        (["a.jpg", None], "got None in row 1, counted from 0: drop the row or fill in"),
        (["a.jpg", "b.jpg", np.nan], "got nan in row 2"),
        (pd.Series(["a.jpg", None]), "got (nan|None) in row 1"),
        ([["a.jpg"]], r"got \['a\.jpg'\] in row 0"),
        (["a.jpg", "http://x.org/b.jpg"], r"URL 'http://x\.org/b\.jpg' in row 1"),
        (["s3://bucket/b.jpg"], "download the files first.*fetch_movie_posters"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_anything_but_paths_is_refused(method, X, message):
    with pytest.raises(ValueError, match=message):
        getattr(small_loader(on_error="blank"), method)(X)


@pytest.mark.parametrize("image_size", [(8, 8), [8, 8], (np.int64(8), np.int32(8))])
def test_image_size_takes_two_whole_numbers(image_size, paths):
    images = small_loader(image_size=image_size).fit_transform(paths)
    assert images.shape == (N_POSTERS, 8, 8, 3)


@pytest.mark.parametrize(
    "image_size", [(8,), (8, 8, 3), (0, 8), (8, -1), (8.0, 8.0), (True, 8), ("8", "8")]
)
def test_other_image_sizes_are_refused(image_size, paths):
    loader = small_loader(image_size=image_size)
    with pytest.raises(ValueError, match=r"height and the width.*as in \(350, 350\)"):
        loader.fit(paths)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image_size": 350}, "'image_size' parameter of PosterImageLoader"),
        ({"interpolation": "cubic"}, "'interpolation' parameter of PosterImageLoader"),
        ({"on_error": "skip"}, "'on_error' parameter of PosterImageLoader"),
        ({"cache_dir": 7}, "'cache_dir' parameter of PosterImageLoader"),
        ({"cache_size": 0}, "'cache_size' parameter of PosterImageLoader"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter of PosterImageLoader"),
        ({"verbose": -1}, "'verbose' parameter of PosterImageLoader"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_parameters_are_checked(method, params, message, paths):
    with pytest.raises(ValueError, match=message):
        getattr(small_loader(**params), method)(paths)


@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_all_bad_files_are_named_at_once(method, paths):
    X = with_two_bad_files(paths)
    message = (
        r"2 files cannot be used as a poster:\n"
        r"  'missing\.jpg': no such file\n"
        r"  '.*3\.png': the file is empty"
    )
    with pytest.raises(PosterFileError, match=message) as caught:
        getattr(small_loader(), method)(X)
    assert [path for path, _ in caught.value.failed] == [X[1], X[3]]


def test_five_bad_files_are_named_and_the_others_counted():
    missing = [f"missing{number}.jpg" for number in range(8)]
    with pytest.raises(PosterFileError, match=r"(?s)8 files.*missing4.*\n  and 3 more"):
        small_loader().fit(missing)


@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_blank_warns_once_and_keeps_the_list(method, paths):
    X = with_two_bad_files(paths)
    loader = small_loader(on_error="blank")
    message = r"(?s)2 files.*missing\.jpg': no such file.*replaced by a black"
    with pytest.warns(UserWarning, match=message) as warned:
        getattr(loader, method)(X)
    assert len(warned) == 1
    assert loader.failed_ == [X[1], X[3]]


def test_blank_warning_points_at_the_caller(paths):
    with pytest.warns(UserWarning, match="replaced by a black image") as warned:
        small_loader(on_error="blank").fit_transform(with_two_bad_files(paths))
    assert warned[0].filename == __file__


def test_blank_rows_are_black_and_no_row_shifts(paths, array):
    X = with_two_bad_files(paths)
    with pytest.warns(UserWarning, match="replaced by a black image"):
        images = small_loader(on_error="blank").fit_transform(X)
    array[[1, 3]] = 0
    np.testing.assert_array_equal(images, array)


def test_blank_rows_stay_black_when_rows_are_taken(paths, array):
    X = with_two_bad_files(paths)
    with pytest.warns(UserWarning, match="replaced by a black image"):
        images = small_loader(on_error="blank").fit_transform(X)
    array[[1, 3]] = 0
    rows = [3, 0, 1, 1]
    np.testing.assert_array_equal(images[rows], array[rows])


def test_a_bad_file_in_many_rows_is_listed_once(paths):
    loader = small_loader(on_error="blank")
    with pytest.warns(UserWarning, match="1 file cannot"):
        images = loader.fit_transform(["missing.jpg", paths[0], "missing.jpg"])
    assert loader.failed_ == ["missing.jpg"]
    assert images.blank.tolist() == [True, False, True]


def test_blank_without_bad_files_does_not_warn(paths):
    loader = small_loader(on_error="blank")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loader.fit(paths)
    assert loader.failed_ == []


def test_failed_is_of_the_last_call(paths):
    loader = small_loader(on_error="blank")
    with pytest.warns(UserWarning, match="replaced by a black image"):
        loader.fit(["missing.jpg"])
    loader.transform(paths)
    assert loader.failed_ == []


@pytest.mark.parametrize("on_error", ["raise", "blank"])
def test_a_file_that_turns_bad_after_the_check_is_named(on_error, paths):
    images = small_loader(on_error=on_error).fit_transform(paths)
    Path(paths[2]).write_bytes(b"")
    with pytest.raises(PosterFileError, match=r"1 file .*\n.*2\.png': the file is emp"):
        images.read()


def test_a_file_that_turns_bad_is_named_once_for_all_its_rows(images, paths):
    Path(paths[2]).write_bytes(b"")
    with pytest.raises(PosterFileError, match="1 file ") as caught:
        images.read([2, 0, 2])
    assert caught.value.failed == [(paths[2], "the file is empty (0 bytes)")]


@pytest.mark.parametrize("method", ["fit", "transform", "fit_transform"])
def test_each_distinct_path_is_checked_once(method, paths, decoded):
    getattr(small_loader(), method)([*paths, *paths[:3]])
    assert decoded == paths


def test_a_pipeline_checks_each_file_once(paths, decoded):
    make_pipeline(small_loader(), None).fit_transform(paths)
    assert decoded == paths


def test_transform_needs_no_fit(paths, array):
    loader = small_loader()
    check_is_fitted(loader)
    np.testing.assert_array_equal(loader.transform(paths), array)


def test_fit_returns_the_loader(paths):
    loader = small_loader()
    assert loader.fit(paths, y=[0] * N_POSTERS) is loader


def test_tags_say_what_the_loader_takes():
    tags = get_tags(PosterImageLoader())
    assert tags.input_tags.one_d_array
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert not tags.requires_fit
    assert not tags.target_tags.required


def test_loader_can_be_cloned_and_pickled(paths, array):
    loader = pickle.loads(pickle.dumps(clone(small_loader()).fit(paths)))
    assert loader.get_params() == small_loader().get_params()
    np.testing.assert_array_equal(loader.transform(paths), array)


def test_verbose_shows_progress_on_stderr(paths, capfd):
    small_loader(verbose=1).fit(paths)
    printed = capfd.readouterr()
    assert "Checking posters: 100%" in printed.err
    assert "6/6" in printed.err
    assert printed.out == ""


def test_nothing_is_printed_by_default(paths, capfd):
    small_loader().fit(paths)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("n_jobs", "n_threads"), [(None, 1), (1, 1), (2, 2), (100, N_POSTERS)]
)
def test_n_jobs_is_the_number_of_threads(n_jobs, n_threads, paths, monkeypatch):
    # Each file waits until all threads hold one, so that none can take two.
    barrier = threading.Barrier(n_threads, timeout=10)
    threads = set()

    def decode(path, *args):
        threads.add(threading.get_ident())
        barrier.wait()
        return decode_image(path, *args)

    monkeypatch.setattr(_lazy, "decode_image", decode)
    small_loader(n_jobs=n_jobs).fit(paths)
    assert len(threads) == n_threads
    assert (threading.get_ident() in threads) == (n_threads == 1)


def test_n_jobs_none_follows_the_context_of_joblib(images):
    with joblib.parallel_config("threading", n_jobs=3):
        in_context = list(_lazy.map_in_threads(_thread_name, [0] * 3, None))
    assert threading.current_thread().name not in in_context


def _thread_name(_):
    return threading.current_thread().name


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_keep_the_order_of_rows(n_jobs, paths, array):
    images = small_loader(n_jobs=n_jobs).fit_transform(paths * 20)
    np.testing.assert_array_equal(images, np.concatenate([array] * 20))


# ------------------------------------------------------------------- what it returns


def test_images_look_like_an_array(images, array):
    assert images.shape == array.shape
    assert images.dtype == array.dtype
    assert images.ndim == array.ndim
    assert images.size == array.size
    assert len(images) == len(array)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (slice(None), "PosterImages(6 posters of 5 x 4 x 3, decoded on demand)"),
        ([0], "PosterImages(1 poster of 5 x 4 x 3, decoded on demand)"),
    ],
)
def test_repr_tells_the_shape(rows, text, images):
    assert repr(images[rows]) == text


def test_asarray_is_float32_in_0_to_1(images, array):
    np.testing.assert_array_equal(np.asarray(images), array, strict=True)


def test_asarray_decodes_more_than_one_chunk(images, array, monkeypatch):
    monkeypatch.setattr(_lazy, "CHUNK", 4)
    np.testing.assert_array_equal(np.asarray(images), array, strict=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint8])
def test_asarray_casts_float32_to_other_types(dtype, images, array):
    expected = array.astype(dtype)
    np.testing.assert_array_equal(np.asarray(images, dtype), expected, strict=True)


def test_array_without_a_copy_is_refused(images):
    with pytest.raises(ValueError, match="holds no pixels, so an array of them is alw"):
        np.array(images, copy=False)


def test_asarray_holds_no_second_float_array(paths):
    images = PosterImages(paths * 40, image_size=(64, 64))
    np.asarray(images[:2])
    tracemalloc.start()
    array = np.asarray(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.2 * array.nbytes


def test_iteration_yields_decoded_images(images, array):
    np.testing.assert_array_equal(list(images), list(array), strict=True)


@pytest.mark.parametrize("row", [0, -1, 5, np.int64(2)])
def test_one_row_is_a_decoded_image(row, images, array):
    np.testing.assert_array_equal(images[row], array[row], strict=True)


def test_one_row_decodes_one_file(images, paths, decoded):
    _ = images[4]
    assert decoded == [paths[4]]


MASK = np.array([True, False, True, True, False, False])
LAZY_KEYS = [
    *(slice(None), slice(1, 4), slice(None, None, -2), slice(4, 100), slice(3, 3)),
    *(
        [2, 0, -1, 2],
        [],
        np.array([5, 1]),
        np.array([], dtype=int),
        MASK,
        MASK.tolist(),
    ),
    *(..., (), (..., slice(None)), ([1, 2], ...), (slice(2), slice(None), ...)),
    *((slice(2), slice(None), slice(None), slice(None)), (MASK, ...)),
]


@pytest.mark.parametrize("key", LAZY_KEYS, ids=repr)
def test_rows_are_taken_without_decoding(key, images, array, decoded):
    taken = images[key]
    assert isinstance(taken, PosterImages)
    assert decoded == []
    np.testing.assert_array_equal(np.asarray(taken), array[key], strict=True)


DECODING_KEYS = [
    *((0, 1), (0, ..., 0), (slice(None), 2), (slice(None, None, -1), ..., 1)),
    *(([3, 0, 3], 1), ([3, 0], [1, 2]), ([3, 0], slice(1, 3)), (MASK, slice(2), 0)),
    *((0, slice(None), [0, 1]), (0, [1, 2], slice(None), [0, 1])),
    *((-1, ...), (2, slice(None)), (..., 0), (..., [0, 2], slice(None))),
    *(
        None,
        (None, 0),
        (slice(2), None),
        True,
        (True, 0),
        np.True_,
        False,
        np.array(True),
    ),
    *(np.tile(MASK[:, None], 5), (np.tile(MASK[:, None], 5), 0)),
    *(np.array([[0, 1], [2, 0]]), (np.array([[0, 1], [2, 0]]), ..., 0), ([], 0)),
]


@pytest.mark.parametrize("key", DECODING_KEYS, ids=repr)
def test_other_keys_mean_what_they_mean_to_numpy(key, images, array):
    np.testing.assert_array_equal(images[key], array[key], strict=True)


def test_other_keys_decode_each_needed_file_once(images, paths, decoded):
    _ = images[[4, 1, 4], 0]
    assert sorted(decoded) == [paths[1], paths[4]]


@pytest.mark.parametrize(
    ("message", "keys"),
    [
        ("out of bounds", [6, -7, [0, 6], np.array([-7]), (6, 0), (0, 5)]),
        (
            "boolean index did not match",
            [[True, False], np.ones(7, bool), MASK[:, None]],
        ),
        ("only integers, slices", [1.5, "path", [0.5]]),
        ("single ellipsis", [(..., ...), (0, ..., ...)]),
        ("too many indices", [(slice(None),) * 5, (0, 0, 0, 0, 0)]),
    ],
)
def test_keys_that_numpy_refuses_are_refused(message, keys, images):
    for key in keys:
        with pytest.raises(IndexError, match=message):
            images[key]


@pytest.mark.parametrize("rows", [None, slice(1, 5, 2), [3, 3, 0], MASK, []], ids=repr)
def test_read_gives_bytes(rows, images, paths):
    expected = np.stack([decode_image(path, (5, 4)) for path in paths])
    expected = expected if rows is None else expected[rows]
    np.testing.assert_array_equal(images.read(rows), expected, strict=True)


def test_interpolation_is_kept_when_rows_are_taken(paths):
    images = small_loader(interpolation="bicubic").fit_transform(paths)[2:]
    expected = decode_image(paths[2], (5, 4), "bicubic")
    np.testing.assert_array_equal(images.read([0])[0], expected)


def test_images_survive_pickle_without_their_pixels(images, array):
    pickled = pickle.dumps(images)
    assert len(pickled) < array.nbytes
    np.testing.assert_array_equal(pickle.loads(pickled), array)


def test_pickle_of_a_part_leaves_the_other_paths_behind(paths):
    images = PosterImages(paths * 1000)
    assert len(pickle.dumps(images[:5])) < 2000


def test_safe_indexing_of_splitters_stays_lazy(images, array, decoded):
    parts = train_test_split(images, random_state=0)
    expected = train_test_split(array, random_state=0)
    assert decoded == []
    for part, values in zip(parts, expected, strict=True):
        assert isinstance(part, PosterImages)
        np.testing.assert_array_equal(part, values)


def test_resample_stays_lazy(images, array, decoded):
    drawn = resample(images, random_state=0)
    assert isinstance(drawn, PosterImages)
    assert decoded == []
    np.testing.assert_array_equal(drawn, resample(array, random_state=0))


def test_folds_stay_lazy(images, decoded):
    sizes = [
        (len(images[train]), len(images[test]))
        for train, test in KFold(3).split(images)
    ]
    assert sizes == [(4, 2)] * 3
    assert decoded == []


def test_relative_paths_are_kept_as_given(paths, tmp_path, monkeypatch):
    shutil.copy(paths[0], tmp_path / "relative.png")
    monkeypatch.chdir(tmp_path)
    images = small_loader().fit_transform(["relative.png"])
    assert images.sources.tolist() == ["relative.png"]

"""Each image is looked at once, and a store never changes a feature."""

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_posters import PosterEncoder, PosterImageLoader
from sk_posters._base import _disk_cache
from sk_posters._features import _cache
from sk_posters._features._backbones import BackboneNetwork
from sk_posters._features._cache import FeatureStore, hash_pixels
from sk_posters._features._encoder import FileImages
from sk_posters._images import _cache as _image_cache
from sk_posters.exceptions import PosterFileError

N_POSTERS = 6
N_PROCESSES = 4
SIZE = (40, 32)
ROW_BYTES = 1280 * 4 + 4


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)


@pytest.fixture
def paths(tmp_path):
    """Files of noise, as list of str."""
    return save_noise(tmp_path, N_POSTERS)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def expected(paths):
    """Features of all files, without a store."""
    return small_encoder(None).transform(paths)


@pytest.fixture
def filled(cache, paths):
    """A cache that holds the features of all paths."""
    small_encoder(cache).transform(paths)
    return cache


def save_noise(folder, n_files):
    generator = np.random.default_rng(0)
    paths = [str(folder / f"{number}.png") for number in range(n_files)]
    for path in paths:
        pixels = generator.integers(0, 256, (50, 36, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def small_encoder(cache, backbone="efficientnet_lite0", **params):
    params = {"image_size": SIZE, "n_jobs": 1, **params}
    return PosterEncoder(backbone, cache_dir=cache, **params)


def entries(cache):
    return sorted(cache.glob("features/??/*.f32"))


def temporary_files(cache):
    return sorted(cache.glob("features/??/*.part"))


def counts(encoder):
    return encoder.n_computed_, encoder.n_cached_


def encoded(cache, X, **params):
    """Counts and features of one call."""
    encoder = small_encoder(cache, **params)
    features = encoder.transform(X)
    return counts(encoder), features


# ------------------------------------------------------------ each image looked at once


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("pooling", ["avg", "avgmax"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_second_look_computes_nothing(n_jobs, pooling, flip, cache, paths):
    params = {"pooling": pooling, "flip": flip}
    without = small_encoder(None, **params).transform(paths)
    for expected_counts in ((N_POSTERS, 0), (0, N_POSTERS)):
        found, features = encoded(cache, paths, n_jobs=n_jobs, **params)
        assert found == expected_counts
        np.testing.assert_array_equal(features, without, strict=True)


def test_without_a_cache_every_look_computes(paths):
    assert [encoded(None, paths)[0] for _ in range(2)] == [(N_POSTERS, 0)] * 2


def test_the_environment_names_a_cache(cache, paths, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", str(cache))
    assert encoded(None, paths)[0] == (N_POSTERS, 0)
    assert encoded(None, paths)[0] == (0, N_POSTERS)
    assert len(entries(cache)) == N_POSTERS


def test_a_renamed_file_is_found(filled, paths, expected):
    for path in paths:
        os.rename(path, path + ".renamed.png")
    found, features = encoded(filled, [path + ".renamed.png" for path in paths])
    assert found == (0, N_POSTERS)
    np.testing.assert_array_equal(features, expected)


def test_a_file_changed_under_the_same_time_and_size_is_computed(cache, tmp_path):
    path = tmp_path / "poster.bmp"
    Image.new("RGB", (36, 50), "red").save(path)
    red, before = encoded(cache, [path])[1], os.stat(path)
    Image.new("RGB", (36, 50), "green").save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = os.stat(path)
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    found, green = encoded(cache, [path])
    assert found == (1, 0)
    assert not np.array_equal(green, red)


def test_a_part_of_the_features_is_computed_where_it_is_missing(
    filled, paths, expected, monkeypatch
):
    ran = []
    features_of = BackboneNetwork.features

    def noted(self, batch):
        ran.append((self.prefix, len(batch)))
        return features_of(self, batch)

    monkeypatch.setattr(BackboneNetwork, "features", noted)
    names = ["efficientnet_lite0", "efficientnet_lite1"]
    entries(filled)[0].unlink()
    found, features = encoded(filled, paths, backbone=names)
    assert found == (N_POSTERS, 0)
    assert sorted(ran) == [("efficientnet_lite0", 1), ("efficientnet_lite1", 6)]
    np.testing.assert_array_equal(features[:, :1280], expected)
    alone = small_encoder(None, names[1]).transform(paths)
    np.testing.assert_array_equal(features[:, 1280:], alone)


@pytest.mark.parametrize(
    "params",
    [
        {"image_size": (32, 40)},
        {"interpolation": "nearest"},
        {"pooling": "max"},
        {"flip": True},
        {"backbone": "efficientnet_lite1"},
    ],
    ids=str,
)
def test_other_settings_have_other_rows(params, filled, paths):
    found, features = encoded(filled, paths, **params)
    assert found == (N_POSTERS, 0)
    without = small_encoder(None, **params).transform(paths)
    np.testing.assert_array_equal(features, without)


def test_rows_of_another_version_are_not_used(filled, paths, monkeypatch):
    monkeypatch.setattr(_cache, "FORMAT", 0)
    assert encoded(filled, paths)[0] == (N_POSTERS, 0)


def test_rows_of_another_way_of_decoding_are_not_used(filled, paths, monkeypatch):
    monkeypatch.setattr(_image_cache.PIL, "__version__", "0.0")
    assert encoded(filled, paths)[0] == (N_POSTERS, 0)


def test_rows_of_another_onnxruntime_are_not_used(filled, paths, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "__version__", "0.0")
    assert encoded(filled, paths)[0] == (N_POSTERS, 0)


def test_files_and_a_loader_of_the_same_settings_share_rows(filled, paths, expected):
    loader = PosterImageLoader(image_size=SIZE, interpolation="bilinear")
    found, features = encoded(filled, loader.transform(paths))
    assert found == (0, N_POSTERS)
    np.testing.assert_array_equal(features, expected)


def test_arrays_are_identified_by_their_pixels(cache, expected, paths):
    loader = PosterImageLoader(image_size=SIZE, interpolation="bilinear")
    images = loader.transform(paths).read()
    assert encoded(cache, images)[0] == (N_POSTERS, 0)
    found, features = encoded(cache, images[::-1])
    assert found == (0, N_POSTERS)
    np.testing.assert_array_equal(features, expected[::-1])
    images[0, 0, 0, 0] ^= 1
    assert encoded(cache, images)[0] == (1, N_POSTERS - 1)
    flat = images.reshape(N_POSTERS, *SIZE[::-1], 3)
    assert encoded(cache, flat)[0] == (N_POSTERS, 0)
    assert encoded(cache, images / np.float32(255))[0] == (N_POSTERS, 0)


def test_keys_of_pixels_tell_shapes_and_types_apart():
    image = np.zeros((2, 3, 3), np.uint8)
    others = [image, image.reshape(3, 2, 3), image.view(np.int8), image + np.uint8(1)]
    assert len({hash_pixels(each) for each in others}) == 4


def test_folds_and_candidates_compute_each_image_once(cache, paths, monkeypatch):
    n_images = []
    features_of = BackboneNetwork.features

    def noted(self, batch):
        n_images.append(len(batch))
        return features_of(self, batch)

    monkeypatch.setattr(BackboneNetwork, "features", noted)
    pipe = make_pipeline(small_encoder(cache), Ridge())
    GridSearchCV(pipe, {"ridge__alpha": [1, 10]}, cv=3).fit(paths, range(N_POSTERS))
    assert sum(n_images) == N_POSTERS


def test_images_that_are_black_for_a_bad_file_are_not_kept_for_it(cache, paths):
    Path(paths[3]).write_bytes(b"no image")
    encoder = small_encoder(cache, on_error="blank")
    for expected_counts in ((N_POSTERS, 0), (1, N_POSTERS - 1)):
        with pytest.warns(UserWarning, match="1 file cannot"):
            encoder.transform(paths)
        assert counts(encoder) == expected_counts
        assert encoder.failed_ == [paths[3]]
    assert len(entries(cache)) == N_POSTERS - 1


def test_bad_files_are_named_in_the_order_of_rows(filled, paths):
    X = [*(f"missing{number}.jpg" for number in range(5)), *paths, "\0.jpg"]
    with pytest.raises(PosterFileError, match="6 files cannot") as caught:
        small_encoder(filled).transform(X)
    assert [path for path, _ in caught.value.failed] == [*X[:5], X[-1]]


def test_black_rows_of_a_loader_are_kept(cache, paths):
    with pytest.warns(UserWarning, match="1 file cannot"):
        images = PosterImageLoader(image_size=SIZE, on_error="blank").transform(
            ["missing.jpg", *paths]
        )
    assert encoded(cache, images)[0] == (N_POSTERS + 1, 0)
    assert encoded(cache, images)[0] == (0, N_POSTERS + 1)


@pytest.mark.parametrize("comes_back", [False, True])
@pytest.mark.parametrize("has_pixel_store", [False, True])
def test_a_file_replaced_while_it_was_decoded_is_not_kept(
    comes_back, has_pixel_store, cache, paths, monkeypatch
):
    read = FileImages.read
    images, content = paths, Path(paths[0]).read_bytes()
    if has_pixel_store:
        loader = PosterImageLoader(image_size=SIZE, cache_dir=cache, n_jobs=1)
        images = loader.fit_transform(paths)

    def replace_and_read(self, rows, is_kept):
        Image.new("RGB", (36, 50), "red").save(paths[0])
        found = read(self, rows, is_kept)
        if comes_back:
            Path(paths[0]).write_bytes(content)
        return found

    monkeypatch.setattr(FileImages, "read", replace_and_read)
    small_encoder(cache).transform(images)
    assert len(entries(cache)) == N_POSTERS - 1


def test_features_are_kept_under_the_bytes_that_pixels_came_from(
    cache, paths, monkeypatch
):
    loader = PosterImageLoader(image_size=SIZE, cache_dir=cache, n_jobs=1)
    images = loader.fit_transform(paths)
    Image.new("RGB", (36, 50), "red").save(paths[0])
    # Of the red image, though the loader's store holds the pixels of the one before.
    kept = small_encoder(cache).transform(images)
    fresh = PosterImageLoader(image_size=SIZE, n_jobs=1).fit_transform(paths)
    np.testing.assert_array_equal(kept, small_encoder(None).transform(fresh))


# ---------------------------------------------------------------------- nothing lost


def flip_a_bit(entry):
    values = bytearray(entry.read_bytes())
    values[30] ^= 1
    entry.write_bytes(values)


DAMAGES = {
    "bit": flip_a_bit,
    "truncated": lambda entry: entry.write_bytes(entry.read_bytes()[:-10]),
    "no checksum": lambda entry: entry.write_bytes(entry.read_bytes()[:-4]),
    "longer": lambda entry: entry.write_bytes(entry.read_bytes() + b"\0"),
    "empty": lambda entry: entry.write_bytes(b""),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_computed_again(damage, filled, paths, expected):
    entry = entries(filled)[2]
    before = entry.read_bytes()
    DAMAGES[damage](entry)
    found, features = encoded(filled, paths)
    whole = damage == "longer"  # What is behind the checksum is never read.
    assert found == ((0, N_POSTERS) if whole else (1, N_POSTERS - 1))
    np.testing.assert_array_equal(features, expected)
    assert entry.read_bytes()[: len(before)] == before


def _fill(paths, cache):
    _barrier.wait()
    return encoded(cache, paths)


def _share_barrier(barrier):
    global _barrier
    _barrier = barrier


def test_processes_that_fill_a_store_at_once_agree(tmp_path, cache, forked):
    paths = save_noise(tmp_path, 60)
    expected = small_encoder(None).transform(paths)
    barrier = forked.Barrier(N_PROCESSES, timeout=60)
    with forked.Pool(N_PROCESSES, _share_barrier, (barrier,)) as pool:
        results = pool.starmap(_fill, [(paths, cache)] * N_PROCESSES, chunksize=1)
    for found, features in results:
        np.testing.assert_array_equal(features, expected)
        assert sum(found) == len(paths)
    assert len(entries(cache)) == len(paths)
    assert temporary_files(cache) == []
    assert encoded(cache, paths)[0] == (0, len(paths))


# Kills itself between the writing of the fourth row and its renaming.
KILLED = """
import os, signal, sys
from sk_posters import PosterEncoder

rename = os.replace

def rename_or_die(source, target, left=iter(range(3, -1, -1))):
    if not next(left):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)

os.replace = rename_or_die
cache, *paths = sys.argv[1:]
PosterEncoder(image_size=(40, 32), n_jobs=1, cache_dir=cache).transform(paths)
"""


def test_a_process_killed_while_it_fills_the_store_loses_nothing(
    cache, paths, expected
):
    killed = subprocess.run([sys.executable, "-c", KILLED, cache, *paths], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (len(entries(cache)), len(temporary_files(cache))) == (3, 1)
    found, features = encoded(cache, paths)
    assert found == (N_POSTERS - 3, 3)
    np.testing.assert_array_equal(features, expected)


# ----------------------------------------------------------------- a disk that will not


class FullDisk(io.FileIO):
    def write(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")


def open_on_full_disk(path, mode, **options):
    return FullDisk(path, mode) if "x" in mode else open(path, mode, **options)


def no_folder(folder, exist_ok):
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize(
    "reason", ["No space left on device", "Read-only file system", "Not a directory"]
)
def test_a_disk_that_refuses_is_warned_about_once(
    reason, cache, paths, expected, monkeypatch
):
    if reason == "Not a directory":
        cache.write_text("a file", encoding="utf-8")
    elif reason == "No space left on device":
        monkeypatch.setattr(_disk_cache, "open", open_on_full_disk, raising=False)
    else:
        # Simulated: the tests may run as root, whom no file mode stops.
        monkeypatch.setattr(os, "makedirs", no_folder)
    message = (
        rf"Features cannot be kept in the folder '{cache}/features' \({reason}\), so "
        r"they are computed each time .* make the folder writable, or pass another"
    )
    with pytest.warns(UserWarning, match=message) as warned:
        features = small_encoder(cache).transform(paths)
    assert len(warned) == 1
    np.testing.assert_array_equal(features, expected)
    assert entries(cache) == temporary_files(cache) == []


@pytest.mark.filterwarnings("error")
def test_a_read_only_store_is_read(filled, paths, expected, monkeypatch):
    monkeypatch.setattr(os, "makedirs", no_folder)
    found, features = encoded(filled, paths)
    assert found == (0, N_POSTERS)
    np.testing.assert_array_equal(features, expected)


# --------------------------------------------------------------- bounded, and cleaned


def test_the_store_is_bounded(cache, paths, expected):
    for _ in range(2):
        _, features = encoded(cache, paths, cache_size=3 * ROW_BYTES)
        np.testing.assert_array_equal(features, expected)
        assert 0 < len(entries(cache)) <= 3


def test_clear_cache_removes_features_and_nothing_else(filled, paths):
    (filled / "features" / "note.txt").write_text("mine", encoding="utf-8")
    PosterImageLoader(image_size=SIZE, cache_dir=filled).fit(paths)
    assert small_encoder(filled, pooling="max").clear_cache() == N_POSTERS
    assert entries(filled) == []
    assert (filled / "features" / "note.txt").exists()
    assert len(list(filled.glob("images/??/*.rgb"))) == N_POSTERS


def test_clear_cache_without_a_cache_removes_nothing():
    assert small_encoder(None).clear_cache() == 0


def test_a_store_survives_pickle(tmp_path):
    store = FeatureStore(str(tmp_path), 10**6)
    key = store.key("image", "network", "avg", False)
    store.write(key, np.arange(3, dtype=np.float32))
    row = np.empty(3, dtype=np.float32)
    assert pickle.loads(pickle.dumps(store)).read_into(key, row)
    np.testing.assert_array_equal(row, [0, 1, 2])


def test_keys_differ_in_all_that_they_are_made_of():
    described = [
        ("image", "network", "avg", False),
        ("other", "network", "avg", False),
        ("image", "other", "avg", False),
        ("image", "network", "max", False),
        ("image", "network", "avg", True),
    ]
    assert len({FeatureStore.key(*each) for each in described}) == 5
    again = FeatureStore.key("image", "network", "avg", np.False_)
    assert again == FeatureStore.key(*described[0])

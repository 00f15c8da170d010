"""Each poster is decoded once, and a store never changes a result."""

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_posters import PosterImageLoader
from sk_posters._base import _disk_cache
from sk_posters._base._disk_cache import disable_caches
from sk_posters._images import _cache, _lazy
from sk_posters._images._cache import ImageStore
from sk_posters._images._decoding import decode_image
from sk_posters._images._sources import take_snapshot
from sk_posters.exceptions import PosterFileError

N_POSTERS = 6
N_PROCESSES = 4
ENTRY_BYTES = 5 * 4 * 3 + 4
YEAR = 365 * 24 * 3600


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)


@pytest.fixture
def paths(tmp_path):
    """Files of noise, as list of str."""
    return save_noise(tmp_path, N_POSTERS)


@pytest.fixture
def expected(paths):
    """What the files hold, decoded without a store."""
    return np.stack([decode_image(path, (5, 4)) for path in paths])


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def filled(cache, paths):
    """A cache that holds the images of all paths."""
    small_loader(cache).fit(paths)
    return cache


@pytest.fixture
def decoded(monkeypatch):
    """Paths in the order in which they were decoded."""
    seen = []

    def decode(path, *args):
        seen.append(str(path))
        return decode_image(path, *args)

    monkeypatch.setattr(_lazy, "decode_image", decode)
    return seen


def save_noise(folder, n_files, seed=0):
    generator = np.random.default_rng(seed)
    paths = [str(folder / f"{number}.png") for number in range(n_files)]
    for path in paths:
        pixels = generator.integers(0, 256, (8, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def small_loader(cache, **params):
    params = {"image_size": (5, 4), "n_jobs": 1, **params}
    return PosterImageLoader(cache_dir=cache, **params)


def entries(cache):
    return sorted(cache.glob("images/??/*.rgb"))


def temporary_files(cache):
    return sorted(cache.glob("images/??/*.part"))


def store_with(cache, n_entries, max_bytes=10**6):
    """A store of images of one value each, the first one written first."""
    store = ImageStore(str(cache / "images"), max_bytes)
    for value in range(n_entries):
        store.write(key_of(value), image_of(value))
        age(cache, value, YEAR - value)
    return store


def key_of(value):
    return f"{value:032x}"


def image_of(value):
    return np.full((5, 4, 3), value, dtype=np.uint8)


def entry_of(cache, value):
    return cache / "images" / key_of(value)[:2] / f"{key_of(value)}.rgb"


def age(cache, value, seconds):
    then = time.time() - seconds
    os.utime(entry_of(cache, value), (then, then))


def kept(cache):
    return [int(path.stem, 16) for path in entries(cache)]


# ------------------------------------------------------------ each poster decoded once


def test_a_second_look_decodes_nothing(cache, paths, decoded):
    first = small_loader(cache).fit(paths)
    second = small_loader(cache).fit(paths)
    assert (first.n_decoded_, second.n_decoded_) == (N_POSTERS, 0)
    assert sorted(decoded) == paths


def test_images_are_read_from_the_store(filled, paths, expected, decoded):
    images = small_loader(filled).fit_transform(paths)
    np.testing.assert_array_equal(images.read(), expected, strict=True)
    assert decoded == []


def test_rows_that_are_taken_are_read_from_the_store(filled, paths, expected, decoded):
    images = small_loader(filled).fit_transform(paths)[[4, 0, 4]]
    np.testing.assert_array_equal(images.read(), expected[[4, 0, 4]])
    assert decoded == []


def test_without_a_cache_every_look_decodes(paths, decoded):
    loader = small_loader(None)
    loader.fit(paths).fit(paths)
    assert decoded == paths * 2
    assert loader.n_decoded_ == N_POSTERS


def test_folds_and_candidates_decode_each_poster_once(cache, paths, decoded):
    flat = FunctionTransformer(lambda images: np.asarray(images).reshape(-1, 60))
    pipe = make_pipeline(small_loader(cache), flat, DummyClassifier())
    grid = {"dummyclassifier__strategy": ["prior", "most_frequent"]}
    GridSearchCV(pipe, grid, cv=3).fit(paths, [0, 1] * 3)
    assert sorted(decoded) == paths


def test_files_of_equal_content_share_an_entry(cache, paths, tmp_path, decoded):
    (tmp_path / "copy.png").write_bytes(Path(paths[0]).read_bytes())
    loader = small_loader(cache).fit([paths[0], tmp_path / "copy.png"])
    assert len(decoded) == loader.n_decoded_ == len(entries(cache)) == 1


def test_a_file_with_other_content_is_decoded(filled, paths):
    Image.new("RGB", (6, 8), (1, 2, 3)).save(paths[0])
    loader = small_loader(filled)
    image = loader.fit_transform(paths).read([0])[0]
    assert loader.n_decoded_ == 1
    assert image[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("params", [{"image_size": (4, 5)}, {"interpolation": "box"}])
def test_other_settings_have_other_entries(params, filled, paths):
    loader = small_loader(filled, **params)
    images = loader.fit_transform(paths)
    again = small_loader(None, **params).fit_transform(paths)
    assert loader.n_decoded_ == N_POSTERS
    np.testing.assert_array_equal(images.read(), again.read())


@pytest.mark.parametrize("image_size", [[5, 4], (np.int64(5), np.int32(4))])
def test_equal_settings_of_other_types_share_entries(image_size, filled, paths):
    assert small_loader(filled, image_size=image_size).fit(paths).n_decoded_ == 0


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (_cache.PIL, "__version__", "0.0"),
        (_cache, "LIBJPEG", "0.0"),
        (_cache, "FORMAT", 0),
        (Image, "MAX_IMAGE_PIXELS", None),
        (ImageFile, "LOAD_TRUNCATED_IMAGES", True),
    ],
)
def test_another_way_of_decoding_has_other_entries(
    module, name, value, filled, paths, monkeypatch
):
    monkeypatch.setattr(module, name, value)
    assert small_loader(filled).fit(paths).n_decoded_ == N_POSTERS


# -------------------------------------------------------- the same results as without


FORMATS = {
    "rgb.jpg": lambda noise: noise,
    "progressive.jpg": lambda noise: noise,
    "cmyk.jpg": lambda noise: noise.convert("CMYK"),
    "grey.png": lambda noise: noise.convert("L"),
    "palette.gif": lambda noise: noise.convert("P"),
    "transparent.webp": lambda noise: noise.convert("RGBA"),
    "deep.png": lambda noise: Image.fromarray(
        np.asarray(noise)[..., 0] * np.uint16(99)
    ),
    "bitmap.bmp": lambda noise: noise.convert("1"),
}


@pytest.mark.parametrize("interpolation", ["nearest", "lanczos"])
@pytest.mark.parametrize("name", FORMATS)
def test_formats_come_out_as_without_a_store(name, interpolation, cache, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # On its side.
    options = {"exif": exif} if name.endswith(("jpg", "webp")) else {}
    image = FORMATS[name](Image.fromarray(pixels))
    path = tmp_path / name
    image.save(path, progressive=name.startswith("prog"), **options)
    settings = {"image_size": (24, 18), "interpolation": interpolation}
    without = small_loader(None, **settings).fit_transform([path])
    for _ in range(2):
        within = small_loader(cache, **settings).fit_transform([path])
        np.testing.assert_array_equal(
            np.asarray(within), np.asarray(without), strict=True
        )
    assert len(entries(cache)) == 1


def test_real_posters_come_out_as_without_a_store(real_posters, cache):
    paths = sorted((real_posters / "Images").glob("*.jpg"))[:20]
    without = PosterImageLoader().fit_transform(paths).read()
    for n_decoded in (20, 0):
        loader = PosterImageLoader(cache_dir=cache)
        images = loader.fit_transform(paths)
        assert loader.n_decoded_ == n_decoded
        np.testing.assert_array_equal(images.read(), without, strict=True)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads_keep_the_order_of_rows(n_jobs, cache, paths, expected):
    for _ in range(2):
        images = small_loader(cache, n_jobs=n_jobs).fit_transform(paths * 5)
        np.testing.assert_array_equal(images.read(), np.tile(expected, (5, 1, 1, 1)))


def test_bad_files_are_named_in_the_order_of_rows(filled, paths):
    X = [*(f"missing{number}.jpg" for number in range(5)), *paths, "\0.jpg"]
    with pytest.raises(PosterFileError, match="6 files cannot") as caught:
        small_loader(filled).fit(X)
    with pytest.raises(PosterFileError, match="6 files cannot") as without:
        small_loader(None).fit(X)
    assert caught.value.failed == without.value.failed


def test_blank_rows_are_black_and_no_row_shifts(cache, paths, expected):
    Path(paths[3]).write_bytes(b"no image")
    X = [paths[0], "missing.jpg", *paths[2:]]
    expected[[1, 3]] = 0
    for n_decoded in (N_POSTERS, 2):
        loader = small_loader(cache, on_error="blank")
        with pytest.warns(UserWarning, match="2 files cannot"):
            images = loader.fit_transform(X)
        assert loader.failed_ == [X[1], X[3]]
        assert loader.n_decoded_ == n_decoded
        np.testing.assert_array_equal(images.read(), expected)


def test_a_file_too_large_to_decode_is_refused_whatever_is_kept(
    filled, paths, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(PosterFileError, match="more than the 10 pixels allowed"):
        small_loader(filled).fit(paths)


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_file_replaced_while_it_was_decoded_is_not_kept(
    comes_back, cache, paths, monkeypatch
):
    def read_another(path):
        content = Path(path).read_bytes()
        Image.new("RGB", (6, 8), "red").save(path)
        source = take_snapshot(path)
        if comes_back:
            Path(path).write_bytes(content)
        return source

    monkeypatch.setattr(_lazy, "take_snapshot", read_another)
    small_loader(cache).fit(paths)
    assert entries(cache) == []


def test_images_survive_pickle(filled, paths, expected, decoded):
    images = small_loader(filled).fit_transform(paths)
    copy = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(copy.read(), expected)
    assert decoded == []


def test_a_pickle_holds_no_pixels(cache, paths):
    images = PosterImageLoader(cache_dir=cache, n_jobs=1).fit_transform(paths)
    assert len(pickle.dumps(images)) < 2000


# ---------------------------------------------------------------------- nothing lost


def flip_a_bit(entry):
    pixels = bytearray(entry.read_bytes())
    pixels[30] ^= 1
    entry.write_bytes(pixels)


DAMAGES = {
    "bit": flip_a_bit,
    "truncated": lambda entry: entry.write_bytes(entry.read_bytes()[:-10]),
    "no checksum": lambda entry: entry.write_bytes(entry.read_bytes()[:-4]),
    "longer": lambda entry: entry.write_bytes(entry.read_bytes() + b"\0"),
    "zeros": lambda entry: entry.write_bytes(bytes(ENTRY_BYTES)),
    "empty": lambda entry: entry.write_bytes(b""),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_decoded_again(damage, filled, paths, expected):
    images = small_loader(filled).fit_transform(paths)
    DAMAGES[damage](entries(filled)[2])
    np.testing.assert_array_equal(images.read(), expected)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_repaired(damage, filled, paths, decoded):
    entry = entries(filled)[2]
    before = entry.read_bytes()
    DAMAGES[damage](entry)
    small_loader(filled).fit_transform(paths).read()
    assert entry.read_bytes() == before
    assert len(decoded) == 1


def test_a_file_gone_bad_is_named_when_its_entry_is_lost(filled, paths):
    images = small_loader(filled).fit_transform(paths)
    Path(paths[2]).write_bytes(b"")
    for entry in entries(filled):
        entry.unlink()
    with pytest.raises(PosterFileError, match=r"2\.png': the file is empty"):
        images.read()


def _fill(paths, cache):
    _barrier.wait()
    images = small_loader(cache).fit_transform(paths)
    return images, images.read()


def _share_barrier(barrier):
    global _barrier
    _barrier = barrier


def test_processes_that_fill_a_store_at_once_agree(tmp_path, cache, forked):
    paths = save_noise(tmp_path, 60)
    expected = np.stack([decode_image(path, (5, 4)) for path in paths])
    barrier = forked.Barrier(N_PROCESSES, timeout=60)
    with forked.Pool(N_PROCESSES, _share_barrier, (barrier,)) as pool:
        results = pool.starmap(_fill, [(paths, cache)] * N_PROCESSES, chunksize=1)
    for images, pixels in results:
        np.testing.assert_array_equal(pixels, expected)
        np.testing.assert_array_equal(images.read(), expected)
    assert len(entries(cache)) == len(paths)
    assert temporary_files(cache) == []


# Kills itself between the writing of the fourth entry and its renaming.
KILLED = """
import os, signal, sys
from sk_posters import PosterImageLoader

rename = os.replace

def rename_or_die(source, target, left=iter(range(3, -1, -1))):
    if not next(left):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)

os.replace = rename_or_die
cache, *paths = sys.argv[1:]
PosterImageLoader(image_size=(5, 4), n_jobs=1, cache_dir=cache).fit(paths)
"""


def test_a_process_killed_while_it_fills_the_store_loses_nothing(
    cache, paths, expected
):
    killed = subprocess.run([sys.executable, "-c", KILLED, cache, *paths], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (len(entries(cache)), len(temporary_files(cache))) == (3, 1)
    loader = small_loader(cache)
    np.testing.assert_array_equal(loader.fit_transform(paths).read(), expected)
    assert loader.n_decoded_ == N_POSTERS - 3
    assert len(entries(cache)) == N_POSTERS


def test_an_interrupt_leaves_no_temporary_file(cache, paths, monkeypatch):
    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        small_loader(cache).fit(paths)
    assert temporary_files(cache) == entries(cache) == []


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
def test_only_files_are_read_as_entries(kind, filled, cache):
    """A pipe would hang, and a link may name anything."""
    [entry, *_] = entries(cache)
    store = ImageStore.open(cache, 10**9)
    image, key = np.empty((5, 4, 3), np.uint8), entry.stem
    assert store.read_into(key, image)
    assert store.holds(key, image.nbytes)
    kept = entry.rename(cache / "kept")
    if kind == "pipe":
        os.mkfifo(entry)
    elif kind == "folder":
        entry.mkdir()
    else:
        entry.symlink_to(kept if kind == "link" else "/dev/zero")
    assert not store.read_into(key, image)
    assert not store.holds(key, image.nbytes)


# ------------------------------------------------------------- a disk that will not


class FullDisk(io.FileIO):
    def write(self, content):
        super().write(bytes(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")


def open_on_full_disk(path, mode, **options):
    return FullDisk(path, mode) if "x" in mode else open(path, mode, **options)


def no_folder(folder, exist_ok):
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.fixture(
    params=["No space left on device", "Read-only file system", "Not a directory"]
)
def reason(request, cache, monkeypatch):
    """Why the disk takes nothing."""
    if request.param == "Not a directory":
        cache.write_text("a file", encoding="utf-8")
    elif request.param == "No space left on device":
        monkeypatch.setattr(_disk_cache, "open", open_on_full_disk, raising=False)
    else:
        # Simulated: the tests may run as root, whom no file mode stops.
        monkeypatch.setattr(os, "makedirs", no_folder)
    return request.param


def test_a_disk_that_refuses_is_warned_about_once(reason, cache, paths):
    message = rf"cannot be kept in the folder '{cache}/images' \({reason}\), so they"
    with pytest.warns(UserWarning, match=message) as warned:
        small_loader(cache).fit_transform(paths).read()
    assert len(warned) == 1


def test_threads_that_meet_a_full_disk_warn_once(cache, paths, monkeypatch):
    barrier = threading.Barrier(2, timeout=10)

    def refuse(folder, exist_ok):
        barrier.wait()  # Both threads are past the question whether to write.
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "makedirs", refuse)
    with pytest.warns(UserWarning, match="cannot be kept") as warned:
        small_loader(cache, n_jobs=2).fit(paths[:2])
    assert len(warned) == 1


@pytest.mark.filterwarnings("ignore:Decoded images cannot be kept")
def test_a_disk_that_refuses_changes_no_result(reason, cache, paths, expected):
    images = small_loader(cache).fit_transform(paths)
    np.testing.assert_array_equal(images.read(), expected)
    assert temporary_files(cache) == entries(cache) == []


@pytest.mark.filterwarnings("error")
def test_a_read_only_store_is_read(cache, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    store = store_with(cache, 1)
    monkeypatch.setattr(os, "utime", refuse)
    assert store.read_into(key_of(0), image_of(7))


# ------------------------------------------------------------------ bounded in size


def test_the_entries_not_used_for_longest_make_room(cache):
    store = store_with(cache, 10, max_bytes=10 * ENTRY_BYTES)
    age(cache, 2, seconds=0)
    store.write(key_of(10), image_of(10))
    assert kept(cache) == [2, *range(3, 11)]


def test_reading_an_entry_keeps_it(cache):
    store = store_with(cache, 10, max_bytes=10 * ENTRY_BYTES)
    assert store.read_into(key_of(0), image_of(7))
    store.write(key_of(10), image_of(10))
    assert kept(cache) == [0, *range(3, 11)]


def test_reading_an_entry_in_use_writes_nothing(cache):
    store = store_with(cache, 1)
    age(cache, 0, seconds=600)
    before = entry_of(cache, 0).stat().st_mtime_ns
    assert store.read_into(key_of(0), image_of(7))
    assert entry_of(cache, 0).stat().st_mtime_ns == before


def test_the_bound_holds_for_what_several_processes_write(cache):
    stores = [ImageStore(str(cache / "images"), 40 * ENTRY_BYTES) for _ in range(4)]
    for value in range(200):
        stores[value % 4].write(key_of(value), image_of(value))
        assert len(kept(cache)) <= 40 * (1 + 4 * 0.05)


def test_an_image_larger_than_the_bound_is_not_kept(cache, paths, expected):
    images = small_loader(cache, cache_size=10).fit_transform(paths)
    assert entries(cache) == []
    np.testing.assert_array_equal(images.read(), expected)


def test_a_store_too_small_for_all_changes_no_result(cache, paths, expected):
    loader = small_loader(cache, cache_size=3 * ENTRY_BYTES)
    for _ in range(3):
        images = loader.fit_transform(paths)
        np.testing.assert_array_equal(images.read(), expected)
        assert len(entries(cache)) <= 3


def test_an_entry_that_another_process_removes_is_not_counted(cache):
    store = store_with(cache, 3)
    # A name without a file, as after a removal between listing and asking.
    entry_of(cache, 7).symlink_to("nowhere")
    assert store._make_room() == 3 * ENTRY_BYTES


@pytest.mark.parametrize(("hours", "n_left"), [(0.5, 1), (2, 0)])
def test_temporary_files_of_killed_processes_are_swept(hours, n_left, cache):
    store_with(cache, 1)
    part = entry_of(cache, 0).with_suffix(f".{1:032x}.part")
    part.write_bytes(b"half an ima")
    then = time.time() - hours * 3600
    os.utime(part, (then, then))
    _disk_cache._tallies.clear()  # As in a later process.
    ImageStore(str(cache / "images"), 10**6).write(key_of(1), image_of(1))
    assert len(temporary_files(cache)) == n_left
    assert kept(cache) == [0, 1]


# --------------------------------------------------------------- cleaned on request


def test_clear_removes_all_entries(filled, paths):
    small_loader(filled, image_size=(3, 3)).fit(paths)
    assert small_loader(filled).clear_cache() == 2 * N_POSTERS
    assert list(filled.rglob("*")) == [filled / "images"]


def test_clear_removes_temporary_files(filled):
    entries(filled)[0].with_suffix(f".{1:032x}.part").write_bytes(b"half an ima")
    assert small_loader(filled).clear_cache() == N_POSTERS
    assert temporary_files(filled) == []


def test_clear_leaves_what_is_not_its_own(filled):
    shard = entries(filled)[0].parent
    others = [filled / "a.txt", filled / "images" / "b.rgb", shard / "notes.txt"]
    others += [
        shard / "c.rgb",
        shard / f"{1:032x}.part",
        filled / "images" / "xy" / "d",
    ]
    for other in others:
        other.parent.mkdir(exist_ok=True)
        other.write_text("of value", encoding="utf-8")
    small_loader(filled).clear_cache()
    left = [path for path in filled.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(others)


def test_a_cleared_store_fills_again(filled, paths, expected):
    images = small_loader(filled).fit_transform(paths)
    small_loader(filled).clear_cache()
    np.testing.assert_array_equal(images.read(), expected)
    assert len(entries(filled)) == N_POSTERS


def test_a_store_cleared_while_it_is_written_to_does_not_warn(
    cache, paths, monkeypatch
):
    rename = os.replace

    def clear_and_rename(source, target):
        small_loader(cache).clear_cache()
        rename(source, target)

    monkeypatch.setattr(os, "replace", clear_and_rename)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_loader(cache).fit(paths)
    assert entries(cache) == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [FileExistsError, FileNotFoundError])
def test_a_folder_that_is_cleared_away_is_made_again(kind, cache, monkeypatch):
    store, makedirs = ImageStore.open(cache, 10**9), os.makedirs

    def fail_once(folder, exist_ok):
        monkeypatch.setattr(os, "makedirs", makedirs)
        raise kind(errno.EEXIST, "there, and gone", folder)

    monkeypatch.setattr(os, "makedirs", fail_once)
    store.write("0" * 32, np.zeros(3, np.uint8))
    assert store.holds("0" * 32, 3)


def test_an_entry_that_cannot_be_removed_is_not_counted_as_removed(filled, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "unlink", refuse)
    assert small_loader(filled).clear_cache() == 0


@pytest.mark.parametrize("cache", [None, "nowhere"])
def test_clear_without_a_cache_removes_nothing(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert PosterImageLoader(cache_dir=cache).clear_cache() == 0
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ where it is kept


def test_the_environment_variable_names_the_folder(cache, paths, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", str(cache))
    small_loader(None).fit(paths)
    assert len(entries(cache)) == N_POSTERS
    assert small_loader(None).clear_cache() == N_POSTERS


def test_the_parameter_goes_before_the_variable(cache, paths, tmp_path, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", str(tmp_path / "other"))
    small_loader(cache).fit(paths)
    assert len(entries(cache)) == N_POSTERS
    assert not (tmp_path / "other").exists()


def test_an_empty_variable_names_no_folder(paths, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", "")
    assert small_loader(None).fit_transform(paths).store is None


def test_the_home_folder_may_be_short(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    small_loader("~/cache").fit(paths)
    assert len(entries(tmp_path / "cache")) == N_POSTERS


def test_a_relative_folder_is_found_from_elsewhere(paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = small_loader("cache").fit_transform(paths)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert images.store.holds(images.keys[0], ENTRY_BYTES - 4)


def test_nothing_is_kept_in_a_block_that_says_so(paths, tmp_path, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", str(tmp_path))
    with disable_caches():
        assert small_loader(None).fit_transform(paths).store is None
        assert small_loader(tmp_path).fit_transform(paths).store is None
    with pytest.raises(KeyError), disable_caches():
        raise KeyError
    store = small_loader(None).fit_transform(paths).store
    assert store.folder == str(tmp_path / "images")

"""Rows may hold paths, bytes of image files, PIL images, or dicts of bytes and path."""

import io
import pickle
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_posters import PosterImageLoader
from sk_posters._images._cache import hash_decoded
from sk_posters._images._decoding import decode_image, decode_within
from sk_posters._images._sources import MemoryImage, as_source, check_sources
from sk_posters.exceptions import PosterFileError

ORIENTATION = 0x0112


@pytest.fixture
def path(tmp_path):
    """A JPEG that lies on its side."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / "poster.jpg"
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def load(item, **params):
    return PosterImageLoader(image_size=(6, 4), n_jobs=1, **params).fit_transform(item)


FORMS = {
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "opened": Image.open,
    "loaded": lambda path: Image.open(io.BytesIO(path.read_bytes())).copy(),
    "dict of bytes": lambda path: {"bytes": path.read_bytes(), "path": None},
    "dict of both": lambda path: {"bytes": path.read_bytes(), "path": "gone.jpg"},
    "dict of path": lambda path: {"bytes": None, "path": str(path)},
    "dict without bytes": lambda path: {"path": path},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_file_gives_the_pixels_of_its_path(form, path):
    expected = load([path]).read()
    assert expected.any()
    image = FORMS[form](path)
    if form == "loaded":
        image.info["exif"] = Image.open(path).info["exif"]
    np.testing.assert_array_equal(load([image]).read(), expected)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"]
)
def test_pil_images_of_every_mode_are_taken(mode):
    image = Image.new("RGB", (4, 6), "white").convert(mode)
    assert load([image]).read().min() == 255


def test_a_pil_image_of_16_bits_is_scaled_as_its_file_is():
    image = Image.fromarray(np.array([[0, 16, 4095]], dtype=np.uint16))
    pixels = PosterImageLoader(image_size=(1, 3)).fit_transform([image]).read()
    assert pixels[0, 0, :, 0].tolist() == [0, 1, 255]


def test_the_image_of_the_caller_is_not_changed():
    image = Image.new("P", (4, 6))
    image.info["transparency"] = bytes(range(16))
    before = image.copy()
    load([image])
    assert image.mode == "P"
    assert image.info == before.info


def list_containers(items):
    arrays = np.empty(len(items), dtype=object)
    arrays[:] = items
    series = pd.Series(items, index=range(5, 5 + len(items)), dtype=object)
    return {
        "list": list(items),
        "tuple": tuple(items),
        "array": arrays,
        "series": series,
        "frame": series.to_frame("image"),
        "column": arrays[:, np.newaxis],
    }


CONTAINERS = ["list", "tuple", "array", "series", "frame", "column"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_forms_may_be_mixed_in_any_container(container, path):
    items = [make(path) for name, make in FORMS.items() if name != "loaded"]
    pixels = load(list_containers([str(path), *items])[container]).read()
    assert len(pixels) == len(items) + 1
    assert (pixels == pixels[0]).all()


@pytest.mark.parametrize("kind", ["binary", "struct"])
def test_columns_of_arrow_are_taken(kind, path):
    arrow = pytest.importorskip("pyarrow")
    types = {
        "binary": arrow.binary(),
        "struct": arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())]),
    }
    content = path.read_bytes()
    value = {"binary": content, "struct": {"bytes": content, "path": None}}[kind]
    column = pd.Series([value, value], dtype=pd.ArrowDtype(types[kind]))
    for X in (column, column.to_numpy(), column.to_frame()):
        np.testing.assert_array_equal(load(X).read(), load([path, path]).read())


def test_a_missing_value_of_arrow_is_refused_with_its_row(path):
    arrow = pytest.importorskip("pyarrow")
    values = [path.read_bytes(), None]
    column = pd.Series(values, dtype=pd.ArrowDtype(arrow.binary()))
    with pytest.raises(ValueError, match=r"got <NA> in row 1, counted from 0: drop"):
        load(column)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (b"\xff\xd8", r"got a single bytes: pass \[X\]"),
        ({"bytes": b"", "path": None}, r"got a single dict: pass \[X\]"),
        (Image.new("L", (1, 1)), r"got a single Image: pass \[X\]"),
        ([{"bytes": None, "path": None}], r"got neither in row 0, counted from 0"),
        (["a.jpg", {"image": 1}], r"neither in row 1, .* has the keys \['image'\]"),
        ([{"bytes": "abc"}], r"bytes of an image file as 'bytes'; got 'abc' in row 0"),
        ([{"path": 7}], r"got 7 in row 0"),
        ([{"path": "http://x.org/a.jpg"}], r"URL 'http://x\.org/a\.jpg' in row 0"),
        (np.array([b"ab\0", b"c"]), r"dtype \|S3, which cuts zero bytes off the end"),
    ],
)
def test_what_is_no_image_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        load(X)


def test_no_message_holds_the_bytes_of_a_file():
    content = b"secret" * 10_000
    with pytest.raises(ValueError, match="got ") as caught:
        load([{"bytes": [content]}])
    assert len(str(caught.value)) < 500
    with pytest.raises(PosterFileError) as caught:
        load([content])
    assert "secret" not in str(caught.value)


def test_an_error_names_the_row_and_the_path_of_a_dict(path):
    X = [path, b"no image", {"bytes": b"", "path": "a.jpg"}, path.read_bytes()[:300]]
    with pytest.raises(PosterFileError) as caught:
        load(X)
    (first, unknown), (second, empty), (third, damaged) = caught.value.failed
    assert [first, second, third] == [
        "row 1: bytes (8 B)",
        "row 2: bytes (0 B) of a.jpg",
        "row 3: bytes (300 B)",
    ]
    assert unknown == "not an image, or in a format that is not read"
    assert empty == "the file is empty (0 bytes)"
    assert damaged.startswith("cannot be decoded, it may be damaged or cut off")


def test_a_closed_pil_image_is_an_error_that_names_its_row(path):
    image = Image.open(path)
    image.close()
    message = r"row 0: PIL image \(RGB, 20 x 30\) of .*poster\.jpg': cannot be decoded"
    with pytest.raises(PosterFileError, match=message):
        load([image])


def test_black_images_replace_bad_rows_and_none_shifts(path):
    good = path.read_bytes()
    loader = PosterImageLoader(image_size=(6, 4), on_error="blank")
    with pytest.warns(UserWarning, match=r"'row 1: bytes \(3 B\)'"):
        images = loader.fit_transform([good, b"bad", path, b"bad"])
    pixels = images.read()
    assert not pixels[[1, 3]].any()
    assert pixels[0].any()
    np.testing.assert_array_equal(pixels[0], pixels[2])
    assert loader.failed_ == ["row 1: bytes (3 B)"]  # Once, as paths are.


def test_postscript_is_not_run_from_memory_either():
    with pytest.raises(PosterFileError, match=r"row 0.*PostScript, a program"):
        load([b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"])


def test_too_many_pixels_are_refused_in_memory_too(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(PosterFileError, match=r"row 0.*more than the 10 pixels"):
        load([Image.new("RGB", (4, 4))])


# ------------------------------------------------------------------- caches and pickles


def test_bytes_share_the_cache_entry_of_their_file(path, tmp_path):
    cache = tmp_path / "cache"
    load([path], cache_dir=cache)
    loader = PosterImageLoader(image_size=(6, 4), cache_dir=cache)
    images = loader.fit_transform([{"bytes": path.read_bytes(), "path": "other.jpg"}])
    assert loader.n_decoded_ == 0
    np.testing.assert_array_equal(images.read(), load([path]).read())


def test_pil_images_are_cached_by_their_pixels(path, tmp_path):
    def count(image):
        loader = PosterImageLoader(image_size=(6, 4), cache_dir=tmp_path / "cache")
        images = loader.fit_transform([image])
        np.testing.assert_array_equal(images.read(), load([image]).read())
        return loader.n_decoded_

    image = Image.open(path)
    assert [count(image), count(Image.open(path)), count(image)] == [1, 0, 0]
    image.putpixel((0, 0), (0, 0, 0))
    assert count(image) == 1


def test_keys_tell_pixels_and_orientation_apart():
    images = [Image.new("RGB", size) for size in [(2, 3), (3, 2), (1, 6)]]
    images += [Image.new("RGB", (2, 3), "white"), Image.new("L", (2, 3), 255)]
    keys = [hash_decoded(MemoryImage(image), (6, 4), "nearest") for image in images]
    assert len(set(keys)) == 4
    assert keys[3] == keys[4]  # White in grey is white.


def test_a_broken_image_has_no_key(path):
    image = Image.open(path)
    image.close()
    assert hash_decoded(MemoryImage(image), (6, 4), "nearest") is None


def test_sources_survive_pickle(path):
    X = [str(path), path.read_bytes(), Image.open(path)]
    images = pickle.loads(pickle.dumps(load(X)))
    assert [str(source) for source in images.sources] == [
        str(path),
        f"row 1: bytes ({path.stat().st_size:,} B)",
        f"row 2: PIL image (RGB, 20 x 30) of {path}",
    ]
    np.testing.assert_array_equal(images.read(), load(X).read())


def test_equal_bytes_are_one_source_and_equal_pil_images_are_not(path):
    first, second = (as_source(path.read_bytes(), row) for row in (3, 7))
    assert first == second
    assert len({first, second, str(path)}) == 2
    image = Image.new("L", (1, 1))
    assert as_source(image) == as_source(image) != as_source(image.copy())


def test_sources_stay_as_they_are():
    sources = check_sources(["a.jpg", b"abc", Image.new("L", (1, 1))])
    again = check_sources(sources[1:])
    assert again.tolist() == sources[1:].tolist()
    assert str(again[0]) == "row 1: bytes (3 B)"


def test_shrunk_images_keep_their_proportions(path):
    image = decode_within(as_source(Image.open(path)), 15)
    np.testing.assert_array_equal(image, decode_within(path, 15))
    assert image.shape == (10, 15, 3)  # Turned upright.


# --------------------------------------------------------------------------------- HEIC

HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(64)


def test_heic_names_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    for source in (path, as_source(HEIC, 3)):
        with pytest.raises(PosterFileError, match=r"HEIC.*pip install pillow-heif"):
            decode_image(source, (6, 4))


def test_heic_is_read_where_its_package_is_installed(tmp_path, monkeypatch):
    calls = []
    package = ModuleType("pillow_heif")
    package.register_heif_opener = lambda: register(calls)
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    assert decode_image(path, (6, 4))[0, 0].tolist() == [1, 2, 3]
    assert calls == ["registered"]


def register(calls):
    """Do what pillow_heif does: tell Pillow how to open such files."""
    calls.append("registered")
    Image.register_open(
        "HEIF",
        lambda file, name: Image.new("RGB", (4, 6), (1, 2, 3)),
        lambda head: head[4:12] == b"ftypheic",
    )


def test_real_heic_is_read(tmp_path):
    package = pytest.importorskip("pillow_heif")
    pixels = np.full((64, 48, 3), 200, dtype=np.uint8)
    package.from_pillow(Image.fromarray(pixels)).save(tmp_path / "a.heic")
    image = decode_image(tmp_path / "a.heic", (6, 4))
    assert abs(image.astype(int) - 200).max() < 4


def test_an_avif_that_pillow_cannot_read_is_not_called_heic(tmp_path):
    path = tmp_path / "a.avif"
    path.write_bytes(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf")
    with pytest.raises(PosterFileError) as caught:
        decode_image(path, (6, 4))
    assert "HEIC" not in str(caught.value)

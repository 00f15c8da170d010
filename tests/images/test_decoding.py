"""Files of every kind come out as upright RGB, or are refused with a reason."""

import pickle
import warnings

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from sk_posters._images import _sources
from sk_posters._images._decoding import decode_image, decode_within
from sk_posters._images._sources import MemoryImage
from sk_posters.exceptions import PosterFileError, describe_failures

INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
ORIENTATION = 0x0112


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def coloured():
    return Image.fromarray(noise(53, 37, 3))


def palette_with_transparency():
    image = coloured().quantize(16)
    image.info["transparency"] = bytes(range(16))
    return image


# File name, what is saved, how it is saved.
KINDS = {
    "rgb.jpg": (coloured, {}),
    "large.jpg": (lambda: Image.fromarray(noise(444, 500, 3)), {}),
    "progressive.jpg": (coloured, {"progressive": True}),
    "grey.jpg": (lambda: coloured().convert("L"), {}),
    "cmyk.jpg": (lambda: coloured().convert("CMYK"), {}),
    "rgb.png": (coloured, {}),
    "grey.png": (lambda: coloured().convert("L"), {}),
    "one_bit.png": (lambda: coloured().convert("1"), {}),
    "palette.png": (lambda: coloured().quantize(16), {}),
    "transparent_palette.png": (palette_with_transparency, {}),
    "rgba.png": (lambda: Image.fromarray(noise(53, 37, 4)), {}),
    "la.png": (lambda: Image.fromarray(noise(53, 37, 2), "LA"), {}),
    "rgb.bmp": (coloured, {}),
    "rgb.webp": (coloured, {}),
    "rgb.tiff": (coloured, {}),
    "animated.gif": (
        coloured,
        {"save_all": True, "append_images": [Image.new("RGB", (37, 53))]},
    ),
}


def save(kind, folder):
    make, options = KINDS[kind]
    path = folder / kind
    make().save(path, **options)
    return path


def keras_values(path, interpolation="nearest"):
    from keras.utils import img_to_array, load_img

    image = load_img(path, target_size=(350, 350), interpolation=interpolation)
    return img_to_array(image)


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_keras(kind, tmp_path):
    path = save(kind, tmp_path)
    image = decode_image(path, (350, 350))
    np.testing.assert_array_equal(image, keras_values(path))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_interpolations_are_those_of_keras(interpolation, tmp_path):
    path = save("rgb.jpg", tmp_path)
    image = decode_image(path, (350, 350), interpolation)
    np.testing.assert_array_equal(image, keras_values(path, interpolation))


def test_real_posters_have_the_values_of_keras(real_posters):
    for path in sorted((real_posters / "Images").glob("*.jpg"))[:50]:
        np.testing.assert_array_equal(
            decode_image(path, (350, 350)), keras_values(path), err_msg=str(path)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_out_as_rgb_bytes_without_a_warning(kind, tmp_path):
    path = save(kind, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = decode_image(str(path), (5, 4))
    assert image.shape == (5, 4, 3)
    assert image.dtype == np.uint8
    assert image.flags.writeable


def test_size_is_height_then_width(tmp_path):
    pixels = noise(2, 3, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png", (2, 3)), pixels)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda pixels: pixels),
        (2, lambda pixels: pixels[:, ::-1]),
        (3, lambda pixels: pixels[::-1, ::-1]),
        (4, lambda pixels: pixels[::-1]),
        (5, lambda pixels: pixels.swapaxes(0, 1)),
        (6, lambda pixels: np.rot90(pixels, -1)),
        (7, lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda pixels: np.rot90(pixels)),
        (99, lambda pixels: pixels),
    ],
)
@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_exif_orientation_is_applied(orientation, turned, ending, tmp_path):
    pixels = noise(2, 3, 3)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"turned.{ending}"
    Image.fromarray(pixels).save(path, exif=exif)
    upright = turned(pixels)
    image = decode_image(path, upright.shape[:2])
    np.testing.assert_array_equal(image, upright)


def test_orientation_of_16_bit_grey_is_applied(tmp_path):
    values = np.array([[0, 65535]], dtype=np.uint16)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    image = decode_image(tmp_path / "a.png", (1, 2))
    assert image[0, :, 0].tolist() == [255, 0]


def test_broken_exif_does_not_matter(tmp_path):
    path = tmp_path / "a.png"
    coloured().save(path, exif=b"Exif\0\0no metadata at all")
    with Image.open(path) as image, pytest.raises(SyntaxError):
        image.getexif()
    np.testing.assert_array_equal(decode_image(path, (350, 350)), keras_values(path))


@pytest.mark.parametrize(
    ("file_name", "dtype", "modes"),
    [
        ("a.png", "<u2", {"I", "I;16"}),  # By the version of Pillow.
        ("a.tiff", "<u2", {"I;16"}),
        ("a.tiff", ">u2", {"I;16B"}),
        ("a.tiff", "<i4", {"I"}),
    ],
)
def test_16_bit_grey_is_scaled_not_clipped(file_name, dtype, modes, tmp_path):
    values = np.array([[0, 255, 256, 32768, 65535]], dtype=dtype)
    Image.fromarray(values).save(tmp_path / file_name)
    with Image.open(tmp_path / file_name) as image:
        assert image.mode in modes
    image = decode_image(tmp_path / file_name, (1, 5))
    for channel in range(3):
        assert image[0, :, channel].tolist() == [0, 0, 1, 128, 255]


def test_16_bit_pgm_is_scaled_not_clipped(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 3 1 65535 " + np.array([255, 256, 65535], ">u2").tobytes())
    assert decode_image(path, (1, 3))[0, :, 0].tolist() == [0, 1, 255]


def test_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode_image(tmp_path / "a.gif", (4, 4)).min() == 255


@pytest.mark.parametrize(
    ("shape", "kept"),
    [((6, 8), (6, 8)), ((7, 6), (7, 6)), ((32, 16), (8, 4)), ((3, 80), (1, 8))],
    ids=["largest", "smaller", "larger", "thin"],
)
def test_an_image_within_a_largest_side_keeps_its_proportions(shape, kept, tmp_path):
    pixels = noise(*shape, 3)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    image = decode_within(path, 8)
    np.testing.assert_array_equal(image, decode_image(path, kept, "lanczos"))


def test_an_image_within_a_largest_side_is_upright(tmp_path):
    pixels = noise(2, 3, 3)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = decode_within(tmp_path / "a.png", 8)
    np.testing.assert_array_equal(image, np.rot90(pixels, -1))


def test_an_image_with_broken_exif_keeps_its_size(tmp_path):
    coloured().save(tmp_path / "a.png", exif=b"Exif\0\0no metadata at all")
    assert decode_within(tmp_path / "a.png", 99).shape == (53, 37, 3)


def test_a_file_that_has_no_size_is_refused(tmp_path):
    with pytest.raises(PosterFileError, match=r"missing\.jpg': no such file"):
        decode_within(tmp_path / "missing.jpg", 8)


def refuse(path, message):
    with pytest.raises(PosterFileError, match=message) as caught:
        decode_image(path, (8, 8))
    assert [failed for failed, _ in caught.value.failed] == [str(path)]


def test_missing_file_is_refused(tmp_path):
    refuse(tmp_path / "missing.jpg", r"missing\.jpg': no such file")


def test_directory_is_refused(tmp_path):
    refuse(tmp_path, "is a directory, not a file")


def test_file_below_a_file_is_refused(tmp_path):
    save("rgb.png", tmp_path)
    refuse(tmp_path / "rgb.png" / "b.png", "Not a directory")


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    refuse(tmp_path / "a.jpg", r"a\.jpg': the file is empty \(0 bytes\)")


@pytest.mark.parametrize("share", [0.5, 0.7, 0.95])
@pytest.mark.parametrize("kind", ["rgb.jpg", "progressive.jpg", "rgb.png"])
def test_truncated_file_is_refused(kind, share, tmp_path):
    path = save(kind, tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse(path, r"cannot be decoded, it may be damaged or cut off \(\w+: ")


def test_file_that_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>404 Not Found</html>", encoding="utf-8")
    refuse(tmp_path / "a.jpg", "not an image, or in a format that is not read")


@pytest.mark.filterwarnings("ignore:BMP support not installed")
def test_format_that_pillow_was_built_without_is_refused(tmp_path, monkeypatch):
    path = save("rgb.bmp", tmp_path)
    factory, _ = Image.OPEN["BMP"]
    lacking = (factory, lambda prefix: "BMP support not installed")
    monkeypatch.setitem(Image.OPEN, "BMP", lacking)
    monkeypatch.setattr(Image, "ID", ["BMP"])
    refuse(path, "in a format that is not read")


def test_file_without_permission_is_refused(tmp_path, monkeypatch):
    def deny(path, mode, opener):
        raise PermissionError(13, "Permission denied", path)

    # The tests may run as root, whom no file mode stops.
    monkeypatch.setattr(_sources, "open", deny, raising=False)
    refuse(save("rgb.png", tmp_path), r"rgb\.png': no permission to read it")


@pytest.mark.parametrize("limit", [37 * 53 - 1, 10])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb_is_refused(limit, tmp_path, monkeypatch):
    path = save("rgb.png", tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    refuse(path, f"more than the {limit} pixels allowed, .* bomb")


def test_decompression_bomb_is_known_by_its_header(tmp_path, monkeypatch):
    path = save("rgb.png", tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    refuse(path, "decompression bomb")


@pytest.mark.parametrize("limit", [None, 37 * 53])
def test_image_within_the_limit_is_decoded(limit, tmp_path, monkeypatch):
    path = save("rgb.png", tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert decode_image(path, (53, 37)).shape == (53, 37, 3)


def numbered(folder, height, width):
    """Save a grey image whose pixels are numbered row by row; return its path."""
    pixels = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    Image.fromarray(pixels).save(folder / "numbered.png")
    return folder / "numbered.png"


@pytest.mark.parametrize(
    ("crop_from", "expected"),
    [
        # 6 x 4 stays: (6 - 2) // 2 = 2 rows above, (4 - 3) // 2 = 0 columns left.
        (4, [[8, 9, 10], [12, 13, 14]]),
        ((6, 4), [[8, 9, 10], [12, 13, 14]]),
        # Every other pixel of 6 x 4 is left in 3 x 2, and 3 columns need a black one.
        (2, [[0, 5, 7], [0, 13, 15]]),
    ],
)
def test_an_image_is_cut_out_of_the_centre(crop_from, expected, tmp_path):
    path = numbered(tmp_path, 6, 4)
    image = decode_image(path, (2, 3), "nearest", crop_from)
    np.testing.assert_array_equal(image[:, :, 0], expected)


def test_the_longer_side_is_rounded_down(tmp_path):
    # int(3 * 5 / 4) = 3, so nothing is left to cut off; 4 would be nearer.
    image = decode_image(numbered(tmp_path, 5, 4), (3, 3), "bilinear", 3)
    expected = Image.open(tmp_path / "numbered.png").resize((3, 3), 2)
    np.testing.assert_array_equal(image[:, :, 0], expected)


def test_a_strip_is_not_enlarged_beyond_the_limit(tmp_path, monkeypatch):
    path = numbered(tmp_path, 1, 200)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PosterFileError, match="decompression bomb"):
        decode_image(path, (8, 8), "nearest", 8)


def test_error_is_what_callers_already_catch():
    assert issubclass(PosterFileError, OSError)
    assert issubclass(PosterFileError, ValueError)


def test_error_names_the_next_step():
    with pytest.raises(PosterFileError, match=r"drop their rows.*on_error='blank'"):
        raise PosterFileError([("a.jpg", "no such file")])


def test_error_keeps_its_cause(tmp_path):
    with pytest.raises(PosterFileError) as caught:
        decode_image(tmp_path / "missing.jpg", (8, 8))
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_error_survives_pickle():
    error = PosterFileError([("a.jpg", "no such file"), ("b.jpg", "is empty")])
    copy = pickle.loads(pickle.dumps(error))
    assert copy.failed == error.failed
    assert str(copy) == str(error)


def test_five_files_are_named_and_the_others_counted():
    failed = [(f"{number}.jpg", "no such file") for number in range(7)]
    assert describe_failures(failed).splitlines() == [
        "7 files cannot be used as a poster:",
        *(f"  '{number}.jpg': no such file" for number in range(5)),
        "  and 2 more",
    ]


def test_one_file_is_named_in_the_singular():
    text = describe_failures([("a.jpg", "no such file")])
    assert text == "1 file cannot be used as a poster:\n  'a.jpg': no such file"


def test_unknown_interpolation_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(KeyError, match="CUBIC"):
        decode_image(save("rgb.png", tmp_path), (8, 8), "cubic")


def test_postscript_is_not_run(tmp_path):
    Image.new("RGB", (4, 6), "red").save(tmp_path / "a.eps")
    refuse(tmp_path / "a.eps", "it is PostScript, a program that Pillow would have")


# -- drafts --------------------------------------------------------------------------


def save_smooth(folder, height, width, name="it.jpg", **options):
    """Save waves, red across and green down."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(9 * columns / width), np.cos(7 * rows / height)]
    pixels = np.stack([*waves, waves[0] * waves[1]], axis=-1)
    path = folder / name
    Image.fromarray((127 * (pixels + 1)).astype(np.uint8)).save(path, **options)
    return path


@pytest.fixture
def drafted(monkeypatch):
    """Note the sizes to which JPEG files are decoded."""
    sizes, load = [], JpegImageFile.load

    def load_and_note(image):
        if image.tile:  # Not loaded before.
            sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(JpegImageFile, "load", load_and_note)
    return sizes


@pytest.mark.parametrize(
    ("file_size", "decoded"),
    [
        ((800, 640), (80, 100)),  # An eighth.
        ((400, 320), (80, 100)),
        ((399, 320), (160, 200)),
        ((199, 161), (161, 199)),  # Less than twice as high: whole.
    ],
)
def test_a_draft_is_at_least_twice_as_large(file_size, decoded, tmp_path, drafted):
    path = save_smooth(tmp_path, *file_size, quality=95)
    whole = decode_image(path, (50, 40), "bilinear")
    assert drafted == [file_size[::-1]]
    draft = decode_image(path, (50, 40), "bilinear", draft=True)
    assert drafted[1:] == [decoded]
    if decoded == file_size[::-1]:
        np.testing.assert_array_equal(draft, whole)
    assert np.abs(draft.astype(int) - whole).max() < 5


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_draft_is_upright(orientation, tmp_path, drafted):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save_smooth(tmp_path, 600, 160, quality=95, exif=exif)
    size = (75, 20) if orientation in (1, 3) else (20, 75)
    draft = decode_image(path, size, "bilinear", draft=True)
    assert drafted == [(40, 150)]
    whole = decode_image(path, size, "bilinear")
    assert np.abs(draft.astype(int) - whole).max() < 8


def test_other_formats_and_cut_images_have_no_draft(tmp_path, drafted):
    path = save_smooth(tmp_path, 800, 640, "it.png")
    np.testing.assert_array_equal(
        decode_image(path, (50, 40), draft=True), decode_image(path, (50, 40))
    )
    path = save_smooth(tmp_path, 800, 640)
    decode_image(path, (50, 40), "bilinear", crop_from=60, draft=True)
    assert drafted == [(640, 800)]
    with Image.open(path) as image:  # Of the caller, who may want all of it.
        decode_image(MemoryImage(image, 0), (50, 40), draft=True)
        assert image.size == (640, 800)

"""Images of more than 8 bits a channel keep what they show."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from sk_posters import PosterImageLoader, check_posters
from sk_posters._images._decoding import decode_image, decode_whole
from sk_posters.exceptions import PosterFileError

GREY, COLOUR, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 4, 6  # Colour types of a PNG.


def save_png(path, values, kind):
    """Save 16-bit values of shape (height, width, channels), which Pillow cannot."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + checksum.to_bytes(4)

    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def save_tiff(path, content, size, *, bits, order="<", photometric=1, compression=1):
    """Save a TIFF of one strip, with tags that Pillow does not write."""
    width, height = size
    tags = [
        *((256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, compression)),
        *((262, 3, photometric), (273, 4, 8), (277, 3, len(bits)), (278, 3, height)),
        (279, 4, len(content)),
    ]
    start = 8 + len(content)
    extra, entries = b"", b""
    for tag, kind, value in tags:
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(order + len(values) * ("H" if kind == 3 else "I"), *values)
        if len(packed) > 4:
            place = start + 2 + 12 * len(tags) + 4 + len(extra)
            extra += packed
            packed = struct.pack(order + "I", place)
        head = struct.pack(order + "HHI", tag, kind, len(values))
        entries += head + packed.ljust(4, b"\0")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(
        mark
        + struct.pack(order + "I", start)
        + content
        + struct.pack(order + "H", len(tags))
        + entries
        + b"\0\0\0\0"
        + extra
    )
    return path


def decode_row(path, width):
    """Return the red channel of an image of one row."""
    return decode_image(path, (1, width))[0, :, 0].tolist()


SMALL = ([[0, 10, 255]], [0, 10, 255])
TWELVE = ([[0, 256, 4095]], [0, 16, 255])
LARGE = ([[0, 4096, 65535]], [0, 16, 255])


@pytest.mark.parametrize(("values", "expected"), [SMALL, TWELVE, LARGE])
@pytest.mark.parametrize(
    ("file_name", "dtype"),
    [
        ("a.png", "<u2"),
        ("a.tiff", "<u2"),
        ("a.tiff", ">u2"),
        ("a.tiff", "<i4"),
        ("a.pgm", "<i4"),
    ],
)
def test_grey_is_scaled_by_the_bits_that_its_largest_value_needs(
    values, expected, file_name, dtype, tmp_path
):
    path = tmp_path / file_name
    Image.fromarray(np.array(values, dtype=dtype)).save(path)
    assert decode_row(path, 3) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 0.25, 1]], [0, 64, 255]),
        ([[0, 100.4, 255]], [0, 100, 255]),
        TWELVE,
        LARGE,
    ],
)
def test_floats_up_to_one_are_stretched_and_larger_ones_rounded(
    values, expected, tmp_path
):
    path = tmp_path / "a.tiff"
    Image.fromarray(np.array(values, dtype=np.float32)).save(path)
    assert decode_row(path, 3) == expected


def test_a_tiff_that_declares_12_bits_is_believed_though_it_is_dark(tmp_path):
    content = bytes([0x00, 0x00, 0x10, 0x0F, 0xF0, 0x00])  # 0x000, 0x010, 0x0FF, 0.
    path = save_tiff(tmp_path / "a.tiff", content, (4, 1), bits=(12,))
    assert decode_row(path, 4) == [0, 1, 15, 0]
    assert decode_whole(path)[1] == "read as 12 bits, as the file declares"


def test_a_pgm_that_declares_12_bits_is_believed_though_it_is_dark(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 3 1 4095 " + np.array([0, 16, 255], ">u2").tobytes())
    # 255 of 4095 are 4080 of 65535, 15 in the high byte.
    assert decode_row(path, 3) == [0, 1, 15]


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without JPEG 2000")
def test_a_jpeg_2000_declares_its_bits(tmp_path):
    path = tmp_path / "a.jp2"
    values = np.full((8, 8), 300, dtype=np.uint16)
    Image.fromarray(values).save(path, irreversible=False)
    assert decode_image(path, (8, 8)).max() == 1


@pytest.mark.parametrize(("values", "expected"), [SMALL, TWELVE, LARGE])
@pytest.mark.parametrize("kind", [COLOUR, COLOUR_ALPHA])
def test_colours_of_a_png_are_scaled_as_grey_is(values, expected, kind, tmp_path):
    values = np.array(values)[..., np.newaxis].repeat(3, axis=2)
    values[..., 2] = 0
    if kind == COLOUR_ALPHA:
        values = np.dstack([values, np.full((1, 3), 65535)])
    path = save_png(tmp_path / "a.png", values, kind)
    image = decode_image(path, (1, 3))
    assert image[0, :, 0].tolist() == image[0, :, 1].tolist() == expected
    assert image[..., 2].max() == 0


@pytest.mark.parametrize(("values", "expected"), [SMALL, TWELVE, LARGE])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_colours_of_a_tiff_are_scaled_as_grey_is(
    values, expected, order, compression, tmp_path
):
    values = np.array(values, dtype=f"{order}u2")[..., np.newaxis].repeat(3, axis=2)
    content = values.tobytes()
    path = save_tiff(
        tmp_path / "a.tiff",
        content if compression == 1 else zlib.compress(content),
        (3, 1),
        bits=(16, 16, 16),
        order=order,
        photometric=2,
        compression=compression,
    )
    assert decode_row(path, 3) == expected


def test_colours_of_16_bits_in_all_are_not_deep(tmp_path):
    path = tmp_path / "a.bmp"
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0) + masks
    content = struct.pack("<HH", 0x0000, 0x0001)  # Black, and the darkest blue.
    size = 14 + len(header)
    start = b"BM" + struct.pack("<IHHI", size + len(content), 0, 0, size)
    path.write_bytes(start + header + content)
    pixels, depth = decode_whole(path)
    assert pixels.tolist() == [[[0, 0, 0], [0, 0, 8]]]
    assert depth is None


def refuse(path, message):
    with pytest.raises(PosterFileError, match=message) as caught:
        decode_image(path, (8, 8))
    assert [name for name, _ in caught.value.failed] == [str(path)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"NaN or infinity \(mode F\): replace them"),
        (np.inf, "NaN or infinity"),
        (-0.5, r"negative values, down to -0\.5 \(mode F\): add an offset"),
        (70000, "values, up to 70000, do not fit 16 bits: save it with 8 or 16 bits"),
    ],
)
def test_floats_of_unknown_range_are_refused(value, message, tmp_path):
    path = tmp_path / "a.tiff"
    Image.fromarray(np.array([[0, value]], dtype=np.float32)).save(path)
    refuse(path, message)


@pytest.mark.parametrize(
    ("value", "message"), [(-1, "negative values, down to -1"), (65536, "up to 65536")]
)
def test_whole_numbers_of_unknown_range_are_refused(value, message, tmp_path):
    Image.new("I", (3, 2), value).save(tmp_path / "a.tiff")
    refuse(tmp_path / "a.tiff", message)


def test_dark_grey_with_alpha_is_refused_because_pillow_cuts_its_low_bytes(tmp_path):
    values = np.array([[[255, 65535], [10, 65535]]])
    path = save_png(tmp_path / "a.png", values, GREY_ALPHA)
    refuse(path, "hold 12 bits at most, and Pillow reads the high byte only")


def test_dark_colours_opened_by_pil_are_refused_rather_than_black(tmp_path):
    values = np.array([[[10, 200, 255]]])
    path = save_png(tmp_path / "a.png", values, COLOUR)
    loader = PosterImageLoader(image_size=(1, 1))
    pixels = loader.fit_transform([path.read_bytes()]).read()
    assert pixels[0, 0, 0].tolist() == [10, 200, 255]
    with pytest.raises(PosterFileError, match=r"row 0.*reads the high byte only"):
        loader.fit([Image.open(path)])


def test_grey_with_alpha_of_16_bits_is_read(tmp_path):
    values = np.array([[[4096, 65535], [65535, 65535]]])
    path = save_png(tmp_path / "a.png", values, GREY_ALPHA)
    assert decode_row(path, 2) == [16, 255]


def test_a_check_lists_images_of_more_than_8_bits_with_the_bits_used(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 200, (70, 70))
    pixels[0, 0] = 200
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray(pixels.astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray((pixels / 200).astype(np.float32)).save(tmp_path / "float.tiff")
    paths = [str(tmp_path / name) for name in ("8.png", "16.png", "float.tiff")]
    check = check_posters(paths, [[1, 0], [0, 1], [1, 0]], max_distance=None)
    found = check.findings[check.findings["kind"] == "more than 8 bits"]
    assert found["severity"].unique().tolist() == ["note"]
    assert found["paths"].tolist() == [(paths[1],), (paths[2],)]
    assert found["detail"].tolist() == [
        "read as 8 bits, as its largest value is 200",
        "floats from 0 to 1, multiplied by 255",
    ]
    assert found["advice"].str.contains("save it with 8 bits a channel").all()

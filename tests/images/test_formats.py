"""Which formats are read, and how large an image and how many its scans may be."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, IcnsImagePlugin, Image, IptcImagePlugin

from sk_posters import PosterImageLoader
from sk_posters._images import _decoding, _scans, _sources
from sk_posters._images._decoding import decode_image, decode_whole
from sk_posters._images._scans import MAX_SCANS, count_scans
from sk_posters._images._sources import list_formats
from sk_posters._images._suffixes import FORMATS, image_suffixes
from sk_posters.datasets._checks import check_posters
from sk_posters.exceptions import PosterFileError

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def iptc(content, size=(9, 9)):
    """Return an IPTC file that holds another file, such as PostScript."""

    def field(tag, data):
        return bytes([28, *tag]) + struct.pack(">H", len(data)) + data

    width, height = (struct.pack(">H", side) for side in size)
    return (
        field((3, 60), b"\1\0")
        + field((3, 20), width)
        + field((3, 30), height)
        + field((3, 120), b"\5")
        + b"".join(
            field((8, 10), content[start : start + 8000])
            for start in range(0, len(content), 8000)
        )
    )


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def never_run(monkeypatch):
    """Let the interpreter of PostScript fail the test where it is called."""

    def run(*args, **kwargs):
        pytest.fail("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)


def test_postscript_inside_of_another_format_is_not_run(tmp_path, never_run):
    path = tmp_path / "it.jpg"
    path.write_bytes(iptc(EPS))
    with pytest.raises(PosterFileError, match="in a format that is not read"):
        decode_image(path, (8, 8))
    [reason] = check_posters([str(path)], [[0, 1]]).findings["detail"][:1]
    assert reason == "not an image, or in a format that is not read"


@pytest.mark.parametrize("content", [EPS, b"\xc5\xd0\xd3\xc6" + bytes(30) + EPS])
def test_postscript_of_both_forms_is_named(content, tmp_path, never_run):
    path = tmp_path / "it.jpg"
    path.write_bytes(content)
    with pytest.raises(
        PosterFileError, match="it is PostScript, a program that Pillow"
    ):
        decode_image(path, (8, 8))


@pytest.mark.parametrize("content", [EPS, iptc(EPS)], ids=["EPS", "IPTC"])
def test_an_opened_image_of_another_format_is_not_decoded(content, never_run):
    image = Image.open(io.BytesIO(content))
    loader = PosterImageLoader(image_size=(8, 8))
    with pytest.raises(PosterFileError, match=r"its format, (EPS|IPTC), is not read"):
        loader.fit([image])


def test_no_format_hands_a_file_to_another_program_or_format():
    formats = list_formats()
    assert set(formats) <= set(FORMATS)
    others = {"EPS", "IPTC", "WMF", "FPX", "MIC", "BUFR", "GRIB", "HDF5", "MPEG"}
    assert others.isdisjoint(FORMATS)
    assert {".jpg", ".png", ".webp", ".tif", ".heic"} <= set(image_suffixes())
    assert {".eps", ".ps", ".iim", ".wmf"}.isdisjoint(image_suffixes())


def test_formats_are_those_of_pillow_in_both_directions():
    # So that none of the list is misspelt.
    assert set(FORMATS) - set(list_formats()) <= {"HEIF", "AVIF", "MPO"}
    assert IptcImagePlugin.IptcImageFile.format not in FORMATS
    assert IcnsImagePlugin.IcnsImageFile.format not in FORMATS


@pytest.mark.filterwarnings("ignore:Image was not the expected size")
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_bound_is_on_the_pixels_that_are_decoded(tmp_path, monkeypatch):
    inner = saved(Image.new("RGB", (20, 20)), "PNG")
    # An icon says 8 x 8, and the file inside has 20 x 20.
    head = struct.pack("<3H", 0, 1, 1)
    entry = struct.pack("<4B2H2I", 8, 8, 0, 0, 1, 32, len(inner), 22)
    (tmp_path / "it.ico").write_bytes(head + entry + inner)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399)
    with pytest.raises(PosterFileError, match="more than the 399 pixels allowed"):
        decode_whole(tmp_path / "it.ico")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    assert decode_whole(tmp_path / "it.ico")[0].shape == (20, 20, 3)


@pytest.mark.parametrize("size", [(1, 101), (101, 1)])
def test_sides_are_bounded_as_well_as_pixels(size, tmp_path, monkeypatch):
    path = tmp_path / "it.png"
    Image.new("1", size).save(path)
    monkeypatch.setattr(_decoding, "MAX_SIDE", 101)
    assert decode_image(path, (4, 4)).shape == (4, 4, 3)
    monkeypatch.setattr(_decoding, "MAX_SIDE", 100)
    with pytest.raises(PosterFileError, match="no side may be longer than 100: cut it"):
        decode_image(path, (4, 4))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # All files are trusted.
    assert decode_image(path, (4, 4)).shape == (4, 4, 3)


def test_a_strip_that_took_gigabytes_is_refused_by_its_header(tmp_path):
    content = bytearray(saved(Image.new("1", (9, 9)), "PNG"))
    content[16:24] = struct.pack(">2I", 25_000_000, 1)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "it.png").write_bytes(content)
    with pytest.raises(
        PosterFileError, match="it has 25000000 x 1 pixels, and no side"
    ):
        decode_image(tmp_path / "it.png", (4, 4))


def repeat_last_scan(content, n_more):
    """Return a JPEG with its last scan again and again."""
    start = content.rindex(b"\xff\xda")
    return content[:-2] + content[start:-2] * n_more + content[-2:]


@pytest.mark.parametrize("progressive", [False, True])
def test_scans_are_bounded_in_every_jpeg(progressive, tmp_path):
    path = tmp_path / "it.jpg"
    content = saved(Image.new("L", (32, 48), 9), "JPEG", progressive=progressive)
    n_scans = count_scans(content)
    if progressive:
        path.write_bytes(repeat_last_scan(content, MAX_SCANS - n_scans))
        decode_image(path, (8, 8))
    path.write_bytes(repeat_last_scan(content, 3000 - n_scans))
    with pytest.raises(PosterFileError, match="comes in 3000 scans, more than the 100"):
        decode_image(path, (8, 8))


def test_a_large_image_may_have_fewer_scans(tmp_path, monkeypatch):
    path = tmp_path / "it.jpg"
    content = saved(Image.new("L", (32, 48), 9), "JPEG", progressive=True)
    path.write_bytes(content)
    assert count_scans(content) == 6
    monkeypatch.setattr(_scans.check_scans, "__defaults__", (7 * 32 * 48 - 1,))
    decode_image(path, (8, 8))
    path.write_bytes(repeat_last_scan(content, 1))
    message = "comes in 7 scans, more than the 6 allowed for its size"
    with pytest.raises(PosterFileError, match=message):
        decode_image(path, (8, 8))


def test_only_scans_of_the_image_itself_are_counted():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    thumbnail = saved(image, "JPEG", quality=30)
    content = saved(image, "JPEG", quality=100, exif=b"Exif\0\0" + thumbnail)
    assert len(re.findall(b"\xff\xda", content)) == 2
    assert count_scans(content) == 1
    # A film after the end, as some cameras save it.
    assert count_scans(content + b"\xff\xda" * 200) == 1
    assert count_scans(saved(image, "JPEG", progressive=True)) == 10
    assert count_scans(saved(image, "JPEG", restart_marker_blocks=1)) == 1
    assert count_scans(b"\xff\xd8\xff\xda") == 1


def png_of_pieces(n_pieces):
    """Return a PNG with empty chunks before its image."""
    content = saved(Image.new("RGB", (8, 8)), "PNG")
    chunk = bytes(4) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))
    return content[:33] + chunk * n_pieces + content[33:]


def jpeg_of_pieces(n_pieces):
    """Return a JPEG with empty comments before its image."""
    content = saved(Image.new("RGB", (8, 8)), "JPEG")
    return content[:2] + b"\xff\xfe\0\2" * n_pieces + content[2:]


PIECES = {
    "JPEG": jpeg_of_pieces(100),
    "PNG": png_of_pieces(100),
    "a comment": b"P6\n#" + b"x" * 300 + b"\n8 8\n255\n" + bytes(192),
    "blanks": b"P6\n" + b" " * 300 + b"8 8\n255\n" + bytes(192),
}


@pytest.mark.parametrize("kind", PIECES)
def test_an_image_of_very_many_pieces_is_refused(kind, tmp_path, monkeypatch):
    path = tmp_path / "it"
    path.write_bytes(PIECES[kind])
    monkeypatch.setattr(_sources, "MAX_READS", 200)
    message = "it is cut into more than 200 pieces, .* save it again"
    with pytest.raises(PosterFileError, match=message):
        decode_image(str(path), (8, 8))


def test_some_hundred_pieces_are_read(tmp_path):
    (tmp_path / "it.jpg").write_bytes(jpeg_of_pieces(100))
    assert decode_image(str(tmp_path / "it.jpg"), (8, 8)).shape == (8, 8, 3)


@pytest.mark.parametrize("kind", ["QOI", "PPM"])
def test_a_large_image_that_python_decodes_is_refused(kind, tmp_path, monkeypatch):
    path = tmp_path / "it"
    if kind == "QOI":
        header = b"qoif" + struct.pack(">IIBB", 5, 4, 3, 0)
        path.write_bytes(header + b"\0" * 20 + b"\0" * 7 + b"\1")
    else:
        path.write_bytes(b"P3\n5 4\n255\n" + b"7 " * 60)
    assert decode_image(str(path), (4, 5)).shape == (4, 5, 3)
    monkeypatch.setattr(_decoding, "MAX_SLOW_PIXELS", 19)
    with pytest.raises(PosterFileError, match=r"5 x 4 pixels, and QOI and PPM in text"):
        decode_image(str(path), (4, 5))

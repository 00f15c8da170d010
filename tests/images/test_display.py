"""Pictures of posters and saliency in web pages, and the hash of inline code."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from sk_posters._images._display import (
    hash_inline,
    make_data_url,
    make_overlay,
    make_thumbnail,
)


def test_a_thumbnail_keeps_the_proportions_of_a_file_or_an_array(tmp_path):
    pixels = np.zeros((200, 100, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for poster in (pixels, tmp_path / "a.png", str(tmp_path / "a.png")):
        assert make_thumbnail(poster, 50).size == (25, 50)


def test_a_file_that_cannot_be_read_has_no_thumbnail(tmp_path):
    assert make_thumbnail(tmp_path / "missing.png", 50) is None


def test_an_overlay_is_transparent_where_nothing_is_salient():
    saliency = np.zeros((4, 4), np.float32)
    saliency[:2] = 1
    overlay = make_overlay(saliency, (30, 40))
    assert (overlay.mode, overlay.size) == ("RGBA", (30, 40))
    assert overlay.getpixel((15, 39)) == (140, 20, 60, 0)
    assert overlay.getpixel((15, 0)) == (255, 240, 120, 191)


def test_a_data_url_holds_the_picture():
    head, _, data = make_data_url(Image.new("RGB", (3, 2)).save, "png").partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(BytesIO(base64.b64decode(data))).size == (3, 2)


def test_the_hash_is_a_source_of_a_content_security_policy():
    # The SHA-256 of nothing, as in RFC 6234.
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    source = hash_inline("")
    assert source.startswith("'sha256-")
    assert base64.b64decode(source[8:-1]).hex() == empty

"""Arrays of images are uint8, or floats from 0 to 1."""

import numpy as np
import pytest

from sk_posters._images._arrays import check_pixels


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_bytes_and_floats_from_0_to_1_are_taken(dtype):
    check_pixels(np.eye(3).reshape(1, 3, 3, 1).astype(dtype))


def test_whole_numbers_of_other_types_are_refused():
    with pytest.raises(ValueError, match=r"got int64: convert .* X\.astype\('uint8'\)"):
        check_pixels(np.zeros((1, 2, 2, 3), dtype=int))


@pytest.mark.parametrize("value", [-0.1, 1.1, 255.0, np.nan])
def test_floats_out_of_range_are_refused_in_any_row(value):
    images = np.zeros((300, 1, 1, 3))
    images[299, 0, 0, 1] = value
    with pytest.raises(ValueError, match=r"faces must hold .*; got values from"):
        check_pixels(images, "faces")


def test_an_array_without_images_is_refused():
    with pytest.raises(ValueError, match=r"no image: got an array of shape \(0, 2, 2"):
        check_pixels(np.zeros((0, 2, 2, 3), dtype=np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, float])
def test_masked_pixels_are_refused(dtype):
    images = np.ma.zeros((2, 2, 2, 3), dtype=dtype)
    check_pixels(images)
    images[1, 0, 0, 0] = np.ma.masked
    with pytest.raises(ValueError, match=r"X has masked pixels, .*X\.filled\(0\)"):
        check_pixels(images)

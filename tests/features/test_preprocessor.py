"""Settings of preprocessors are read in all their forms, or refused."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from sk_posters._features._pooling import scale_pixels
from sk_posters._features._preprocessor import Preprocessor
from sk_posters._images._decoding import decode_image
from sk_posters._images._sources import MemoryImage

CROP = {"do_center_crop": True, "crop_size": 224}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor"}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SCALED = {"image_mean": [0.5], "image_std": [0.25]}


@pytest.fixture
def read(tmp_path):
    def read(config, **more):
        text = config if isinstance(config, str) else json.dumps(config | more)
        (tmp_path / "it.json").write_text(text, encoding="utf-8")
        return Preprocessor(tmp_path / "it.json", "hf://openai/clip")

    return read


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"size": 224}, ((224, 224), None)),
        ({"size": [320, 224]}, ((320, 224), None)),
        ({"size": {"height": 320, "width": 224}}, ((320, 224), None)),
        ({"size": {"height": 256, "width": 256}} | CROP, ((224, 224), (256, 256))),
        ({"size": {"height": 224, "width": 224}} | CROP, ((224, 224), None)),
        ({"size": {"shortest_edge": 224}} | CROP, ((224, 224), 224)),
        ({"size": {"shortest_edge": 256}} | CROP, ((224, 224), 256)),
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 9, "width": 7}},
            ((9, 7), 256),
        ),
        # One number is the shortest edge for CLIP, and a square for ViT.
        (
            {"size": 256, "feature_extractor_type": "CLIPFeatureExtractor"} | CROP,
            ((224, 224), 256),
        ),
        (
            {"size": 256, "feature_extractor_type": "ViTFeatureExtractor"} | CROP,
            ((224, 224), (256, 256)),
        ),
        ({"size": 256, "default_to_square": False} | CROP, ((224, 224), 256)),
        ({"size": 9, "crop_size": 7, "do_center_crop": False}, ((9, 9), None)),
        ({"size": 9, "crop_size": None, "do_center_crop": None}, ((9, 9), None)),
        (CONVNEXT | {"size": {"shortest_edge": 224}}, ((224, 224), 256)),
        (CONVNEXT | {"size": 224, "crop_pct": 0.95}, ((224, 224), 235)),
        (CONVNEXT | {"size": 384, "crop_pct": 1.0}, ((384, 384), None)),
        ({"size": {"shortest_edge": 8, "longest_edge": None}} | CROP, ((224, 224), 8)),
    ],
    ids=str,
)
def test_a_size_is_read_in_all_its_forms(config, expected, read):
    assert read(config).find_size() == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"size": {"shortest_edge": 224}}, "it takes images of one size; got {'size'"),
        ({}, 'it takes "shortest_edge", or "height" and "width", as "size"; got None'),
        ({"size": {"longest_edge": 800}}, "got {'longest_edge': 800}"),
        ({"size": "large"}, "got 'large'"),
        ({"size": True}, "got True"),
        ({"size": 10_001}, "got 10001"),
        ({"size": 10_000}, "of at most 4,194,304 pixels; got '10000 x 10000'"),
        ({"size": {"height": 9000, "width": 500}}, "pixels; got '9000 x 500'"),
        ({"size": {"shortest_edge": 2049}} | CROP, "pixels; got '2049 x 2049'"),
        ({"size": [1, 2, 3]}, r"got \[1, 2, 3\]"),
        ({"size": 224, "do_center_crop": True}, 'as "crop_size"; got None'),
        ({"size": 224, "do_resize": False}, "\"do_resize\": true; got 'false'"),
        ({"size": 224, "do_pad": True}, "none of these; got {'do_pad': True}"),
        ({"size": 224, "crop_pct": 0.9}, "none of these; got {'crop_pct': 0.9}"),
        (
            {"size": 224, "feature_extractor_type": "LevitFeatureExtractor"},
            "another processor; got 'LevitFeatureExtractor'",
        ),
        (CONVNEXT | {"size": [8, 8]}, r'"shortest_edge"; got \[8, 8\]'),
        (CONVNEXT | {"size": 8, "crop_pct": 1e-9}, '"crop_pct"; got 1e-09'),
    ],
    ids=str,
)
def test_a_size_that_is_not_known_is_refused(config, expected, read):
    message = (
        r"^The preprocessor_config\.json of 'hf://openai/clip' asks for what "
        rf"PosterEncoder does not do: .*{expected}.* Set image_size=\(height, width\) "
        "yourself: your own values come first$"
    )
    with pytest.raises(ValueError, match=message):
        read(config).find_size()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *((0, "nearest"), (1, "lanczos"), (2, "bilinear"), (3, "bicubic")),
        *((4, "box"), (5, "hamming"), (None, "bilinear")),
    ],
)
def test_numbers_of_pil_name_a_way_to_resize(number, expected, read):
    assert read({"resample": number}).find_interpolation() == expected


@pytest.mark.parametrize("number", [6, -1, "bicubic"])
def test_other_ways_to_resize_are_refused(number, read):
    message = f'0 to 5 as "resample"; got {number!r}. Set interpolation yourself'
    with pytest.raises(ValueError, match=message):
        read({"resample": number}).find_interpolation()


@pytest.mark.parametrize(
    ("config", "mean", "std"),
    [
        # (x / 255 - .5) / .25 = (x - 127.5) / 63.75
        ({}, [127.5], [63.75]),
        ({"rescale_factor": 1 / 127.5}, [63.75], [31.875]),
        ({"do_rescale": False}, [0.5], [0.25]),
        ({"do_normalize": False}, 0, 255),
        ({"do_normalize": False, "do_rescale": False}, 0, 1),
    ],
    ids=str,
)
def test_pixels_are_scaled_from_0_to_255(config, mean, std, read):
    found = read(SCALED, **config).find_scaling()
    np.testing.assert_allclose(found[0], mean)
    np.testing.assert_allclose(found[1], std)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"image_mean": None}, "'image_mean': None"),
        ({"image_std": "wide"}, "'image_std': 'wide'"),
        ({"rescale_factor": 0}, "'rescale_factor': 0"),
        ({"rescale_factor": True}, "'rescale_factor': True"),
        ({"rescale_factor": 10**400}, "'rescale_factor': 1000"),
        ({"do_flip_channel_order": True}, "{'do_flip_channel_order': True}"),
    ],
    ids=str,
)
def test_other_scalings_are_refused(config, expected, read):
    message = f"got .*{re.escape(expected)}.*Set mean and std yourself"
    with pytest.raises(ValueError, match=message):
        read(SCALED, **config).find_scaling()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"of 'hf://openai/clip' is not JSON \(.*choose another repository"),
        ("[]", r"it takes a JSON object; got \[\]\. Set image_size, mean, std"),
        ("[" * 10_000, "is not JSON"),
        (" " * 1_000_001, "is larger than 1,000,000 bytes: choose another repository"),
    ],
    ids=["cut off", "list", "deep", "long"],
)
def test_files_of_another_form_are_refused(text, message, read):
    with pytest.raises(ValueError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("CLIP", {}),
        ("Siglip", {}),
        # As DINOv2 has it; and with a black border.
        ("Bit", {"size": {"shortest_edge": 256}, **IMAGENET}),
        ("Bit", {"size": {"shortest_edge": 100}, **IMAGENET}),
        ("ConvNext", {"size": {"shortest_edge": 224}, "crop_pct": 0.875}),
        ("ConvNext", {"size": {"shortest_edge": 384}}),
        ("ViT", {}),
        ("DeiT", {}),
    ],
    ids=str,
)
def test_pixels_are_those_of_transformers(kind, settings, tmp_path):
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, f"{kind}ImageProcessor")(**settings)
    processor.save_pretrained(tmp_path)
    found = Preprocessor(tmp_path / "preprocessor_config.json", kind)
    size, crop_from = found.find_size()
    generator = np.random.default_rng(0)
    for height, width in [(444, 300), (301, 299), (224, 224), (50, 37), (1000, 231)]:
        pixels = generator.integers(0, 256, (9, 7, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((width, height))
        [expected] = processor(image, return_tensors="np")["pixel_values"]
        images = decode_image(
            MemoryImage(image), size, found.find_interpolation(), crop_from
        )
        scaled = scale_pixels(images, *found.find_scaling())
        np.testing.assert_allclose(scaled, expected.transpose(1, 2, 0), atol=1e-5)

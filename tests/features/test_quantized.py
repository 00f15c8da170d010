"""Backbones in eight bits: whole numbers that overflow on no processor."""

import numpy as np
import onnxruntime
import pytest

from sk_posters._features._backbones import choose_precision, make_graph
from sk_posters._features._efficientnet import (
    BACKBONES,
    fold_normalisation,
    iterate_convolutions,
    load_weights,
)
from sk_posters._features._quantized import load_ranges, quantized_onnx, round_kernel

NAME = "efficientnet_lite0"
OUTPUTS = ["average", "maximum", "logits", "head_relu6"]
for output in ("covariance4", "covariance", "covariance6"):
    OUTPUTS += [output, f"{output}_map"]


def run(graph, images, **settings):
    """Return all outputs for images, computed on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for name, value in settings.items():
        options.add_session_config_entry(f"session.{name}", value)
    session = onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_outputs()] == OUTPUTS
    return session.run(OUTPUTS, {"images": images})


@pytest.fixture(scope="module")
def images():
    """Noise, a white image, and a smooth one."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    rows, columns = np.mgrid[0:64, 0:48]
    smooth = np.stack([rows * 4 - 1, columns * 5, 255 - rows * 3], axis=-1)
    return np.stack([noise, np.full_like(noise, 255), smooth.clip(0, 255)]).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def graph():
    return quantized_onnx(NAME)


def test_features_are_near_those_in_float32(graph, images):
    exact = run(make_graph(NAME, "float32"), images)
    found = run(graph, images)
    for name, ours, theirs in zip(OUTPUTS, found, exact, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95, name


def test_no_sum_overflows(graph, images):
    # With this setting, onnxruntime takes slower instructions that cannot overflow.
    safe = run(graph, images, x64quantprecision="1")
    for ours, expected in zip(run(graph, images), safe, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", BACKBONES)
def test_no_pair_of_products_exceeds_sixteen_bits(name):
    weights = load_weights(name)
    for each in iterate_convolutions(BACKBONES[name].stages):
        kernel, _ = fold_normalisation(weights, each.name)
        rounded, scales = round_kernel(kernel, each.depthwise)
        sizes = np.sort(np.abs(rounded.reshape(len(rounded), -1).astype(int)), axis=1)
        assert sizes[:, -1].max() <= 127
        if not each.depthwise:
            assert 255 * sizes[:, -2:].sum(axis=1).max() <= 2**15 - 1
        # Each weight is off by less than one step, their sum by half a step.
        errors = rounded - kernel / scales[:, None, None, None]
        assert np.abs(errors).max() < 1
        assert np.abs(errors.sum(axis=(1, 2, 3))).max() < 0.51


def test_rounding_keeps_the_sum_of_a_channel():
    # In steps of one: 126, 0.4, 0.3 and 0.4, which sum to 127.1. Of equals, the first.
    kernel = np.array([126, 0.4, 0.3, 0.4]).reshape(1, 1, 2, 2)
    rounded, scales = round_kernel(kernel, depthwise=True)
    assert scales == [1]
    assert rounded.ravel().tolist() == [126, 1, 0, 0]
    # The two largest weights together take 126 steps.
    rounded, scales = round_kernel(kernel[..., :1], depthwise=False)
    np.testing.assert_allclose(scales, [126.3 / 126])


def test_a_channel_without_weights_stays_zero():
    rounded, scales = round_kernel(np.zeros((2, 3, 1, 1)), depthwise=False)
    assert not rounded.any()
    assert (scales > 0).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_all_maps_that_nothing_else_bounds_have_a_range(name):
    linear = [
        each
        for each in iterate_convolutions(BACKBONES[name].stages)
        if not each.activated
    ]
    expected = {each.name for each in linear}
    expected |= {each.block for each in linear if each.adds_input}
    ranges = load_ranges()[name]
    assert ranges.keys() == expected
    assert all(low < 0 < high for low, high in ranges.values())


@pytest.mark.parametrize(
    ("precision", "backbone", "device", "expected"),
    [
        ("float32", NAME, "auto", "float32"),
        ("int8", NAME, "auto", "int8"),
        ("auto", NAME, "cpu", "int8"),
        ("auto", [NAME, "network.onnx"], "cpu", "int8"),
        ("auto", "network.onnx", "cpu", "float32"),
    ],
)
def test_the_precision_depends_on_network_and_device(
    precision, backbone, device, expected
):
    assert choose_precision(precision, backbone, device) == expected


def test_auto_is_float32_on_a_gpu(monkeypatch):
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    assert choose_precision("auto", NAME, "auto") == "float32"
    assert choose_precision("int8", NAME, "auto") == "int8"


@pytest.mark.parametrize(
    ("backbone", "device", "message"),
    [
        (
            "network.onnx",
            "auto",
            'for \'efficientnet_lite0\'.*"auto" or "float32"; got',
        ),
        ([NAME, "MobileNetV2"], "auto", "quantised ONNX files too.*MobileNetV2"),
        (NAME, "cuda", 'is for the CPU: set device to "auto" or "cpu", or'),
    ],
)
def test_eight_bits_are_refused_where_there_are_none(backbone, device, message):
    with pytest.raises(ValueError, match=message):
        choose_precision("int8", backbone, device)

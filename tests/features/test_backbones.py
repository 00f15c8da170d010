"""Networks of all kinds give the features that their files and names promise."""

import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from sk_posters._features import _backbones, _keras_network
from sk_posters._features._backbones import (
    KERAS_NAMES,
    BackboneNetwork,
    OnnxNetwork,
    backbone_onnx,
    make_networks,
)
from sk_posters._features._keras_network import KerasNetwork
from sk_posters._features._pooling import pool, scale_pixels

SIZE = (6, 5)
SCALING = {"mean": [10, 20, 30], "std": [2, 4, 8]}


@pytest.fixture
def batch():
    return np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)


def only(backbone, pooling="avg", image_size=SIZE, **settings):
    [found] = make_networks(
        backbone, pooling=pooling, image_size=image_size, **settings
    )
    return found


def by_hand(batch, weights, mean=0, std=1):
    """Average and maximum of what the model of `save_onnx` makes of images."""
    pixels = (batch.astype(float) - mean) / std
    maps = pixels @ weights.T.astype(float)
    return maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))


# ------------------------------------------------------------------ shipped backbones


def test_a_backbone_gives_the_outputs_of_its_graph(batch):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        backbone_onnx("efficientnet_lite0"), providers=["CPUExecutionProvider"]
    )
    expected = session.run(["average", "maximum"], {"images": batch})
    found = only("efficientnet_lite0", "avgmax")
    assert isinstance(found, BackboneNetwork)
    assert (found.parts, found.widths) == (("avg", "max"), [1280, 1280])
    features = found.features(batch)
    np.testing.assert_allclose(features, np.hstack(expected), rtol=1e-4, atol=1e-4)
    for row in range(3):
        alone = found.features(batch[[row]])
        np.testing.assert_array_equal(alone[0], features[row], strict=True)


def test_floats_give_what_their_bytes_give(batch):
    found = only("efficientnet_lite0")
    floats = batch / np.float32(255)
    np.testing.assert_array_equal(found.features(floats), found.features(batch))


def test_a_session_serves_all_runners_of_its_network(batch, monkeypatch):
    opened = []

    def count(name):
        opened.append(name)
        return backbone_onnx(name)

    monkeypatch.setattr(_backbones, "backbone_onnx", count)
    _backbones._session.cache_clear()
    for pooling in ("avg", "max", "avg"):
        only("efficientnet_lite0", pooling).features(batch)
    assert opened == ["efficientnet_lite0"]


def test_a_backbone_whose_weights_are_missing_says_so(batch, monkeypatch):
    def missing(name):
        raise ImportError("pip install 'sk-posters[pretrained]'")

    monkeypatch.setattr(_backbones, "backbone_onnx", missing)
    _backbones._session.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'sk-posters\[pretrained\]'"):
        only("efficientnet_lite1").features(batch)


@pytest.mark.parametrize("damaged", [b"no model", b""])
def test_a_broken_graph_is_not_reported_as_a_file(damaged, batch, monkeypatch):
    monkeypatch.setattr(_backbones, "backbone_onnx", lambda name: damaged)
    _backbones._session.cache_clear()
    with pytest.raises(Exception, match=r"(?i)model|protobuf") as caught:
        only("efficientnet_lite1").features(batch)
    assert not isinstance(caught.value, ValueError)


def test_missing_onnxruntime_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = (
        "The backbone 'efficientnet_lite0' needs the package 'onnxruntime', which is "
        r"not installed\. Install it with: pip install 'sk-posters\[pretrained\]'"
    )
    with pytest.raises(ImportError, match=message):
        only("efficientnet_lite0")


# ------------------------------------------------------------------------- ONNX files


@pytest.mark.parametrize("as_path", [str, Path])
@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["UINT8", "FLOAT", "FLOAT16"])
def test_a_file_gives_what_it_computes(as_path, order, dtype, batch, save_onnx):
    scaling = {} if dtype == "UINT8" else SCALING
    found = only(as_path(save_onnx(order=order, dtype=dtype)), "avgmax", **scaling)
    expected = np.hstack(by_hand(batch, save_onnx.weights, *scaling.values()))
    # A half float of about 100 is rounded to 1/16, and weights are up to 6.
    tolerance = 0.5 if dtype == "FLOAT16" else 1e-3
    np.testing.assert_allclose(found.features(batch), expected, 1e-5, tolerance)
    assert found.features(batch).dtype == np.float32
    assert (found.prefix, found.parts) == ("tiny", ("avg", "max"))
    assert found.widths == [4, 4]


@pytest.mark.parametrize("pooling", ["avg", "max", "avgmax", "covariance"])
def test_rows_of_numbers_are_taken_as_they_are(pooling, batch, save_onnx):
    found = only(save_onnx(rank=2), pooling)
    assert (found.parts, found.widths) == (("",), [4])
    expected = by_hand(batch, save_onnx.weights)[0]
    np.testing.assert_allclose(found.features(batch), expected, 1e-5)


def test_a_file_for_one_image_gets_them_one_by_one(batch, save_onnx):
    found = only(save_onnx(batch=1, sides=SIZE))
    expected = by_hand(batch, save_onnx.weights)[0]
    np.testing.assert_allclose(found.features(batch), expected, 1e-5)


@pytest.mark.parametrize("output", ["map", 1])
def test_an_output_is_chosen_by_name_or_number(output, batch, save_onnx):
    path = save_onnx(order="NCHW", rank=2, n_outputs=2)
    assert only(path, output=output).parts == ("avg",)
    assert only(path, output="result").parts == ("",)


@pytest.mark.parametrize("output", [None, "maps", 2, -1])
def test_other_outputs_are_refused(output, save_onnx):
    message = r"output must be one of the outputs \['result', 'map'\] of .*tiny\.onnx"
    with pytest.raises(ValueError, match=message):
        only(save_onnx(n_outputs=2), output=output)


@pytest.mark.parametrize(
    "layout",
    [
        {"n_inputs": 2},
        {"batch": 2},
        {"dtype": "INT64"},
    ],
    ids=str,
)
def test_other_inputs_are_refused_with_what_they_are(layout, save_onnx):
    message = r"(?s)tiny\.onnx' must have one input.*rank 4.*its inputs are 'images'"
    with pytest.raises(ValueError, match=message):
        only(save_onnx(**layout), **SCALING)


def test_an_output_of_another_rank_is_refused(save_onnx):
    with pytest.raises(ValueError, match=r"rank 2.*rank 4.*got an output of shape"):
        only(save_onnx(rank=3))


def test_the_order_of_channels_is_asked_for_where_no_shape_tells(save_onnx):
    path = save_onnx(channels="c")
    with pytest.raises(ValueError, match='set channel_order to "NHWC" or "NCHW"'):
        only(path)
    assert only(path, channel_order="NHWC").widths == [4]


def test_images_of_another_size_are_refused(save_onnx):
    message = r"takes images of 6 x 4 pixels .*, not of 6 x 5: set image_size=\(6, 4\)"
    with pytest.raises(ValueError, match=message):
        only(save_onnx(sides=("height", 4)))


@pytest.mark.parametrize("given", [{}, {"mean": 0}, {"std": 255}])
def test_float_input_needs_a_scaling(given, save_onnx):
    message = "nothing in it says how they are scaled: give mean and std"
    with pytest.raises(ValueError, match=message):
        only(save_onnx(dtype="FLOAT"), **given)


@pytest.mark.parametrize(
    ("mean", "std"), [([1, 2], 1), (0, 0), (0, -1), (np.nan, 1), (0, [[1, 1, 1]])]
)
def test_wrong_scalings_are_refused(mean, std, save_onnx):
    with pytest.raises(ValueError, match="one finite number or three"):
        only(save_onnx(dtype="FLOAT"), mean=mean, std=std)


def test_byte_input_takes_no_scaling(save_onnx):
    with pytest.raises(ValueError, match="takes uint8 pixels as they are: leave mean"):
        only(save_onnx(), mean=0)


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"no ONNX file '.*nowhere\.onnx'"):
        only("nowhere.onnx")


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"damaged\.onnx' cannot be opened as an ONNX"):
        only(path)


def test_a_file_of_any_name_may_be_a_model(save_onnx):
    assert isinstance(only(save_onnx("model.bin")), OnnxNetwork)


def test_a_changed_file_is_opened_again(batch, save_onnx):
    before = only(save_onnx())
    save_onnx.weights[0] += 1
    after = only(save_onnx())
    assert before.fingerprint != after.fingerprint
    assert not np.array_equal(before.features(batch), after.features(batch))


def save_external(folder, factor, name="w.data"):
    """Save a model whose weights are in another file, all of them one factor."""
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    weights = helper.make_tensor("w", types.FLOAT, [4, 3, 1, 1], np.zeros(12))
    weights.ClearField("float_data")
    weights.data_location = types.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", name
    shapes = [["n", 3, "height", "width"], ["n", 4, "height", "width"]]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "w"], ["map"])],
        "external",
        [helper.make_tensor_value_info("images", types.FLOAT, shapes[0])],
        [helper.make_tensor_value_info("map", types.FLOAT, shapes[1])],
        [weights],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    if ".." not in name:
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(np.full(12, factor, np.float32).tobytes())
    return path


@pytest.mark.parametrize("name", ["w.data", "folder/w.data", "n" * 200])
def test_external_weights_that_change_give_other_features(name, tmp_path):
    path = save_external(tmp_path, 1, name)
    ones = np.full((1, 8, 8, 3), 1, np.uint8)
    params = {"mean": 0, "std": 1, "image_size": (8, 8)}
    before = only(path, **params)
    assert before.features(ones).tolist() == [[3, 3, 3, 3]]
    save_external(tmp_path, 5, name)
    after = only(path, **params)
    assert after.features(ones).tolist() == [[15, 15, 15, 15]]
    assert before.fingerprint != after.fingerprint
    save_external(tmp_path, 1, name)
    assert only(path, **params).fingerprint == before.fingerprint


def test_a_file_of_the_same_size_and_time_may_be_another(save_onnx):
    before = only(path := save_onnx())
    status = os.stat(path)
    content = bytearray(path.read_bytes())
    place = content.index(save_onnx.weights.astype("<f4").tobytes())
    content[place : place + 4] = np.float32(99).tobytes()
    with open(path, "r+b") as file:  # The same inode, too.
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert only(path).fingerprint != before.fingerprint


def test_a_network_that_changes_while_it_runs_is_noticed(batch, save_onnx):
    network = only(path := save_onnx())
    content = path.read_bytes()
    weights = save_onnx.weights.astype("<f4").tobytes()
    path.write_bytes(content.replace(weights, weights[::-1]))
    _backbones._session.cache_clear()  # As other networks would do.
    with pytest.raises(ValueError, match=r"tiny\.onnx', or its weights, changed while"):
        network.features(batch)


def test_files_beside_a_model_that_it_does_not_name_do_not_matter(save_onnx, tmp_path):
    before = only(path := save_onnx())
    (tmp_path / "weights").write_bytes(b"the name of a tensor")
    assert only(path).fingerprint == before.fingerprint


@pytest.mark.parametrize("name", ["../w.data", "/etc/passwd", "a/../w.data"])
def test_weights_outside_of_the_folder_are_not_opened(name, tmp_path):
    path = save_external(tmp_path, 1, name if ".." in name else "w.data")
    if ".." not in name:
        content = path.read_bytes()
        path.write_bytes(content.replace(b"w.data", b"/etc/p"))
    with pytest.raises(
        ValueError, match=r"which is outside of its folder\. It was not"
    ):
        only(path, mean=0, std=1)


def test_a_link_to_weights_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    path = save_external(tmp_path / "in", 1)
    (tmp_path / "in" / "w.data").rename(tmp_path / "w.data")
    (tmp_path / "in" / "w.data").symlink_to(tmp_path / "w.data")
    with pytest.raises(
        ValueError, match=r"which is outside of its folder\. It was not"
    ):
        only(path, mean=0, std=1)


def test_weights_that_are_named_in_another_way_are_not_opened(tmp_path, monkeypatch):
    path = save_external(tmp_path, 1)
    key, value = b"\n\x08location", b"\x12\x06w.data"
    content = path.read_bytes()
    assert key + value in content
    path.write_bytes(content.replace(key + value, value + key))
    monkeypatch.chdir(tmp_path)  # Where onnxruntime looks first.
    with pytest.raises(ValueError, match=r"cannot be opened as an ONNX model"):
        only(path, mean=0, std=1)


def test_missing_weights_are_named(tmp_path):
    path = save_external(tmp_path, 1)
    (tmp_path / "w.data").unlink()
    message = (
        r"names the file of weights 'w\.data', which cannot be read \(No such file"
    )
    with pytest.raises(FileNotFoundError, match=message):
        only(path, mean=0, std=1)


def test_weights_are_found_beside_a_link_and_beside_its_target(tmp_path):
    (tmp_path / "in").mkdir()
    save_external(tmp_path / "in", 1)
    (tmp_path / "link.onnx").symlink_to(tmp_path / "in" / "model.onnx")
    assert only(tmp_path / "link.onnx", mean=0, std=1).widths == [4]


# ------------------------------------------------------------------------------ Keras


@pytest.fixture
def network(save_onnx):
    """The model of `save_onnx`, in Keras."""
    image = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(4, 1, use_bias=False, name="maps")
    model = keras.Model(image, layer(image), name="tiny")
    layer.set_weights([save_onnx.weights.T[None, None]])
    return model


def test_a_keras_model_gives_what_it_computes(network, batch, save_onnx):
    found = only(network, "avgmax", **SCALING)
    assert isinstance(found, KerasNetwork)
    expected = np.hstack(by_hand(batch, save_onnx.weights, *SCALING.values()))
    np.testing.assert_allclose(found.features(batch), expected, 1e-4, 1e-3)
    assert (found.prefix, found.parts) == ("tiny", ("avg", "max"))


def test_a_keras_file_gives_what_its_model_gives(network, batch, tmp_path):
    path = tmp_path / "saved.keras"
    network.save(path)
    found = only(path, **SCALING)
    expected = only(network, **SCALING)
    np.testing.assert_array_equal(found.features(batch), expected.features(batch))
    assert found.prefix == "saved"
    assert found.fingerprint == expected.fingerprint


def test_a_missing_keras_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"no Keras file '.*nowhere\.keras'"):
        only("nowhere.keras", **SCALING)


def test_a_damaged_keras_file_is_named(tmp_path):
    (tmp_path / "it.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"it\.keras' cannot be opened as a networ"):
        only(tmp_path / "it.keras", **SCALING)


def test_a_keras_network_that_gives_another_shape_is_named(batch):
    layers = [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
    layers.append(keras.layers.Dense(4, activation="glu"))
    found = only(keras.Sequential(layers, name="halves"), **SCALING)
    message = r"'halves' says that it gives an output of shape \(None, 4\), and gives"
    with pytest.raises(ValueError, match=message):
        found.features(batch)


def test_a_keras_network_that_cannot_be_run_is_named(network, batch, monkeypatch):
    found = only(network, **SCALING)

    def fail(pixels):
        raise RuntimeError("not on this machine")

    monkeypatch.setattr(found._model, "predict_on_batch", fail)
    message = r"cannot be run on pixels of shape \(.*\): not on this machine\. Save it"
    with pytest.raises(ValueError, match=message):
        found.features(batch)


def test_other_weights_have_another_fingerprint(network):
    before = only(network, **SCALING).fingerprint
    network.set_weights([2 * x for x in network.get_weights()])
    assert only(network, **SCALING).fingerprint != before


def test_a_keras_model_needs_a_scaling(network):
    with pytest.raises(ValueError, match="network 'tiny' takes float pixels"):
        only(network)


def test_an_output_of_a_keras_model_is_chosen(network, batch):
    rows = keras.layers.GlobalMaxPooling2D(name="rows")(network.output)
    two = keras.Model(network.input, [network.output, rows], name="two")
    by_number = only(two, output=1, **SCALING)
    assert (by_number.parts, by_number.widths) == (("",), [4])
    by_name = only(two, "max", output="maps", **SCALING)
    np.testing.assert_allclose(by_name.features(batch), by_number.features(batch))
    for output in (None, 2, "nothing"):
        with pytest.raises(ValueError, match="output must be the number of one of the"):
            only(two, output=output, **SCALING)


def test_tokens_of_a_keras_model_are_pooled(network, batch, save_onnx):
    tokens = keras.layers.Reshape((-1, 4))(network.output)
    model = keras.Model(network.input, tokens, name="tokens")
    found = only(model, "cls", mean=0, std=1)
    assert (found.parts, found.widths) == (("cls",), [4])
    expected = batch[:, 0, 0].astype(float) @ save_onnx.weights.T
    np.testing.assert_allclose(found.features(batch), expected, 1e-4, 1e-3)
    for pooling in ("avgmax", "covariance"):
        pooled = only(model, pooling, **SCALING)
        maps = only(network, pooling, **SCALING)
        assert pooled.widths == maps.widths
        np.testing.assert_allclose(
            pooled.features(batch), maps.features(batch), 1e-3, 1e-3
        )


def test_a_keras_model_of_maps_has_no_first_token(network):
    with pytest.raises(ValueError, match="the network 'tiny' gives feature maps: set "):
        only(network, "cls", **SCALING)


def test_a_keras_model_of_other_input_is_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="must take one batch of images, of rank 4"):
        only(model, **SCALING)


def test_a_keras_model_of_fixed_size_is_asked_for_it():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match=r"8 x 8 pixels .* not of 6 x 5"):
        only(model, **SCALING)


def test_channels_first_is_what_keras_says(network, batch, monkeypatch):
    expected = only(network, **SCALING).features(batch)

    class ChannelsFirst:
        name = "first"
        input_shape, output_shape = (None, 3, None, None), (None, 4, None, None)
        outputs = [None]

        def predict_on_batch(self, pixels):
            maps = network.predict_on_batch(pixels.transpose(0, 2, 3, 1))
            return maps.transpose(0, 3, 1, 2)

        to_json = network.to_json
        get_weights = network.get_weights

    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    found = KerasNetwork(ChannelsFirst(), "first", ("avg",), SIZE, **SCALING)
    assert found.widths == [4]
    np.testing.assert_allclose(found.features(batch), expected, 1e-6)


# ----------------------------------------------------------------- keras.applications


@pytest.fixture
def no_network(monkeypatch):
    """keras.applications as they are without a network."""

    def fail(include_top, weights):
        assert (include_top, weights) == (False, "imagenet")
        raise Exception(
            "URL fetch failure on https://host.example/path/weights_no_top.h5: None -- "
            "[Errno -2] Name or service not known"
        )

    monkeypatch.setattr(keras.applications, "MobileNetV2", fail)
    _keras_network.load_application.cache_clear()


def test_names_are_those_of_keras_applications():
    assert set(KERAS_NAMES) == {
        name for name in dir(keras.applications) if name[0].isupper()
    }


def test_a_download_that_fails_says_what_to_put_where(no_network, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", os.path.join("some", "folder"))
    message = (
        r"weights of 'MobileNetV2' are not on this machine and could not be downloaded "
        r"\(None -- \[Errno -2\] Name or service not known\)\. Download "
        r"https://host\.example/path/weights_no_top\.h5 on .* at "
        r"some/folder/models/weights_no_top\.h5"
    )
    with pytest.raises(OSError, match=message):
        only("MobileNetV2")


def test_other_errors_of_keras_applications_pass(monkeypatch):
    def fail(include_top, weights):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(keras.applications, "MobileNetV2", fail)
    _keras_network.load_application.cache_clear()
    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        only("MobileNetV2")


def test_an_application_scales_pixels_as_its_module_does(network, batch, monkeypatch):
    built = []

    def build(include_top, weights):
        built.append(weights)
        return network

    monkeypatch.setattr(keras.applications, "MobileNetV2", build)
    monkeypatch.setattr(
        keras.applications.mobilenet_v2, "MobileNetV2", build, raising=False
    )
    _keras_network.load_application.cache_clear()
    found = only("MobileNetV2")
    expected = only(network, mean=127.5, std=127.5).features(batch)
    np.testing.assert_allclose(found.features(batch), expected, 1e-5, 1e-5)
    assert found.prefix == only("MobileNetV2").prefix == "MobileNetV2"
    assert built == ["imagenet"]
    _keras_network.load_application.cache_clear()


# ------------------------------------------------------------------- what users name


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("efficientnet_lite", r"got 'efficientnet_lite' \(did you mean 'efficientnet_"),
        ("MobilNetV2", r"did you mean 'MobileNetV2'"),
        ("zzz", r"a Keras model, or a list of these; got 'zzz'$"),
        (7, r"backbone must be 'efficientnet_lite0', .*; got 7$"),
        ([], r"or a list of these; got \[\]$"),
        (["efficientnet_lite0", None], "got None$"),
    ],
)
def test_other_backbones_are_refused(backbone, message):
    with pytest.raises(ValueError, match=message):
        make_networks(backbone, pooling="avg", image_size=SIZE)


def test_no_keras_model_exists_without_keras(monkeypatch, network):
    monkeypatch.delitem(sys.modules, "keras")
    with pytest.raises(ValueError, match="backbone must be"):
        only(network, **SCALING)


@pytest.mark.parametrize(
    "given", [{"mean": 0}, {"std": 1}, {"output": 0}, {"channel_order": "NHWC"}]
)
def test_settings_that_nothing_takes_are_refused(given):
    [name] = given
    with pytest.raises(ValueError, match=f"{name} can be set for files and Keras mod"):
        only("efficientnet_lite0", **given)


def test_equal_names_are_numbered(save_onnx, tmp_path):
    (tmp_path / "other").mkdir()
    paths = [save_onnx(), save_onnx("other/tiny.onnx"), save_onnx("tiny_2.onnx")]
    all_found = make_networks([*paths, paths[0]], pooling="avg", image_size=SIZE)
    prefixes = [found.prefix for found in all_found]
    assert prefixes == ["tiny", "tiny_2", "tiny_2_2", "tiny_3"]


# ----------------------------------------------------------------------------- pixels


def test_scaled_gives_bytes_and_floats_alike(batch):
    expected = (batch.astype(np.float32) - 127) / 128
    np.testing.assert_array_equal(scale_pixels(batch, 127, 128), expected)
    np.testing.assert_array_equal(
        scale_pixels(batch / np.float32(255), 127, 128), expected
    )


def test_covariances_are_those_of_numpy_with_signed_roots():
    maps = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    found = pool(maps, ("covariance",), (1, 2))
    assert found.shape == (2, 6)
    assert found.dtype == np.float32
    for row, each in zip(found, maps, strict=True):
        matrix = np.cov(each.reshape(-1, 3).T, bias=True)
        upper = matrix[np.triu_indices(3)]
        np.testing.assert_allclose(np.sign(row) * row**2, upper, atol=1e-6)
    turned = pool(maps.transpose(0, 3, 1, 2), ("covariance",), (2, 3))
    np.testing.assert_allclose(turned, found, atol=1e-3)


def test_one_position_has_no_covariance():
    maps = np.ones((2, 1, 1, 3), np.float32)
    np.testing.assert_array_equal(pool(maps, ("covariance",), (1, 2)), np.zeros((2, 6)))


def test_too_many_channels_for_covariances():
    maps = np.zeros((1, 2, 2, 513), np.float32)
    match = "maps of at most 512 channels; got 513: choose an earlier map"
    with pytest.raises(ValueError, match=match):
        pool(maps, ("covariance",), (1, 2))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_covariances_of_a_backbone(name, batch):
    found = only(name, "covariance")
    n_channels = {"efficientnet_lite0": 112, "efficientnet_lite2": 120}[name]
    expected = n_channels * (n_channels + 1) // 2
    assert (found.parts, found.widths) == (("covariance",), [expected])
    larger = np.repeat(np.repeat(batch, 8, axis=1), 8, axis=2)
    features = found.features(larger)
    assert features.shape == (len(batch), expected)
    assert np.ptp(features, axis=0).max() > 0.1


def test_covariances_of_files(batch, save_onnx):
    check_covariances(only(save_onnx(), "covariance"), batch, save_onnx.weights)


def test_covariances_of_a_keras_network(network, batch, save_onnx):
    found = only(network, "covariance", mean=0, std=1)
    check_covariances(found, batch, save_onnx.weights)


def test_covariances_of_three_stages_need_a_backbone(save_onnx, network):
    text = (
        'takes three maps of an EfficientNet-Lite, and .* set pooling to "covariance"'
    )
    for source, given in ((save_onnx(), {}), (network, {"mean": 0, "std": 1})):
        with pytest.raises(ValueError, match=text):
            only(source, ("avg", "covariances"), **given)


def check_covariances(found, batch, weights):
    assert (found.parts, found.widths) == (("covariance",), [10])
    for row, image in zip(found.features(batch), batch, strict=True):
        matrix = np.cov(image.reshape(-1, 3) @ weights.T.astype(float), rowvar=False)
        upper = matrix[np.triu_indices(4)] * (1 - 1 / np.prod(SIZE))
        np.testing.assert_allclose(np.sign(row) * row**2, upper, rtol=1e-4)


def test_pooled_puts_averages_before_maxima():
    maps = np.array([[[[1.0, 5.0], [3.0, 9.0]]]])
    np.testing.assert_array_equal(pool(maps, ("avg", "max"), (1, 2)), [[2, 7, 3, 9]])
    np.testing.assert_array_equal(pool(maps, ("max",), (2, 3)), [[9]])

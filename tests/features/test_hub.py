"""Networks of the Hugging Face hub, from a hub of the tests' own.

It speaks what huggingface_hub asks for: the files of a revision, and each file with its
commit and a name of its content.
"""

import hashlib
import json
import os
import pickle
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from sk_posters import (
    PosterEncoder,
    export_onnx,
    load_model,
    make_poster_pipeline,
    save_model,
)
from sk_posters._features import _backbones, _hub
from sk_posters._report._model import list_settings
from sk_posters.cli._train import _parse_params
from sk_posters.inspection import grad_cam

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")
onnx = pytest.importorskip("onnx")
helper, types = onnx.helper, onnx.TensorProto

FIRST, SECOND = "1" * 40, "2" * 40
RNG = np.random.default_rng(0)
# Three channels to four: of a pixel, and of a patch of 2 x 2 pixels.
OF_PIXEL = RNG.normal(size=(4, 3, 1, 1)).astype(np.float32)
OF_PATCH = RNG.normal(size=(4, 3, 2, 2)).astype(np.float32)
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
OPENAI = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
DONE = {"do_resize": True, "do_rescale": True, "do_normalize": True}

# As the repositories of each have it, with small numbers.
CLIP = DONE | {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 8},
    "do_center_crop": True,
    "crop_size": {"height": 8, "width": 8},
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    **OPENAI,
}
SIGLIP = DONE | {
    "image_processor_type": "SiglipImageProcessor",
    "size": {"height": 6, "width": 8},
    "resample": 3,
    **HALF,
}
DINOV2 = DONE | {
    "image_processor_type": "BitImageProcessor",
    "size": {"shortest_edge": 10},
    "do_center_crop": True,
    "crop_size": {"height": 8, "width": 8},
    "resample": 3,
    **IMAGENET,
}
RESNET = {
    "feature_extractor_type": "ConvNextFeatureExtractor",
    "do_resize": True,
    "do_normalize": True,
    "crop_pct": 0.875,
    "size": 8,
    "resample": 3,
    **IMAGENET,
}


# ------------------------------------------------------------------------ the networks


def make_onnx(*outputs, weights=OF_PIXEL, inputs=("pixel_values",), external=None):
    """Return a model whose outputs are named as those of exports of transformers."""
    side, n_features = weights.shape[-1], len(weights)
    node = helper.make_node
    nodes = [
        node("Conv", ["pixel_values", "w"], ["map"], strides=[side, side]),
        node("GlobalAveragePool", ["map"], ["pooled"]),
        node("Flatten", ["pooled"], ["vector"]),
        node("Reshape", ["map", "shape"], ["flat"]),
        node("Transpose", ["flat"], ["tokens"], perm=[0, 2, 1]),
    ]
    found = dict(output.split("=") for output in outputs)
    nodes += [node("Identity", [kind], [name]) for name, kind in found.items()]
    ranks = {"map": 4, "pooled": 4, "tokens": 3, "vector": 2}
    tensor = helper.make_tensor_value_info
    shapes = {"pixel_values": ["n", "channels", "height", "width"]}
    kinds = {"pixel_values": types.FLOAT, "input_ids": types.INT64}
    graph = helper.make_graph(
        nodes,
        "tower",
        [tensor(name, kinds[name], shapes.get(name, ["n", "m"])) for name in inputs],
        [
            tensor(name, types.FLOAT, [f"{name}{axis}" for axis in range(ranks[kind])])
            for name, kind in found.items()
        ],
        [
            helper.make_tensor("w", types.FLOAT, weights.shape, weights.ravel()),
            helper.make_tensor("shape", types.INT64, [3], [0, n_features, -1]),
        ],
    )
    if external is not None:
        [value] = [each for each in graph.initializer if each.name == "w"]
        value.ClearField("float_data")
        value.data_location = types.EXTERNAL
        entry = value.external_data.add()
        entry.key, entry.value = "location", external
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return model.SerializeToString()


CLIP_TOWER = make_onnx("image_embeds=vector", "last_hidden_state=tokens")
BOTH_TOWERS = make_onnx("image_embeds=vector", inputs=("input_ids", "pixel_values"))


def preprocess(path, resized, crop, mean, std):
    """Resize with PIL, to (width, height), crop and scale as transformers does it."""
    image = Image.open(path).resize(resized, Image.Resampling.BICUBIC)
    left, top = (resized[0] - crop[0]) // 2, (resized[1] - crop[1]) // 2
    pixels = np.asarray(image)[top : top + crop[1], left : left + crop[0]]
    return (pixels / 255 - mean) / std


def tokens_by_hand(pixels):
    """Return the token of each patch of 2 x 2 pixels, row by row."""
    height, width = pixels.shape[:2]
    patches = pixels.reshape(height // 2, 2, width // 2, 2, 3)
    return np.einsum("hawbc,dcab->hwd", patches, OF_PATCH).reshape(-1, 4)


# ------------------------------------------------------------------------------ the hub


class Hub:
    """Repositories by name: the files of each commit, and the commits of branches."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.repositories, self.refs, self.gated, self.asked = {}, {}, set(), []
        self.is_up = True

    def add(self, name, files, config=None, commit=FIRST, branch="main"):
        files = dict(files)
        if config is not None:
            files["preprocessor_config.json"] = json.dumps(config).encode()
        self.repositories.setdefault(name, {})[commit] = files
        self.refs[name, branch] = commit

    def find(self, name, revision):
        """Return commit and files; or None and the code of an error."""
        if name not in self.repositories:
            return None, "RepoNotFound"
        commit = self.refs.get((name, revision), revision)
        if commit not in self.repositories[name]:
            return None, "RevisionNotFound"
        return commit, self.repositories[name][commit]


class Handler(BaseHTTPRequestHandler):
    """Answers as huggingface.co does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        hub = self.server.hub
        hub.asked.append((self.command, self.path))
        parts = self.path.partition("?")[0].strip("/").split("/")
        parts = [unquote(part) for part in parts]
        if not hub.is_up:
            self.reply(503, error="the hub is down")
        elif parts[:2] == ["api", "models"]:
            self.list_files("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        elif parts[2:3] == ["resolve"]:
            self.send_file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self.reply(404)

    do_HEAD = do_GET

    def list_files(self, name, revision):
        commit, files = self.server.hub.find(name, revision)
        if commit is None:
            return self.reply(404, error=files)
        listed = [{"rfilename": file} for file in files]
        listed = {"id": name, "modelId": name, "sha": commit, "siblings": listed}
        return self.reply(200, json.dumps(listed).encode())

    def send_file(self, name, revision, file):
        commit, files = self.server.hub.find(name, revision)
        if commit is None:
            return self.reply(404, error=files)
        if name in self.server.hub.gated:
            return self.reply(403, error="GatedRepo")
        if file not in files:
            return self.reply(404, error="EntryNotFound", commit=commit)
        return self.reply(200, files[file], commit=commit)

    def reply(self, status, content=b"", error=None, commit=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        if error is not None:
            self.send_header("X-Error-Code", error)
            self.send_header("X-Error-Message", error)
        if commit is not None:
            self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    """An empty hub, and a cache of huggingface_hub with nothing in it."""
    server.hub.reset()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    # It reads the environment when it is imported, which may be long ago.
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    monkeypatch.delenv("SK_POSTERS_CACHE", raising=False)
    forget()
    yield server.hub
    forget()


def forget():
    """Know as little of the hub as a new process."""
    _hub.pin.cache_clear()
    _hub.fetch.cache_clear()


@pytest.fixture
def go_offline(hub, monkeypatch):
    def go():
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        hub.is_up = False
        hub.asked.clear()
        forget()

    return go


@pytest.fixture
def poster(tmp_path):
    """An image file, 12 pixels wide and 20 high."""
    pixels = np.random.default_rng(1).integers(0, 256, (20, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "poster.png")
    return str(tmp_path / "poster.png")


def encode(poster, *args, **params):
    return PosterEncoder(*args, n_jobs=1, **params).fit_transform([poster])[0]


# ------------------------------------------------------------- layouts of repositories


def test_clip_is_resized_by_its_shortest_edge_cropped_and_embedded(hub, poster):
    files = {"onnx/vision_model.onnx": CLIP_TOWER, "onnx/model.onnx": BOTH_TOWERS}
    hub.add("openai/clip", files, CLIP)
    # 12 x 20 becomes 8 x int(8 * 20 / 12) = 8 x 13, of which rows 2 to 9 are kept.
    pixels = preprocess(poster, (8, 13), (8, 8), *OPENAI.values())
    expected = pixels.mean(axis=(0, 1)) @ OF_PIXEL[:, :, 0, 0].T
    encoder = PosterEncoder("hf://openai/clip", n_jobs=1)
    features = encoder.fit_transform([poster])
    np.testing.assert_allclose(features, [expected], atol=1e-5)
    assert encoder.get_feature_names_out().tolist() == [f"clip_{n}" for n in range(4)]
    assert encoder.image_size_ == (8, 8)


def test_siglip_is_squeezed_and_gives_what_its_head_pools(hub, poster):
    tower = make_onnx("last_hidden_state=tokens", "pooler_output=vector")
    hub.add("google/siglip", {"onnx/vision_model.onnx": tower}, SIGLIP)
    pixels = preprocess(poster, (8, 6), (8, 6), *HALF.values())
    expected = pixels.mean(axis=(0, 1)) @ OF_PIXEL[:, :, 0, 0].T
    features = encode(poster, "hf://google/siglip")
    np.testing.assert_allclose(features, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("cls", lambda tokens: tokens[0]),
        ("avg", lambda tokens: tokens.mean(axis=0)),
        ("avgmax", lambda tokens: np.r_[tokens.mean(axis=0), tokens.max(axis=0)]),
    ],
)
def test_tokens_of_dinov2_are_pooled(pooling, pool, hub, poster):
    tower = make_onnx("last_hidden_state=tokens", weights=OF_PATCH)
    hub.add("facebook/dinov2", {"onnx/model.onnx": tower}, DINOV2)
    # 12 x 20 becomes 10 x 16; 8 x 8 of it are columns 1 to 8 and rows 4 to 11.
    pixels = preprocess(poster, (10, 16), (8, 8), *IMAGENET.values())
    expected = pool(tokens_by_hand(pixels))
    features = encode(poster, "hf://facebook/dinov2", pooling=pooling)
    np.testing.assert_allclose(features, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_maps_of_a_resnet_are_pooled(pooling, hub, poster):
    tower = make_onnx("last_hidden_state=map", "pooler_output=pooled")
    hub.add("microsoft/resnet", {"model.onnx": tower}, RESNET)
    # int(8 / .875) = 9: 12 x 20 becomes 9 x 15; columns 0 to 7 and rows 3 to 10.
    pixels = preprocess(poster, (9, 15), (8, 8), *IMAGENET.values())
    maps = pixels @ OF_PIXEL[:, :, 0, 0].T
    expected = maps.mean(axis=(0, 1)) if pooling == "avg" else maps.max(axis=(0, 1))
    features = encode(poster, "hf://microsoft/resnet", pooling=pooling)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_scores_of_classes_are_taken_only_where_they_are_asked_for(hub, poster):
    hub.add("microsoft/resnet", {"model.onnx": make_onnx("logits=vector")}, RESNET)
    message = (
        r"(?s)model\.onnx' gives the scores of its classes \(logits\) and no features"
        r'.* Set output="logits".*--task feature-extraction'
    )
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://microsoft/resnet")
    assert encode(poster, "hf://microsoft/resnet", output="logits").shape == (4,)


@pytest.mark.parametrize(
    ("outputs", "pooling"),
    [
        (["image_embeds=vector", "last_hidden_state=tokens"], "avg"),
        (["last_hidden_state=tokens"], "cls"),
        (["logits=vector"], "avg"),  # Whoever has a file knows what it gives.
    ],
)
def test_a_file_of_ones_own_gives_the_same(outputs, pooling, hub, poster, tmp_path):
    tower = make_onnx(*outputs, weights=OF_PATCH)
    hub.add("google/siglip", {"model.onnx": tower}, SIGLIP)
    (tmp_path / "tower.onnx").write_bytes(tower)
    output = "logits" if outputs == ["logits=vector"] else None
    expected = encode(poster, "hf://google/siglip", pooling=pooling, output=output)
    features = encode(
        *(poster, tmp_path / "tower.onnx"),
        image_size=(6, 8),
        interpolation="bicubic",
        mean=127.5,
        std=127.5,
        pooling=pooling,
    )
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_weights_beside_the_file_are_fetched(hub, poster, go_offline, tmp_path):
    name = "vision_model.onnx_data"
    tower = make_onnx("image_embeds=vector", external=name)
    files = {"onnx/vision_model.onnx": tower, f"onnx/{name}": OF_PIXEL.tobytes()}
    # Its name is the end of the other one's.
    hub.add("openai/clip", files | {"onnx/model.onnx_data": b"of both towers"}, CLIP)
    pixels = preprocess(poster, (8, 13), (8, 8), *OPENAI.values())
    expected = pixels.mean(axis=(0, 1)) @ OF_PIXEL[:, :, 0, 0].T
    features = encode(poster, "hf://openai/clip")
    np.testing.assert_allclose(features, expected, atol=1e-5)
    assert not [path for _, path in hub.asked if path.endswith("/model.onnx_data")]
    # As huggingface_hub shares files between repositories since version 2.
    for number, link in enumerate(
        sorted(Path(constants.HF_HUB_CACHE).rglob("*.onnx*"))
    ):
        if link.is_symlink():
            folder = tmp_path / str(number)
            folder.mkdir()
            link.resolve().rename(folder / "blob")
            (link.parent / os.readlink(link)).symlink_to(folder / "blob")
    go_offline()
    _backbones._session.cache_clear()
    np.testing.assert_array_equal(encode(poster, "hf://openai/clip"), features)


# ----------------------------------------------------------- which file of which commit


def other_tower(factor):
    return make_onnx("image_embeds=vector", weights=factor * OF_PIXEL)


def test_a_file_and_a_revision_are_part_of_the_address(hub, poster):
    files = {"onnx/vision_model.onnx": CLIP_TOWER, "onnx/half.onnx": other_tower(0.5)}
    hub.add("openai/clip", files, CLIP, commit=FIRST)
    files = {"onnx/vision_model.onnx": other_tower(2)}
    hub.add("openai/clip", files, CLIP, commit=SECOND, branch="refs/pr/3")
    features = encode(poster, "hf://openai/clip")
    for address, factor in [
        ("hf://openai/clip/onnx/half.onnx", 0.5),
        ("hf://models/openai/clip/onnx/half.onnx", 0.5),
        (f"hf://openai/clip@{FIRST}/onnx/half.onnx", 0.5),
        ("hf://openai/clip@refs/pr/3", 2),
        ("hf://openai/clip@refs%2Fpr%2F3/onnx/vision_model.onnx", 2),
        (f"hf://openai/clip@{SECOND}", 2),
    ]:
        found = encode(poster, address)
        np.testing.assert_allclose(found, factor * features, rtol=1e-4, err_msg=address)


def move_main(hub):
    """Let the branch main have another network."""
    hub.add("openai/clip", {"onnx/vision_model.onnx": other_tower(2)}, CLIP, SECOND)
    forget()


def test_a_fitted_encoder_stays_at_its_commit(hub, poster):
    hub.add("openai/clip", {"onnx/vision_model.onnx": CLIP_TOWER}, CLIP)
    encoder = PosterEncoder("hf://openai/clip", n_jobs=1)
    features = encoder.fit_transform([poster])
    pinned = f"hf://openai/clip@{FIRST}/onnx/vision_model.onnx"
    assert encoder.revisions_ == {"hf://openai/clip": pinned}
    copy = pickle.loads(pickle.dumps(encoder))
    move_main(hub)
    hub.asked.clear()
    for each in (encoder, copy, PosterEncoder(pinned)):
        np.testing.assert_array_equal(each.transform([poster]), features)
    assert hub.asked == []  # All is in the cache, and a commit does not change.
    encoder.fit([poster])
    assert encoder.revisions_["hf://openai/clip"] == pinned.replace(FIRST, SECOND)
    found = encoder.transform([poster])
    np.testing.assert_allclose(found, 2 * features, rtol=1e-5)


def test_a_process_asks_once_for_a_branch(hub, poster):
    hub.add("openai/clip", {"onnx/vision_model.onnx": CLIP_TOWER}, CLIP)
    PosterEncoder("hf://openai/clip").fit([poster])
    hub.asked.clear()
    PosterEncoder("hf://openai/clip").fit([poster])
    assert hub.asked == []


def test_without_a_network_the_cache_is_used(hub, poster, go_offline, monkeypatch):
    hub.add("openai/clip", {"onnx/vision_model.onnx": CLIP_TOWER}, CLIP)
    features = encode(poster, "hf://openai/clip")
    go_offline()
    np.testing.assert_array_equal(encode(poster, "hf://openai/clip"), features)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    forget()
    np.testing.assert_array_equal(encode(poster, "hf://openai/clip"), features)


def test_two_commits_share_no_cached_features(hub, poster, tmp_path):
    for commit in (FIRST, SECOND):
        hub.add("openai/clip", {"model.onnx": other_tower(1)}, CLIP, commit)

    def count(commit):
        encoder = PosterEncoder(f"hf://openai/clip@{commit}", cache_dir=tmp_path / "c")
        encoder.fit_transform([poster])
        return encoder.n_computed_, encoder.n_cached_

    assert [count(commit) for commit in (FIRST, SECOND, FIRST)] == [
        *((1, 0), (1, 0), (0, 1))
    ]


def test_a_cropped_and_a_squeezed_image_are_cached_apart(hub, poster, tmp_path):
    hub.add("openai/clip", {"model.onnx": CLIP_TOWER}, CLIP)
    settings = {"interpolation": "bicubic", "cache_dir": tmp_path / "c"}
    cropped = encode(poster, "hf://openai/clip", **settings)
    squeezed = encode(poster, "hf://openai/clip", image_size=(8, 8), **settings)
    assert (cropped != squeezed).all()


# ------------------------------------------------------------- a user's own parameters


def test_settings_of_the_user_come_first(hub, poster):
    hub.add("openai/clip", {"model.onnx": CLIP_TOWER}, CLIP)
    features = encode(
        *(poster, "hf://openai/clip"),
        image_size=(6, 4),
        interpolation="nearest",
        mean=10,
        std=2,
        output="last_hidden_state",
    )
    image = Image.open(poster).resize((4, 6), Image.Resampling.NEAREST)
    expected = ((np.asarray(image, float) - 10) / 2).mean(axis=(0, 1))
    expected = expected @ OF_PIXEL[:, :, 0, 0].T
    np.testing.assert_allclose(features, expected, rtol=1e-5)


def test_a_repository_without_settings_leaves_them_to_the_user(hub, poster, go_offline):
    hub.add("some/tower", {"model.onnx": CLIP_TOWER})
    with pytest.raises(ValueError, match="how they are scaled: give mean and std"):
        encode(poster, "hf://some/tower")
    encoder = PosterEncoder("hf://some/tower", mean=0, std=255).fit([poster])
    assert encoder.image_size_ == (320, 224)
    go_offline()  # The cache knows that there are none.
    encoder.transform([poster])


def test_settings_that_break_off_name_the_backbone(hub, poster, monkeypatch):
    hub.add("some/tower", {"model.onnx": CLIP_TOWER})
    download = huggingface_hub.hf_hub_download

    def break_off(repo, file, **options):
        if file == "preprocessor_config.json":
            raise RuntimeError("no response line received")
        return download(repo, file, **options)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", break_off)
    message = r"backbone: 'hf://some/tower@.*cannot be downloaded .*no response line"
    with pytest.raises(OSError, match=message):
        encode(poster, "hf://some/tower")


def test_networks_beside_each_other_must_agree_on_the_image(hub, poster):
    hub.add("openai/clip", {"model.onnx": CLIP_TOWER}, CLIP)
    hub.add("google/siglip", {"model.onnx": CLIP_TOWER}, SIGLIP)
    both = ["hf://openai/clip", "hf://google/siglip"]
    message = (
        r"image_size must be set where networks of the hub prefer different ones; .*"
        r"prefer \(\(8, 8\), 8\), \(\(6, 8\), None\).*FeatureUnion"
    )
    with pytest.raises(ValueError, match=message):
        encode(poster, both)
    # Each scales pixels in its own way.
    found = encode(poster, both, image_size=(8, 8))
    expected = [encode(poster, each, image_size=(8, 8)) for each in both]
    np.testing.assert_array_equal(found, np.concatenate(expected))
    assert (expected[0] != expected[1]).all()


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "address",
    [
        *("hf://", "hf://clip", "hf://openai/clip/", "hf://openai/clip@"),
        *("hf://datasets/openai/clip", "hf://openai/clip/onnx", "hf://openai/../x"),
        *("hf://openai/clip/model.bin", "hf://openai/clip/../../evil.onnx"),
        *("hf://openai/clip//model.onnx", "hf://openai/clip@..%2F..%2Fevil"),
    ],
)
def test_malformed_addresses_are_refused(address, hub, poster):
    message = (
        "backbone must name a model of the hub as hf://OWNER/NAME, with @REVISION .*"
        f"; got '{address}'$"
    )
    with pytest.raises(ValueError, match=message):
        encode(poster, address)
    assert hub.asked == []


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    hub, poster, monkeypatch
):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = (
        "The backbone 'hf://openai/clip' needs the package 'huggingface_hub', which is "
        r"not installed\. Install it with: pip install 'sk-posters\[hub\]'"
    )
    with pytest.raises(ImportError, match=message):
        encode(poster, "hf://openai/clip")


def test_an_unknown_backbone_mentions_the_hub(poster):
    with pytest.raises(ValueError, match=r'such as "hf://OWNER/NAME".*got \'clip\''):
        encode(poster, "clip")


@pytest.mark.parametrize(
    ("address", "file", "at"),
    [
        ("hf://openai/clip", "onnx/vision_model.onnx", ""),
        ("hf://openai/clip@v2/model.onnx", "model.onnx", " --revision v2"),
        (f"hf://openai/clip@{FIRST}/a.onnx", "a.onnx", f" --revision {FIRST}"),
    ],
)
def test_what_to_download_is_said_where_there_is_no_network(
    address, file, at, poster, go_offline
):
    go_offline()
    message = (
        r"openai/clip.*is not in the cache of huggingface_hub, '.*hub', and cannot be "
        r"downloaded from http://127.0.0.1:\d+ \(HF_HUB_OFFLINE is set\)\. On a "
        rf"machine with a network, run: hf download openai/clip {file} "
        rf"preprocessor_config\.json{at}; then copy the folder models--openai--clip "
    )
    with pytest.raises(OSError, match=message):
        encode(poster, address)


def test_a_hub_that_is_down_is_named(hub, poster):
    hub.is_up = False
    message = r"cannot be downloaded from .* \(HfHubHTTPError: .*503.*\)\. On a machine"
    with pytest.raises(OSError, match=message):
        encode(poster, "hf://openai/clip")


def test_a_repository_that_does_not_exist_is_named(hub, poster):
    message = (
        r"backbone: there is no model 'openai/clap' at http.*, or it is private\. .*hf "
        "auth login, or set HF_TOKEN; got 'hf://openai/clap'"
    )
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://openai/clap")


def test_restricted_access_says_how_to_get_it(hub, poster):
    hub.add("meta/dinov3", {"model.onnx": CLIP_TOWER}, CLIP)
    hub.gated.add("meta/dinov3")
    message = (
        r"backbone: access to 'meta/dinov3' is restricted\. Ask for it at http.*"
        "/meta/dinov3, then log in with: hf auth login, or set HF_TOKEN; got 'hf://"
    )
    with pytest.raises(PermissionError, match=message):
        encode(poster, "hf://meta/dinov3")


@pytest.mark.parametrize("revision", ["v9", SECOND])
def test_a_revision_that_does_not_exist_is_named(revision, hub, poster):
    hub.add("openai/clip", {"model.onnx": CLIP_TOWER}, CLIP)
    message = f"'openai/clip' has no revision '{revision}'. Give a branch, a tag or a "
    with pytest.raises(ValueError, match=message):
        encode(poster, f"hf://openai/clip@{revision}/model.onnx")


def test_a_file_that_does_not_exist_is_named_with_those_that_do(hub, poster):
    hub.add("openai/clip", {"a/x.onnx": b"", "b/y.onnx": b"", "z.bin": b""}, CLIP)
    there = r"its ONNX files are 'a/x\.onnx', 'b/y\.onnx'\. Name one of them"
    message = rf"'openai/clip' at 'main' has no file 'model\.onnx'; {there}"
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://openai/clip/model.onnx")
    message = rf"has no file 'onnx/vision_model\.onnx', .*, 'model\.onnx'; {there}"
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://openai/clip")
    message = rf"'openai/clip' at '{FIRST}' has no file 'model\.onnx'\. See http"
    with pytest.raises(ValueError, match=message):
        encode(poster, f"hf://openai/clip@{FIRST}/model.onnx")


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], "nothing"),
        (["model.safetensors"], r"'model\.safetensors'"),
        ([f"{n:02}.bin" for n in range(12)], r"'00\.bin', .* '09\.bin' and 2 more"),
    ],
)
def test_a_repository_without_onnx_says_how_to_export_it(names, listed, hub, poster):
    hub.add("openai/clip", dict.fromkeys(names, b""))
    message = (
        rf"'openai/clip' at 'main' has no ONNX file, only {listed}\. .*optimum-cli "
        "export onnx --model openai/clip --task feature-extraction FOLDER"
    )
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://openai/clip")


def test_two_towers_in_one_file_are_refused(hub, poster):
    hub.add("openai/clip", {"onnx/model.onnx": BOTH_TOWERS}, CLIP)
    message = (
        r"onnx/model\.onnx' takes text beside images; its inputs are 'input_ids' "
        r".*Give the image tower alone as backbone, which is vision_model\.onnx"
    )
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://openai/clip")


def test_cls_is_refused_where_there_are_no_tokens(hub, poster):
    tower = make_onnx("last_hidden_state=map")
    hub.add("microsoft/resnet", {"model.onnx": tower}, RESNET)
    message = 'pooling="cls" takes the first token of a transformer, and '
    for backbone in ["hf://microsoft/resnet", "efficientnet_lite0"]:
        with pytest.raises(ValueError, match=message):
            encode(poster, backbone, pooling="cls")


# ---------------------------------------------------------------------------- security


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/../../b", ".."])
def test_weights_outside_of_their_folder_are_not_opened(name, hub, poster):
    tower = make_onnx("image_embeds=vector", external=name)
    hub.add("openai/clip", {"onnx/vision_model.onnx": tower}, CLIP)
    message = "names the file of weights .*, which is outside of its folder"
    with pytest.raises(ValueError, match=message):
        encode(poster, "hf://openai/clip")


def test_names_that_the_hub_gives_cannot_leave_the_cache(hub, poster, tmp_path):
    files = {"model.onnx": CLIP_TOWER, "../../evil.onnx": CLIP_TOWER}
    hub.add("openai/clip", files, CLIP, commit="../../../../evil")
    with pytest.raises(OSError, match="Invalid pointer path"):
        encode(poster, "hf://openai/clip")
    assert {path.name for path in tmp_path.iterdir()} <= {"hub", "poster.png"}


def test_no_other_file_of_a_repository_is_fetched(hub, poster):
    others = {
        "model.py": b"raise",
        "pytorch_model.bin": b"pickle",
        "config.json": b"{}",
    }
    hub.add("openai/clip", {"model.onnx": CLIP_TOWER} | others, CLIP)
    encode(poster, "hf://openai/clip")
    fetched = {path.rpartition("/")[2] for kind, path in hub.asked if kind == "GET"}
    assert fetched - {"agent-harnesses"} == {
        *("main", "model.onnx", "preprocessor_config.json")
    }


# ----------------------------------------------------------------- in the whole package


@pytest.fixture
def fitted(hub, tmp_path):
    """A pipeline on the network of a hub, and the images that it was fitted on."""
    hub.add("openai/clip", {"onnx/vision_model.onnx": CLIP_TOWER}, CLIP)
    generator = np.random.default_rng(2)
    pixels = generator.integers(0, 256, (6, 12, 10, 3), dtype=np.uint8)
    posters = [Image.fromarray(each) for each in pixels]
    pipe = make_poster_pipeline(backbone="hf://openai/clip", C=1, n_jobs=1)
    return pipe.fit(posters, np.eye(2, dtype=int)[[0, 1] * 3]), posters


def test_a_model_file_has_the_commit_and_fetches_nothing_by_itself(
    fitted, hub, tmp_path
):
    pytest.importorskip("skops")
    pipe, posters = fitted
    pinned = f"hf://openai/clip@{FIRST}/onnx/vision_model.onnx"
    message = f"runs the network '{pinned}', which is not part of .* it is downloaded"
    with pytest.warns(UserWarning, match=message):
        card = save_model(pipe, tmp_path / "it.model")
    assert card["preprocessing"] == [
        {
            "step": "PosterEncoder",
            "backbone": "hf://openai/clip",
            "image_size": [8, 8],
            "interpolation": "bicubic",
            "crop_from": 8,
            "pooling": "auto",
            "flip": False,
            "normalize": True,
            "precision": "float32",
            "draft": False,
            "revisions": {"hf://openai/clip": pinned},
        }
    ]
    expected = pipe.predict_proba(posters)
    shutil.rmtree(constants.HF_HUB_CACHE)
    move_main(hub)
    hub.asked.clear()
    with pytest.warns(UserWarning, match=message):
        loaded = load_model(tmp_path / "it.model")
    assert hub.asked == []
    np.testing.assert_array_equal(loaded.predict_proba(posters), expected)
    # The address itself, as it is, is one of the network, which has moved since.
    encoder = pipe[0].set_params(normalize=False)  # The networks differ by a factor.
    assert not np.array_equal(
        clone(encoder).fit_transform(posters), encoder.transform(posters)
    )
    encoder.set_params(normalize=True)


def test_a_report_shows_the_commit(fitted):
    assert list_settings(fitted[0][0]) == {
        "backbone": "'hf://openai/clip'",
        "pooling": "'auto'",
        "normalize": "True",
        "precision": "'auto'",
        "revisions_": f"hf://openai/clip@{FIRST}/onnx/vision_model.onnx",
    }


def test_networks_of_keras_that_a_model_file_would_download_are_named(tmp_path):
    pytest.importorskip("skops")
    encoder = PosterEncoder("MobileNetV2")
    with pytest.warns(
        UserWarning, match="runs the network 'MobileNetV2', which is not"
    ):
        save_model(encoder, tmp_path / "it.model")
    with pytest.warns(
        UserWarning, match="runs the network 'MobileNetV2', which is not"
    ):
        load_model(tmp_path / "it.model")


def test_files_of_any_name_that_a_model_file_reads_are_named(tmp_path):
    pytest.importorskip("skops")
    with pytest.warns(UserWarning, match="reads its network from '/etc/hostname'"):
        save_model(PosterEncoder("/etc/hostname"), tmp_path / "it.model")


def test_export_refuses_a_network_of_the_hub(fitted, tmp_path):
    with pytest.raises(ValueError, match="got backbone='hf://openai/clip'"):
        export_onnx(fitted[0], tmp_path / "it.onnx")


def test_grad_cam_refuses_tokens(fitted):
    pipe, posters = fitted
    pipe.set_params(encoder__output="last_hidden_state").fit(
        posters, np.eye(2, dtype=int)[[0, 1] * 3]
    )
    message = "backbone 'clip', which gives feature tokens, whose places are not known"
    with pytest.raises(ValueError, match=message):
        grad_cam(pipe, posters)


def test_the_command_takes_an_address_as_a_parameter():
    assert _parse_params(["backbone=hf://openai/clip"]) == {
        "backbone": "hf://openai/clip"
    }


def test_a_pinned_address_in_a_model_file_is_one_of_the_hub(fitted):
    pipe, posters = fitted
    pipe[0].revisions_ = {"hf://openai/clip": "/etc/hostname"}
    with pytest.raises(
        ValueError, match="backbone must name a model of the hub as hf:"
    ):
        pipe.predict(posters)

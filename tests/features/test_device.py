"""Where an encoder runs its networks."""

import keras
import numpy as np
import onnxruntime
import pytest

from sk_posters import PosterEncoder
from sk_posters._features import _backbones, _keras_network

CUDA = "CUDAExecutionProvider"


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def fake_cuda(monkeypatch):
    """Function that lets onnxruntime offer CUDA, which runs on the CPU or fails."""
    sizes = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, model, options, providers, **others):
            self.on_cuda = providers[0][0] == CUDA
            if self.on_cuda and failing == "raises":
                raise RuntimeError("no CUDA-capable device is detected")
            self.on_cuda &= failing is None
            super().__init__(model, options, providers=["CPUExecutionProvider"])

        def get_providers(self):
            return [CUDA] * self.on_cuda + super().get_providers()

        def run(self, outputs, feed):
            sizes.extend(map(len, feed.values()))
            return super().run(outputs, feed)

    failing = None

    def fake(how=None):
        nonlocal failing
        failing = how
        offered = [CUDA, "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
        _backbones._session.cache_clear()
        return sizes

    yield fake
    _backbones._session.cache_clear()


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_cuda_the_cpu_is_taken(device, images):
    encoder = PosterEncoder(device=device).fit(images)
    assert encoder.devices_ == ["cpu"]
    encoder.transform(images)
    assert encoder.devices_ == ["cpu"]


@pytest.mark.parametrize("device", ["auto", "cuda"])
@pytest.mark.parametrize("pooling", ["avgmax", "covariance"])
def test_a_gpu_gets_whole_batches(device, pooling, images, fake_cuda):
    expected = PosterEncoder(pooling=pooling).fit_transform(images)
    sizes = fake_cuda()
    encoder = PosterEncoder(pooling=pooling, device=device, n_jobs=1)
    features = encoder.fit_transform(images)
    assert encoder.devices_ == ["cuda"]
    assert sizes == [3]
    np.testing.assert_allclose(features, expected, atol=1e-4)


def test_the_cpu_gets_images_one_by_one_where_it_is_asked_for(images, fake_cuda):
    sizes = fake_cuda()
    encoder = PosterEncoder(device="cpu", n_jobs=1)
    encoder.fit_transform(images)
    assert encoder.devices_ == ["cpu"]
    assert sizes == [1, 1, 1]


def test_an_onnx_file_runs_on_the_gpu(images, fake_cuda, save_onnx):
    path = save_onnx()
    expected = PosterEncoder(path).fit_transform(images)
    sizes = fake_cuda()
    encoder = PosterEncoder([path, "efficientnet_lite0"], device="cuda", n_jobs=1)
    features = encoder.fit_transform(images)
    assert encoder.devices_ == ["cuda", "cuda"]
    assert set(sizes[1:]) == {3}  # The first image only tells the shape.
    np.testing.assert_allclose(features[:, :4], expected, atol=1e-4)


def test_a_file_for_single_images_gets_them_one_by_one(images, fake_cuda, save_onnx):
    sizes = fake_cuda()
    PosterEncoder(save_onnx(batch=1), device="cuda", n_jobs=1).fit_transform(images)
    assert set(sizes) == {1}


def test_features_of_a_gpu_have_their_own_place_in_the_cache(
    images, fake_cuda, tmp_path
):
    on_cpu = PosterEncoder(device="cpu", cache_dir=tmp_path)
    on_gpu = PosterEncoder(device="cuda", cache_dir=tmp_path)
    fake_cuda()
    for encoder in (on_cpu, on_gpu):
        encoder.fit_transform(images)
        assert encoder.n_computed_ == 3
        encoder.fit_transform(images)
        assert encoder.n_computed_ == 0


def test_cuda_without_the_package_is_refused_with_the_line_that_installs_it(images):
    message = (
        r'device="cuda" needs an onnxruntime with NVIDIA.* pip uninstall onnxruntime '
        r"&& pip install 'onnxruntime-gpu\[cuda,cudnn\]'; or leave device=\"auto\""
    )
    with pytest.raises(ImportError, match=message):
        PosterEncoder(device="cuda").fit(images)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raises", "no CUDA-capable device is detected"),
        ("falls back", "its libraries cannot be loaded"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_an_error_or_a_warning(
    how, reason, images, fake_cuda
):
    fake_cuda(how)
    message = rf"onnxruntime cannot use the GPU \({reason}\).* pip install"
    with pytest.raises(RuntimeError, match=f'device="cuda": {message}'):
        PosterEncoder(device="cuda").fit(images)
    encoder = PosterEncoder(device="auto")
    with pytest.warns(UserWarning, match=f'device="auto" runs on the CPU: {message}'):
        encoder.fit(images)
    assert encoder.devices_ == ["cpu"]


def test_a_damaged_file_is_not_reported_as_a_missing_gpu(images, fake_cuda, tmp_path):
    fake_cuda("raises")
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match="cannot be opened as an ONNX model"):
        PosterEncoder(path, device="cuda").fit(images)


def test_an_unknown_device_is_refused(images):
    with pytest.raises(ValueError, match="'device' parameter of PosterEncoder must be"):
        PosterEncoder(device="gpu").fit(images)


@pytest.fixture
def model():
    layer = keras.layers.Conv2D(2, 1)
    return keras.Sequential([keras.Input((32, 32, 3)), layer], name="tiny")


def test_keras_networks_run_where_keras_puts_them(model, images, monkeypatch):
    encoder = PosterEncoder(model, image_size=(32, 32), mean=0, std=255)
    assert encoder.fit(images).devices_ == ["cpu"]
    monkeypatch.setattr(_keras_network, "list_gpus", lambda: [(9, 0)])
    assert encoder.fit(images).devices_ == ["cuda"]
    assert encoder.set_params(device="cuda").fit(images).devices_ == ["cuda"]
    message = r"device='cpu' does not reach .* puts it on 'cuda'.* CUDA_VISIBLE_DEVICES"
    with pytest.raises(ValueError, match=message):
        encoder.set_params(device="cpu").fit(images)


def test_a_gpu_that_keras_lacks_is_refused(model, images):
    encoder = PosterEncoder(model, mean=0, std=255, device="cuda")
    message = r"device='cuda' does not reach .* puts it on 'cpu'.* KERAS_BACKEND"
    with pytest.raises(ValueError, match=message):
        encoder.fit(images)


def test_encoders_of_version_0_1_0_have_a_device():
    state = PosterEncoder().__getstate__()
    del state["device"]
    encoder = PosterEncoder.__new__(PosterEncoder)
    encoder.__setstate__(state)
    assert encoder.get_params()["device"] == "auto"

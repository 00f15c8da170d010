"""The GPUs that each backend of Keras names."""

import sys
from types import SimpleNamespace

import keras
import pytest

from sk_posters._base._gpus import list_gpus


@pytest.fixture
def use_backend(monkeypatch):
    """Function that lets Keras have a backend, and a module of its name be there."""

    def use(name, module=None):
        monkeypatch.setattr(keras.backend, "backend", lambda: name)
        if module is not None:
            monkeypatch.setitem(sys.modules, name, module)

    return use


def test_tensorflow_names_its_gpus(monkeypatch, tf):
    details = {"GPU:0": {"compute_capability": (8, 0)}, "GPU:1": {}}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert list_gpus() == [(8, 0), (0, 0)]


def test_jax_names_its_gpus(use_backend):
    devices = [
        SimpleNamespace(platform="gpu", compute_capability="9.0"),
        SimpleNamespace(platform="gpu", compute_capability="gfx90a"),
        SimpleNamespace(platform="gpu"),
        SimpleNamespace(platform="cpu"),
    ]
    use_backend("jax", SimpleNamespace(devices=lambda: devices))
    assert list_gpus() == [(9, 0), (0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [(None, [(7, 5), (9, 0)]), ("cuda:1", [(7, 5), (9, 0)]), ("cpu", [])],
)
def test_torch_names_its_gpus_unless_keras_has_another_device(
    chosen, found, use_backend, monkeypatch
):
    capabilities = [(7, 5), (9, 0)]
    cuda = SimpleNamespace(
        device_count=lambda: 2, get_device_capability=capabilities.__getitem__
    )
    use_backend("torch", SimpleNamespace(cuda=cuda))
    monkeypatch.delenv("KERAS_TORCH_DEVICE", raising=False)
    if chosen:
        monkeypatch.setenv("KERAS_TORCH_DEVICE", chosen)
    assert list_gpus() == found


def test_a_backend_without_training_has_no_gpus(use_backend):
    use_backend("openvino")
    assert list_gpus() == []

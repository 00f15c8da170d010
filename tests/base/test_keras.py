"""A backend of Keras that is unknown or missing is named, with what to do."""

import importlib
import importlib.util
import re
import sys

import pytest

from sk_posters._base._keras import check_backend


@pytest.fixture
def without(monkeypatch):
    """Function that lets all packages be installed but these."""

    def hide(*names):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name: None if name in names else object(),
        )

    return hide


def test_a_backend_that_is_installed_passes(monkeypatch, without):
    without()
    for name in ("tensorflow", "jax", "torch"):
        monkeypatch.setenv("KERAS_BACKEND", name)
        check_backend()


def test_an_unknown_backend_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    message = r"KERAS_BACKEND is 'mxnet', and .* 'tensorflow', 'jax' or 'torch'\. Set K"
    with pytest.raises(ValueError, match=message):
        check_backend()


def test_a_backend_that_is_not_installed_is_named(monkeypatch, without):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    without("jax", "torch")
    message = r"KERAS_BACKEND is 'jax', .* pip install jax, or .* to 'tensorflow'\.$"
    with pytest.raises(ImportError, match=message):
        check_backend()
    without("jax", "torch", "tensorflow")
    with pytest.raises(ImportError, match=r"Install it with: pip install jax\.$"):
        check_backend()


def test_the_default_is_tensorflow(monkeypatch, without, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    without("tensorflow")
    with pytest.raises(ImportError, match=r"The default of KERAS_BACKEND is 'tensorf"):
        check_backend()


def test_a_backend_of_the_settings_file_is_named_with_the_file(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "theano"}')
    message = rf'"backend" in {re.escape(str(tmp_path))}.* is \'theano\', and networks'
    with pytest.raises(ValueError, match=message):
        check_backend()


def test_the_first_network_asks_for_the_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    for name in list(sys.modules):
        if name == "keras" or name.startswith("sk_posters._networks._classifier"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "sk_posters._base._keras")
    with pytest.raises(ValueError, match="KERAS_BACKEND is 'mxnet'"):
        importlib.import_module("sk_posters._networks._classifier")

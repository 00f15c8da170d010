"""TensorFlow is told to use oneDNN in time, and never against the user's word."""

import os
import subprocess
import sys
import warnings

import pytest

from sk_posters import PosterClassifier, _environment

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def after_import(setup="", **variables):
    """The variable as a fresh interpreter sees it once sk_posters is imported."""
    environment = {name: value for name, value in os.environ.items() if name != ONEDNN}
    code = (
        f"import os, sys\n{setup}\nimport sk_posters\nprint(os.environ.get('{ONEDNN}'))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, ONEDNN],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.fixture
def too_late(monkeypatch):
    """TensorFlow was there before sk_posters, on a processor without AVX512-VNNI."""
    monkeypatch.delenv(ONEDNN, raising=False)
    monkeypatch.setattr(_environment, "_came_too_late", False)
    monkeypatch.setattr(_environment, "_is_off_by_default", lambda: True)
    _environment.prepare_tensorflow()


def test_importing_the_package_switches_onednn_on():
    assert after_import() == "1"


def test_the_users_word_stands():
    assert after_import(**{ONEDNN: "0"}) == "0"


def test_nothing_is_set_once_tensorflow_is_there():
    assert after_import("sys.modules['tensorflow'] = sys") == "None"


def test_a_late_import_is_said_once(too_late, tiny, images, labels):
    classifier = PosterClassifier(**tiny)
    with pytest.warns(UserWarning, match=f"import sk_posters before .*{ONEDNN}=1"):
        classifier.fit(images, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        classifier.fit(images, labels)


def test_nothing_is_said_where_the_user_has_decided(too_late, monkeypatch):
    monkeypatch.setattr(_environment, "_came_too_late", False)
    monkeypatch.setenv(ONEDNN, "0")
    _environment.prepare_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        _environment.hint_at_slow_tensorflow()


@pytest.mark.parametrize(
    ("text", "is_off"),
    [
        ("processor : 0\nflags : fpu avx2 fma\n", True),
        ("processor : 0\nflags : fpu avx2 avx512_vnni\n", False),
        ("processor : 0\nFeatures : fp asimd\n", False),
        (None, False),
    ],
    ids=["avx2", "vnni", "arm", "no file"],
)
def test_the_processor_is_known_by_its_flags(text, is_off, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(_environment, "CPU_INFO", path)
    assert _environment._is_off_by_default() is is_off

"""TensorFlow is told to use oneDNN in time, and never against the user's word."""

import os
import subprocess
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import joblib
import pytest

from sk_posters import PosterClassifier
from sk_posters._base import _threads
from sk_posters._networks import _onednn

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
    monkeypatch.setattr(_onednn, "_came_too_late", False)
    monkeypatch.setattr(_onednn, "_is_off_by_default", lambda: True)
    _onednn.prepare_tensorflow()


def test_importing_the_package_switches_onednn_on():
    assert after_import() == "1"


def test_the_setting_of_the_user_is_kept():
    assert after_import(**{ONEDNN: "0"}) == "0"


def test_nothing_is_set_once_tensorflow_is_there():
    assert after_import("sys.modules['tensorflow'] = sys") == "None"


def test_a_late_import_is_reported_once(too_late, tiny, images, labels):
    classifier = PosterClassifier(**tiny)
    with pytest.warns(UserWarning, match=f"import sk_posters before .*{ONEDNN}=1"):
        classifier.fit(images, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        classifier.fit(images, labels)


def test_nothing_is_reported_where_the_user_has_decided(too_late, monkeypatch):
    monkeypatch.setattr(_onednn, "_came_too_late", False)
    monkeypatch.setenv(ONEDNN, "0")
    _onednn.prepare_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        _onednn.hint_at_slow_tensorflow()


def threads_of_worker():
    """How many threads a process of joblib has for itself, and decodes with."""
    names = _threads.map_in_threads(slow_name, range(8), -1)
    return _threads.share_of_cores(), len(set(names))


def slow_name(item):
    time.sleep(0.01)
    return threading.current_thread().name


def test_a_process_of_joblib_decodes_on_its_share_of_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with joblib.parallel_config("loky", n_jobs=2):
        (found,) = joblib.Parallel()([joblib.delayed(threads_of_worker)()])
    share = max(1, joblib.cpu_count() // 2)
    assert found == (share, share)


def test_alone_a_process_has_all_cores(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert _threads.share_of_cores() is None


@pytest.mark.parametrize(
    ("text", "share"), [("3", 3), ("0", 1), ("", None), ("4,2", None)], ids=repr
)
def test_the_share_is_what_joblib_sets(text, share, monkeypatch):
    monkeypatch.setattr(_threads.multiprocessing, "parent_process", lambda: "a")
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert _threads.share_of_cores() == share


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(3, 3), (None, 1), (-1, 1)])
def test_a_given_number_of_threads_is_used(n_jobs, n_threads, monkeypatch):
    monkeypatch.setattr(_threads.multiprocessing, "parent_process", lambda: "a")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert _threads.count_threads(n_jobs) == n_threads


@pytest.mark.parametrize("n_jobs", [-1, None])
def test_the_cores_of_a_cluster_are_no_threads_of_this_machine(n_jobs, monkeypatch):
    monkeypatch.setattr(joblib, "effective_n_jobs", lambda n_jobs: 10_000)
    assert _threads.count_threads(n_jobs) == joblib.cpu_count()


def test_a_daemonic_process_has_threads_and_says_nothing(monkeypatch):
    daemon = SimpleNamespace(daemon=True)
    monkeypatch.setattr(_threads.multiprocessing, "current_process", lambda: daemon)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _threads.count_threads(3) == 3
        assert _threads.count_threads(-1) == joblib.cpu_count()
        assert _threads.count_threads(None) == 1


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
    monkeypatch.setattr(_onednn, "CPU_INFO", path)
    assert _onednn._is_off_by_default() is is_off

"""What strangers make is answered or refused, and neither crashes nor hangs its reader.

The benchmark `bench_fuzz.py` does the same with many more cases. What it has found is
tested here with the smallest input that shows it.
"""

import io
import re
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sk_posters import PosterEncoder, PosterImageLoader
from sk_posters._features._torch_weights import parse_checkpoint
from sk_posters._images._scans import MAX_SCANS
from sk_posters.cli._paths import iterate_paths
from sk_posters.datasets._genres import MAX_TEXT, genres_to_indicators
from sk_posters.datasets._tables import _source
from sk_posters.exceptions import PosterFileError

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "benchmarks"))

import bench_fuzz
from _fuzzed import TARGETS, is_own
from _written import are_installed

HANG = 5.0
N_CASES = {"images": 150, "ONNX file": 8, "model file, structure": 12}
# Keras takes seconds to load: the benchmark has it.
NAMES = [
    name
    for name, target in TARGETS.items()
    if are_installed(target.needs) and "Keras" not in name
]


@pytest.fixture(scope="module", params=NAMES)
def target(request, tmp_path_factory):
    return TARGETS[request.param](str(tmp_path_factory.mktemp("fuzz")))


@pytest.mark.filterwarnings("ignore")
def test_readers_return_or_raise_their_own_errors(target):
    @settings(
        max_examples=N_CASES.get(target.name, 60),
        deadline=None,  # Of processor time below: other processes may be busy.
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def check(random):
        case = target.case(random)
        started = time.process_time()
        kind, problem, _ = bench_fuzz.outcome(target, case)
        assert problem is None, (kind, problem)
        assert time.process_time() - started < HANG

    check()


class Broken:
    """A reader that does what none should."""

    name = "broken"
    start_method = "fork"

    def begin(self):
        pass

    def case(self, random):
        return random.randint(0, 3)

    def read(self, case):
        if case == 0:
            raise TypeError("a crash")
        if case == 1:
            sys.exit(1)
        if case == 2:
            time.sleep(0.2)


def test_misbehaving_readers_are_noticed():
    found = bench_fuzz.fuzzed(Broken(), 40, limit=0.1)
    reasons = " ".join(reason for _, reason in found["found"])
    assert "TypeError: a crash" in reasons
    assert "the process ended: 1" in reasons
    assert "took 0.2 s" in reasons
    assert found["crashes"] + found["hangs"] == len(found["found"])
    assert found["answers"] + found["own errors"] + found["crashes"] == 40


def test_errors_of_others_are_not_own():
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("x")
    assert not is_own(caught.value)


@pytest.mark.parametrize("value", [np.array("Drama"), np.array([["Drama"]])])
def test_genres_in_arrays_have_one_dimension(value):
    with pytest.raises(ValueError, match="row 0 must be a list of names"):
        genres_to_indicators([value])


def test_an_escape_in_genres_is_kept_whatever_warnings_do():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(genres_to_indicators([r"['a\d']"])) == [r"a\d"]


def test_endless_genres_are_refused_in_a_few_words():
    with pytest.raises(ValueError, match="row 0 must be a list of names") as caught:
        genres_to_indicators(["-" * (MAX_TEXT + 1)])
    assert len(str(caught.value)) < 1000


def test_very_many_columns_are_compared_in_time():
    names = ["Id", *map(str, range(60_000))]
    frame = pd.DataFrame(np.zeros((1, len(names))), columns=names)
    started = time.perf_counter()
    assert _source._name_columns(frame, "it.csv", []).columns.tolist() == names
    assert time.perf_counter() - started < HANG


def test_a_number_in_a_pickle_makes_no_room():
    # Python would make room for 2**31 objects, 16 bytes each.
    content = b"\x80\x02K\x01r\xff\xff\xff\x7f."
    with pytest.raises(ValueError, match="it numbers an object 2147483647"):
        parse_checkpoint(content)


def test_repeated_stars_look_at_each_folder_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a/b/a/b").mkdir(parents=True)
    Path("a/b/c.jpg").touch()
    started = time.perf_counter()
    assert list(iterate_paths(["**/" * 2000 + "c.jpg"], [])) == [("a/b/c.jpg", None)]
    assert time.perf_counter() - started < HANG


def scans(image, n_more):
    """A progressive JPEG with one of its scans so many times more."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    first, second = [m.start() for m in re.finditer(rb"\xff\xda", content)][2:4]
    return content[:first] + content[first:second] * n_more + content[first:]


def test_an_image_that_is_refined_for_ever_is_refused(tmp_path):
    path = tmp_path / "it.jpg"
    image = Image.new("RGB", (32, 48), "red")
    path.write_bytes(scans(image, 0))
    PosterImageLoader(image_size=(8, 8)).fit([str(path)])
    path.write_bytes(scans(image, MAX_SCANS))
    message = r"comes in \d+ scans, more than the 100 allowed for its size, as in"
    with pytest.raises(PosterFileError, match=message):
        PosterImageLoader(image_size=(8, 8)).fit([str(path)])


def changed(path, change):
    """Change the graph of an ONNX file."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    return path


def with_other_weights(graph):
    graph.initializer[0].dims[:] = [2, 6, 1, 1]


def fitted(path):
    pytest.importorskip("onnxruntime")
    images = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    return PosterEncoder(path, image_size=(8, 8), n_jobs=1).fit(images)


def test_a_graph_that_cannot_be_run_is_named(save_onnx):
    path = changed(save_onnx(sides=(8, 8)), with_other_weights)
    message = r"tiny\.onnx' cannot be (opened|run).*"
    with pytest.raises(ValueError, match=message):
        fitted(path)

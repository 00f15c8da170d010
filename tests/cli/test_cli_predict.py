"""The command ``predict``."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import tracemalloc
from itertools import islice, repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_helpers import RARE, Stub, make_environment, run, start, touch
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    load_model,
    make_poster_pipeline,
    save_model,
)
from sk_posters.cli._paths import iterate_paths
from sk_posters.cli._streaming import Predictor
from sk_posters.cli._writers import open_writer
from sk_posters.datasets import load_poster_table
from sk_posters.exceptions import ModelFileError, PosterFileError
from sk_posters.inspection import novelty


def measure_peak(n_paths):
    class Quiet(Stub):
        batches = SimpleNamespace(append=lambda _: None)

        def __init__(self):
            pass

    lines = repeat(b"a.jpg\n", n_paths)
    tracemalloc.start()
    try:
        with open_writer(Path("x.csv"), "csv", Stub.names, False) as writer:
            predictor = Predictor(Quiet(), Stub.names)
            for prediction in predictor.predict(iterate_paths("-", lines)):
                writer.write(prediction)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def read_all(descriptor):
    text = b""
    while True:
        try:
            ready, _, _ = select.select([descriptor], [], [], 60)
            part = os.read(descriptor, 4096) if ready else b""
        except OSError:  # The other end is closed.
            part = b""
        if not part:
            return text.decode()
        text += part


def test_predictions_are_those_of_the_model(trained, posters):
    result = run("predict", trained.model, "posters", "-f", "jsonl", "-p")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    model = load_model(trained.model)
    names = model[-1].label_names_
    paths = [row["path"] for row in rows]
    assert sorted(paths) == posters
    given = [[name for name in names if name in row["labels"]] for row in rows]
    expected = [list(names[row > 0]) for row in model.predict(paths)]
    assert given == expected
    scores = [list(row["probabilities"].values()) for row in rows]
    np.testing.assert_allclose(scores, model.predict_proba(paths), atol=1e-6)
    assert {row["error"] for row in rows} == {None}


@pytest.mark.filterwarnings(RARE)
@pytest.mark.parametrize("where", ["around", "within", "nowhere"])
def test_features_are_computed_once_wherever_thresholds_are_tuned(
    table, posters, monkeypatch, where
):
    data = load_poster_table(table)
    model = make_poster_pipeline(image_size=(64, 48), C=0.1)
    if where == "around":
        model = MultilabelTunedThresholdClassifierCV(model, cv=2)
    if where == "within":
        tuned = MultilabelTunedThresholdClassifierCV(model[1:], cv=2)
        model = Pipeline([("encoder", model[0]), ("tuned", tuned)])
    model.fit(data.data, data.target)
    save_model(model, "m.model", label_names=data.target_names)
    expected = model.predict(posters), model.predict_proba(posters)
    calls = []
    transform = PosterEncoder.transform
    monkeypatch.setattr(
        PosterEncoder,
        "transform",
        lambda self, X: calls.append(len(X)) or transform(self, X),
    )
    result = run("predict", "m.model", *posters, "-f", "jsonl", "-p")
    assert result.exit_code == 0, result.output
    assert calls == [3]
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    names = np.array(data.target_names)
    assert [row["labels"] for row in rows] == [list(names[r > 0]) for r in expected[0]]
    scores = [list(row["probabilities"].values()) for row in rows]
    np.testing.assert_allclose(scores, expected[1], atol=1e-6)


def test_probabilities_are_computed_once(stub):
    touch("a.jpg", "b.jpg")
    assert run("predict", "m", "a.jpg", "b.jpg", "-p").exit_code == 0
    assert stub.batches == [2]


def test_an_unreadable_file_is_a_row_and_the_others_are_predicted(trained, posters):
    Path("posters/bad.jpg").write_text("no image")
    result = run("predict", trained.model, posters[0], "posters/bad.jpg", "none.jpg")
    assert result.exit_code == 1
    assert result.stderr == "2 of 3 posters could not be read\n"
    first, bad, none = result.stdout.splitlines()
    assert re.match(r"posters/a.jpg +\w", first)
    assert re.match(r"posters/bad.jpg +error: not an image", bad)
    assert re.match(r"none.jpg +error: no such file", none)


def test_an_unreadable_file_stops_the_command_on_request(trained, posters):
    Path("posters/bad.jpg").write_text("no image")
    words = ["predict", trained.model, "posters", "-o", "x.csv", "--on-error", "raise"]
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: 1 file cannot be used as a poster: ")
    assert len(result.stderr.splitlines()) == 1
    result = run("predict", trained.model, "none.jpg", "--on-error", "raise")
    assert (result.exit_code, result.stdout) == (2, "")
    assert os.listdir(".") == ["posters"]


def test_no_model_predicts_for_a_file_that_was_not_read(lenient, posters):
    Path("posters/bad.jpg").write_text("no image")
    result = run("predict", lenient, "posters", "none.jpg", "-f", "jsonl", "-p")
    assert result.exit_code == 1
    assert result.stderr.endswith("2 of 5 posters could not be read\n")
    rows = {row["path"]: row for row in map(json.loads, result.stdout.splitlines())}
    for path in ("posters/bad.jpg", "none.jpg"):
        assert rows[path]["labels"] is rows[path]["probabilities"] is None
        assert rows[path]["error"]
    assert all(rows[path]["error"] is None for path in posters)
    words = ["predict", lenient, "posters", "--on-error", "raise"]
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "1 file cannot be used as a poster: 'posters/bad.jpg'" in result.stderr


def test_what_is_skipped_in_a_folder_is_counted_and_dead_links_are_rows(stub):
    touch("p/a.jpg", "p/notes.txt", "p/Thumbs.db")
    Path("p/dead.jpg").symlink_to("nowhere")
    Path("p/loop.jpg").symlink_to("loop.jpg")
    result = run("predict", "m", "p", "-f", "jsonl")
    assert result.exit_code == 1
    rows = {row["path"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert set(rows) == {"p/a.jpg", "p/dead.jpg", "p/loop.jpg"}
    assert rows["p/dead.jpg"]["error"] == "a link to a file that does not exist"
    assert rows["p/a.jpg"]["error"] is None
    first, second = result.stderr.splitlines()
    assert first.startswith("skipped: 2 × no image by its suffix (.")
    assert second == "2 of 3 posters could not be read"


def test_paths_are_read_from_standard_input(stub):
    touch("a.jpg", "b.jpg")
    result = run("predict", "m", "b.jpg", "-", "-f", "jsonl", input="a.jpg\nnone.jpg\n")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["path"] for row in rows] == ["b.jpg", "a.jpg", "none.jpg"]
    assert result.exit_code == 1


def test_rows_keep_their_order_in_batches_of_any_size(stub):
    names = touch(*(f"{'bad' if i % 3 == 0 else 'x'}{i}.jpg" for i in range(10)))
    result = run("predict", "m", *names, *names[:2], "-f", "csv", "--batch-size", "4")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["path"] for row in rows] == [*names, *names[:2]]
    assert [row["error"] for row in rows] == [
        "it is bad" if "bad" in row["path"] else "" for row in rows
    ]
    assert stub.batches == [2, 3, 2]


def test_top_labels_come_in_order_of_probability(stub):
    touch("a.jpg", "a long name.jpg")
    result = run("predict", "m", "a.jpg", "a long name.jpg", "-k", "2")
    assert result.stdout == (
        f"{'a.jpg':24}  Short 1.00, Odd 0.25\n"
        f"{'a long name.jpg':24}  Odd 0.25, Short 0.00\n"
    )
    result = run("predict", "m", "a.jpg", "-k", "1", "-f", "jsonl")
    assert result.stdout == '{"path": "a.jpg", "labels": ["Short"], "error": null}\n'
    result = run("predict", "m", "a.jpg", "-k", "3")
    assert result.exit_code == 2
    assert "--top-k must be at most 2, the number of labels" in result.stderr


def test_labels_without_names_are_numbered():
    predictions = Predictor(Stub(), None, top_k=2).predict([("a.jpg", None)])
    assert next(predictions).labels == ["0", "1"]


def test_probabilities_need_a_model_with_predict_proba():
    model = SimpleNamespace(predict=lambda paths: np.ones((len(paths), 2), int))
    [prediction] = Predictor(model, ["A", "B"]).predict([("a.jpg", None)])
    assert prediction.labels == ["A", "B"]
    with pytest.raises(ValueError, match="gives no probabilities: leave out --p"):
        list(Predictor(model, ["A", "B"], top_k=1).predict([("a.jpg", None)]))


def test_an_error_about_other_files_is_raised():
    def predict(paths):
        raise PosterFileError([("other.jpg", "bad")])

    model = SimpleNamespace(predict=predict)
    with pytest.raises(PosterFileError, match=r"other\.jpg"):
        list(Predictor(model, ["A"]).predict([("a.jpg", None)]))


@pytest.mark.parametrize("names", [["A"], None])
@pytest.mark.parametrize("options", [{"probabilities": True}, {"top_k": 1}, {}])
def test_a_model_of_one_label_predicts_as_any_other(names, options):
    head = OneVsRestClassifier(LogisticRegression())
    head.fit(np.array([[1.0], [2.0], [8.0], [9.0]]), np.array([[0], [0], [1], [1]]))
    lengths = FunctionTransformer(lambda paths: [[len(path)] for path in paths])
    model = Pipeline([("lengths", lengths), ("head", head)])
    paths = [("a", None), ("a long one", None)]
    short, long = Predictor(model, names, **options).predict(paths)
    name = names[0] if names else "0"
    assert long.labels == [name]
    assert short.labels == ([name] if "top_k" in options else [])
    if options:
        [expected] = head.predict_proba([[10]])[:, 1].round(6).tolist()
        assert long.probabilities == {name: pytest.approx(expected, abs=1e-6)}


def make_tuned(classifier):
    return MultilabelTunedThresholdClassifierCV(classifier, cv=2)


# Their probabilities are a list of arrays, of one column for a constant label.
@pytest.mark.filterwarnings(RARE)
@pytest.mark.parametrize(
    "classifier",
    [
        MultiOutputClassifier(GaussianNB()),
        KNeighborsClassifier(algorithm="brute"),
        make_tuned(MultiOutputClassifier(GaussianNB())),
    ],
    ids=["MultiOutputClassifier", "KNeighborsClassifier", "tuned thresholds"],
)
def test_labels_with_one_class_in_fit_have_probabilities(
    constant_table, posters, classifier
):
    data = load_poster_table(constant_table)
    model = make_pipeline(PosterEncoder(image_size=(64, 48)), classifier)
    model.fit(data.data, data.target)
    with pytest.raises(ModelFileError, match=" --trust sklearn") as caught:
        save_model(model, "m.model")
    types = re.findall(r"--trust ([\w.]+\w)", str(caught.value))
    save_model(model, "m.model", label_names=data.target_names, trusted=types)
    command = ["predict", "m.model", *posters, "-p", "-f", "jsonl"]
    refused = run(*command)
    assert refused.exit_code == 2
    assert f"to a command --trust {types[0]}" in refused.stderr
    result = run(*command, *(word for name in types for word in ("--trust", name)))
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    names = np.array(data.target_names)
    expected = [list(names[row > 0]) for row in model.predict(posters)]
    assert [row["labels"] for row in rows] == expected
    scores = np.array([list(row["probabilities"].values()) for row in rows])
    assert list(rows[0]["probabilities"]) == [*names[:4], "Never", "Always"]
    assert scores[:, 4:].tolist() == [[0, 1]] * 3
    given = model.predict_proba(posters)
    if isinstance(given, list):
        given = np.column_stack([each[:, -1] for each in given])
    np.testing.assert_allclose(scores[:, :4], given[:, :4], atol=1e-6)


@pytest.mark.filterwarnings(RARE)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda steps: Pipeline([*steps[:-1], ("forest", make_tuned(steps[-1][1]))]),
        lambda steps: GridSearchCV(Pipeline(steps), {"forest__max_depth": [2]}, cv=2),
        lambda steps: GridSearchCV(make_tuned(Pipeline(steps)), {"cv": [2]}, cv=2),
        lambda steps: make_tuned(
            GridSearchCV(Pipeline(steps), {"forest__max_depth": [2]}, cv=2)
        ),
    ],
    ids=["tuned head", "search", "search over thresholds", "thresholds over search"],
)
def test_features_are_computed_once_within_searches_and_thresholds(wrap):
    batches = []

    def measure(paths):
        batches.append(len(paths))
        return [[len(path)] for path in paths]

    lengths = np.arange(1, 41)
    paths = ["x" * length for length in lengths]
    y = np.column_stack([lengths > 30, lengths % 3 == 0, 0 * lengths, 0 * lengths + 1])
    forest = RandomForestClassifier(5, random_state=0)
    steps = [("lengths", FunctionTransformer(measure)), ("forest", forest)]
    model = wrap(steps).fit(paths, y.astype(int))
    labels, given = model.predict(paths), model.predict_proba(paths)
    batches.clear()
    predictor = Predictor(model, list("ABCD"), probabilities=True)
    predictions = list(predictor.predict((path, None) for path in paths))
    assert batches == [40]
    expected = [["ABCD"[i] for i in np.flatnonzero(row)] for row in labels]
    assert [prediction.labels for prediction in predictions] == expected
    scores = np.array([list(each.probabilities.values()) for each in predictions])
    assert scores[:, 2:].tolist() == [[0, 1]] * 40
    if isinstance(given, list):
        given = np.column_stack([each[:, -1] for each in given])
    np.testing.assert_allclose(scores[:, :2], given[:, :2], atol=1e-6)


def test_only_a_batch_of_paths_is_read_before_the_first_prediction():
    read = []

    def paths():
        for number in range(1_000_000):
            read.append(number)
            yield f"{number}.jpg", None

    predictions = Predictor(Stub(), Stub.names, batch_size=16).predict(paths())
    assert next(predictions).path == "0.jpg"
    assert len(read) == 16
    assert len(list(islice(predictions, 16))) == 16
    assert len(read) == 32


def test_memory_does_not_grow_with_the_number_of_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("a.jpg")
    measure_peak(512)  # Imports, and what is kept for good.
    few, many = measure_peak(2_000), measure_peak(20_000)
    assert len(Path("x.csv").read_text().splitlines()) == 20_001
    assert many < few + 50_000  # 18,000 strings would take a megabyte.


def test_rows_are_written_while_paths_still_come_until_the_pipe_is_closed(
    trained, posters
):
    with start("predict", trained.model, "-", "--batch-size", "2") as process:
        process.stdin.write(b"posters/a.jpg\nposters/b.jpg\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"posters/a.jpg ")
        process.stdout.close()
        process.stdin.write(b"posters/c.jpg\n" * 4)
        process.stdin.close()
        process.wait(timeout=30)
        stderr = process.stderr.read()
    assert (process.returncode, stderr) == (141, b"")


def test_progress_is_shown_on_a_terminal_and_tensorflow_is_not_imported(
    trained, posters
):
    code = (
        "import sys; from sk_posters.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(99 if {'tensorflow', 'keras'} & set(sys.modules) else code)"
    )
    words = ["predict", str(trained.model), "posters", "-o", "x.csv"]
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        **{"stdout": follower, "stderr": follower, "env": make_environment()},
    )
    os.close(follower)
    shown_there = read_all(leader)
    os.close(leader)
    assert process.wait(timeout=30) == 0
    assert "3 posters" in shown_there


@pytest.fixture
def noise(posters):
    """Path of an image that is no poster."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("noise.png")
    return "noise.png"


def test_novelty_is_a_column_and_words_in_a_table(trained, posters, noise):
    expected = novelty(load_model(trained.model), [*posters, noise]).round(4)
    assert expected[3] > 0.95 > expected[:3].min()
    words = ["predict", trained.model, *posters, noise, "none.jpg"]
    result = run(*words, "-f", "csv", "-p")
    header, *rows = csv.reader(io.StringIO(result.stdout))
    assert header[:2] + header[-2:] == ["path", "labels", "novelty", "error"]
    assert len(header) == 8
    assert [float(row[-2]) for row in rows[:4]] == expected.tolist()
    assert rows[4][-2] == ""
    result = run(*words, "-f", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(rows[0]) == ["path", "labels", "novelty", "error"]
    assert [row["novelty"] for row in rows] == [*expected, None]
    lines = run(*words).stdout.splitlines()
    percent = int(100 * expected[3])
    assert lines[3].endswith(f"  (unlike {percent} % of the training posters)")
    shown = [line.endswith("% of the training posters)") for line in lines]
    assert shown == [*(expected > 0.95), False]


def test_a_model_without_novelty_says_so_and_has_no_column(trained, posters):
    model = load_model(trained.model)
    steps = [(name, step) for name, step in model.steps if name != "novelty"]
    save_model(Pipeline(steps), "old.model")
    result = run("predict", "old.model", posters[0], "-f", "csv")
    assert result.exit_code == 0
    assert result.stdout.startswith("path,labels,error\n")
    assert result.stderr == (
        "note: no novelty, because the model was saved by sk_posters 0.1 or made "
        "without the step FeatureNovelty; train it again\n"
    )


@pytest.mark.filterwarnings(RARE)
def test_novelty_in_a_table_of_predictions_is_no_label(posters):
    rows = "a.jpg,Drama,0.0,\nb.jpg,Crime,0.0,\nc.jpg,Drama,0.99,\n"
    table = Path("posters/predicted.csv")
    table.write_text(f"path,labels,novelty,error\n{rows}")
    data = load_poster_table(table, images="posters")
    assert data.target_names == ["Crime", "Drama"]
    assert "'novelty' (written by predict)" in data.reading
    table.write_text(f"path,title,novelty,error\n{rows}".replace("0.99", "1"))
    assert load_poster_table(
        table, images="posters", label_columns="novelty"
    ).target_names == ["novelty"]

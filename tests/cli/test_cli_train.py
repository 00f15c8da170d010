"""The command ``train``."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import (
    COMMAND,
    RARE,
    SMALL,
    copy_with_bad_files,
    make_environment,
    parse,
    run,
)
from several_encoders import make_several

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    load_model,
    make_poster_pipeline,
    model_card,
)
from sk_posters.cli._training import set_verbose
from sk_posters.datasets import load_poster_table


def test_a_model_is_trained_scored_and_saved(trained, table):
    result = trained.result
    assert (result.exit_code, result.stderr) == (0, result.stderr)
    assert "training set: 51 posters, test set: 9 posters" in result.stdout
    for name in ["macro average precision", "no label", "frequencies", "most freq."]:
        assert name in result.stdout
    card = model_card(trained.model)
    posters = load_poster_table(table)
    assert card["label_names"] == posters.target_names
    assert card["scores"]["rows held out"] == 9
    assert card["scores"]["micro F1"]["no label"] == 0
    assert card["training_data"]["n_rows"] == 51
    assert len(card["thresholds"]) == 4


def test_the_next_steps_parse(trained):
    lines = [
        line for line in trained.result.stdout.splitlines() if "  sk-posters" in line
    ]
    assert len(lines) == 3
    for line in lines:
        parse(line.strip())
    assert shlex.split(lines[0])[3] == str(trained.held_out)
    assert "--images" not in "".join(lines)


def test_the_test_set_is_written_as_a_table(trained, table):
    whole = load_poster_table(table).frame.astype(str)
    held_out = load_poster_table(trained.held_out).frame.astype(str)
    assert len(held_out) == 9
    rows = whole["Id"].isin(held_out["Id"])
    pd.testing.assert_frame_equal(whole[rows].reset_index(drop=True), held_out)


@pytest.mark.filterwarnings(RARE)
def test_images_ids_and_thresholds_can_be_other_than_the_defaults(table, tmp_path):
    other = tmp_path / "data"
    other.mkdir()
    (other / "t.csv").write_text(table.read_text().replace("Id,", "poster,", 1))
    model, held_out = tmp_path / "m.model", tmp_path / "rows.csv"
    result = run(
        *("train", other / "t.csv", "--output", model, "--held-out", held_out),
        *("--images", table.parent / "Images", "--id-column", "poster"),
        *("--no-thresholds", "--groups", "none", *SMALL),
    )
    assert result.exit_code == 0, result.output
    assert model_card(model)["thresholds"] is None
    line = next(line for line in result.stdout.splitlines() if "evaluate" in line)
    words = shlex.split(line.partition(" --html")[0])[1:]
    where = ["--images", str(table.parent / "Images"), "--id-column", "poster"]
    assert words[-4:] == where
    page = next(line for line in result.stdout.splitlines() if "--posters" in line)
    assert shlex.split(page)[3:] == ["--posters", str(other / "t.csv"), *where]
    result = run(*words, "--n-bootstrap", "0")
    assert result.exit_code == 0, result.output
    assert "9 rows, 4 labels" in result.stdout


def test_groups_are_never_split(table, tmp_path):
    # Each poster twice: under one id, and as a copy under another.
    posters = load_poster_table(table)
    frame = posters.frame.iloc[:20]
    copies = frame.assign(Id=[f"copy{i}" for i in range(len(frame))])
    images = tmp_path / "Images"
    images.mkdir()
    for path, name in zip(posters.data[:20], copies["Id"], strict=True):
        (images / Path(path).name).write_bytes(Path(path).read_bytes())
        (images / f"{name}.jpg").write_bytes(Path(path).read_bytes())
    pd.concat([frame, copies, frame]).to_csv(tmp_path / "t.csv", index=False)
    split = {}
    for groups in ("id", "alike"):
        held_out = tmp_path / f"{groups}.csv"
        options = ["-o", tmp_path / "m.model", "--held-out", held_out, *SMALL]
        options += ["--groups", groups, "--no-thresholds"]
        result = run("train", tmp_path / "t.csv", *options)
        assert result.exit_code == 0, result.output
        ids = pd.read_csv(held_out)["Id"].tolist()
        twins = dict(zip(frame["Id"], copies["Id"], strict=True))
        assert all(ids.count(name) == 2 for name in ids if name in twins)
        split[groups] = [a for a, b in twins.items() if (a in ids) != (b in ids)]
    assert split["id"]
    assert split["alike"] == []


def test_parameters_are_python_literals_or_text(trained):
    encoder = load_model(trained.model)[0]
    assert encoder.interpolation == "nearest"
    assert encoder.image_size == (64, 48)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--param", "C"], "--param must be NAME=VALUE: got 'C'"),
        (["--param", "D=1"], "has a parameter 'D'"),
        (["--output", "no/where.model"], "no folder 'no': *Make|no folder 'no'. Make"),
        (["--output", "."], "Cannot write to '.', which is a folder"),
        (["--held-out", "."], "Cannot write to '.', which is a folder"),
    ],
)
def test_errors_are_raised_before_training(
    table, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    result = run("train", table, "-o", "m.model", *words)
    assert result.exit_code == 2
    assert re.search(message, result.stderr)
    assert list(tmp_path.iterdir()) == []


def find_rows(posters, ids):
    return [row for row, name in enumerate(posters.groups) if name in set(ids)]


def test_all_files_are_read_before_the_training(table, trained, tmp_path, monkeypatch):
    fits = []
    monkeypatch.setattr("sk_posters.cli._training._fit", lambda *a: fits.append(a))
    held_out = pd.read_csv(trained.held_out, dtype={"Id": str})["Id"]
    tests = find_rows(load_poster_table(table), held_out)
    first = next(row for row in range(60) if row not in tests)
    folder = copy_with_bad_files(table, tmp_path, [first, tests[0]])
    model = tmp_path / "m.model"
    result = run("train", folder, "-o", model, *SMALL)
    assert result.exit_code == 2
    assert "wrote" not in result.stdout
    assert result.stderr.startswith("error: 2 files cannot be used as a poster: ")
    assert fits == []
    assert not model.exists()


@pytest.mark.filterwarnings(RARE)
def test_black_images_are_counted_in_training_and_never_scored(
    table, trained, tmp_path
):
    held_out = pd.read_csv(trained.held_out, dtype={"Id": str})["Id"]
    tests = find_rows(load_poster_table(table), held_out)
    others = [row for row in range(60) if row not in tests]
    folder = copy_with_bad_files(table, tmp_path, [*others[:2], tests[0]])
    model, rest = tmp_path / "m.model", tmp_path / "rest.csv"
    words = ["-o", model, "--held-out", rest, "--param", "on_error=blank", *SMALL]
    result = run("train", folder, *words)
    assert result.exit_code == 0, result.output
    assert "training set: 51 posters, test set: 8 posters" in result.stdout
    assert "unreadable: 2 in the training set, as black images" in result.stdout
    assert "unreadable: 1 left out of the test set" in result.stdout
    assert "2 files cannot be used as a poster" in result.stderr
    ids = pd.read_csv(rest, dtype={"Id": str})["Id"].tolist()
    assert ids == held_out.tolist()[1:]
    assert model_card(model)["scores"]["rows held out"] == 8
    assert load_model(model)[0].on_error == "blank"


def test_a_test_set_without_any_readable_file_is_an_error(table, tmp_path):
    folder = copy_with_bad_files(table, tmp_path, range(60))
    words = ["-o", tmp_path / "m.model", "--param", "on_error=blank"]
    result = run("train", folder, *words)
    assert result.exit_code == 2
    assert "None of the 9 files of the test set can be read: replace" in result.stderr


@pytest.mark.parametrize("error", [ValueError("no scores"), KeyboardInterrupt()])
def test_a_model_outlives_an_evaluation_that_fails(table, tmp_path, monkeypatch, error):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr("sk_posters.cli._training.multilabel_report", fail)
    model, held_out = tmp_path / "m.model", tmp_path / "held.csv"
    result = run("train", table, "-o", model, "--held-out", held_out, *SMALL)
    assert result.exit_code in (2, 130)
    assert f"{model}, which has no scores: evaluation failed" in result.stdout
    assert ("no scores" in result.stderr) == (result.exit_code == 2)
    assert model_card(model)["scores"] == {}
    images = table.parent / "Images"
    words = [model, held_out, "--images", images, "--n-bootstrap", "0"]
    assert run("evaluate", *words).exit_code == 0


def test_a_missing_skops_is_an_error_before_training(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    result = run("train", table, "-o", tmp_path / "m.model")
    assert result.exit_code == 2
    assert "sk-posters train needs the package 'skops'" in result.stderr


@pytest.mark.filterwarnings(RARE)
def test_a_network_is_trained_with_tuned_thresholds_and_a_seed(table, tmp_path):
    words = ["image_size=(32, 24)", "filters=(4,)", "dense_units=(8,)", "epochs=1"]
    params = [part for word in [*words, "dropout=0.1"] for part in ("--param", word)]
    model = tmp_path / "m.model"
    options = ["--recipe", "cnn", *params, "--n-bootstrap", "0", "--random-state", "3"]
    result = run("train", table, "-o", model, *options)
    assert result.exit_code == 0, result.output
    assert "epoch" not in result.output.lower()
    tuned = load_model(model)[-1]
    assert len(tuned.best_thresholds_) == 4
    assert (tuned.random_state, tuned.estimator_.random_state) == (3, 3)
    poster = next((table.parent / "Images").iterdir())
    words = [*COMMAND, "predict", model, poster, "-p", "-f", "jsonl"]
    done = subprocess.run(words, capture_output=True, text=True, env=make_environment())
    assert (done.returncode, done.stderr) == (0, "")  # Not a word of TensorFlow's.
    [scores] = tuned.predict_proba(load_model(model)[:-1].transform([str(poster)]))
    given = json.loads(done.stdout)["probabilities"]
    np.testing.assert_allclose(list(given.values()), scores, atol=1e-5)
    words = ["explain", model, poster, "-o", tmp_path / "x.png", "--label", "Action"]
    assert run(*words).stdout == f"wrote {tmp_path / 'x.png'}\n"
    result = run("export", model, tmp_path / "m.onnx")
    assert "n × 32 × 24 × 3" in result.stdout


def test_verbose_is_set_in_all_own_estimators_of_a_model(images):
    model = MultilabelTunedThresholdClassifierCV(make_several())
    model.estimator_ = make_poster_pipeline()
    set_verbose(model, 1)
    parts = [*model.get_params().values(), model.estimator_[0]]
    encoders = [part for part in parts if isinstance(part, PosterEncoder)]
    assert len(encoders) > 2
    assert {encoder.verbose for encoder in encoders} == {1}
    assert model.estimator_[-1].estimator.verbose == 0

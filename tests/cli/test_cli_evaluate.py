"""The command ``evaluate``."""

import re

import pandas as pd
import pytest
from cli_helpers import RARE, copy_with_bad_files, run
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    model_card,
    save_model,
)
from sk_posters.cli._evaluate import select_labels
from sk_posters.datasets import load_poster_table


def test_the_test_set_is_scored_next_to_baselines(trained):
    result = run("evaluate", trained.model, trained.held_out, "--n-bootstrap", "20")
    assert result.exit_code == 0, result.output
    scores = model_card(trained.model)["scores"]
    value = re.search(r"micro F1 +([\d.]+)", result.stdout).group(1)
    assert value == f"{scores['micro F1']['value']:.3f}"
    assert "label frequencies of y_true itself" in result.stdout


def test_rows_of_the_training_set_are_warned_about(trained, table):
    result = run("evaluate", trained.model, table, "--n-bootstrap", "0")
    assert result.exit_code == 0, result.output
    warning = "warning: 51 of the 60 rows of .*train.csv' are in the training set of"
    assert re.search(warning, result.stderr)
    assert "take the test set that train writes with --held-out" in result.stderr
    result = run("evaluate", trained.model, trained.held_out, "--n-bootstrap", "0")
    assert "training set" not in result.stderr


def test_features_are_cached_in_a_folder(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", "set back in the end")
    cache = tmp_path / "cache"
    options = ["--n-bootstrap", "0", "--cache", cache]
    assert run("evaluate", trained.model, trained.held_out, *options).exit_code == 0
    assert any(cache.rglob("*"))


def test_the_html_report_is_written_and_features_are_computed_once(
    trained, tmp_path, monkeypatch
):
    calls = []
    transform = PosterEncoder.transform
    monkeypatch.setattr(
        PosterEncoder,
        "transform",
        lambda self, X: calls.append(len(X)) or transform(self, X),
    )
    html = tmp_path / "r.html"
    options = ["--html", html, "--grad-cam", "--n-bootstrap", "10"]
    result = run("evaluate", trained.model, trained.held_out, *options)
    assert (result.exit_code, calls) == (0, [9]), result.output
    assert f"wrote {html}" in result.stdout
    page = html.read_text(encoding="utf-8")
    assert "genres.model on held out.csv" in page
    assert "9 images, 4 labels" in page
    assert page.count("bright: contributes to") == 8  # One a poster.
    value = re.search(r"macro average precision +([\d.]+)", result.stdout).group(1)
    assert f'<p class="figure">{value}</p>' in page


def test_saliency_maps_need_an_html_report(trained):
    result = run("evaluate", trained.model, trained.held_out, "--grad-cam")
    assert result.exit_code == 2
    assert "--grad-cam needs --html" in result.stderr


def test_columns_of_the_table_are_selected_in_the_order_of_the_model():
    target = pd.DataFrame({"c": [1], "a": [0], "b": [1]})
    assert list(select_labels(target, ["a", "c"], "t.csv").columns) == ["a", "c"]
    assert select_labels(target, None, "t.csv") is target
    with pytest.raises(
        ValueError, match=r"'t.csv' has no columns for these labels of the model: 'd'"
    ):
        select_labels(target, ["a", "d"], "t.csv")


def fit_and_save(classifier, data, path, trusted=()):
    model = make_pipeline(PosterEncoder(image_size=(64, 48)), classifier)
    model.fit(data.data[:20], data.target[:20])
    save_model(model, path, label_names=data.target_names, trusted=trusted)
    return model


def find_micro_f1(result):
    return re.search(r"micro F1 +([\d.]+)", result.stdout).group(1)


@pytest.mark.filterwarnings(RARE)
def test_a_model_with_labels_of_one_class_in_fit_is_scored(constant_table, tmp_path):
    data = load_poster_table(constant_table)
    classifier = MultiOutputClassifier(GaussianNB())
    types = (
        "sklearn.multioutput.MultiOutputClassifier",
        "sklearn.naive_bayes.GaussianNB",
    )
    model = fit_and_save(classifier, data, tmp_path / "m.model", types)
    html = tmp_path / "r.html"
    options = ["--n-bootstrap", "0", "--html", html]
    options += [word for name in types for word in ("--trust", name)]
    result = run("evaluate", tmp_path / "m.model", constant_table, *options)
    assert result.exit_code == 0, result.output
    score = f1_score(data.target, model.predict(data.data), average="micro")
    assert find_micro_f1(result) == f"{score:.3f}"
    assert "60 images, 6 labels" in html.read_text(encoding="utf-8")


@pytest.mark.filterwarnings(RARE)
def test_thresholds_of_the_decision_function_are_left_out_with_a_note(table, tmp_path):
    data = load_poster_table(table)
    classifier = MultilabelTunedThresholdClassifierCV(
        OneVsRestClassifier(LogisticRegression()),
        response_method="decision_function",
        cv=2,
    )
    model = fit_and_save(classifier, data, tmp_path / "m.model")
    result = run("evaluate", tmp_path / "m.model", table, "--n-bootstrap", "0")
    assert result.exit_code == 0, result.output
    assert "note: the tuned thresholds are not probabilities; labels" in result.stdout
    at_half = model.predict_proba(data.data) >= 0.5
    score = f1_score(data.target, at_half, average="micro")
    assert find_micro_f1(result) == f"{score:.3f}"
    assert (at_half != model.predict(data.data)).any()


@pytest.mark.filterwarnings(RARE)
def test_a_model_without_probabilities_is_an_error(table, tmp_path):
    data = load_poster_table(table)
    fit_and_save(OneVsRestClassifier(LinearSVC()), data, tmp_path / "m.model")
    result = run("evaluate", tmp_path / "m.model", table)
    assert result.exit_code == 2
    assert "m.model' gives no probabilities, which evaluate needs" in result.stderr


def test_a_file_that_was_not_read_is_not_scored(lenient, table, tmp_path):
    folder = copy_with_bad_files(table, tmp_path, [5])
    result = run("evaluate", lenient, folder, "--n-bootstrap", "0")
    assert result.exit_code == 2
    assert "macro" not in result.stdout
    assert "1 file cannot be used as a poster" in result.stderr

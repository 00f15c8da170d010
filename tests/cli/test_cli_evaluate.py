"""The command ``evaluate``."""

import re

import pandas as pd
import pytest
from cli_helpers import run

from sk_posters import PosterEncoder, model_card
from sk_posters.cli._evaluate import select_labels


def test_the_test_set_is_scored_next_to_baselines(trained):
    result = run("evaluate", trained.model, trained.held_out, "--n-bootstrap", "20")
    assert result.exit_code == 0, result.output
    scores = model_card(trained.model)["scores"]
    value = re.search(r"micro F1 +([\d.]+)", result.stdout).group(1)
    assert value == f"{scores['micro F1']['value']:.3f}"
    assert "label frequencies of y_true itself" in result.stdout


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
    assert page.count("orange: what spoke for") == 16  # Eight posters.
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

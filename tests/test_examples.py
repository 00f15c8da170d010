"""The examples run, at their smallest size, and show what they promise."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from sk_posters.datasets import make_posters

pytest.importorskip("matplotlib")

SCRIPT = Path(__file__).parents[1] / "examples" / "movie_genres.py"
TRIVIAL = ["no label", "label frequencies", "most frequent", "every label"]


GALLERY = sorted(SCRIPT.parent.glob("plot_*.py"))
N_POSTERS, N_LABELS = 40, 6


@pytest.fixture
def run(few_layers, tmp_path, monkeypatch, capsys):
    """Run the main job with some options; return what it printed."""
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path / "data"))
    output = tmp_path / "output"

    def run_with(*options):
        options = [*options, "--epochs", "1", "--image-size", "64"]
        argv = [str(SCRIPT), "--output", str(output), *options]
        monkeypatch.setattr(sys, "argv", argv)
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr().out

    run_with.output = output
    return run_with


def test_drawn_posters_are_learned_scored_and_shown(run):
    printed = run("--n-samples", "40")
    assert "training set: 34 posters, test set: 6" in printed
    for name in ["better", "model", *TRIVIAL, "hamming loss", "macro mAP", "micro F1"]:
        assert name in printed
    tops = re.findall(r"synthetic\d+\.jpg: (.*?) +\(true: ", printed)
    assert [len(top.split(", ")) for top in tops] == [3] * 5
    for name in ["history.png", "posters.png"]:
        with Image.open(run.output / name) as image:
            assert min(image.size) > 300


def test_a_folder_is_learned_like_drawn_posters(run, tmp_path):
    posters = make_posters(30, random_state=0, data_home=tmp_path / "own")
    folder = Path(posters.data[0]).parents[1]
    assert "training set: 25 posters, test set: 5" in run("--data", str(folder))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_real_posters_are_learned(run, real_posters, monkeypatch):
    # All of the table is read and split; a few rows are enough to train on.
    import sk_posters.datasets

    load = sk_posters.datasets.load_poster_table

    def first_rows(csv):
        posters = load(csv)
        for name in ["data", "target", "groups"]:
            posters[name] = posters[name][:60]
        return posters

    monkeypatch.setattr(sk_posters.datasets, "load_poster_table", first_rows)
    assert "training set: 51 posters, test set: 9" in run("--data", str(real_posters))


def test_pretrained_features_are_learned_reported_and_shown(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path / "data"))
    script = SCRIPT.with_name("pretrained_genres.py")
    argv = [str(script), "--n-samples", "60", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert "training set: 51 posters, test set: 9" in printed
    for name in ["9 rows", "macro average precision", "micro F1", "interval"]:
        assert name in printed
    with Image.open(tmp_path / "pretrained_posters.png") as image:
        assert min(image.size) > 300


@pytest.fixture
def few_posters(tmp_path, monkeypatch):
    """Let examples draw a few small posters, whatever they ask for."""
    import sk_posters.datasets

    def draw(n_samples=1000, n_labels=5, **options):
        options |= {"image_size": (74, 50), "data_home": tmp_path}
        few = min(n_samples, N_POSTERS), min(n_labels, N_LABELS)
        return make_posters(few[0], n_labels=few[1], **options)

    monkeypatch.setattr(sk_posters.datasets, "make_posters", draw)


@pytest.mark.usefixtures("one_epoch", "few_layers")
@pytest.mark.filterwarnings("ignore::UserWarning")  # Of labels that so few rows lack.
@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_a_gallery_example_runs_and_draws(script, few_posters, monkeypatch, capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for name in ["onnx", "onnxruntime", "imagehash", "skops"]:
        pytest.importorskip(name)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    pyplot.close("all")
    runpy.run_path(str(script), run_name="__main__")
    n_figures = len(pyplot.get_fignums())
    pyplot.close("all")
    assert n_figures >= 1
    assert capsys.readouterr().out


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_a_gallery_example_asks_a_question_and_says_what_it_cost(script):
    text = script.read_text(encoding="utf-8")
    title = ast.get_docstring(ast.parse(text)).splitlines()[0]
    assert title.endswith("?")
    assert "# What it cost\n# ------------\n" in text


def test_the_gallery_has_ten_examples_at_least():
    assert len(GALLERY) >= 10

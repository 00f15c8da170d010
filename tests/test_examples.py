"""The examples run, at their smallest size, and show what they promise."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from sk_posters.datasets import make_posters

pytest.importorskip("matplotlib")

SCRIPT = Path(__file__).parents[1] / "examples" / "movie_genres.py"
TRIVIAL = ["no label", "label frequencies", "most frequent"]


EVALUATION = SCRIPT.with_name("plot_evaluation.py")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
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
    assert "34 posters to learn from, 6 held out" in printed
    for name in ["better", "model", *TRIVIAL, "hamming loss", "macro mAP", "micro F1"]:
        assert name in printed
    tops = re.findall(r"synthetic\d+\.jpg: (.*?) +\(true: ", printed)
    assert [len(top.split(", ")) for top in tops] == [3] * 5


def test_pictures_are_written(run):
    run("--n-samples", "40")
    for name in ["history.png", "posters.png"]:
        with Image.open(run.output / name) as image:
            assert min(image.size) > 300


def test_a_folder_is_learned_like_drawn_posters(run, tmp_path):
    posters = make_posters(30, random_state=0, data_home=tmp_path / "own")
    folder = Path(posters.data[0]).parents[1]
    assert "25 posters to learn from, 5 held out" in run("--data", str(folder))


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
    assert "51 posters to learn from, 9 held out" in run("--data", str(real_posters))


def test_pretrained_features_are_learned_reported_and_shown(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path / "data"))
    script = SCRIPT.with_name("pretrained_genres.py")
    argv = [str(script), "--n-samples", "60", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    assert "51 posters to learn from, 9 held out" in printed
    for name in ["9 rows", "macro average precision", "micro F1", "interval"]:
        assert name in printed
    with Image.open(tmp_path / "pretrained_posters.png") as image:
        assert min(image.size) > 300


def test_an_answer_is_reported_and_shown(tmp_path, monkeypatch, capsys):
    options = ["--n-samples", "400", "--n-bootstrap", "20", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [str(EVALUATION), *options])
    runpy.run_path(str(EVALUATION), run_name="__main__")
    printed = capsys.readouterr().out
    for name in ["macro average precision", "Western", "calibrated and tuned", "Yes"]:
        assert name in printed
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 6
    for path in pictures:
        with Image.open(path) as image:
            assert min(image.size) > 300


def test_maps_are_drawn_and_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path / "data"))
    script = SCRIPT.with_name("plot_explain.py")
    options = ["--n-samples", "60", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [str(script), *options])
    runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr().out
    for name in ["hottest", "random", "coldest", "Rank correlation", "nearest"]:
        assert name in printed
    with Image.open(tmp_path / "explain.png") as image:
        assert min(image.size) > 300

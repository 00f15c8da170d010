"""The command: what each part does, and how it behaves in a shell."""

import csv
import fcntl
import importlib
import io
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
import tracemalloc
import urllib.request
import warnings
from itertools import islice, repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from typer.testing import CliRunner

import sk_posters.app
import sk_posters.datasets
from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    PosterEncoder,
    load_model,
    make_poster_pipeline,
    model_card,
    save_model,
)
from sk_posters.cli import main
from sk_posters.cli._app import app
from sk_posters.cli._cards import card_text
from sk_posters.cli._manners import Stop, load_quietly, manners
from sk_posters.cli._paths import paths_of
from sk_posters.cli._predictions import Answer, Predictor, with_labels_of
from sk_posters.cli._rows import opened_rows
from sk_posters.cli._terminal import called, one_line, printable, progress, shown
from sk_posters.cli._training import set_verbose
from sk_posters.datasets import load_poster_table, make_posters
from sk_posters.exceptions import PosterFileError
from sk_posters.plotting import GradCAMDisplay

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide" / "command.md"
GROUP = typer.main.get_command(app)
COMMANDS = ["demo", "fetch", "check", "train", "evaluate", "predict", "explain"]
COMMANDS += ["report", "export", "app"]
COMMAND = [sys.executable, "-m", "sk_posters"]
# Few pixels are enough for drawn motifs, and soon looked at.
SMALL = ["--param", "image_size=(64, 48)", "--param", "interpolation=nearest"]
SMALL += ["--param", "C=0.1", "--n-bootstrap", "20"]
RARE = "ignore:.*(labels are|has no positive|is undefined):UserWarning"


def run(*arguments, **options):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in arguments], **options)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The table of some drawn posters."""
    home = tmp_path_factory.mktemp("posters")
    posters = make_posters(60, n_labels=4, random_state=0, data_home=home)
    return Path(posters.data[0]).parents[1] / "train.csv"


@pytest.fixture(scope="module")
def trained(table):
    """What the command said while it trained, its model, and the rows held out."""
    model, held_out = table.with_name("genres.model"), table.with_name("held out.csv")
    said = run("train", table, "-o", model, "--held-out", held_out, *SMALL)
    return SimpleNamespace(said=said, model=model, held_out=held_out)


@pytest.fixture
def posters(table, tmp_path, monkeypatch):
    """Paths of three posters in a folder of its own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "posters"
    folder.mkdir()
    paths = sorted((table.parent / "Images").iterdir())[:3]
    for path, name in zip(paths, "abc", strict=True):
        (folder / f"{name}.jpg").write_bytes(path.read_bytes())
    return [f"posters/{name}.jpg" for name in "abc"]


class Stub:
    """A model of two labels that tells paths by their names."""

    names = ["Short", "Odd"]

    def __init__(self):
        self.asked = []

    def predict_proba(self, paths):
        bad = [(path, "it is bad") for path in paths if "bad" in path]
        if bad:
            raise PosterFileError(bad)
        self.asked.append(len(paths))
        return np.array([[len(path) < 8, 0.25] for path in paths], dtype=float)

    def predict(self, paths):
        return (self.predict_proba(paths) > 0.5).astype(int)


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Let the command open a stub in place of any model; the folder is empty."""
    monkeypatch.chdir(tmp_path)
    model = Stub()
    monkeypatch.setattr(
        "sk_posters.cli._predictions.opened", lambda path: (model, model.names)
    )
    return model


def touched(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return list(names)


# Help


def examples_in(text):
    return re.findall(r"(?:^|\| |&& )\s*(sk-posters .*)$", text, flags=re.MULTILINE)


def parse(line):
    """Parse a line of a shell as the command would, and run nothing."""
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    if "--help" in words:
        return
    GROUP.commands[words[0]].make_context(words[0], words[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_shows_an_example_that_parses(name):
    said = run(name, "--help")
    assert said.exit_code == 0
    lines = [
        line
        for line in examples_in(said.stdout.replace("Usage: ", "#"))
        if line.startswith(f"sk-posters {name}")
    ]
    assert lines
    for line in lines:
        parse(line)


def test_the_help_lists_all_commands_and_shows_the_first_steps():
    said = run("--help")
    assert said.exit_code == 0
    assert list(GROUP.commands) == COMMANDS
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", said.stdout, flags=re.MULTILINE)
    lines = examples_in(said.stdout.replace("Usage: ", "#"))
    assert len(lines) == 6
    for line in lines:
        parse(line)


def test_short_helps_are_not_cut_off():
    assert "..." not in run("--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("path", [GUIDE, ROOT / "README.md"], ids=lambda p: p.name)
def test_the_commands_of_the_texts_parse(path):
    text = path.read_text(encoding="utf-8").replace(".venv/bin/", "")
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in examples_in(block.replace("$ ", ""))]
    assert lines
    for line in lines:
        parse(line)


def test_the_guide_speaks_of_every_command():
    text = GUIDE.read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"sk-posters {name}" not in text] == []


def test_a_wrong_option_is_a_matter_of_usage():
    said = run("predict", "a.model", "a.jpg", "--top-k", "0")
    assert said.exit_code == 2
    assert "Invalid value for '--top-k'" in said.stderr


def test_the_help_loads_nothing_heavy():
    code = (
        "import sys; from sk_posters.cli import main; main(['--help']); "
        "heavy = {'numpy', 'sklearn', 'pandas', 'joblib', 'tensorflow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_package_runs_as_a_module():
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (
        0,
        f"sk-posters {sk_posters.__version__}\n",
    )


# Training, and what is known of a model


def test_a_model_is_trained_scored_and_saved(trained, table):
    said = trained.said
    assert (said.exit_code, said.stderr) == (0, said.stderr)
    assert "51 posters to learn from, 9 held out" in said.stdout
    for name in ["macro average precision", "no label", "frequencies", "most freq."]:
        assert name in said.stdout
    card = model_card(trained.model)
    posters = load_poster_table(table)
    assert card["label_names"] == posters.target_names
    assert card["scores"]["rows held out"] == 9
    assert card["scores"]["micro F1"]["no label"] == 0
    assert card["training_data"]["n_rows"] == 51
    assert len(card["thresholds"]) == 4


def test_what_is_next_can_be_pasted(trained):
    lines = [
        line for line in trained.said.stdout.splitlines() if "  sk-posters" in line
    ]
    assert len(lines) == 3
    for line in lines:
        parse(line.strip())
    assert shlex.split(lines[0])[3] == str(trained.held_out)
    assert "--images" not in "".join(lines)


def test_rows_held_out_are_a_table_of_their_own(trained, table):
    whole = load_poster_table(table).frame.astype(str)
    held_out = load_poster_table(trained.held_out).frame.astype(str)
    assert len(held_out) == 9
    rows = whole["Id"].isin(held_out["Id"])
    pd.testing.assert_frame_equal(whole[rows].reset_index(drop=True), held_out)


@pytest.mark.filterwarnings(RARE)
def test_a_model_without_thresholds_from_a_table_elsewhere(table, tmp_path):
    other = tmp_path / "data"
    other.mkdir()
    (other / "t.csv").write_text(table.read_text().replace("Id,", "poster,", 1))
    model, held_out = tmp_path / "m.model", tmp_path / "rows.csv"
    said = run(
        *("train", other / "t.csv", "--output", model, "--held-out", held_out),
        *("--images", table.parent / "Images", "--id-column", "poster"),
        *("--no-thresholds", "--groups", "none", *SMALL),
    )
    assert said.exit_code == 0, said.output
    assert model_card(model)["thresholds"] is None
    line = next(line for line in said.stdout.splitlines() if "evaluate" in line)
    words = shlex.split(line.partition(" --html")[0])[1:]
    where = ["--images", str(table.parent / "Images"), "--id-column", "poster"]
    assert words[-4:] == where
    page = next(line for line in said.stdout.splitlines() if "--posters" in line)
    assert shlex.split(page)[3:] == ["--posters", str(other / "t.csv"), *where]
    said = run(*words, "--n-bootstrap", "0")
    assert said.exit_code == 0, said.output
    assert "9 rows, 4 labels" in said.stdout


def test_groups_are_never_parted(table, tmp_path):
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
    parted = {}
    for groups in ("id", "alike"):
        held_out = tmp_path / f"{groups}.csv"
        options = ["-o", tmp_path / "m.model", "--held-out", held_out, *SMALL]
        options += ["--groups", groups, "--no-thresholds"]
        said = run("train", tmp_path / "t.csv", *options)
        assert said.exit_code == 0, said.output
        ids = pd.read_csv(held_out)["Id"].tolist()
        twins = dict(zip(frame["Id"], copies["Id"], strict=True))
        assert all(ids.count(name) == 2 for name in ids if name in twins)
        parted[groups] = [a for a, b in twins.items() if (a in ids) != (b in ids)]
    assert parted["id"]
    assert parted["alike"] == []


def test_parameters_are_values_or_text(trained):
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
def test_what_cannot_be_is_said_before_anything_is_trained(
    table, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    said = run("train", table, "-o", "m.model", *words)
    assert said.exit_code == 2
    assert re.search(message, said.stderr)
    assert list(tmp_path.iterdir()) == []


def test_training_needs_skops_before_it_begins(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    said = run("train", table, "-o", tmp_path / "m.model")
    assert said.exit_code == 2
    assert "sk-posters train needs the package 'skops'" in said.stderr


@pytest.mark.filterwarnings(RARE)
def test_a_network_is_trained_with_thresholds_and_a_seed(table, tmp_path):
    words = ["image_size=(32, 24)", "filters=(4,)", "dense_units=(8,)", "epochs=1"]
    params = [part for word in [*words, "dropout=0.1"] for part in ("--param", word)]
    model = tmp_path / "m.model"
    options = ["--recipe", "cnn", *params, "--n-bootstrap", "0", "--random-state", "3"]
    said = run("train", table, "-o", model, *options)
    assert said.exit_code == 0, said.output
    assert "epoch" not in said.output.lower()
    tuned = load_model(model)[-1]
    assert len(tuned.best_thresholds_) == 4
    assert (tuned.random_state, tuned.estimator_.random_state) == (3, 3)
    poster = next((table.parent / "Images").iterdir())
    words = [*COMMAND, "predict", model, poster, "-p", "-f", "jsonl"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")  # Not a word of TensorFlow's.
    [scores] = tuned.predict_proba(load_model(model)[:-1].transform([str(poster)]))
    given = json.loads(done.stdout)["probabilities"]
    np.testing.assert_allclose(list(given.values()), scores, atol=1e-5)
    words = ["explain", model, poster, "-o", tmp_path / "x.png", "--label", "Action"]
    assert run(*words).stdout == f"wrote {tmp_path / 'x.png'}\n"
    said = run("export", model, tmp_path / "m.onnx")
    assert "n × 32 × 24 × 3" in said.stdout


@pytest.mark.filterwarnings(RARE)
def test_the_demonstration_draws_trains_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run("demo", "--n-samples", "40")
    assert said.exit_code == 0, said.output
    assert "34 posters to learn from, 6 held out" in said.stdout
    assert "no label" in said.stdout
    lines = [line for line in said.stdout.splitlines() if "  sk-posters" in line]
    assert len(lines) == 9
    for line in lines:
        assert str(tmp_path) not in line
        parse(line.strip())
    # What comes next is real: an answer, a picture and a report.
    predict, explain, evaluate, page = (shlex.split(line)[1:] for line in lines[:4])
    predicted = run(*predict)
    row = r"sk-posters-demo/\S+/synthetic\d+\.jpg  \w+ \d\.\d+, \w+ \d\.\d+\n"
    assert re.fullmatch(row, predicted.stdout)
    assert run(*explain).exit_code == 0
    with Image.open("sk-posters-demo/explained.png") as image:
        assert min(image.size) > 300
    assert run(*evaluate, "--n-bootstrap", "10").exit_code == 0
    assert "6 images" in Path("sk-posters-demo/report.html").read_text()
    assert page[0] == "app"


def test_a_model_card_is_printed(trained):
    said = run("report", trained.model)
    assert said.exit_code == 0
    for text in ["frozen, learned from train.csv", "4 labels, given from", "micro F1"]:
        assert text in said.stdout
    said = run("report", trained.model, "--json")
    assert json.loads(said.stdout) == model_card(trained.model)


def test_a_card_of_any_form_is_printed_without_control_characters():
    card = {
        "description": "red\x1b[31m",
        "label_names": ["a", "b"],
        "thresholds": [0.5],
        "scores": {"mAP": 0.25, "text": "good", "none": {"value": None}},
    }
    text = card_text(card)
    assert r"red\x1b[31m" in text
    assert re.search(r"^  a +0.500$", text, flags=re.MULTILINE)
    assert re.search(r"mAP +0.250$", text, flags=re.MULTILINE)
    assert re.search(r"text +good$", text, flags=re.MULTILINE)
    assert "without names" in card_text({"model": ["A", "B"], "versions": 3})


# Evaluating and explaining


def test_rows_held_out_are_scored_beside_trivial_answers(trained):
    said = run("evaluate", trained.model, trained.held_out, "--n-bootstrap", "20")
    assert said.exit_code == 0, said.output
    scores = model_card(trained.model)["scores"]
    value = re.search(r"micro F1 +([\d.]+)", said.stdout).group(1)
    assert value == f"{scores['micro F1']['value']:.3f}"
    assert "label frequencies of y_true itself" in said.stdout


def test_features_are_kept_where_asked_for(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("SK_POSTERS_CACHE", "set back in the end")
    cache = tmp_path / "cache"
    options = ["--n-bootstrap", "0", "--cache", cache]
    assert run("evaluate", trained.model, trained.held_out, *options).exit_code == 0
    assert any(cache.rglob("*"))


def test_a_report_is_written_and_posters_are_looked_at_once(
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
    said = run("evaluate", trained.model, trained.held_out, *options)
    assert (said.exit_code, calls) == (0, [9]), said.output
    assert f"wrote {html}" in said.stdout
    page = html.read_text(encoding="utf-8")
    assert "genres.model on held out.csv" in page
    assert "9 images, 4 labels" in page
    assert page.count("orange: what spoke for") == 16  # Eight posters.
    value = re.search(r"macro average precision +([\d.]+)", said.stdout).group(1)
    assert f'<p class="figure">{value}</p>' in page


def test_heat_maps_need_a_report(trained):
    said = run("evaluate", trained.model, trained.held_out, "--grad-cam")
    assert said.exit_code == 2
    assert "--grad-cam needs --html" in said.stderr


def test_labels_of_the_table_are_brought_into_the_order_of_the_model():
    target = pd.DataFrame({"c": [1], "a": [0], "b": [1]})
    assert list(with_labels_of(["a", "c"], target, "t.csv").columns) == ["a", "c"]
    assert with_labels_of(None, target, "t.csv") is target
    with pytest.raises(ValueError, match=r"'t.csv' lacks columns of labels .*: 'd'"):
        with_labels_of(["a", "d"], target, "t.csv")


def test_posters_are_explained_by_the_names_of_labels(trained, posters, monkeypatch):
    drawn = []
    plot = GradCAMDisplay.plot
    monkeypatch.setattr(
        GradCAMDisplay, "plot", lambda self: drawn.append(self) or plot(self)
    )
    words = ["explain", trained.model, *posters, *posters, "-o", "x.png"]
    said = run(*words, "--label", "Drama", "--label", "Action")
    assert (said.exit_code, said.stdout) == (0, "wrote x.png\n"), said.output
    [display] = drawn
    assert display.label_names == [["Drama", "Action"]] * 6
    with Image.open("x.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
    assert sorted(os.listdir(".")) == ["posters", "x.png"]
    said = run(*words, "--label", "Western")
    assert said.exit_code == 2
    assert re.fullmatch(r"error: .*'Western'.*\n", said.stderr)


@pytest.mark.parametrize("recipe", ["frozen", "best"])
def test_a_recipe_is_explained_by_names_that_its_file_alone_knows(
    table, posters, recipe
):
    data = load_poster_table(table)
    model = make_poster_pipeline(recipe)
    sizes = [name for name in model.get_params() if name.endswith("__image_size")]
    model.set_params(**dict.fromkeys(sizes, (64, 48)))
    model.fit(data.data[:30], data.target[:30])
    save_model(model, "m.model", label_names=data.target_names)
    said = run("explain", "m.model", posters[0], "-o", "x.png", "--label", "Action")
    assert (said.exit_code, said.stdout) == (0, "wrote x.png\n"), said.output


def test_a_model_becomes_a_graph(trained, tmp_path):
    said = run("export", trained.model, tmp_path / "m.onnx")
    assert said.exit_code == 0, said.output
    assert "n × 64 × 48 × 3" in said.stdout
    assert (tmp_path / "m.onnx").stat().st_size > 1_000_000


def test_the_page_is_run_by_its_function(trained, table, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(
        sk_posters.app, "run_app", lambda *a, **options: calls.append((a, options))
    )
    monkeypatch.setenv("SK_POSTERS_CACHE", "set back in the end")
    assert run("app", trained.model, "--port", "8000").exit_code == 0
    options = {"posters": None, "target": None, "host": "127.0.0.1", "port": 8000}
    assert calls == [((trained.model,), options)]
    said = run("app", trained.model, "--posters", table)
    hint = "; --cache FOLDER keeps what it sees"
    assert said.stderr == f"looking at 60 posters first{hint}\n"
    loaded = load_poster_table(table)
    assert list(calls[1][1]["posters"]) == list(loaded.data)
    pd.testing.assert_frame_equal(calls[1][1]["target"], loaded.target)
    said = run("app", trained.model, "--posters", table.parent, "--cache", tmp_path)
    assert said.stderr == "looking at 60 posters first\n"
    assert os.environ["SK_POSTERS_CACHE"] == str(tmp_path)


def test_the_data_set_is_fetched(monkeypatch):
    asked = []

    def fetch(**options):
        asked.append(options)
        return SimpleNamespace(data=["home/x/Images/a.jpg"], target_names=["A"])

    monkeypatch.setattr(sk_posters.datasets, "fetch_movie_posters", fetch)
    said = run("fetch", "--data-home", "home")
    assert said.exit_code == 0, said.output
    assert asked == [{"data_home": Path("home"), "n_retries": 3, "verbose": 0}]
    assert "1 posters, 1 genres: home/x" in said.stdout
    assert "sk-posters check home/x/train.csv" in said.stdout


# Checking


def test_a_table_without_errors_passes(table):
    said = run("check", table.parent)
    assert said.exit_code == 0, said.output
    assert "60 rows, 60 files, 4 labels" in said.stdout


def test_errors_are_found_and_listed(posters):
    Path("posters/bad.jpg").write_text("no image")
    Path("posters/d.jpg").write_bytes(Path(posters[0]).read_bytes())
    said = run("check", "posters", "--output", "found.csv", "--max-distance", "-1")
    assert said.exit_code == 1
    assert "files with unreadable file:\n  posters/bad.jpg" in said.stdout
    assert "  posters/a.jpg = posters/d.jpg" in said.stdout
    assert "label" not in said.stdout
    findings = pd.read_csv("found.csv")
    assert findings["severity"].tolist() == ["error", "warning"]
    assert findings["paths"].tolist() == [
        *("posters/bad.jpg", "posters/a.jpg | posters/d.jpg")
    ]


def test_contradictions_are_findings_and_no_warnings(posters):
    rows = ["Id,Genre,A,B", "a,\"['A']\",0,1", "b,\"['B']\",0,1", "c,\"['A']\",1,0"]
    Path("t.csv").write_text("\n".join(rows))
    said = run("check", "t.csv", "--images", "posters")
    assert said.exit_code == 1
    assert "contradicting text" in said.stdout
    assert said.stderr == ""


def test_a_table_needs_no_column_of_genres(posters):
    Path("t.csv").write_text("Id,A,B\na,0,1\nb,1,1\nc,1,0\n")
    said = run("check", "t.csv", "--images", "posters")
    assert said.exit_code == 0, said.output
    assert "not looked at, for want of: genre_text" in said.stdout
    assert "rare label" in said.stdout


def test_many_files_are_counted(posters):
    for number in range(5):
        Path(f"posters/bad{number}.jpg").write_text("no image")
    said = run("check", "posters")
    assert "  posters/bad2.jpg\n  and 2 more" in said.stdout


def test_a_folder_without_images_is_refused(tmp_path):
    said = run("check", tmp_path)
    assert said.exit_code == 2
    assert "There is no image in" in said.stderr


# Paths


def test_a_folder_stands_for_its_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touched("p/a.jpg", "p/b.PNG", "p/notes.txt", "p/q/r/c.webp", "p/s/d.jpeg")
    Path("p/loop").symlink_to("../p")
    Path("p/dead.jpg").symlink_to("nowhere")
    os.mkfifo("p/pipe.jpg")
    found = list(paths_of(["p"], []))
    assert {problem for _, problem in found} == {None}
    assert sorted(path for path, _ in found) == [
        *("p/a.jpg", "p/b.PNG", "p/q/r/c.webp", "p/s/d.jpeg")
    ]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("p/*.jpg", ["p/a.jpg"]),
        ("p/**/*.jpg", ["p/a.jpg", "p/q/b.jpg", "p/q/r/c.jpg"]),
        ("**/c.jpg", ["p/q/r/c.jpg"]),
        ("p/**", ["p/a.jpg", "p/n.txt", "p/q/b.jpg", "p/q/r/c.jpg"]),
        ("p/?/b.jpg", ["p/q/b.jpg"]),
        ("p/[a-b].jpg", ["p/a.jpg"]),
        ("p/.h*", ["p/.hidden.jpg"]),
        ("*/q/*.jpg", ["p/q/b.jpg"]),
        ("p/*/none.jpg", None),
        ("no/*.jpg", None),
        ("p/*.jpg/x", None),
        ("p/q", ["p/q/b.jpg", "p/q/r/c.jpg"]),
    ],
)
def test_patterns_stand_for_files(tmp_path, monkeypatch, pattern, names):
    monkeypatch.chdir(tmp_path)
    touched("p/a.jpg", "p/n.txt", "p/q/b.jpg", "p/q/r/c.jpg", "p/.hidden.jpg")
    found = sorted(paths_of([pattern], []))
    if names is None:
        assert found == [(pattern, "no file matches this pattern")]
    else:
        assert found == [(name, None) for name in names]
    absolute = str(tmp_path / pattern)
    assert len(list(paths_of([absolute], []))) == len(found)


def test_two_stars_follow_no_links_to_folders_and_repeated_ones_find_a_file_once(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    touched("p/a.jpg", "p/q/b.jpg")
    Path("p/loop").symlink_to("../p")
    Path("link").symlink_to("p")
    both = [("p/a.jpg", None), ("p/q/b.jpg", None)]
    for pattern in ("p/**/*.jpg", "p/**/**/*.jpg", "p/**", "p/**/**"):
        assert sorted(paths_of([pattern], [])) == both
    assert list(paths_of(["link/*.jpg"], [])) == [("link/a.jpg", None)]
    assert sorted(paths_of(["link/**/*.jpg"], [])) == [
        *(("link/a.jpg", None), ("link/q/b.jpg", None))
    ]
    assert list(paths_of(["p/*/a.jpg"], [])) == [("p/loop/a.jpg", None)]


def test_a_file_that_looks_like_a_pattern_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touched("a[1].jpg", "a1.jpg")
    assert list(paths_of(["a[1].jpg"], [])) == [("a[1].jpg", None)]


def test_paths_come_from_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touched("a.jpg", "p/b.jpg", "-.jpg", "*.jpg", os.fsdecode(b"\xff.jpg"))
    lines = [b"a.jpg\n", b"\n", b"p\r\n", b"*.jpg\n", b"\xff.jpg\n", b"none"]
    assert list(paths_of(["-", "-.jpg"], lines)) == [
        *(("a.jpg", None), ("p/b.jpg", None), ("*.jpg", None)),
        *(("\udcff.jpg", None), ("none", "no such file"), ("-.jpg", None)),
    ]


def test_what_is_no_file_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    os.mkfifo("pipe")
    touched("a.jpg")
    said = dict(paths_of(["empty", "pipe", "/dev/null", "a\0b", "a.jpg/b"], []))
    assert "embedded null" in said.pop("a\0b")
    assert said == {
        "empty": "no image in this folder",
        "pipe": "is no file, but a device or a pipe",
        "/dev/null": "is no file, but a device or a pipe",
        "a.jpg/b": "Not a directory",
    }


def test_folders_that_cannot_be_read_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touched("p/a.jpg", "p/q/b.jpg")
    scandir = os.scandir

    def refuse(path):
        if path.endswith("q"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(paths_of(["p"], [])) == [
        *(("p/a.jpg", None), ("p/q", "no permission to read it"))
    ]
    assert list(paths_of(["p/**/*.jpg"], [])) == [("p/a.jpg", None)]


# Predictions


def test_answers_are_those_of_the_model(trained, posters):
    said = run("predict", trained.model, "posters", "-f", "jsonl", "-p")
    assert (said.exit_code, said.stderr) == (0, "")
    rows = [json.loads(line) for line in said.stdout.splitlines()]
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
def test_features_are_computed_once_wherever_thresholds_are(
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
    said = run("predict", "m.model", *posters, "-f", "jsonl", "-p")
    assert said.exit_code == 0, said.output
    assert calls == [3]
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    names = np.array(data.target_names)
    assert [row["labels"] for row in rows] == [list(names[r > 0]) for r in expected[0]]
    scores = [list(row["probabilities"].values()) for row in rows]
    np.testing.assert_allclose(scores, expected[1], atol=1e-6)


def test_the_classifier_is_asked_once_for_probabilities(stub):
    touched("a.jpg", "b.jpg")
    assert run("predict", "m", "a.jpg", "b.jpg", "-p").exit_code == 0
    assert stub.asked == [2]


def test_a_bad_file_is_a_row_and_the_others_are_answered(trained, posters):
    Path("posters/bad.jpg").write_text("no image")
    said = run("predict", trained.model, posters[0], "posters/bad.jpg", "none.jpg")
    assert said.exit_code == 1
    assert said.stderr == "2 of 3 could not be used\n"
    first, bad, none = said.stdout.splitlines()
    assert re.match(r"posters/a.jpg +\w", first)
    assert re.match(r"posters/bad.jpg +error: not an image", bad)
    assert re.match(r"none.jpg +error: no such file", none)


def test_a_bad_file_ends_all_if_asked_for(trained, posters):
    Path("posters/bad.jpg").write_text("no image")
    words = ["predict", trained.model, "posters", "-o", "x.csv", "--on-error", "raise"]
    said = run(*words)
    assert said.exit_code == 2
    assert said.stderr.startswith("error: 1 file cannot be used as a poster: ")
    assert len(said.stderr.splitlines()) == 1
    said = run("predict", trained.model, "none.jpg", "--on-error", "raise")
    assert (said.exit_code, said.stdout) == (2, "")
    assert os.listdir(".") == ["posters"]


def test_paths_are_read_from_the_standard_input(stub):
    touched("a.jpg", "b.jpg")
    said = run("predict", "m", "b.jpg", "-", "-f", "jsonl", input="a.jpg\nnone.jpg\n")
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    assert [row["path"] for row in rows] == ["b.jpg", "a.jpg", "none.jpg"]
    assert said.exit_code == 1


def test_rows_keep_their_order_in_batches_of_any_size(stub):
    names = touched(*(f"{'bad' if i % 3 == 0 else 'x'}{i}.jpg" for i in range(10)))
    said = run("predict", "m", *names, *names[:2], "-f", "csv", "--batch-size", "4")
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    assert [row["path"] for row in rows] == [*names, *names[:2]]
    assert [row["error"] for row in rows] == [
        "it is bad" if "bad" in row["path"] else "" for row in rows
    ]
    assert stub.asked == [2, 3, 2]


def test_the_best_labels_come_in_their_order(stub):
    touched("a.jpg", "a long name.jpg")
    said = run("predict", "m", "a.jpg", "a long name.jpg", "-k", "2")
    assert said.stdout == (
        f"{'a.jpg':24}  Short 1.00, Odd 0.25\n"
        f"{'a long name.jpg':24}  Odd 0.25, Short 0.00\n"
    )
    said = run("predict", "m", "a.jpg", "-k", "1", "-f", "jsonl")
    assert said.stdout == '{"path": "a.jpg", "labels": ["Short"], "error": null}\n'
    said = run("predict", "m", "a.jpg", "-k", "3")
    assert said.exit_code == 2
    assert "There are no 3 best labels: the model has 2" in said.stderr


def test_labels_without_names_are_numbered():
    answers = Predictor(Stub(), None, top_k=2).answers([("a.jpg", None)])
    assert next(answers).labels == ["0", "1"]


def test_probabilities_need_a_model_that_has_them():
    model = SimpleNamespace(predict=lambda paths: np.ones((len(paths), 2), int))
    [answer] = Predictor(model, ["A", "B"]).answers([("a.jpg", None)])
    assert answer.labels == ["A", "B"]
    with pytest.raises(ValueError, match="gives no probabilities: ask for its labels"):
        list(Predictor(model, ["A", "B"], top_k=1).answers([("a.jpg", None)]))


def test_an_error_about_other_files_is_none_of_a_row():
    def predict(paths):
        raise PosterFileError([("other.jpg", "bad")])

    model = SimpleNamespace(predict=predict)
    with pytest.raises(PosterFileError, match=r"other\.jpg"):
        list(Predictor(model, ["A"]).answers([("a.jpg", None)]))


@pytest.mark.parametrize("names", [["A"], None])
@pytest.mark.parametrize("options", [{"probabilities": True}, {"top_k": 1}, {}])
def test_a_model_of_one_label_is_asked_as_any_other(names, options):
    head = OneVsRestClassifier(LogisticRegression())
    head.fit(np.array([[1.0], [2.0], [8.0], [9.0]]), np.array([[0], [0], [1], [1]]))
    lengths = FunctionTransformer(lambda paths: [[len(path)] for path in paths])
    model = Pipeline([("lengths", lengths), ("head", head)])
    paths = [("a", None), ("a long one", None)]
    short, long = Predictor(model, names, **options).answers(paths)
    name = names[0] if names else "0"
    assert long.labels == [name]
    assert short.labels == ([name] if "top_k" in options else [])
    if options:
        [expected] = head.predict_proba([[10]])[:, 1].round(6).tolist()
        assert long.probabilities == {name: pytest.approx(expected, abs=1e-6)}


# Streams


def test_only_a_batch_of_paths_is_read_before_the_first_answer():
    asked = []

    def paths():
        for number in range(1_000_000):
            asked.append(number)
            yield f"{number}.jpg", None

    answers = Predictor(Stub(), Stub.names, batch_size=16).answers(paths())
    assert next(answers).path == "0.jpg"
    assert len(asked) == 16
    assert len(list(islice(answers, 16))) == 16
    assert len(asked) == 32


def peak_of_predicting(n_paths):
    class Quiet(Stub):
        asked = SimpleNamespace(append=lambda _: None)

        def __init__(self):
            pass

    lines = repeat(b"a.jpg\n", n_paths)
    tracemalloc.start()
    try:
        with opened_rows(Path("x.csv"), "csv", Stub.names, False) as rows:
            for answer in Predictor(Quiet(), Stub.names).answers(paths_of("-", lines)):
                rows.write(answer)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touched("a.jpg")
    peak_of_predicting(512)  # Imports, and what is kept for good.
    few, many = peak_of_predicting(2_000), peak_of_predicting(20_000)
    assert len(Path("x.csv").read_text().splitlines()) == 20_001
    assert many < few + 50_000  # 18,000 strings would take a megabyte.


# Formats


def answers_written(kind, *answers, probabilities=False):
    path = Path("written")
    with opened_rows(path, kind, ["=A", "B"], probabilities) as rows:
        for answer in answers:
            rows.write(answer)
    return path.read_bytes()


NASTY = [
    *("=cmd|' /C calc'!A0.jpg", "+a.jpg", "-a.jpg", "@a.jpg", "\ta.jpg", 'a,b".jpg'),
    *("new\nline.jpg", "red\x1b[31m.jpg", "\udcff.jpg", "é漢.jpg", "\u202egpj.exe"),
]


@pytest.mark.parametrize("name", NASTY)
def test_names_in_json_are_exact_and_ascii(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    written = answers_written("jsonl", Answer(name, ["=A"], {"=A": 0.5, "B": 0.25}))
    assert written.isascii()
    assert written.count(b"\n") == 1
    assert json.loads(written) == {"path": name, "labels": ["=A"], "error": None}


@pytest.mark.parametrize("name", NASTY)
def test_cells_are_no_formulas_and_paths_still_name_their_files(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    touched(name)
    answer = Answer(name, ["=A", "B"], {"=A": 0.5, "B": 0.25})
    written = answers_written("csv", answer, probabilities=True)
    text = written.decode("utf-8", "surrogateescape")
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert header == ["path", "labels", "'=A", "B", "error"]
    assert row[1:] == ["'=A|B", "0.5", "0.25", ""]
    assert os.path.samefile(row[0], name)
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("name", NASTY)
def test_a_table_holds_nothing_that_does_something_to_a_terminal(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    written = answers_written("table", Answer(name, []), Answer(name, error=name))
    lines = written.decode().splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith("(no label)")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_csv_is_made_printable_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with opened_rows(None, "csv", ["A"], False) as rows:
        rows.write(Answer("red\x1b[31m.jpg", ["A"]))
    assert sys.stdout.getvalue() == "path,labels,error\nred\\x1b[31m.jpg,A,\n"


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["-o", "x.csv"], "path,labels,error"),
        (["-o", "x.jsonl"], '{"path": "a.jpg", "labels": ["Short"], "error": null}'),
        (["-o", "x.txt"], f"{'a.jpg':24}  Short"),
        (["-o", "x.csv", "-f", "table"], f"{'a.jpg':24}  Short"),
    ],
)
def test_the_suffix_says_the_format(stub, words, first):
    touched("a.jpg")
    said = run("predict", "m", "a.jpg", *words)
    assert (said.exit_code, said.output) == (0, "")
    assert Path(words[1]).read_text().splitlines()[0] == first


def test_a_device_stays_what_it_is(stub):
    touched("a.jpg")
    assert run("predict", "m", "a.jpg", "-o", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


def test_a_file_is_replaced_once_the_new_one_is_whole(stub, monkeypatch):
    touched("a.jpg", "b.jpg")
    Path("x.csv").write_text("before")

    def fail(paths):
        raise RuntimeError("out of luck")

    assert run("predict", "m", "a.jpg", "-o", "x.csv").exit_code == 0
    whole = Path("x.csv").read_text()
    monkeypatch.setattr(stub, "predict", fail)
    said = run("predict", "m", "b.jpg", "-o", "x.csv")
    assert (said.exit_code, said.stderr) == (2, "error: out of luck\n")
    assert Path("x.csv").read_text() == whole
    assert sorted(os.listdir(".")) == ["a.jpg", "b.jpg", "x.csv"]


# Manners


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a is wrong"), "a is wrong"),
        (
            ValueError("2 files:\n  'a'\n  'b'\nDrop them."),
            "2 files: 'a'; 'b'; Drop them.",
        ),
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(), "ValueError"),
        (
            FileNotFoundError(2, "No such file", "a\x1b"),
            "[Errno 2] No such file: 'a\\x1b'",
        ),
        (RuntimeError("red\x1b[31m"), "red\\x1b[31m"),
    ],
)
def test_an_error_is_one_line(error, text):
    assert one_line(error) == text


def test_a_traceback_is_shown_if_asked_for(tmp_path):
    said = run("report", tmp_path / "none.model")
    assert said.exit_code == 2
    assert re.fullmatch(r"error: .*none\.model.*\n", said.stderr)
    said = run("report", tmp_path / "none.model", "--traceback")
    assert said.exit_code == 2
    assert "Traceback (most recent call last)" in said.stderr
    assert "error: " in said.stderr.splitlines()[-1]


def test_warnings_for_users_are_one_line_and_others_none(capsys):
    with manners():
        warnings.warn("mind\nthe \x1b gap", UserWarning, stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("for programmers", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: mind the \\x1b gap\n"


def test_an_interrupt_is_130(capsys):
    with pytest.raises(Stop) as stopped, manners():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_libraries_that_talk_while_they_load_are_not_heard(monkeypatch, capfd):
    monkeypatch.setattr(importlib, "import_module", lambda _: os.write(2, b"noise"))
    load_quietly("a_module_that_talks")
    load_quietly("sys")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_closed_pipe_ends_quietly(stub, monkeypatch, capsys):
    touched("a.jpg")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["predict", "m", "a.jpg"]) == 141
        monkeypatch.undo()  # Before the stream is closed.
    assert capsys.readouterr().err == ""


def test_a_polite_end_leaves_nothing_half_written(stub, monkeypatch):
    touched("a.jpg")
    monkeypatch.setattr(
        stub, "predict", lambda paths: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert main(["predict", "m", "a.jpg", "-o", "x.csv"]) == 143
    assert os.listdir(".") == ["a.jpg"]


def test_printable_keeps_line_ends_and_spells_out_the_rest():
    assert printable("a\nb\x07\x9b\u202e\udcff é") == "a\nb\\x07\\x9b\\u202e\\udcff é"


def test_words_are_shown_for_a_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a b.jpg") == "'a b.jpg'"
    assert shown("/other/a.jpg") == "/other/a.jpg"


def test_the_command_is_named_as_the_shell_finds_it(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "sk-posters"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert called() == "bin/sk-posters"
    monkeypatch.setenv("PATH", str(program.parent))
    assert called() == "sk-posters"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert called() == "sk-posters"


def test_progress_is_for_terminals(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert progress() == 0
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert progress() == 1
    monkeypatch.setattr(sys, "stderr", None)
    assert progress() == 0


def test_all_parts_of_the_package_show_progress_or_none(images):
    model = MultilabelTunedThresholdClassifierCV(make_poster_pipeline("best"))
    model.estimator_ = make_poster_pipeline()
    set_verbose(model, 1)
    parts = [*model.get_params().values(), model.estimator_[0]]
    encoders = [part for part in parts if isinstance(part, PosterEncoder)]
    assert len(encoders) > 2
    assert {encoder.verbose for encoder in encoders} == {1}
    assert model.estimator_[-1].estimator.verbose == 0


def test_main_returns_exit_codes_and_leaves_signals_alone(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--version"]) == 0
    assert main(["report", "none.model"]) == 2
    assert main(["predict"]) == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_main_runs_in_any_thread():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["--version"]).result() == 0


# Real processes


def started(*words, **options):
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        **{**streams, "stderr": subprocess.PIPE, "env": environment(), **options},
    )


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_what_is_stopped_leaves_nothing_half_written(trained, posters, number):
    Path("x.csv").write_text("before")
    process = started("predict", trained.model, "-", "-o", "x.csv", "--batch-size", 1)
    with process:
        deadline = time.monotonic() + 60
        while not list(Path().glob(".x.*.part.csv")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.stdin.write(b"posters/a.jpg\n" * 2)
        process.stdin.flush()
        time.sleep(0.5)  # In the middle of its work, or waiting for more.
        process.send_signal(number)
        process.wait(timeout=30)
        said = process.stderr.read().decode()
    assert process.returncode == 128 + number
    assert said == ("interrupted\n" if number == signal.SIGINT else "")
    assert sorted(os.listdir(".")) == ["posters", "x.csv"]
    assert Path("x.csv").read_text() == "before"


def test_rows_come_while_paths_still_do_and_a_closed_pipe_is_no_matter(
    trained, posters
):
    with started("predict", trained.model, "-", "--batch-size", "2") as process:
        process.stdin.write(b"posters/a.jpg\nposters/b.jpg\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"posters/a.jpg ")
        process.stdout.close()
        process.stdin.write(b"posters/c.jpg\n" * 4)
        process.stdin.close()
        process.wait(timeout=30)
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


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


def test_progress_is_shown_on_a_terminal_and_tensorflow_is_not_loaded(trained, posters):
    code = (
        "import sys; from sk_posters.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(99 if {'tensorflow', 'keras'} & set(sys.modules) else code)"
    )
    words = ["predict", str(trained.model), "posters", "-o", "x.csv"]
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        **{"stdout": follower, "stderr": follower, "env": environment()},
    )
    os.close(follower)
    shown_there = read_all(leader)
    os.close(leader)
    assert process.wait(timeout=30) == 0
    assert "3 posters" in shown_there


def test_the_page_answers_with_genres_and_ends_by_ctrl_c(trained, table, posters):
    words = ["app", trained.model, "--posters", table.parent, "--port", "0"]
    with started(*words) as process:
        line = process.stdout.readline().decode()
        url = re.fullmatch(r"sk_posters shows .* at (\S+) \(Ctrl-C.*\n", line).group(1)
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"genres.model, 4 genres" in page.read()
        body = (
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a.jpg\r\n\r\n"
        )
        body += Path(posters[0]).read_bytes() + b"\r\n--x--\r\n"
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        request = urllib.request.Request(f"{url}/predict", body, form)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer = json.load(answer)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        said = process.stderr.read().decode()
    assert process.returncode == 0
    assert said.startswith("looking at 60 posters first")
    assert len(said.splitlines()) == 1
    names = {genre["name"] for genre in answer["genres"]}
    assert names == set(model_card(trained.model)["label_names"])
    assert answer["neighbors"][0]["distance"] < 1e-6  # It finds itself.

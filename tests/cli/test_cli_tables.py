"""The options of tables: check, train and evaluate read other people's tables."""

import shlex
from pathlib import Path

import pandas as pd
import pytest
from cli_helpers import RARE, SMALL, run

from sk_posters.datasets import load_poster_table

TINY = [*SMALL, "--no-thresholds", "--test-size", "0.3"]


@pytest.fixture
def scans(table, tmp_path, monkeypatch):
    """Frame of drawn posters, whose files lie in a folder without a usual name."""
    monkeypatch.chdir(tmp_path)
    posters = load_poster_table(table)
    Path("scans").mkdir()
    for path in posters.data[:40]:
        (Path("scans") / Path(path).name).symlink_to(path)
    return posters.frame.iloc[:40]


def find_step(result, word):
    lines = result.stdout.splitlines()
    line = next(x for x in lines if x.startswith(f"  sk-posters {word}"))
    return shlex.split(line)[1:]


def test_check_first_says_how_the_table_was_read(scans):
    Path("t.csv").write_text("film;tags\nx;A|B\n", encoding="utf-8")
    rows = [f"{name};A|B" for name in scans["Id"][:3]]
    Path("t.csv").write_text("\n".join(["film;tags", *rows, "gone;A"]))
    result = run("check", "t.csv", "--missing", "drop", "--max-distance", "-1")
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        "table: semicolon-separated, encoding utf-8",
        "images: 3 files in 'scans', named by the column 'film'",
        "labels: 2 in the texts of the column 'tags', separated by '|': 'A', 'B'",
        "dropped: 1 rows without an image, 'film': 'gone'",
    ]


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        ("f,A,B\n{},1,0\n{},,1\n", [], "or give --unknown '' if they mean"),
        ("f,A,B\n{},1,0\n{},-1,1\n", [], "give --unknown -1 if they mean that"),
        ("f,A,B\n{},1,0\n{},-1,1\n", [], "or --no-label -1 if they mean no; or leave"),
        ("f,A,B\n{},1,0\n{},-1,1\n", [], "the column out with --label-column B."),
        ("f,a,b\n{},A|B,x|z\n{},B,z\n", [], "--label-column a or --label-column b."),
        ("f,a\n{},A B\n{},B C\n", [], "Give --separator ' ' for several, or --sep"),
        ("f,a\n{},A|B\n{},\n", [], "drop the rows with --missing drop; give"),
        ("f,a\n{},A\n{},B\n", ["--encoding", "x"], "encoding must be one that Python"),
    ],
)
def test_errors_are_in_the_words_of_the_command(scans, content, words, message):
    Path("t.csv").write_text(content.format(*scans["Id"][:2]))
    result = run("check", "t.csv", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "label_columns" not in result.stderr


@pytest.mark.filterwarnings(RARE)
def test_a_table_of_texts_is_trained_and_evaluated(scans):
    names = [name for name in scans if name not in ("Id", "Genre")]
    tags = scans[names].apply(lambda row: "/".join(row.index[row == 1]), axis=1)
    frame = pd.DataFrame({"film": scans["Id"], "tags": tags.replace("", "nothing")})
    frame.to_csv("t.csv", index=False)
    words = ["--separator", "/", "--no-label", "nothing", "--label-column", "tags"]
    options = ["-o", "m.model", "--held-out", "rows.csv", *TINY]
    result = run("train", "t.csv", *words, *options)
    assert result.exit_code == 0, result.output
    assert "named by the column 'film'" in result.stdout.splitlines()[1]
    page = find_step(result, "app")
    assert page[page.index("--label-column") :][:2] == ["--label-column", "tags"]
    step = find_step(result, "evaluate")
    assert pd.read_csv("rows.csv").columns.tolist() == ["file", *sorted(names)]
    result = run(*step[: step.index("--html")], "--n-bootstrap", "0")
    assert result.exit_code == 0, result.output
    assert "12 rows, 4 labels" in result.stdout
    # No row of this table has most of the labels.
    frame[:3].assign(tags=names[0]).to_csv("few.csv", index=False)
    result = run("evaluate", "m.model", "few.csv", "--n-bootstrap", "0")
    assert result.exit_code == 0, result.output
    assert "3 rows, 4 labels" in result.stdout


@pytest.mark.filterwarnings(RARE)
def test_a_folder_per_label_is_checked_and_trained(scans):
    names = [name for name in scans if name not in ("Id", "Genre")]
    for name in names:
        Path("sets", name).mkdir(parents=True)
        for poster in scans["Id"][scans[name] == 1]:
            path = Path("scans", f"{poster}.jpg")
            Path("sets", name, path.name).write_bytes(path.read_bytes())
    result = run("check", "sets", "--max-distance", "-1")
    assert result.stdout.startswith("folder: one folder per label, ")
    options = ["-o", "m.model", "--held-out", "rows.csv", *TINY]
    result = run("train", "sets", *options)
    assert result.exit_code == 0, result.output
    step = find_step(result, "evaluate")
    result = run(*step[: step.index("--html")], "--n-bootstrap", "0")
    assert result.exit_code == 0, result.output


def test_other_folders_of_folders_are_checked_without_labels(scans):
    Path("deep/a/b").mkdir(parents=True)
    for name in scans["Id"][:2]:
        Path("deep/a/b", f"{name}.jpg").symlink_to(Path(f"scans/{name}.jpg").resolve())
    result = run("check", "deep", "--max-distance", "-1")
    assert "read as images without labels: deep: images must lie" in result.stdout
    assert "2 images in 'deep', without a table" in result.stdout
    result = run("train", "deep", "-o", "m.model")
    assert result.exit_code == 2
    assert "images must lie directly in the folder of their label" in result.stderr


def test_a_folder_with_metadata_is_read_by_it(scans):
    for k, label in enumerate(["A", "B"]):
        line = f'{{"file_name": "{scans["Id"].iloc[k]}.jpg", "labels": ["{label}"]}}\n'
        with open("scans/metadata.jsonl", "a") as file:
            file.write(line)
    result = run("check", "scans", "--max-distance", "-1")
    assert result.stdout.startswith("table: JSON lines\nimages: 2 files in 'scans'")

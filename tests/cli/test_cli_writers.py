"""Predictions as a table, CSV and JSON Lines."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest
from cli_helpers import Terminal, run, touch

from sk_posters.cli._streaming import Prediction
from sk_posters.cli._writers import open_writer


def write_predictions(
    kind, *predictions, probabilities=False, names=("=A", "B"), novelty=False
):
    path = Path("written")
    with open_writer(path, kind, list(names), probabilities, novelty) as writer:
        for prediction in predictions:
            writer.write(prediction)
    return path.read_bytes()


NASTY = [
    *("=cmd|' /C calc'!A0.jpg", "+a.jpg", "-a.jpg", "@a.jpg", "\ta.jpg", 'a,b".jpg'),
    *("new\nline.jpg", "red\x1b[31m.jpg", "\udcff.jpg", "é漢.jpg", "\u202egpj.exe"),
]


@pytest.mark.parametrize("name", NASTY)
def test_names_in_json_are_exact_and_ascii(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    written = write_predictions(
        "jsonl", Prediction(name, ["=A"], {"=A": 0.5, "B": 0.25})
    )
    assert written.isascii()
    assert written.count(b"\n") == 1
    assert json.loads(written) == {"path": name, "labels": ["=A"], "error": None}


@pytest.mark.parametrize("name", NASTY)
def test_csv_cells_are_no_formulas_and_paths_still_name_their_files(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    touch(name)
    prediction = Prediction(name, ["=A", "B"], {"=A": 0.5, "B": 0.25})
    written = write_predictions("csv", prediction, probabilities=True)
    text = written.decode("utf-8", "surrogateescape")
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert header == ["path", "labels", "'=A", "B", "error"]
    assert row[1:] == ["'=A|B", "0.5", "0.25", ""]
    assert os.path.samefile(row[0], name)
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_labels_named_as_other_columns_keep_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["novelty", "error", "error_", "path"]
    prediction = Prediction("a.jpg", ["path"], dict.fromkeys(names, 0.5), 0.97)
    options = {"names": names, "novelty": True}
    written = write_predictions("csv", prediction, probabilities=True, **options)
    header, row = written.decode().splitlines()
    assert header == "path_,labels,novelty,error,error_,path,novelty_,error__"
    assert row == "a.jpg,path,0.5,0.5,0.5,0.5,0.97,"
    row = json.loads(
        write_predictions("jsonl", prediction, probabilities=True, **options)
    )
    assert (row["novelty"], row["probabilities"]["novelty"]) == (0.97, 0.5)
    # Without probabilities there is no column of a label.
    written = write_predictions("csv", prediction, **options)
    assert written.decode().splitlines()[0] == "path,labels,novelty,error"


@pytest.mark.parametrize("name", NASTY)
def test_a_table_has_no_control_characters(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    written = write_predictions(
        "table", Prediction(name, []), Prediction(name, error=name)
    )
    lines = written.decode().splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith("(no label)")


def test_csv_is_escaped_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with open_writer(None, "csv", ["A"], False) as writer:
        writer.write(Prediction("red\x1b[31m.jpg", ["A"]))
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
def test_the_suffix_decides_the_format(stub, words, first):
    touch("a.jpg")
    result = run("predict", "m", "a.jpg", *words)
    assert (result.exit_code, result.output) == (0, "")
    assert Path(words[1]).read_text().splitlines()[0] == first


def test_a_device_is_not_replaced_by_a_file(stub):
    touch("a.jpg")
    assert run("predict", "m", "a.jpg", "-o", "/dev/null").exit_code == 0
    assert not Path("/dev/null").is_file()


def test_a_file_is_replaced_when_the_new_one_is_complete(stub, monkeypatch):
    touch("a.jpg", "b.jpg")
    Path("x.csv").write_text("before")

    def fail(paths):
        raise RuntimeError("out of luck")

    assert run("predict", "m", "a.jpg", "-o", "x.csv").exit_code == 0
    whole = Path("x.csv").read_text()
    monkeypatch.setattr(stub, "predict", fail)
    result = run("predict", "m", "b.jpg", "-o", "x.csv")
    assert (result.exit_code, result.stderr) == (2, "error: out of luck\n")
    assert Path("x.csv").read_text() == whole
    assert sorted(os.listdir(".")) == ["a.jpg", "b.jpg", "x.csv"]

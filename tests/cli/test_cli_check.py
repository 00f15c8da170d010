"""The command ``check``."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import run
from PIL import Image


def test_a_table_without_errors_passes(table):
    result = run("check", table.parent)
    assert result.exit_code == 0, result.output
    assert "60 rows, 60 files, 4 labels" in result.stdout


def test_errors_in_a_folder_are_listed_and_written_as_csv(posters):
    Path("posters/bad.jpg").write_text("no image")
    Path("posters/d.jpg").write_bytes(Path(posters[0]).read_bytes())
    result = run("check", "posters", "--output", "found.csv", "--max-distance", "-1")
    assert result.exit_code == 1
    assert "unreadable file:\n  posters/bad.jpg" in result.stdout
    assert "  posters/a.jpg = posters/d.jpg" in result.stdout
    assert "label" not in result.stdout
    findings = pd.read_csv("found.csv")
    assert findings["severity"].tolist() == ["error", "warning"]
    assert findings["paths"].tolist() == [
        *("posters/bad.jpg", "posters/a.jpg | posters/d.jpg")
    ]


def test_a_heic_file_in_a_folder_names_the_package_that_reads_it(posters, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Path("posters/phone.HEIC").write_bytes(b"\0\0\0\x1cftypheic" + bytes(64))
    result = run("check", "posters", "--max-distance", "-1")
    assert result.exit_code == 1
    assert "unreadable file:\n  posters/phone.HEIC" in result.stdout
    assert "one more package: pip install pillow-heif\n" in result.stdout


def test_more_than_8_bits_are_a_note(posters):
    pixels = np.random.default_rng(0).integers(0, 4096, (70, 70)).astype(np.uint16)
    pixels[0, 0] = 4095
    Image.fromarray(pixels).save("posters/deep.png")
    result = run("check", "posters", "--max-distance", "-1")
    assert result.exit_code == 0, result.output
    assert "note         1 × more than 8 bits, in row 3" in result.stdout
    assert "read as 12 bits, as its largest value is 4095\n" in result.stdout
    assert "more than 8 bits:\n  posters/deep.png" in result.stdout


def test_duplicates_with_other_labels_are_listed(posters):
    Path("posters/d.jpg").write_bytes(Path(posters[0]).read_bytes())
    Path("t.csv").write_text("Id,A,B\na,0,1\nb,1,1\nc,1,0\nd,1,0\n")
    result = run("check", "t.csv", "--images", "posters")
    assert result.exit_code == 1
    assert "other labels:\n  posters/a.jpg = posters/d.jpg" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none"], "'none' is neither a table nor a folder with train.csv or with one"),
        (["t.csv", "--images", "x"], "no folder of images 'x'. Give it with --images."),
        (["t.csv", "--images", "."], "Add the files, give their folder with --images"),
        (["t.csv", "--images", "."], "or drop the rows with --missing drop."),
        (["t.csv", "--id-column", "X"], "Give its name with --id-column."),
        (["t.csv", "--label-column", "C"], "Give its name with --label-column."),
    ],
)
def test_errors_of_tables_name_options(posters, words, message):
    Path("t.csv").write_text("Id,A,B\na,0,1\nz,1,0\n")
    result = run("check", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_contradictions_are_findings_not_warnings(posters):
    rows = ["Id,Genre,A,B", "a,\"['A']\",0,1", "b,\"['B']\",0,1", "c,\"['A']\",1,0"]
    Path("t.csv").write_text("\n".join(rows))
    result = run("check", "t.csv", "--images", "posters")
    assert result.exit_code == 1
    assert "contradicting text" in result.stdout
    assert result.stderr == ""


def test_a_table_needs_no_column_of_genres(posters):
    Path("t.csv").write_text("Id,A,B\na,0,1\nb,1,1\nc,1,0\n")
    result = run("check", "t.csv", "--images", "posters")
    assert result.exit_code == 0, result.output
    assert "skipped, because not given: genre_text" in result.stdout
    assert "rare label" in result.stdout


def test_the_first_three_files_are_listed_and_the_others_counted(posters):
    for number in range(5):
        Path(f"posters/bad{number}.jpg").write_text("no image")
    result = run("check", "posters")
    reason = "not an image, or in a format that is not read"
    assert f"  posters/bad2.jpg: {reason}\n  and 2 more" in result.stdout


def test_all_reasons_are_listed_with_how_many_files_have_them(posters):
    for number in range(2):
        Path(f"posters/bad{number}.jpg").write_text("no image")
    Path("posters/empty.jpg").touch()
    Path("posters/dead.jpg").symlink_to("nowhere")
    result = run("check", "posters")
    assert result.exit_code == 1
    assert "7 images in 'posters', without a table" in result.stdout
    assert "error        4 × unreadable file" in result.stdout
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert {
        "2 × not an image, or in a format that is not read",
        "1 × the file is empty (0 bytes)",
        "1 × a link to a file that does not exist",
        "posters/dead.jpg: a link to a file that does not exist",
    } <= set(lines)


def test_what_is_skipped_in_a_folder_is_counted_and_named(posters):
    Path("posters/notes.txt").touch()
    Path("posters/more").symlink_to(".")
    result = run("check", "posters")
    assert result.exit_code == 0, result.output
    assert "skipped: 1 × no image by its suffix (.txt 1)" in result.stdout
    assert "skipped: 1 × a link to a folder, which is not followed" in result.stdout


def test_a_folder_of_dead_links_is_an_error_that_names_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p").mkdir()
    Path("p/dead.jpg").symlink_to("nowhere")
    Path("p/notes.txt").touch()
    result = run("check", "p")
    assert result.exit_code == 2
    assert "'p/dead.jpg': a link to a file that does not exist" in result.stderr
    assert "skipped: 1 × no image by its suffix" in result.stderr


def test_a_folder_without_images_is_an_error(tmp_path):
    result = run("check", tmp_path)
    assert result.exit_code == 2
    assert "has neither images nor train.csv: give a table" in result.stderr

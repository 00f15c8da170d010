"""Files, folders, patterns and lists of paths as arguments of the command."""

import os
from pathlib import Path

import pytest
from cli_helpers import touch

from sk_posters._images._folders import Skipped
from sk_posters.cli._paths import iterate_paths


def test_a_folder_gives_its_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/b.PNG", "p/q/r/c.webp", "p/s/d.jpeg", "p/s/e.avif")
    touch("p/f.jfif", "p/.hidden.tif")
    found = list(iterate_paths(["p"], []))
    assert {problem for _, problem in found} == {None}
    assert sorted(path for path, _ in found) == [
        *("p/.hidden.tif", "p/a.jpg", "p/b.PNG", "p/f.jfif"),
        *("p/q/r/c.webp", "p/s/d.jpeg", "p/s/e.avif"),
    ]


def test_an_image_in_a_folder_that_cannot_be_read_has_its_problem(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/z.jpg")
    Path("p/dead.jpg").symlink_to("nowhere")
    Path("p/loop.jpg").symlink_to("loop.jpg")
    os.mkfifo("p/pipe.jpg")
    skipped = Skipped()
    assert sorted(iterate_paths(["p"], [], skipped)) == [
        ("p/a.jpg", None),
        ("p/dead.jpg", "a link to a file that does not exist"),
        ("p/loop.jpg", "Too many levels of symbolic links"),
        ("p/pipe.jpg", "a device or a pipe, not a file"),
        ("p/z.jpg", None),
    ]
    assert skipped.lines() == []
    pattern = dict(iterate_paths(["p/*.jpg"], [], skipped))
    assert pattern["p/dead.jpg"] == "no such file"
    assert pattern["p/loop.jpg"] == "Too many levels of symbolic links"
    assert pattern["p/pipe.jpg"] == "a device or a pipe, not a file"


def test_what_is_left_out_of_folders_is_counted_and_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/notes.txt", "q/b.TXT", "q/README", "q/c.jpg")
    Path("p/link").symlink_to("../q")
    Path("p/link.jpg").symlink_to("../q")
    Path("p/loop").symlink_to("loop")
    skipped = Skipped()
    found = list(iterate_paths(["p", "q"], [], skipped))
    assert sorted(found) == [("p/a.jpg", None), ("q/c.jpg", None)]
    links, files = sorted(skipped.lines())
    start = "skipped: 4 × no image by its suffix ("
    assert files.startswith(f"{start}.txt 2, no suffix 2), such as 'p/")
    assert links.startswith("skipped: 2 × a link to a folder, which is not followed, ")


def test_what_is_left_out_of_patterns_is_counted_and_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/q/b.jpg", "r/c.jpg")
    Path("p/link").symlink_to("../r")
    skipped = Skipped()
    assert list(iterate_paths(["p/*"], [], skipped)) == [("p/a.jpg", None)]
    [line] = skipped.lines()
    assert line.startswith("skipped: 2 × a folder that matches a pattern of files, su")
    skipped = Skipped()
    found = sorted(iterate_paths(["p/**/*.jpg"], [], skipped))
    assert found == [("p/a.jpg", None), ("p/q/b.jpg", None)]
    assert skipped.lines() == [
        "skipped: 1 × behind a link to a folder, which ** does not follow, such as "
        "'p/link/c.jpg'"
    ]


def test_many_suffixes_are_counted_in_one_line():
    skipped = Skipped()
    for number in range(20):
        skipped.add("files", f"a.{number}", f".{number}")
    assert skipped.lines() == [
        "skipped: 20 × files (.0 1, .1 1, .2 1, .3 1, .4 1, 15 others), such as 'a.0'"
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
def test_patterns_give_the_files_they_match(tmp_path, monkeypatch, pattern, names):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/n.txt", "p/q/b.jpg", "p/q/r/c.jpg", "p/.hidden.jpg")
    found = sorted(iterate_paths([pattern], []))
    if names is None:
        assert found == [(pattern, "no file matches this pattern")]
    else:
        assert found == [(name, None) for name in names]
    absolute = str(tmp_path / pattern)
    assert len(list(iterate_paths([absolute], []))) == len(found)


def test_two_stars_follow_no_links_to_folders_and_repeated_ones_find_a_file_once(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/q/b.jpg")
    Path("p/loop").symlink_to("../p")
    Path("link").symlink_to("p")
    both = [("p/a.jpg", None), ("p/q/b.jpg", None)]
    for pattern in ("p/**/*.jpg", "p/**/**/*.jpg", "p/**", "p/**/**"):
        assert sorted(iterate_paths([pattern], [])) == both
    assert list(iterate_paths(["link/*.jpg"], [])) == [("link/a.jpg", None)]
    assert sorted(iterate_paths(["link/**/*.jpg"], [])) == [
        *(("link/a.jpg", None), ("link/q/b.jpg", None))
    ]
    assert list(iterate_paths(["p/*/a.jpg"], [])) == [("p/loop/a.jpg", None)]


def test_a_file_that_looks_like_a_pattern_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("a[1].jpg", "a1.jpg")
    assert list(iterate_paths(["a[1].jpg"], [])) == [("a[1].jpg", None)]


def test_paths_are_read_from_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("a.jpg", "p/b.jpg", "-.jpg", "*.jpg", os.fsdecode(b"\xff.jpg"))
    lines = [b"a.jpg\n", b"\n", b"p\r\n", b"*.jpg\n", b"\xff.jpg\n", b"none"]
    assert list(iterate_paths(["-", "-.jpg"], lines)) == [
        *(("a.jpg", None), ("p/b.jpg", None), ("*.jpg", None)),
        *(("\udcff.jpg", None), ("none", "no such file"), ("-.jpg", None)),
    ]


def test_a_path_that_is_not_a_file_has_a_problem(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    os.mkfifo("pipe")
    touch("a.jpg")
    result = dict(iterate_paths(["empty", "pipe", "/dev/null", "a\0b", "a.jpg/b"], []))
    assert "embedded null" in result.pop("a\0b")
    assert result == {
        "empty": "no images in this folder",
        "pipe": "a device or a pipe, not a file",
        "/dev/null": "a device or a pipe, not a file",
        "a.jpg/b": "Not a directory",
    }


def test_folders_that_cannot_be_read_have_a_problem(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/q/b.jpg")
    scandir = os.scandir

    def refuse(path):
        if path.endswith("q"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(iterate_paths(["p"], [])) == [
        *(("p/a.jpg", None), ("p/q", "no permission to read it"))
    ]
    assert list(iterate_paths(["p/**/*.jpg"], [])) == [("p/a.jpg", None)]

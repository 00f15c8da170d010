"""Files, folders, patterns and lists of paths as arguments of the command."""

import os
from pathlib import Path

import pytest
from cli_helpers import touch

from sk_posters.cli._paths import iterate_paths


def test_a_folder_gives_its_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch("p/a.jpg", "p/b.PNG", "p/notes.txt", "p/q/r/c.webp", "p/s/d.jpeg")
    Path("p/loop").symlink_to("../p")
    Path("p/dead.jpg").symlink_to("nowhere")
    os.mkfifo("p/pipe.jpg")
    found = list(iterate_paths(["p"], []))
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

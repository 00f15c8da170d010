"""Nothing is lost or overwritten: outputs that are inputs, streams that are closed."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_helpers import COMMAND, make_environment, run, touch
from PIL import Image

from sk_posters.cli import _terminal, _training, main
from sk_posters.cli._outputs import check_output
from sk_posters.cli._terminal import open_closed_streams, quote


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("m.model")
    return touch("m.model", "a.jpg", "train.csv")


@pytest.mark.parametrize(
    "words",
    [
        "predict m.model a.jpg -o m.model",
        "predict m.model a.jpg -o ./m.model",
        "predict m.model a.jpg -o link",
        "predict m.model a.jpg -o a.jpg",
        "explain m.model a.jpg -o m.model",
        "explain m.model a.jpg -o a.jpg",
        "export m.model m.model",
        "evaluate m.model train.csv --html m.model",
        "evaluate m.model train.csv --html train.csv",
        "evaluate m.model . --html train.csv",
        "check train.csv --output train.csv",
        "check . --output train.csv",
        "train train.csv -o train.csv",
        "train train.csv -o new.model --held-out train.csv",
        "train train.csv -o new.model --held-out ./new.model",
    ],
)
def test_what_is_read_is_not_overwritten(words, files):
    result = run(*words.split())
    assert result.exit_code == 2
    assert "which this command reads or writes as" in result.stderr
    assert "choose another name." in result.stderr
    assert {os.path.getsize(file) for file in files} == {0}


@pytest.mark.parametrize(
    "words",
    [
        "predict m.model posters -o posters/1.png",
        "predict m.model - -o posters/1.png",
        "predict m.model posters -o posters/without_suffix",
        "explain m.model posters -o posters/1.png",
        "export m.model posters/1.png",
        "evaluate m.model train.csv --html posters/1.png",
        "check train.csv --output posters/1.png",
        "train train.csv -o posters/1.png",
        "train train.csv -o new.model --held-out posters/1.png",
    ],
)
def test_posters_of_folders_and_tables_are_not_overwritten(words, files):
    os.mkdir("posters")
    Image.new("RGB", (4, 6)).save("posters/1.png")
    content = Path("posters/1.png").read_bytes()
    Path("posters/without_suffix").write_bytes(content)
    result = run(*words.split())
    assert result.exit_code == 2
    assert "which is an image already: choose another name." in result.stderr
    for name in ("1.png", "without_suffix"):
        assert Path("posters", name).read_bytes() == content


def test_a_drawing_may_be_drawn_again(tmp_path):
    Image.new("RGB", (4, 6)).save(tmp_path / "heat.png")
    check_output(tmp_path / "heat.png", tmp_path / "posters", draws=True)


@pytest.mark.parametrize("words", ["-o new.csv", "-o /dev/null", ""])
def test_other_files_and_devices_are_written(words, stub):
    touch("m", "a.jpg")
    assert run("predict", "m", "a.jpg", *words.split()).exit_code == 0


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_takes_no_file_is_said_before_any_work(
    number, tmp_path, monkeypatch
):
    def fail(dir):
        raise OSError(number, os.strerror(number), str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(OSError, match=r"Cannot write '.*new\.model' .*Make the folder"):
        check_output(tmp_path / "new.model")


def test_a_name_that_is_too_long_is_said_before_any_work(files):
    result = run("train", "train.csv", "-o", "x" * 256)
    assert result.exit_code == 2
    assert "too long" in result.stderr or "255" in result.stderr


# Standard streams


@pytest.fixture
def training(table, tmp_path, monkeypatch):
    """Words of a training that does nothing but note that it was called."""
    called = []

    def train_and_save(posters, output, *args, **kwargs):
        called.append(output)
        return SimpleNamespace(test_rows=[0])

    monkeypatch.setattr(_training, "train_and_save", train_and_save)
    return ["train", str(table), "-o", str(tmp_path / "it.model")], called


def test_a_pipe_that_closes_before_the_training_does_not_stop_it(
    training, monkeypatch, capsys
):
    words, called = training
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(words) == 141
        monkeypatch.undo()  # Before the stream is closed.
    assert len(called) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_a_full_output_does_not_stop_the_training(training, monkeypatch, capsys):
    words, called = training
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(words) == 2
        monkeypatch.undo()
    assert len(called) == 1
    message = "error: Cannot write to standard output (No space left on device); all "
    assert capsys.readouterr().err == f"{message}files were written.\n"
    assert _terminal._lost == []


def test_a_model_is_saved_with_its_scores_before_they_are_printed(monkeypatch):
    done = []

    def note(what, result=None):
        return lambda *args, **kwargs: done.append(what) or result

    for name in ("_make_model", "_find_unreadable", "_find_groups", "_fit"):
        monkeypatch.setattr(_training, name, note(name))
    split = _training.Split([0], [1], None, 0, 0)
    monkeypatch.setattr(_training, "_split", note("split", split))
    monkeypatch.setattr(_training, "_evaluate", note("evaluate", "report"))
    monkeypatch.setattr(_training, "_list_scores", note("scores", {}))
    monkeypatch.setattr(_training, "_save", note("save"))
    monkeypatch.setattr(_training.typer, "echo", note("print"))
    posters = SimpleNamespace(data=[])
    _training.train_and_save(posters, "it.model", None, description="")
    assert done.index("print") > len(done) - 1 - done[::-1].index("save")
    assert done.count("save") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["predict", "m", "a.jpg"],
            "Standard output is closed: open it, or name a fil",
        ),
        (["report", "m"], "Standard output is closed: open it, or write to a file"),
        (["evaluate", "m", "t.csv"], "closed: open it, or write a report with --html"),
        (["check", "t.csv"], "Standard output is closed: open it, or name a file with"),
    ],
)
def test_a_closed_standard_output_is_said(words, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_closed_standard_input_is_said(stub, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    touch("m")
    assert main(["predict", "m", "-", "-o", "new.csv"]) == 2
    message = (
        "- reads paths from standard input, which is closed: give files or folders"
    )
    assert message in capsys.readouterr().err


def test_with_a_closed_standard_error_no_message_is_in_the_output(tmp_path):
    (tmp_path / "note.csv").write_text("no model")
    words = " ".join([*COMMAND, "predict", "note.csv", "a.jpg", "-o", "new.csv"])
    done = subprocess.run(
        ["sh", "-c", f"{words} 2>&-"],
        cwd=tmp_path,
        env=make_environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")
    assert sorted(os.listdir(tmp_path)) == ["note.csv"]


def test_closed_streams_get_their_numbers_back(monkeypatch):
    opened, closed = [], {0, 2}

    def fstat(number):
        if number in closed:
            raise OSError(errno.EBADF, "closed")

    monkeypatch.setattr(
        _terminal,
        "os",
        SimpleNamespace(
            fstat=fstat,
            open=lambda path, flags: opened.append(path),
            devnull=os.devnull,
            O_RDWR=os.O_RDWR,
        ),
    )
    monkeypatch.setattr(sys, "stderr", None)
    open_closed_streams()
    assert opened == [os.devnull] * 2
    sys.stderr.write("to nobody")
    sys.stderr.close()


def test_a_folder_that_was_removed_does_not_matter(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    assert quote("a b.model") == "'a b.model'"


def test_a_name_that_is_not_utf8_can_be_pasted():
    assert quote(os.fsdecode(b"a b\xff.model")) == r"$'a b\xff.model'"

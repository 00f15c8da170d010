"""How the command ends: errors, warnings, exit codes, signals."""

import importlib
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import typer
from cli_helpers import COMMAND, make_environment, run, start, touch

from sk_posters.cli import main
from sk_posters.cli._errors import handle_errors
from sk_posters.cli._models import import_quietly
from sk_posters.cli._terminal import format_error
from sk_posters.exceptions import PosterFileError


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
            "No such file: 'a\\x1b'",
        ),
        (RuntimeError("red\x1b[31m"), "red\\x1b[31m"),
        (
            PosterFileError([("a.jpg", "bad"), ("b.jpg", "no such file")]),
            "2 files cannot be used as a poster: 'a.jpg': bad; 'b.jpg': no such file. "
            "Replace these files or leave them out.",
        ),
    ],
)
def test_an_error_is_one_line(error, text):
    assert format_error(error) == text


def test_a_traceback_is_shown_on_request(tmp_path):
    result = run("report", tmp_path / "none.model")
    assert result.exit_code == 2
    assert re.fullmatch(r"error: .*none\.model.*\n", result.stderr)
    result = run("report", tmp_path / "none.model", "--traceback")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert "error: " in result.stderr.splitlines()[-1]


def test_user_warnings_are_one_line_and_others_are_hidden(capsys):
    with handle_errors():
        warnings.warn("mind\nthe \x1b gap", UserWarning, stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("for programmers", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: mind the \\x1b gap\n"


def test_an_unknown_backend_of_keras_is_named(table, tmp_path):
    words = ["train", table, "--output", tmp_path / "it.model", "--recipe", "cnn"]
    done = subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        env=make_environment() | {"KERAS_BACKEND": "mxnet"},
    )
    assert done.returncode == 2
    assert "error: KERAS_BACKEND is 'mxnet', and networks run on" in done.stderr


def test_ctrl_c_exits_with_130(capsys):
    with pytest.raises(typer.Exit) as stopped, handle_errors():
        raise KeyboardInterrupt
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_messages_of_an_import_are_hidden(monkeypatch, capfd):
    monkeypatch.setattr(importlib, "import_module", lambda _: os.write(2, b"noise"))
    import_quietly("a_module_that_talks")
    import_quietly("sys")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_closed_pipe_ends_the_command_without_a_message(stub, monkeypatch, capsys):
    touch("a.jpg")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["predict", "m", "a.jpg"]) == 141
        monkeypatch.undo()  # Before the stream is closed.
    assert capsys.readouterr().err == ""


def test_sigterm_leaves_no_incomplete_file(stub, monkeypatch):
    touch("a.jpg")
    monkeypatch.setattr(
        stub, "predict", lambda paths: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert main(["predict", "m", "a.jpg", "-o", "x.csv"]) == 143
    assert os.listdir(".") == ["a.jpg"]


def test_main_returns_exit_codes_and_restores_signal_handlers(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--version"]) == 0
    assert main(["report", "none.model"]) == 2
    assert main(["predict"]) == 2
    assert signal.getsignal(signal.SIGTERM) is before


def test_main_runs_in_any_thread():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["--version"]).result() == 0


def wait_for_onnxruntime(process, deadline):
    """Wait until a process predicts: extension modules that load swallow Ctrl-C."""
    maps = Path(f"/proc/{process.pid}/maps")
    while maps.exists() and "onnxruntime" not in maps.read_text():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(3)  # It has loaded, and waits for more paths.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_a_stopped_process_leaves_no_incomplete_file(trained, posters, number):
    Path("x.csv").write_text("before")
    process = start("predict", trained.model, "-", "-o", "x.csv", "--batch-size", 1)
    with process:
        deadline = time.monotonic() + 60
        while not list(Path().glob(".x.*.part.csv")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.stdin.write(b"posters/a.jpg\n" * 2)
        process.stdin.flush()
        wait_for_onnxruntime(process, deadline)
        process.send_signal(number)
        process.wait(timeout=30)
        stderr = process.stderr.read().decode()
    assert process.returncode == 128 + number
    assert stderr == ("interrupted\n" if number == signal.SIGINT else "")
    assert sorted(os.listdir(".")) == ["posters", "x.csv"]
    assert Path("x.csv").read_text() == "before"

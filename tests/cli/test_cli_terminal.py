"""Text for terminals."""

import io
import sys

from cli_helpers import Terminal

from sk_posters.cli._terminal import escape_control, find_program, get_verbosity, quote


def test_line_ends_are_kept_and_control_characters_escaped():
    text = "a\nb\x07\x9b\u202e\udcff é"
    assert escape_control(text) == "a\nb\\x07\\x9b\\u202e\\udcff é"


def test_words_are_quoted_for_a_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert quote(tmp_path / "a b.jpg") == "'a b.jpg'"
    assert quote("/other/a.jpg") == "/other/a.jpg"


def test_the_command_is_named_as_the_shell_finds_it(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "sk-posters"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == "bin/sk-posters"
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_program() == "sk-posters"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert find_program() == "sk-posters"


def test_progress_is_shown_on_terminals_only(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert get_verbosity() == 0
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert get_verbosity() == 1
    monkeypatch.setattr(sys, "stderr", None)
    assert get_verbosity() == 0

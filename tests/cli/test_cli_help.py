"""The help of the command, its examples, and those in the documentation."""

import re
import subprocess
import sys

import pytest
from cli_helpers import COMMAND, GROUP, ROOT, find_examples, parse, run

import sk_posters

GUIDE = ROOT / "docs" / "guide" / "command.md"
COMMANDS = ["demo", "fetch", "check", "train", "evaluate", "predict", "explain"]
COMMANDS += ["report", "export", "app"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples_that_parse(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    lines = [
        line
        for line in find_examples(result.stdout.replace("Usage: ", "#"))
        if line.startswith(f"sk-posters {name}")
    ]
    assert lines
    for line in lines:
        parse(line)


def test_the_help_lists_all_commands_and_first_steps_that_parse():
    result = run("--help")
    assert result.exit_code == 0
    assert list(GROUP.commands) == COMMANDS
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", result.stdout, flags=re.MULTILINE)
    lines = find_examples(result.stdout.replace("Usage: ", "#"))
    assert len(lines) == 6
    for line in lines:
        parse(line)


def test_short_descriptions_are_not_cut_off():
    assert "..." not in run("--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("path", [GUIDE, ROOT / "README.md"], ids=lambda p: p.name)
def test_the_commands_in_the_documentation_parse(path):
    text = path.read_text(encoding="utf-8").replace(".venv/bin/", "")
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [
        line for block in blocks for line in find_examples(block.replace("$ ", ""))
    ]
    assert lines
    for line in lines:
        parse(line)


def test_the_guide_covers_every_command():
    text = GUIDE.read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"sk-posters {name}" not in text] == []


def test_a_wrong_option_exits_with_2_and_names_it():
    result = run("predict", "a.model", "a.jpg", "--top-k", "0")
    assert result.exit_code == 2
    assert "Invalid value for '--top-k'" in result.stderr


def test_the_help_imports_no_heavy_package():
    code = (
        "import sys; from sk_posters.cli import main; main(['--help']); "
        "heavy = {'numpy', 'sklearn', 'pandas', 'joblib', 'tensorflow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_python_m_runs_the_command():
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (
        0,
        f"sk-posters {sk_posters.__version__}\n",
    )

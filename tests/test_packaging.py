"""What the repository says of itself: commands, requirements, changelog, style."""

import ast
import importlib
import importlib.metadata
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sk_posters

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = ROOT / ".ci" / "run"
# Drawn, not copied: a chart, by a study, and posters, by docs/landing_picture.py.
IMAGES = ["docs/_static/frontier.png", "docs/_static/landing.png"]
IMAGE = re.compile(r"\.(jpe?g|png|gif|bmp|tiff?|webp)$", re.IGNORECASE)

# Packages whose import name is not their name on PyPI.
PYPI_NAMES = {
    "PIL": "pillow",
    "python_multipart": "python-multipart",
    "sklearn": "scikit-learn",
}

PUBLIC_MODULES = ["sk_posters", "sk_posters.datasets", "sk_posters.metrics"]
PUBLIC_MODULES += ["sk_posters.model_selection", "sk_posters.plotting"]
PUBLIC_MODULES += ["sk_posters.app", "sk_posters.exceptions", "sk_posters.inspection"]
PUBLIC_MODULES += ["sk_posters.distributed"]


def public_names():
    names = [
        n for module in PUBLIC_MODULES for n in importlib.import_module(module).__all__
    ]
    return [name for name in names if not name.startswith("__")]


def shell_lines():
    """Lines of the README's shell blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def requirement_names(lines):
    return {re.match(r"[\w-]+", line).group() for line in lines}


# Asked for GPUs only where Keras runs on them.
BACKENDS = {"jax", "torch"}

# Imported by the web page alone, whose extra brings it.
WEB_PAGE = {"python-multipart"}


def third_party_imports():
    """Top-level packages that sk_posters imports by an import statement."""
    found = set()
    for path in (ROOT / "sk_posters").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"sk_posters"}


def test_ci_runs_exactly_the_test_command_of_the_readme():
    command = CI.read_text(encoding="utf-8").splitlines()[-1]
    assert command.endswith(".venv/bin/python -m pytest")
    assert command in shell_lines()


def test_ci_script_is_executable_and_stops_at_the_first_error():
    assert os.access(CI, os.X_OK)
    lines = CI.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines


def test_ci_script_parses():
    result = subprocess.run(["bash", "-n", CI], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_readme_starts_each_command_from_a_fresh_environment():
    commands = [line for line in shell_lines() if "pip install" in line]
    assert len(commands) == 3
    for command in commands:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_extras_that_the_texts_name_exist():
    extras = set(PROJECT["project"]["optional-dependencies"])
    texts = [README, (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")]
    lists = [found for text in texts for found in re.findall(r"\.\[([\w,]+)\]", text)]
    named = {extra for found in lists for extra in found.split(",")}
    assert {"all", "test"} <= named <= extras


def test_the_extra_all_brings_what_people_use():
    extras = PROJECT["project"]["optional-dependencies"]
    [line] = extras["all"]
    listed = re.fullmatch(r"sk-posters\[(.*)\]", line).group(1).split(",")
    # Dask serves clusters, and GPUs have an extra of their own.
    beside = {"all", "distributed", "docs", "gpu", "test"}
    assert set(listed) == set(extras) - beside


def test_the_lowest_versions_are_those_that_are_promised(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lowest.py"])
    runpy.run_path(str(ROOT / ".ci" / "lowest.py"), run_name="__main__")
    lowest = dict(line.split("==") for line in capsys.readouterr().out.split())
    for requirement in PROJECT["project"]["dependencies"]:
        name, version = requirement.split(">=")
        assert lowest[name] == version
    extras = PROJECT["project"]["optional-dependencies"]
    named = {re.match(r"[\w-]+", each)[0] for each in extras["test"]}
    assert named <= set(lowest)


def test_links_of_the_readme_lead_to_files_of_the_repository():
    targets = re.findall(r"\]\(([^)#]+)", README)
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("name", public_names())
def test_reference_and_changelog_name_every_public_object(name):
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    reference = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{name}\b", reference)
    assert re.search(rf"\b{name}\b", changelog)


def test_the_changelog_opens_with_what_is_not_released_yet():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", changelog, flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_the_installed_version_is_the_one_in_the_package():
    assert importlib.metadata.version("sk-posters") == sk_posters.__version__


def test_requirements_are_what_the_package_imports():
    imported = third_party_imports() - BACKENDS
    imported = {PYPI_NAMES.get(name, name) for name in imported}
    assert imported - WEB_PAGE == requirement_names(PROJECT["project"]["dependencies"])
    extras = PROJECT["project"]["optional-dependencies"]
    assert imported & WEB_PAGE == WEB_PAGE & requirement_names(extras["app"])


def test_every_requirement_has_a_lower_bound():
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = [*PROJECT["project"]["dependencies"], *(line for e in extras for line in e)]
    lines = [line for line in lines if not line.startswith("sk-posters[")]
    assert [line for line in lines if not re.search(r"[>=]=\d", line)] == []


def test_pre_commit_and_the_test_extra_use_one_version_of_ruff():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hook = re.search(r"astral-sh/ruff-pre-commit\n\s+rev: v([\d.]+)", hooks).group(1)
    assert f"ruff=={hook}" in PROJECT["project"]["optional-dependencies"]["test"]


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_finds_nothing(check):
    command = [sys.executable, "-m", "ruff", *check, "--no-cache", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_image_but_the_drawn_ones_is_part_of_the_repository():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = result.stdout.splitlines()
    assert "pyproject.toml" in files
    assert [name for name in files if IMAGE.search(name)] == IMAGES
    assert all((ROOT / name).stat().st_size < 300_000 for name in IMAGES)

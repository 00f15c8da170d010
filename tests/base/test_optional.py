"""Optional packages: found when there, and a line that installs them when not."""

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from sk_posters._base._optional import import_optional

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sk_posters"


def optional_imports():
    """Yield (file, module, extra) for each call of import_optional in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "id", None) == "import_optional":
                extra = next(k.value for k in node.keywords if k.arg == "extra")
                yield path.name, ast.literal_eval(node.args[0]), extra.value


def test_an_installed_module_is_returned():
    assert import_optional("json", extra="plot", purpose="A test") is json


def test_a_dotted_name_gives_the_innermost_module():
    import json.decoder

    module = import_optional("json.decoder", extra="plot", purpose="A test")
    assert module is json.decoder


@pytest.mark.parametrize("module", ["matplotlib", "matplotlib.pyplot"])
def test_a_missing_package_is_named_with_the_line_that_installs_it(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    message = re.escape(
        "PosterGridDisplay needs the package 'matplotlib', which is not installed. "
        "Install it with: pip install 'sk-posters[plot]'"
    )
    with pytest.raises(ImportError, match=message) as caught:
        import_optional(module, extra="plot", purpose="PosterGridDisplay")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    "body",
    ["import a_module_that_is_nowhere", "raise ModuleNotFoundError('no name')"],
    ids=["named", "nameless"],
)
def test_a_broken_package_is_not_reported_as_missing(body, tmp_path, monkeypatch):
    (tmp_path / "a_broken_package.py").write_text(body + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as caught:
        import_optional("a_broken_package", extra="plot", purpose="A test")
    assert "pip install" not in str(caught.value)


def test_every_extra_that_a_message_names_brings_the_package_along():
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = metadata["project"]["optional-dependencies"]
    calls = list(optional_imports())
    assert calls
    for file, module, extra in calls:
        names = (re.match(r"[\w-]+", line).group() for line in extras[extra])
        packages = [name.replace("-", "_") for name in names]
        assert module.partition(".")[0] in packages, f"{file}: {module} in [{extra}]"

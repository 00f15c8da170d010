"""Nothing runs code that it was given, and nothing but downloads needs a network.

Hostile model files are in test_persistence.py, weight files in test_weights.py,
archives and tables in test_fetch.py and test_datasets.py, the report's and the page's
in test_html_report.py and test_app.py, mutated files in test_fuzzing.py.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sk_posters

PACKAGE = Path(sk_posters.__file__).parent
ROOT = PACKAGE.parent

FORBIDDEN_NAMES = {"eval", "exec", "__import__"}
FORBIDDEN_CALLS = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load"),
    *("marshal.loads", "os.system", "os.popen", "joblib.load", "yaml.load"),
    *("shelve.open", "dill.load", "cloudpickle.load", "cloudpickle.loads"),
}
FORBIDDEN_ARGUMENTS = {"shell": True, "allow_pickle": True}
# Where bytes from elsewhere may come from, and where another program is started.
MODULES = {
    "pickle": {"_features/_torch_weights.py"},
    "urllib.request": {"datasets/_download.py"},
    "socket": {"app/_serve.py"},
    "subprocess": set(),
}


def trees():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def dotted(node):
    """Return "a.b" of the expression a.b, "" of one that is no such name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def findings(tree):
    """Yield what a module does that might run code it was given."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in FORBIDDEN_NAMES | FORBIDDEN_CALLS:
            yield name
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            if FORBIDDEN_ARGUMENTS.get(keyword.arg) is value is True:
                yield f"{keyword.arg}={value}"


def test_no_reader_runs_what_it_reads():
    assert [(name, list(findings(tree))) for name, tree in trees()] == [
        (name, []) for name, _ in trees()
    ]


@pytest.mark.parametrize(
    "code",
    [
        *("eval(text)", "pickle.loads(data)", "os.system(name)"),
        *("np.load(file, allow_pickle=True)", "subprocess.run(name, shell=True)"),
    ],
)
def test_code_that_would_run_is_found(code):
    assert list(findings(ast.parse(code)))


def test_few_modules_touch_pickles_networks_and_processes():
    found = {module: set() for module in MODULES}
    for name, tree in trees():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for module in found.keys() & set(names):
                found[module].add(name)
    assert found == MODULES


def test_bandit_finds_nothing():
    pytest.importorskip("bandit")
    command = ["bandit", "-q", "-r", str(PACKAGE), "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout

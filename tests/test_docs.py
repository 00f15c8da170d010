"""The documentation builds without a warning, says all, and its code runs."""

import contextlib
import doctest
import html
import importlib
import io
import os
import pkgutil
import re
import shutil
import sys
import warnings
from pathlib import Path
from unittest import mock
from urllib.parse import unquote

import pytest

import sk_posters

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDE = DOCS / "guide"
BUILDERS = ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme")
BUILDERS += ("sphinx_design", "sphinx_gallery")
# The guide's pages, those that come before it, and the landing page.
PAGES = sorted(DOCS.glob("[it]*.md")) + sorted(GUIDE.glob("*.md"))
EXECUTED = [DOCS / "tour.md", *sorted(GUIDE.glob("*.md"))]  # Show their outputs.
# Most posters that a page draws in a test, and pages whose claims need all of them.
N_POSTERS = 60
NEED_ALL_POSTERS = ["evaluation"]
EXECUTED_PAGE = """\
---
orphan: true
file_format: mystnb
kernelspec: {name: python3, language: python}
mystnb: {execution_mode: force}
---
# A page that is executed

```{code-cell}
%load_ext console
print(6 * 7)
```

```{code-cell}
:tags: [remove-input]
%%console
echo six times seven
```
"""
BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>]*?) -->\n)?"
    r"```(?P<kind>\w+|\{code-cell\})\n(?::tags: [^\n]*\n)?(?P<code>.*?)```\n",
    re.S,
)


def blocks(page, kinds=("python", "{code-cell}")):
    """Yield (note, code, line) of the blocks of some kinds on a page."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        if found["kind"] in kinds:
            line = text.count("\n", 0, found.start("code")) + 1
            yield found["note"] or "", found["code"], line


@pytest.fixture
def docs_modules(monkeypatch):
    """Let the modules beside the pages be imported."""
    monkeypatch.syspath_prepend(DOCS)


@pytest.fixture
def few_posters(page, monkeypatch):
    """Let pages draw few and small posters; a build of the site draws them all."""
    from sk_posters import datasets

    draw = datasets.make_posters

    def draw_few(n_samples, *, image_size=(148, 100), **options):
        image_size = min(image_size, (148, 100))
        return draw(min(n_samples, N_POSTERS), image_size=image_size, **options)

    if page.stem not in NEED_ALL_POSTERS:
        monkeypatch.setattr(datasets, "make_posters", draw_few)


@pytest.fixture
def small_networks(page, request):
    """Let networks be small, but where a page counts their parameters."""
    if page.stem != "migrating":
        request.getfixturevalue("few_layers")
        request.getfixturevalue("shallow_backbones")


def public_modules():
    found = pkgutil.walk_packages(sk_posters.__path__, prefix="sk_posters.")
    names = ["sk_posters", *sorted(module.name for module in found)]
    return [n for n in names if not any(p.startswith("_") for p in n.split("."))]


def public_names():
    """Dotted names of all that users can import from this package."""
    return {
        f"{module}.{name}"
        for module in public_modules()
        for name in importlib.import_module(module).__all__
        if not name.startswith("__")
    }


def build_site(folder):
    """Return the folder of the web site, built without running examples and pages.

    Their code is run page by page below, which is faster.
    """
    for name in BUILDERS:
        pytest.importorskip(name, reason='the documentation needs ".[docs]"')
    # A copy, as Sphinx writes pages among those it reads, and tests run side by side.
    made = shutil.ignore_patterns("_build", "generated", "gallery", "output")
    for part in ["docs", "examples"]:
        shutil.copytree(ROOT / part, folder / part, ignore=made)
    shutil.copy(ROOT / "CHANGELOG.md", folder)
    (folder / "docs" / "executed.md").write_text(EXECUTED_PAGE, encoding="utf-8")
    from sphinx.cmd.build import main

    words = ["-W", "--keep-going", "-q", "-b", "html"]
    words += ["-D", "plot_gallery=0", "-D", "nb_execution_mode=off"]
    words += [str(folder / "docs"), str(folder / "html")]
    said = io.StringIO()
    # In this process, which has imported most of it already; it sets variables.
    with (
        mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)),
        mock.patch.object(sys, "path", sys.path.copy()),
        warnings.catch_warnings(action="ignore"),
        contextlib.redirect_stderr(said),
    ):
        assert main(words) == 0, said.getvalue()
    for name in ["console", "gallery_order"]:  # Of the copy.
        sys.modules.pop(name, None)
    return folder / "html"


# One test, as tests of one file may run in two processes, which would both build it.
@pytest.mark.usefixtures("docs_modules")
def test_the_site_is_built_without_a_warning_and_is_whole(tmp_path):
    site = build_site(tmp_path)
    for page in ["index", "install", "tour", "guide/index", "gallery/index"]:
        assert (site / f"{page}.html").is_file()
    check_page_shows_what_its_code_prints(site)
    check_reference_has_every_public_name(site)
    check_no_link_within_the_site_is_dead(site)
    check_every_example_is_in_the_gallery_and_in_its_order(site)


def check_page_shows_what_its_code_prints(site):
    text = (site / "executed.html").read_text(encoding="utf-8")
    text = re.sub("<[^>]*>", "", text)
    assert "\n42\n" in text
    assert "$ echo six times seven\nsix times seven\n" in text


def check_reference_has_every_public_name(site):
    from sphinx.util.inventory import InventoryFile

    with open(site / "objects.inv", "rb") as file:
        inventory = InventoryFile.load(file, "", os.path.join)
    described = {
        name
        for kind in ("py:class", "py:function", "py:exception", "py:data")
        for name in inventory.get(kind, {})
        if "._" not in name  # Where a class is written, noted beside its public name.
    }
    assert public_names() - described == set(), "not in docs/api/*.md"
    assert described - public_names() == set(), "in docs/api/*.md, yet not public"


def check_no_link_within_the_site_is_dead(site):
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', pages[page])) for page in pages}
    dead, n_checked = [], 0
    for page, text in pages.items():
        for link in re.findall(r'<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]+)"', text):
            target, _, anchor = html.unescape(link).partition("#")
            if re.match(r"\w+:", target):
                continue
            n_checked += 1
            to = (page.parent / unquote(target.partition("?")[0])).resolve()
            to = page if not target else to
            gone = not to.exists() or (
                anchor and to in anchors and unquote(anchor) not in anchors[to]
            )
            if gone:
                dead.append(f"{page.relative_to(site)}: {link}")
    assert n_checked > 1000
    assert dead == []


def check_every_example_is_in_the_gallery_and_in_its_order(site):
    order = importlib.import_module("gallery_order").ORDER
    names = {path.stem for path in (ROOT / "examples").glob("plot_*.py")}
    assert names - set(order) == set(), "not in docs/gallery_order.py"
    assert all((site / "gallery" / f"{name}.html").is_file() for name in names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_parses(page):
    for _, code, _ in blocks(page):
        if not code.startswith((">>> ", "%")):
            compile(code, page.name, "exec")


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.stem)
def test_a_page_shows_outputs_made_by_its_code_or_says_why_not(page):
    notes = [note for note, _, _ in blocks(page, kinds=["python"])]
    assert all(note.startswith("not run: ") for note in notes)
    assert list(blocks(page, kinds=["console"])) == [], "pasted from a terminal"


@pytest.mark.usefixtures("docs_modules", "few_posters", "one_epoch", "small_networks")
@pytest.mark.filterwarnings("ignore::UserWarning")  # Of labels that few rows lack.
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_its_first_block_to_its_last(
    page, tmp_path, monkeypatch
):
    for name in ["IPython", "imagehash", "onnxruntime", "skops", "uvicorn"]:
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path / "data"))
    # Pages may set these: undone afterwards.
    monkeypatch.setenv("SK_POSTERS_CACHE", "")
    monkeypatch.setenv("HF_HUB_CACHE", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # It reads them when it is imported, which another test may have done.
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(pyplot, "show", lambda: pyplot.close("all"))
    names = {"__name__": "__main__"}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for note, code, line in blocks(page):
        if note.startswith("not run: "):
            continue
        if code.startswith(">>> "):
            test = doctest.DocTestParser().get_doctest(
                code, names, page.name, str(page), line
            )
            report = []
            runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
            runner.run(test, out=report.append, clear_globs=False)
            assert report == [], "".join(report)
            names |= test.globs
        elif code.startswith("%%console\n"):
            importlib.import_module("console").run(code.partition("\n")[2])
        else:
            code = code.removeprefix("%load_ext console\n")
            code = code.replace("EPOCHS = 2", "EPOCHS = 1")
            exec(compile("\n" * line + code, str(page), "exec"), names)
    pyplot.close("all")


def test_the_lines_of_the_tutorial_and_ours_are_counted_right():
    page = GUIDE / "migrating.md"
    counts = {}
    for note, code, _ in blocks(page):
        step, _, side = note.rpartition(": ")
        if side in ("tutorial", "ours"):
            lines = [line for line in code.splitlines() if line.strip()]
            counts.setdefault(step, {})[side] = len(lines)
    rows = [(step, n["tutorial"], n["ours"]) for step, n in counts.items()]
    rows.append(("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])))
    text = page.read_text(encoding="utf-8")
    table = re.findall(r"^\| ([\w ]+) \| (\d+) \| (\d+) \|$", text, flags=re.M)
    assert [(step, int(a), int(b)) for step, a, b in table] == rows

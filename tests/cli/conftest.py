"""Fixtures of several tests of the command."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from cli_helpers import SMALL, Stub, run

from sk_posters.datasets import make_posters


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """Path of a table of drawn posters."""
    home = tmp_path_factory.mktemp("posters")
    posters = make_posters(60, n_labels=4, random_state=0, data_home=home)
    return Path(posters.data[0]).parents[1] / "train.csv"


@pytest.fixture(scope="session")
def constant_table(table):
    """Path of the same table, with a label of no poster and a label of all posters."""
    path = table.with_name("constant.csv")
    frame = pd.read_csv(table, dtype={"Id": str}).drop(columns="Genre")
    frame.assign(Never=0, Always=1).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def trained(table):
    """The result of the command train, its model file, and the test set."""
    model, held_out = table.with_name("genres.model"), table.with_name("held out.csv")
    result = run("train", table, "-o", model, "--held-out", held_out, *SMALL)
    return SimpleNamespace(result=result, model=model, held_out=held_out)


@pytest.fixture(scope="session")
def lenient(table):
    """A model file that was trained with black images in place of unreadable files."""
    model = table.with_name("lenient.model")
    words = ["--param", "on_error=blank", *SMALL]
    result = run("train", table, "-o", model, *words)
    assert result.exit_code == 0, result.output
    return model


@pytest.fixture
def posters(table, tmp_path, monkeypatch):
    """Paths of three posters in a folder below the current one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "posters"
    folder.mkdir()
    paths = sorted((table.parent / "Images").iterdir())[:3]
    for path, name in zip(paths, "abc", strict=True):
        (folder / f"{name}.jpg").write_bytes(path.read_bytes())
    return [f"posters/{name}.jpg" for name in "abc"]


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A stub that the command opens as any model, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    model = Stub()
    monkeypatch.setattr(
        "sk_posters.cli._models.open_model", lambda path, trusted: (model, model.names)
    )
    return model

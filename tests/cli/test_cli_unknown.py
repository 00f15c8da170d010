"""Tables with unknown labels train, are scored and are checked by the command."""

import numpy as np
import pytest
from cli_helpers import RARE, SMALL, run

from sk_posters.datasets import load_poster_table


@pytest.fixture
def with_holes(table, monkeypatch):
    """The table, read as one of which a quarter of all labels is unknown."""

    def load(*arguments):
        posters = load_poster_table(table)
        holes = np.random.default_rng(0).random(posters.target.shape) < 0.25
        posters.target = posters.target.mask(holes)
        return posters

    for command in ("_train", "_evaluate", "_check"):
        monkeypatch.setattr(f"sk_posters.cli.{command}.load_table", load)
    return table


@pytest.mark.filterwarnings(RARE)
def test_unknown_labels_are_counted_by_all_commands(with_holes, tmp_path):
    model, html = tmp_path / "m.model", tmp_path / "report.html"
    result = run("train", with_holes, "-o", model, *SMALL)
    assert result.exit_code == 0, result.output
    assert "pairs are not known, and left out" in result.stdout
    options = ["--n-bootstrap", "20", "--html", html]
    result = run("evaluate", model, with_holes, *options)
    assert result.exit_code == 0, result.output
    assert "of 240 (sample, label) pairs are not known, and left out" in result.stdout
    assert "pairs are not known" in html.read_text(encoding="utf-8")
    result = run("check", with_holes)
    assert "of 240 (sample, label) pairs are not known, and left out" in result.stdout
    assert "unknown label" in result.stdout

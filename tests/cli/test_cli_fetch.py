"""The command ``fetch``."""

from pathlib import Path
from types import SimpleNamespace

from cli_helpers import run

import sk_posters.datasets


def test_the_data_set_is_fetched(monkeypatch):
    asked = []

    def fetch(**options):
        asked.append(options)
        return SimpleNamespace(data=["home/x/Images/a.jpg"], target_names=["A"])

    monkeypatch.setattr(sk_posters.datasets, "fetch_movie_posters", fetch)
    result = run("fetch", "--data-home", "home")
    assert result.exit_code == 0, result.output
    assert asked == [{"data_home": Path("home"), "n_retries": 3, "verbose": 0}]
    assert "1 posters, 1 genres: home/x" in result.stdout
    assert "sk-posters check home/x/train.csv" in result.stdout

"""The command ``demo``."""

import re
import shlex
from pathlib import Path

import pytest
from cli_helpers import RARE, parse, run
from PIL import Image


@pytest.mark.filterwarnings(RARE)
def test_the_demo_draws_posters_trains_and_its_next_steps_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("demo", "--n-samples", "40")
    assert result.exit_code == 0, result.output
    assert "training set: 34 posters, test set: 6 posters" in result.stdout
    assert "no label" in result.stdout
    lines = [line for line in result.stdout.splitlines() if "  sk-posters" in line]
    assert len(lines) == 9
    for line in lines:
        assert str(tmp_path) not in line
        parse(line.strip())
    # The next steps work: a prediction, a picture and a report.
    predict, explain, evaluate, page = (shlex.split(line)[1:] for line in lines[:4])
    predicted = run(*predict)
    row = r"sk-posters-demo/\S+/synthetic\d+\.jpg  \w+ \d\.\d+, \w+ \d\.\d+\n"
    assert re.fullmatch(row, predicted.stdout)
    assert run(*explain).exit_code == 0
    with Image.open("sk-posters-demo/explained.png") as image:
        assert min(image.size) > 300
    assert run(*evaluate, "--n-bootstrap", "10").exit_code == 0
    assert "6 images" in Path("sk-posters-demo/report.html").read_text()
    assert page[0] == "app"

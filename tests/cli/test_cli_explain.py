"""The command ``explain``."""

import os
import re
from pathlib import Path

import pytest
from cli_helpers import run
from PIL import Image

from sk_posters import make_poster_pipeline, save_model
from sk_posters.datasets import load_poster_table
from sk_posters.plotting import GradCAMDisplay


def test_labels_to_explain_are_given_by_name(trained, posters, monkeypatch):
    drawn = []
    plot = GradCAMDisplay.plot
    monkeypatch.setattr(
        GradCAMDisplay, "plot", lambda self: drawn.append(self) or plot(self)
    )
    words = ["explain", trained.model, *posters, *posters, "-o", "x.png"]
    result = run(*words, "--label", "Drama", "--label", "Action")
    assert (result.exit_code, result.stdout) == (0, "wrote x.png\n"), result.output
    [display] = drawn
    assert display.label_names == [["Drama", "Action"]] * 6
    with Image.open("x.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
    assert sorted(os.listdir(".")) == ["posters", "x.png"]
    result = run(*words, "--label", "Western")
    assert result.exit_code == 2
    assert re.fullmatch(r"error: .*'Western'.*\n", result.stderr)


@pytest.mark.parametrize("recipe", ["frozen", "best"])
def test_label_names_that_only_the_file_has_can_be_explained(table, posters, recipe):
    data = load_poster_table(table)
    model = make_poster_pipeline(recipe)
    sizes = [name for name in model.get_params() if name.endswith("__image_size")]
    model.set_params(**dict.fromkeys(sizes, (64, 48)))
    model.fit(data.data[:30], data.target[:30])
    save_model(model, "m.model", label_names=data.target_names)
    result = run("explain", "m.model", posters[0], "-o", "x.png", "--label", "Action")
    assert (result.exit_code, result.stdout) == (0, "wrote x.png\n"), result.output


def test_a_file_that_was_not_read_is_not_explained(lenient, posters):
    Path("posters/bad.jpg").write_text("no image")
    result = run("explain", lenient, "posters/bad.jpg", "-o", "x.png")
    assert result.exit_code == 2
    assert "1 file cannot be used as a poster: 'posters/bad.jpg'" in result.stderr
    assert not Path("x.png").exists()

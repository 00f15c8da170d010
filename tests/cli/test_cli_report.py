"""The command ``report``."""

import json
import re

from cli_helpers import run

from sk_posters import model_card
from sk_posters.cli._report import format_card


def test_a_model_card_is_printed(trained):
    result = run("report", trained.model)
    assert result.exit_code == 0
    for text in ["frozen, trained on train.csv", "4 labels and their", "micro F1"]:
        assert text in result.stdout
    result = run("report", trained.model, "--json")
    assert json.loads(result.stdout) == model_card(trained.model)


def test_a_model_card_of_any_form_is_printed_without_control_characters():
    card = {
        "description": "red\x1b[31m",
        "label_names": ["a", "b"],
        "thresholds": [0.5],
        "scores": {"mAP": 0.25, "text": "good", "none": {"value": None}},
    }
    text = format_card(card)
    assert r"red\x1b[31m" in text
    assert re.search(r"^  a +0.500$", text, flags=re.MULTILINE)
    assert re.search(r"mAP +0.250$", text, flags=re.MULTILINE)
    assert re.search(r"text +good$", text, flags=re.MULTILINE)
    assert "without names" in format_card({"model": ["A", "B"], "versions": 3})

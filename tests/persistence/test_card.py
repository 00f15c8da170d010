"""Model cards from anybody: each field is what it should be, or is named."""

import json
import os
import stat
import time

import numpy as np
import pytest
from hostile_files import rewritten
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sk_posters import load_model, model_card, save_model
from sk_posters._persistence._card import check_label_names
from sk_posters.exceptions import ModelFileError

pytest.importorskip("skops.io")

X, Y = np.eye(4), np.array([[0, 1], [1, 0], [0, 1], [1, 1]])


@pytest.fixture(scope="module")
def head():
    return OneVsRestClassifier(LogisticRegression()).fit(X, Y)


@pytest.fixture
def file(head, tmp_path):
    save_model(head, tmp_path / "it.model", label_names=["Drama", "War"])
    return tmp_path / "it.model"


DEEP = []
for _ in range(30):
    DEEP = [DEEP]
ESCAPE, SURROGATE = "\x1b[31m", "\ud800"
WRONG = {
    "created": [None, 7],
    "description": [["x"], SURROGATE],
    "model": ["x", [1], None],
    "preprocessing": [[1], "x", None],
    "label_names": ["Drama", [], [1, 2], {"a": 1}, [SURROGATE, "War"], ["War", "War"]],
    "thresholds": [[], "x", ["0.5"], [True], {"a": 1}, [0.5, float("nan")]],
    "scores": [[], None, "x", {SURROGATE: 1}, {"a": DEEP}],
    "training_data": [7, [], {}, {"n_rows": -1}, {"n_rows": 1, "sha256": ESCAPE}],
    "versions": [{"numpy": ESCAPE}, {"numpy": 2}, {"numpy": ""}, [], None],
    "trusted": [None, "x", [1]],
    "parts": [{}, {"estimator.skops": 7}, {"estimator.skops": {"sha256": "x"}}],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, each) for field in WRONG for each in WRONG[field]]
)
def test_a_field_of_another_kind_is_named(field, value, file):
    # Written as it is, for a file may hold anything.
    rewritten(file, card=lambda card: card.update({field: value}))
    for read in (load_model, model_card):
        with pytest.raises(ModelFileError) as caught:
            read(file)
        message = str(caught.value)
        assert field in message or "estimator.skops does not match" in message
        assert message.isprintable()


@pytest.mark.parametrize("field", [*WRONG])
def test_a_field_that_is_not_there_is_named(field, file):
    rewritten(file, card=lambda card: card.pop(field))
    if field == "preprocessing":  # As in files of 0.1.0.
        assert model_card(file)["preprocessing"] == []
        return
    with pytest.raises(ModelFileError, match=f"its manifest.json lacks '{field}'"):
        model_card(file)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"thresholds": [0.5]}, "2 'label_names' and 1 'thresholds', which must be as"),
        ({"format_version": ESCAPE}, r"of format version '\\x1b\[31m', and this"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields, message, file):
    rewritten(file, card=lambda card: card.update(fields))
    with pytest.raises(ModelFileError, match=message):
        model_card(file)


def test_names_of_another_number_than_labels_are_refused(file):
    rewritten(file, card=lambda card: card.update(label_names=["Drama"]))
    message = "must hold a name for each of the 2 labels of the model; got 1"
    with pytest.raises(ModelFileError, match=message):
        load_model(file)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Drama"], "label_names must hold a name for each of the 2 labels of the m"),
        ("ABC", "label_names must hold a name for each of the 2 labels of the model; "),
        (["Drama", "Drama"], r"label_names must differ from each other; got \['Drama'"),
        (
            ["Drama", SURROGATE],
            r"'label_names' in its model card holds text that is no",
        ),
    ],
)
def test_names_that_no_model_has_are_not_saved(names, message, head, tmp_path):
    with pytest.raises(ModelFileError, match=f"cannot be saved to .*{message}"):
        save_model(head, tmp_path / "it.model", label_names=names)
    assert os.listdir(tmp_path) == []


def test_a_description_that_is_no_unicode_is_not_saved(head, tmp_path):
    with pytest.raises(ModelFileError, match="'description' in its model card holds"):
        save_model(head, tmp_path / "it.model", description=SURROGATE)


# -- the file itself -------------------------------------------------------------------


def test_a_private_model_stays_private_and_a_link_a_link(head, file, tmp_path):
    file.chmod(0o600)
    link = tmp_path / "link.model"
    link.symlink_to(file)
    save_model(head, link, description="new")
    assert link.is_symlink()
    assert model_card(file)["description"] == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_model_is_not_saved_to_a_pipe_or_a_folder(head, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path / "pipe", "which is a pipe or a device: name a file"),
        (tmp_path, "which is a folder: name a file in it"),
        ("", "which is a folder: name a file in it"),
        (tmp_path / ("x" * 300), "its name has 300 bytes, more than 255"),
        (tmp_path / "none" / "it.model", "there is no folder '.*none'"),
    ]:
        with pytest.raises(OSError, match=message):
            save_model(head, path)


def test_a_card_can_be_written_and_read_as_json(file):
    assert json.loads(json.dumps(model_card(file))) == model_card(file)


def test_very_many_names_take_no_time(head):
    names = [str(number) for number in range(50_000)]
    begun = time.process_time()
    check_label_names(names, None, "label_names")
    assert time.process_time() - begun < 5  # Compared with each other: minutes.
    with pytest.raises(
        ModelFileError, match=r"must differ from each other; got \['7'\]"
    ):
        check_label_names([*names, "7"], None, "label_names")

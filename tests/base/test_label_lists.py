"""Targets that hold names of labels are refused, with the way to a 0/1 matrix."""

import ast

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sk_posters import MultilabelTunedThresholdClassifierCV, OneVsRestHead
from sk_posters._base._label_lists import refuse_label_lists

TAGS = ["haze primary", "primary", "clear primary", "clear", "haze", "clear haze"]


@pytest.mark.parametrize(
    ("texts", "way"),
    [
        (TAGS, ".str.get_dummies(' ')"),
        ([tag.replace(" ", "|") for tag in TAGS], ".str.get_dummies('|')"),
        ([tag.replace(" ", ";") for tag in TAGS], ".str.get_dummies(';')"),
        ([tag.replace(" ", ",") for tag in TAGS], ".str.get_dummies(',')"),
        ([tag.replace(" ", ", ") for tag in TAGS], ".str.get_dummies(', ')"),
        (
            [str(tag.split()) for tag in TAGS],
            ".map(ast.literal_eval).map('|'.join).str.get_dummies()",
        ),
    ],
)
@pytest.mark.parametrize("form", [list, np.array, pd.Series, pd.Categorical])
def test_texts_of_several_labels_are_refused_with_a_way_that_works(texts, way, form):
    with pytest.raises(ValueError, match="texts that hold several labels") as caught:
        refuse_label_lists(form(texts))
    assert f"y = pd.Series(y){way};" in str(caught.value)
    made = eval(f"pd.Series(y){way}", {"pd": pd, "ast": ast, "y": texts})
    assert made.columns.tolist() == ["clear", "haze", "primary"]
    assert made.iloc[0].tolist() == [0, 1, 1]


@pytest.mark.parametrize("kind", [list, set, tuple, frozenset, np.array])
@pytest.mark.parametrize("form", [list, pd.Series])
def test_lists_of_labels_are_refused_with_a_way_that_works(kind, form):
    y = form([kind(tag.split()) for tag in TAGS])
    with pytest.raises(ValueError, match="got lists of label names, such as") as caught:
        refuse_label_lists(y)
    way = "pd.Series(map('|'.join, y)).str.get_dummies()"
    assert f"y = {way}" in str(caught.value)
    made = eval(way, {"pd": pd, "y": y})
    assert made.iloc[0].to_dict() == {"clear": 0, "haze": 1, "primary": 1}


@pytest.mark.parametrize(
    "y",
    [
        ["New York", "Los Angeles", "New Orleans"],
        ["Smith, John", "Doe, Jane"],
        ["Drama", "Comedy"],
        ["genre 1", "genre 2", "genre 3"],
        [0, 1, 2],
        np.eye(3),
        [[0, 1], [1, 0]],
        pd.DataFrame({"Drama": [0, 1]}),
        [],
        None,
    ],
)
def test_classes_and_matrices_pass(y):
    refuse_label_lists(y)


def test_the_linear_head_and_tuned_thresholds_refuse_them():
    X = np.arange(12.0).reshape(6, 2)
    head = OneVsRestHead(LogisticRegression())
    for model in (head, MultilabelTunedThresholdClassifierCV(head)):
        with pytest.raises(ValueError, match="such as 'haze primary'"):
            model.fit(X, pd.Series(TAGS))
        with pytest.raises(ValueError, match="lists of label names"):
            model.fit(X, [tag.split() for tag in TAGS])

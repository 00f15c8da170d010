"""Targets become 0/1 columns under their names, and what is wrong with them is said."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import DataConversionWarning

from sk_posters._networks._targets import TargetEncoder

MATRIX = np.array([[1, 0, 1], [0, 0, 1]])
FRAME = pd.DataFrame(MATRIX, columns=["Action", "Comedy", "Drama"])


@pytest.mark.parametrize(
    "y",
    [MATRIX, MATRIX.tolist(), FRAME, csr_array(MATRIX), MATRIX.astype(bool)]
    + [MATRIX.astype(float), FRAME.astype(object)],
    ids=["array", "list", "frame", "sparse", "bool", "float", "object"],
)
def test_every_form_of_a_matrix_gives_the_same_columns(y):
    encoded = TargetEncoder().fit(y).transform(y)
    assert encoded.dtype == np.uint8
    np.testing.assert_array_equal(encoded, MATRIX)


def test_names_are_those_of_the_frame():
    assert TargetEncoder().fit(FRAME).label_names.tolist() == list(FRAME.columns)


def test_names_of_an_array_are_its_column_numbers():
    assert TargetEncoder().fit(MATRIX).label_names.tolist() == [0, 1, 2]


def test_classes_of_labels_have_the_form_that_scorers_need():
    classes = TargetEncoder().fit(MATRIX[:, :2]).classes
    assert [c.tolist() for c in classes] == [[0, 1], [0, 1]]


def test_a_column_of_zeros_and_ones_is_one_label():
    encoder = TargetEncoder().fit(MATRIX[:, :1])
    assert encoder.multilabel
    assert encoder.transform(MATRIX[:, :1]).shape == (2, 1)


def test_classes_become_a_column_each():
    encoder = TargetEncoder().fit(["b", "a", "c", "a"])
    assert encoder.classes.tolist() == ["a", "b", "c"]
    expected = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    np.testing.assert_array_equal(encoder.transform(["b", "a", "c", "a"]), expected)


def test_classes_can_be_named_before_they_are_seen():
    encoder = TargetEncoder().fit([0, 0], classes=[0, 1, 2])
    assert encoder.transform([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_column_of_classes_is_read_as_classes_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        encoder = TargetEncoder().fit(np.array([[2], [0], [1]]))
    assert not encoder.multilabel


def test_probabilities_of_classes_sum_to_one():
    encoder = TargetEncoder().fit([0, 1, 2])
    scores = np.array([[0.2, 0.2, 0.4], [0.0, 0.0, 0.0]])
    expected = [[0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(encoder.probabilities(scores), expected)


def test_decisions_take_labels_above_one_half_and_the_best_class():
    scores = np.array([[0.5, 0.51, 0.1]])
    assert TargetEncoder().fit(MATRIX).decisions(scores).tolist() == [[0, 1, 0]]
    assert TargetEncoder().fit(["a", "b", "c"]).decisions(scores).tolist() == ["b"]


def test_other_values_are_named_with_row_and_column():
    wrong = FRAME.copy()
    wrong.loc[1, "Comedy"] = 2
    message = r"y must hold 0 and 1 only: got 2 in row 1, column 'Comedy' \(1 such"
    with pytest.raises(ValueError, match=message):
        TargetEncoder().fit(wrong).transform(wrong)


@pytest.mark.parametrize("y", [[0, np.nan, 1], [[2], [np.nan], [1]]])
def test_a_missing_class_is_an_error(y):
    with pytest.raises(ValueError, match="Input y contains NaN"):
        TargetEncoder().fit(np.array(y))


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
def test_a_missing_label_is_not_known(missing):
    y = pd.DataFrame({"Drama": [1, missing], "Comedy": [0, 1]}, dtype=object)
    targets = TargetEncoder().fit(y).transform(y)
    np.testing.assert_array_equal(targets, [[1, 0], [np.nan, 1]])
    assert targets.dtype == np.float32
    assert TargetEncoder().fit(y).transform(y.fillna(0)).dtype == np.uint8


def test_one_label_may_have_missing_values():
    encoder = TargetEncoder().fit(np.array([[0], [np.nan], [1]]))
    assert encoder.multilabel


def test_minus_one_and_one_are_an_error_with_the_way():
    signs = 2 * MATRIX - 1
    with pytest.raises(ValueError, match=r"use \(y > 0\)\.astype\(int\)"):
        TargetEncoder().fit(signs).transform(signs)


def test_texts_and_lists_of_several_labels_are_errors():
    texts = ["haze primary", "primary", "clear primary", "clear"]
    for form in (list, np.array, lambda t: np.array(t)[:, None]):
        with pytest.raises(ValueError, match="texts that hold several labels, such"):
            TargetEncoder().fit(form(texts))
    with pytest.raises(ValueError, match="got lists of label names, such as"):
        TargetEncoder().fit([set(text.split()) for text in texts])


def test_no_target_is_an_error():
    with pytest.raises(ValueError, match="requires y to be passed"):
        TargetEncoder().fit(None)


def test_lists_of_names_point_to_the_binarizer():
    with pytest.raises(ValueError, match="MultiLabelBinarizer"):
        TargetEncoder().fit([["Drama"], ["Drama", "Comedy"]])


def test_a_column_name_that_occurs_twice_is_an_error():
    twice = pd.DataFrame(MATRIX, columns=["Drama", "Comedy", "Drama"])
    with pytest.raises(ValueError, match=r"its own column name: 'Drama' occurs more"):
        TargetEncoder().fit(twice)


def test_an_unknown_column_is_named():
    other = FRAME.rename(columns={"Drama": "Western"})
    with pytest.raises(
        ValueError, match=r"same order: 'Action', .* Unknown: 'Western'"
    ):
        TargetEncoder().fit(FRAME).transform(other)


def test_columns_in_another_order_are_an_error():
    with pytest.raises(
        ValueError, match=r"another order: use y\[list\(label_names_\)\]"
    ):
        TargetEncoder().fit(FRAME).transform(FRAME[["Drama", "Comedy", "Action"]])


def test_another_number_of_columns_is_an_error():
    message = "a column for each of the 3 labels seen in fit: got 2 columns"
    with pytest.raises(ValueError, match=message):
        TargetEncoder().fit(MATRIX).transform(MATRIX[:, :2])


@pytest.mark.parametrize(
    ("fitted", "given", "message"),
    [
        (
            MATRIX,
            [0, 1],
            r"must be a label indicator matrix, as in fit: got shape \(2,",
        ),
        ([0, 1], MATRIX, r"must be 1-D classes, as in fit: got shape \(2, 3\)"),
    ],
)
def test_another_form_than_in_fit_is_an_error(fitted, given, message):
    with pytest.raises(ValueError, match=message):
        TargetEncoder().fit(fitted).transform(given)


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match=r"not there in the first fit: \[3\]"):
        TargetEncoder().fit([0, 1]).transform([0, 3])


def test_a_long_list_of_names_is_shortened():
    wide = pd.DataFrame(np.eye(8, dtype=int))
    with pytest.raises(ValueError, match="and 3 more"):
        TargetEncoder().fit(wide).transform(wide.rename(columns={0: "new"}))


def test_few_of_many_classes_are_not_taken_for_lists():
    classes = ["red car", "blue car", "red bike", "blue bike", "New York City"]
    encoder = TargetEncoder().fit(classes)
    assert encoder.transform(classes[:4]).shape == (4, 5)

"""Labels and scores are taken in any form, or refused with what is wrong and where."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.linear_model import LogisticRegression

from sk_posters import OneVsRestHead
from sk_posters._base._validation import label_matrix
from sk_posters.distributed._folder import _check_names
from sk_posters.metrics import mean_average_precision_score, multilabel_report

NAMES = ["Drama", "Comedy", "News"]


@pytest.fixture
def problem():
    """Labels, each with a positive, and scores that know something."""
    rng = np.random.default_rng(0)
    labels = (rng.random((40, 3)) < [0.5, 0.3, 0.2]).astype(int)
    return labels, (labels + 2 * rng.random((40, 3))) / 3


@pytest.mark.parametrize(
    "form",
    [
        np.ndarray.tolist,
        pd.DataFrame,
        csr_matrix,
        coo_matrix,
        lambda y: y.astype(bool),
        lambda y: y.astype(float),
        lambda y: pd.DataFrame(y, columns=NAMES, dtype="Int64"),
    ],
    ids=["list", "frame", "csr", "coo", "bool", "float", "nullable"],
)
def test_labels_may_come_in_any_form(form, problem):
    y_true, y_score = problem
    value = mean_average_precision_score(form(y_true), y_score)
    assert value == mean_average_precision_score(y_true, y_score)


def test_scores_may_come_as_the_list_that_multi_output_classifiers_return(problem):
    y_true, y_score = problem
    listed = [np.column_stack([1 - column, column]) for column in y_score.T]
    value = mean_average_precision_score(y_true, listed)
    assert value == mean_average_precision_score(y_true, y_score)


def test_one_dimension_is_read_as_one_label():
    value = mean_average_precision_score(
        pd.Series([1, 0, 1], index=[7, 8, 9]), pd.Series([0.9, 0.6, 0.5])
    )
    assert value == pytest.approx((1 + 2 / 3) / 2)


def test_shapes_that_differ_are_both_said():
    message = r"the same shape.*: got \(2, 3\) and \(2, 2\)"
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score(np.ones((2, 3)), np.ones((2, 2)))


@pytest.mark.parametrize(
    ("wrong", "said"), [(2, "2"), (0.5, "0.5"), (-1, "-1")], ids=["2", "0.5", "-1"]
)
def test_labels_other_than_0_and_1_are_reported_with_their_place(wrong, said):
    y_true = pd.DataFrame({"Drama": [1, 0, 1], "Comedy": [0, 1, wrong]})
    message = (
        rf"y_true must hold 0 and 1 only: got {said}(\.0)? in row 2, column 'Comedy' "
        r"\(1 such values in all\)"
    )
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score(y_true, np.ones((3, 2)))


def test_labels_written_as_text_are_refused():
    message = "y_true must hold 0 and 1 only: got 'Drama' in row 0, column 0"
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score(["Drama", "Comedy"], [0.1, 0.2])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_reported_with_their_place(wrong, problem):
    y_true, y_score = problem
    y_score[4:6, 1] = wrong
    message = (
        f"y_score must not hold nan or infinity: got {wrong} in row 4, column "
        r"'Comedy' \(2 such values in all\)"
    )
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score(pd.DataFrame(y_true, columns=NAMES), y_score)


def test_columns_in_another_order_are_refused(problem):
    y_true, y_score = problem
    y_true = pd.DataFrame(y_true, columns=NAMES)
    y_score = pd.DataFrame(y_score, columns=NAMES[::-1])
    message = (
        "columns of y_true and y_score must be the same labels in the same order: got "
        "'Drama', 'Comedy', 'News' and 'News', 'Comedy', 'Drama'. Select the columns"
    )
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score(y_true, y_score)


def test_columns_of_other_names_are_refused(problem):
    y_true, y_score = problem
    y_true = pd.DataFrame(y_true, columns=NAMES)
    y_score = pd.DataFrame(y_score, columns=["Drama", "Comedy", "Western"])
    with pytest.raises(ValueError, match="y_true lacks 'Western'"):
        mean_average_precision_score(y_true, y_score)


def test_a_frame_made_of_an_array_has_no_names_to_contradict(problem):
    y_true, y_score = problem
    value = mean_average_precision_score(
        pd.DataFrame(y_true, columns=NAMES), pd.DataFrame(y_score)
    )
    assert value == mean_average_precision_score(y_true, y_score)


def test_scores_of_more_than_two_classes_are_refused():
    message = r"array of shape \(n_samples, 2\) per label.*: got shape \(2, 3\) .* 0"
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score([[1], [0]], [np.ones((2, 3))])


def test_an_empty_list_of_scores_is_refused():
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        mean_average_precision_score([[1], [0]], [])


@pytest.mark.parametrize(
    ("weight", "said"),
    [([1, 2], r"shape \(2,\)"), (1, "1"), ([1, -0.5, 1], r"-0\.5")],
    ids=["length", "number", "negative"],
)
def test_sample_weight_must_hold_a_number_per_row(weight, said):
    message = f"number >= 0 for each of the 3 rows: got .*{said}"
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score([1, 0, 1], [1, 2, 3], sample_weight=weight)


class Polars:
    """What other libraries' frames have in common: names, a shape, and an array."""

    def __init__(self, values, names):
        self.values, self.columns = np.asarray(values), names

    @property
    def shape(self):
        return self.values.shape

    def to_numpy(self):
        return self.values


def test_names_of_frames_of_other_libraries_are_kept(problem):
    y_true, y_score = problem
    labels, names = label_matrix(Polars(y_true, NAMES), "y")
    np.testing.assert_array_equal(labels, y_true)
    assert names.tolist() == NAMES
    with pytest.raises(ValueError, match="the same labels in the same order"):
        mean_average_precision_score(
            Polars(y_true, NAMES), Polars(y_score, NAMES[::-1])
        )


def test_frames_of_polars_are_read():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"Drama": [1, 0, None], "Comedy": [True, False, True]})
    labels, names = label_matrix(frame, "y", allow_unknown=True)
    np.testing.assert_array_equal(labels, [[1, 1], [0, 0], [np.nan, 1]])
    assert names.tolist() == ["Drama", "Comedy"]


@pytest.mark.parametrize("values", [[1, 0, True], [1.0, 0.0, False]])
def test_object_matrices_are_read(values):
    labels, _ = label_matrix(np.array([values], dtype=object), "y")
    assert labels.tolist() == [[1, 0, int(values[2])]]
    assert labels.dtype.kind == "i"


def test_unknown_values_are_nan_where_they_are_allowed_and_refused_elsewhere():
    y = pd.DataFrame({"Drama": [1, None], "Comedy": [0, 1]}, dtype="object")
    labels, _ = label_matrix(y, "y", allow_unknown=True)
    np.testing.assert_array_equal(labels, [[1, 0], [np.nan, 1]])
    with pytest.raises(ValueError, match="0 and 1 only: got None in row 1, column 'D"):
        label_matrix(y, "y")


def test_minus_one_is_refused_with_what_it_may_mean():
    y = pd.DataFrame({"Drama": [1, -1], "Comedy": [0, np.nan]})
    message = (
        r"and nan where it is not known: got -1.0 in row 1, column 'Drama' .* Where -1 "
        r"means that a row lacks the label, use \(y > 0\)\.astype\(int\); where it "
        r"means that this is not known, y.where\(y >= 0\)\."
    )
    with pytest.raises(ValueError, match=message):
        label_matrix(y, "y", allow_unknown=True)


# --------------------------------------------------------- halves of characters

HALF = "Dr\ud83dma"
X, Y = np.eye(4), np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
MESSAGE = r"must be readable text: 'Dr\\ud83dma' holds half of a character"


def test_a_report_takes_no_halves_of_characters():
    with pytest.raises(ValueError, match=f"label_names {MESSAGE}"):
        multilabel_report(Y, Y / 2, label_names=iter(["a", HALF]), n_bootstrap=0)


def test_a_folder_of_predictions_has_no_such_columns():
    with pytest.raises(ValueError, match=f"label_names {MESSAGE}"):
        _check_names(["a", HALF])


def test_fit_takes_no_such_columns():
    target = pd.DataFrame(Y, columns=pd.Index(["a", HALF], dtype=object))
    with pytest.raises(ValueError, match=f"Names of labels {MESSAGE}"):
        OneVsRestHead(LogisticRegression()).fit(X, target)


def test_whole_characters_pass():
    target = pd.DataFrame(Y, columns=["a", "Dr\U0001f600ma"])
    assert (
        OneVsRestHead(LogisticRegression()).fit(X, target).label_names_[1]
        == "Dr\U0001f600ma"
    )


@pytest.mark.parametrize("place", ["y_true", "y_score", "sample_weight"])
def test_masks_are_refused_wherever_they_are(place, problem):
    arguments = dict(zip(("y_true", "y_score"), problem, strict=True))
    arguments["sample_weight"] = np.ones(40)
    arguments[place] = np.ma.masked_array(arguments[place])
    mean_average_precision_score(**arguments)
    arguments[place][3] = np.ma.masked
    with pytest.raises(ValueError, match=rf"{place} has \d masked values, and masks"):
        mean_average_precision_score(**arguments)

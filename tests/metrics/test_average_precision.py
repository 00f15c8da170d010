"""Multi-label scores: right by hand, as scikit-learn's, and honest where undefined."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    hamming_loss,
    make_scorer,
)
from sklearn.model_selection import cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier

from sk_posters.metrics import (
    mean_average_precision_score,
    multilabel_report,
    scores_beside_trivial,
)

NAMES = ["Drama", "Comedy", "News"]
one_row_holds_few_labels = pytest.mark.filterwarnings(
    "ignore:.* have no positive:sklearn.exceptions.UndefinedMetricWarning"
)
TRIVIAL = ["no label", "label frequencies", "most frequent", "every label"]


@pytest.fixture
def problem():
    """Labels (each with a positive), scores that know something, training labels."""
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 3)) < [0.5, 0.3, 0.2]).astype(int)
    scores = (labels + 2 * rng.random((80, 3))) / 3
    return labels[:40], scores[:40], labels[40:]


@pytest.fixture
def table(problem):
    y_true, y_score, y_train = problem
    return scores_beside_trivial(y_true, y_score, y_train=y_train)


# mean_average_precision_score


def test_value_derived_by_hand():
    # First label: positives at ranks 1 and 3, so (1/1 + 2/3) / 2.
    # Second label: the positive is at rank 2, so 1/2.
    y_true = [[1, 0], [0, 1], [1, 0]]
    y_score = [[0.9, 0.2], [0.6, 0.7], [0.5, 0.8]]
    expected = ((1 + 2 / 3) / 2 + 1 / 2) / 2
    assert mean_average_precision_score(y_true, y_score) == pytest.approx(expected)


def test_equals_scikit_learn_where_every_label_has_a_positive(problem):
    y_true, y_score, _ = problem
    expected = average_precision_score(y_true, y_score, average="macro")
    assert mean_average_precision_score(y_true, y_score) == pytest.approx(expected)


def test_equals_scikit_learn_with_sample_weight(problem):
    y_true, y_score, _ = problem
    weight = np.linspace(0, 2, len(y_true))
    expected = average_precision_score(y_true, y_score, sample_weight=weight)
    value = mean_average_precision_score(y_true, y_score, sample_weight=weight)
    assert value == pytest.approx(expected)


def test_a_perfect_ranking_scores_one(problem):
    y_true, _, _ = problem
    assert mean_average_precision_score(y_true, y_true / 10) == 1


def test_a_constant_prediction_scores_the_mean_share_of_positives(problem):
    y_true, _, _ = problem
    value = mean_average_precision_score(y_true, np.zeros(y_true.shape))
    assert value == pytest.approx(y_true.mean())


def test_the_order_of_the_labels_does_not_matter(problem):
    y_true, y_score, _ = problem
    value = mean_average_precision_score(y_true[:, ::-1], y_score[:, ::-1])
    assert value == pytest.approx(mean_average_precision_score(y_true, y_score))


def test_a_label_with_one_class_in_fit_counts_as_a_constant_prediction():
    # Such a classifier returns one column of ones for the label.
    X = np.arange(4).reshape(-1, 1)
    y = np.array([[1, 0], [1, 0], [0, 0], [0, 0]])
    forest = RandomForestClassifier(n_estimators=3, bootstrap=False, random_state=0)
    y_score = forest.fit(X, y).predict_proba(X)
    y_true = np.array([[1, 1], [1, 0], [0, 0], [0, 0]])
    value = mean_average_precision_score(y_true, y_score)
    assert value == pytest.approx((1 + 1 / 4) / 2)


def test_scores_below_zero_are_welcome(problem):
    y_true, y_score, _ = problem
    value = mean_average_precision_score(y_true, 10 * y_score - 5)
    assert value == mean_average_precision_score(y_true, y_score)


def test_a_label_without_a_positive_is_left_out(problem):
    y_true, y_score, _ = problem
    y_true[:, 1] = 0
    with pytest.warns(UndefinedMetricWarning):
        value = mean_average_precision_score(y_true, y_score)
    kept = [0, 2]
    assert value == mean_average_precision_score(y_true[:, kept], y_score[:, kept])


def test_a_label_left_out_is_named_by_its_column(problem):
    y_true, y_score, _ = problem
    y_true = pd.DataFrame(y_true, columns=NAMES).assign(News=0)
    message = (
        "1 of 3 labels have no positive in y_true, so that average precision is "
        "undefined for them, and they are left out of the mean over labels: 'News'$"
    )
    with pytest.warns(UndefinedMetricWarning, match=message):
        mean_average_precision_score(y_true, y_score)


def test_a_label_left_out_is_named_by_the_column_of_the_scores(problem):
    y_true, y_score, _ = problem
    y_true[:, 2] = 0
    y_score = pd.DataFrame(y_score, columns=NAMES)
    with pytest.warns(UndefinedMetricWarning, match="labels: 'News'$"):
        mean_average_precision_score(y_true, y_score)


def test_a_label_left_out_is_named_by_its_position(problem):
    y_true, y_score, _ = problem
    y_true[:, 1] = 0
    with pytest.warns(UndefinedMetricWarning, match="labels: 1$"):
        mean_average_precision_score(y_true, y_score)


def test_of_many_labels_left_out_the_first_are_named_and_all_counted():
    y_true = np.zeros((2, 9), dtype=int)
    y_true[0, 0] = 1
    message = r"8 of 9 labels have no positive .*: 1, 2, 3, 4, 5 and 3 more$"
    with pytest.warns(UndefinedMetricWarning, match=message):
        mean_average_precision_score(y_true, np.zeros((2, 9)))


def test_a_label_whose_positives_have_no_weight_is_left_out():
    y_true = [[1, 1], [0, 1], [1, 0]]
    y_score = [[0.9, 0.2], [0.6, 0.3], [0.5, 0.8]]
    with pytest.warns(UndefinedMetricWarning, match="labels: 1$"):
        value = mean_average_precision_score(y_true, y_score, sample_weight=[0, 0, 1])
    assert value == 1


def test_without_any_positive_the_score_is_nan_and_reported():
    message = r"2 of 2 labels .* the mean over labels is undefined \(nan\): 0, 1$"
    with pytest.warns(UndefinedMetricWarning, match=message):
        value = mean_average_precision_score(np.zeros((3, 2)), np.ones((3, 2)))
    assert math.isnan(value)


def test_the_warning_points_at_the_line_that_called():
    with pytest.warns(UndefinedMetricWarning) as caught:
        mean_average_precision_score([[0, 1]], [[0.5, 0.5]])
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "classifier",
    [OneVsRestClassifier(LogisticRegression()), KNeighborsClassifier()],
    ids=["array", "list of arrays"],
)
@pytest.mark.parametrize(
    "scoring",
    [
        "average_precision",
        make_scorer(mean_average_precision_score, response_method="predict_proba"),
    ],
    ids=["name", "scorer"],
)
def test_scorers_that_the_documentation_names(scoring, classifier):
    X, y = make_multilabel_classification(n_samples=90, n_classes=3, random_state=0)
    values = cross_val_score(classifier, X, y, scoring=scoring, cv=3)
    by_hand = []
    for fold in np.split(np.arange(90), 3):
        rest = np.setdiff1d(np.arange(90), fold)
        proba = classifier.fit(X[rest], y[rest]).predict_proba(X[fold])
        by_hand.append(mean_average_precision_score(y[fold], proba))
    assert values == pytest.approx(by_hand)


# scores_beside_trivial


def test_rows_columns_and_directions(table):
    assert list(table.columns) == ["better", "model", *TRIVIAL]
    assert table["better"].to_dict() == {
        "hamming loss": "lower",
        "macro mAP": "higher",
        "micro F1": "higher",
        "element accuracy": "higher",
    }


def test_element_accuracy_is_last(table):
    assert table.index[-1] == "element accuracy"


def test_scores_of_the_model_equal_scikit_learn(table, problem):
    y_true, y_score, _ = problem
    given = (y_score >= 0.5).astype(int)
    assert table["model"].to_dict() == pytest.approx(
        {
            "hamming loss": hamming_loss(y_true, given),
            "macro mAP": average_precision_score(y_true, y_score),
            "micro F1": f1_score(y_true, given, average="micro"),
            "element accuracy": 1 - hamming_loss(y_true, given),
        }
    )


def test_baselines_derived_by_hand():
    # Frequencies 3/4, 2/4, 0; mean number of labels 5/4, so k = 1.
    y_train = [[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]]
    y_true = [[1, 0, 0], [1, 0, 1], [0, 1, 1], [0, 0, 0]]
    table = scores_beside_trivial(y_true, np.zeros((4, 3)), y_train=y_train)
    # In random order, two positives of four have 2 / 3, and one of four H_4 / 4.
    harmonic = (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4
    macro_map = (2 * (harmonic + (1 - harmonic) / 3) + harmonic) / 3
    # The first label alone: right in 2 rows, wrong in 2; 3 are missed.
    assert table["most frequent"].to_dict() == pytest.approx(
        {
            "hamming loss": 5 / 12,
            "macro mAP": macro_map,
            "micro F1": 2 * 2 / (5 + 4),
            "element accuracy": 7 / 12,
        }
    )
    # At .5, the second one is predicted as well: right in 1 row, wrong in 3.
    assert table["label frequencies"].to_dict() == pytest.approx(
        {
            "hamming loss": 7 / 12,
            "macro mAP": macro_map,
            "micro F1": 2 * 3 / (5 + 8),
            "element accuracy": 5 / 12,
        }
    )
    assert table["every label"].to_dict() == pytest.approx(
        {
            "hamming loss": 7 / 12,
            "macro mAP": macro_map,
            "micro F1": 2 * 5 / (5 + 12),
            "element accuracy": 5 / 12,
        }
    )


def test_no_label_is_wrong_at_every_positive(table, problem):
    y_true, _, _ = problem
    assert table.loc["hamming loss", "no label"] == pytest.approx(y_true.mean())


def test_micro_f1_of_no_label_is_zero_and_needs_no_warning(problem):
    y_true, y_score, y_train = problem
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = scores_beside_trivial(y_true, y_score, y_train=y_train)
    assert table.loc["micro F1", "no label"] == 0


def test_macro_map_of_baselines_is_that_of_random_orders(table, problem):
    y_true, _, _ = problem
    n, m = len(y_true), y_true.sum(axis=0)
    harmonic = np.mean(1 / np.arange(1, n + 1))
    expected = np.mean(harmonic + (1 - harmonic) * (m - 1) / (n - 1))
    values = table.loc["macro mAP", TRIVIAL].tolist()
    assert values == pytest.approx([expected] * len(TRIVIAL))
    random = np.random.default_rng(0)
    scores = [
        average_precision_score(y_true, random.random(y_true.shape)) for _ in range(600)
    ]
    # Four standard errors; the share of positives lies further off.
    error = 4 * np.std(scores) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - expected) < error < expected - y_true.mean()


@one_row_holds_few_labels
def test_as_many_frequent_labels_are_given_as_rows_have_on_average():
    y_train = [[1, 1, 0], [1, 1, 1], [0, 1, 0]]
    table = scores_beside_trivial([[1, 1, 0]], [[0, 0, 0]], y_train=y_train)
    assert table.loc["hamming loss", "most frequent"] == 0


@one_row_holds_few_labels
def test_one_frequent_label_is_given_where_rows_hardly_have_any():
    y_train = [[0, 1], [0, 0], [0, 0], [0, 0]]
    table = scores_beside_trivial([[0, 1]], [[0, 0]], y_train=y_train)
    assert table.loc["hamming loss", "most frequent"] == 0


@one_row_holds_few_labels
def test_baselines_are_learned_from_the_training_rows_alone():
    table = scores_beside_trivial([[1, 0]], [[1, 0]], y_train=[[0, 1]])
    assert table.loc["hamming loss", "label frequencies"] == 1


def test_a_label_is_predicted_at_its_threshold_as_in_the_report():
    y_true, y_score = [[1, 0], [0, 1]], [[0.5, 0.2], [0.3, 0.5]]
    table = scores_beside_trivial(y_true, y_score, y_train=y_true)
    assert table.loc["hamming loss", "model"] == 0
    report = multilabel_report(y_true, y_score, n_bootstrap=0)
    assert report.scores.loc["hamming loss", "value"] == 0


@pytest.mark.parametrize("threshold", [0, 0.5, 1])
def test_baselines_that_are_decisions_do_not_follow_the_threshold(threshold):
    y_true, y_train = [[1, 0], [1, 1]], [[1, 0], [1, 0]]
    y_score = np.full((2, 2), 0.5)
    table = scores_beside_trivial(y_true, y_score, y_train=y_train, threshold=threshold)
    decisions = ["no label", "most frequent", "every label"]
    assert table.loc["hamming loss", decisions].tolist() == [0.75, 0.25, 0.25]


def test_the_threshold_holds_for_the_frequencies_too():
    y_train = [[1], [0], [0]]
    table = scores_beside_trivial([[1]], [[0.9]], y_train=y_train, threshold=0.2)
    assert table.loc["hamming loss", "label frequencies"] == 0


def test_frames_and_sparse_matrices_give_the_same_table(table, problem):
    y_true, y_score, y_train = problem
    other = scores_beside_trivial(
        pd.DataFrame(y_true, columns=NAMES),
        pd.DataFrame(y_score, columns=NAMES),
        y_train=csr_matrix(y_train),
    )
    assert other.equals(table)


@one_row_holds_few_labels
def test_a_label_that_fit_met_in_one_class_is_settled_by_the_training_rows():
    y_train = np.array([[1, 0, 1], [1, 0, 0]])
    ones = np.ones((2, 1))
    y_score = [ones, ones, np.array([[0.9, 0.1], [0.2, 0.8]])]
    table = scores_beside_trivial([[1, 0, 0]] * 2, y_score, y_train=y_train)
    assert table.loc["hamming loss", "model"] == pytest.approx(1 / 6)


def test_one_class_where_the_training_rows_hold_both_is_refused():
    message = r"got shape \(1, 1\) for label 1\. \(One column says that fit met one"
    y_score = [np.ones((1, 2)), np.ones((1, 1))]
    with pytest.raises(ValueError, match=message):
        scores_beside_trivial([[1, 0]], y_score, y_train=[[1, 0], [0, 1]])


def test_a_label_without_a_positive_is_reported_once(problem):
    y_true, y_score, y_train = problem
    y_true[:, 0] = 0
    with pytest.warns(UndefinedMetricWarning, match="labels: 0$") as caught:
        scores_beside_trivial(y_true, y_score, y_train=y_train)
    assert [warning.filename for warning in caught] == [__file__]


def test_without_any_positive_what_is_undefined_is_nan_and_not_zero():
    with pytest.warns(UndefinedMetricWarning, match=r"undefined \(nan\)"):
        table = scores_beside_trivial([[0, 0]], [[0.9, 0]], y_train=[[1, 0]])
    assert table.loc["macro mAP", ["model", *TRIVIAL]].isna().all()
    assert math.isnan(table.loc["micro F1", "no label"])
    assert table.loc["micro F1", "model"] == 0


def test_the_table_prints_in_a_terminal(table):
    lines = table.to_string(float_format="{:.3f}".format).splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 88


def test_training_rows_are_required(problem):
    y_true, y_score, _ = problem
    with pytest.raises(TypeError, match="y_train"):
        scores_beside_trivial(y_true, y_score)


def test_training_rows_of_other_labels_are_refused():
    message = "y_train and y_true must have the same labels: got 3 and 2 columns"
    with pytest.raises(ValueError, match=message):
        scores_beside_trivial([[1, 0]], [[1, 0]], y_train=[[1, 0, 0]])


def test_training_columns_in_another_order_are_refused(problem):
    y_true, y_score, y_train = problem
    with pytest.raises(ValueError, match="columns of y_train and y_true and y_score"):
        scores_beside_trivial(
            pd.DataFrame(y_true, columns=NAMES),
            y_score,
            y_train=pd.DataFrame(y_train, columns=NAMES[::-1]),
        )


def test_training_labels_other_than_0_and_1_are_refused():
    with pytest.raises(ValueError, match="y_train must hold 0 and 1 only: got 3"):
        scores_beside_trivial([[1, 0]], [[1, 0]], y_train=[[3, 0]])


def test_scores_that_are_no_probabilities_are_refused():
    message = r"y_score must hold probabilities, 0 to 1: got 1\.5 in row 0, column 1"
    with pytest.raises(ValueError, match=message):
        scores_beside_trivial([[1, 0]], [[1, 1.5]], y_train=[[1, 0]])


@pytest.mark.parametrize("threshold", [-0.1, 1.1, "half"])
def test_a_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(ValueError, match="'threshold' parameter"):
        scores_beside_trivial([[1]], [[1]], y_train=[[1]], threshold=threshold)

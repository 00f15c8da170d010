"""All scores under weights: scikit-learn's values, and those of rows repeated."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from sk_posters.metrics._evaluation import SCORES, Evaluation
from sk_posters.metrics._row_scores import at_k

N_ROWS, N_LABELS = 60, 4
IN_ROW = {"average": "samples", "zero_division": np.nan}

# scikit-learn's own values, of labels, scores, given labels and weights.
PEERS = {
    "subset accuracy": lambda y, s, g, w: metrics.accuracy_score(y, g, sample_weight=w),
    "hamming loss": lambda y, s, g, w: metrics.hamming_loss(y, g, sample_weight=w),
    "macro F1": lambda y, s, g, w: metrics.f1_score(
        y, g, average="macro", sample_weight=w
    ),
    "micro F1": lambda y, s, g, w: metrics.f1_score(
        y, g, average="micro", sample_weight=w
    ),
    "weighted F1": lambda y, s, g, w: metrics.f1_score(
        y, g, average="weighted", sample_weight=w
    ),
    "samples F1": lambda y, s, g, w: metrics.f1_score(y, g, sample_weight=w, **IN_ROW),
    "macro average precision": lambda y, s, g, w: metrics.average_precision_score(
        y, s, sample_weight=w
    ),
    "micro average precision": lambda y, s, g, w: metrics.average_precision_score(
        y, s, average="micro", sample_weight=w
    ),
    "macro ROC-AUC": lambda y, s, g, w: metrics.roc_auc_score(y, s, sample_weight=w),
    "LRAP": lambda y, s, g, w: metrics.label_ranking_average_precision_score(
        y, s, sample_weight=w
    ),
    "coverage error": lambda y, s, g, w: metrics.coverage_error(y, s, sample_weight=w),
    "ranking loss": lambda y, s, g, w: metrics.label_ranking_loss(
        y, s, sample_weight=w
    ),
    "log loss": lambda y, s, g, w: np.mean(
        [
            metrics.log_loss(y[:, j], s[:, j], labels=[0, 1], sample_weight=w)
            for j in range(y.shape[1])
        ]
    ),
}


@pytest.fixture(params=["ties", "no ties"])
def problem(request):
    """Labels, of which some rows have none, and scores, some of them 0 and 1."""
    rng = np.random.default_rng(0)
    labels = (rng.random((N_ROWS, N_LABELS)) < [0.6, 0.4, 0.3, 0.2]).astype(int)
    scores = (labels + 2 * rng.random(labels.shape)) / 3
    if request.param == "ties":
        scores = np.round(5 * scores) / 5
    return labels, scores, (scores > 0.5).astype(int)


def value_of(name, labels, scores, given, weights, top_k=2):
    evaluation = Evaluation(labels, scores, given, top_k)
    return SCORES[name].of(evaluation.under(np.reshape(weights, (len(labels), -1))))


@pytest.mark.parametrize("name", PEERS)
def test_values_are_those_of_scikit_learn_under_many_weightings_at_once(name, problem):
    rng = np.random.default_rng(1)
    weights = np.column_stack(
        [
            np.ones(N_ROWS),
            rng.integers(0, 4, (N_ROWS, 3)),
            rng.random(N_ROWS),
        ]
    )
    expected = [PEERS[name](*problem, w) for w in weights.T]
    np.testing.assert_allclose(value_of(name, *problem, weights), expected, rtol=1e-10)


def test_per_label_scores_are_those_of_scikit_learn(problem):
    labels, scores, given_ = problem
    once = Evaluation(labels, scores, given_, 2).once
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, given_)
    np.testing.assert_allclose(once.label_precision[:, 0], precision)
    np.testing.assert_allclose(once.label_recall[:, 0], recall)
    np.testing.assert_allclose(once.label_f1[:, 0], f1)
    expected = metrics.average_precision_score(labels, scores, average=None)
    np.testing.assert_allclose(once.label_average_precision[:, 0], expected)
    expected = metrics.roc_auc_score(labels, scores, average=None)
    np.testing.assert_allclose(once.label_roc_auc[:, 0], expected)


@pytest.mark.parametrize("name", SCORES)
def test_a_weight_is_a_repeated_row(name, problem):
    weights = np.random.default_rng(2).integers(0, 4, N_ROWS)
    repeated = [np.repeat(each, weights, axis=0) for each in problem]
    expected = value_of(name, *repeated, np.ones(weights.sum()))
    np.testing.assert_allclose(value_of(name, *problem, weights), expected, rtol=1e-10)


# Hand-computed, where scikit-learn has no such score.


def test_element_accuracy_is_the_share_of_correct_pairs(problem):
    labels, _, given_ = problem
    value = value_of("element accuracy", *problem, np.ones(N_ROWS))
    assert value == pytest.approx(np.mean(labels == given_))


def test_calibration_error_derived_by_hand():
    # Bin 0 holds .01 and .02 with one positive, bin 13 holds .9 with one: of 4 cells,
    # 2 · |.015 - .5| + |.9 - 1|, and a probability of 1 lies in the last bin.
    labels = np.array([[0, 1], [1, 1]])
    scores = np.array([[0.01, 0.02], [0.9, 1.0]])
    value = value_of("calibration error", labels, scores, labels, np.ones(2))
    assert value == pytest.approx((0.97 + 0.1) / 4)


def test_scores_at_k_derived_by_hand():
    labels = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    scores = np.array([[0.9, 0.8, 0.1, 0.2], [0.9, 0.8, 0.1, 0.2], [0.4, 0.3, 0.2, 0]])
    ones = np.ones(3)
    assert value_of("precision at k", labels, scores, labels, ones) == 1 / 6
    # The last row has no label, so that there is nothing to recall or to hit.
    assert value_of("recall at k", labels, scores, labels, ones) == 1 / 4
    assert value_of("top-k hit", labels, scores, labels, ones) == 1 / 2
    assert value_of("top-1 hit", labels, scores, labels, ones) == 1 / 2


def test_equal_scores_at_k_count_as_the_mean_over_all_orders():
    labels, scores, k = (
        np.array([1, 0, 1, 0, 1]),
        np.array([0.9, 0.5, 0.5, 0.5, 0.1]),
        3,
    )
    found = []
    for order in itertools.permutations(range(5)):
        best = sorted(order, key=lambda label: -scores[label])[:k]
        found.append(labels[best].sum())
    row = at_k(labels[np.newaxis], scores[np.newaxis], k)
    assert row["precision"] == pytest.approx(np.mean(found) / k)
    assert row["recall"] == pytest.approx(np.mean(found) / 3)
    assert row["hit"] == 1


def test_a_hit_among_equal_scores_is_as_likely_as_it_is():
    labels, scores = np.array([[0, 1, 0, 0]]), np.array([[0.9, 0.5, 0.5, 0.5]])
    assert at_k(labels, scores, 2)["hit"] == pytest.approx(1 / 3)


# What holds for any labels and scores.

tables = st.integers(2, 8).flatmap(
    lambda n: st.integers(2, 5).flatmap(
        lambda k: st.tuples(
            arrays(np.int64, (n, k), elements=st.integers(0, 1)),
            arrays(np.int64, (n, k), elements=st.integers(0, 10)).map(lambda x: x / 10),
        )
    )
)
often = settings(max_examples=60, deadline=None, derandomize=True)


def all_values(labels, scores):
    evaluation = Evaluation(labels, scores, scores > 0.5, 2)
    once = evaluation.once
    by_label = [once.label_average_precision, once.label_roc_auc, once.label_f1]
    return [score.of(once)[0] for score in SCORES.values()], np.hstack(by_label)


@often
@given(tables, st.randoms(use_true_random=False))
def test_permuting_rows_changes_nothing(table, random):
    labels, scores = table
    order = random.sample(range(len(labels)), len(labels))
    values, by_label = all_values(labels, scores)
    others, by_label_2 = all_values(labels[order], scores[order])
    np.testing.assert_allclose(values, others, atol=1e-12)
    np.testing.assert_allclose(by_label, by_label_2, atol=1e-12)


@often
@given(tables, st.randoms(use_true_random=False))
def test_permuting_labels_permutes_the_predictions(table, random):
    labels, scores = table
    order = random.sample(range(labels.shape[1]), labels.shape[1])
    values, by_label = all_values(labels, scores)
    others, by_label_2 = all_values(labels[:, order], scores[:, order])
    np.testing.assert_allclose(values, others, atol=1e-12)
    np.testing.assert_allclose(by_label[order], by_label_2, atol=1e-12)


@often
@given(tables)
def test_a_perfect_prediction_is_perfect_or_undefined(table):
    labels, _ = table
    values, by_label = all_values(labels, labels.astype(float))
    values = dict(zip(SCORES, values, strict=True))
    # These depend on how many labels are true, not on the answer alone.
    for name in ("precision at k", "recall at k", "coverage error"):
        values.pop(name)
    for name, value in values.items():
        best = 1 if SCORES[name].better == "higher" else 0
        assert np.isnan(value) or value == pytest.approx(best, abs=1e-12), name
    assert np.all(np.isnan(by_label) | np.isclose(by_label, 1))


@often
@given(tables, st.data())
def test_a_weight_is_a_repeated_row_for_any_table(table, data):
    labels, scores = table
    weights = np.array(
        data.draw(
            st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels))
        )
    )
    rows = np.repeat(np.arange(len(labels)), weights)
    if not len(rows):
        return
    given_ = scores > 0.5
    for name in SCORES:
        value = value_of(name, labels, scores, given_, weights)
        other = value_of(
            name, labels[rows], scores[rows], given_[rows], np.ones(len(rows))
        )
        np.testing.assert_allclose(value, other, atol=1e-10, err_msg=name)


@often
@given(tables)
def test_values_are_those_of_scikit_learn_for_any_table(table):
    labels, scores = table
    # Two rows more, so that every label has both: scikit-learn has 0 where one has not.
    ones = np.ones((1, labels.shape[1]), dtype=int)
    labels = np.vstack([labels, ones, 0 * ones])
    scores = np.vstack([scores, 0.7 * ones, 0.7 * ones])
    given_ = (scores > 0.5).astype(int)
    ones = np.ones(len(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            name: peer(labels, scores, given_, None) for name, peer in PEERS.items()
        }
    for name, peer in expected.items():
        value = value_of(name, labels, scores, given_, ones)
        np.testing.assert_allclose(value, [peer], atol=1e-10, err_msg=name)

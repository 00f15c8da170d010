"""Scores of ties in random order are the means over all orders of them."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sk_posters.metrics import multilabel_report
from sk_posters.metrics._row_scores import order_scores
from sk_posters.metrics._ties import (
    expect_average_precision,
    expect_chance,
    expect_order_scores,
)

U = np.nan


def mean_over_orders(labels, groups):
    """Return average precision of groups in all orders, rows of a group alike."""
    orders = permutations(range(max(groups) + 1))
    scores = (np.array(order)[groups] for order in orders)
    return np.mean([average_precision_score(labels, each) for each in scores])


@pytest.mark.parametrize("n_positive", [1, 2, 5, 6])
def test_chance_is_the_mean_over_all_orders(n_positive):
    labels = (np.arange(6) < n_positive).astype(float)
    harmonic = sum(1 / k for k in range(1, 7))
    expected = harmonic / 6 + (1 - harmonic / 6) * (n_positive - 1) / 5
    (chance,) = expect_chance(labels[:, np.newaxis], np.arange(6))
    assert chance == pytest.approx(expected)
    assert chance == pytest.approx(mean_over_orders(labels, np.arange(6)))


def test_chance_by_group_is_that_of_whole_groups():
    labels, groups = np.array([1, 1, 0, 0, 0, 1.0]), np.array([0, 0, 1, 1, 2, 2])
    (chance,) = expect_chance(labels[:, np.newaxis], groups)
    assert chance == pytest.approx(mean_over_orders(labels, groups))


def test_chance_of_groups_of_other_sizes_is_near_the_mean_over_all_orders():
    groups = np.array([0, 0, 0, 1, 2, 3, 3])
    labels = np.array([1, 0, 1, 0, 1, 0, 0.0])
    (chance,) = expect_chance(labels[:, np.newaxis], groups)
    assert chance == pytest.approx(mean_over_orders(labels, groups), rel=0.05)


def test_unknown_rows_do_not_count_and_no_positive_is_undefined():
    labels = np.array([[1, 0, U], [0, 0, U], [U, 0, U]])
    chances = expect_chance(labels, np.arange(3))
    np.testing.assert_allclose(chances, [3 / 4, np.nan, np.nan])


def test_pairs_of_equal_score_are_in_random_order_within_their_rank():
    labels = np.array([[1.0, 0], [0, 1]])
    # The first label: 1 or 1/2; the second one, below: 2/3 or 2/4.
    expected = ((1 + 1 / 2) / 2 + (2 / 3 + 2 / 4) / 2) / 2
    found = expect_average_precision(labels, np.array([0.9, 0.1]), np.arange(2))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("unknown", [False, True])
def test_order_scores_are_means_over_all_orders(unknown):
    rng = np.random.default_rng(0)
    labels = (rng.random((20, 5)) < 0.5).astype(float)
    if unknown:
        labels[rng.random(labels.shape) < 0.3] = U
    row = np.array([0.5, 0.2, 0.5, 0.2, 0.5])
    found = expect_order_scores(labels, row)
    orders = [
        np.tile(row + 1e-6 * np.array(o), (20, 1)) for o in permutations(range(5))
    ]
    for name, values in found.items():
        expected = np.mean([order_scores(labels, o)[name] for o in orders], axis=0)
        np.testing.assert_allclose(values, expected, err_msg=name)


def test_labels_of_equal_frequency_give_no_star_to_a_random_order_of_them():
    rng = np.random.default_rng(0)
    y_true = np.eye(4, dtype=int)[np.arange(400) % 4]
    y_score = 0.25 + 1e-6 * rng.random((400, 4))
    scores = multilabel_report(y_true, y_score, n_bootstrap=100, random_state=0).scores
    # One label of four is true: in random order, it comes at 1, 1/2, 1/3 or 1/4.
    assert scores.loc["LRAP", "label frequencies"] == pytest.approx(25 / 48)
    assert scores.loc["ranking loss", "label frequencies"] == pytest.approx(1 / 2)
    assert scores.loc["coverage error", "label frequencies"] == pytest.approx(5 / 2)
    assert not scores["beats trivial"].any()

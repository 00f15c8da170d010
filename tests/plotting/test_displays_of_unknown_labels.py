"""Displays leave out what is not known, nan in y."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import f1_score

from sk_posters.plotting import (
    LabelCooccurrenceDisplay,
    LabelScoresDisplay,
    MultilabelCalibrationDisplay,
    PosterGridDisplay,
    ThresholdCurveDisplay,
)
from sk_posters.plotting._history import _frequency_cross_entropy

U = np.nan


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 2)) < [0.5, 0.3]).astype(float)
    scores = (labels + 2 * rng.random(labels.shape)) / 3
    labels[rng.random(labels.shape) < 0.3] = U
    return labels, scores


def test_label_scores_count_known_positives(problem):
    labels, scores = problem
    display = LabelScoresDisplay.from_predictions(labels, scores, n_bootstrap=0)
    assert display.labels_["support"].tolist() == np.nansum(labels, axis=0).tolist()


def test_threshold_curves_are_those_of_known_rows(problem):
    labels, scores = problem
    display = ThresholdCurveDisplay.from_predictions(
        labels, scores, thresholds=0.5, labels=[0, 1, "micro"]
    )
    for j in (0, 1):
        rows = ~np.isnan(labels[:, j])
        expected = f1_score(labels[rows, j], scores[rows, j] >= 0.5)
        assert display.chosen[j][1] == pytest.approx(expected)
    known = ~np.isnan(labels)
    expected = f1_score(labels[known], scores[known] >= 0.5)
    assert display.chosen["micro"][1] == pytest.approx(expected)


def test_calibration_is_of_known_pairs(problem):
    labels, scores = problem
    display = MultilabelCalibrationDisplay.from_predictions(
        labels, scores, labels=["all labels", 1]
    )
    known = ~np.isnan(labels)
    assert display.curves["all labels"]["count"].sum() == known.sum()
    assert display.base_rates[1] == pytest.approx(np.nanmean(labels[:, 1]))
    with pytest.raises(ValueError, match="1 is known in no row"):
        MultilabelCalibrationDisplay.from_predictions(
            np.column_stack([labels[:, 0], np.full(80, U)]), scores, labels=[1]
        )


def test_labels_come_together_in_rows_that_know_both():
    true = [[1, 1, 0], [1, U, 1], [1, 0, U], [0, 1, 1]]
    display = LabelCooccurrenceDisplay.from_predictions(true, np.ones((4, 3)))
    # In the order 0, 1, 2: of three rows with label 0, two know 1, and one has it.
    assert display.order_.tolist() == [0, 1, 2]
    expected = [[U, 1 / 2, 1 / 2], [1 / 2, U, 1 / 2], [1 / 2, 1, U]]
    np.testing.assert_allclose(display.true_[:3], expected)
    np.testing.assert_allclose(display.true_[3], [3 / 4, 2 / 3, 2 / 3])


def test_the_grid_counts_what_is_not_known():
    images = np.random.default_rng(0).random((2, 30, 20, 3))
    display = PosterGridDisplay.from_predictions(
        images, [[0.9, 0.2], [0.6, 0.7]], y_true=[[U, 1], [1, 0]], k=1
    )
    texts = [[text.get_text() for text in texts] for texts in display.texts_]
    assert texts[0] == ["label 0", "0.90", "True: label 1; 1 not known"]
    assert texts[1][-1] == "True: label 0"


def test_the_baseline_of_learning_curves_is_that_of_known_pairs():
    found = _frequency_cross_entropy([[1, 0], [0, U], [U, U], [1, U]])
    # Three pairs of a label in two thirds of its rows, and one of a constant label.
    assert found == pytest.approx(3 / 4 * entropy([2 / 3, 1 / 3]))

"""Learning curves: what is drawn of a history, and where it is found."""

import re
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from sk_posters.plotting import TrainingHistoryDisplay

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

HISTORY = {
    "loss": [0.5, 0.4, 0.3],
    "val_loss": [0.6, 0.5, 0.5],
    "auc": [0.5, 0.6, 0.7],
}
LABELS = np.array([[1, 0, 1], [0, 0, 1]])


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close("all")


class FakeClassifier(BaseEstimator):
    """Has learned what it is given."""

    def __init__(self, **learned):
        self.__dict__ |= learned


def test_curves_are_drawn_by_epoch_from_one():
    display = TrainingHistoryDisplay(HISTORY).plot()
    training, validation = display.lines_
    assert training.get_xydata().tolist() == [[1, 0.5], [2, 0.4], [3, 0.3]]
    assert validation.get_xydata().tolist() == [[1, 0.6], [2, 0.5], [3, 0.5]]


def test_without_validation_there_is_one_curve():
    display = TrainingHistoryDisplay({"loss": [0.5, 0.4]}).plot()
    assert [line.get_label() for line in display.lines_] == ["training"]


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 100])
def test_ticks_of_epochs_are_whole_numbers(n_epochs):
    display = TrainingHistoryDisplay({"loss": [0.5] * n_epochs}).plot()
    ticks = display.ax_.get_xticks()
    assert len(ticks)
    assert all(float(tick).is_integer() for tick in ticks)


def test_the_baseline_is_a_horizontal_line_with_a_name():
    display = TrainingHistoryDisplay(HISTORY).plot(baseline=0.45)
    line = display.lines_[-1]
    assert set(line.get_ydata()) == {0.45}
    assert line.get_label() == "label frequencies alone"


def test_another_metric_is_drawn_under_its_name():
    display = TrainingHistoryDisplay(HISTORY).plot(metric="auc")
    assert display.lines_[0].get_ydata().tolist() == HISTORY["auc"]
    assert display.ax_.get_ylabel() == "auc"


def test_the_curves_go_on_axes_that_are_given():
    figure, ax = plt.subplots()
    display = TrainingHistoryDisplay(HISTORY).plot(ax)
    assert (display.ax_, display.figure_) == (ax, figure)


def test_plot_returns_the_display():
    display = TrainingHistoryDisplay(HISTORY)
    assert display.plot() is display


def test_an_unknown_metric_is_refused_with_those_there_are():
    message = re.escape("metric must be one of ['loss', 'auc']: got 'f1'.")
    with pytest.raises(ValueError, match=message):
        TrainingHistoryDisplay(HISTORY).plot(metric="f1")


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match=r"metric must be one of \[\]: got 'loss'"):
        TrainingHistoryDisplay({}).plot()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda classifier: classifier,
        lambda classifier: Pipeline([("cnn", classifier)]),
        lambda classifier: SimpleNamespace(
            best_estimator_=Pipeline([("cnn", classifier)])
        ),
    ],
    ids=["classifier", "pipeline", "search"],
)
def test_the_history_of_a_fitted_estimator_is_found(wrap):
    estimator = wrap(FakeClassifier(history_=HISTORY))
    display = TrainingHistoryDisplay.from_estimator(estimator)
    assert display.history is HISTORY
    assert len(display.lines_) == 2


def test_an_estimator_without_history_is_refused():
    message = "This FakeClassifier has no history_: call fit first"
    with pytest.raises(NotFittedError, match=message):
        TrainingHistoryDisplay.from_estimator(Pipeline([("cnn", FakeClassifier())]))


@pytest.mark.parametrize("form", [np.array, pd.DataFrame, csr_matrix])
def test_labels_give_the_cross_entropy_of_their_frequencies(form):
    # Frequencies 1/2, 0 and 1: log 2 for the first label, nothing for the others.
    y = form(LABELS)
    display = TrainingHistoryDisplay.from_estimator(
        FakeClassifier(history_=HISTORY), y=y
    )
    assert display.lines_[-1].get_ydata()[0] == pytest.approx(np.log(2) / 3)


def test_a_baseline_given_goes_before_that_of_the_labels():
    display = TrainingHistoryDisplay.from_estimator(
        FakeClassifier(history_=HISTORY), y=LABELS, baseline=0.3
    )
    assert display.lines_[-1].get_ydata()[0] == 0.3


def test_labels_give_no_baseline_for_another_metric():
    display = TrainingHistoryDisplay.from_estimator(
        FakeClassifier(history_=HISTORY), y=LABELS, metric="auc"
    )
    assert len(display.lines_) == 1

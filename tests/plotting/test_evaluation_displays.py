"""Pictures of answers: what is drawn, that it can be read, and what is refused."""

import itertools
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters import MultilabelTunedThresholdClassifierCV
from sk_posters.metrics import multilabel_report
from sk_posters.plotting import (
    LabelCooccurrenceDisplay,
    LabelScoresDisplay,
    MultilabelCalibrationDisplay,
    ThresholdCurveDisplay,
)

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

NAMES = ["Drama", "News", "Comedy"]
SIZE = 300
LONG = "Science Fiction and Fantasy Adventure for Children"


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close("all")


def drawn(n_labels=3, n_samples=SIZE, names=None):
    """Labels, the last one rare, and scores that tell something of them."""
    rng = np.random.default_rng(0)
    frequency = np.linspace(0.6, 0.1, n_labels)
    y = (rng.random((n_samples, n_labels)) < frequency).astype(int)
    y_score = (y + 2 * rng.random(y.shape)) / 3
    return pd.DataFrame(y, columns=names or NAMES[:n_labels]), y_score


@pytest.fixture
def answers():
    return drawn()


@pytest.fixture(scope="module")
def tuned():
    """A tuned classifier in a Pipeline, and rows to ask it about."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    cuts = X[:, :3] + rng.normal(size=(120, 3)) > [0, 1, 0.5]
    y = pd.DataFrame(cuts.astype(int), columns=NAMES)
    classifier = OneVsRestClassifier(LogisticRegression())
    tuner = MultilabelTunedThresholdClassifierCV(classifier, cv=2)
    return make_pipeline(StandardScaler(), tuner).fit(X[:80], y[:80]), X[80:], y[80:]


class Fixed(BaseEstimator):
    """Answers with scores that it was given."""

    def __init__(self, method, scores, **learned):
        self.__dict__ |= {method: lambda X: scores, **learned}

    def fit(self, X, y=None):
        raise AssertionError("A display fits nothing.")

    def __sklearn_is_fitted__(self):
        return True


def texts_of(ax):
    """All that is written on the figure of axes, legends included."""
    ax.figure.canvas.draw()
    found = ax.figure.findobj(matplotlib.text.Text)
    return [text.get_text() for text in found if text.get_visible()]


def legend_of(ax):
    legend = ax.get_legend() or ax.figure.legends[0]
    return [text.get_text() for text in legend.get_texts()]


def rows_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


# Average precision by label


def find_chance(y):
    """Return the mean average precision of random orders by label."""
    n, harmonic = len(y), np.mean(1 / np.arange(1, len(y) + 1))
    return harmonic + (1 - harmonic) * (y.sum(axis=0) - 1) / (n - 1)


def test_bars_are_average_precision_and_marks_are_chance(answers):
    y, y_score = answers
    display = LabelScoresDisplay.from_predictions(y, y_score, n_bootstrap=0)
    widths = [bar.get_width() for bar in display.bars_]
    expected = average_precision_score(y, y_score, average=None)
    np.testing.assert_allclose(widths, expected)
    np.testing.assert_allclose(display.chances_.get_xdata(), find_chance(y))
    assert display.ax_.yaxis_inverted()  # The first is on top.


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [
        ("support", ["b", "c", "a", "d"]),
        ("average precision", ["a", "c", "b", "d"]),
        ("label", ["a", "b", "c", "d"]),
    ],
)
def test_labels_are_sorted_as_asked_undefined_ones_last(sort_by, order):
    values = {
        "support": [2, 9, 5, 0],
        "average precision": [0.9, 0.1, 0.5, np.nan],
        "chance": [0.2, 0.9, 0.5, np.nan],
    }
    labels = pd.DataFrame(values, index=list("abcd"))
    display = LabelScoresDisplay(labels).plot(sort_by=sort_by)
    assert display.labels_.index.tolist() == order
    assert "no row has it" in texts_of(display.ax_)


def test_a_label_whose_interval_reaches_chance_is_pale_and_the_legend_says_so():
    values = {
        "support": [2, 1],
        "average precision": [0.9, 0.3],
        "low": [0.8, 0.1],
        "high": [1.0, 0.6],
        "chance": [0.2, 0.1],
    }
    display = LabelScoresDisplay(pd.DataFrame(values, index=["a", "b"])).plot()
    first, second = (bar.get_facecolor() for bar in display.bars_)
    assert sum(second[:3]) > sum(first[:3]) + 0.5
    assert "average precision, not surely better than chance" in legend_of(display.ax_)
    (intervals,) = display.ax_.collections
    ends = [segment[:, 0].tolist() for segment in intervals.get_segments()]
    assert ends == [[0.8, 1.0], [0.1, 0.6]]


def test_a_label_with_one_positive_is_pale_though_it_comes_first():
    y = pd.DataFrame({"often": np.arange(40) < 20, "once": np.arange(40) == 0})
    display = LabelScoresDisplay.from_predictions(
        y.astype(int), y.astype(float), n_bootstrap=20, random_state=0
    )
    often, once = (sum(bar.get_facecolor()[:3]) for bar in display.bars_)
    assert display.labels_["average precision"].tolist() == [1, 1]
    assert once > often + 0.5


def test_where_no_label_beats_chance_the_legend_has_no_full_bar():
    values = {"support": [2], "average precision": [0.2], "chance": [0.2]}
    labels = pd.DataFrame(values, index=["a"]).assign(low=0.1, high=0.3)
    texts = legend_of(LabelScoresDisplay(labels).plot().ax_)
    assert "average precision" not in texts


def test_without_intervals_none_are_drawn_and_none_promised(answers):
    display = LabelScoresDisplay.from_predictions(*answers, n_bootstrap=0)
    assert not display.ax_.collections
    assert not any("interval" in text for text in legend_of(display.ax_))


def test_a_report_and_its_predictions_give_the_same_picture(answers):
    y, y_score = answers
    report = multilabel_report(y, y_score, n_bootstrap=20, random_state=0)
    first = LabelScoresDisplay.from_report(report)
    second = LabelScoresDisplay.from_predictions(
        y, y_score, n_bootstrap=20, random_state=0
    )
    pd.testing.assert_frame_equal(first.labels_, second.labels_)


def test_the_title_holds_the_mean_and_its_chance(answers):
    y, y_score = answers
    display = LabelScoresDisplay.from_predictions(y, y_score, n_bootstrap=0)
    mean, chance = average_precision_score(y, y_score), find_chance(y).mean()
    expected = f"mean over labels {mean:.3f}, by chance {chance:.3f}"
    assert expected in texts_of(display.ax_)


def test_frames_without_the_columns_of_a_report_are_refused():
    labels = pd.DataFrame({"support": [1], "F1": [0.5]})
    message = r"it lacks \['average precision', 'chance'\]"
    with pytest.raises(ValueError, match=message):
        LabelScoresDisplay(labels).plot()


def test_labels_can_be_sorted_in_three_ways_only(answers):
    with pytest.raises(ValueError, match="'sort_by' parameter"):
        LabelScoresDisplay.from_predictions(*answers, n_bootstrap=0, sort_by="F1")


# Thresholds


@pytest.mark.parametrize("name", [*NAMES, "micro", "macro"])
def test_curves_are_scikit_learns_scores_at_each_threshold(answers, name):
    y, y_score = answers
    display = ThresholdCurveDisplay.from_predictions(y, y_score, labels=[name])
    places = [0, 100, 300, 600]
    scores = {"F1": f1_score, "precision": precision_score, "recall": recall_score}
    for place, (metric, score) in itertools.product(places, scores.items()):
        given = (y_score >= display.thresholds[place]).astype(int)
        assert given.any(axis=0).all()
        if name in NAMES:
            column = NAMES.index(name)
            expected = score(y[name], given[:, column])
        else:
            expected = score(y, given, average=name)
        assert display.curves[name][metric][place] == pytest.approx(expected)


def test_predicting_a_label_for_every_row_is_the_baseline(answers):
    y, y_score = answers
    display = ThresholdCurveDisplay.from_predictions(y, y_score, labels=["Drama"])
    everywhere = f1_score(y["Drama"], np.ones(len(y)))
    assert display.always["Drama"] == pytest.approx(everywhere)
    assert f"F1 of Drama: {everywhere:.2f} predicted for every row" in legend_of(
        display.ax_
    )


def test_chosen_thresholds_are_marked_on_the_curve(answers):
    y, y_score = answers
    display = ThresholdCurveDisplay.from_predictions(
        y, y_score, labels=["News"], thresholds={"Drama": 0.1, "News": 0.4, "Comedy": 1}
    )
    (x,), (f1,) = display.marks_["News"].get_data()
    expected = f1_score(y["News"], y_score[:, 1] >= 0.4)
    assert (x, f1) == (0.4, pytest.approx(expected))
    assert display.chosen["News"] == (x, f1)


def test_an_average_at_each_labels_own_threshold_is_a_level(answers):
    y, y_score = answers
    thresholds = np.array([0.2, 0.4, 0.6])
    display = ThresholdCurveDisplay.from_predictions(y, y_score, thresholds=thresholds)
    for name in ("micro", "macro"):
        expected = f1_score(y, y_score >= thresholds, average=name)
        assert np.isnan(display.chosen[name][0])
        assert display.marks_[name].get_ydata() == pytest.approx([expected] * 2)
    texts = texts_of(display.ax_)
    assert any("at each label's own threshold (dashes)" in text for text in texts)
    assert not any(text.startswith("marks:") for text in texts)


def test_an_average_at_one_threshold_for_all_is_a_mark(answers):
    display = ThresholdCurveDisplay.from_predictions(*answers, thresholds=0.4)
    assert display.chosen["micro"][0] == 0.4
    assert display.marks_["micro"].get_xdata().tolist() == [0.4]


def test_undefined_scores_are_left_out_and_never_zero():
    y, y_score = drawn()
    y["News"] = 0
    y_score[:, 2] = 0.5  # Never given above.
    display = ThresholdCurveDisplay.from_predictions(
        y, y_score, labels=["News", "Comedy", "macro"], thresholds=0.6
    )
    assert np.isnan(display.curves["News"]["F1"]).all()
    assert np.isnan(display.curves["News"]["recall"]).all()
    above = display.thresholds > 0.5
    assert np.isnan(display.curves["Comedy"]["precision"][above]).all()
    drama = ThresholdCurveDisplay.from_predictions(y, y_score, labels=["Drama"])
    np.testing.assert_allclose(
        display.curves["macro"]["precision"][above],
        drama.curves["Drama"]["precision"][above],
    )
    assert "F1 of News: no row has it" in legend_of(display.ax_)


def test_metrics_have_lines_of_their_own(answers):
    display = ThresholdCurveDisplay.from_predictions(
        *answers, labels=["Drama", "News"], metrics=["precision", "recall"]
    )
    assert len(display.lines_) == 4
    styles = [
        display.lines_["Drama", m].get_linestyle()
        for m in display.curves["News"]
        if m != "F1"
    ]
    assert len(set(styles)) == 2
    assert "How does each threshold affect precision and recall?" in texts_of(
        display.ax_
    )


def test_one_metric_may_be_given_alone(answers):
    display = ThresholdCurveDisplay.from_predictions(*answers, metrics="recall")
    assert list(display.lines_) == [("micro", "recall"), ("macro", "recall")]


def test_many_labels_become_rows_of_a_heat_map():
    names = [f"genre {i}" for i in range(9)]
    y, y_score = drawn(9, names=names)
    y["genre 3"] = 0
    display = ThresholdCurveDisplay.from_predictions(
        y, y_score, labels=None, thresholds=0.4
    )
    assert display.lines_ == {}
    assert list(display.marks_) == [name for name in names if name != "genre 3"]
    level, always = display.chosen["genre 0"][1], display.always["genre 0"]
    assert rows_of(display.ax_)[0] == f"genre 0  {level:.2f}, {always:.2f}"
    assert rows_of(display.ax_)[3] == "genre 3"
    assert "no row has it" in texts_of(display.ax_)


def test_a_heat_map_of_another_metric_names_no_f1():
    names = [f"genre {i}" for i in range(9)]
    y, y_score = drawn(9, names=names)
    display = ThresholdCurveDisplay.from_predictions(
        y, y_score, labels=None, metrics="recall"
    )
    assert rows_of(display.ax_) == names
    assert not any("F1" in text for text in texts_of(display.ax_))


def test_a_heat_map_shows_one_metric():
    y, y_score = drawn(9, names=list("abcdefghi"))
    with pytest.raises(ValueError, match="must be one for a heat map of 9 labels"):
        ThresholdCurveDisplay.from_predictions(
            y, y_score, labels=None, metrics=["F1", "recall"]
        )


def test_a_display_made_by_hand_needs_neither_marks_nor_levels():
    curve = {"F1": np.array([0.5, 0.6, 0])}
    display = ThresholdCurveDisplay(np.array([0, 0.5, 1]), {"a": curve}).plot()
    assert legend_of(display.ax_) == ["F1 of a"]
    many = {name: curve for name in "abcdefgh"}
    display = ThresholdCurveDisplay(np.array([0, 0.5, 1]), many).plot()
    assert rows_of(display.ax_) == list("abcdefgh")


@pytest.mark.parametrize("metrics", [["accuracy"], []])
def test_other_metrics_are_refused(answers, metrics):
    with pytest.raises(ValueError, match="metrics must be some of"):
        ThresholdCurveDisplay.from_predictions(*answers, metrics=metrics)


@pytest.mark.parametrize("labels", [["Horror"], []])
def test_labels_that_there_are_not_have_no_curve(answers, labels):
    with pytest.raises(ValueError, match=r"one at least: got .* The labels are 'Drama"):
        ThresholdCurveDisplay.from_predictions(*answers, labels=labels)


def test_thresholds_of_a_tuned_classifier_are_marked(tuned):
    pipeline, X, y = tuned
    display = ThresholdCurveDisplay.from_estimator(pipeline, X, y, labels=NAMES)
    thresholds = pipeline[-1].best_thresholds_
    assert [display.chosen[name][0] for name in NAMES] == thresholds.tolist()
    given = pipeline.predict(X)
    for column, name in enumerate(NAMES):
        expected = f1_score(y[name], given[:, column])
        assert display.chosen[name][1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("calibration", "method"),
    [(None, "decision_function"), ("sigmoid", "predict_proba")],
)
def test_curves_are_of_the_scores_that_thresholds_were_tuned_for(calibration, method):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = (X + rng.normal(size=X.shape) > 0).astype(int)
    tuner = MultilabelTunedThresholdClassifierCV(
        OneVsRestClassifier(LogisticRegression()),
        response_method="decision_function",
        calibration=calibration,
        cv=2,
    ).fit(X, y)
    display = ThresholdCurveDisplay.from_estimator(tuner, X, y)
    assert display.thresholds[0] == getattr(tuner, method)(X).min()
    asked = ThresholdCurveDisplay.from_estimator(
        tuner, X, y, response_method="predict_proba", thresholds=0.5
    )
    assert asked.thresholds[0] == tuner.predict_proba(X).min()
    assert asked.chosen["micro"][0] == 0.5


# Labels that come together


def test_shares_are_of_the_rows_with_a_label():
    y_true = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]])
    y_pred = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0]])
    display = LabelCooccurrenceDisplay.from_predictions(
        y_true, y_pred, label_names=NAMES
    )
    nan = np.nan
    true = [[nan, 2 / 3, 0], [1, nan, 0], [nan, nan, nan], [0.75, 0.5, 0]]
    given = [[nan, 1, 1], [0.5, nan, 0.5], [1, 1, nan], [0.25, 0.5, 0.25]]
    np.testing.assert_allclose(display.true_, true)
    np.testing.assert_allclose(display.predicted_, given)
    assert rows_of(display.axes_[0]) == [
        "Drama  3",
        "News  2",
        "Comedy  0",
        "all rows  4",
    ]
    assert rows_of(display.axes_[1]) == ["1", "2", "1", "4"]


def test_both_maps_have_the_same_colours_and_the_order_of_the_true_labels():
    y_true = np.array([[0, 1], [0, 1], [1, 1]])
    y_pred = np.array([[1, 0], [1, 1], [1, 0]])
    display = LabelCooccurrenceDisplay.from_predictions(y_true, y_pred)
    assert display.order_.tolist() == [1, 0]
    meshes = display.figure_.findobj(matplotlib.collections.QuadMesh)
    assert (
        len(
            {
                mesh.get_clim()
                for ax in display.axes_
                for mesh in meshes
                if mesh.axes is ax
            }
        )
        == 1
    )
    columns = [text.get_text() for text in display.axes_[1].get_xticklabels()]
    assert columns == ["label 1", "label 0"]


def test_maps_made_by_hand_count_labels():
    display = LabelCooccurrenceDisplay(np.eye(2, dtype=int), np.eye(2, dtype=int))
    assert rows_of(display.plot().axes_[0])[0] == "label 0  1"


def test_an_estimator_gives_its_own_labels(tuned):
    pipeline, X, y = tuned
    display = LabelCooccurrenceDisplay.from_estimator(pipeline, X, y)
    np.testing.assert_array_equal(display.y_pred, pipeline.predict(X))
    assert display.label_names == NAMES


def test_maps_of_different_shapes_are_refused(answers):
    y, _ = answers
    message = r"same shape, .*: got \(300, 3\) and \(299, 3\)"
    with pytest.raises(ValueError, match=message):
        LabelCooccurrenceDisplay.from_predictions(y, y[1:])


def test_maps_of_other_labels_are_refused(answers):
    y, _ = answers
    with pytest.raises(ValueError, match="must be the same labels in the same order"):
        LabelCooccurrenceDisplay.from_predictions(y, y[NAMES[::-1]])


def test_predictions_must_be_0_and_1(answers):
    with pytest.raises(ValueError, match="y_pred must hold 0 and 1 only"):
        LabelCooccurrenceDisplay.from_predictions(*answers)


def test_two_axes_are_needed_for_two_maps(answers):
    y, _ = answers
    with pytest.raises(ValueError, match=r"ax must hold two Axes, .*: got shape \(\)"):
        LabelCooccurrenceDisplay.from_predictions(y, y, ax=plt.subplots()[1])


# Calibration


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_curves_are_those_of_scikit_learn(answers, strategy):
    y, y_score = answers
    display = MultilabelCalibrationDisplay.from_predictions(
        y, y_score, labels=["all labels", "News"], n_bins=6, strategy=strategy
    )
    cells = {
        "all labels": (y.to_numpy().ravel(), y_score.ravel()),
        "News": (y["News"], y_score[:, 1]),
    }
    for name, pair in cells.items():
        positive, probability = calibration_curve(*pair, n_bins=6, strategy=strategy)
        curve = display.curves[name]
        np.testing.assert_allclose(curve["positive"], positive)
        np.testing.assert_allclose(curve["probability"], probability)
        assert curve["count"].sum() == len(pair[0])
        np.testing.assert_array_equal(display.lines_[name].get_ydata(), positive)


def test_the_legend_holds_the_calibration_error_of_the_report(answers):
    y, y_score = answers
    report = multilabel_report(y, y_score, n_bootstrap=0)
    display = MultilabelCalibrationDisplay.from_predictions(
        y, y_score, labels=["News", "all labels"], n_bins=4
    )
    errors = [
        report.labels.loc["News", "calibration error"],
        report.scores.loc["calibration error", "value"],
    ]
    assert list(display.errors.values()) == pytest.approx(errors)
    _, news, pooled = legend_of(display.ax_)
    assert news.startswith(f"News: calibration error {errors[0]:.3f}, share of")
    assert pooled.startswith(f"all labels: calibration error {errors[1]:.3f}, share of")


def test_bins_of_few_pairs_are_hollow():
    y, y_score = drawn(n_samples=40)
    y_score[:] = 0.2
    y_score[:5, 0] = 0.9
    display = MultilabelCalibrationDisplay.from_predictions(y, y_score)
    assert display.curves["all labels"]["count"].tolist() == [115, 5]
    assert display.lines_["all labels"].get_markevery().tolist() == [True, False]
    hollow = [line for line in display.ax_.lines if line.get_mfc() == "white"]
    assert [line.get_xdata().tolist() for line in hollow] == [[pytest.approx(0.9)]]


def test_the_histogram_holds_every_pair(answers):
    display = MultilabelCalibrationDisplay.from_predictions(*answers, labels="News")
    (steps,) = display.histogram_ax_.patches
    assert steps.get_xy()[:, 1].max() <= SIZE
    assert display.scores["News"].shape == (SIZE,)
    assert display.histogram_ax_.get_yscale() == "log"


def test_curves_made_by_hand_need_neither_errors_nor_rates():
    curve = {
        "probability": np.array([0.1, 0.9]),
        "positive": np.array([0.0, 1.0]),
        "count": np.array([50, 50]),
    }
    display = MultilabelCalibrationDisplay({"a": curve}, {"a": np.array([0.1, 0.9])})
    assert legend_of(display.plot().ax_) == ["probabilities that are right", "a"]


def test_more_curves_than_can_be_distinguished_are_refused():
    y, y_score = drawn(8, names=list("abcdefgh"))
    with pytest.raises(ValueError, match=r"labels must name 1 to 7 curves, .*: got 8"):
        MultilabelCalibrationDisplay.from_predictions(y, y_score, labels=y.columns)


def test_calibration_of_labels_that_there_are_not_is_refused(answers):
    with pytest.raises(ValueError, match="names of labels or 'all labels': got 'Dr'"):
        MultilabelCalibrationDisplay.from_predictions(*answers, labels=["Dr"])


def test_calibration_needs_probabilities(answers):
    y, y_score = answers
    with pytest.raises(ValueError, match="y_score must hold probabilities, 0 to 1"):
        MultilabelCalibrationDisplay.from_predictions(y, 2 * y_score)


@pytest.mark.parametrize("parameter", [{"n_bins": 0}, {"strategy": "kmeans"}])
def test_bins_are_refused_as_declared(answers, parameter):
    with pytest.raises(ValueError, match=f"'{next(iter(parameter))}' parameter"):
        MultilabelCalibrationDisplay.from_predictions(*answers, **parameter)


# All of them

DISPLAYS = [LabelScoresDisplay, ThresholdCurveDisplay, MultilabelCalibrationDisplay]
EVERY = pytest.mark.parametrize("cls", DISPLAYS)


@EVERY
def test_an_estimator_and_its_scores_give_the_same_texts(cls, tuned):
    pipeline, X, y = tuned
    options = {"n_bootstrap": 0} if cls is LabelScoresDisplay else {}
    first = cls.from_estimator(pipeline, X, y, **options)
    if cls is ThresholdCurveDisplay:
        options["thresholds"] = pipeline[-1].best_thresholds_
    second = cls.from_predictions(y, pipeline.predict_proba(X), **options)
    assert texts_of(first.ax_) == texts_of(second.ax_)


@EVERY
def test_a_list_of_arrays_is_understood(cls, tuned):
    _, X, y = tuned
    classifier = MultiOutputClassifier(LogisticRegression()).fit(X, y)
    display = cls.from_estimator(classifier, X, csr_matrix(y))
    assert display.figure_ is display.ax_.figure


@EVERY
def test_names_come_from_the_estimator_where_y_has_none(cls, answers):
    y, y_score = answers
    estimator = Fixed("predict_proba", y_score, label_names_=np.array(NAMES))
    parameter = {} if cls is LabelScoresDisplay else {"labels": ["Comedy"]}
    display = cls.from_estimator(estimator, range(SIZE), y.to_numpy(), **parameter)
    assert any("Comedy" in text for text in texts_of(display.ax_))


@EVERY
def test_labels_in_another_order_than_in_fit_are_refused(cls, answers):
    y, y_score = answers
    estimator = Fixed("predict_proba", y_score, label_names_=np.array(NAMES[::-1]))
    with pytest.raises(ValueError, match="the estimator and y must be the same labels"):
        cls.from_estimator(estimator, range(SIZE), y)


@EVERY
def test_an_estimator_without_such_scores_is_refused(cls, answers):
    y, y_score = answers
    estimator = Fixed("predict", y_score)
    message = f"{cls.__name__} needs an estimator with predict_proba.* Fixed has none"
    with pytest.raises(ValueError, match=message):
        cls.from_estimator(estimator, range(SIZE), y)


@EVERY
def test_it_can_be_drawn_on_axes_that_there_are(cls, answers):
    figure, axes = plt.subplots(ncols=2, layout="constrained")
    display = cls.from_predictions(*answers, ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert getattr(display, "histogram_ax_", None) is None


def test_maps_can_be_drawn_on_axes_that_there_are(answers):
    y, _ = answers
    figure, axes = plt.subplots(ncols=2, layout="constrained")
    display = LabelCooccurrenceDisplay.from_predictions(y, y, ax=axes)
    assert display.axes_.tolist() == axes.tolist()
    assert display.figure_ is figure


@EVERY
def test_rows_of_labels_and_scores_must_be_as_many(cls, answers):
    y, y_score = answers
    with pytest.raises(ValueError, match="y_true and y_score must have the same shape"):
        cls.from_predictions(y[1:], y_score)


def overlap(first, second):
    """Whether two boxes overlap by more than a pixel."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return min(width, height) > 1


def with_many_labels(kind):
    names = [LONG, "$x$ and $y$", "_News_", r"$\no_formula", *map(str, range(100, 121))]
    y, y_score = drawn(25, names=names)
    y[names[5]] = 0
    few = ["micro", *names[:4]]
    if kind == "scores":
        return LabelScoresDisplay.from_predictions(y, y_score, n_bootstrap=20)
    if kind == "curves":
        return ThresholdCurveDisplay.from_predictions(
            y, y_score, labels=few, thresholds=y_score.mean(axis=0)
        )
    if kind == "heat map":
        thresholds = y_score.min(axis=0)  # Marks at the edge, next to the names.
        return ThresholdCurveDisplay.from_predictions(
            y, y_score, labels=None, thresholds=thresholds
        )
    if kind == "maps":
        return LabelCooccurrenceDisplay.from_predictions(y, y_score > 0.5)
    return MultilabelCalibrationDisplay.from_predictions(
        y, y_score, labels=["all labels", *names[:4]]
    )


KINDS = ["scores", "curves", "heat map", "maps", "calibration"]


@pytest.fixture
def texts_drawn(monkeypatch):
    """Function of a figure: its texts, those of ticks beyond the axes left out."""

    def drawn_on(figure):
        figure.canvas.draw()  # Settles the layout.
        draw, found = matplotlib.text.Text.draw, []
        monkeypatch.setattr(
            matplotlib.text.Text,
            "draw",
            lambda text, renderer: (found.append(text), draw(text, renderer)),
        )
        figure.canvas.draw()
        return [text for text in found if text.get_text().strip()]

    return drawn_on


@pytest.mark.parametrize("kind", KINDS)
def test_no_texts_overlap_and_all_lie_on_the_figure(kind, texts_drawn, recwarn):
    figure = with_many_labels(kind).figure_
    texts = texts_drawn(figure)
    assert len(texts) > 15
    boxes = [text.get_window_extent() for text in texts]
    pairs = itertools.combinations(zip(texts, boxes, strict=True), 2)
    found = [(a.get_text(), b.get_text()) for (a, x), (b, y) in pairs if overlap(x, y)]
    assert found == []
    canvas = figure.bbox
    assert all(canvas.x0 - 1 <= box.x0 and box.x1 <= canvas.x1 + 1 for box in boxes)
    assert all(canvas.y0 - 1 <= box.y0 and box.y1 <= canvas.y1 + 1 for box in boxes)
    assert not recwarn


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_drawn_unchanged_and_long_ones_cut(kind):
    display = with_many_labels(kind)
    ax = display.axes_[0] if kind == "maps" else display.ax_
    texts = " ".join(texts_of(ax))
    for name in ("$x$ and $y$", "_News_", r"$\no_formula", LONG[:27] + "…"):
        assert name in texts


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_can_be_saved(kind, tmp_path):
    with_many_labels(kind).figure_.savefig(tmp_path / "picture.png")
    assert Path(tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "display",
    [
        LabelScoresDisplay(multilabel_report(*drawn(), n_bootstrap=0).labels),
        ThresholdCurveDisplay(np.zeros(1), {"a": {"F1": np.zeros(1)}}),
        LabelCooccurrenceDisplay(np.eye(2, dtype=int), np.eye(2, dtype=int)),
        MultilabelCalibrationDisplay({"a": {}}, {"a": np.zeros(1)}),
    ],
    ids=lambda display: type(display).__name__,
)
def test_without_matplotlib_the_message_says_how_to_install_it(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = (
        f"{type(display).__name__} needs the package 'matplotlib'.*sk-posters.plot"
    )
    with pytest.raises(ImportError, match=message):
        display.plot()

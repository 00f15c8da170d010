"""The report: scores with intervals beside trivial ones, and what is undefined said."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from sk_posters.metrics import multilabel_report, scores_beside_trivial
from sk_posters.metrics._bootstrap import Bootstrap, LabelMean
from sk_posters.metrics._evaluation import SCORES

NAMES = ["Drama", "Comedy", "News"]
TRIVIAL = ["no label", "label frequencies", "most frequent", "every label"]


@pytest.fixture
def problem():
    """Labels (each with a positive), probabilities that know something."""
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 3)) < [0.5, 0.3, 0.2]).astype(int)
    return labels, (labels + 2 * rng.random((80, 3))) / 3


def report_of(problem, **params):
    return multilabel_report(
        *problem, **{"n_bootstrap": 100, "random_state": 0} | params
    )


# Values


def test_rows_columns_and_directions(problem):
    scores = report_of(problem).scores
    assert len(scores) == len(SCORES)
    assert list(scores) == [
        *("better", "value", "low", "high"),
        *TRIVIAL,
        *("beats trivial", "note"),
    ]
    assert set(scores["better"]) == {"higher", "lower"}
    assert {"precision at 3", "recall at 3", "top-3 hit"} <= set(scores.index)


def test_values_are_those_of_the_shorter_table(problem):
    rng = np.random.default_rng(1)
    y_train = (rng.random((50, 3)) < [0.6, 0.3, 0.2]).astype(int)
    scores = report_of(problem, y_train=y_train).scores.rename(
        columns={"value": "model"}
    )
    table = scores_beside_trivial(*problem, y_train=y_train)
    table = table.rename({"macro mAP": "macro average precision"})
    columns = ["model", *TRIVIAL]
    pd.testing.assert_frame_equal(scores.loc[table.index, columns], table[columns])


def test_values_lie_in_their_intervals(problem):
    scores = report_of(problem).scores.drop("calibration error")  # Has none.
    assert (scores["low"] <= scores["value"]).all()
    assert (scores["value"] <= scores["high"]).all()


def test_labels_derived_by_hand():
    y_true = pd.DataFrame({"Drama": [1, 0, 1, 0], "News": [0, 0, 0, 1]})
    y_score = [[0.9, 0.1], [0.6, 0.2], [0.5, 0.1], [0.2, 0.4]]
    labels = report_of((y_true, y_score), thresholds=[0.5, 0.3]).labels
    drama = labels.loc["Drama"]
    assert drama["support"] == 2
    assert drama["prevalence"] == 0.5
    # Of the six orders of two positives and two negatives.
    precisions = [1, (1 + 2 / 3) / 2, 3 / 4, (1 / 2 + 2 / 3) / 2, 1 / 2, 5 / 12]
    assert drama["chance"] == pytest.approx(np.mean(precisions))
    assert drama["average precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert drama["ROC-AUC"] == 3 / 4
    # A score that is its threshold is enough, as for tuned thresholds.
    assert (drama["precision"], drama["recall"]) == (2 / 3, 1)
    assert drama["F1"] == pytest.approx(0.8)
    assert drama["threshold"] == 0.5
    gaps = [1 - 0.9, 0.6, 1 - 0.5, 0.2]
    assert drama["calibration error"] == pytest.approx(np.mean(gaps))
    right = [0.9, 0.4, 0.5, 0.8]
    assert drama["log loss"] == pytest.approx(-np.mean(np.log(right)))
    assert labels.loc["News", "F1"] == 1


def test_thresholds_by_name(problem):
    by_name = {"News": 0.3, "Drama": 0.5, "Comedy": 0.4}
    for thresholds in (by_name, pd.Series(by_name)):
        report = report_of(problem, label_names=NAMES, thresholds=thresholds)
        other = report_of(problem, label_names=NAMES, thresholds=[0.5, 0.4, 0.3])
        assert report.scores.equals(other.scores)
        assert report.labels.loc["News", "threshold"] == 0.3


def test_decisions_of_baselines_do_not_follow_the_thresholds(problem):
    high = report_of(problem, thresholds=1).scores
    low = report_of(problem).scores
    columns = ["no label", "most frequent", "every label"]
    assert high[columns].equals(low[columns])


def test_informative_predictions_are_marked_and_constant_ones_are_not(problem):
    y_true, _ = problem
    assert report_of(problem).scores.loc["macro average precision", "beats trivial"]
    constant = np.tile(y_true.mean(axis=0), (len(y_true), 1))
    beats = report_of((y_true, constant)).scores["beats trivial"]
    assert not beats.any()


def test_at_k_is_bounded_by_the_labels_and_not_reported_twice(problem):
    assert "recall at 3" in report_of(problem, top_k=9).scores.index
    index = report_of(problem, top_k=1).scores.index
    assert list(index).count("top-1 hit") == 1


# Intervals


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_are_those_of_scipy(method):
    rng = np.random.default_rng(0)
    y_true = np.ones((60, 2), dtype=int)
    y_score = rng.random((60, 2)) ** 2
    report = report_of((y_true, y_score), n_bootstrap=20_000, method=method)
    rows = -np.log(y_score).mean(axis=1)
    theirs = bootstrap(
        (rows,), np.mean, n_resamples=20_000, method=method, random_state=0
    )
    bounds = report.scores.loc["log loss", ["low", "high"]].astype(float)
    # Both are drawn: with 20 000 resamples, bounds differ by some 0.03 standard errors.
    error = rows.std() / np.sqrt(60)
    np.testing.assert_allclose(bounds, theirs.confidence_interval, atol=0.1 * error)


def test_one_seed_one_report(problem):
    first, second = report_of(problem), report_of(problem)
    assert first.scores.equals(second.scores)
    assert not first.scores.equals(report_of(problem, random_state=1).scores)


def test_blocks_of_resamples_change_nothing(problem, monkeypatch):
    whole = report_of(problem, method="bca")
    monkeypatch.setattr("sk_posters.metrics._bootstrap.CELLS_AT_A_TIME", 80 * 3 * 7)
    pieces = report_of(problem, method="bca")
    pd.testing.assert_frame_equal(whole.scores, pieces.scores)


def test_groups_of_copies_are_no_new_rows(problem):
    copies = [np.tile(each, (4, 1)) for each in problem]
    groups = np.tile(np.arange(80), 4)
    one, grouped = report_of(problem), report_of(copies, groups=groups)
    one_scores, grouped_scores = (r.scores.drop(columns="note") for r in (one, grouped))
    pd.testing.assert_frame_equal(one_scores, grouped_scores)
    alone = report_of(copies).scores
    width = (one.scores["high"] - one.scores["low"])["micro F1"]
    # Four times as many rows that pass for independent: half the width.
    assert (alone["high"] - alone["low"])["micro F1"] == pytest.approx(
        width / 2, rel=0.3
    )
    assert "100 resamples of 80 groups" in grouped.about[0]


def test_a_perfect_prediction_has_an_interval_without_width(problem):
    y_true, _ = problem
    names = {"percentile": "macro average precision", "bca": "micro average precision"}
    for method, name in names.items():
        scores = report_of((y_true, y_true), method=method).scores
        assert scores.loc[name, ["value", "low", "high"]].tolist() == [1, 1, 1]


def test_rows_that_are_all_alike_leave_room_for_others(problem):
    y_true, _ = problem
    scores = report_of((y_true, y_true)).scores
    # Of 80 rows, none is wrong: with 2.5 %, so it is where 4.5 % of all are.
    bound = 1 - 0.025 ** (1 / 80)
    assert bound == pytest.approx(0.045, abs=5e-4)
    assert scores.loc["subset accuracy", "low"] == pytest.approx(1 - bound)
    assert scores.loc["hamming loss", "high"] == pytest.approx(bound)
    assert scores.loc["hamming loss", ["value", "low"]].tolist() == [0, 0]
    groups = report_of((y_true, y_true), groups=np.arange(80) // 2).scores
    bound = 1 - 0.025 ** (1 / 40)
    assert groups.loc["hamming loss", "high"] == pytest.approx(bound)


def test_bca_has_no_intervals_of_labels_and_means_over_them(problem):
    report = report_of(problem, method="bca")
    without = report.scores.index[report.scores["low"].isna()]
    assert list(without) == [
        *("macro F1", "weighted F1", "macro average precision", "macro ROC-AUC"),
        "calibration error",
    ]
    note = "no interval: BCa does not hold for labels and means over them, use 'perc"
    assert report.scores.loc["weighted F1", "note"].startswith(note)
    assert report.labels["low"].isna().all()


SETTINGS = {"groups": None, "confidence_level": 0.95, "random_state": 0}


def test_bias_beyond_all_resamples_has_no_bca_interval():
    def statistic(weights):
        return np.where(weights.max(axis=0) > 1, 1.0, 0.0)[np.newaxis]

    found = Bootstrap(50, n_bootstrap=99, method="bca", **SETTINGS)
    found = found.intervals(statistic, 1)
    assert np.isnan([found.low, found.high]).all()
    message = "no interval: all resamples lie on one side of the value"
    assert found.notes() == [message]


def test_the_shift_of_resamples_is_taken_out():
    def statistic(weights):  # How many rows were drawn: all once, fewer in resamples.
        return (weights > 0).sum(axis=0, dtype=float)[np.newaxis]

    found = Bootstrap(50, n_bootstrap=99, method="percentile", **SETTINGS)
    found = found.intervals(statistic, 1)
    assert found.draws.max() < found.value
    assert found.low < found.value < found.high
    assert found.notes() == [""]


def test_a_value_in_all_but_few_resamples_lies_in_its_interval():
    def statistic(weights):  # Rarely 1: the mean lies above nearly all of it.
        return (weights[0] > 4).astype(float)[np.newaxis]

    found = Bootstrap(50, n_bootstrap=999, method="percentile", **SETTINGS)
    found = found.intervals(statistic, 1)
    assert found.draws.sum() > 0
    assert found.low <= found.value <= found.high


def test_few_positives_widen_the_interval_of_a_label():
    values = np.array([1.0, 0.0, 1.0, 0.0])

    def statistic(weights):
        mean = values @ weights / weights.sum(axis=0)
        return np.vstack([mean, mean])

    drawn = Bootstrap(4, n_bootstrap=999, method="percentile", **SETTINGS)
    mean = LabelMean(0, slice(1, 2), np.array([4]))
    plain, wide = (drawn.intervals(statistic, 1, m) for m in ([], [mean]))
    ratio = (wide.high - wide.low) / (plain.high - plain.low)
    # The variance of four is 3 / 4 of what it should be; freedom is 3 in both.
    np.testing.assert_allclose(ratio, np.sqrt(4 / 3))


def test_a_mean_over_labels_is_as_uncertain_as_its_rare_label():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 400))

    def statistic(weights):
        labels = values @ weights / weights.sum(axis=0)
        return np.vstack([labels.mean(axis=0), labels])

    drawn = Bootstrap(400, n_bootstrap=999, method="percentile", **SETTINGS)
    widths = []
    for n_cases in ([400, 400], [400, 3], [3, 3]):
        mean = LabelMean(0, slice(1, 3), np.array(n_cases))
        found = drawn.intervals(statistic, 2, [mean])
        widths.append(found.high[0] - found.low[0])
    assert widths[0] < 0.9 * widths[1] < 0.9 * widths[2]


def test_a_label_with_one_case_is_taken_to_vary_as_the_others():
    values = np.random.default_rng(0).normal(size=400)

    def statistic(weights):  # The second label does not vary at all.
        first = values @ weights / weights.sum(axis=0)
        return np.vstack([first / 2, first, 0 * first])

    drawn = Bootstrap(400, n_bootstrap=999, method="percentile", **SETTINGS)
    widths = []
    for n_cases in ([400, 2], [400, 1]):
        mean = LabelMean(0, slice(1, 3), np.array(n_cases))
        found = drawn.intervals(statistic, 2, [mean])
        widths.append(found.high[0] - found.low[0])
    # One case varies 400 times as much as the mean of 400: together, 401 times.
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(401), rel=0.02)


def test_one_positive_has_no_interval_and_no_star(problem):
    y_true = np.zeros((40, 2), dtype=int)
    y_true[:20, 0] = y_true[0, 1] = 1
    report = report_of((y_true, y_true.astype(float)))
    assert report.labels["average precision"].tolist() == [1, 1]
    assert report.labels["low"].isna().tolist() == [False, True]
    line = "labels with one positive row have no interval, so no star: 1"
    assert line in report.about
    assert line in str(report)
    assert not any("one positive" in line for line in report_of(problem).about)
    # Two rows of one group are one case.
    y_true[1, 1] = 1
    for groups, expected in [(None, False), (np.arange(40) // 2, True)]:
        labels = report_of((y_true, y_true.astype(float)), groups=groups).labels
        assert labels["low"].isna().tolist() == [False, expected]


def test_bounds_stay_where_scores_can_be():
    y_true = np.zeros((30, 2), dtype=int)
    y_true[:15, 0] = y_true[:2, 1] = 1
    y_score = np.random.default_rng(0).random((30, 2))
    y_score[0, 1] = 1  # Of two positives, one is found first: anything may be.
    report = report_of((y_true, y_score))
    row = report.labels.loc[1]
    assert (row["low"], row["high"]) == (0, 1)
    assert report.scores.loc["coverage error", "high"] > 1
    assert report.scores["low"].min() >= 0


def test_calibration_error_has_no_interval_and_says_so(problem):
    row = report_of(problem).scores.loc["calibration error"]
    assert np.isnan([row["low"], row["high"]]).all()
    assert row["beats trivial"] is None
    assert row["note"] == "no interval: resamples shift it upwards"
    without = report_of(problem, n_bootstrap=0).scores.loc["calibration error"]
    assert without["value"] == row["value"]
    assert without["note"] == ""


@pytest.mark.parametrize(
    ("n_rows", "n_groups", "line"),
    [
        (299, None, ["only 299 rows: intervals may be too narrow"]),
        (300, None, []),
        (300, 99, ["only 99 groups: intervals may be too narrow"]),
        (200, 50, ["only 200 rows in 50 groups: intervals may be too narrow"]),
    ],
)
def test_few_rows_or_groups_are_named(n_rows, n_groups, line):
    rng = np.random.default_rng(0)
    y_true = rng.integers(2, size=(n_rows, 2))
    groups = None if n_groups is None else np.arange(n_rows) % n_groups
    about = report_of((y_true, rng.random((n_rows, 2))), groups=groups).about
    assert about[2:] == line


def test_a_rare_label_alone_does_not_make_macro_map(problem):
    support = problem[0].sum(axis=0)
    assert (support >= 30).tolist() == [True, False, False]
    report = report_of(problem)
    value = report.labels["average precision"].iloc[0]
    note = f"{value:.3f} over 1 of 3 labels, with 30 positives or more"
    assert report.scores.loc["macro average precision", "note"] == note


@pytest.mark.parametrize("by_groups", [False, True])
def test_stars_are_rare_where_nothing_is_known(by_groups):
    rng = np.random.default_rng(0)
    n_starred, n_labels, n_sets = 0, 0, 100
    groups = np.arange(200) // 2 if by_groups else None
    for number in range(n_sets):
        y_true = (rng.random((200, 5)) < [0.01, 0.02, 0.05, 0.1, 0.3]).astype(int)
        y_score = rng.random((200, 5))
        if by_groups:  # Copies: each row twice.
            y_true, y_score = y_true[groups], y_score[groups]
        report = report_of(
            (y_true, y_score), groups=groups, n_bootstrap=200, random_state=number
        )
        n_starred += report.scores.loc["macro average precision", "beats trivial"]
        n_labels += (report.labels["low"] > report.labels["chance"]).mean()
    # 4 % and two standard errors; they were 40 and more.
    assert n_starred / n_sets <= 0.08
    assert n_labels / n_sets <= 0.06


def test_a_resample_without_any_positive_is_counted():
    y_true = np.zeros((6, 2), dtype=int)
    y_true[0, 0] = 1
    scores = report_of((y_true, np.full((6, 2), 0.5))).scores
    note = scores.loc["micro average precision", "note"]
    assert note.startswith("undefined in ")
    assert note.endswith(" of 100 resamples")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_bootstrap": 0}, "no intervals: n_bootstrap is 0"),
        ({"groups": np.zeros(80)}, "no intervals: they need two groups or more"),
    ],
)
def test_without_intervals_the_report_says_why(problem, params, message):
    report = report_of(problem, **params)
    assert report.scores[["low", "high"]].isna().all(axis=None)
    assert report.scores["beats trivial"].isna().all()
    assert message in str(report).splitlines()[0]


# What is undefined


def test_a_label_without_a_positive_is_left_out_and_named(problem):
    y_true, y_score = problem
    y_true[:, 2] = 0
    report = report_of((y_true, y_score), label_names=NAMES)
    two = report_of((y_true[:, :2], y_score[:, :2]), label_names=NAMES[:2])
    for name in ("macro average precision", "macro F1", "weighted F1"):
        assert report.scores.loc[name, "value"] == two.scores.loc[name, "value"]
        note = report.scores.loc[name, "note"]
        assert note.startswith("over 2 of 3 labels; without a positive: 'News'")
    assert "constant: 'News'" in report.scores.loc["macro ROC-AUC", "note"]
    undefined = [
        "average precision",
        "low",
        "high",
        "chance",
        "ROC-AUC",
        "F1",
        "recall",
    ]
    assert report.labels.loc["News", undefined].isna().all()
    assert report.labels.loc["News", "support"] == 0


def test_a_label_that_every_row_has_has_no_roc_auc(problem):
    y_true, y_score = problem
    y_true[:, 0] = 1
    report = report_of((y_true, y_score), label_names=NAMES)
    assert np.isnan(report.labels.loc["Drama", "ROC-AUC"])
    assert report.labels.loc["Drama", "average precision"] == 1
    note = report.scores.loc["macro ROC-AUC", "note"]
    assert note == "over 2 of 3 labels; constant: 'Drama'"


def test_without_any_positive_nothing_is_zero_in_silence():
    report = report_of((np.zeros((5, 2)), np.zeros((5, 2))))
    scores = report.scores
    undefined = scores.index[scores["value"].isna()]
    assert set(undefined) == {
        *("macro F1", "micro F1", "weighted F1", "samples F1", "macro ROC-AUC"),
        *("macro average precision", "micro average precision"),
        *("recall at 2", "top-2 hit", "top-1 hit"),
    }
    assert scores.loc[undefined, "note"].str.startswith("undefined: ").all()
    assert scores.loc["hamming loss", "value"] == 0
    assert "-" in str(report)


def test_rows_without_a_label_are_counted(problem):
    y_true, _ = problem
    notes = report_of(problem).scores["note"]
    n_labelled = y_true.any(axis=1).sum()
    assert notes["recall at 3"] == f"over the {n_labelled} of 80 rows with a label"


def test_one_label_has_no_order(problem):
    y_true, y_score = problem
    scores = report_of((y_true[:, 0], y_score[:, 0])).scores
    for name in ("LRAP", "ranking loss", "coverage error", "recall at 1"):
        assert np.isnan(scores.loc[name, "value"])
        assert scores.loc[name, "note"] == "undefined: one label alone has no order"
    assert scores.loc["macro F1", "value"] == scores.loc["micro F1", "value"]


def test_one_row_has_no_interval():
    report = report_of(([[1, 0]], [[0.9, 0.2]]))
    assert report.scores["low"].isna().all()
    assert "they need two rows or more" in report.about[0]
    assert report.scores.loc["hamming loss", "value"] == 0


# What it is given


def test_a_list_of_arrays_is_settled_by_the_training_rows():
    y_score = [np.ones((3, 1)), np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])]
    y_true, y_train = [[1, 0], [1, 1], [1, 1]], [[1, 0], [1, 1]]
    report = report_of((y_true, y_score), y_train=y_train)
    assert report.scores.loc["hamming loss", "value"] == 0
    assert "baselines use the label frequencies of y_train" in report.about
    with pytest.raises(ValueError, match="fit met one class only"):
        report_of((y_true, y_score))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"label_names": NAMES[:2]}, "a name for each of the 3 labels: got 2, 'Drama'"),
        ({"label_names": ["A", "B", "A"]}, "differ from each other: got 'A' more than"),
        ({"thresholds": [0.5, 0.4]}, r"one for each of the 3 labels: got shape \(2,\)"),
        (
            {"thresholds": {0: 0.5, 2: 0.1}},
            "thresholds must hold every label: it lacks 1",
        ),
        ({"thresholds": np.nan}, "thresholds must be finite: got nan"),
        ({"groups": [1, 2]}, r"a group for each of the 80 rows: got shape \(2,\)"),
        ({"groups": [None] + 79 * ["a"]}, "missing values: got None in row 0"),
        ({"y_train": [[1, 0]]}, "y_train and y_true must have the same labels: got 2"),
        ({"method": "basic"}, "'method' parameter"),
        ({"n_bootstrap": -1}, "'n_bootstrap' parameter"),
        ({"confidence_level": 1}, "'confidence_level' parameter"),
        ({"top_k": 0}, "'top_k' parameter"),
    ],
)
def test_wrong_parameters_are_refused(problem, params, message):
    with pytest.raises(ValueError, match=message):
        report_of(problem, **params)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"y_score must not hold nan or infinity: got nan in row 4, column 1"),
        (1.5, r"y_score must hold probabilities, 0 to 1: got 1\.5 in row 4, column 1"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(problem, value, message):
    y_true, y_score = problem
    y_score[4, 1] = value
    with pytest.raises(ValueError, match=message):
        report_of((y_true, y_score))


def test_names_that_contradict_are_refused(problem):
    y_true, y_score = problem
    y_true = pd.DataFrame(y_true, columns=NAMES)
    with pytest.raises(
        ValueError, match="columns of label_names and y_true and y_score"
    ):
        report_of((y_true, y_score), label_names=NAMES[::-1])
    y_train = y_true[NAMES[::-1]]
    with pytest.raises(ValueError, match="columns of y_train and y_true and y_score"):
        report_of((y_true, y_score), y_train=y_train)


# How it looks


@pytest.mark.parametrize("n_labels", [3, 25, 40])
def test_it_prints_in_less_than_55_lines_of_a_terminal(n_labels):
    rng = np.random.default_rng(0)
    y_true = (rng.random((50, n_labels)) < 0.3).astype(int)
    names = [f"{'A long name of a label':30}{j}" for j in range(n_labels)]
    report = report_of((y_true, rng.random((50, n_labels))), label_names=names)
    lines = repr(report).splitlines()
    assert len(lines) < 55
    assert max(map(len, lines)) <= 88
    assert ("more in report.labels" in lines[-1]) == (n_labels == 40)


def test_notes_are_printed_once_with_their_scores(problem):
    y_true, y_score = problem
    y_true[:, 0] = 1  # No constant label and no row without a label below.
    y_true[0, 0], y_true[0, 1] = 0, 1
    y_true[1:31, 1:] = 1  # No rare label.
    below = "* the whole interval is better than all baselines"
    lines = str(report_of((y_true, y_score), n_bootstrap=0)).splitlines()
    assert lines[lines.index(below) + 1].startswith("  label ")
    lines = str(report_of((y_true, y_score))).splitlines()
    note = "- no interval: resamples shift it upwards (calibration error)"
    assert lines[lines.index(below) + 1] == note
    y_true[:, 2] = 0
    report = report_of((y_true, y_score), label_names=NAMES, n_bootstrap=0)
    words = " ".join(str(report).split())
    assert "- over 2 of 3 labels; without a positive: 'News' (macro F1, we" in words
    assert str(report).count("without a positive") == 1


def test_names_are_escaped_in_html(problem):
    report = report_of(problem, label_names=["<b>", "a & b", "News"])
    page = report._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "a &amp; b" in page
    assert page == report.to_html()


def test_the_frame_is_a_copy(problem):
    report = report_of(problem)
    frame = report.to_frame()
    frame["value"] = 0
    assert report.scores.loc["micro F1", "value"] > 0

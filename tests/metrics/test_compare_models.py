"""Paired differences: right in value, in interval and in coverage."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, hamming_loss

from sk_posters.metrics import (
    compare_models,
    mean_average_precision_score,
    multilabel_report,
)
from sk_posters.metrics._bootstrap import Bootstrap

NAMES = ["Drama", "Comedy", "News"]


@pytest.fixture
def problem():
    """Labels, good scores and worse ones."""
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 3)) < [0.5, 0.3, 0.2]).astype(int)
    good = (labels + 2 * rng.random(labels.shape)) / 3
    weak = (labels + 6 * rng.random(labels.shape)) / 7
    return labels, good, weak


def differences(*args, **params):
    params = {"n_bootstrap": 100, "random_state": 0} | params
    return compare_models(*args, **params).differences


def test_values_and_difference(problem):
    y_true, good, weak = problem
    row = differences(*problem).loc["macro average precision"]
    a, b = (mean_average_precision_score(y_true, each) for each in (good, weak))
    assert [row["a"], row["b"], row["difference"]] == pytest.approx([a, b, a - b])
    assert 0 < row["low"] < row["difference"] < row["high"]
    assert row["share above zero"] == 1
    assert (row["better"], row["note"]) == ("higher", "")


def test_a_model_is_as_good_as_itself(problem):
    y_true, good, _ = problem
    row = differences(y_true, good, good).loc["macro average precision"]
    columns = ["difference", "low", "high", "share above zero"]
    assert row[columns].tolist() == [0, 0, 0, 0.5]


def test_the_other_way_round_all_signs_change(problem):
    y_true, good, weak = problem
    there, back = differences(y_true, good, weak), differences(y_true, weak, good)
    assert there["low"].tolist() == pytest.approx(-back["high"])
    assert back["share above zero"].tolist() == [0]


def test_pairing_makes_the_interval_narrow(problem):
    y_true, good, _ = problem
    nearly = good.copy()
    nearly[::50] = 0.5
    row = differences(y_true, good, nearly, metric="log loss").loc["log loss"]
    report = multilabel_report(y_true, good, n_bootstrap=100, random_state=0)
    low, high = report.scores.loc["log loss", ["low", "high"]]
    assert row["high"] - row["low"] < (high - low) / 2


def test_several_scores_and_functions(problem):
    y_true, good, weak = problem

    def macro_f1(y_true, y_score):
        return f1_score(y_true, y_score > 0.5, average="macro")

    metrics = ["macro F1", macro_f1, "hamming loss", "recall at k", "recall at 2"]
    frame = differences(*problem, metric=metrics, top_k=2)
    assert list(frame.index) == ["macro F1", "macro_f1", "hamming loss", "recall at 2"]
    numbers = ["a", "b", "difference"]
    by_name, by_hand = frame.loc["macro F1"], frame.loc["macro_f1"]
    assert by_name[numbers].tolist() == pytest.approx(by_hand[numbers].tolist())
    # What is known of a score by name, the few positives of a label, widens it.
    widths = [row["high"] - row["low"] for row in (by_name, by_hand)]
    assert widths[0] == pytest.approx(widths[1], rel=0.05)
    assert widths[0] > widths[1]
    assert frame["better"].tolist() == ["higher", "", "lower", "higher"]
    expected = hamming_loss(y_true, good > 0.5) - hamming_loss(y_true, weak > 0.5)
    assert frame.loc["hamming loss", "difference"] == pytest.approx(expected)


def test_several_models_meet_the_same_resamples(problem):
    y_true, good, weak = problem
    random = np.random.RandomState(0)
    frame = differences(
        y_true, {"one": good, "two": good, "weak": weak}, weak, random_state=random
    )
    assert list(frame.index.names) == ["model", "score"]
    assert frame.loc["one"].equals(frame.loc["two"])
    assert frame.loc[("weak", "macro average precision"), "difference"] == 0


def test_repeats_are_averaged(problem):
    y_true, good, weak = problem
    stacked = np.stack([good, weak])
    row = differences(y_true, stacked, weak).loc["macro average precision"]
    alone = differences(y_true, good, weak).loc["macro average precision"]
    assert row["a"] == pytest.approx((alone["a"] + alone["b"]) / 2)
    assert row["difference"] == pytest.approx(alone["difference"] / 2)


def test_groups_and_bca(problem):
    groups = np.arange(200) // 4
    comparison = compare_models(
        *problem,
        metric="micro F1",
        groups=groups,
        method="bca",
        n_bootstrap=100,
        random_state=0,
    )
    about = "200 rows; 95 % BCa intervals, 100 resamples of 50 groups"
    assert comparison.about == [about]
    row = comparison.differences.iloc[0]
    assert row["low"] < row["difference"] < row["high"]


def test_decision_values_will_do_for_ranks_and_thresholds(problem):
    y_true, good, weak = problem
    frame = differences(
        y_true, 2 * good - 1, 2 * weak - 1, metric=["LRAP", "micro F1"], thresholds=0
    )
    expected = differences(y_true, good, weak, metric=["LRAP", "micro F1"])
    pd.testing.assert_frame_equal(frame, expected)
    message = "probabilities, 0 to 1 for log loss and calibration error: got"
    with pytest.raises(ValueError, match=message):
        differences(y_true, 2 * good - 1, weak, metric="log loss")


def test_undefined_scores_are_reported(problem):
    y_true, good, weak = problem
    frame = differences(np.zeros_like(y_true), good, weak)
    assert frame[["a", "difference", "low", "share above zero"]].isna().all(axis=None)
    assert frame["note"].iloc[0].startswith("undefined: all labels are without")
    text = str(compare_models(np.zeros_like(y_true), good, weak, n_bootstrap=9))
    assert "macro average precision: undefined: all labels" in text.splitlines()[-1]


def test_calibration_errors_differ_without_an_interval(problem):
    frame = differences(*problem, metric=["calibration error", "log loss"])
    row = frame.loc["calibration error"]
    assert row["difference"] == row["a"] - row["b"]
    assert np.isnan([row["low"], row["high"], row["share above zero"]]).all()
    assert row["note"] == "no interval: resamples shift it upwards"
    assert frame.loc["log loss", "note"] == ""


def test_it_renders(problem):
    y_true, good, weak = problem
    comparison = compare_models(
        y_true, {"<good>": good, "weak": weak}, weak, n_bootstrap=50, random_state=0
    )
    lines = repr(comparison).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("<good> macro average precision")
    assert "1.000  higher" in lines[2]
    assert "&lt;good&gt;" in comparison._repr_html_()
    frame = comparison.to_frame()
    frame["difference"] = 0
    assert comparison.differences["difference"].iloc[0] > 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"metric": "mAP"}, "no score named 'mAP': choose of 'hamming loss'"),
        ({"metric": 3}, r"metric must be the name of a score.*: got 3"),
        ({"metric": []}, "metric must name one score or more: got an empty list"),
        ({"groups": [1]}, r"a group for each of the 200 rows: got shape \(1,\)"),
        ({"method": "t"}, "'method' parameter"),
    ],
)
def test_wrong_parameters_are_refused(problem, params, message):
    with pytest.raises(ValueError, match=message):
        differences(*problem, **params)


@pytest.mark.parametrize(
    "metric", ["macro average precision", "macro F1", "macro ROC-AUC", "weighted F1"]
)
def test_bca_is_refused_for_means_over_labels(problem, metric):
    message = (
        f"method must be 'percentile' for means over labels: got 'bca' for .{metric}"
    )
    with pytest.raises(ValueError, match=message):
        differences(*problem, metric=["log loss", metric], method="bca")


def test_no_model_is_refused(problem):
    y_true, _, weak = problem
    with pytest.raises(ValueError, match="one model or more: got an empty dict"):
        differences(y_true, {}, weak)


def test_names_in_another_order_are_refused(problem):
    y_true, good, weak = problem
    good, weak = (pd.DataFrame(each, columns=NAMES) for each in (good, weak))
    message = "columns of scores_a and scores_b must be the same labels"
    with pytest.raises(ValueError, match=message):
        differences(y_true, good, weak[NAMES[::-1]])


def test_other_rows_are_refused(problem):
    y_true, good, weak = problem
    with pytest.raises(ValueError, match="must have the same shape"):
        differences(y_true, good[:-1], weak)


# Coverage. With 500 sets of data, a coverage of 95 % comes out within 95 ± 1.9 % in 95
# of 100 seeds; percentiles of 200 rows or groups cover slightly less than 95 %.


def test_intervals_of_differences_cover_the_truth():
    rng, hits, n_sets = np.random.default_rng(0), 0, 500
    y_true = np.ones((200, 2), dtype=int)
    for number in range(n_sets):
        # Both err where a row is hard; by themselves in 10 and 20 % of the cells.
        hard = rng.random((200, 1)) < 0.2
        a, b = (1.0 - (hard | (rng.random((200, 2)) < p)) for p in (0.1, 0.2))
        frame = differences(
            y_true, a, b, metric="hamming loss", n_bootstrap=300, random_state=number
        )
        row = frame.loc["hamming loss"]
        hits += row["low"] <= 0.8 * (0.1 - 0.2) <= row["high"]
    assert 0.93 <= hits / n_sets <= 0.97


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_by_group_cover_the_truth_and_those_by_row_do_not(method):
    # By rows, far fewer are enough to see what is wrong.
    rng, n_sets = np.random.default_rng(0), {"groups": 500, "rows": 50}
    groups, hits = np.repeat(np.arange(100), 4), {"groups": 0, "rows": 0}
    settings = {"n_bootstrap": 300, "confidence_level": 0.95, "method": method}
    for number in range(n_sets["groups"]):
        rows = rng.normal(size=100)[groups] + 0.3 * rng.normal(size=400)
        for by in [by for by in hits if number < n_sets[by]]:
            drawn = Bootstrap(
                400,
                groups=groups if by == "groups" else None,
                random_state=number,
                **settings,
            )
            found = drawn.intervals(
                lambda w, rows=rows: (rows @ w / w.sum(axis=0))[np.newaxis], 1
            )
            hits[by] += found.low[0] <= 0 <= found.high[0]
    assert 0.93 <= hits["groups"] / n_sets["groups"] <= 0.97
    assert hits["rows"] / n_sets["rows"] < 0.8

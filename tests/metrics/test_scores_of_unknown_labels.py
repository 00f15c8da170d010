"""Scores leave out (sample, label) pairs that are nan, because they are not known."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from sk_posters import OneVsRestHead
from sk_posters.metrics import (
    compare_models,
    get_multilabel_scorer,
    get_multilabel_scorer_names,
    mean_average_precision_score,
    multilabel_report,
    scores_beside_trivial,
)
from sk_posters.metrics._evaluation import SCORES, Evaluation

U = np.nan
NAMES = ["Drama", "Comedy", "News"]


@pytest.fixture(scope="module")
def problem():
    """Labels, a third of them unknown, and scores that know something."""
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 4)) < [0.5, 0.3, 0.2, 0.4]).astype(float)
    scores = (labels + 2 * rng.random(labels.shape)) / 3
    labels[rng.random(labels.shape) < 0.3] = U
    labels[7] = U
    return labels, scores


def score(name, labels, scores, top_k=2):
    labels, scores = np.array(labels, dtype=float), np.array(scores)
    evaluation = Evaluation(labels, scores, scores >= 0.5, top_k)
    return SCORES[name].of(evaluation.once)[0]


def value_of(report, name):
    return report.scores.loc[name, "value"]


@pytest.mark.parametrize(
    ("name", "labels", "scores", "expected"),
    [
        # Of the five known pairs, two are wrong.
        ("hamming loss", [[1, 0, U], [1, 1, 0]], [[0.9, 0.8, 0.7], [0.1, 0.9, 0]], 0.4),
        ("element accuracy", [[1, 0, U], [1, 1, 0]], [[0.9, 0.8, 0], [0, 1, 0]], 0.6),
        # Right, wrong, and nothing known.
        (
            "subset accuracy",
            [[1, U], [0, 1], [U, U]],
            [[0.9, 0.9], [1, 1], [0, 0]],
            0.5,
        ),
        # Without the unknown label, which scores highest, the true one comes second.
        ("LRAP", [[U, 1, 0]], [[0.9, 0.3, 0.6]], 0.5),
        ("coverage error", [[U, 1, 0]], [[0.9, 0.3, 0.6]], 2),
        ("ranking loss", [[U, 1, 0, 0]], [[0.9, 0.3, 0.6, 0.1]], 0.5),
        # A row with one known label has no order.
        ("LRAP", [[U, 1, 0], [U, U, 1]], [[0.9, 0.3, 0.6], [0, 0, 0]], 0.5),
        ("precision at k", [[U, 1, 0, 0]], [[0.9, 0.3, 0.6, 0.1]], 0.5),
        ("recall at k", [[U, 1, 0, 1]], [[0.9, 0.3, 0.6, 0.1]], 0.5),
        # As many as are known, where fewer than k are.
        ("precision at k", [[U, 1, 0, U]], [[0.9, 0.3, 0.6, 0.1]], 0.5),
        ("top-1 hit", [[U, 1, 0], [U, 0, 1]], [[0.9, 0.3, 0.6], [1, 0, 0.5]], 0.5),
        ("samples F1", [[1, U, 0], [U, U, 1]], [[0.9, 0.9, 0.1], [0.9, 0, 0.1]], 0.5),
        ("micro F1", [[1, U], [0, 1], [U, 1]], [[1, 1], [1, 1], [1, 0]], 4 / 6),
        ("macro F1", [[1, U], [0, 1], [U, 1]], [[1, 1], [1, 1], [1, 0]], 2 / 3),
        ("log loss", [[1, U], [U, 0]], [[0.5, 0.01], [0.01, 0.75]], np.log(8) / 2),
        # Two known pairs in one bin: probabilities 0.5 on the mean, half are positive.
        ("calibration error", [[1, U], [U, 0]], [[0.5, 0.99], [0.99, 0.5]], 0.0),
    ],
)
def test_scores_of_known_pairs_by_hand(name, labels, scores, expected):
    assert score(name, labels, scores) == pytest.approx(expected)


def test_scores_of_labels_are_those_of_the_rows_that_know_them(problem):
    labels, scores = problem
    known = [~np.isnan(column) for column in labels.T]
    columns = [(y[k], s[k]) for y, s, k in zip(labels.T, scores.T, known, strict=True)]
    report = multilabel_report(labels, scores, n_bootstrap=0)
    expected = {
        "macro average precision": np.mean(
            [average_precision_score(*pair) for pair in columns]
        ),
        "macro ROC-AUC": np.mean([roc_auc_score(*pair) for pair in columns]),
        "macro F1": np.mean([metrics.f1_score(y, s >= 0.5) for y, s in columns]),
        "log loss": metrics.log_loss(*np.concatenate(columns, axis=1)),
        "micro average precision": average_precision_score(
            *np.concatenate(columns, axis=1)
        ),
    }
    for name, value in expected.items():
        assert value_of(report, name) == pytest.approx(value), name
    assert mean_average_precision_score(labels, scores) == pytest.approx(
        expected["macro average precision"]
    )
    assert report.labels["support"].tolist() == [int(y.sum()) for y, _ in columns]
    assert report.labels["unknown"].tolist() == [120 - k.sum() for k in known]
    prevalence = [y.mean() for y, _ in columns]
    np.testing.assert_allclose(report.labels["prevalence"], prevalence)
    each = [metrics.log_loss(*pair) for pair in columns]
    np.testing.assert_allclose(report.labels["log loss"], each)


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_unknown_pairs_change_nothing(name, problem):
    labels, scores = problem
    others = np.where(np.isnan(labels), 1 - scores, scores)
    assert score(name, labels, scores) == score(name, labels, others)


@pytest.mark.parametrize("name", SCORES)
def test_rows_without_a_known_label_change_nothing(name, problem):
    labels, scores = problem
    more = np.vstack([labels, np.full((5, 4), U)]), np.vstack([scores, scores[:5]])
    assert score(name, *more) == pytest.approx(score(name, labels, scores), rel=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_weights_count_as_repeated_rows(name, problem):
    labels, scores = problem
    evaluation = Evaluation(labels, scores, scores >= 0.5, 2)
    times = np.arange(len(labels)) % 3
    weighted = SCORES[name].of(evaluation.under(times[:, None].astype(float)))[0]
    rows = np.repeat(np.arange(len(labels)), times)
    assert weighted == pytest.approx(score(name, labels[rows], scores[rows]))


@pytest.mark.parametrize("name", get_multilabel_scorer_names())
def test_scorers_leave_unknown_pairs_out(name, problem):
    labels, scores = problem
    y = np.nan_to_num(labels)
    model = OneVsRestHead(LogisticRegression()).fit(scores, y)
    scorer = get_multilabel_scorer(name, top_k=2)
    predicted = model.predict_proba(scores)
    key = next(key for key in SCORES if name in scorer_names(key))
    expected = Evaluation(labels, predicted, model.predict(scores), 2).once
    expected = SCORES[key].of(expected)[0]
    assert abs(scorer(model, scores, labels)) == pytest.approx(expected)


def scorer_names(key):
    plain = key.lower().replace(" ", "_").replace("-", "_")
    return plain, f"neg_{plain}"


def test_the_report_counts_unknown_pairs_where_there_are_any():
    labels = pd.DataFrame([[1, 0, U], [0, 1, 0], [1, 1, 1.0]], columns=NAMES)
    report = multilabel_report(labels, np.full((3, 3), 0.5), n_bootstrap=0)
    line = "1 of 9 (sample, label) pairs are not known, and left out"
    assert line in report.about
    assert line in str(report)
    assert report.labels["unknown"].tolist() == [0, 0, 1]
    complete = multilabel_report(labels.fillna(0), np.full((3, 3), 0.5), n_bootstrap=0)
    assert "unknown" not in complete.labels
    assert "not known" not in str(complete)


def test_notes_count_rows_that_have_no_order():
    labels = [[1, U], [0, 1], [U, U]]
    report = multilabel_report(labels, np.full((3, 2), 0.4), n_bootstrap=0)
    notes = report.scores["note"]
    assert notes["LRAP"] == "over the 1 of 3 rows with two known labels"
    assert notes["subset accuracy"] == "over the 2 of 3 rows with a known label"
    assert notes["hamming loss"] == ""


def test_a_label_without_a_known_positive_has_no_score():
    labels = pd.DataFrame([[1, 0, U], [0, U, U], [1, 0, U]], columns=NAMES)
    scores = np.full((3, 3), 0.4)
    report = multilabel_report(labels, scores, n_bootstrap=0)
    assert report.labels["average precision"].isna().tolist() == [False, True, True]
    assert np.isnan(report.labels.loc["News", ["prevalence", "log loss"]]).all()
    with pytest.warns(UndefinedMetricWarning, match="2 of 3 labels have no positive"):
        assert mean_average_precision_score(labels, scores) == pytest.approx(2 / 3)


def test_nothing_known_is_undefined_with_the_reason():
    report = multilabel_report(np.full((3, 2), U), np.full((3, 2), 0.4), n_bootstrap=0)
    assert report.scores["value"].isna().all()
    assert report.scores.loc["log loss", "note"] == "undefined: no pair is known"


def test_baselines_know_the_frequencies_of_known_rows():
    y_train = np.array([[1, 1], [0, U], [U, 0], [1, U]])
    labels = np.array([[1, 0], [0, U]])
    table = scores_beside_trivial(labels, np.full((2, 2), 0.9), y_train=y_train)
    # Frequencies 2/3 and 1/2: both labels are predicted, rightly once.
    assert table.loc["hamming loss", "label frequencies"] == pytest.approx(2 / 3)
    assert table.loc["hamming loss", "most frequent"] == pytest.approx(1 / 3)
    assert table.loc["hamming loss", "model"] == pytest.approx(2 / 3)


def test_chance_is_that_of_the_rows_that_know_a_label():
    labels = np.array([[1, U], [0, 1], [0, 0], [U, 0], [U, 1]])
    report = multilabel_report(labels, np.full((5, 2), 0.5), n_bootstrap=0)
    # One positive of three known rows, and two of four.
    third, quarter = (1 + 1 / 2 + 1 / 3) / 3, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4
    expected = [third, quarter + (1 - quarter) / 3]
    assert report.labels["chance"].tolist() == pytest.approx(expected)


def test_a_model_is_compared_on_known_pairs(problem):
    labels, scores = problem
    blind = np.random.default_rng(1).random(scores.shape)
    comparison = compare_models(labels, scores, blind, random_state=0)
    row = comparison.differences.loc["macro average precision"]
    assert row["a"] == pytest.approx(mean_average_precision_score(labels, scores))
    assert row["low"] > 0
    n = np.isnan(labels).sum()
    line = f"{n} of 480 (sample, label) pairs are not known, and left out"
    assert line in comparison.about


def test_functions_get_nan_where_a_pair_is_unknown(problem):
    def share_known(y_true, y_score):
        return np.mean(~np.isnan(y_true))

    labels, scores = problem
    comparison = compare_models(labels, scores, scores, metric=share_known)
    known = np.mean(~np.isnan(labels))
    assert comparison.differences["a"].tolist() == [pytest.approx(known)]


@pytest.mark.parametrize("form", ["object", "Int64", "None"])
def test_unknown_may_be_written_in_any_form(form, problem):
    labels, scores = problem
    given = {
        "object": labels.astype(object),
        "Int64": pd.DataFrame(labels).astype("Int64"),
        "None": [[None if np.isnan(v) else int(v) for v in row] for row in labels],
    }[form]
    value = mean_average_precision_score(given, scores)
    assert value == mean_average_precision_score(labels, scores)


def test_a_wrong_value_beside_unknown_ones_is_refused():
    message = (
        "y_true must hold 0 and 1 only, and nan where it is not known: got 2.0 in row "
        "1, column 0"
    )
    with pytest.raises(ValueError, match=message):
        mean_average_precision_score([[U, 1], [2, 0]], np.ones((2, 2)))


def test_scorers_refuse_columns_in_another_order():
    X = np.arange(24.0).reshape(12, 2)
    y = pd.DataFrame({"Drama": [0, 1] * 6, "Comedy": [0, 0, 1] * 4})
    model = OneVsRestHead(LogisticRegression()).fit(X, y)
    scorer = get_multilabel_scorer("macro_average_precision")
    assert scorer(model, X, y) == scorer(model, X, y.to_numpy())
    message = "columns of the estimator and y_true must be the same labels in the same"
    with pytest.raises(ValueError, match=message):
        scorer(model, X, y[["Comedy", "Drama"]])


def test_scikit_learn_s_own_scorers_refuse_unknown_pairs(problem):
    labels, scores = problem
    model = OneVsRestHead(LogisticRegression()).fit(scores, labels)
    with pytest.raises(ValueError, match="NaN"):
        metrics.get_scorer("f1_macro")(model, scores, labels)


@pytest.mark.parametrize("n_labels", [3, 25, 40])
def test_the_text_counts_unknown_rows_of_each_label(n_labels):
    rng = np.random.default_rng(0)
    labels = (rng.random((50, n_labels)) < 0.4).astype(float)
    labels[:20, 0] = U
    scores = rng.random((50, n_labels))
    text = str(multilabel_report(labels, scores, n_bootstrap=0))
    lines = text.splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) <= 88
    (head,) = (number for number, line in enumerate(lines) if "prec." in line)
    assert lines[head].endswith("unkn.")
    assert [line.split()[-1] for line in lines[head + 1 : head + 3]] == ["20", "0"]
    plain = str(multilabel_report(np.nan_to_num(labels), scores, n_bootstrap=0))
    assert "calib." in plain
    assert "unkn." not in plain

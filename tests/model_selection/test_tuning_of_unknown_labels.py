"""Splits, thresholds and searches leave out what is not known, nan in y."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.neighbors import KNeighborsClassifier

from sk_posters import MultilabelTunedThresholdClassifierCV, OneVsRestHead
from sk_posters.metrics import get_multilabel_scorer
from sk_posters.model_selection import (
    MultilabelStratifiedGroupKFold,
    MultilabelStratifiedKFold,
    multilabel_train_test_split,
)
from sk_posters.model_selection._calibration import (
    SigmoidCalibration,
    TemperatureCalibration,
)
from sk_posters.model_selection._threshold_search import (
    F1Search,
    find_best,
    make_objective,
)

NAMES = ["Drama", "Comedy", "News"]
HEAD = OneVsRestHead(LogisticRegression())


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    y = (X[:, :3] + rng.normal(size=(150, 3)) > [0, 0.5, 1]).astype(float)
    y = pd.DataFrame(y, columns=NAMES)
    return X, y.mask(rng.random(y.shape) < 0.3)


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_share_known_positives_evenly(grouped, problem):
    _, y = problem
    folds, groups = MultilabelStratifiedKFold(5), None
    if grouped:
        folds, groups = MultilabelStratifiedGroupKFold(5), np.arange(150) // 2
    tests = [test for _, test in folds.split(y, y, groups)]
    assert sorted(np.concatenate(tests)) == list(range(150))
    for name in NAMES:
        counts = [(y[name].iloc[test] == 1).sum() for test in tests]
        assert max(counts) - min(counts) <= 1 + grouped, name


def test_rare_known_negatives_are_shared_evenly():
    # All that is known of most rows is that they have the label.
    y = np.full((60, 2), np.nan)
    y[:40], y[5:10, 0] = [1, 0], 0
    for _, test in MultilabelStratifiedKFold(5).split(y, y):
        assert (y[test, 0] == 0).sum() == 1


def test_known_negatives_are_counted_in_the_warning():
    y = np.ones((20, 1))
    y[3:], y[0] = np.nan, 0
    with pytest.warns(UserWarning, match=r"labels are 0 in fewer than 2 rows.*\(1\)"):
        next(MultilabelStratifiedKFold(2).split(y, y))


def test_one_split_shares_known_positives(problem):
    X, y = problem
    _, _, first, second = multilabel_train_test_split(
        X, y, stratify=y, test_size=0.2, random_state=0
    )
    share = (second == 1).sum() / (y == 1).sum()
    np.testing.assert_allclose(share, 0.2, atol=0.03)
    assert len(first) == 120


def scores_of(problem):
    _, y = problem
    labels = y.to_numpy()
    scores = np.random.default_rng(1).random(labels.shape) + np.nan_to_num(labels)
    return labels, scores


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_own_thresholds_are_the_best_of_the_known_rows(average, problem):
    labels, scores = scores_of(problem)
    found = F1Search(labels, scores, average=average).for_each()
    for j, threshold in enumerate(found):
        rows = ~np.isnan(labels[:, j])
        alone = F1Search(labels[rows, j : j + 1].astype(int), scores[rows, j : j + 1])
        assert threshold == alone.for_each()[0]


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_common_thresholds_score_as_scikit_learn_says_of_known_rows(average, problem):
    labels, scores = scores_of(problem)
    candidates, values = F1Search(labels, scores, average=average).for_all()
    best = find_best(candidates, values, n_positive=1)

    def evaluate(threshold):
        known = [~np.isnan(column) for column in labels.T]
        predicted = scores >= threshold
        if average == "micro":
            flat = ~np.isnan(labels)
            return f1_score(labels[flat], predicted[flat])
        each = [f1_score(labels[k, j], predicted[k, j]) for j, k in enumerate(known)]
        weights = np.nansum(labels, axis=0) if average == "weighted" else None
        return np.average(each, weights=weights)

    assert values.max() == pytest.approx(evaluate(best))
    for place in range(0, len(candidates), 40):
        assert values[place] == pytest.approx(evaluate(candidates[place]))
    objective = make_objective(None, f"f1_{average}")
    assert objective(labels, scores >= best) == pytest.approx(evaluate(best))


def test_what_unknown_rows_score_does_not_change_thresholds(problem):
    labels, scores = scores_of(problem)
    others = np.where(np.isnan(labels), 99.0, scores)
    first, second = (F1Search(labels, each) for each in (scores, others))
    np.testing.assert_array_equal(first.for_each(), second.for_each())
    shrunk = [search.shrink(search.for_each(), 50) for search in (first, second)]
    np.testing.assert_array_equal(*shrunk)
    assert first.rate == second.rate


@pytest.mark.parametrize("calibration", [SigmoidCalibration, TemperatureCalibration])
def test_calibration_learns_from_known_pairs(calibration, problem):
    labels, scores = scores_of(problem)
    known = ~np.isnan(labels)
    found = calibration().fit(scores, labels)
    if calibration is TemperatureCalibration:
        alone = calibration().fit(scores[known], labels[known])
        assert found.temperature == alone.temperature
        return
    for j in range(3):
        rows = known[:, [j]]
        alone = calibration().fit(
            scores[:, [j]][rows][:, None], labels[:, [j]][rows][:, None]
        )
        assert (found.slope[j], found.intercept[j]) == (alone.slope, alone.intercept)


@pytest.mark.parametrize("calibration", [None, "sigmoid", "temperature"])
def test_thresholds_are_tuned_around_the_head(calibration, problem):
    X, y = problem
    model = MultilabelTunedThresholdClassifierCV(HEAD, calibration=calibration, cv=3)
    model.fit(X, y)
    assert np.isfinite(model.best_thresholds_).all()
    assert 0.5 < model.best_score_ < 1
    predicted = model.predict(X)
    right = ((predicted == y) | y.isna()).all(axis=1)[y.notna().any(axis=1)]
    assert model.score(X, y) == pytest.approx(right.mean())
    message = "The columns of the estimator and y must be the same labels in the same"
    with pytest.raises(ValueError, match=message):
        model.score(X, y[NAMES[::-1]])


def test_a_label_known_in_no_validation_row_keeps_the_usual_threshold(problem):
    X, y = problem
    y = y.copy()
    y.loc[100:, "News"] = np.nan
    splits = [(np.arange(100), np.arange(100, 150))]
    model = MultilabelTunedThresholdClassifierCV(HEAD, cv=splits).fit(X, y)
    assert model.best_thresholds_[2] == 0.5
    assert 0.5 not in model.best_thresholds_[:2]


def test_scorers_of_known_pairs_tune_thresholds(problem):
    X, y = problem
    scoring = get_multilabel_scorer("micro_f1")
    model = MultilabelTunedThresholdClassifierCV(HEAD, scoring=scoring, cv=2)
    exact = MultilabelTunedThresholdClassifierCV(HEAD, scoring="f1_micro", cv=2)
    tuned, best = (each.set_params(shrinkage=0).fit(X, y) for each in (model, exact))
    assert tuned.best_score_ == pytest.approx(best.best_score_, abs=0.02)


def test_other_scorers_are_refused_with_the_way(problem):
    X, y = problem
    model = MultilabelTunedThresholdClassifierCV(HEAD, scoring="jaccard_macro", cv=2)
    message = "scoring='jaccard_macro' takes no unknown labels, nan in y: give one of"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_a_label_known_in_no_row_is_refused(problem):
    X, y = problem
    with pytest.raises(ValueError, match="y is nan in all 150 rows for 'News'"):
        MultilabelTunedThresholdClassifierCV(HEAD).fit(X, y.assign(News=np.nan))


@pytest.mark.parametrize("refit", [True, False])
def test_estimators_that_take_no_nan_are_named_with_the_way(refit, problem):
    X, y = problem
    model = MultilabelTunedThresholdClassifierCV(
        KNeighborsClassifier(), cv=0.5, refit=refit, random_state=0
    )
    message = "which KNeighborsClassifier does not take. Put .* in sk_posters.OneVsRest"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    model.set_params(estimator=OneVsRestHead(KNeighborsClassifier())).fit(X, y)
    assert model.predict(X).shape == (150, 3)


def test_searches_need_a_splitter_and_a_scorer_of_this_package(problem):
    X, y = problem
    scoring = get_multilabel_scorer("macro_average_precision")
    grid = {"estimator__C": [1e-4, 1]}
    search = GridSearchCV(HEAD, grid, scoring=scoring, cv=MultilabelStratifiedKFold(3))
    assert search.fit(X, y).best_params_ == {"estimator__C": 1}
    assert search.score(X, y) == scoring(search.best_estimator_, X, y)
    values = cross_val_score(HEAD, X, y, cv=KFold(3), scoring=scoring)
    assert np.isfinite(values).all()
    # A number of folds lets scikit-learn ask what kind of target y is.
    with pytest.raises(ValueError, match="contains NaN"):
        cross_val_score(HEAD, X, y, cv=3, scoring=scoring)
    with pytest.raises(ValueError, match="contains NaN"):
        cross_val_score(
            HEAD, X, y, cv=KFold(3), scoring="f1_macro", error_score="raise"
        )
    tuned = MultilabelTunedThresholdClassifierCV(HEAD, cv=2)
    grid = {"estimator__estimator__C": [1e-4, 1]}
    GridSearchCV(tuned, grid, scoring=scoring, cv=KFold(2)).fit(X, y)


def test_scikit_learn_splits_and_predicts_with_a_splitter(problem):
    X, y = problem
    _, X_test, _, y_test = train_test_split(X, y, random_state=0)
    assert len(X_test) == len(y_test) == 38
    folds = MultilabelStratifiedKFold(3)
    assert cross_val_predict(HEAD, X, y, cv=folds).shape == (150, 3)
    message = r"got 2 in row .* use the out-of-fold scores of Multilabel.*\(store_cv"
    with pytest.raises(ValueError, match=message):
        cross_val_predict(HEAD, X, y, cv=folds, method="predict_proba")
    tuned = MultilabelTunedThresholdClassifierCV(HEAD, cv=folds, store_cv_results=True)
    assert tuned.fit(X, y).cv_results_["y_score"].shape == (150, 3)


@pytest.mark.parametrize("form", ["object", "frame of objects"])
def test_object_matrices_are_tuned_as_others(form, problem):
    X, y = problem
    y = y.fillna(0).astype(int)
    boxed = y.astype(object) if form != "object" else y.to_numpy(dtype=object)
    for estimator in (HEAD, KNeighborsClassifier()):
        ours, theirs = (
            MultilabelTunedThresholdClassifierCV(estimator, cv=2).fit(X, target)
            for target in (boxed, y)
        )
        np.testing.assert_array_equal(ours.best_thresholds_, theirs.best_thresholds_)


def test_minus_one_and_one_are_refused_with_the_way(problem):
    X, y = problem
    signs = y.fillna(0) * 2 - 1
    with pytest.raises(ValueError, match=r"use \(y > 0\).astype\(int\)"):
        MultilabelTunedThresholdClassifierCV(HEAD).fit(X, signs)

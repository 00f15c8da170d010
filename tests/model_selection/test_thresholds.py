"""Thresholds: values by hand, rows never seen, any classifier, and what is refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from sk_posters import MultilabelTunedThresholdClassifierCV, OneVsRestHead
from sk_posters.metrics import get_multilabel_scorer
from sk_posters.model_selection import MultilabelStratifiedKFold
from sk_posters.model_selection._calibration import (
    SigmoidCalibration,
    TemperatureCalibration,
)
from sk_posters.model_selection._threshold_search import (
    make_objective,
    make_threshold_search,
)

LOGISTIC = OneVsRestClassifier(LogisticRegression(C=0.01))


class Known(ClassifierMixin, BaseEstimator):
    """Its scores are X itself, so that thresholds can be derived by hand."""

    def __init__(self, other=0):
        self.other = other

    def fit(self, X, y, sample_weight=None):
        self.classes_ = [np.array([0, 1])] * np.shape(y)[1]
        self.weights_ = sample_weight
        self.rows_ = np.asarray(X)[:, 0]
        return self

    def predict_proba(self, X):
        return np.asarray(X, dtype=float)


class Margins(Known):
    """The same with a decision function only."""

    predict_proba = property()

    def decision_function(self, X):
        return np.asarray(X, dtype=float)


def tuned(estimator=LOGISTIC, **parameters):
    return MultilabelTunedThresholdClassifierCV(estimator, **parameters)


def prefit(scores, y, estimator=None, **parameters):
    """Tune on all rows of a classifier whose scores are X."""
    estimator = (estimator or Known()).fit(scores, y)
    parameters = {"cv": "prefit", "refit": False, "shrinkage": 0, **parameters}
    return tuned(estimator, **parameters).fit(scores, y)


@pytest.fixture(scope="module")
def data():
    """Features that tell much of a frequent label, less of rarer ones."""
    generator = np.random.default_rng(0)
    y = (generator.random((300, 4)) < [0.5, 0.2, 0.1, 0.05]).astype(int)
    X = y @ generator.normal(size=(4, 6)) + generator.normal(size=(300, 6))
    names = ["Drama", "Comedy", "War", "News"]
    return X, pd.DataFrame(y, columns=names)


@pytest.fixture
def ten():
    """Scores and labels of ten rows; the best thresholds are 0.25 and 0.65."""
    scores = np.tile(np.arange(10)[:, np.newaxis] / 10, 2)
    y = np.column_stack([np.arange(10) > 2, np.arange(10) > 6]).astype(int)
    return scores, y


def test_thresholds_are_midway_between_scores(ten):
    model = prefit(*ten)
    np.testing.assert_allclose(model.best_thresholds_, [0.25, 0.65])
    assert model.best_score_ == 1
    np.testing.assert_array_equal(model.predict(ten[0]), ten[1])


def test_one_threshold_for_all_labels(ten):
    # At 0.25, 0.45 and 0.65, F1 is 1 and .6, 10 / 12 and .75, 6 / 10 and 1.
    model = prefit(*ten, per_label=False)
    np.testing.assert_allclose(model.best_thresholds_, [0.65, 0.65])
    assert model.common_threshold_ == model.best_thresholds_[0]
    assert model.best_score_ == pytest.approx(0.8)


def best_of_all(labels, scores, average):
    """The greatest F1 of all thresholds of two labels, by trying each pair."""
    counts = []  # For each label and threshold: twice the hits, and given plus true.
    for score, label in zip(scores.T, labels.T, strict=True):
        given = score >= np.append(np.unique(score), np.inf)[:, np.newaxis]
        counts.append(np.stack([2 * given @ label, given.sum(axis=1) + label.sum()]))
    hits, sums = (np.stack(np.meshgrid(*parts)) for parts in zip(*counts, strict=True))
    if average == "micro":
        return (hits.sum(axis=0) / sums.sum(axis=0)).max()
    weights = labels.sum(axis=0) if average == "weighted" else None
    return np.average(hits / sums, axis=0, weights=weights).max()


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_f1_is_as_great_as_any_thresholds_make_it(average, seed):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 8, (12, 2)) / 8
    labels = (generator.random((12, 2)) < 0.4).astype(int)
    labels[0] = 1
    cutoffs = make_threshold_search(labels, scores, None, f"f1_{average}", None)
    answers = scores >= cutoffs.for_each()
    reached = f1_score(labels, answers, average=average, zero_division=0)
    assert reached == pytest.approx(best_of_all(labels, scores, average))
    candidates, values = cutoffs.for_all()
    expected = [
        f1_score(labels, scores >= each, average=average, zero_division=0)
        for each in candidates
    ]
    np.testing.assert_allclose(values, expected)


@given(seed=st.integers(0, 10_000), order=st.permutations(range(3)))
@settings(max_examples=20, deadline=None)
def test_permuting_labels_or_rows_permutes_the_thresholds(seed, order):
    generator = np.random.default_rng(seed)
    scores, order = generator.random((30, 3)), list(order)
    y = (generator.random((30, 3)) < 0.4).astype(int)
    y[0] = 1
    model = prefit(scores, y, shrinkage=3)
    permuted = prefit(scores[:, order], y[:, order], shrinkage=3)
    rows = generator.permutation(30)
    shuffled = prefit(scores[rows], y[rows], shrinkage=3)
    np.testing.assert_allclose(permuted.best_thresholds_, model.best_thresholds_[order])
    np.testing.assert_allclose(shuffled.best_thresholds_, model.best_thresholds_)


@pytest.mark.parametrize("shrinkage", [0, 20, 1e9])
def test_any_growing_function_of_scores_leaves_the_predictions(shrinkage):
    generator = np.random.default_rng(1)
    scores = generator.random((80, 3))
    y = (generator.random((80, 3)) < scores**2).astype(int)
    plain = prefit(scores, y, shrinkage=shrinkage).predict(scores)
    bent = scores**3
    bent[:, 1] /= 1000
    other = prefit(bent, y, shrinkage=shrinkage).predict(bent)
    np.testing.assert_array_equal(plain, other)


def test_shrinkage_counts_rows_as_documented():
    scores = np.tile(np.arange(100)[:, np.newaxis] / 100, 2)
    y = np.zeros((100, 2), dtype=int)
    y[60:, 0] = 1  # 40 positives, and 40 rows are best.
    y[[50, 98], 1] = 1  # 2 positives, and 50 or 2 rows or so: few are best.
    own = prefit(scores, y)
    counts = own.predict(scores).sum(axis=0)
    for shrinkage in (2, 40):
        model = prefit(scores, y, shrinkage=shrinkage)
        weight = np.array([40, 2]) / (np.array([40, 2]) + shrinkage)
        given_at_common = prefit(scores, y, shrinkage=1e12).predict(scores).sum(axis=0)
        cutoffs = make_threshold_search(y, scores, None, "f1_macro", None)
        common = cutoffs.rate * np.array([40, 2])
        np.testing.assert_array_equal(given_at_common, common.round())
        expected = (common ** (1 - weight) * counts**weight).round()
        np.testing.assert_array_equal(model.predict(scores).sum(axis=0), expected)


def test_a_rare_label_is_not_given_to_all_rows():
    generator = np.random.default_rng(3)
    scores = generator.random((400, 5))
    y = (generator.random((400, 5)) < scores**2).astype(int)
    scores[:, 4], y[:, 4] = generator.random(400), 0
    y[np.argsort(scores[:, 4])[:3], 4] = 1  # The only positives have the least scores.
    assert prefit(scores, y).predict(scores)[:, 4].sum() >= 398
    assert prefit(scores, y, shrinkage=20).predict(scores)[:, 4].sum() < 40


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_a_label_without_a_positive_is_not_given(ten):
    scores, y = ten
    y[:, 1] = 0
    model = prefit(scores, y, shrinkage=20)
    assert model.predict(scores)[:, 1].sum() == 0
    assert model.predict(scores)[:, 0].sum() > 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("shrinkage", [0, 200])
@pytest.mark.parametrize("per_label", [True, False])
@pytest.mark.parametrize(
    "scoring",
    [
        *("f1_macro", "f1_micro", "f1_weighted", "accuracy"),
        *("expected_f1_macro", "expected_f1_micro"),
    ],
)
def test_labels_that_no_row_has_are_not_predicted(scoring, per_label, shrinkage, ten):
    scores, y = ten
    settings = {"scoring": scoring, "per_label": per_label, "shrinkage": shrinkage}
    one = prefit(scores, y * [1, 0], **settings)
    n_predicted = one.predict(scores).sum(axis=0)
    assert n_predicted[0] > 0
    assert not per_label or n_predicted[1] == 0
    none = prefit(scores, y * 0, **settings)
    assert none.predict(scores).sum() == 0
    at_most = prefit(scores, y * 0, thresholds=[0.1, 0.3, 2], **settings)
    assert at_most.predict(scores).sum() == 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_a_label_that_the_validation_set_lacks_is_not_predicted(ten):
    scores, y = (np.tile(each, (20, 1)) for each in ten)
    y[:, 1] = 0
    y[0, 1] = 1
    validation = np.arange(100, 200)
    model = tuned(Known(), cv=[(np.arange(100), validation)], shrinkage=0)
    assert model.fit(scores, y).predict(scores)[:, 1].sum() == 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_a_label_that_no_row_has_is_not_predicted_from_a_constant_of_zero(ten):
    scores, y = ten[0] - 0.5, ten[1] * [1, 0]
    scores[:, 1] = 0
    model = prefit(scores, y, Margins())
    assert model.predict(scores).sum(axis=0).tolist() == [7, 0]


def count_ties(counts, wanted):
    """Predicted rows of a label with so many rows at each score, the highest first."""
    scores = -np.repeat(np.arange(len(counts)), counts)[:, np.newaxis].astype(float)
    labels = (np.arange(len(scores)) < 1).astype(int)[:, np.newaxis]
    search = make_threshold_search(labels, scores, None, "f1_macro", None)
    threshold = search._at_counts(np.array([[wanted]]))[0, 0]
    between = np.append(np.unique(scores)[:-1] + 0.5, [scores.min(), 0])
    assert np.isclose(between, threshold).any()
    return int((scores >= threshold).sum())


@pytest.mark.parametrize(
    ("wanted", "predicted"),
    [
        *((0, 0), (0.4, 0)),  # Less than half a row is no row.
        *((9, 10), (10, 10), (10.4, 10)),
        *((31, 10), (32, 100)),  # 10 and 100 are equally far from the root of 1000.
        *((100, 100), (120, 100), (124, 150), (150, 150), (999, 150)),
        *((1, 0), (3, 10)),  # No row counts as 0.4 rows.
    ],
)
def test_of_the_counts_that_ties_allow_the_nearest_is_taken(wanted, predicted):
    assert count_ties([10, 90, 50], wanted) == predicted


def test_shrinkage_does_not_predict_a_label_for_all_rows_that_are_tied():
    # All 10 positives are among the 30 rows above the 70 tied ones. Half way between
    # 30 rows and the 60 of the common rate are 42: nearer to 30 than to all 100.
    scores = np.repeat([0.5, 0.0], [30, 70])[:, np.newaxis]
    labels = (np.arange(100) < 10).astype(int)[:, np.newaxis]
    search = make_threshold_search(labels, scores, None, "f1_macro", None)
    search.rate = 6
    assert search.shrink(np.array([0.25]), shrinkage=10).tolist() == [0.25]


def test_rows_whose_label_is_unknown_are_not_counted_among_ties():
    # 40 known rows at one score, 4 above, and 100 unknown ones: 30 rows are nearer to
    # 40 than to 4.
    scores = np.repeat([0.2, 0.6, 0.9], [100, 40, 4])[:, np.newaxis]
    labels = np.repeat([np.nan, 0, 1], [100, 40, 4])[:, np.newaxis]
    search = make_threshold_search(labels, scores, None, "f1_macro", None)
    thresholds = search._at_counts(np.array([[30.0]]))
    assert ((scores >= thresholds) & ~np.isnan(labels)).sum() == 44


def test_a_label_whose_scores_are_all_the_same_keeps_its_usual_threshold(ten):
    scores, y = ten
    scores[:, 1] = 0.3
    for per_label in (True, False):
        model = prefit(scores, y, per_label=per_label)
        usual = 0.5 if per_label else model.common_threshold_
        assert model.best_thresholds_[1] == usual
    assert prefit(scores, y, Margins()).best_thresholds_[1] == 0


def test_rows_without_a_label_get_the_nearest(ten):
    scores = np.array([[0.8, 0.1], [0.9, 0.2], [0.2, 0.6], [0.1, 0.7], [0.4, 0.3]])
    y = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]])
    thresholds = [0.5]
    plain = prefit(scores, y, thresholds=thresholds)
    forced = prefit(scores, y, thresholds=thresholds, at_least_one=True)
    np.testing.assert_array_equal(plain.predict(scores), y)
    np.testing.assert_array_equal(forced.predict(scores)[4], [1, 0])
    np.testing.assert_array_equal(forced.predict(scores)[:4], y[:4])
    assert plain.best_score_ == 1
    assert forced.best_score_ == pytest.approx((0.8 + 1) / 2)
    margins = prefit(scores, y, Margins(), thresholds=[0.5], at_least_one=True)
    np.testing.assert_array_equal(margins.predict(scores)[4], [1, 0])


def test_every_row_gets_a_label(data):
    X, y = data
    model = tuned(at_least_one=True).fit(X, y)
    assert model.predict(X).any(axis=1).all()
    assert not tuned().fit(X, y).predict(X).any(axis=1).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_other_scores_are_tried_out(ten):
    for scoring in ("accuracy", make_scorer(f1_score, average="samples")):
        model = prefit(*ten, scoring=scoring)
        np.testing.assert_allclose(model.best_thresholds_, [0.25, 0.65])
    common = prefit(*ten, scoring="accuracy", per_label=False)
    assert common.best_score_ == common.score(*ten) == 0.6


def test_trials_are_bounded():
    scores = np.random.default_rng(0).random((500, 2))
    y = (scores > 0.7).astype(int)
    for scoring, thresholds, expected in [
        ("f1_macro", None, 1001),
        ("f1_macro", 7, 7),
        ("accuracy", None, 100),
        ("accuracy", [0.3, 0.7], 2),
    ]:
        model = prefit(
            scores,
            y,
            scoring=scoring,
            thresholds=thresholds,
            store_cv_results=True,
        )
        assert len(model.cv_results_["thresholds"]) == expected
        assert len(model.cv_results_["scores"]) == expected
    np.testing.assert_array_equal(model.best_thresholds_, [0.7, 0.7])


def test_scores_are_of_rows_that_the_classifier_has_not_seen(data):
    X, y = data

    class Memory(Known):
        """Knows the rows of its fit."""

        def predict_proba(self, X):
            assert not np.isin(X[:, 0], self.rows_).any()
            return np.column_stack([expit(X[:, 0])] * 4)

    model = tuned(Memory(), cv=4, store_cv_results=True).fit(X, y)
    np.testing.assert_array_equal(model.estimator_.rows_, X[:, 0])
    results = model.cv_results_
    np.testing.assert_array_equal(np.sort(results["rows"]), np.arange(300))
    np.testing.assert_allclose(results["y_score"][:, 0], expit(X[results["rows"], 0]))


def test_groups_are_kept_together(data):
    X, y = data
    groups = np.arange(300) // 3

    class Grouped(Known):
        def predict_proba(self, X):
            assert (
                np.isin(groups[np.isin(data[0][:, 0], self.rows_)], seen(X)).sum() == 0
            )
            return np.column_stack([expit(X[:, 0])] * 4)

    def seen(X):
        return groups[np.isin(data[0][:, 0], X[:, 0])]

    for cv in (None, 3, 0.3):
        tuned(Grouped(), cv=cv, random_state=0).fit(X, y, groups=groups)
    with pytest.raises(AssertionError):
        tuned(Grouped()).fit(X, y)


def test_groups_and_weights_are_routed(data):
    X, y = data
    groups, weights = np.arange(300) // 3, np.arange(300.0)
    with config_context(enable_metadata_routing=True):
        known = Known().set_fit_request(sample_weight=True)
        model = tuned(make_pipeline(FunctionTransformer(expit), known))
        model.fit(X[:, :4], y, groups=groups, sample_weight=weights)
        np.testing.assert_array_equal(model.estimator_[-1].weights_, weights)
        search = GridSearchCV(model, {"shrinkage": [0, 5]}, cv=2)
        search.fit(X[:, :4], y, groups=groups, sample_weight=weights)
        assert tuned(cv=KFold()).get_metadata_routing() is not None
    np.testing.assert_array_equal(
        search.best_estimator_.estimator_[-1].weights_, weights
    )


def test_weights_reach_the_estimator_in_each_split(data):
    X, y = data

    class Weighted(Known):
        def fit(self, X, y, sample_weight=None):
            np.testing.assert_array_equal(sample_weight, np.abs(X[:, 0]))
            return super().fit(X, y)

        def predict_proba(self, X):
            return expit(X[:, :4])

    tuned(Weighted()).fit(X, y, sample_weight=np.abs(X[:, 0]))


# Rows of weight 0 left out, those of weight 2 twice.
COUNTS = np.arange(300) % 3


@pytest.mark.parametrize(
    "give",
    [
        lambda weights: {"sample_weight": weights},
        lambda weights: {
            "head__sample_weight": weights,
            "scaler__sample_weight": weights,
        },
    ],
    ids=["plain", "by steps"],
)
def test_weights_reach_all_steps_of_a_pipeline(data, give):
    X, y = data[0], data[1].to_numpy()
    weights, repeated = COUNTS, np.repeat(np.arange(300), COUNTS)
    head = OneVsRestHead(LogisticRegression())
    pipe = Pipeline([("scaler", StandardScaler()), ("head", head)])
    weighted = tuned(pipe, cv=2).fit(X, y, **give(weights)).estimator_
    alone = clone(pipe).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(
        weighted.predict_proba(X), alone.predict_proba(X), atol=1e-3
    )


def test_weights_pass_a_search_on_their_way(data):
    X, y = data
    pipe = make_pipeline(FunctionTransformer(expit), Known())
    search = GridSearchCV(pipe, {"known__other": [1]}, cv=2, scoring=lambda *_: 0)
    model = tuned(search, cv=2)
    model.fit(X[:, :4], y, sample_weight=COUNTS)
    fitted = model.estimator_.best_estimator_
    np.testing.assert_array_equal(fitted[-1].weights_, COUNTS)


def test_weights_of_fit_do_not_weigh_thresholds(data):
    X, y = data
    scores = expit(X[:, :4])
    weighted = tuned(Known()).fit(scores, y, sample_weight=COUNTS)
    plain = tuned(Known()).fit(scores, y)
    np.testing.assert_array_equal(weighted.best_thresholds_, plain.best_thresholds_)
    assert weighted.best_score_ == plain.best_score_


SCORERS = make_scorer(f1_score, average="macro"), get_multilabel_scorer("macro_f1")


@pytest.mark.parametrize("calibration", [None, "sigmoid", "temperature"])
@pytest.mark.parametrize("scorer", SCORERS)
def test_thresholds_are_weighted_if_a_scorer_requests_it(data, scorer, calibration):
    X, y = data[0], data[1].to_numpy()
    scores, repeated = expit(X[:, :4]), np.repeat(np.arange(300), COUNTS)
    folds = np.arange(300) % 2
    with config_context(enable_metadata_routing=True):
        known = Known().set_fit_request(sample_weight=False)
        scorer = clone(scorer, safe=False).set_score_request(sample_weight=True)
        options = {"scoring": scorer, "calibration": calibration, "thresholds": 20}
        model = tuned(known, cv=PredefinedSplit(folds), **options)
        weighted = model.fit(scores, y, sample_weight=COUNTS)
        model = tuned(known, cv=PredefinedSplit(folds[repeated]), **options)
        alone = model.fit(scores[repeated], y[repeated])
        plain = tuned(known, cv=PredefinedSplit(folds), **options).fit(scores, y)
    np.testing.assert_allclose(
        weighted.best_thresholds_, alone.best_thresholds_, atol=1e-5
    )
    assert weighted.best_score_ == pytest.approx(alone.best_score_)
    assert weighted.best_score_ != pytest.approx(plain.best_score_)


def test_a_scorer_must_say_whether_it_wants_weights(data):
    X, y = data
    with config_context(enable_metadata_routing=True):
        known = Known().set_fit_request(sample_weight=True)
        model = tuned(known, scoring=get_multilabel_scorer("macro_f1"))
        with pytest.raises(UnsetMetadataPassedError, match="set_score_request"):
            model.fit(expit(X[:, :4]), y, sample_weight=COUNTS)


BAD_WEIGHTS = {
    "wrong length": (np.ones(3), r"for each of the 300 rows: got shape \(3,\)"),
    "negative": (np.arange(300) - 1, "for each of the 300 rows: got -1"),
    "nan": (np.full(300, np.nan), "sample_weight contains NaN"),
    "zero": (np.zeros(300), "sample_weight must not be zero for all rows: got 0"),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
@pytest.mark.parametrize("name", ["sample_weight", "known__sample_weight"])
def test_bad_weights_are_named(data, kind, name):
    weights, message = BAD_WEIGHTS[kind]
    X, y = data
    model = tuned(make_pipeline(FunctionTransformer(expit), Known()))
    with pytest.raises(ValueError, match=message):
        model.fit(X[:, :4], y, **{name: weights})


CLASSIFIERS = {
    "list of arrays": RandomForestClassifier(10, random_state=0),
    "list of arrays of a meta-estimator": MultiOutputClassifier(LogisticRegression()),
    "array": LOGISTIC,
    "decision function only": OneVsRestClassifier(LinearSVC()),
    "pipeline": make_pipeline(
        StandardScaler(), MLPClassifier(max_iter=20, random_state=0)
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", CLASSIFIERS)
def test_any_form_of_scores(data, form):
    X, y = data
    model = tuned(clone(CLASSIFIERS[form])).fit(X, y)
    assert model.predict(X).shape == (300, 4)
    assert set(np.unique(model.predict(X))) == {0, 1}
    assert model.predict(X[:1]).shape == (1, 4)
    if hasattr(model, "predict_proba"):
        assert model.predict_proba(X).shape == (300, 4)
    if hasattr(model, "decision_function"):
        expected = model.estimator_.decision_function(X)
        np.testing.assert_array_equal(model.decision_function(X), expected)
    assert hasattr(model, "predict_proba") == (form != "decision function only")
    assert model.classes_[0].tolist() == [0, 1]
    assert model.label_names_.tolist() == y.columns.tolist()
    assert cross_val_score(model, X, y, scoring="f1_macro", cv=2).min() > 0.2


def test_paths_and_lists_are_passed_on(data):
    _, y = data
    paths = [f"tt{row:03}.jpg" for row in range(300)]

    def features(paths):
        return np.array([[int(path[2:5]) % 7, int(path[2:5]) % 5] for path in paths])

    model = tuned(make_pipeline(FunctionTransformer(features), LOGISTIC)).fit(paths, y)
    assert model.predict(paths[:3]).shape == (3, 4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_one_label_and_a_label_with_one_class(data):
    X, y = data
    single = tuned(LogisticRegression()).fit(X, y[["Drama"]])
    assert single.predict_proba(X).shape == single.predict(X).shape == (300, 1)
    forest = RandomForestClassifier(10, random_state=0)
    model = tuned(forest).fit(X, y.assign(News=0))
    assert (model.predict(X)[:, 3] == 0).all()
    assert (model.predict_proba(X)[:, 3] == 0).all()


def test_names_and_number_of_features(data):
    X, y = data
    frame = pd.DataFrame(X).add_prefix("feature")
    model = tuned(make_pipeline(StandardScaler(), LOGISTIC)).fit(frame, y)
    assert model.n_features_in_ == 6
    assert model.feature_names_in_[0] == "feature0"


def test_cloned_pickled_and_searched(data):
    X, y = data
    search = GridSearchCV(
        tuned(clone(LOGISTIC), at_least_one=True),
        {"estimator__estimator__C": [0.01, 1], "shrinkage": [0, 20]},
        scoring="f1_macro",
        cv=MultilabelStratifiedKFold(2),
    ).fit(X, y)
    model = search.best_estimator_
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.best_thresholds_, model.best_thresholds_)


def test_processes_give_what_one_gives(data):
    one, two = (tuned(n_jobs=n_jobs).fit(*data) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.best_thresholds_, two.best_thresholds_)


def test_a_single_split_may_keep_its_classifier(data):
    X, y = data
    model = tuned(Margins(), cv=0.25, refit=False, random_state=0)
    model.fit(X[:, :4], y)
    assert len(model.estimator_.rows_) == 225
    model.set_params(refit=True).fit(X[:, :4], y)
    assert len(model.estimator_.rows_) == 300


def test_any_splitter_may_score_rows_several_times_or_never(data):
    splits = ShuffleSplit(3, test_size=0.2, random_state=0)
    model = tuned(cv=splits, store_cv_results=True).fit(*data)
    assert len(model.cv_results_["rows"]) == 180


def test_tuning_wins_on_rows_that_nothing_was_tuned_on(data):
    X, y = data
    plain, ours = (
        cross_val_score(model, X, y, scoring="f1_macro", cv=3).mean()
        for model in (LOGISTIC, tuned())
    )
    assert ours > plain + 0.1


def test_the_threshold_of_an_expected_f1_is_half_of_it():
    # Expected F1 of predicting 1, 2 and 3 rows: 2 * .9 / (1 + 1.6), 2 * 1.5 / 3.6 and
    # 2 * 1.6 / 4.6. The second label: 1 / 1.9, 1.6 / 2.9 and 1.8 / 3.9.
    scores = np.array([[0.9, 0.5], [0.6, 0.3], [0.1, 0.1]])
    y = np.array([[1, 0], [0, 1], [0, 0]])
    for scoring in ("expected_f1_macro", "expected_f1_weighted"):
        model = prefit(scores, y, scoring=scoring, shrinkage=200)
        np.testing.assert_allclose(
            model.best_thresholds_, [1.5 / 3.6, 0.8 / 2.9], rtol=1e-12
        )
    assert model.predict(scores).tolist() == [[1, 1], [1, 1], [0, 0]]
    # Both labels have an F1 of 2 / 3.
    assert model.best_score_ == pytest.approx(2 / 3)
    # Of all pairs: 1.8 / 3.5, 3 / 4.5, 4 / 5.5, 4.6 / 6.5 for 1 to 4 of them.
    model = prefit(scores, y, scoring="expected_f1_micro")
    np.testing.assert_allclose(model.best_thresholds_, [2 / 5.5] * 2, rtol=1e-12)


def test_one_threshold_for_the_mean_of_expected_f1():
    scores = np.array([[0.9, 0.5], [0.6, 0.3], [0.1, 0.1]])
    y = np.array([[1, 0], [0, 1], [0, 0]])
    model = prefit(scores, y, scoring="expected_f1_macro", per_label=False)
    # 1.5 / 1.8 + 0.8 / 1.45 with both upper rows is the most.
    np.testing.assert_allclose(model.best_thresholds_, [0.2, 0.2])


def test_an_expected_f1_counts_rows_whose_labels_are_unknown():
    scores = np.array([[0.9, 0.5], [0.6, 0.3], [0.1, 0.1]])
    y = np.array([[1, np.nan], [np.nan, 1], [0, 0]])
    model = prefit(scores, y, scoring="expected_f1_macro")
    np.testing.assert_allclose(model.best_thresholds_, [1.5 / 3.6, 0.8 / 2.9])


def test_calibrated_margins_have_an_expected_f1_and_others_have_none():
    margins, labels, truth = simulated([1.0, 1.0], [0.0, -2.0])
    settings = {"scoring": "expected_f1_macro", "estimator": Margins()}
    with pytest.raises(
        ValueError, match=r"'expected_f1_macro' needs probabilities.*calibration='temp"
    ):
        prefit(margins, labels, **settings)
    model = prefit(margins, labels, calibration="sigmoid", **settings)
    searched = prefit(truth, labels)
    expected = f1_score(labels, searched.predict(truth), average="macro")
    assert model.best_score_ == pytest.approx(expected, abs=0.01)


def simulated(slope, intercept):
    """Margins whose true probabilities are sigmoids of them."""
    generator = np.random.default_rng(0)
    margins = generator.normal(size=(20_000, len(slope))) * 2
    truth = expit(np.multiply(margins, slope) + intercept)
    return margins, (generator.random(truth.shape) < truth).astype(int), truth


def test_sigmoids_are_found():
    margins, labels, truth = simulated([0.5, 2.0, 1.0], [0.0, -2.0, -5.0])
    found = SigmoidCalibration().fit(margins, labels)
    np.testing.assert_allclose(found.slope, [0.5, 2, 1], rtol=0.1)
    np.testing.assert_allclose(found.intercept, [0, -2, -5], atol=0.3)
    assert np.abs(found.transform(margins) - truth).max() < 0.1


def test_sigmoids_never_turn_ranks_around():
    margins, labels, _ = simulated([-1.0], [0.0])
    found = SigmoidCalibration().fit(margins, labels)
    assert found.slope[0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.transform(margins), labels.mean(), atol=0.01)


def test_temperature_is_found_at_any_scale():
    for temperature in (0.01, 0.5, 4.0, 1000.0):
        margins, labels, _ = simulated([0.7, 0.7], [0.0, 0.0])
        found = TemperatureCalibration().fit(margins * temperature, labels)
        assert found.temperature == pytest.approx(temperature / 0.7, rel=0.05)


@pytest.mark.parametrize("calibration", ["sigmoid", "temperature"])
def test_calibrated_probabilities_lose_less(calibration):
    margins, labels, truth = simulated([0.4, 0.4], [0.0, 0.0])
    sure = expit(margins)
    model = prefit(sure, labels, calibration=calibration)

    def loss(p):
        return -np.mean(np.log(np.where(labels == 1, p, 1 - p)))

    # Learned from the rows themselves, they may be a little better than the truth.
    assert loss(model.predict_proba(sure)) == pytest.approx(loss(truth), abs=0.001)
    assert loss(sure) > loss(truth) + 0.05
    assert model.calibration_ is not None
    plain = prefit(sure, labels)
    np.testing.assert_array_equal(model.predict(sure), plain.predict(sure))
    by_margins = prefit(margins, labels, Margins(), calibration=calibration)
    probabilities = by_margins.predict_proba(margins)
    np.testing.assert_allclose(probabilities, model.predict_proba(sure), atol=1e-3)
    np.testing.assert_array_equal(by_margins.decision_function(margins), margins)


def test_chosen_method_gives_the_scores(data):
    X, y = data
    by_margins = tuned(response_method="decision_function", shrinkage=0).fit(X, y)
    by_probabilities = tuned(shrinkage=0).fit(X, y)
    np.testing.assert_array_equal(by_margins.predict(X), by_probabilities.predict(X))
    assert (by_margins.best_thresholds_ < 0).any()


def test_a_missing_method_is_reported(data):
    X, y = data
    with pytest.raises(ValueError, match="'decision_function' needs an estimator with"):
        tuned(Known(), response_method="decision_function").fit(X[:, :4], y)


def test_scores_of_other_labels_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="each of the 4 labels of y: got 6 columns"):
        tuned(Known()).fit(X, y)


def test_scores_that_are_nan_are_refused(data):
    X, y = data
    X = np.where(np.arange(300)[:, np.newaxis] == 7, np.nan, X)
    with pytest.raises(ValueError, match="must not hold nan or infinity"):
        tuned(Known()).fit(X[:, :4], y)


def test_leave_one_out_learns_from_the_scores_of_all_rows(data):
    X, y = data
    scores, y = expit(X[:60, :4]), y[:60]
    alone = tuned(Known(), cv=LeaveOneOut(), shrinkage=0).fit(scores, y)
    together = prefit(scores, y)
    np.testing.assert_array_equal(alone.best_thresholds_, together.best_thresholds_)


def test_tiny_folds_without_a_difference_are_named(data):
    _, y = data
    scores = np.repeat(np.linspace(0, 1, 30), 2)[:, np.newaxis] * np.ones(4)
    message = (
        "same scores within its fold, .* set cv to fewer folds than 30: they have 2 row"
    )
    with pytest.raises(ValueError, match=message):
        tuned(Known(), cv=KFold(30)).fit(scores, y[:60])


def test_constant_scores_are_refused(data):
    with pytest.raises(ValueError, match="every row the same scores"):
        tuned(DummyClassifier()).fit(*data)


@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "neg_log_loss"])
def test_scoring_of_probabilities_is_refused(data, scoring):
    with pytest.raises(
        ValueError, match=f"must be a metric of predicted labels.*{scoring}"
    ):
        tuned(scoring=scoring).fit(*data)


def test_cv_and_refit_must_go_together(data):
    X, y = data
    with pytest.raises(ValueError, match="set refit=False with it"):
        tuned(cv="prefit").fit(X, y)
    with pytest.raises(ValueError, match=r"needs a single split.*cv has 5"):
        tuned(refit=False).fit(X, y)
    with pytest.raises(NotFittedError):
        tuned(cv="prefit", refit=False).fit(X, y)


def test_targets_of_one_dimension_are_refused(data):
    X, y = data
    with pytest.raises(ValueError, match=r"1 dimensions.*TunedThresholdClassifierCV"):
        tuned().fit(X, y["Drama"])


@pytest.mark.parametrize("thresholds", [[], [0.5, np.nan]])
def test_thresholds_that_are_none_are_refused(data, thresholds):
    with pytest.raises(ValueError, match="thresholds must be finite numbers, one at l"):
        tuned(thresholds=thresholds).fit(*data)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("shrinkage", -1),
        ("calibration", "isotonic"),
        ("cv", "folds"),
        ("scoring", "f1_mikro"),
        ("thresholds", 0),
    ],
)
def test_parameters_are_checked(data, parameter, value):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter"):
        tuned(**{parameter: value}).fit(*data)


def test_not_fitted(data):
    with pytest.raises(NotFittedError):
        tuned().predict(data[0])


def test_a_scorer_that_asks_for_more_than_predictions_is_reported():
    def scorer(estimator, X, y):
        return estimator.decision_function(X)

    with pytest.raises(
        ValueError, match=r"must be a metric of predicted labels.*'mine'"
    ):
        make_objective(scorer, "mine")([[1]], [[1]])


def test_a_label_whose_calibration_tells_nothing_keeps_the_usual_threshold():
    # More score, fewer positives: Platt's sigmoid of a label may not fall, so its slope
    # is zero, and all rows get its frequency.
    generator = np.random.default_rng(0)
    scores = generator.random((400, 2))
    y = (scores + generator.normal(0, 0.1, scores.shape) > 0.5).astype(int)
    y[:, 1] = 1 - y[:, 1]
    model = prefit(scores, y, calibration="sigmoid")
    assert np.ptp(model.predict_proba(scores)[:, 1]) == 0
    assert model.best_thresholds_[1] == 0.5

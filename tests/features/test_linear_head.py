"""The linear head of the recipes: scikit-learn's results, all labels at once."""

import warnings

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from scipy.sparse import csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters._features._linear_head import OneVsRestHead


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8)).astype(np.float32)
    return X, (X[:, :3] + rng.normal(size=(60, 3)) > 0).astype(int)


def fit_alone(X, y, weights=None, **params):
    """Fit one label by scikit-learn, nearly to the minimum."""
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-9, **params)
    return exact.fit(np.asarray(X, dtype=float), y, weights)


class Counting(LogisticRegression):
    """Notes how many threads BLAS has while it learns."""

    seen = []

    def fit(self, X, y, sample_weight=None):
        blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
        type(self).seen.append({each["num_threads"] for each in blas.info()})
        return super().fit(X, y, sample_weight)


def test_it_learns_on_one_thread_and_gives_the_others_back(rows, monkeypatch):
    monkeypatch.setattr(Counting, "seen", [])
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threadpoolctl.threadpool_info()
        OneVsRestHead(Counting()).fit(*rows)
        assert threadpoolctl.threadpool_info() == before
    assert Counting.seen == [{1}] * 3


def test_predictions_are_those_of_scikit_learn(rows):
    ours = OneVsRestHead(LogisticRegression(tol=1e-6)).fit(*rows)
    theirs = OneVsRestClassifier(LogisticRegression(tol=1e-9, max_iter=10_000))
    theirs.fit(rows[0].astype(float), rows[1])
    np.testing.assert_allclose(
        ours.predict_proba(rows[0]), theirs.predict_proba(rows[0]), atol=1e-5
    )
    assert repr(clone(ours)) == "OneVsRestHead(estimator=LogisticRegression(tol=1e-06))"


def test_sample_weights_are_routed(rows):
    X, y = rows
    weights = np.arange(len(X)) % 2
    with config_context(enable_metadata_routing=True):
        request = LogisticRegression().set_fit_request(sample_weight=True)
        weighted = OneVsRestHead(request).fit(X, y, sample_weight=weights)
        alone = OneVsRestHead(LogisticRegression()).fit(X[1::2], y[1::2])
    np.testing.assert_allclose(
        weighted.predict_proba(X), alone.predict_proba(X), atol=1e-3
    )


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())],
    ids=["plain", "pipeline"],
)
@pytest.mark.parametrize("target", ["labels", "unknown", "classes"])
def test_a_weight_counts_as_that_many_rows(rows, unknown, estimator, target):
    X, y = rows
    targets = {"labels": y, "unknown": unknown[1].to_numpy(), "classes": y.sum(axis=1)}
    y = targets[target]
    weights = np.arange(len(X)) % 3
    repeated = np.repeat(np.arange(len(X)), weights)
    weighted = OneVsRestHead(estimator).fit(X, y, weights)
    alone = OneVsRestHead(estimator).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(
        weighted.predict_proba(X), alone.predict_proba(X), atol=1e-3
    )
    assert (weighted.predict(X) == alone.predict(X)).all()


def test_a_label_without_weights_is_constant(rows):
    X, y = rows
    weights = (y[:, 0] == 0).astype(float)
    with pytest.warns(UserWarning, match="Label not 0 is present in all training"):
        head = OneVsRestHead(LogisticRegression()).fit(X, y, weights)
    assert (head.predict_proba(X)[:, 0] == 0).all()


def test_weights_are_requested_for_the_classifiers(rows):
    X, y = rows
    weights = np.arange(len(X)) % 3
    with config_context(enable_metadata_routing=True):
        head = OneVsRestHead(LogisticRegression()).set_fit_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), head)
        pipe.fit(X, y, sample_weight=weights)
        assert head.estimator.get_metadata_routing().fit.requests == {
            "sample_weight": True
        }
    parts = {"standardscaler__sample_weight": weights}
    named = clone(pipe).fit(X, y, onevsresthead__sample_weight=weights, **parts)
    np.testing.assert_array_equal(named.predict_proba(X), pipe.predict_proba(X))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"sample_weight must hold .* each of the 60 rows: got shape \(2,\)"),
        (2.0, r"each of the 60 rows: got 2\.0"),
        (np.full(60, -1.0), "sample_weight must hold a number >= 0 .*: got -1"),
        (np.full(60, np.nan), "Input sample_weight contains NaN"),
        (
            np.zeros(60),
            "sample_weight must not be zero for all rows: got 0 for each",
        ),
    ],
)
def test_bad_weights_are_named(rows, weights, message):
    with pytest.raises(ValueError, match=message):
        OneVsRestHead(LogisticRegression()).fit(*rows, weights)


def test_classifiers_that_take_no_weights_are_named(rows):
    message = "sample_weight is not taken by the fit of KNeighborsClassifier. Leave"
    with pytest.raises(ValueError, match=message):
        OneVsRestHead(KNeighborsClassifier()).fit(*rows, np.ones(60))


@pytest.fixture
def unknown(rows):
    """Labels of which a third is unknown."""
    X, y = rows
    y = pd.DataFrame(y, columns=["Drama", "Comedy", "News"], dtype=float)
    return X, y.mask(np.random.default_rng(1).random(y.shape) < 1 / 3)


def test_each_label_is_fitted_on_the_rows_that_know_it(unknown):
    X, y = unknown
    head = OneVsRestHead(LogisticRegression(tol=1e-6)).fit(X, y)
    for name, fitted in zip(y, head.estimators_, strict=True):
        rows = y[name].notna().to_numpy()
        alone = fit_alone(X[rows], y.loc[rows, name])
        np.testing.assert_allclose(fitted.coef_, alone.coef_, atol=1e-5)
        np.testing.assert_allclose(fitted.intercept_, alone.intercept_, atol=1e-5)
    assert head.multilabel_
    assert head.predict(X).shape == y.shape
    assert head.n_features_in_ == 8


def test_labels_of_every_form_are_fitted_to_the_same_bits(rows):
    X, y = rows
    expected = OneVsRestHead(LogisticRegression()).fit(X, y).predict_proba(X)
    forms = [y.astype(float), y.astype(object), y.tolist(), y.astype(bool)]
    for form in [*forms, pd.DataFrame(y), csr_matrix(y)]:
        ours = OneVsRestHead(LogisticRegression()).fit(X, form)
        np.testing.assert_array_equal(ours.predict_proba(X), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "params",
    [{}, {"C": 100.0}, {"fit_intercept": False}, {"class_weight": "balanced"}],
    ids=str,
)
@pytest.mark.parametrize("n_features", [8, 90], ids="{} features".format)
def test_labels_fitted_at_once_are_those_fitted_alone(params, dtype, n_features, rows):
    y = rows[1]
    X = np.random.default_rng(1).normal(3, 1, size=(len(y), n_features)).astype(dtype)
    X[:, :8] = rows[0]
    # Features that outnumber rows separate any labels, and little holds the slopes.
    atol = 1e-4 if n_features > len(X) and dtype is np.float32 else 2e-5
    weights = np.arange(len(X)) % 3
    head = OneVsRestHead(LogisticRegression(tol=1e-7, **params))
    head.fit(X, y, sample_weight=weights)
    for column, fitted in zip(y.T, head.estimators_, strict=True):
        alone = fit_alone(X, column, weights, **params)
        expected = alone.predict_proba(X)
        np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=atol)
        assert fitted.coef_.dtype == dtype
        assert fitted.n_iter_[0] < 15


def test_features_far_from_zero_are_fitted_as_well():
    rng = np.random.default_rng(0)
    X = rng.normal(100, 1, size=(80, 3))
    y = (X[:, :2] + rng.normal(size=(80, 2)) > 100.5).astype(int)
    head = OneVsRestHead(LogisticRegression(tol=1e-8)).fit(X, y)
    # To shift features changes nothing but the intercepts, which are not regularised.
    alone = fit_alone(X - 100, y[:, 0])
    found = head.predict_proba(X)[:, 0]
    np.testing.assert_allclose(found, alone.predict_proba(X - 100)[:, 1], atol=1e-5)


def test_features_far_from_zero_that_outnumber_rows_are_fitted_as_well():
    rng = np.random.default_rng(0)
    X = rng.normal(100, 1, size=(80, 300)).astype(np.float32)
    y = (X[:, :2] + rng.normal(size=(80, 2)) > 100.5).astype(int)
    head = OneVsRestHead(LogisticRegression(C=0.01, tol=1e-6)).fit(X, y)
    alone = fit_alone(X - 100, y[:, 0], C=0.01)
    found = head.predict_proba(X)[:, 0]
    np.testing.assert_allclose(found, alone.predict_proba(X - 100)[:, 1], atol=2e-5)


@pytest.mark.parametrize("n_features", [8, 90], ids="{} features".format)
def test_many_labels_are_fitted_in_threads_to_the_same_bits(n_features, rows):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(len(rows[0]), n_features)).astype(np.float32)
    y = (np.random.default_rng(0).random((len(X), 40)) < 0.5).astype(int)
    precise = LogisticRegression(tol=1e-6)
    one, two = (
        OneVsRestHead(precise, n_jobs=n_jobs).fit(X, y).predict_proba(X)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, two)
    expected = fit_alone(X, y[:, 39]).predict_proba(X)[:, 1]
    np.testing.assert_allclose(one[:, 39], expected, atol=1e-5)


def test_one_far_row_does_not_end_the_search_for_the_minimum(rows):
    X = np.vstack([rows[0], np.full((1, 8), 1e6)])
    y = np.vstack([rows[1], np.ones((1, 3), dtype=int)])
    found = OneVsRestHead(LogisticRegression()).fit(X, y).predict_proba(X)
    expected = [fit_alone(X, column).predict_proba(X)[:, 1] for column in y.T]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-3)


def test_numbers_that_become_too_large_are_warned_about(rows):
    X, y = rows[0].astype(float) * 1e200, rows[1]
    head = OneVsRestHead(LogisticRegression())
    with pytest.warns(ConvergenceWarning, match="too large: standardise the features"):
        head.fit(X, y)


def test_masked_labels_are_refused(rows):
    X, y = rows
    masked = np.ma.masked_array(y, mask=y * 0)
    assert OneVsRestHead(LogisticRegression()).fit(X, masked).multilabel_
    masked[2:5, 1] = np.ma.masked
    with pytest.raises(ValueError, match="y has 3 masked values, and masks are not"):
        OneVsRestHead(LogisticRegression()).fit(X, masked)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(C=np.inf, max_iter=500),
        LogisticRegression(C=1e40, max_iter=500),
        LogisticRegression(solver="liblinear"),
        LogisticRegression(class_weight={0: 1, 1: 3}),
        LogisticRegression(solver="saga", l1_ratio=1.0, max_iter=5000),
    ],
    ids=str,
)
def test_other_logistic_regressions_are_left_to_scikit_learn(estimator, rows):
    X, y = rows
    ours = OneVsRestHead(estimator.set_params(random_state=0)).fit(X, y)
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        theirs = OneVsRestClassifier(estimator).fit(X, y)
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_bad_parameters_and_features_are_refused_as_by_scikit_learn(rows):
    X, y = rows
    with pytest.raises(ValueError, match="'C' parameter of LogisticRegression must be"):
        OneVsRestHead(LogisticRegression(C=-1)).fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        OneVsRestHead(LogisticRegression()).fit(np.where(X > 1, np.nan, X), y)


def test_weights_of_known_rows_are_routed(unknown):
    X, y = unknown
    weights = np.arange(len(X)) % 3
    with config_context(enable_metadata_routing=True):
        request = LogisticRegression(tol=1e-6).set_fit_request(sample_weight=True)
        head = OneVsRestHead(request).fit(X, y, sample_weight=weights)
    rows = y["News"].notna().to_numpy()
    alone = fit_alone(X[rows], y.loc[rows, "News"], weights[rows])
    np.testing.assert_allclose(head.estimators_[2].coef_, alone.coef_, atol=1e-5)


def test_a_label_known_in_no_row_is_refused(unknown):
    X, y = unknown
    message = "known in one row or more: y is nan in all 60 rows for 'News'. Fill in"
    with pytest.raises(ValueError, match=message):
        OneVsRestHead(LogisticRegression()).fit(X, y.assign(News=np.nan))


def test_a_label_known_as_one_value_is_constant(unknown):
    X, y = unknown
    y = y.assign(News=y["News"].where(y["News"] == 1))
    with pytest.warns(UserWarning, match="Label 'News' is present in all training"):
        head = OneVsRestHead(LogisticRegression()).fit(X, y)
    assert (head.predict_proba(X)[:, 2] == 1).all()


def test_score_is_of_known_pairs(unknown):
    X, y = unknown
    head = OneVsRestHead(LogisticRegression()).fit(X, y)
    y.iloc[3] = np.nan
    right = (head.predict(X) == y) | y.isna()
    rows = y.notna().any(axis=1)
    assert head.score(X, y) == pytest.approx(right[rows].all(axis=1).mean())
    assert 0 < head.score(X, y) < 1
    full = y.fillna(0)
    assert head.score(X, full) == (head.predict(X) == full).all(axis=1).mean()
    assert np.isnan(head.score(X[:1], [[np.nan] * 3]))


def test_names_are_learned_and_columns_in_another_order_refused(unknown):
    X, y = unknown
    head = OneVsRestHead(LogisticRegression()).fit(X, y)
    assert head.label_names_.tolist() == ["Drama", "Comedy", "News"]
    message = "The columns of the estimator and y must be the same labels in the same"
    with pytest.raises(ValueError, match=message):
        head.score(X, y[["News", "Comedy", "Drama"]])
    assert not hasattr(head.fit(X, y.to_numpy()), "label_names_")


@pytest.mark.parametrize("low", [-1, -1.0])
def test_minus_one_and_one_are_refused_with_the_way(rows, low):
    X, y = rows
    message = r"got -1(\.0)? in row .* use \(y > 0\).astype\(int\); where it means"
    with pytest.raises(ValueError, match=message):
        OneVsRestHead(LogisticRegression()).fit(X, np.where(y == 1, 1, low))


def test_classes_are_fitted_as_by_scikit_learn(rows):
    X, y = rows
    classes = np.array(["Drama", "Comedy", "Film Noir"])[y[:, 0] + y[:, 1]]
    ours = OneVsRestHead(LogisticRegression()).fit(X, classes)
    theirs = OneVsRestClassifier(LogisticRegression()).fit(X, classes)
    assert ours.score(X, classes) == theirs.score(X, classes)


def test_one_label_may_be_unknown_in_some_rows(unknown):
    X, y = unknown
    for column in (y[["Drama"]], y[["Drama"]].to_numpy()):
        head = OneVsRestHead(LogisticRegression(tol=1e-6)).fit(X, column)
        rows = y["Drama"].notna().to_numpy()
        alone = fit_alone(X[rows], y.loc[rows, "Drama"])
        np.testing.assert_allclose(
            head.predict_proba(X), alone.predict_proba(X), atol=1e-5
        )
        assert head.score(X, column) == alone.score(X[rows], y.loc[rows, "Drama"])


NAMES = ["Drama", "Comedy", "News"]


def test_names_are_those_of_the_columns(rows):
    X, y = rows
    head = OneVsRestHead(LogisticRegression())
    assert head.fit(X, pd.DataFrame(y, columns=NAMES)).label_names_.tolist() == NAMES
    assert not hasattr(head.fit(X, y), "label_names_")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "Label not 'News' is present in all .*: no row has it, so it is never pre"),
        (1, "Label 'News' is present in all .*: all have it, so it is always predic"),
    ],
)
def test_a_constant_label_is_warned_about_by_name(rows, value, message):
    X, y = rows
    frame = pd.DataFrame(y, columns=NAMES).assign(News=value)
    with pytest.warns(UserWarning, match=message) as caught:
        OneVsRestHead(LogisticRegression()).fit(X, frame)
    assert len(caught) == 1


def test_labels_that_do_not_converge_are_named_in_one_warning(rows):
    X, y = rows
    frame = pd.DataFrame(y, columns=NAMES)
    limit = LogisticRegression(max_iter=1)
    message = r"3 of 3 labels did not converge: 'Drama', 'Comedy', 'News'\. Logistic"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        OneVsRestHead(limit).fit(X, frame)
    assert len(caught) == 1
    with pytest.warns(ConvergenceWarning, match="3 of 3 labels .*: 0, 1, 2"):
        OneVsRestHead(limit).fit(X, y)


def test_other_warnings_and_classes_are_as_of_scikit_learn(rows):
    X, y = rows

    class Talking(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            warnings.warn("something else", stacklevel=1)
            return super().fit(X, y, sample_weight)

    with pytest.warns(UserWarning, match="^something else$") as caught:
        OneVsRestHead(Talking()).fit(X, y.sum(axis=1))
    assert len(caught) == 4

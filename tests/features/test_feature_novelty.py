"""Novelty of features: the distance, its calibration, and rows that are odd."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from sk_posters import FeatureNovelty
from sk_posters._features import _novelty


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([FeatureNovelty()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_the_checks_run():
    assert len(list(estimator_checks_generator(FeatureNovelty()))) >= 45


def draw_features(n, seed=0):
    """Features as of a network: not negative, around one direction."""
    random = np.random.default_rng(seed)
    return (np.linspace(0, 2, 40) + random.normal(size=(n, 40))).clip(0)


def measure_by_hand(row, others):
    direction = (others / np.linalg.norm(others, axis=1, keepdims=True)).mean(axis=0)
    return 1 - row @ direction / np.linalg.norm(row) / np.linalg.norm(direction)


def test_distances_are_those_from_the_mean_direction_of_all_other_rows():
    X = draw_features(9)
    expected = [measure_by_hand(X[i], np.delete(X, i, axis=0)) for i in range(9)]
    step = FeatureNovelty().fit(X)
    np.testing.assert_allclose(step.distances_, np.sort(expected), atol=1e-5)


def test_novelty_is_the_share_of_training_rows_that_are_nearer():
    X, new = draw_features(19), draw_features(30, seed=1)
    step = FeatureNovelty().fit(X)
    distances = [measure_by_hand(row, X) for row in new]
    n_nearer = [(step.distances_ < distance).sum() for distance in distances]
    np.testing.assert_allclose(step.novelty(new), np.divide(n_nearer, 20))


def test_near_0_is_usual_and_near_1_is_novel():
    step = FeatureNovelty().fit(draw_features(99))
    usual = np.linspace(0, 2, 40)[None]
    assert step.novelty(np.vstack([usual, usual[:, ::-1]])).tolist() == [0, 0.99]


def test_novelty_of_new_rows_of_the_same_kind_is_uniform():
    novelty = FeatureNovelty().fit(draw_features(2000)).novelty(draw_features(4000, 1))
    shares = [(novelty > level).mean() for level in (0.05, 0.5, 0.95)]
    # Three standard deviations, of 2000 rows and of 4000.
    deviations = [3 * np.sqrt(q * (1 - q) * (1 / 2000 + 1 / 4000)) for q in (0.05, 0.5)]
    assert shares[0] == pytest.approx(0.95, abs=deviations[0])
    assert shares[1] == pytest.approx(0.5, abs=deviations[1])
    assert shares[2] == pytest.approx(0.05, abs=deviations[0])


def test_features_pass_unchanged():
    X = draw_features(5).astype(np.float32)
    step = FeatureNovelty()
    assert np.shares_memory(step.fit_transform(X), X)
    assert step.get_feature_names_out(["a"] * 40).tolist() == ["a"] * 40


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_brightness_of_features_does_not_count(factor):
    X, new = draw_features(40), draw_features(9, seed=1)
    step = FeatureNovelty().fit(X)
    np.testing.assert_array_equal(step.novelty(factor * new), step.novelty(new))


def test_single_precision_gives_the_same_novelty():
    X, new = draw_features(200), draw_features(50, seed=1)
    double = FeatureNovelty().fit(X).novelty(new)
    step = FeatureNovelty().fit(X.astype(np.float32))
    assert step.direction_.dtype == np.float32
    np.testing.assert_allclose(step.novelty(new.astype(np.float32)), double, atol=0.006)


def test_equal_fits_are_equal_to_the_last_bit():
    X = draw_features(60)
    first, second = FeatureNovelty().fit(X), FeatureNovelty().fit(X.copy())
    np.testing.assert_array_equal(first.distances_, second.distances_)
    np.testing.assert_array_equal(first.direction_, second.direction_)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows_are_never_surely_novel(n):
    novelty = FeatureNovelty().fit(draw_features(n)).novelty(draw_features(50, seed=1))
    assert np.isfinite(novelty).all()
    assert novelty.max() <= n / (n + 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rows_are_equally_far(dtype):
    X = np.full((30, 7), 0.3, dtype=dtype)
    assert FeatureNovelty().fit(X).novelty(X[:2]).tolist() == [0, 0]


def test_rows_of_zeros_have_no_direction_and_are_far():
    X = draw_features(39)
    X[0] = 0
    step = FeatureNovelty().fit(X)
    assert step.distances_[-1] == 1
    assert step.novelty(np.zeros((1, 40))).tolist() == [38 / 40]
    assert FeatureNovelty().fit(np.zeros((3, 4))).novelty(np.ones((1, 4))) == 0


def test_of_many_rows_some_distances_are_kept(monkeypatch):
    X, new = draw_features(1001), draw_features(50, seed=1)
    every = FeatureNovelty().fit(X)
    monkeypatch.setattr(_novelty, "MAX_DISTANCES", 101)
    some = FeatureNovelty().fit(X)
    np.testing.assert_array_equal(some.distances_, every.distances_[::10])
    np.testing.assert_allclose(some.novelty(new), every.novelty(new), atol=0.02)


def test_features_are_checked():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        FeatureNovelty().novelty([[1.0]])
    with pytest.raises(ValueError, match="contains NaN"):
        FeatureNovelty().fit([[np.nan]])
    with pytest.raises(ValueError, match=r"has 1 features, but .* expecting 40"):
        FeatureNovelty().fit(draw_features(3)).novelty([[1.0]])

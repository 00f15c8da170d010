"""The linear head of the recipes: scikit-learn's own, on one BLAS thread."""

import numpy as np
import pytest
import threadpoolctl
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sk_posters._features._linear_head import OneVsRestHead


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 8)).astype(np.float32)
    return X, (X[:, :3] + rng.normal(size=(60, 3)) > 0).astype(int)


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
    ours = OneVsRestHead(LogisticRegression()).fit(*rows)
    theirs = OneVsRestClassifier(LogisticRegression()).fit(*rows)
    np.testing.assert_allclose(
        ours.predict_proba(rows[0]), theirs.predict_proba(rows[0]), rtol=1e-5
    )
    assert repr(clone(ours)) == "OneVsRestHead(estimator=LogisticRegression())"


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

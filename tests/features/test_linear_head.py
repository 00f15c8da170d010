"""The linear head of the recipes: scikit-learn's own, on one BLAS thread."""

import warnings

import numpy as np
import pandas as pd
import pytest
import threadpoolctl
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
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
    message = r"3 of 3 labels did not converge: 'Drama', 'Comedy', 'News'\. lbfgs fail"
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

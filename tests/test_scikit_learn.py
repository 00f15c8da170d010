"""What scikit-learn does with an estimator, it does with those of this package.

Each consumer gets the estimators of this package and one of scikit-learn's own in the
same place: whatever works with that one works with ours.
"""

import pickle
from functools import cache

import joblib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    OneVsRestHead,
    PosterClassifier,
)

RANDOM = np.random.default_rng(0)
X = RANDOM.random((24, 5), dtype=np.float32)
Y = (np.arange(24)[:, np.newaxis] % [2, 3, 4] == 0).astype(int)

HEAD = OneVsRestHead(LogisticRegression())
OURS = {
    "head": HEAD,
    "tuned": MultilabelTunedThresholdClassifierCV(HEAD, cv=2),
    "searched": GridSearchCV(HEAD, {"estimator__C": [0.1, 1]}, cv=2),
    "piped": make_pipeline(StandardScaler(), HEAD),
    "cnn": PosterClassifier(
        filters=(), dense_units=(4,), dropout=0.0, epochs=1, random_state=0
    ),
}
PEERS = {
    "MLPClassifier": MLPClassifier((4,), max_iter=2, random_state=0),
    # Some take one label, which what is for several refuses; and scorers need
    # `classes_` of a form that has no partial dependence.
    "several labels": MultiOutputClassifier(LogisticRegression()),
    "neighbors": KNeighborsClassifier(),
}
REFUSALS = (AttributeError, NotImplementedError, ValueError)

ONE_LABEL = ("ClassifierChain", "MultiOutputClassifier", "OneVsRestClassifier")
SCORERS = {"macro": "f1_macro", "auc": "roc_auc", "subsets": "accuracy"}


def predict_folds(method):
    return lambda model: cross_val_predict(model, X, Y, cv=2, method=method)


def stack(model):
    stacked = StackingClassifier([("a", model), ("b", HEAD)], HEAD, cv=2)
    return stacked.fit(X, Y).predict(X)


def find_parameter(model):
    """Return a parameter that all have, those of steps by their long names."""
    return max((n for n in model.get_params() if n.endswith("verbose")), key=len)


def search(kind):
    def run(model):
        grid = {find_parameter(model): [0, 0]}
        searcher = kind(model, grid, cv=2, scoring="f1_macro")
        return searcher.fit(X, Y).predict(X)

    return run


def validate_over_a_parameter(model):
    name = find_parameter(model)
    curve = validation_curve(
        model, X, Y, param_name=name, param_range=[0], cv=2, scoring="f1_macro"
    )
    return curve[1]


def route_weights(model):
    with config_context(enable_metadata_routing=True):
        weighted = clone(model)
        for part in [weighted, *weighted.get_params().values()]:
            if has_fit_parameter(part, "sample_weight"):
                part.set_fit_request(sample_weight=True)
            if hasattr(part, "set_score_request"):
                part.set_score_request(sample_weight=False)
        scorer = make_scorer(f1_score, average="macro")
        scores = cross_validate(
            *(weighted, X, Y),
            params={"sample_weight": np.ones(len(X))},
            cv=2,
            scoring=scorer.set_score_request(sample_weight=False),
        )
    return scores["test_score"]


def fit_copies(model):
    fitted = clone(model).fit(X, Y)
    expected = fitted.predict_proba(X)
    return np.array(
        [
            np.array_equal(copy.predict_proba(X), expected)
            for copy in (pickle.loads(pickle.dumps(fitted)), clone(model).fit(X, Y))
        ]
    )


def on_one_label(kind):
    return lambda model: kind(model).fit(X, Y[:, 0]).predict_proba(X)


CONSUMERS = {
    "cross_val_predict predict": predict_folds("predict"),
    "cross_val_predict predict_proba": predict_folds("predict_proba"),
    "cross_val_predict predict_log_proba": predict_folds("predict_log_proba"),
    "cross_val_predict decision_function": predict_folds("decision_function"),
    "cross_validate, three scorers": lambda model: cross_validate(
        model, X, Y, cv=2, scoring=SCORERS
    )["test_auc"],
    "GridSearchCV": search(GridSearchCV),
    "HalvingGridSearchCV": search(HalvingGridSearchCV),
    "StackingClassifier": stack,
    "VotingClassifier": lambda model: (
        VotingClassifier([("a", model)], voting="soft").fit(X, Y).predict(X)
    ),
    "BaggingClassifier": lambda model: (
        BaggingClassifier(model, n_estimators=2).fit(X, Y).predict(X)
    ),
    "CalibratedClassifierCV": lambda model: (
        CalibratedClassifierCV(model, cv=2).fit(X, Y).predict_proba(X)
    ),
    "CalibratedClassifierCV, one label": on_one_label(
        lambda model: CalibratedClassifierCV(model, cv=2)
    ),
    "TunedThresholdClassifierCV, one label": on_one_label(
        lambda model: TunedThresholdClassifierCV(model, cv=2)
    ),
    "BaggingClassifier, one label": on_one_label(
        lambda model: BaggingClassifier(model, n_estimators=2)
    ),
    "VotingClassifier, one label": on_one_label(
        lambda model: VotingClassifier([("a", model)], voting="soft")
    ),
    "StackingClassifier, one label": on_one_label(
        lambda model: StackingClassifier([("a", model)], cv=2)
    ),
    "ClassifierChain": lambda model: ClassifierChain(model).fit(X, Y).predict(X),
    "MultiOutputClassifier": lambda model: (
        MultiOutputClassifier(model).fit(X, Y).predict(X)
    ),
    "OneVsRestClassifier": lambda model: (
        OneVsRestClassifier(model).fit(X, Y).predict_proba(X)
    ),
    "FrozenEstimator": lambda model: (
        FrozenEstimator(clone(model).fit(X, Y)).fit(X, Y).predict_proba(X)
    ),
    "permutation_importance": lambda model: (
        permutation_importance(
            clone(model).fit(X, Y), X, Y, scoring="f1_macro", n_repeats=1
        ).importances_mean
    ),
    "partial_dependence": lambda model: partial_dependence(
        clone(model).fit(X, Y), X, [0], grid_resolution=3
    )["average"],
    "learning_curve": lambda model: learning_curve(
        model, X, Y, cv=2, train_sizes=[0.7, 1.0], scoring="f1_macro"
    )[2],
    "validation_curve": validate_over_a_parameter,
    "metadata routing": route_weights,
    "clone and pickle": fit_copies,
    "joblib": lambda model: np.concatenate(
        joblib.Parallel(2, prefer="threads")(
            joblib.delayed(lambda: clone(model).fit(X, Y).predict_proba(X))()
            for _ in range(2)
        )
    ),
}


def try_out(consumer, model):
    """Return the result, or the error in its place."""
    try:
        return np.asarray(consumer(model))
    except Exception as error:
        return error


@cache
def try_out_peer(consumer, kind):
    """Return what a consumer does with an estimator of scikit-learn."""
    return try_out(CONSUMERS[consumer], PEERS[kind])


def find_peer(estimator, consumer):
    """Return the estimator of scikit-learn that takes the same targets."""
    if estimator == "tuned" and (consumer in ONE_LABEL or "one label" in consumer):
        return "several labels"
    if estimator in ("tuned", "cnn") and consumer == "partial_dependence":
        return "neighbors"
    return "MLPClassifier"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("estimator", OURS)
def test_what_works_with_scikit_learns_own_works_with_ours(estimator, consumer):
    peer = try_out_peer(consumer, find_peer(estimator, consumer))
    ours = try_out(CONSUMERS[consumer], OURS[estimator])
    if isinstance(peer, Exception):
        # What scikit-learn refuses, ours may do; or it is refused as well.
        assert not isinstance(ours, Exception) or type(ours) in REFUSALS
        return
    if isinstance(ours, Exception):
        raise ours
    assert ours.shape == peer.shape
    assert np.isfinite(ours[ours > -np.inf]).all()
    if consumer == "clone and pickle":
        assert ours.all()

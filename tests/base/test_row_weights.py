"""Weights of rows reach the steps that take them."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters._base._row_weights import check_fit_weights, pass_on_weights

SCALED = Pipeline([("scaler", StandardScaler()), ("pca", PCA())])
PIPE = Pipeline([("none", "passthrough"), ("inner", SCALED), ("head", GaussianNB())])


@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (GaussianNB(), ["sample_weight"]),
        (PIPE, ["inner__scaler__sample_weight", "head__sample_weight"]),
        (
            GridSearchCV(PIPE, {}),
            ["inner__scaler__sample_weight", "head__sample_weight"],
        ),
        (
            Pipeline([("union", FeatureUnion([("a", PCA())])), ("head", GaussianNB())]),
            ["head__sample_weight"],
        ),
        (OneVsRestClassifier(GaussianNB()), ["sample_weight"]),
    ],
    ids=["classifier", "pipeline", "search", "union", "any parameter"],
)
def test_weights_are_named_by_steps(estimator, names):
    assert list(pass_on_weights([1, 2], estimator)) == names
    assert pass_on_weights(None, estimator) == {}


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        Pipeline([("scaler", StandardScaler()), ("head", KNeighborsClassifier())]),
        GridSearchCV(Pipeline([("head", KNeighborsClassifier())]), {}),
    ],
)
def test_weights_that_nothing_takes_are_refused(estimator):
    message = "sample_weight is not taken by the fit of KNeighborsClassifier. Leave"
    with pytest.raises(ValueError, match=message):
        pass_on_weights([1, 2], estimator)


def test_a_weight_above_zero_is_needed():
    np.testing.assert_array_equal(check_fit_weights([0, 2], 2), [0, 2])
    with pytest.raises(ValueError, match="must not be zero for all rows: got 0"):
        check_fit_weights([0, 0], 2)

"""scikit-learn's own checks, for every estimator, with what is expected to fail."""

import keras
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)

from sk_posters import (
    MultilabelTunedThresholdClassifierCV,
    OneVsRestHead,
    PosterClassifier,
    PosterEncoder,
    PosterImageLoader,
)

# A network that learns the blobs of the checks in little time: without averages of
# batch statistics, which need many steps.
CLASSIFIER = PosterClassifier(
    filters=(4,),
    dense_units=(),
    batch_norm=False,
    dropout=0.0,
    epochs=5,
    learning_rate=0.05,
    random_state=0,
)

# As in scikit-learn's own table: parameters without which a check asks too much.
# A repeated row must not open a new batch.
ONE_BATCH = {"batch_size": 64}
# Where batch statistics at prediction time would show.
NORMALISED = {"batch_norm": True}
CHECK_PARAMETERS = {
    "check_methods_sample_order_invariance": NORMALISED,
    "check_methods_subset_invariance": NORMALISED,
    "check_sample_weight_equivalence_on_dense_data": ONE_BATCH,
    "check_sample_weight_equivalence_on_sparse_data": ONE_BATCH,
}

EXPECTED_FAILURES = {
    "check_estimator_tags_renamed": "the scikeras base defines _more_tags, too",
    "check_mixin_order": "the scikeras base has its mixin on the wrong side",
}

TUNED = MultilabelTunedThresholdClassifierCV(OneVsRestClassifier(LogisticRegression()))
ONE_CLASS_A_ROW = "gives classes such as 1 and 2 to a classifier of label matrices"
EXPECTED_FAILURES_OF_TUNED = {
    **dict.fromkeys(
        [
            "check_classifier_not_supporting_multiclass",
            "check_classifier_data_not_an_array",
            "check_classifiers_classes",
            "check_classifiers_one_label",
            "check_classifiers_one_label_sample_weights",
            "check_classifiers_train",
            "check_decision_proba_consistency",
            "check_estimator_sparse_array",
            "check_estimator_sparse_matrix",
            "check_estimators_dtypes",
            "check_fit2d_1feature",
        ],
        ONE_CLASS_A_ROW,
    ),
    "check_classifier_multioutput": "asks for the threshold 0, which is tuned here",
}

# The checks that ask nothing of X: the tags of loader and encoder say that their X is
# 1-D text, so that scikit-learn's generator yields nothing for them.
CHECKS_WITHOUT_DATA = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
]


@pytest.fixture
def double_precision():
    """Keras in float64: in float32, the order of rows alone may move a 7th digit."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # Keras draws it from floatx only once.
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.mark.filterwarnings("ignore:Label not")
@parametrize_with_checks([OneVsRestHead(LogisticRegression())])
def test_scikit_learn_checks_of_the_head(estimator, check):
    check(estimator)


def name_of(check):
    return check.func.__name__ if hasattr(check, "func") else check.__name__


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [CLASSIFIER], expected_failed_checks=lambda estimator: EXPECTED_FAILURES
)
def test_scikit_learn_checks(estimator, check, double_precision):
    parameters = CHECK_PARAMETERS.get(name_of(check), {})
    check(clone(estimator).set_params(**parameters))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:Label not . is present in all training examples")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@parametrize_with_checks(
    [TUNED], expected_failed_checks=lambda estimator: EXPECTED_FAILURES_OF_TUNED
)
def test_scikit_learn_checks_of_tuned_thresholds(estimator, check):
    check(clone(estimator))


def test_the_checks_of_tuned_thresholds_run():
    ours = [name_of(check) for _, check in estimator_checks_generator(TUNED)]
    assert len(ours) >= 60
    assert set(ours) >= set(EXPECTED_FAILURES_OF_TUNED)


def test_as_many_checks_run_as_for_the_network_of_scikit_learn():
    ours = [name_of(check) for _, check in estimator_checks_generator(CLASSIFIER)]
    model = [name_of(check) for _, check in estimator_checks_generator(MLPClassifier())]
    assert len(ours) >= len(model) > 60
    assert set(model) <= set(ours)


def test_the_tables_name_checks_that_run():
    ours = {name_of(check) for _, check in estimator_checks_generator(CLASSIFIER)}
    assert ours >= set(EXPECTED_FAILURES) | set(CHECK_PARAMETERS)


@pytest.mark.parametrize("transformer", [PosterImageLoader, PosterEncoder])
@pytest.mark.parametrize("name", CHECKS_WITHOUT_DATA)
def test_checks_of_transformers_that_need_no_data(name, transformer):
    getattr(estimator_checks, name)(transformer.__name__, transformer())

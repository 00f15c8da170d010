"""What a model file may hold: a list of attributes for each class, and no others."""

import os
from typing import NamedTuple

__all__ = ["KEPT", "RESET", "ROUTED", "Kept", "find_kept", "is_reset"]


class Kept(NamedTuple):
    """The attributes of a class that are kept: parameters, and what fit learns.

    After fit, an object has all of `learned`, and may have some of `optional`.
    """

    params: tuple = ()
    learned: tuple = ()
    optional: tuple = ()

    @property
    def names(self):
        return {*self.params, *self.learned, *self.optional}


def _words(text):
    return tuple(text.split())


_NAMES = _words("n_features_in_ feature_names_in_")
_FOLDS = Kept(_words("n_splits shuffle random_state"))

# Only classes of this list are loaded without `trusted`. They are what the recipes are
# made of, other scalers and linear classifiers, and the baselines.
KEPT = {
    "sk_posters.CompiledNetwork": Kept(learned=_words("network seeds")),
    "sk_posters.FeatureNovelty": Kept(
        learned=_words("n_features_in_ direction_ distances_"),
        optional=("feature_names_in_",),
    ),
    "sk_posters.MultilabelTunedThresholdClassifierCV": Kept(
        _words(
            "estimator scoring response_method per_label shrinkage at_least_one "
            "calibration thresholds cv refit n_jobs random_state store_cv_results"
        ),
        _words(
            "estimator_ best_thresholds_ common_threshold_ best_score_ calibration_ "
            "classes_ label_names_ _method"
        ),
        ("cv_results_", *_NAMES),
    ),
    "sk_posters.OneVsRestHead": Kept(
        _words("estimator n_jobs verbose"),
        _words("label_binarizer_ classes_ estimators_"),
        ("label_names_", *_NAMES),
    ),
    "sk_posters.PosterClassifier": Kept(
        _words(
            "network dropout filters dense_units batch_norm unfreeze head_start "
            "augment epochs batch_size optimizer learning_rate loss label_weight "
            "logit_adjustment metrics callbacks patience validation_fraction shuffle "
            "warm_start random_state verbose mixed_precision jit_compile distribute"
        ),
        _words(
            "_kind image_shape_ n_features_in_ _balance _has_unknown _seed "
            "_target_encoder label_names_ classes_ history_ _network"
        ),
        ("feature_names_in_",),
    ),
    "sk_posters.PosterEncoder": Kept(
        _words(
            "backbone image_size interpolation pooling flip mean std channel_order "
            "output device normalize precision draft on_error cache_dir cache_size "
            "batch_size n_jobs verbose"
        ),
        optional=_words(
            "revisions_ precision_ failed_ devices_ n_computed_ n_cached_ image_size_"
        ),
    ),
    "sk_posters.PosterImageLoader": Kept(
        _words("image_size interpolation on_error cache_dir cache_size n_jobs verbose"),
        optional=_words("failed_ n_decoded_"),
    ),
    "sk_posters.SigmoidCalibration": Kept(learned=_words("slope intercept")),
    "sk_posters.TargetEncoder": Kept(
        learned=_words("multilabel label_names classes"),
    ),
    "sk_posters.TemperatureCalibration": Kept(learned=("temperature",)),
    "sk_posters.model_selection.MultilabelStratifiedGroupKFold": _FOLDS,
    "sk_posters.model_selection.MultilabelStratifiedKFold": _FOLDS,
    "sklearn.dummy.DummyClassifier": Kept(
        _words("strategy random_state constant"),
        _words("_strategy sparse_output_ n_outputs_ classes_ n_classes_ class_prior_"),
        _NAMES,
    ),
    "sklearn.linear_model._logistic.LogisticRegression": Kept(
        _words(
            "penalty C l1_ratio dual tol fit_intercept intercept_scaling class_weight "
            "random_state solver max_iter verbose warm_start n_jobs"
        ),
        _words("n_features_in_ classes_ coef_ intercept_ n_iter_"),
        ("feature_names_in_",),
    ),
    "sklearn.model_selection._split.GroupKFold": _FOLDS,
    "sklearn.model_selection._split.KFold": _FOLDS,
    "sklearn.model_selection._split.ShuffleSplit": Kept(
        _words("n_splits test_size train_size random_state"),
        ("_default_test_size",),
    ),
    "sklearn.model_selection._split.StratifiedKFold": _FOLDS,
    "sklearn.multiclass.OneVsRestClassifier": Kept(
        _words("estimator n_jobs verbose"),
        _words("label_binarizer_ classes_ estimators_"),
        _NAMES,
    ),
    # What OneVsRestClassifier keeps for a label with one class.
    "sklearn.multiclass._ConstantPredictor": Kept(learned=("y_",), optional=_NAMES),
    "sklearn.pipeline.FeatureUnion": Kept(
        _words(
            "transformer_list n_jobs transformer_weights verbose "
            "verbose_feature_names_out"
        ),
    ),
    "sklearn.pipeline.Pipeline": Kept(_words("steps transform_input memory verbose")),
    "sklearn.preprocessing._data.MaxAbsScaler": Kept(
        _words("copy clip"),
        _words("n_features_in_ n_samples_seen_ max_abs_ scale_"),
        ("feature_names_in_",),
    ),
    "sklearn.preprocessing._data.MinMaxScaler": Kept(
        _words("feature_range copy clip"),
        _words(
            "n_features_in_ n_samples_seen_ scale_ min_ data_min_ data_max_ data_range_"
        ),
        ("feature_names_in_",),
    ),
    "sklearn.preprocessing._data.Normalizer": Kept(
        _words("norm copy"), optional=_NAMES
    ),
    "sklearn.preprocessing._data.RobustScaler": Kept(
        _words("with_centering with_scaling quantile_range unit_variance copy"),
        _words("n_features_in_ center_ scale_"),
        ("feature_names_in_",),
    ),
    "sklearn.preprocessing._data.StandardScaler": Kept(
        _words("with_mean with_std copy"),
        _words("n_features_in_ n_samples_seen_ mean_ var_ scale_"),
        ("feature_names_in_",),
    ),
    "sklearn.preprocessing._label.LabelBinarizer": Kept(
        _words("neg_label pos_label sparse_output"),
        _words("y_type_ sparse_input_ classes_"),
    ),
    "sklearn.svm._classes.LinearSVC": Kept(
        _words(
            "penalty loss dual tol C multi_class fit_intercept intercept_scaling "
            "class_weight verbose random_state max_iter"
        ),
        _words("n_features_in_ classes_ coef_ intercept_ n_iter_"),
        ("feature_names_in_",),
    ),
}

# Prefixes of the parameters that PosterClassifier passes on to Keras.
ROUTED = _words("callbacks compile fit loss metrics optimizer predict")

# Parameters that say what a machine does for a model, not what the model predicts:
# places that are read from and written to, and how much of the machine is taken. A
# file does not decide them.
RESET = _words("cache_dir cache_size failed_ memory n_jobs verbose")


def find_kept(name, attribute):
    """Return whether an attribute of a class, both by name, is kept."""
    if attribute in KEPT[name].names:
        return True
    prefix, _, rest = attribute.partition("__")
    return name == "sk_posters.PosterClassifier" and prefix in ROUTED and bool(rest)


def is_reset(name, value):
    """Return whether a parameter gets its default in place of a plain value."""
    if name != "n_jobs":
        return True
    # As many as a user would set here, and not what starts a process per row.
    most = max(os.cpu_count() or 1, 8)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return not (value is None or (whole and -most <= value <= most and value != 0))

"""Values in loaded estimators: shapes, types and ranges, and whether they fit together.

scikit-learn and NumPy take what they have learned without a look, some of it as indices
of memory. A file may say anything, so whatever a class of `KEPT` holds is checked here,
after it was built and before it is used.
"""

from itertools import pairwise

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion, Pipeline

from sk_posters._base._compat import validate_params_of
from sk_posters._base._unwrap import unwrap
from sk_posters._features._backbones import (
    check_settings,
    count_features,
    list_parts,
    list_sources,
)
from sk_posters._features._encoder import PosterEncoder
from sk_posters._images._loader import PosterImageLoader
from sk_posters._persistence._kept import KEPT
from sk_posters.exceptions import ModelFileError

__all__ = ["check_fields", "count_labels"]

# 200 MB for an image of floats, 1.6 GB for a batch.
MAX_PIXELS, MAX_PIXELS_AT_ONCE = 2**24, 2**27
# Backbones take up to half a kilobyte a pixel: 2 GB.
MAX_ENCODED_AT_ONCE = 2**22
MAX_PARTS = 1000  # Steps, branches.
MAX_NESTED = 8
MAX_LAYERS, MAX_FILTERS, MAX_UNITS = 100, 2**11, 2**16
MAX_WEIGHTS = 2**26  # Of an untrained network, between neighbouring layers: 270 MB.
# What a fit of a loaded estimator may do over and over.
MAX_ROUNDS = {"max_iter": 10**6, "epochs": 10**5, "n_splits": 1000, "n_repeats": 1000}
MAX_THRESHOLDS = 1_000_000
MAX_SCALING = 1e6  # Of pixels from 0 to 255.
MAX_LABELS = 1_000_000
# A threshold above all scores may lie a little above 1.
ABOVE_ONE = 1 + 1e-6


def check_fields(model):
    """Refuse a model, or a part of one, whose values do not make sense."""
    part = model
    try:
        if _measure_nesting(model, {}) > MAX_NESTED:
            raise ModelFileError(
                f"its estimators are nested more than {MAX_NESTED} deep, and "
                "scikit-learn takes several times as long for each level"
            )
        for part in _iterate_parts(model):
            name = _name_of(part)
            if name in KEPT:
                _check_names(part, KEPT[name])
                if hasattr(part, "_parameter_constraints"):
                    _check_parameters(part)
                _check_rounds(part)
                if "n_features_in_" in vars(part):
                    _check_columns(part)
                if name in CHECKS:
                    CHECKS[name](part)
            elif isinstance(part, np.random.RandomState):
                _check_random_state(part)
        _require_fitted(model, "pipeline")
    except ModelFileError:
        raise
    except Exception as error:  # Of whatever a value of another type lets through.
        raise ModelFileError(
            f"its {_short(part)} holds values that do not fit together "
            f"({type(error).__name__}: {str(error)[:200]!r})"
        ) from error


def count_labels(model):
    """Return how many labels a fitted model predicts, None if that is unknown."""
    parts = unwrap(model)
    if parts.tuner is not None:
        return len(parts.tuner.best_thresholds_)
    name = _name_of(parts.head)
    if name == "sk_posters.PosterClassifier":
        return len(parts.head.label_names_)
    if name in ONE_VS_REST:
        return len(parts.head.classes_)
    if name == "sklearn.dummy.DummyClassifier" and parts.head.n_outputs_ > 1:
        return int(parts.head.n_outputs_)
    return None


def _iterate_parts(model):
    """Yield each object of a class that is checked, parts before what holds them."""
    waiting, seen, found = [model], set(), []
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, BaseEstimator) or _name_of(item) in KEPT:
            found.append(item)
            waiting += vars(item).values()
        elif isinstance(item, np.random.RandomState):
            found.append(item)
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple) or (
            isinstance(item, np.ndarray) and item.dtype == object
        ):
            waiting += list(item)
    return reversed(found)


def _measure_nesting(part, known):
    """Return how many estimators are within each other."""
    if id(part) not in known:
        inner = []
        for value in vars(part).values():
            for each in value if isinstance(value, list) else [value]:
                held = each[-1] if isinstance(each, tuple) and each else each
                if isinstance(held, BaseEstimator):
                    inner.append(held)
        depths = [_measure_nesting(each, known) for each in inner]
        known[id(part)] = 1 + max(depths, default=0)
    return known[id(part)]


def _name_of(part):
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _short(part):
    return type(part).__name__


def _check_names(part, kept):
    """Refuse an object that lacks parameters, or some of what fit learns."""
    there = vars(part).keys()
    if "model" in there:  # A network, which was built from what it was kept as.
        return
    missing = [name for name in kept.params if name not in there]
    if not there.isdisjoint({*kept.learned, *kept.optional} - {"n_features_in_"}):
        missing += [name for name in kept.learned if name not in there]
    if missing:
        raise ModelFileError(f"its {_short(part)} lacks {', '.join(missing)}")


def _check_parameters(part):
    try:
        validate_params_of(part)
    except ValueError as error:
        raise ModelFileError(f"a parameter is wrong: {_escape(error)}") from error


def _check_rounds(part):
    for name, most in MAX_ROUNDS.items():
        value = vars(part).get(name)
        if _is_whole(value) and value > most:
            _refuse(part, name, f"at most {most:,}")


def _escape(error):
    return str(error).encode("ascii", "backslashreplace").decode()[:300]


# -- single values -----------------------------------------------------------------


def _refuse(part, name, allowed):
    value = vars(part).get(name)
    if isinstance(value, np.ndarray):
        found = f"an array of shape {value.shape} and {value.dtype}"
        if value.size <= 8 and value.dtype != object:
            found += f", {value.tolist()!r}"
    else:
        found = ascii(value)[:200]
    raise ModelFileError(f"{name} of its {_short(part)} must be {allowed}; got {found}")


def _is_whole(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_real(value):
    real = isinstance(value, int | float | np.integer | np.floating)
    return real and not isinstance(value, bool) and bool(np.isfinite(value))


def _check_whole(part, name, low=0, high=2**53):
    value = vars(part)[name]
    if not _is_whole(value) or not low <= value <= high:
        _refuse(part, name, f"a whole number from {low} to {high}")
    return int(value)


def _check_bool(part, name):
    if not isinstance(vars(part)[name], bool | np.bool_):
        _refuse(part, name, "True or False")


def _check_real(part, name, low=-np.inf):
    value = vars(part)[name]
    if not _is_real(value) or not value >= low:
        _refuse(
            part, name, "a finite number" + (f" from {low}" if low > -np.inf else "")
        )


def _check_array(part, name, shape, *, kinds="f", low=-np.inf, high=np.inf):
    """Refuse all but a finite array of this shape; None stands for any length."""
    value = vars(part)[name]
    # No subclass: masked arrays hide values.
    fits = type(value) is np.ndarray and value.dtype.kind in kinds
    fits = fits and len(value.shape) == len(shape)
    fits = fits and all(
        side in (None, length) for side, length in zip(shape, value.shape, strict=True)
    )
    if fits and value.dtype.kind in "fiu" and value.size:
        smallest, largest = value.min(), value.max()  # nan, if there is any.
        fits = bool(low <= smallest and largest <= high and np.isfinite(smallest))
        fits = fits and bool(np.isfinite(largest))
    if not fits:
        sides = ", ".join("n" if side is None else str(side) for side in shape)
        between = "" if low == -np.inf else f" from {low:g}"
        between += "" if high == np.inf else f" to {high:g}"
        what = {"f": "finite numbers", "iu": "whole numbers"}.get(kinds, "values")
        _refuse(part, name, f"an array of shape ({sides}), {what}{between}")
    return value


def _check_names_of(part, name, n_names):
    """Refuse all but an array of that many different texts or numbers."""
    values = vars(part)[name]
    fits = isinstance(values, np.ndarray) and values.shape == (n_names,)
    fits = fits and all(_is_name(value) for value in values.tolist())
    if not fits or len(set(values.tolist())) < n_names:
        _refuse(part, name, f"{n_names} different names, of readable text")


def _is_name(value):
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, tuple):
        return all(map(_is_name, value))
    return isinstance(value, int | float | bool | np.generic) and value == value


def _check_columns(part):
    """Check the number of columns, and their names where there are any."""
    n_columns = _check_whole(part, "n_features_in_", low=1)
    if "feature_names_in_" in vars(part):
        _check_names_of(part, "feature_names_in_", n_columns)
    return n_columns


def _check_classes(part, name="classes_", least=2):
    """Check an array of different classes in ascending order."""
    value = vars(part)[name]
    fits = isinstance(value, np.ndarray) and value.ndim == 1 and len(value) >= least
    fits = fits and value.dtype.kind in "biufUO"
    fits = fits and all(_is_name(each) for each in value.tolist())
    fits = fits and bool((value[1:] > value[:-1]).all())
    if not fits:
        _refuse(part, name, f"{least} or more different classes in ascending order")
    return len(value)


def _check_size(part, name, batch=1, at_once=MAX_PIXELS_AT_ONCE):
    """Check the height and width of images."""
    value = vars(part)[name]
    fits = isinstance(value, tuple | list) and len(value) >= 2
    fits = fits and all(_is_whole(side) and side >= 1 for side in value)
    if not fits or int(value[0]) * int(value[1]) > MAX_PIXELS:
        _refuse(part, name, f"a height and a width, of at most {MAX_PIXELS:,} pixels")
    if int(value[0]) * int(value[1]) * batch > at_once:
        raise ModelFileError(
            f"its {_short(part)} takes {batch} images of {value[0]} x {value[1]} "
            f"pixels at once, more than {at_once:,} pixels: save the model with a "
            "smaller batch_size"
        )


def _check_random_state(state):
    # NumPy reads the place of the next number as an index, without a look.
    inside = state.get_state(legacy=False)["state"]
    if not 0 <= inside["pos"] <= len(inside["key"]):
        raise ModelFileError("it holds a RandomState whose position is out of range")


def _is_fitted(part):
    return not vars(part).keys().isdisjoint(KEPT[_name_of(part)].learned)


def _require_fitted(part, owner):
    """Refuse a part that was not fitted, in one that was."""
    kept = KEPT.get(_name_of(part))
    if isinstance(part, Pipeline):
        for _, step in part.steps:
            _require_fitted(step, owner)
    elif isinstance(part, FeatureUnion):
        for _, branch in part.transformer_list:
            _require_fitted(branch, owner)
    elif kept is not None and kept.learned and not _is_fitted(part):
        raise ModelFileError(f"a part of its {owner}, {_short(part)}, is not fitted")


# -- images and features -----------------------------------------------------------


def _check_encoder(encoder):
    backbones = encoder.backbone
    specs = backbones if isinstance(backbones, list | tuple) else [backbones]
    if not 1 <= len(specs) <= MAX_PARTS or not all(
        isinstance(spec, str) and spec.isprintable() for spec in specs
    ):
        _refuse(encoder, "backbone", "the name of a network, or a list of names")
    try:
        list_parts(encoder.pooling)
    except (TypeError, ValueError):
        _refuse(encoder, "pooling", "kinds of pooling")
    batch_size = _check_whole(encoder, "batch_size", low=1)
    for name in ("image_size", "image_size_"):
        if vars(encoder).get(name) is not None:
            _check_size(encoder, name, batch_size, MAX_ENCODED_AT_ONCE)
    _check_scaling(encoder, "mean", -MAX_SCALING)
    _check_scaling(encoder, "std", 1 / MAX_SCALING)
    output = encoder.output
    is_name = isinstance(output, str) and output != "" and output.isprintable()
    is_number = type(output) is int and output >= 0  # As networks take it.
    if output is not None and not is_name and not is_number:
        _refuse(encoder, "output", "None, a name, or a number from 0")
    for name in ("n_computed_", "n_cached_"):
        if name in vars(encoder):
            _check_whole(encoder, name)
    if not set(vars(encoder).get("devices_", ())) <= {"cpu", "cuda"}:
        _refuse(encoder, "devices_", 'a list of "cpu" and "cuda"')
    if vars(encoder).get("precision_", "float32") not in ("float32", "int8"):
        _refuse(encoder, "precision_", "float32 or int8")
    _check_revisions(encoder, list_sources(backbones)[1])
    _check_together(encoder)


def _check_scaling(encoder, name, low):
    """Refuse what would leave no finite number of a pixel."""
    value = getattr(encoder, name)
    values = np.asarray(low if value is None else value)
    fits = values.dtype.kind in "fiu" and values.shape in ((), (3,))
    if not fits or not ((low <= values) & (values <= MAX_SCALING)).all():
        numbers = f"from {low:g} to {MAX_SCALING:g}"
        _refuse(encoder, name, f"None, a number {numbers}, or three")


def _check_together(encoder):
    try:
        check_settings(encoder)
    except ValueError as error:
        raise ModelFileError(
            f"parameters of its PosterEncoder do not fit: {_escape(error)}"
        ) from error


def _check_revisions(encoder, addresses):
    """Refuse a pinned address that is not one of the same repository."""
    revisions = vars(encoder).get("revisions_", {})
    fits = isinstance(revisions, dict) and all(
        key in addresses
        and isinstance(value, str)
        and value.isprintable()
        and _repository(value) == _repository(key)
        for key, value in revisions.items()
    )
    if not fits:
        _refuse(encoder, "revisions_", "addresses of the repositories in backbone")


def _repository(address):
    return [part.partition("@")[0] for part in address.split("/")[:4]]


def _check_loader(loader):
    _check_size(loader, "image_size")
    if "n_decoded_" in vars(loader):
        _check_whole(loader, "n_decoded_")


def _check_novelty(step):
    if _is_fitted(step):
        n_columns = _check_columns(step)
        direction = _check_array(step, "direction_", (n_columns,))
        if np.square(direction, dtype=float).sum() > 1.001:
            _refuse(step, "direction_", "a vector of length 1, or 0")
        distances = _check_array(step, "distances_", (None,), low=-1e-3, high=2.001)
        if not len(distances) or (np.diff(distances) < 0).any():
            _refuse(step, "distances_", "distances in ascending order")


# -- scalers -----------------------------------------------------------------------


def _check_scaler(*names, nullable=()):
    """Return a check of a scaler whose arrays have a number for each column."""

    def check(scaler):
        if not _is_fitted(scaler):
            return
        n_columns = _check_columns(scaler)
        for name in names:
            if name in nullable and vars(scaler)[name] is None:
                continue
            low = 0 if name in ("var_", "data_range_", "max_abs_") else -np.inf
            values = _check_array(scaler, name, (n_columns,), low=low)
            if name == "scale_" and not (values > 0).all():
                _refuse(scaler, name, "numbers above 0")
        seen = vars(scaler).get("n_samples_seen_", 1)
        if not (_is_real(seen) and seen > 0):
            shape = (n_columns,)
            _check_array(scaler, "n_samples_seen_", shape, kinds="fiu", low=0)

    return check


def _check_standard_scaler(scaler):
    names = {"mean_": scaler.with_mean or scaler.with_std, "var_": scaler.with_std}
    names["scale_"] = scaler.with_std
    lacking = [name for name, needed in names.items() if not needed]
    if _is_fitted(scaler):
        for name in names:
            if (vars(scaler)[name] is None) != (name in lacking):
                _refuse(scaler, name, "there where with_mean or with_std needs it")
    _check_scaler("mean_", "var_", "scale_", nullable=lacking)(scaler)


def _check_min_max_scaler(scaler):
    ends = scaler.feature_range
    fits = isinstance(ends, tuple) and len(ends) == 2 and all(map(_is_real, ends))
    if not fits or ends[0] >= ends[1]:
        _refuse(scaler, "feature_range", "two finite numbers in ascending order")
    names = ("scale_", "min_", "data_min_", "data_max_", "data_range_")
    _check_scaler(*names)(scaler)


def _check_robust_scaler(scaler):
    names = {"center_": scaler.with_centering, "scale_": scaler.with_scaling}
    lacking = [name for name, needed in names.items() if not needed]
    if _is_fitted(scaler):
        for name in names:
            if (vars(scaler)[name] is None) != (name in lacking):
                _refuse(scaler, name, "there where the scaler needs it")
    _check_scaler(*names, nullable=lacking)(scaler)


# -- classifiers -------------------------------------------------------------------


def _check_linear(classifier):
    if not _is_fitted(classifier):
        return
    n_columns = _check_columns(classifier)
    n_classes = _check_classes(classifier)
    n_rows = 1 if n_classes == 2 else n_classes
    _check_array(classifier, "coef_", (n_rows, n_columns))
    intercept = classifier.intercept_
    if not (_is_real(intercept) and not classifier.fit_intercept):  # LinearSVC's 0.0
        _check_array(classifier, "intercept_", (n_rows,))
    if not _is_whole(classifier.n_iter_):
        _check_array(classifier, "n_iter_", (None,), kinds="iu", low=0)


def _check_constant(classifier):
    _check_array(classifier, "y_", (1,), kinds="iufb", low=0, high=1)


def _check_dummy(classifier):
    if not _is_fitted(classifier):
        return
    n_outputs = _check_whole(classifier, "n_outputs_", low=1, high=MAX_LABELS)
    _check_bool(classifier, "sparse_output_")
    if classifier.sparse_output_ and classifier.strategy == "uniform":
        _refuse(classifier, "sparse_output_", "False where the strategy is uniform")
    names = ("classes_", "n_classes_", "class_prior_")
    columns = [vars(classifier)[name] for name in names]
    if n_outputs == 1:
        columns = [[column] for column in columns]
    for classes, n_classes, priors in zip(*columns, strict=True):
        fits = isinstance(classes, np.ndarray) and classes.ndim == 1
        fits = fits and _is_whole(n_classes) and len(classes) == n_classes
        fits = fits and np.shape(priors) == (n_classes,)
        priors = np.asarray(priors, dtype=float)
        fits = fits and bool((priors >= 0).all())
        if not fits or not np.isclose(priors.sum(), 1):
            _refuse(classifier, "class_prior_", "probabilities of the classes")
    strategy = vars(classifier)["_strategy"]
    if len(columns[0]) != n_outputs or strategy != classifier.strategy:
        _refuse(classifier, "n_outputs_", "the number of outputs, in all fields")
    if classifier.strategy == "constant" and np.size(classifier.constant) != n_outputs:
        _refuse(classifier, "constant", "a value for each output")


def _check_binarizer(binarizer):
    _check_whole(binarizer, "neg_label", low=-1, high=0)
    _check_whole(binarizer, "pos_label", low=1, high=1)
    if _is_fitted(binarizer):
        _check_classes(binarizer, least=1)
        _check_bool(binarizer, "sparse_input_")
        if binarizer.y_type_ not in ("multilabel-indicator", "multiclass", "binary"):
            _refuse(binarizer, "y_type_", "a type of targets")


def _check_one_vs_rest(classifier):
    if not _is_fitted(classifier):
        return
    binarizer, estimators = classifier.label_binarizer_, classifier.estimators_
    if _name_of(binarizer) != "sklearn.preprocessing._label.LabelBinarizer":
        _refuse(classifier, "label_binarizer_", "a LabelBinarizer")
    _require_fitted(binarizer, _short(classifier))
    n_classes = _check_classes(classifier, least=1)
    is_matrix = binarizer.y_type_.startswith("multilabel")
    n_needed = 1 if n_classes == 2 and not is_matrix else n_classes
    if not isinstance(estimators, list) or len(estimators) != n_needed:
        _refuse(classifier, "estimators_", f"a list of {n_needed} classifiers")
    same = np.array_equal(binarizer.classes_, classifier.classes_)
    if not same or binarizer.neg_label != 0 or not binarizer.sparse_output:
        _refuse(classifier, "label_binarizer_", "one of the same classes")
    if is_matrix and not np.array_equal(classifier.classes_, range(n_classes)):
        _refuse(classifier, "classes_", "the positions of the labels")
    for estimator in estimators:
        is_copy = type(estimator) is type(classifier.estimator)
        if not is_copy and _name_of(estimator) != CONSTANT:
            _refuse(classifier, "estimators_", "fitted copies of estimator")
        _require_fitted(estimator, _short(classifier))
        if _name_of(estimator) in LINEAR and len(estimator.classes_) != 2:
            _refuse(estimator, "classes_", "two classes, of one label")
    widths = {
        vars(each)["n_features_in_"]
        for each in (classifier, *estimators)
        if _name_of(each) in KEPT and "n_features_in_" in vars(each)
    }
    if len(widths) > 1:
        raise ModelFileError(
            f"the classifiers of its {_short(classifier)} take {sorted(widths)!r} "
            "columns, which must be one number"
        )
    if "label_names_" in vars(classifier):
        _check_names_of(classifier, "label_names_", n_classes)


ONE_VS_REST = {"sk_posters.OneVsRestHead", "sklearn.multiclass.OneVsRestClassifier"}
CONSTANT = "sklearn.multiclass._ConstantPredictor"
LINEAR = {
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.svm._classes.LinearSVC",
}


def _check_tuner(tuner):
    if isinstance(tuner.thresholds, int) and tuner.thresholds > MAX_THRESHOLDS:
        _refuse(tuner, "thresholds", f"at most {MAX_THRESHOLDS}")
    if not _is_fitted(tuner):
        return
    _require_fitted(tuner.estimator_, _short(tuner))
    thresholds = _check_array(tuner, "best_thresholds_", (None,))
    n_labels = len(thresholds)
    kinds = {None: None, "sigmoid": SIGMOID, "temperature": TEMPERATURE}
    calibration = tuner.calibration_
    if (calibration and _name_of(calibration)) != kinds[tuner.calibration]:
        _refuse(tuner, "calibration_", f"that of calibration={tuner.calibration!r}")
    if type(tuner.estimator_) is not type(tuner.estimator):
        _refuse(tuner, "estimator_", "a fitted copy of estimator")
    methods = ("predict_proba", "decision_function")
    if tuner._method not in methods or not hasattr(tuner.estimator_, tuner._method):
        _refuse(tuner, "_method", "predict_proba or decision_function, as there is")
    as_probabilities = tuner._method == "predict_proba" or calibration is not None
    if as_probabilities and (tuner.thresholds is None or _is_whole(tuner.thresholds)):
        high = ABOVE_ONE
        _check_array(tuner, "best_thresholds_", (n_labels,), low=0, high=high)
    head = unwrap(tuner.estimator_).head
    if _name_of(head) in ONE_VS_REST and not head.multilabel_:
        _refuse(head.label_binarizer_, "y_type_", "that of a label matrix")
    _check_real(tuner, "common_threshold_")
    _check_real(tuner, "best_score_")
    _check_names_of(tuner, "label_names_", n_labels)
    if not np.array_equal(tuner.classes_, np.tile([0, 1], (n_labels, 1))):
        _refuse(tuner, "classes_", "0 and 1 for each label")
    if calibration is not None and tuner.calibration == "sigmoid":
        _check_array(calibration, "slope", (n_labels,), low=0)
    if count_labels(tuner.estimator_) not in (None, n_labels):
        _refuse(tuner, "best_thresholds_", "a threshold for each label of estimator_")


SIGMOID, TEMPERATURE = (
    f"sk_posters.{kind}Calibration" for kind in ("Sigmoid", "Temperature")
)


def _check_sigmoid(calibration):
    slope = _check_array(calibration, "slope", (None,), low=0)
    _check_array(calibration, "intercept", slope.shape)


def _check_temperature(calibration):
    if not _is_real(calibration.temperature) or calibration.temperature <= 0:
        _refuse(calibration, "temperature", "a number above 0")


def _check_shuffle_split(splitter):
    for name in ("test_size", "train_size", "_default_test_size"):
        if getattr(splitter, name) is not None:
            _check_real(splitter, name, low=0)


def _check_folds(splitter):
    _check_whole(splitter, "n_splits", low=2)
    _check_bool(splitter, "shuffle")


# -- networks ----------------------------------------------------------------------


def _check_target(target):
    _check_bool(target, "multilabel")
    n_labels = len(target.label_names)
    if target.multilabel:
        _check_names_of(target, "label_names", n_labels)
        if not np.array_equal(target.classes, np.tile([0, 1], (n_labels, 1))):
            _refuse(target, "classes", "0 and 1 for each label")
    else:
        _check_classes(target, "classes", least=1)
        if target.label_names.tolist() != target.classes.tolist():
            _refuse(target, "label_names", "the classes")


def _check_network_parameters(classifier):
    for name, most in (("filters", MAX_FILTERS), ("dense_units", MAX_UNITS)):
        values = getattr(classifier, name)
        fits = len(values) <= MAX_LAYERS and all(
            _is_whole(value) and 1 <= value <= most for value in values
        )
        if not fits:
            between = f"from 1 to {most}"
            _refuse(classifier, name, f"{MAX_LAYERS} whole numbers at most, {between}")
        n_weights = sum(int(a) * int(b) for a, b in pairwise(values))
        if n_weights * (9 if name == "filters" else 1) > MAX_WEIGHTS:
            _refuse(classifier, name, f"layers of {MAX_WEIGHTS:,} weights at most")
    sizes = [classifier.batch_size]
    for name in ("fit__batch_size", "predict__batch_size"):
        if name in vars(classifier):
            sizes.append(_check_whole(classifier, name, low=1))
    return max(sizes)


def _check_poster_classifier(classifier):
    batch_size = _check_network_parameters(classifier)
    if not _is_fitted(classifier):
        return
    _check_size(classifier, "image_shape_", batch_size)
    shape = classifier.image_shape_
    if not isinstance(shape, tuple) or len(shape) != 3:
        _refuse(classifier, "image_shape_", "height, width and channels")
    _check_columns(classifier)
    if classifier.n_features_in_ != int(np.prod(shape)):
        _refuse(classifier, "n_features_in_", f"the product of {shape}")
    if classifier._kind not in ("float", "uint8", "rows"):
        _refuse(classifier, "_kind", "float, uint8 or rows")
    _check_bool(classifier, "_has_unknown")
    _check_whole(classifier, "_seed", high=2**31)
    target = classifier._target_encoder
    if _name_of(target) != "sk_posters.TargetEncoder":
        _refuse(classifier, "_target_encoder", "a TargetEncoder")
    for name, same in (("label_names_", "label_names"), ("classes_", "classes")):
        if not np.array_equal(vars(classifier)[name], vars(target)[same]):
            _refuse(classifier, name, "those of the target")
    n_labels = len(target.label_names)
    if not isinstance(classifier._balance, tuple) or len(classifier._balance) != 2:
        _refuse(classifier, "_balance", "weights and offsets")
    for values in classifier._balance:
        if values is not None and not (
            len(values) == n_labels and all(map(_is_real, values))
        ):
            _refuse(classifier, "_balance", "None, or a number for each label")
    history = classifier.history_
    if not all(
        isinstance(name, str)
        and isinstance(values, list)
        and all(isinstance(value, float) for value in values)
        for name, values in history.items()
    ):
        _refuse(classifier, "history_", "a list of numbers for each name")
    _check_keras_network(classifier, n_labels)


def _check_keras_network(classifier, n_labels):
    """Refuse a network for other images or labels, or without finite weights."""
    network = classifier._network
    if _name_of(network) != "sk_posters.CompiledNetwork":
        _refuse(classifier, "_network", "a CompiledNetwork")
    model = network.model
    shapes = (None, *classifier.image_shape_), (None, n_labels)
    if (model.input_shape, model.output_shape) != shapes:
        raise ModelFileError(
            f"the network in it has inputs of shape {model.input_shape} and outputs of "
            f"shape {model.output_shape}, and its PosterClassifier needs {shapes[0]} "
            f"and {shapes[1]}"
        )
    for weight in model.weights:
        values = np.asarray(weight.numpy())
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelFileError("the network in it has weights that are not finite")


# -- what holds other estimators ----------------------------------------------------


def _check_parts(part, name, others):
    """Check a list of names and estimators."""
    parts = vars(part)[name]
    fits = isinstance(parts, list) and 1 <= len(parts) <= MAX_PARTS
    fits = fits and all(
        isinstance(each, tuple)
        and len(each) == 2
        and isinstance(each[0], str)
        and (each[1] is None or hasattr(each[1], "fit") or each[1] in others)
        for each in parts
    )
    if not fits or len({each[0] for each in parts}) < len(parts):
        _refuse(part, name, "a list of different names with an estimator each")


def _check_pipeline(pipe):
    _check_parts(pipe, "steps", {"passthrough"})
    if not hasattr(pipe.steps[-1][1], "fit"):
        _refuse(pipe, "steps", "a list that ends in an estimator")
    _follow(pipe, None)
    for (_, one), (_, other) in zip(pipe.steps, pipe.steps[1:], strict=False):
        if isinstance(one, PosterImageLoader) and "image_shape_" in vars(other):
            size = tuple(vars(other)["image_shape_"][:2])
            if tuple(one.image_size) != size and vars(other)["_kind"] != "rows":
                _refuse(one, "image_size", f"{size}, which its classifier has learned")


def _check_union(union):
    _check_parts(union, "transformer_list", {"passthrough", "drop"})
    names = {name for name, _ in union.transformer_list}
    weights = union.transformer_weights or {}
    if not names >= weights.keys() or not all(map(_is_real, weights.values())):
        _refuse(union, "transformer_weights", "a finite number for some of the names")
    _check_bool(union, "verbose_feature_names_out")


def _follow(step, width):
    """Return how many columns leave a step, if known; refuse those that differ."""
    if isinstance(step, Pipeline):
        for _, each in step.steps:
            width = _follow(each, width)
        return width
    if isinstance(step, FeatureUnion):
        widths = [
            _follow(each, width) for _, each in step.transformer_list if each != "drop"
        ]
        return None if None in widths else sum(widths)
    if isinstance(step, PosterEncoder):
        return count_features(step.backbone, step.pooling)
    if step is None or isinstance(step, str):
        return width
    name = _name_of(step)
    if name not in KEPT:
        return None
    for inner in (
        vars(step).get("estimator_"),
        *vars(step).get("estimators_", ()),
    ):
        if inner is not None:
            _follow(inner, width)
    expected = vars(step).get("n_features_in_")
    if width is not None and expected not in (None, width):
        raise ModelFileError(
            f"its {_short(step)} takes {expected} columns, and the steps before it "
            f"give {width}"
        )
    return expected if name in SAME_WIDTH else None


_ARRAYS = "sklearn.preprocessing._data"
SAME_WIDTH = {
    "sk_posters.FeatureNovelty",
    *(
        f"{_ARRAYS}.{kind}"
        for kind in (
            *("MaxAbsScaler", "MinMaxScaler", "Normalizer", "RobustScaler"),
            "StandardScaler",
        )
    ),
}
_SPLITS = "sk_posters.model_selection.MultilabelStratified"
CHECKS = {
    "sk_posters.FeatureNovelty": _check_novelty,
    "sk_posters.MultilabelTunedThresholdClassifierCV": _check_tuner,
    "sk_posters.PosterClassifier": _check_poster_classifier,
    "sk_posters.PosterEncoder": _check_encoder,
    "sk_posters.PosterImageLoader": _check_loader,
    SIGMOID: _check_sigmoid,
    "sk_posters.TargetEncoder": _check_target,
    TEMPERATURE: _check_temperature,
    f"{_SPLITS}GroupKFold": _check_folds,
    f"{_SPLITS}KFold": _check_folds,
    "sklearn.dummy.DummyClassifier": _check_dummy,
    **dict.fromkeys(LINEAR, _check_linear),
    "sklearn.model_selection._split.GroupKFold": _check_folds,
    "sklearn.model_selection._split.KFold": _check_folds,
    "sklearn.model_selection._split.ShuffleSplit": _check_shuffle_split,
    "sklearn.model_selection._split.StratifiedKFold": _check_folds,
    **dict.fromkeys(ONE_VS_REST, _check_one_vs_rest),
    CONSTANT: _check_constant,
    "sklearn.pipeline.FeatureUnion": _check_union,
    "sklearn.pipeline.Pipeline": _check_pipeline,
    f"{_ARRAYS}.MaxAbsScaler": _check_scaler("max_abs_", "scale_"),
    f"{_ARRAYS}.MinMaxScaler": _check_min_max_scaler,
    f"{_ARRAYS}.RobustScaler": _check_robust_scaler,
    f"{_ARRAYS}.StandardScaler": _check_standard_scaler,
    "sklearn.preprocessing._label.LabelBinarizer": _check_binarizer,
}

"""Networks learn from the labels that are known, and from nothing else."""

import copy

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sk_posters import PosterClassifier
from sk_posters._networks._batches import ImageBatches
from sk_posters._networks._finetuning import HEAD_C, head_of, set_linear_head
from sk_posters._networks._losses import (
    AsymmetricLoss,
    LabelwiseLoss,
    label_balance,
    label_wise,
)
from sk_posters._networks._metrics import KnownPairsMetric, leave_unknown_out

U = np.nan
CROSS_ENTROPY = keras.losses.BinaryCrossentropy()
LOSSES = [
    CROSS_ENTROPY,
    keras.losses.binary_crossentropy,
    keras.losses.BinaryFocalCrossentropy(),
    AsymmetricLoss(),
]


@pytest.fixture
def unknown(labels):
    """The labels, some of them unknown."""
    y = labels.astype(float)
    y.iloc[::4, 0], y.iloc[1::5, 1], y.iloc[3] = U, U, U
    return y


def value(loss, y_true, y_pred, sample_weight=None):
    y_true, y_pred = (np.array(each, "float32") for each in (y_true, y_pred))
    return float(loss(y_true, y_pred, sample_weight))


# -- losses ---------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_known_pairs_by_hand():
    loss = label_wise(CROSS_ENTROPY, known_only=True)
    # Three known pairs, which cost log 2, log 4 and log 2.
    y_true, y_pred = [[1, U, 0], [U, U, 1]], [[0.5, 0.01, 0.75], [0.9, 0.1, 0.5]]
    assert value(loss, y_true, y_pred) == pytest.approx(4 / 3 * np.log(2), rel=1e-5)


def test_rows_count_by_their_weight_by_hand():
    loss = label_wise(CROSS_ENTROPY, known_only=True)
    y_true, y_pred = [[1, U, 0], [U, U, 1]], [[0.5, 0.01, 0.75], [0.9, 0.1, 0.5]]
    # 0.5 (log 2 + log 4) + 1.5 log 2.
    found = value(loss, y_true, y_pred, np.array([0.5, 1.5]))
    assert found == pytest.approx(3 / 3 * np.log(2), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_unknown_labels_the_loss_is_the_same(loss):
    rows = [[1, 0, 1], [0, 0, 1]], [[0.7, 0.2, 0.1], [0.4, 0.6, 0.9]]
    plain = keras.ops.mean(
        getattr(loss, "call", loss)(
            *(keras.ops.convert_to_tensor(r, "float32") for r in rows)
        )
    )
    masked = label_wise(loss, known_only=True)
    assert value(masked, *rows) == pytest.approx(float(plain), rel=1e-5)


def test_nothing_known_costs_nothing():
    loss = label_wise(CROSS_ENTROPY, known_only=True)
    assert value(loss, [[U, U]], [[0.3, 0.9]]) == 0


@pytest.mark.parametrize("weights", [None, [3.0, 1.0, 2.0]])
@pytest.mark.parametrize("loss", LOSSES)
def test_unknown_pairs_have_no_gradient(loss, weights, tf):
    offsets = None if weights is None else [-1.0, 0.5, 1.0]
    loss = label_wise(loss, weights, offsets, known_only=True)
    y_true = np.array([[1, U, 0], [U, 0, U]], "float32")
    y_pred = tf.Variable([[0.5, 1.0, 0.2], [0.0, 0.3, 1.0]])
    with tf.GradientTape() as tape:
        found = loss(y_true, y_pred)
    gradient = tape.gradient(found, y_pred).numpy()
    assert np.isfinite(float(found))
    np.testing.assert_array_equal(gradient[np.isnan(y_true)], 0)
    assert (gradient[~np.isnan(y_true)] != 0).all()


def test_the_loss_is_built_again_from_its_config():
    loss = label_wise(CROSS_ENTROPY, [2.0, 1.0], known_only=True)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.known_only
    rows = [[1, U], [U, 0]], [[0.7, 0.2], [0.4, 0.6]]
    assert value(again, *rows) == value(loss, *rows)
    # Files of networks saved before do not say.
    config = loss.get_config()
    del config["known_only"]
    assert not LabelwiseLoss.from_config(config).known_only


def test_a_loss_of_all_labels_together_is_refused():
    with pytest.raises(ValueError, match=r"unknown labels \(nan in y\) need a loss"):
        label_wise(keras.losses.CategoricalCrossentropy(), known_only=True)


def test_balance_counts_known_rows():
    targets = np.array([[1, U], [0, 1], [U, 0], [0, U]])
    weights, offsets = label_balance(
        targets, ["a", "b"], label_weight="balanced", logit_adjustment=1.0
    )
    # (negatives + 1) / (positives + 1): one of three known, and one of two.
    assert weights == pytest.approx([3 / 2, 1])
    assert offsets == pytest.approx([np.log(2 / 3), 0])
    weighted = np.array([2.0, 1.0, 5.0, 1.0])
    weights, _ = label_balance(targets, ["a", "b"], weighted, label_weight="balanced")
    assert weights == pytest.approx([3 / 3, 6 / 2])


# -- metrics --------------------------------------------------------------------------


def test_metrics_count_known_pairs_by_hand():
    metric = leave_unknown_out("binary_accuracy")
    for _ in range(2):
        metric.update_state([[1, U, 0], [U, U, 1]], [[0.9, 0.9, 0.9], [0.1, 0.1, 0.8]])
    assert float(metric.result()) == pytest.approx(2 / 3)
    metric.reset_state()
    metric.update_state([[1, U]], [[0.1, 0.9]])
    assert float(metric.result()) == 0


@pytest.mark.parametrize("metric", ["Precision", keras.metrics.AUC, "BinaryAccuracy"])
def test_other_metrics_of_pairs_are_those_of_keras(metric):
    y_true = np.array([[1, U, 0], [U, 0, 1], [1, 1, U]], "float32")
    y_pred = np.array([[0.9, 0.3, 0.6], [0.1, 0.2, 0.8], [0.3, 0.7, 0.9]], "float32")
    known = ~np.isnan(y_true)
    plain = keras.metrics.get(metric)
    plain = plain() if isinstance(plain, type) else plain
    plain.update_state(y_true[known][:, None], y_pred[known][:, None])
    masked = leave_unknown_out(metric)
    masked.update_state(y_true, y_pred)
    assert float(masked.result()) == pytest.approx(float(plain.result()))
    again = KnownPairsMetric.from_config(masked.get_config())
    assert type(again.metric) is type(masked.metric)


@pytest.mark.parametrize("metric", ["accuracy", "categorical_accuracy"])
def test_metrics_of_whole_rows_are_refused(metric):
    message = f"metrics='{metric}' compares whole rows, which unknown labels"
    with pytest.raises(ValueError, match=message):
        leave_unknown_out(metric)


# -- the network ----------------------------------------------------------------------


def test_a_fit_is_that_of_the_known_pairs(tiny, images, unknown):
    params = tiny | {"epochs": 2, "patience": 2, "validation_fraction": 0.25}
    classifier = PosterClassifier(**params, metrics="binary_accuracy")
    classifier.fit(images, unknown)
    assert np.isfinite(classifier.history_["loss"]).all()
    assert np.isfinite(classifier.history_["val_loss"]).all()
    assert np.isfinite(classifier.history_["val_binary_accuracy"]).all()
    # The same values, in other forms.
    boxed = unknown.astype(object).where(unknown.notna(), None)
    again = PosterClassifier(**params, metrics="binary_accuracy").fit(images, boxed)
    assert again.history_ == classifier.history_
    np.testing.assert_array_equal(
        again.predict_proba(images), classifier.predict_proba(images)
    )


def test_the_loss_of_an_epoch_is_that_of_known_pairs(tiny, images, unknown):
    still = tiny | {"batch_size": 24, "dropout": 0.0, "batch_norm": False}
    classifier = PosterClassifier(**still, learning_rate=1e-12).fit(images, unknown)
    y, p = unknown.to_numpy(), classifier.predict_proba(images)
    losses = -np.log(np.where(y == 1, p, 1 - p))[~np.isnan(y)]
    assert classifier.history_["loss"] == [pytest.approx(losses.mean(), rel=1e-4)]


def test_score_is_of_known_pairs_and_of_labels_in_their_order(tiny, images, unknown):
    classifier = PosterClassifier(**tiny).fit(images, unknown)
    right = (classifier.predict(images) == unknown) | unknown.isna()
    rows = unknown.notna().any(axis=1)
    score = classifier.score(images, unknown)
    assert score == pytest.approx(right[rows].all(axis=1).mean())
    with pytest.raises(ValueError, match="the same labels in the same order"):
        classifier.score(images, unknown[unknown.columns[::-1]])


def test_training_goes_on_with_unknown_labels(tiny, images, labels, unknown):
    plain = PosterClassifier(**tiny).fit(images, labels)
    going = copy.deepcopy(plain)
    steps = int(going._network.model.optimizer.iterations.numpy())
    going.partial_fit(images, unknown)
    assert np.isfinite(going.history_["loss"]).all()
    assert int(going._network.model.optimizer.iterations.numpy()) == 2 * steps
    # And with a validation set that alone has some.
    held = PosterClassifier(**tiny).fit(
        images, labels, validation_data=(images, unknown)
    )
    assert np.isfinite(held.history_["val_loss"]).all()
    np.testing.assert_allclose(
        held.predict_proba(images), plain.predict_proba(images), atol=1e-4
    )


def test_mixtures_are_known_where_both_images_are(tiny, images, unknown):
    classifier = PosterClassifier(**tiny, augment=("mixup",)).fit(images, unknown)
    assert np.isfinite(classifier.history_["loss"]).all()
    assert np.isfinite(classifier.predict_proba(images)).all()


def test_a_label_known_in_no_row_is_refused(tiny, images, unknown):
    with pytest.raises(ValueError, match="y is nan in all 24 rows for 'Fifth'"):
        PosterClassifier(**tiny).fit(images, unknown.assign(Fifth=U))
    # A part of the rows may know less than all.
    PosterClassifier(**tiny).partial_fit(images, unknown.assign(Fifth=U))


def test_minus_one_and_one_are_refused_with_the_way(tiny, images, labels):
    with pytest.raises(ValueError, match=r"use \(y > 0\)\.astype\(int\)"):
        PosterClassifier(**tiny).fit(images, 2 * labels - 1)


# -- the head of a backbone -----------------------------------------------------------


def test_the_head_starts_from_the_known_rows_of_each_label():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)).astype("float32")
    targets = (features[:, :3] + rng.normal(size=(40, 3)) > 0).astype("float32")
    targets[rng.random(targets.shape) < 0.3], targets[:, 2] = U, U
    targets[:4, 2] = 0
    inputs = keras.Input((5,))
    pooled = keras.layers.Identity(name="pooled")(inputs)
    dropped = keras.layers.Dropout(0.2, name="dropout", seed=0)(pooled)
    outputs = keras.layers.Dense(3, activation="sigmoid", name="labels")(dropped)
    network = keras.Model(inputs, outputs)
    set_linear_head(network, ImageBatches(features, targets, batch_size=7))
    found = head_of(network).predict_on_batch(features)
    standardised = StandardScaler().fit_transform(features)
    for label in (0, 1):
        rows = ~np.isnan(targets[:, label])
        regression = LogisticRegression(C=HEAD_C, max_iter=1000)
        regression.fit(standardised[rows], targets[rows, label])
        expected = regression.predict_proba(standardised)[:, 1]
        np.testing.assert_allclose(found[:, label], expected, atol=1e-5)
    # None of four known rows has it: one more of each kind.
    np.testing.assert_allclose(found[:, 2], 1 / 6, rtol=1e-5)

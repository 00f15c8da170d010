"""Losses of multi-label networks, each against values worked out by hand."""

import keras
import numpy as np
import pandas as pd
import pytest

from sk_posters import PosterClassifier
from sk_posters._networks._losses import (
    AsymmetricLoss,
    LabelwiseLoss,
    find_loss,
    label_balance,
    label_wise,
)

LOG2 = np.log(2)
NAMES = np.array(["Drama", "Western"], dtype=object)
CROSS_ENTROPY = keras.losses.BinaryCrossentropy()
FOCAL = keras.losses.BinaryFocalCrossentropy()

each_loss = pytest.mark.parametrize(
    "loss",
    [
        FOCAL,
        AsymmetricLoss(),
        AsymmetricLoss(gamma_neg=0, gamma_pos=0, clip=0),
        LabelwiseLoss(CROSS_ENTROPY, [3.0, 1.0], [-1.0, 1.0]),
        LabelwiseLoss(FOCAL, [3.0, 1.0]),
    ],
    ids=["focal", "asymmetric", "asymmetric-0", "labelwise", "labelwise-focal"],
)


def value(loss, y_true, y_pred, sample_weight=None):
    y_true, y_pred = (np.array(each, "float32") for each in (y_true, y_pred))
    return float(loss(y_true, y_pred, sample_weight))


# -- by hand ----------------------------------------------------------------------


def test_focal_loss_by_hand():
    # A positive at 1/2 costs (1/2)² log 2; a negative at 1/4 costs (1/4)² log(4/3).
    expected = (LOG2 / 4 + np.log(4 / 3) / 16) / 2
    assert value(FOCAL, [[1, 0]], [[0.5, 0.25]]) == pytest.approx(expected, rel=1e-5)


def test_asymmetric_loss_by_hand():
    # A positive at 1/2 costs 1/2 log 2; a negative at .3 is one at .25, and costs
    # (1/4)⁴ log(4/3); a negative at .04 is below the clip and costs nothing.
    expected = (LOG2 / 2 + np.log(4 / 3) / 256 + 0) / 3
    answer = value(AsymmetricLoss(), [[1, 0, 0]], [[0.5, 0.3, 0.04]])
    assert answer == pytest.approx(expected, rel=1e-5)


def test_asymmetric_loss_without_asymmetry_is_cross_entropy():
    plain = AsymmetricLoss(gamma_neg=0, gamma_pos=0, clip=0)
    rows = [[1, 0], [0, 1]], [[0.7, 0.2], [0.4, 0.9]]
    assert value(plain, *rows) == pytest.approx(value(CROSS_ENTROPY, *rows), rel=1e-5)


def test_weights_multiply_positive_pairs_alone_by_hand():
    loss = LabelwiseLoss(CROSS_ENTROPY, [5.0, 7.0])
    # 5 log 2 for the positive of the first label, log(4/3) for the negative.
    expected = (5 * LOG2 + np.log(4 / 3)) / 2
    assert value(loss, [[1, 0]], [[0.5, 0.25]]) == pytest.approx(expected, rel=1e-5)


def test_offsets_are_added_to_logits_by_hand():
    loss = LabelwiseLoss(CROSS_ENTROPY, offsets=[-np.log(3), np.log(3)])
    # Odds of 1 become 1/3, so p = 1/4; odds of 1/3 become 1, so p = 1/2.
    expected = (np.log(4) + LOG2) / 2
    assert value(loss, [[1, 0]], [[0.5, 0.25]]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "loss", [keras.losses.binary_crossentropy, CROSS_ENTROPY, FOCAL, AsymmetricLoss()]
)
def test_weights_of_one_change_no_loss(loss):
    y_true = keras.ops.convert_to_tensor([[1, 0], [0, 1]], "float32")
    y_pred = keras.ops.convert_to_tensor([[0.7, 0.2], [0.4, 0.9]], "float32")
    expected = np.asarray(getattr(loss, "call", loss)(y_true, y_pred))
    answer = np.asarray(label_wise(loss, [1.0, 1.0]).call(y_true, y_pred))
    np.testing.assert_allclose(answer, expected, rtol=1e-5)


@each_loss
def test_sample_weights_multiply_rows(loss):
    y_true, y_pred = [[1, 0], [0, 1]], [[0.7, 0.2], [0.4, 0.9]]
    first, second = (value(loss, [t], [p]) for t, p in zip(y_true, y_pred, strict=True))
    weights = np.array([0.5, 3.0], "float32")
    expected = (0.5 * first + 3 * second) / 2
    assert value(loss, y_true, y_pred, weights) == pytest.approx(expected, rel=1e-5)


@each_loss
def test_certain_predictions_have_finite_losses_and_gradients(loss, tf):
    y_true = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    for probability in (0.0, 1.0):
        y_pred = tf.fill((2, 2), probability)
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            answer = loss(y_true, y_pred)
        assert np.isfinite(answer)
        assert answer > 0
        assert np.isfinite(tape.gradient(answer, y_pred)).all()


@each_loss
def test_losses_are_built_again_from_their_config(loss):
    config = keras.losses.serialize(loss)
    again = keras.losses.deserialize(config)
    rows = [[1, 0], [0, 1]], [[0.7, 0.2], [0.4, 0.9]]
    assert value(again, *rows) == value(loss, *rows)


# -- what a loss needs to know of the labels ------------------------------------------


TARGETS = np.array([[1, 0]] * 5 + [[0, 0]] * 2 + [[1, 1]])  # 6 and 1 positives of 8


def test_nothing_is_asked_of_labels_by_default():
    assert label_balance(TARGETS, NAMES) == (None, None)
    assert label_wise(CROSS_ENTROPY) is CROSS_ENTROPY


def test_balanced_weights_are_the_odds_against_a_label():
    weights, offsets = label_balance(TARGETS, NAMES, label_weight="balanced")
    assert weights == pytest.approx([(2 + 1) / (6 + 1), (7 + 1) / (1 + 1)])
    assert offsets is None


def test_logits_are_adjusted_by_the_log_odds_of_a_label():
    weights, offsets = label_balance(TARGETS, NAMES, logit_adjustment=0.5)
    assert weights is None
    assert offsets == pytest.approx([0.5 * np.log(7 / 3), 0.5 * np.log(2 / 8)])


def test_rows_count_by_their_weight():
    rows = np.array([3, 0, 1, 2])
    repeated = np.repeat(TARGETS[[0, 5, 6, 7]], rows, axis=0)
    options = {"label_weight": "balanced", "logit_adjustment": 1.0}
    weighted = label_balance(TARGETS[[0, 5, 6, 7]], NAMES, rows, **options)
    expected = label_balance(repeated, NAMES, **options)
    assert weighted[0] == pytest.approx(expected[0])
    assert weighted[1] == pytest.approx(expected[1])


def test_a_label_without_any_positive_has_finite_terms():
    nothing = np.zeros((9, 2))
    options = {"label_weight": "balanced", "logit_adjustment": 1.0}
    weights, offsets = label_balance(nothing, NAMES, **options)
    assert weights == pytest.approx([10, 10])
    assert offsets == pytest.approx([-np.log(10)] * 2)


@pytest.mark.parametrize(
    ("label_weight", "expected"),
    [([2, 3], [2, 3]), ({"Western": 4}, [1, 4]), (pd.Series([2.0, 1.0]), [2, 1])],
)
def test_weights_are_taken_in_order_or_by_name(label_weight, expected):
    assert label_balance(TARGETS, NAMES, label_weight=label_weight)[0] == expected


@pytest.mark.parametrize(
    ("label_weight", "message"),
    [
        ([1, 2, 3], r"for each of the 2 labels: got shape \(3,\)"),
        ({"Westen": 2}, r"not there: 'Westen'. Known are 'Drama', 'Western'"),
        ([0, 1], r"positive and finite: it is not for 'Drama'"),
        ([1, np.nan], r"positive and finite: it is not for 'Western'"),
        ([1, np.inf], r"positive and finite: it is not for 'Western'"),
    ],
)
def test_wrong_weights_are_named(label_weight, message):
    with pytest.raises(ValueError, match=message):
        label_balance(TARGETS, NAMES, label_weight=label_weight)


@pytest.mark.filterwarnings("ignore:In loss categorical:SyntaxWarning")
@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.categorical_crossentropy,
        keras.losses.CosineSimilarity(),
        lambda y_true, y_pred: keras.ops.sum((y_true - y_pred) ** 2, axis=-1) / 7,
    ],
)
def test_a_loss_of_all_labels_together_cannot_be_weighted(loss):
    with pytest.raises(ValueError, match="need a loss that is the mean over labels"):
        label_wise(loss, [1.0, 2.0])


def test_names_of_classes_are_accepted():
    assert find_loss("focal") is keras.losses.BinaryFocalCrossentropy
    assert find_loss("asymmetric") is AsymmetricLoss
    assert find_loss("mse") == "mse"
    assert find_loss(CROSS_ENTROPY) is CROSS_ENTROPY


# -- in the classifier ----------------------------------------------------------------


def first_loss(tiny, images, labels, **params):
    """Loss before any learning."""
    classifier = PosterClassifier(**tiny | params).initialize(images, labels)
    return classifier.model_.test_on_batch(images, labels.to_numpy())


def test_the_classifier_hands_parameters_to_its_loss(tiny, images, labels):
    gentle = first_loss(tiny, images, labels, loss="focal", loss__gamma=0.5)
    strict = first_loss(tiny, images, labels, loss="focal", loss__gamma=4.0)
    assert strict < gentle
    free = first_loss(tiny, images, labels, loss="asymmetric", loss__gamma_neg=0.0)
    assert first_loss(tiny, images, labels, loss="asymmetric") < free


def test_the_classifier_weights_positive_pairs(tiny, images, labels):
    # With the same weight for positives of all labels, the loss is linear in it.
    one, two, three = (
        first_loss(tiny, images, labels, label_weight=[weight] * 3)
        for weight in (1, 2, 3)
    )
    assert one < two
    assert three - two == pytest.approx(two - one, rel=1e-3)
    plain = first_loss(tiny, images, labels)
    assert one == pytest.approx(plain, rel=1e-4)


def test_a_second_fit_takes_the_weights_of_its_own_labels(tiny, images, labels):
    tiny |= {"label_weight": "balanced", "logit_adjustment": 1.0}
    flipped = 1 - labels
    expected = PosterClassifier(**tiny).fit(images, flipped).predict_proba(images)
    classifier = PosterClassifier(**tiny).fit(images, labels)
    answer = classifier.fit(images, flipped).predict_proba(images)
    np.testing.assert_array_equal(answer, expected)


def test_adjusted_logits_lift_the_predictions_for_rare_labels(tiny, images, labels):
    tiny |= {"epochs": 8, "learning_rate": 0.03}
    plain = PosterClassifier(**tiny).fit(images, labels)
    adjusted = PosterClassifier(**tiny, logit_adjustment=1.0).fit(images, labels)
    rare = [plain, adjusted]
    first, second = (each.predict_proba(images)[:, 2].mean() for each in rare)
    assert second > first + 0.1


def test_a_saved_network_knows_its_loss_in_another_process(
    tiny, images, labels, tmp_path
):
    tiny |= {"loss": "asymmetric", "label_weight": "balanced"}
    classifier = PosterClassifier(**tiny).fit(images, labels)
    path = tmp_path / "network.keras"
    classifier.model_.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    assert isinstance(loaded.loss, LabelwiseLoss)
    assert loaded.loss.loss.gamma_neg == 4.0
    assert loaded.loss.weights == classifier.model_.loss.weights


def test_initialize_knows_the_labels_too(tiny, images, labels):
    tiny["label_weight"] = {"Fifth": 3.0}
    model = PosterClassifier(**tiny).initialize(images, labels).model_
    assert model.loss.weights == [1, 1, 3]

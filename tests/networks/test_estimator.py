"""What scikeras and Keras do otherwise, and PosterClassifier must not."""

import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasClassifier
from sklearn.base import clone, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.utils import get_tags

from sk_posters import PosterClassifier


@pytest.fixture
def no_scikeras(monkeypatch):
    """Let the parts of scikeras fail that must never run."""

    def refuse(*args, **kwargs):
        raise AssertionError("this part of scikeras must not run")

    for name in ["_validate_data", "_initialize", "_fit", "_build_keras_model"]:
        monkeypatch.setattr(KerasClassifier, name, refuse)
    monkeypatch.setattr("scikeras.wrappers.tensorflow_random_state", refuse)


class Recorder(keras.callbacks.Callback):
    """Notes what it was built with and which epochs it saw."""

    def __init__(self, note="none"):
        super().__init__()
        self.note = note
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((self.note, epoch))
        self.model.recorded = self.epochs


def test_it_is_a_scikeras_classifier():
    assert isinstance(PosterClassifier(), KerasClassifier)


def test_seeding_and_validation_of_scikeras_never_run(
    tiny, images, labels, no_scikeras
):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    classifier.partial_fit(images, labels)
    classifier.predict(images)
    classifier.initialize(images, labels).score(images, labels)


def test_tags_tell_the_truth():
    tags = get_tags(PosterClassifier())
    assert is_classifier(PosterClassifier())
    assert tags.classifier_tags.multi_label
    assert not tags.classifier_tags.poor_score
    assert tags.target_tags.required


def test_parameters_are_those_of_the_signature_before_and_after_fit(
    tiny, images, labels
):
    classifier = PosterClassifier(**tiny)
    before = classifier.get_params()
    classifier.fit(images, labels)
    assert classifier.get_params() == before
    assert set(before) == set(PosterClassifier._get_param_names())


def test_an_unknown_parameter_is_refused_at_once():
    message = r"PosterClassifier has no parameter 'epoch'. It has augment, .*epochs"
    with pytest.raises(TypeError, match=message):
        PosterClassifier(epoch=3)


def test_an_unknown_parameter_cannot_be_set():
    with pytest.raises(ValueError, match="Invalid parameter 'epoch'"):
        PosterClassifier().set_params(epoch=3)


def test_routed_parameters_reach_the_optimizer(tiny, images, labels):
    classifier = PosterClassifier(**tiny, optimizer="sgd", optimizer__momentum=0.7)
    model = classifier.initialize(images, labels).model_
    assert model.optimizer.momentum == pytest.approx(0.7)


def test_routed_parameters_survive_clone_and_set_params():
    classifier = PosterClassifier(optimizer__momentum=0.7)
    classifier.set_params(callbacks__patience=2, dropout=0.1)
    params = clone(classifier).get_params()
    assert params["optimizer__momentum"] == 0.7
    assert params["callbacks__patience"] == 2
    assert params["dropout"] == 0.1


def test_routed_parameters_can_be_searched(tiny, images, labels):
    search = GridSearchCV(
        PosterClassifier(**tiny, optimizer="sgd", callbacks=Recorder),
        {"optimizer__momentum": [0.5], "callbacks__note": ["a", "b"]},
        scoring="average_precision",
        cv=ShuffleSplit(1, random_state=0),
        refit=False,
        error_score="raise",
    ).fit(images, labels)
    assert len(search.cv_results_["params"]) == 2


def test_the_learning_rate_is_a_parameter_of_its_own(tiny, images, labels):
    classifier = PosterClassifier(**tiny, learning_rate=0.25)
    classifier.initialize(images, labels)
    assert float(classifier.model_.optimizer.learning_rate) == pytest.approx(0.25)


def test_without_a_learning_rate_the_optimizer_keeps_its_own(tiny, images, labels):
    classifier = PosterClassifier(**tiny, optimizer="sgd")
    classifier.initialize(images, labels)
    assert float(classifier.model_.optimizer.learning_rate) == pytest.approx(0.01)


def test_a_routed_learning_rate_wins(tiny, images, labels):
    classifier = PosterClassifier(
        **tiny, learning_rate=0.25, optimizer__learning_rate=0.125
    ).initialize(images, labels)
    assert float(classifier.model_.optimizer.learning_rate) == pytest.approx(0.125)


def test_an_optimizer_that_is_built_serves_more_than_one_fit(tiny, images, labels):
    optimizer = keras.optimizers.SGD(0.125)
    classifier = PosterClassifier(**tiny, optimizer=optimizer)
    for _ in range(2):
        used = classifier.initialize(images, labels).model_.optimizer
        assert float(used.learning_rate) == pytest.approx(0.125)
    assert not optimizer.built


def test_a_learning_rate_next_to_a_built_optimizer_is_an_error(tiny, images, labels):
    classifier = PosterClassifier(
        **tiny, optimizer=keras.optimizers.SGD(), learning_rate=0.1
    )
    message = r"learning_rate=0.1 does not reach an optimizer that is already built"
    with pytest.raises(ValueError, match=message):
        classifier.fit(images, labels)


@pytest.mark.parametrize("metrics", ["binary_accuracy", ["binary_accuracy"]])
def test_metrics_are_in_the_history(metrics, tiny, images, labels):
    classifier = PosterClassifier(**tiny, metrics=metrics).fit(images, labels)
    assert set(classifier.history_) == {"loss", "binary_accuracy"}


def test_a_loss_class_takes_routed_parameters(tiny, images, labels):
    plain = PosterClassifier(**tiny).fit(images, labels)
    smooth = PosterClassifier(
        **tiny, loss=keras.losses.BinaryCrossentropy, loss__label_smoothing=0.9
    ).fit(images, labels)
    assert smooth.history_["loss"] != plain.history_["loss"]


def test_compile_arguments_are_handed_on(tiny, images, labels):
    classifier = PosterClassifier(**tiny, compile__run_eagerly=True)
    assert classifier.initialize(images, labels).model_.run_eagerly


def test_fit_arguments_win_over_the_parameters(tiny, images, labels):
    classifier = PosterClassifier(**tiny, fit__epochs=3, fit__batch_size=4)
    assert len(classifier.fit(images, labels).history_["loss"]) == 3


def test_the_batch_of_prediction_has_a_size_of_its_own(tiny, images, labels):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    expected = classifier.predict_proba(images)
    classifier.set_params(predict__batch_size=5)
    np.testing.assert_allclose(classifier.predict_proba(images), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "method"),
    [("fit__shuffle", "fit"), ("predict__steps", "predict_proba")],
)
def test_an_unknown_routed_argument_is_an_error(name, method, tiny, images, labels):
    classifier = PosterClassifier(**tiny).fit(images, labels).set_params(**{name: 1})
    with pytest.raises(ValueError, match=rf"no parameter {name}: allowed are .*batch_"):
        getattr(classifier, method)(
            *([images, labels] if method == "fit" else [images])
        )


@pytest.fixture(scope="module")
def going_on(images, labels):
    """A classifier that trains on, so that Keras traces its network only once."""
    classifier = PosterClassifier(
        filters=(4,), dense_units=(8,), epochs=1, warm_start=True, random_state=0
    )
    return classifier.fit(images, labels)


@pytest.mark.parametrize(
    "callbacks",
    [Recorder, [Recorder], {"one": Recorder}, Recorder(), [Recorder()]],
    ids=["class", "classes", "dict", "instance", "instances"],
)
def test_callbacks_of_every_form_run(callbacks, going_on, images, labels):
    done = len(going_on.history_["loss"])
    going_on.set_params(callbacks=callbacks).fit(images, labels)
    assert going_on.model_.recorded == [("none", done)]


def test_callbacks_of_another_kind_are_an_error(tiny, images, labels):
    classifier = PosterClassifier(**tiny, callbacks=["EarlyStopping"])
    with pytest.raises(TypeError, match=r"Keras callbacks .* got 'EarlyStopping'"):
        classifier.fit(images, labels)


def test_patience_needs_a_validation_set(tiny, images, labels):
    classifier = PosterClassifier(**tiny, patience=2)
    message = r"patience=2 watches the validation loss, and there is no validation set"
    with pytest.raises(ValueError, match=message):
        classifier.fit(images, labels)


def test_early_stopping_stops_and_restores_the_best_weights(tiny, images, labels):
    # A rate so high that the loss of the held-out rows soon goes up.
    tiny |= {"epochs": 30, "learning_rate": 0.5, "patience": 2}
    held_out = images[:8], labels[:8]
    classifier = PosterClassifier(**tiny, metrics=["binary_accuracy"])
    classifier.fit(images[8:], labels[8:], validation_data=held_out)
    losses = classifier.history_["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 2 < 30
    loss = classifier.model_.evaluate(*held_out, verbose=0)[0]
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_the_score_is_subset_accuracy(tiny, images, labels):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    weights = np.arange(len(images)) + 1.0
    expected = accuracy_score(labels, classifier.predict(images), sample_weight=weights)
    assert classifier.score(images, labels, sample_weight=weights) == expected


def test_the_representation_is_that_of_scikit_learn():
    assert repr(PosterClassifier(dropout=0.5)) == "PosterClassifier(dropout=0.5)"
    assert "optimizer__momentum=0.9" in repr(PosterClassifier(optimizer__momentum=0.9))


def test_there_is_an_html_representation(tiny, images, labels):
    classifier = PosterClassifier(**tiny, optimizer__epsilon=1e-6)
    assert "PosterClassifier" in classifier._repr_html_()
    assert "PosterClassifier" in classifier.initialize(images, labels)._repr_html_()


def test_the_current_epoch_counts_those_trained(tiny, images, labels):
    classifier = PosterClassifier(**tiny)
    assert classifier.current_epoch == 0
    assert classifier.initialize(images, labels).current_epoch == 0
    classifier.partial_fit(images, labels).partial_fit(images, labels)
    assert classifier.current_epoch == 2


def test_mixed_precision_gives_probabilities_in_single_precision(tiny, images, labels):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        classifier = PosterClassifier(**tiny).initialize(images, labels)
        assert classifier.predict_proba(images).dtype == np.float32
    finally:
        keras.config.set_dtype_policy(policy)


def test_an_error_that_is_not_of_reading_arrives_as_it_is(tiny, images, labels):
    class Broken(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise RuntimeError("the callback broke")

    with pytest.raises(RuntimeError, match="the callback broke"):
        PosterClassifier(**tiny, callbacks=Broken).fit(images, labels)

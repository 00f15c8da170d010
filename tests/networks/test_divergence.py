"""A training that diverges is an error, and what was learned before is kept."""

import keras
import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV

from sk_posters import PosterClassifier
from sk_posters.exceptions import DivergenceError

TOO_HIGH = 1e38
# At some batch of the third epoch, all weights leave the range of floats.
LATER = keras.callbacks.LearningRateScheduler(lambda n, r: r if n < 2 else TOO_HIGH)


def test_a_loss_that_is_nan_is_an_error_with_epoch_and_causes(images, labels, tiny):
    classifier = PosterClassifier(**tiny, learning_rate=TOO_HIGH)
    message = (
        r"^Training diverged in epoch 1: its loss is nan\. Usual causes: a learning "
        r"rate that is too high \(it is 1e\+38: try a tenth of it\), .* nan, .*float16 "
        r"\(set mixed_precision=False\)\. No epoch came before it\.$"
    )
    with pytest.raises(DivergenceError, match=message):
        classifier.fit(images, labels)
    assert not classifier.initialized_
    assert classifier.history_ == {}


def test_an_error_of_pytorch_that_means_nan_is_a_divergence(
    images, labels, tiny, monkeypatch
):
    def fit(self, *arguments, **options):
        (finite,) = [each for each in options["callbacks"] if hasattr(each, "find_in")]
        finite.set_model(self)
        finite.on_train_begin()
        finite.on_epoch_end(0, {"loss": 0.5})
        finite.on_epoch_begin(1)
        raise RuntimeError("all elements of input should be between 0 and 1")

    monkeypatch.setattr(keras.Model, "fit", fit)
    classifier = PosterClassifier(**tiny, warm_start=True).initialize(images, labels)
    with pytest.raises(DivergenceError, match=r"epoch 2: its loss is nan.*epoch 1\."):
        classifier.fit(images, labels)
    assert classifier.history_ == {"loss": [0.5]}


def test_weights_that_overflow_in_the_last_step_are_found(images, labels, tiny):
    # One batch: its loss is computed before the step that ruins the weights.
    params = tiny | {"batch_size": 24, "learning_rate": 10 * TOO_HIGH}
    with pytest.raises(ValueError, match="in epoch 1: its weights overflow"):
        PosterClassifier(**params).fit(images, labels)


def test_the_epochs_before_are_kept(images, labels, tiny):
    bad = PosterClassifier(**tiny | {"epochs": 5}, callbacks=LATER)
    with pytest.raises(
        DivergenceError, match=r"epoch 3: .*those after epoch 2"
    ) as info:
        bad.fit(images, labels)
    assert isinstance(info.value, FloatingPointError)
    good = PosterClassifier(**tiny | {"epochs": 2}, callbacks=LATER)
    good.fit(images, labels)
    assert bad.history_ == good.history_
    np.testing.assert_array_equal(bad.predict_proba(images), good.predict_proba(images))


def test_training_can_go_on_from_the_epoch_before(images, labels, tiny):
    classifier = PosterClassifier(**tiny, warm_start=True).fit(images, labels)
    before = classifier.predict_proba(images)
    with pytest.raises(DivergenceError, match="epoch 3"):
        classifier.set_params(callbacks=LATER, epochs=3).fit(images, labels)
    classifier.set_params(callbacks=None, epochs=1)
    n_epochs = len(classifier.history_["loss"])
    classifier.partial_fit(images, labels)
    assert len(classifier.history_["loss"]) == n_epochs + 1
    assert np.isfinite(classifier.predict_proba(images)).all()
    assert not np.array_equal(classifier.predict_proba(images), before)


def test_a_validation_loss_counts_and_patience_does_not_hide_it(images, labels, tiny):
    class Nan(keras.losses.Loss):
        """Is nan for positives, which only the validation set has."""

        def call(self, y_true, y_pred):
            y_true = keras.ops.cast(y_true, y_pred.dtype)
            loss = keras.ops.mean((y_true - y_pred) ** 2, axis=-1)
            return keras.ops.where(keras.ops.any(y_true == 1, axis=-1), np.nan, loss)

    held_out = images[:4], labels[:4] * 0 + 1
    classifier = PosterClassifier(**tiny | {"epochs": 3}, loss=Nan, patience=1)
    with pytest.raises(DivergenceError, match="epoch 1: its val_loss is nan"):
        classifier.fit(images, labels * 0, validation_data=held_out)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
# Keras on PyTorch warns so, and `pytest.warns` gives it again.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_search_goes_on_with_the_other_candidates(images, labels, tiny):
    grid = {"learning_rate": [TOO_HIGH, 0.001]}
    search = GridSearchCV(PosterClassifier(**tiny), grid, cv=2)
    with pytest.warns(FitFailedWarning, match="DivergenceError: Training diverged"):
        search.fit(images, labels)
    assert search.best_params_ == {"learning_rate": 0.001}
    assert np.isnan(search.cv_results_["mean_test_score"][0])


def test_no_prediction_is_made_of_scores_that_are_nan(images, labels, tiny):
    classifier = PosterClassifier(**tiny).fit(images, labels)
    weights = [value * np.nan for value in classifier.model_.get_weights()]
    classifier.model_.set_weights(weights)
    with pytest.raises(ValueError, match="nan or infinite for 24 of 24 rows"):
        classifier.predict(images)


def test_fewer_layers_need_no_rates(images, labels):
    classifier = PosterClassifier(
        filters=(8,), dense_units=(16,), epochs=1, random_state=0
    )
    assert classifier.fit(images, labels).predict_proba(images).shape == (24, 3)

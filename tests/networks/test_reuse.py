"""A network that nobody uses any more serves the next fit, as if it were new."""

import copy
import gc
import pickle
from collections import deque

import keras
import numpy as np
import pytest

from sk_posters import PosterClassifier
from sk_posters._networks import _reuse


@pytest.fixture(autouse=True, scope="module")
def little_to_search():
    """Let a collection of garbage look at no object from before these tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_free(little_to_search, monkeypatch):
    """Begin without free networks, and keep as few as outside of tests."""
    gc.collect()
    monkeypatch.setattr(_reuse, "_free", deque(maxlen=_reuse.N_FREE))


def fit(tiny, images, labels, **parameters):
    return PosterClassifier(**tiny | parameters).fit(images, labels)


def build(tiny, images, labels, **parameters):
    return PosterClassifier(**tiny | parameters).initialize(images, labels)


def network(classifier):
    """The network, without taking it: that would keep it from other fits."""
    return id(classifier._network.model)


def test_the_next_fit_uses_the_network_of_the_last(tiny, images, labels):
    used = network(fit(tiny, images, labels))
    assert network(fit(tiny, images, labels, random_state=1)) == used


def test_a_used_network_gives_what_a_new_one_gives(tiny, images, labels):
    tiny |= {"epochs": 2, "dropout": 0.4}
    new = fit(tiny, images, labels)
    expected, history = new.predict_proba(images), new.history_
    del new
    fit(tiny, images, labels, random_state=1)
    again = fit(tiny, images, labels)
    np.testing.assert_array_equal(again.predict_proba(images), expected)
    assert again.history_ == history


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adagrad", "rmsprop"])
def test_the_optimizer_begins_again(optimizer, tiny, images, labels):
    parameters = {"optimizer": optimizer, "learning_rate": 0.02}
    expected = fit(tiny, images, labels, **parameters).predict_proba(images)
    again = fit(tiny, images, labels, **parameters)
    assert int(again._network.model.optimizer.iterations) == 3
    np.testing.assert_array_equal(again.predict_proba(images), expected)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0.5, 0.01, 0.01), (0.01, None, 0.001), (None, 0.5, 0.5)],
)
def test_each_fit_has_its_own_learning_rate(
    first, second, expected, tiny, images, labels
):
    build(tiny, images, labels, learning_rate=first)
    model = build(tiny, images, labels, learning_rate=second)._network.model
    assert float(model.optimizer.learning_rate) == pytest.approx(expected)


def test_the_learning_rate_of_the_last_fit_leaves_no_trace(tiny, images, labels):
    tiny |= {"learning_rate": 0.01}
    expected = fit(tiny, images, labels).predict_proba(images)
    fit(tiny, images, labels, learning_rate=0.5)
    again = fit(tiny, images, labels)
    np.testing.assert_array_equal(again.predict_proba(images), expected)


def test_a_learning_rate_needs_no_other_network(tiny, images, labels):
    used = network(build(tiny, images, labels, learning_rate=0.5))
    assert network(build(tiny, images, labels, learning_rate=0.01)) == used


def test_a_network_in_use_is_not_taken(tiny, images, labels):
    first = fit(tiny, images, labels)
    expected = first.predict_proba(images)
    second = build(tiny, images, labels, random_state=1)
    assert network(first) != network(second)
    np.testing.assert_array_equal(first.predict_proba(images), expected)


def test_a_network_that_the_user_holds_is_not_taken(tiny, images, labels):
    model = build(tiny, images, labels).model_
    expected = model.get_weights()
    assert network(build(tiny, images, labels, random_state=1)) != id(model)
    for a, b in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_copy_keeps_its_network(tiny, images, labels):
    classifier = fit(tiny, images, labels)
    other = copy.copy(classifier)
    expected = classifier.predict_proba(images)
    del classifier
    assert network(build(tiny, images, labels, random_state=1)) != network(other)
    np.testing.assert_array_equal(other.predict_proba(images), expected)


def test_a_network_out_of_a_pickle_is_not_taken(tiny, images, labels):
    content = pickle.dumps(build(tiny, images, labels))
    _reuse._free.clear()
    pickle.loads(content)
    assert not _reuse._free


OTHER_KINDS = [
    {"filters": (3,)},
    {"dropout": 0.2},
    {"batch_norm": False},
    {"learning_rate": None},
    {"optimizer": "sgd"},
    {"optimizer__beta_1": 0.8},
    {"metrics": ["binary_accuracy"]},
    {"compile__run_eagerly": True},
    {"mixed_precision": True},
    {"jit_compile": True},
]
if keras.backend.backend() == "tensorflow":  # The others refuse it.
    OTHER_KINDS.append({"distribute": "mirrored"})


def test_only_a_network_of_the_same_kind_is_used(tiny, images, labels):
    tiny |= {"learning_rate": 0.01}
    used = network(build(tiny, images, labels))
    (free,) = _reuse._free
    for parameters in OTHER_KINDS:
        assert network(build(tiny, images, labels, **parameters)) != used, parameters
        _reuse._free.clear()
        _reuse._free.append(free)
    assert network(build(tiny, images, labels)) == used


@pytest.mark.parametrize(
    "parameters",
    [{"epochs": 2}, {"batch_size": 5}, {"validation_fraction": 0.2}],
    ids=str,
)
def test_other_parameters_do_not_affect_recycling(parameters, tiny, images, labels):
    used = network(build(tiny, images, labels))
    assert network(build(tiny, images, labels, **parameters)) == used


def test_other_images_or_labels_need_another_network(tiny, images, labels):
    used = network(build(tiny, images, labels))
    assert network(build(tiny, images[:, :7], labels)) != used
    assert network(build(tiny, images, labels.iloc[:, :2])) != used


def test_another_float_type_needs_another_network(tiny, images, labels):
    used = network(build(tiny, images, labels))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        assert network(build(tiny, images, labels)) != used
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize(
    "parameters",
    [
        {"callbacks": keras.callbacks.Callback},
        {"loss": keras.losses.BinaryCrossentropy()},
        {"optimizer": keras.optimizers.SGD()},
    ],
    ids=list,
)
def test_parameters_that_may_hold_state_prevent_recycling(
    parameters, tiny, images, labels
):
    build(tiny, images, labels, **parameters)
    assert not _reuse._free


def test_early_stopping_does_not_stop_the_next_fit(tiny, images, labels):
    tiny |= {"epochs": 12, "learning_rate": 0.5, "validation_fraction": 0.3}
    stopped = fit(tiny, images, labels, patience=1)
    assert len(stopped.history_["loss"]) < 12
    del stopped
    assert len(fit(tiny, images, labels).history_["loss"]) == 12


def test_only_a_few_free_networks_are_kept(tiny, images, labels):
    classifiers = [build(tiny, images, labels, dropout=i / 10) for i in range(6)]
    newest = network(classifiers[-1])
    for _ in range(6):
        classifiers.pop(0)
    assert len(_reuse._free) == 4
    assert id(_reuse._free[-1].model) == newest


def test_a_network_pushed_out_at_the_last_moment_is_not_taken(monkeypatch):
    class Emptied(list):
        def remove(self, kept):
            raise ValueError

    kept = _reuse._Kept(object(), "key", [])
    monkeypatch.setattr(_reuse, "_free", Emptied([kept]))
    assert _reuse._take("key") is None


def test_without_a_network_there_is_no_model():
    with pytest.raises(AttributeError, match=r"PosterClassifier has no model_ before"):
        _ = PosterClassifier().model_

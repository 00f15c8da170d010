"""GPUs, float16 and several devices: used where they are, with the same answers."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import pytest

from sk_posters import PosterClassifier
from sk_posters._base._gpus import list_gpus
from sk_posters._networks import _devices, _reuse
from sk_posters._networks._batches import ImageBatches
from sk_posters._networks._devices import EvenBatches, JointLossScaleOptimizer

# A network without chance, and without statistics of a batch, which devices do not
# share.
EXACT = {
    "filters": (4,),
    "dense_units": (),
    "dropout": 0.0,
    "batch_norm": False,
    "epochs": 3,
    "batch_size": 8,
    "random_state": 0,
}
NORMED = EXACT | {"batch_norm": True, "dropout": 0.1}
# What two devices train: one rate, so that one network of a kind is traced.
SHARED = {"distribute": "mirrored", "learning_rate": 0.05, "epochs": 4}


# -- one process, no GPU -------------------------------------------------------------


class Gpu(str):
    """A GPU as Keras looks at it."""

    device_type = "GPU"


@pytest.fixture
def fake_gpus(tf, monkeypatch):
    """Let GPUs be there, and return those whose memory is to grow."""

    def fake(*details):
        gpus = [Gpu(f"GPU:{number}") for number in range(len(details))]
        growing = []
        config = tf.config
        monkeypatch.setattr(config, "list_physical_devices", lambda *kind: gpus)
        monkeypatch.setattr(
            config, "get_logical_device_configuration", lambda gpu: None
        )
        config = config.experimental
        monkeypatch.setattr(
            config, "get_device_details", lambda gpu: details[gpus.index(gpu)]
        )
        monkeypatch.setattr(
            config, "set_memory_growth", lambda gpu, grow: growing.append((gpu, grow))
        )
        return growing

    return fake


@pytest.fixture
def growth_not_set(monkeypatch):
    """TensorFlow's memory growth is decided anew in this test, and after it."""
    _devices._grow_gpu_memory.cache_clear()
    yield
    _devices._grow_gpu_memory.cache_clear()


@pytest.fixture
def float64():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(policy)


def compute_types(classifier):
    return [layer.compute_dtype for layer in classifier.model_.layers]


def test_without_a_gpu_nothing_changes(tiny, images, labels):
    assert list_gpus() == []
    classifier = PosterClassifier(**tiny).fit(images, labels)
    assert set(compute_types(classifier)) == {"float32"}
    always = keras.backend.backend() == "jax"
    assert classifier.model_.jit_compile is always
    assert isinstance(classifier.model_.optimizer, keras.optimizers.Adam)


NEW, OLD = {"compute_capability": (8, 0)}, {"compute_capability": (6, 1)}


@pytest.mark.parametrize(
    ("details", "policy"),
    [
        ([], None),
        ([NEW], "mixed_float16"),
        ([OLD], None),
        ([{}], None),
        ([NEW, OLD], None),
        ([NEW, NEW], "mixed_float16"),
    ],
    ids=["no GPU", "tensor cores", "none", "unknown", "one of two", "both"],
)
def test_float16_is_chosen_where_all_gpus_have_tensor_cores(details, policy, fake_gpus):
    fake_gpus(*details)
    assert _devices.compute_policy("auto") == policy


def test_the_setting_of_the_user_on_float16_is_kept(fake_gpus):
    assert _devices.compute_policy(True) == "mixed_float16"
    fake_gpus(NEW)
    assert _devices.compute_policy(False) is None


def test_float64_is_never_replaced(fake_gpus, float64):
    fake_gpus(NEW)
    assert _devices.compute_policy("auto") is None


def test_a_gpu_makes_a_fit_use_float16(fake_gpus, tiny, images, labels):
    fake_gpus(NEW)
    classifier = PosterClassifier(**tiny).initialize(images, labels)
    assert "float16" in compute_types(classifier)


def test_keras_compiles_with_xla_where_there_is_a_gpu(
    fake_gpus, monkeypatch, tiny, images, labels
):
    monkeypatch.setattr(_reuse, "_free", [])  # Networks from before the GPU came.
    fake_gpus({})
    classifier = PosterClassifier(**tiny).initialize(images, labels)
    assert classifier.model_.jit_compile


def test_gpu_memory_grows_and_is_set_once(fake_gpus, growth_not_set):
    growing = fake_gpus(NEW, NEW)
    _devices.device_scope()
    _devices.device_scope()
    assert growing == [("GPU:0", True), ("GPU:1", True)]


def test_a_gpu_that_the_user_divides_is_left_alone(
    fake_gpus, monkeypatch, tf, growth_not_set
):
    growing = fake_gpus(NEW, NEW)
    parts = {"GPU:0": None, "GPU:1": [tf.config.LogicalDeviceConfiguration(1024)]}
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", parts.get)
    _devices.device_scope()
    assert growing == []


def test_a_gpu_that_is_in_use_is_left_alone(fake_gpus, monkeypatch, tf, growth_not_set):
    def refuse(gpu, grow):
        raise RuntimeError("Physical devices cannot be modified any more")

    fake_gpus(NEW)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
    _devices.device_scope()


# -- float16 -------------------------------------------------------------------------


def test_layers_compute_in_float16_and_the_last_in_float32(tiny, images, labels):
    policy = keras.config.dtype_policy().name
    classifier = PosterClassifier(**tiny, mixed_precision=True).fit(images, labels)
    *others, last = compute_types(classifier)
    assert (set(others), last) == ({"float16"}, "float32")
    assert {weight.dtype for weight in classifier.model_.weights} == {"float32"}
    assert classifier.predict_proba(images).dtype == np.float32
    assert keras.config.dtype_policy().name == policy


def test_float16_predicts_as_float32(images, labels):
    plain = PosterClassifier(**NORMED).fit(images, labels)
    mixed = PosterClassifier(**NORMED, mixed_precision=True).fit(images, labels)
    mixed.model_.set_weights(plain.model_.get_weights())
    expected = plain.predict_proba(images)
    # Half floats have 11 bits: a relative error of 0.0005 in each layer.
    np.testing.assert_allclose(mixed.predict_proba(images), expected, atol=2e-3)


def test_float16_learns_as_float32(images, labels):
    parameters = EXACT | {"optimizer": "sgd", "learning_rate": 0.1}
    plain = PosterClassifier(**parameters).fit(images, labels)
    mixed = PosterClassifier(**parameters, mixed_precision=True).fit(images, labels)
    assert mixed.history_["loss"] == pytest.approx(plain.history_["loss"], rel=2e-3)
    pairs = mixed.model_.get_weights(), plain.model_.get_weights()
    for actual, expected in zip(*pairs, strict=True):
        np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_float16_sees_bytes_as_it_sees_floats(tiny, images, labels):
    pixels = np.round(images * 255).astype(np.uint8)
    # All at once: PyTorch rounds differently in batches of another size.
    tiny |= {"mixed_precision": True, "predict__batch_size": 24}
    classifier = PosterClassifier(**tiny).fit(pixels, labels)
    floats = classifier.model_.predict_on_batch(pixels / np.float32(255))
    np.testing.assert_array_equal(classifier.predict_proba(pixels), floats)


def test_float16_needs_the_loss_scaled(tiny, images, labels):
    tiny |= {"mixed_precision": True, "learning_rate": 0.25}
    optimizer = PosterClassifier(**tiny).fit(images, labels).model_.optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert isinstance(optimizer.inner_optimizer, keras.optimizers.Adam)
    assert float(optimizer.learning_rate) == 0.25


def test_a_loss_that_the_user_scales_is_not_scaled_twice(tiny, images, labels):
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5))
    classifier = PosterClassifier(**tiny, mixed_precision=True, optimizer=optimizer)
    used = classifier.fit(images, labels).model_.optimizer
    assert isinstance(used.inner_optimizer, keras.optimizers.SGD)


def test_the_loss_is_not_scaled_against_the_users_word(tiny, images, labels):
    tiny |= {"mixed_precision": True, "compile__auto_scale_loss": False}
    optimizer = PosterClassifier(**tiny).fit(images, labels).model_.optimizer
    assert isinstance(optimizer, keras.optimizers.Adam)


def test_a_network_in_float16_goes_on_after_pickling(images, labels):
    classifier = PosterClassifier(**NORMED, mixed_precision=True).fit(images, labels)
    other = pickle.loads(pickle.dumps(classifier))
    for each in (classifier, other):
        each.partial_fit(images, labels)
    expected = classifier.predict_proba(images)
    np.testing.assert_array_equal(other.predict_proba(images), expected)
    assert compute_types(other) == compute_types(classifier)


# -- XLA -----------------------------------------------------------------------------


def test_xla_trains_the_same_network(images, labels):
    parameters = EXACT | {"batch_norm": True, "epochs": 1}
    plain = PosterClassifier(**parameters).fit(images, labels)
    compiled = PosterClassifier(**parameters, jit_compile=True).fit(images, labels)
    assert compiled.model_.jit_compile
    np.testing.assert_allclose(
        compiled.predict_proba(images), plain.predict_proba(images), atol=1e-4
    )


def test_a_routed_jit_compile_wins(tiny, images, labels):
    classifier = PosterClassifier(
        **tiny, jit_compile=True, compile__jit_compile=False
    ).initialize(images, labels)
    assert not classifier.model_.jit_compile


# -- several devices, in this process ------------------------------------------------


def test_several_devices_need_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    message = (
        r"distribute='mirrored' needs Keras on TensorFlow: got .* 'jax'. Set KERAS"
    )
    with pytest.raises(ValueError, match=message):
        _devices.device_scope("mirrored")


def test_xla_and_several_devices_do_not_go_together(tiny, images, labels, tf):
    classifier = PosterClassifier(**tiny, jit_compile=True, distribute="mirrored")
    message = r"jit_compile=True and distribute='mirrored' do not work together"
    with pytest.raises(ValueError, match=message):
        classifier.fit(images, labels)


def test_one_device_mirrored_is_one_device(tiny, images, labels, tf):
    alone = PosterClassifier(**tiny).fit(images, labels)
    mirrored = PosterClassifier(**tiny, distribute="mirrored").fit(images, labels)
    expected = alone.predict_proba(images)
    np.testing.assert_array_equal(mirrored.predict_proba(images), expected)


def even(n_rows, weights, n_devices):
    batches = ImageBatches(
        np.arange(n_rows, dtype=np.uint8).reshape(-1, 1, 1, 1),
        np.arange(n_rows).reshape(-1, 1),
        weights,
        batch_size=n_rows,
    )
    return [part.ravel().tolist() for part in EvenBatches(batches, n_devices)[0]]


def test_a_batch_that_divides_stays_as_it_is():
    assert even(4, None, 2) == [[0, 1, 2, 3], [0, 1, 2, 3], [1.0, 1.0, 1.0, 1.0]]


def test_a_batch_is_filled_up_with_rows_without_weight():
    pixels, targets, weights = even(3, np.array([3.0, 6.0, 9.0]), 2)
    assert pixels == targets == [0, 1, 2, 0]
    # The mean over four rows is that over the three.
    assert weights == [4.0, 8.0, 12.0, 0.0]


def test_one_row_is_enough_for_all_devices():
    assert even(1, None, 3) == [[0, 0, 0], [0, 0, 0], [3.0, 0.0, 0.0]]


def test_even_batches_come_in_the_order_of_the_epoch():
    pixels = np.arange(40, dtype=np.uint8).reshape(-1, 1, 1, 1)
    inner = ImageBatches(pixels, pixels[:, 0, 0], batch_size=8, seed=0)
    batches = EvenBatches(inner, 3)
    first = [batch[0][:8].tolist() for batch in map(batches.__getitem__, range(5))]
    inner.draw_next_order()
    second = [batch[0][:8].tolist() for batch in map(batches.__getitem__, range(5))]
    assert len(batches) == 5
    assert second != first
    assert second == [inner[number][0].tolist() for number in range(5)]


@pytest.mark.parametrize(("gradient", "is_finite"), [(1.0, True), (np.inf, False)])
def test_gradients_are_looked_at(gradient, is_finite, tf):
    optimizer = JointLossScaleOptimizer(keras.optimizers.SGD())
    answer = optimizer.check_finite([tf.constant([0.0, gradient]), None])
    assert bool(answer) is is_finite


# -- two devices, in a process of their own ------------------------------------------


def divide_cpu():
    """Make two devices out of the CPU, which must happen before TensorFlow begins."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])


@pytest.fixture(scope="module")
def on_two_devices(tf):
    """Call a function in a process that has two devices, and return its result."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, divide_cpu) as pool:
        yield lambda function, *args, **options: pool.submit(
            function, *args, **options
        ).result()


def fit(images, labels, parameters, weights=None):
    """Train; return history, weights and predictions."""
    classifier = PosterClassifier(**parameters)
    held_out = images[:8], labels[:8]
    classifier.fit(images, labels, sample_weight=weights, validation_data=held_out)
    learned = classifier._network.model.get_weights()
    return classifier.history_, learned, classifier.predict_proba(images[:7])


def on_one_and_on_two(on_two_devices, images, labels, parameters, weights=None):
    one = fit(images, labels, parameters, weights)
    parameters = parameters | {"distribute": "mirrored"}
    return one, on_two_devices(fit, images, labels, parameters, weights)


@pytest.mark.parametrize("n_rows", [24, 17])
def test_two_devices_learn_the_weights_of_one(n_rows, on_two_devices, images, labels):
    images, labels = images[:n_rows], labels[:n_rows]
    parameters = EXACT | {"optimizer": "adam", "learning_rate": 0.01, "epochs": 2}
    weights = np.linspace(0.5, 2, n_rows)
    one, two = on_one_and_on_two(on_two_devices, images, labels, parameters, weights)
    for expected, actual in zip(one[1], two[1], strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    np.testing.assert_allclose(two[2], one[2], atol=1e-5)
    assert two[0]["val_loss"] == pytest.approx(one[0]["val_loss"], rel=1e-5)
    if n_rows == 24:
        # Elsewhere the rows that fill up the last batch count in the mean of an epoch.
        assert two[0]["loss"] == pytest.approx(one[0]["loss"], rel=1e-5)


def check_learned(history, weights, scores):
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert all(np.isfinite(weight).all() for weight in weights)
    assert np.isfinite(scores).all()


def predict_by_batches(images, labels):
    classifier = PosterClassifier(**NORMED | SHARED)
    classifier.fit(images[:17], labels[:17])
    scores = [
        classifier.set_params(predict__batch_size=size).predict_proba(images)
        for size in (24, 7, 1)
    ]
    return classifier.history_, classifier._network.model.get_weights(), scores


def test_two_devices_learn_and_predict_batches_of_any_size(
    on_two_devices, images, labels
):
    history, weights, scores = on_two_devices(predict_by_batches, images, labels)
    check_learned(history, weights, scores)
    for some in scores:
        assert some.shape == (24, 3)
        np.testing.assert_allclose(some, scores[0], rtol=1e-5)


def go_on(images, labels):
    classifier = PosterClassifier(**NORMED | SHARED, mixed_precision=True)
    # One row is left for the last batch: none for one of the devices.
    classifier.fit(images[:17], labels[:17])
    history, weights = classifier.history_, classifier._network.model.get_weights()
    check_learned(history, weights, classifier.predict_proba(images))
    return [
        (
            _devices.devices_of(each._network.model),
            each.partial_fit(images, labels).predict_proba(images),
        )
        for each in (classifier, pickle.loads(pickle.dumps(classifier)))
    ]


def test_two_devices_learn_in_float16_and_a_copy_goes_on(
    on_two_devices, images, labels
):
    original, other = on_two_devices(go_on, images, labels)
    assert (original[0], other[0]) == (2, 2)
    np.testing.assert_array_equal(other[1], original[1])


def use_again(images, labels):
    """Tell which of three fits have the network of the first."""
    used, scores = [], []
    for distribute in ("mirrored", None, "mirrored"):
        parameters = NORMED | SHARED | {"distribute": distribute, "epochs": 1}
        classifier = PosterClassifier(**parameters)
        scores.append(classifier.fit(images, labels).predict_proba(images))
        used.append(id(classifier._network.model))
        del classifier
    return [each == used[0] for each in used], scores


def test_a_network_of_two_devices_is_used_again_by_two(on_two_devices, images, labels):
    used, scores = on_two_devices(use_again, images, labels)
    assert used == [True, False, True]
    np.testing.assert_array_equal(scores[2], scores[0])


def stop_early(images, labels):
    parameters = EXACT | SHARED | {"epochs": 30, "optimizer": "adam", "patience": 1}
    classifier = PosterClassifier(**parameters)
    # Whatever is learned is wrong for these.
    held_out = images[:8], 1 - labels[:8]
    classifier.fit(images[8:], labels[8:], validation_data=held_out)
    loss = keras.losses.BinaryCrossentropy()
    best = loss(held_out[1].to_numpy(), classifier.predict_proba(held_out[0]))
    return classifier.history_["val_loss"], float(best)


def test_two_devices_stop_early_and_go_back(on_two_devices, images, labels):
    losses, best = on_two_devices(stop_early, images, labels)
    assert len(losses) == int(np.argmin(losses)) + 1 + 1 < 30
    assert best == pytest.approx(min(losses), rel=1e-4)


def overflow_on_one():
    """Ask each of two devices whether gradients are finite that one of them lacks."""
    import tensorflow as tf

    with _devices.device_scope("mirrored"):
        optimizer = JointLossScaleOptimizer(keras.optimizers.SGD())
    strategy = _devices._make_mirrored_strategy()

    @tf.function
    def ask():
        device = tf.distribute.get_replica_context().replica_id_in_sync_group
        gradient = tf.where(tf.equal(device, 1), np.inf, 1.0)
        return optimizer.check_finite([gradient])

    answers = strategy.experimental_local_results(strategy.run(ask))
    return [bool(answer) for answer in answers]


def test_an_overflow_on_one_device_is_known_to_both(on_two_devices):
    assert on_two_devices(overflow_on_one) == [False, False]

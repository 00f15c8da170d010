"""The tutorial's network, layer for layer, and what can be changed about it."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from sk_posters._networks._cnn import ImageNetwork, poster_cnn, reseed


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def trainable_parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.fixture(scope="module")
def tutorial_network():
    return poster_cnn((350, 350, 3), 25)


def test_parameters_are_those_of_the_tutorial(tutorial_network):
    assert tutorial_network.count_params() == 6_672_889
    assert trainable_parameters(tutorial_network) == 6_671_897


def test_layers_are_those_of_the_tutorial(tutorial_network):
    block = ["Conv2D", "FusedBatchNormalization", "MaxPooling2D", "Dropout"]
    dense = ["Dense", "FusedBatchNormalization", "Dropout"]
    assert kinds(tutorial_network) == [*block * 4, "Flatten", *dense * 2, "Dense"]


def test_settings_are_those_of_the_tutorial(tutorial_network):
    layers = tutorial_network.layers
    convolutions = [each for each in layers if isinstance(each, keras.layers.Conv2D)]
    poolings = [each for each in layers if isinstance(each, keras.layers.MaxPooling2D)]
    dense = [each for each in layers if isinstance(each, keras.layers.Dense)]
    dropouts = [each for each in layers if isinstance(each, keras.layers.Dropout)]
    assert [each.filters for each in convolutions] == [16, 32, 64, 128]
    assert {each.kernel_size for each in convolutions} == {(3, 3)}
    assert {each.pool_size for each in poolings} == {(2, 2)}
    assert [each.units for each in dense] == [128, 128, 25]
    assert [each.rate for each in dropouts] == [0.3, 0.3, 0.4, 0.5, 0.5, 0.5]
    activations = [each.activation.__name__ for each in [*convolutions, *dense]]
    assert activations == ["relu"] * 6 + ["sigmoid"]


@pytest.mark.parametrize(
    ("filters", "dense_units", "rates"),
    [
        ((2,), (2,), [0.3, 0.5]),
        ((2, 2, 2), (), [0.3, 0.3, 0.4]),
        ((), (2, 2, 2), [0.5, 0.5, 0.5]),
        ((2,) * 5, (2,), [0.3, 0.3, 0.4, 0.5, 0.5, 0.5]),
    ],
)
def test_rates_of_the_tutorial_are_cut_or_repeated(filters, dense_units, rates):
    model = poster_cnn((94, 94, 3), 2, filters=filters, dense_units=dense_units)
    layers = [each for each in model.layers if isinstance(each, keras.layers.Dropout)]
    assert [each.rate for each in layers] == rates


def test_image_size_and_labels_follow_from_the_arguments():
    model = poster_cnn((46, 60, 1), 3)
    assert model.input_shape == (None, 46, 60, 1)
    assert model.output_shape == (None, 3)


def test_filters_and_units_can_be_chosen():
    model = poster_cnn((16, 16, 3), 2, filters=(4,), dense_units=(), dropout=0.1)
    expected = ["Conv2D", "FusedBatchNormalization", "MaxPooling2D", "Dropout"]
    assert kinds(model) == [*expected, "Flatten", "Dense"]


def test_batch_normalisation_can_be_left_out():
    model = poster_cnn((46, 46, 3), 2, batch_norm=False)
    assert "FusedBatchNormalization" not in kinds(model)


@pytest.mark.parametrize("width", [1, 2, 3, 7, 20])
def test_a_row_of_any_width_passes(width):
    model = poster_cnn((1, width, 1), 2)
    assert model.output_shape == (None, 2)


def test_one_seed_gives_one_set_of_weights_whatever_the_global_seed():
    def weights(seed):
        return poster_cnn((46, 46, 3), 2, seed=seed).get_weights()

    keras.utils.set_random_seed(1)
    first = weights(0)
    keras.utils.set_random_seed(2)
    second = weights(0)
    third = weights(1)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], third[0])


def test_every_layer_draws_from_a_seed_of_its_own():
    model = poster_cnn((1, 4, 1), 4, filters=(), dense_units=(4, 4), dropout=0.5)
    dense = [each for each in model.layers if isinstance(each, keras.layers.Dense)]
    dropout = [each for each in model.layers if isinstance(each, keras.layers.Dropout)]
    assert len({each.kernel.numpy().tobytes() for each in dense}) == 3
    assert len({int(each.seed_generator.state.numpy()[0]) for each in dropout}) == 2


def test_new_weights_are_those_of_a_new_network():
    used, new = (poster_cnn((46, 46, 3), 2, seed=seed) for seed in (0, 1))
    used.compile("sgd", "binary_crossentropy")
    used.train_on_batch(np.ones((2, 46, 46, 3)), np.ones((2, 2)))
    reseed(used, 1)
    for a, b in zip(used.variables[: len(new.variables)], new.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("size", [(45, 60), (60, 45), (2, 60)])
def test_an_image_too_small_is_named_with_the_smallest_that_passes(size):
    message = rf"Images of {size[0]}×{size[1]} pixels are too small for 4 .* 46×46"
    with pytest.raises(ValueError, match=message):
        poster_cnn((*size, 3), 2)


def test_the_smallest_image_passes():
    assert poster_cnn((46, 46, 3), 2).count_params() > 0


def test_rates_must_be_one_per_layer():
    message = r"for each of the 4 blocks of filters and 2 dense layers, so 6 rates"
    with pytest.raises(ValueError, match=message):
        poster_cnn((46, 46, 3), 2, dropout=(0.1, 0.2))


@pytest.mark.parametrize("n_images", [None, 4])
def test_every_byte_is_divided_by_255_to_the_bit(n_images, tf):
    model = ImageNetwork([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    scale = tf.function(
        model, input_signature=[tf.TensorSpec((n_images, 8, 8, 1), "uint8")]
    )
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    expected = pixels.astype(np.float32).reshape(4, 64) / np.float32(255)
    np.testing.assert_array_equal(scale(pixels), expected)


def test_uint8_images_are_divided_by_255_in_the_network():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 46, 46, 3), dtype=np.uint8)
    model = poster_cnn((46, 46, 3), 2, seed=0)
    floats = pixels.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(
        convert_to_numpy(model(pixels)), convert_to_numpy(model(floats))
    )
    expected = model.predict_on_batch(floats)
    np.testing.assert_array_equal(model.predict_on_batch(pixels), expected)


def test_a_saved_network_loads_in_safe_mode(tmp_path):
    model = poster_cnn((46, 46, 3), 2, seed=0)
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 46, 46, 3), dtype=np.uint8)
    assert isinstance(loaded, ImageNetwork)
    np.testing.assert_array_equal(
        convert_to_numpy(loaded(pixels)), convert_to_numpy(model(pixels))
    )

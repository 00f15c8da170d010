"""Batches: the same rows with the same labels, whatever the images are kept in."""

import gc
from collections import defaultdict

import keras
import numpy as np
import pytest
from PIL import Image

from sk_posters import PosterImageLoader
from sk_posters._networks import _batches
from sk_posters._networks._batches import (
    ImageBatches,
    NextOrder,
    check_images,
    for_keras,
    image_kind,
    prefetch,
    read_batch,
)


@pytest.fixture
def pixels():
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, size=(5, 6, 4, 3), dtype=np.uint8)


@pytest.fixture
def lazy(pixels, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    return PosterImageLoader(image_size=(6, 4)).fit_transform(paths)


def numbered(n=10):
    """Images and targets that hold their own row number."""
    numbers = np.arange(n)
    return numbers.reshape(n, 1, 1, 1) / 100, numbers[:, np.newaxis]


def rows_of(batches):
    return np.concatenate([batches[i][1][:, 0] for i in range(len(batches))]).tolist()


def test_lazy_and_uint8_images_stay_uint8(pixels, lazy):
    rows = np.array([3, 0])
    for images in (pixels, lazy):
        batch = read_batch(check_images(images), rows)
        assert batch.dtype == np.uint8
        np.testing.assert_array_equal(batch, pixels[rows])


def test_batches_have_the_float_type_that_keras_is_set_to(pixels):
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        single = np.zeros((1, 1, 1, 1), np.float32)
        assert read_batch(single, np.array([0])).dtype == np.float64
        exact = np.full((1, 1, 1, 1), 1 / 3)
        assert read_batch(exact, slice(0, 1))[0, 0, 0, 0] == 1 / 3
    finally:
        keras.config.set_floatx(before)


def test_checked_images_are_not_copied(pixels):
    assert check_images(pixels) is pixels


def test_a_memory_map_stays_one(tmp_path):
    images = np.memmap(tmp_path / "images", np.float32, "w+", shape=(2, 3, 3, 1))
    assert isinstance(check_images(images), np.memmap)


def test_the_last_batch_holds_the_rest():
    images, targets = numbered(10)
    batches = ImageBatches(images, targets, batch_size=4)
    assert [len(batches[i][1]) for i in range(len(batches))] == [4, 4, 2]


def test_without_a_seed_rows_keep_their_order():
    batches = ImageBatches(*numbered(10), batch_size=4)
    batches.draw_next_order()
    assert rows_of(batches) == list(range(10))


def test_images_targets_and_weights_stay_together_in_every_epoch():
    images, targets = numbered(10)
    batches = ImageBatches(images, targets, np.arange(10) * 2, batch_size=4, seed=0)
    for _ in range(3):
        for i in range(len(batches)):
            x, y, weights = batches[i]
            np.testing.assert_allclose(x[:, 0, 0, 0] * 100, y[:, 0])
            np.testing.assert_array_equal(weights, y[:, 0] * 2)
        batches.draw_next_order()


def test_an_epoch_goes_once_through_the_rows_in_an_order_of_its_own():
    batches = ImageBatches(*numbered(10), batch_size=4, seed=0)
    first = rows_of(batches)
    batches.draw_next_order()
    second = rows_of(batches)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_an_order_depends_on_seed_and_epoch_alone():
    batches = ImageBatches(*numbered(10), seed=0)
    batches.draw_next_order()
    later = ImageBatches(*numbered(10), seed=0, epoch=1)
    other = ImageBatches(*numbered(10), seed=1, epoch=1)
    assert rows_of(batches) == rows_of(later) != rows_of(other)


def test_only_the_rows_asked_for_are_taken():
    rows = np.array([1, 4, 7])
    batches = ImageBatches(*numbered(10), rows=rows, batch_size=2, seed=0)
    assert sorted(rows_of(batches)) == [1, 4, 7]


@pytest.mark.parametrize("batch_size", [1, 2, 5, 7])
def test_reading_ahead_keeps_the_order(pixels, batch_size):
    batches = list(prefetch(pixels, batch_size))
    assert max(len(batch) for batch in batches) <= batch_size
    np.testing.assert_array_equal(
        np.concatenate(batches), read_batch(pixels, slice(None))
    )


def test_an_error_while_reading_ahead_arrives():
    class Broken:
        dtype = np.dtype(np.float32)

        def __len__(self):
            return 3

        def __getitem__(self, rows):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(prefetch(Broken(), 2))


@pytest.mark.parametrize(
    ("X", "kind"),
    [
        (np.zeros((2, 3)), "rows"),
        ([[0.5, 1.0]], "rows"),
        (np.zeros((2, 3, 3, 1), np.uint8), "uint8"),
        (np.zeros((2, 3, 3, 1), np.float32), "float"),
        (np.zeros((2, 3, 3, 1), np.float64), "float"),
    ],
)
def test_kinds_of_input(X, kind):
    assert image_kind(X) == kind


def test_the_loader_returns_floats(lazy):
    assert image_kind(lazy) == "float"
    assert check_images(lazy) is lazy


def test_paths_point_to_the_loader():
    message = r"not paths, bytes or PIL images: got 'a\.jpg'\. Put a Poster"
    with pytest.raises(TypeError, match=message):
        image_kind(["a.jpg", "b.jpg"])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 3, 3)), r"shape \(n, height, width, channels\): got \(2, 3, 3\)"),
        (np.zeros((0, 3, 3, 1)), r"no image: got an array of shape \(0, 3, 3, 1\)"),
        (np.zeros((1, 3, 3, 1), int), r"floats from 0 to 1; got int64"),
        (np.full((1, 3, 3, 1), 200.0), r"got values from 200 to 200: divide"),
        (np.full((1, 3, 3, 1), -0.1), r"got values from -0\.1 to -0\.1"),
        (np.full((1, 3, 3, 1), np.nan), r"got values from nan to nan"),
    ],
    ids=["3-D", "empty", "int64", "0-255", "negative", "NaN"],
)
def test_arrays_that_are_not_images_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        check_images(X)


def test_a_bad_value_is_found_in_every_part_of_a_long_array():
    X = np.zeros((600, 1, 1, 1), np.float32)
    X[590] = np.nan
    with pytest.raises(ValueError, match="nan"):
        check_images(X)


def test_keras_gets_the_orders_of_the_batches_with_a_fixed_number_ready(tf):
    images, targets = np.zeros((9, 4, 4, 3), np.uint8), np.arange(18).reshape(9, 2)
    batches = ImageBatches(images, targets, batch_size=2, seed=3)
    dataset = for_keras(batches)
    assert int(dataset.cardinality()) == 5
    assert not dataset.options().autotune.enabled
    orders = []
    for epoch in range(2):
        next(iter(dataset))  # Who starts it once more changes nothing.
        expected = np.concatenate([targets for _, targets in batches.epoch()])
        found = np.concatenate([targets.numpy() for _, targets in dataset])
        np.testing.assert_array_equal(found, expected)
        orders.append(found.tolist())
        NextOrder(batches).on_epoch_end(epoch)
    assert orders[0] != orders[1]


def test_a_dataset_that_nobody_uses_any_more_serves_other_batches(tf, monkeypatch):
    free = defaultdict(list)
    monkeypatch.setattr(_batches, "_free_feeds", free)
    images = np.zeros((4, 4, 4, 3), np.uint8)
    targets = np.arange(4).reshape(4, 1)
    first, second = (ImageBatches(images, targets + more) for more in (0, 10))

    def read(dataset):
        return [target for _, part in dataset for target in part.numpy().ravel()]

    dataset = for_keras(first)
    assert read(dataset) == [0, 1, 2, 3]
    del dataset
    gc.collect()
    [[feed]] = free.values()
    assert feed.batches is None
    again, beside = for_keras(second), for_keras(first)
    assert feed.batches is second
    assert (read(beside), read(again)) == ([0, 1, 2, 3], [10, 11, 12, 13])
    other = for_keras(ImageBatches(images[:, :3], targets, np.ones(4), batch_size=3))
    assert [len(batch) for batch in other] == [3, 3]
    assert list(free.values()) == [[], []]


def test_an_epoch_keeps_its_order_when_the_next_one_is_drawn_meanwhile():
    targets = np.arange(9).reshape(9, 1)
    batches = ImageBatches(
        np.zeros((9, 4, 4, 3), np.uint8), targets, batch_size=2, seed=3
    )
    epoch = batches.epoch()
    found = [next(epoch)[1]]
    batches.draw_next_order()
    found += [targets for _, targets in epoch]
    assert sorted(np.concatenate(found).ravel()) == list(range(9))


def test_keras_on_another_backend_gets_the_batches_as_they_are(monkeypatch):
    batches = ImageBatches(np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 1)))
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert for_keras(batches) is batches

"""Variations of training images: what varies, what stays, and by what seed."""

import numpy as np
import pytest

from sk_posters import PosterClassifier
from sk_posters._networks._augmentation import MixedBatches, augmentation_layers
from sk_posters._networks._batches import ImageBatches


@pytest.fixture
def batches(images, labels):
    """Batches of twelve rows with weights 1 and 3."""
    weights = np.where(np.arange(24) % 2, 3.0, 1.0)
    return ImageBatches(images, labels.to_numpy(), weights, batch_size=12)


@pytest.mark.parametrize("name", ["flip", "crop", "colour"])
def test_layers_vary_images_while_training_alone(name, images):
    for layer in augmentation_layers([name]):
        # Of several, each image draws its own variation.
        varied = np.asarray(layer(images, training=True))
        assert varied.shape == images.shape
        assert varied.min() >= -1e-6
        assert varied.max() <= 1 + 1e-6
        kept = [np.allclose(*pair) for pair in zip(varied, images, strict=True)]
        assert not all(kept)
        np.testing.assert_array_equal(layer(images, training=False), images)


def test_flipped_images_are_mirrored_left_and_right(images):
    (layer,) = augmentation_layers(["flip"])
    varied = np.asarray(layer(images, training=True))
    mirrored = images[:, :, ::-1]
    flips = [np.array_equal(*pair) for pair in zip(varied, mirrored, strict=True)]
    stays = [np.array_equal(*pair) for pair in zip(varied, images, strict=True)]
    assert np.all(np.array(flips) != stays)
    assert any(flips)
    assert any(stays)


def test_mixtures_have_no_layers():
    assert augmentation_layers(("mixup", "cutmix")) == []


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match=r"'cutmix': got \['blur'\]"):
        augmentation_layers(("flip", "blur"))


def test_mixup_takes_means_of_images_labels_and_weights(batches):
    images, targets, weights = batches[1]
    mixed, soft, mixed_weights = MixedBatches(batches, kinds=["mixup"], seed=4)[1]
    # The random numbers, drawn again in the same order.
    random = np.random.default_rng([4, 0, 1])
    random.integers(1)
    others = random.permutation(12)
    share = random.beta(0.2, 0.2)
    for answer, part in ((mixed, images), (soft, targets), (mixed_weights, weights)):
        expected = share * part + (1 - share) * part[others]
        np.testing.assert_allclose(answer, expected, atol=1e-6)
        assert answer.dtype == np.float32


def test_bytes_stay_bytes(images, labels):
    pixels = np.rint(images * 255).astype(np.uint8)
    batches = ImageBatches(pixels, labels.to_numpy())
    mixed, _ = MixedBatches(batches, kinds=["mixup"], seed=0)[0]
    assert mixed.dtype == np.uint8
    assert mixed.shape == pixels.shape


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_takes_labels_in_the_share_of_pixels(seed):
    # Images of their own number, so that each pixel tells where it is from.
    images = np.broadcast_to(np.arange(6)[:, None, None, None], (6, 9, 7, 1))
    batches = ImageBatches(images.astype(np.uint8), np.eye(6))
    mixed, soft = MixedBatches(batches, kinds=["cutmix"], seed=seed)[0]
    for image, target in zip(mixed, soft, strict=True):
        pixels = np.bincount(image.ravel(), minlength=6) / image.size
        np.testing.assert_allclose(target, pixels, atol=1e-6)


def test_each_epoch_mixes_again_and_a_later_start_goes_on(batches):
    options = {"kinds": ["mixup", "cutmix"], "seed": 0}
    mixed = MixedBatches(batches, **options)
    first = mixed[0][0]
    mixed.draw_next_order()
    second = mixed[0][0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(
        MixedBatches(batches, epoch=1, **options)[0][0], second
    )


def test_the_tutorials_network_can_vary_its_images(tiny, images, labels):
    augment = ("flip", "crop", "colour", "cutmix")
    plain, varied, again = (
        PosterClassifier(**tiny, augment=names).fit(images, labels)
        for names in ((), augment, augment)
    )
    expected = varied.predict_proba(images)
    np.testing.assert_array_equal(again.predict_proba(images), expected)
    assert not np.array_equal(plain.predict_proba(images), expected)


def test_errors_of_reading_a_batch_are_raised(batches):
    mixed = MixedBatches(batches, kinds=["mixup"], seed=0)
    assert mixed.error is None
    batches.error = error = OSError("gone")
    assert mixed.error is error


def test_rows_of_features_cannot_be_varied(tiny, images, labels):
    rows = images.reshape(24, -1)
    with pytest.raises(ValueError, match="since X holds feature vectors, not images"):
        PosterClassifier(**tiny, augment=("flip",)).fit(rows, labels)

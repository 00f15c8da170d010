"""The one way from images of any kind to the batches that a network takes."""

import weakref
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.utils import gen_batches

from sk_posters._base._keras import keras
from sk_posters._base._validation import has_unknown
from sk_posters._images._arrays import (
    check_pixels,
    hint_at_channels,
    hint_at_stream,
)
from sk_posters._images._lazy import PosterImages
from sk_posters._images._sources import as_source, is_source

__all__ = [
    "ImageBatches",
    "NextOrder",
    "check_images",
    "for_keras",
    "image_kind",
    "prefetch",
    "read_batch",
]

N_READY = 2  # Batches that wait for the network, 12 MB each at 32 images of 350×350.

_free_feeds = defaultdict(list)


class ImageBatches(keras.utils.PyDataset):
    """Batches of images, targets and weights, in an order that a seed fixes."""

    def __init__(
        self,
        images,
        targets,
        sample_weight=None,
        *,
        rows=None,
        batch_size=32,
        seed=None,
        epoch=0,
    ):
        super().__init__()
        self._images = images
        self._targets = targets
        self._sample_weight = sample_weight
        self._rows = np.arange(len(images)) if rows is None else rows
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self.error = None
        self._draw_order()

    @property
    def has_unknown(self):
        """Whether some targets are nan, because they are not known."""
        return has_unknown(self._targets)

    def __len__(self):
        return -(-len(self._rows) // self._batch_size)

    def __getitem__(self, index):
        return self._batch(self._order, index)

    def epoch(self):
        """Yield the batches of one epoch, in the order at its start."""
        order = self._order
        for index in range(len(self)):
            yield self._batch(order, index)

    def _batch(self, order, index):
        start = index * self._batch_size
        rows = order[start : start + self._batch_size]
        try:
            batch = read_batch(self._images, rows), self._targets[rows]
        except Exception as error:
            self.error = error
            raise
        if self._sample_weight is None:
            return batch
        return (*batch, self._sample_weight[rows])

    def draw_next_order(self):
        """Draw the order of the next epoch, for `NextOrder`."""
        self._epoch += 1
        self._draw_order()

    def _draw_order(self):
        self._order = self._rows
        if self._seed is not None:
            generator = np.random.default_rng([self._seed, self._epoch])
            self._order = generator.permutation(self._rows)


class NextOrder(keras.callbacks.Callback):
    """Tells batches that an epoch has ended."""

    def __init__(self, batches):
        super().__init__()
        self._batches = batches

    def on_epoch_end(self, epoch, logs=None):
        """Draw the order of the next epoch."""
        self._batches.draw_next_order()


def for_keras(batches):
    """Return batches in the form that Keras's ``fit`` takes without a pause."""
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    signature = tuple(
        tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in batches[0]
    )
    feed = _take_feed(signature)
    feed.batches = batches
    cardinality = tf.data.experimental.assert_cardinality(len(batches))
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = feed.dataset.apply(cardinality).prefetch(N_READY).with_options(options)
    weakref.finalize(dataset, feed.set_free).atexit = False
    return dataset


class _Feed:
    """A dataset that takes the batches that it is given.

    To trace one takes a third of a fit to few images, so that a free one is used again.
    """

    def __init__(self, signature):
        import tensorflow as tf

        self.batches = None
        self._signature = signature
        self.dataset = tf.data.Dataset.from_generator(
            lambda: self.batches.epoch(), output_signature=signature
        )

    def set_free(self):
        """Forget the batches, and serve another fit."""
        self.batches = None
        _free_feeds[self._signature].append(self)


def _take_feed(signature):
    try:
        return _free_feeds[signature].pop()
    except IndexError:
        return _Feed(signature)


def check_images(X):
    """Return images as `read_batch` reads them; raise if they are anything else."""
    if isinstance(X, PosterImages):
        return X
    X = np.asanyarray(X)
    channels_first = hint_at_channels(X.shape)
    if channels_first:
        raise ValueError(
            "Images must be an array of shape (n, height, width, channels): got "
            f"{X.shape}.{channels_first}"
        )
    if X.ndim != 4:
        raise ValueError(
            "Images must be an array of shape (n, height, width, channels): got "
            f"{X.shape}. A single image is X[np.newaxis]; grey images without "
            "channels are X[..., np.newaxis]."
        )
    check_pixels(X)
    return X


def image_kind(X):
    """Return the kind of X: "rows" of features, or "uint8" or "float" images."""
    stream = hint_at_stream(X)
    if stream:
        raise TypeError(f"PosterClassifier takes arrays or PosterImages.{stream}")
    if hasattr(X, "__array__") and not hasattr(X, "ndim"):
        X = np.asarray(X)
    first = next(iter(X), None) if getattr(X, "ndim", 1) == 1 else None
    if is_source(first):
        raise TypeError(
            "PosterClassifier takes images as an array, not paths, bytes or PIL "
            f"images: got {str(as_source(first))!r}. Put a PosterImageLoader before "
            "it: make_pipeline(PosterImageLoader(), PosterClassifier())."
        )
    if not hasattr(X, "ndim"):
        X = np.asarray(X)
    if X.ndim <= 2:
        return "rows"
    return "uint8" if X.dtype == np.uint8 else "float"


def read_batch(images, rows):
    """Return some images in the form that the network takes."""
    is_lazy = isinstance(images, PosterImages)
    pixels = images.read(rows) if is_lazy else np.asarray(images[rows])
    if pixels.dtype == np.uint8:
        return pixels
    return pixels.astype(keras.config.floatx(), copy=False)


def prefetch(images, batch_size):
    """Yield all images batch by batch, the next one read while one is worked on."""
    slices = list(gen_batches(len(images), batch_size))
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(read_batch, images, slices[0])
        for following in [*slices[1:], None]:
            batch = coming.result()
            if following is not None:
                coming = reader.submit(read_batch, images, following)
            yield batch

"""Variations of training images: Keras's own layers, and mixtures of two images."""

import numpy as np

from sk_posters._base._keras import keras

__all__ = ["AUGMENTATIONS", "MIXTURES", "MixedBatches", "augmentation_layers"]

MIXTURES = ("mixup", "cutmix")
AUGMENTATIONS = ("flip", "crop", "colour", *MIXTURES)

# Of the papers: mixup keeps most of one image, CutMix takes any share.
MIXUP_ALPHA = 0.2
CUTMIX_ALPHA = 1.0


def augmentation_layers(names):
    """Return layers that vary images while training, and only then."""
    names = tuple(names)
    unknown = [name for name in names if name not in AUGMENTATIONS]
    if unknown:
        raise ValueError(
            f"augment may name {', '.join(map(repr, AUGMENTATIONS))}: got {unknown!r}."
        )
    layers = keras.layers
    # Any seed will do until `reseed`; without one, Keras would draw it from a global
    # random state.
    made = []
    if "flip" in names:
        made.append(layers.RandomFlip("horizontal", seed=0, name="augment_flip"))
    if "crop" in names:
        # A window of at least 80 % of the image's sides, anywhere near its middle.
        made += [
            layers.RandomZoom((-0.2, 0.0), seed=0, name="augment_zoom"),
            layers.RandomTranslation(0.1, 0.1, seed=0, name="augment_shift"),
        ]
    if "colour" in names:
        options = {"value_range": (0, 1), "seed": 0}
        made += [
            layers.RandomBrightness(0.2, name="augment_brightness", **options),
            layers.RandomContrast(0.2, name="augment_contrast", **options),
        ]
    return made


class MixedBatches(keras.utils.PyDataset):
    """Batches whose images are mixtures of two images of the batch."""

    def __init__(self, batches, *, kinds, seed, epoch=0):
        super().__init__()
        self._batches = batches
        self._kinds = list(kinds)
        self._seed = seed
        self._epoch = epoch

    @property
    def error(self):
        """What went wrong when a batch was read, or None."""
        return self._batches.error

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        return self._mix(self._batches[index], self._epoch, index)

    def epoch(self):
        """Yield the batches of one epoch, in the order of its beginning."""
        epoch = self._epoch
        for index, batch in enumerate(self._batches.epoch()):
            yield self._mix(batch, epoch, index)

    def _mix(self, batch, epoch, index):
        images, targets, *weights = batch
        # Another stream than that of the order, which has two numbers.
        random = np.random.default_rng([self._seed, epoch, index])
        kind = self._kinds[random.integers(len(self._kinds))]
        others = random.permutation(len(images))
        mix = _mixup if kind == "mixup" else _cutmix
        images, share = mix(images, others, random)
        return (
            images,
            *(
                (share * part + (1 - share) * part[others]).astype(np.float32)
                for part in (targets, *weights)
            ),
        )

    def draw_next_order(self):
        """Draw the order of the next epoch, for `NextOrder`."""
        self._epoch += 1
        self._batches.draw_next_order()


def _mixup(images, others, random):
    share = random.beta(MIXUP_ALPHA, MIXUP_ALPHA)
    mixed = np.float32(share) * images + np.float32(1 - share) * images[others]
    if images.dtype == np.uint8:
        mixed = np.rint(mixed)
    return mixed.astype(images.dtype), share


def _cutmix(images, others, random):
    height, width = images.shape[1:3]
    side = np.sqrt(1 - random.beta(CUTMIX_ALPHA, CUTMIX_ALPHA))
    rows, columns = (
        slice(*np.clip(np.rint(middle + np.array([-0.5, 0.5]) * side * size), 0, size))
        for size, middle in (
            (height, random.uniform(0, height)),
            (width, random.uniform(0, width)),
        )
    )
    rows, columns = (slice(int(s.start), int(s.stop)) for s in (rows, columns))
    mixed = images.copy()
    mixed[:, rows, columns] = images[others, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - area / (height * width)

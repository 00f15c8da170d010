"""Sources as an array of images that are decoded on demand, and their checks."""

import warnings
from numbers import Integral
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from sk_posters._base._threads import map_in_threads
from sk_posters._images._decoding import decode_image
from sk_posters._images._sources import take_snapshot
from sk_posters.exceptions import PosterFileError, describe_failures

__all__ = [
    "INTERPOLATIONS",
    "CheckedFile",
    "PosterImages",
    "check_files",
    "check_image_size",
    "handle_failures",
    "list_failures",
]

CHUNK = 32
INTERPOLATIONS = {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}


class PosterImages:
    """Images that are decoded on demand, with the interface of a 4-D float32 array.

    Holds sources and settings, no pixels of its own. Rows selected by a slice, integers
    or a mask come back as a smaller object of this kind; one row, or anything else that
    NumPy can index, comes back decoded, with values from 0 to 1.
    """

    dtype = np.dtype("float32")
    ndim = 4

    def __init__(
        self,
        sources,
        *,
        image_size=(350, 350),
        interpolation="nearest",
        crop_from=None,
        draft=False,
        n_jobs=None,
        blank=None,
        store=None,
        keys=None,
    ):
        self.sources = np.asarray(sources, dtype=object)
        self.image_size = tuple(map(int, image_size))
        self.interpolation = interpolation
        self.crop_from = crop_from
        self.draft = draft
        self.n_jobs = n_jobs
        blank = np.zeros(len(self.sources)) if blank is None else blank
        self.blank = np.asarray(blank, dtype=bool)
        self.store = store
        self.keys = None if keys is None else np.asarray(keys, dtype=object)

    @property
    def decoding(self):
        """What `decode_image` is given beside a source."""
        return self.image_size, self.interpolation, self.crop_from, self.draft

    @property
    def shape(self):
        return (len(self.sources), *self.image_size, 3)

    @property
    def size(self):
        return int(np.prod(self.shape))

    def __len__(self):
        return len(self.sources)

    def __repr__(self):
        n_samples, *image = self.shape
        posters = "1 poster" if n_samples == 1 else f"{n_samples} posters"
        size = " x ".join(map(str, image))
        return f"PosterImages({posters} of {size}, decoded on demand)"

    def read(self, rows=None):
        """Return decoded images as uint8."""
        wanted = self if rows is None else self._take(rows)
        images = np.zeros(wanted.shape, dtype=np.uint8)

        # Threads return reasons only, so that no decoded image waits in a queue.
        def read_row(row):
            try:
                wanted._read_row(row, images[row])
            except PosterFileError as error:
                return error.failed[0]

        in_use = np.flatnonzero(~wanted.blank)
        failed = [bad for bad in map_in_threads(read_row, in_use, self.n_jobs) if bad]
        if failed:
            raise PosterFileError(dict.fromkeys(failed))
        return images

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(
                "PosterImages holds no pixels, so an array of them is always a copy: "
                "use np.asarray(images) or copy=None"
            )
        array = np.empty(self.shape, dtype=dtype or self.dtype)
        for start in range(0, len(self), CHUNK):
            rows = slice(start, start + CHUNK)
            # The quotient is a float32 as in Keras, whatever it is stored as.
            np.divide(
                self.read(rows), np.float32(255), out=array[rows], casting="unsafe"
            )
        return array

    def __getitem__(self, key):
        key = key if isinstance(key, tuple) else (key,)
        head, *tail = key or (...,)
        if head is ... and _takes_everything([head, *tail]):
            head = slice(None)
        if head is None or head is ... or _is_mask_but_not_of_rows(head):
            return np.asarray(self)[key]
        rows = np.arange(len(self))[head]  # NumPy's own rules and errors.
        if rows.ndim == 1 and _takes_everything(tail):
            return self._take(rows)
        # Decode each row once, then let the key mean the same among those rows.
        if isinstance(head, slice):
            head = slice(None)
        else:
            shape = rows.shape
            rows, head = np.unique(rows, return_inverse=True)
            # A scalar must stay one: NumPy places the axes of [0, :, [1]] by it.
            head = head.reshape(shape) if shape else 0
        return np.asarray(self._take(rows))[(head, *tail)]

    def _take(self, rows):
        return PosterImages(
            self.sources[rows],
            image_size=self.image_size,
            interpolation=self.interpolation,
            crop_from=self.crop_from,
            draft=self.draft,
            n_jobs=self.n_jobs,
            blank=self.blank[rows],
            store=self.store,
            keys=None if self.keys is None else self.keys[rows],
        )

    def _read_row(self, row, image):
        key = None if self.keys is None else self.keys[row]
        if key is None or not self.store.read_into(key, image):
            source = self.sources[row]
            image[...] = _decode_and_keep(source, self.decoding, self.store, key)


class CheckedFile(NamedTuple):
    """What `check_files` found about one source: `reason` is None if it is usable."""

    reason: str | None
    key: str | None
    was_decoded: bool


def check_files(sources, decoding, *, n_jobs=None, store=None, verbose=0):
    """Return a `CheckedFile` for each source; decode those that no store holds.

    `decoding` is what `decode_image` is given beside a source.
    """
    height, width = decoding[0]

    def check(source):
        key = None if store is None else store.key(source, *decoding)
        # An entry was written after its content had been decoded without an error.
        if key is not None and store.holds(key, 3 * height * width):
            return CheckedFile(None, key, was_decoded=False)
        try:
            _decode_and_keep(source, decoding, store, key)
        except PosterFileError as error:
            return CheckedFile(error.failed[0][1], None, was_decoded=True)
        return CheckedFile(None, key, was_decoded=True)

    order = sources
    if store is not None:
        # Processes that fill a store at once share the work if their orders differ.
        # No result depends on it.
        generator = np.random.default_rng()
        order = [sources[row] for row in generator.permutation(len(sources))]
    checked = tqdm(
        map_in_threads(check, order, n_jobs),
        desc="Checking posters",
        total=len(order),
        unit="file",
        disable=not verbose,
    )
    by_source = dict(zip(order, checked, strict=True))
    return {source: by_source[source] for source in sources}


def list_failures(checked):
    """Return name and reason of each source that `check_files` found unusable."""
    return [
        (str(source), file.reason) for source, file in checked.items() if file.reason
    ]


def _decode_and_keep(source, decoding, store, key):
    if key is None:
        return decode_image(source, *decoding)
    # The file may have been replaced since its key was made, and a store that holds a
    # wrong image would hold it for good.
    source = take_snapshot(source)
    image = decode_image(source, *decoding)
    if store.key(source, *decoding) == key:
        store.write(key, image)
    return image


def _takes_everything(tail):
    """Tell whether the rest of a key leaves height, width and channels alone."""
    slices = [item for item in tail if isinstance(item, slice) and item == slice(None)]
    n_ellipses = sum(item is ... for item in tail)
    return len(slices) + n_ellipses == len(tail) and len(slices) < 4 and n_ellipses < 2


def _is_mask_but_not_of_rows(head):
    return np.ndim(head) != 1 and np.asarray(head).dtype == bool


def handle_failures(failed, on_error, stacklevel=5):
    """Raise or warn about sources that cannot be used; return their names."""
    if failed and on_error == "raise":
        raise PosterFileError(failed)
    if failed:
        warnings.warn(
            f"{describe_failures(failed)}\nEach is replaced by a black image; "
            "failed_ keeps the whole list.",
            stacklevel=stacklevel,
        )
    return [name for name, _ in failed]


def check_image_size(image_size):
    """Raise unless an image size is a height and a width."""
    whole = all(
        isinstance(side, Integral) and not isinstance(side, bool) for side in image_size
    )
    if len(image_size) != 2 or not whole or min(image_size) < 1:
        raise ValueError(
            "image_size must be the height and the width of the images, two whole "
            f"numbers from 1 up, as in (350, 350); got {image_size!r}"
        )

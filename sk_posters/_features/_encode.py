"""Images of any kind through networks, in threads, past a store of features."""

import threading
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches
from tqdm.auto import tqdm

from sk_posters._base._threads import map_in_threads
from sk_posters._features._cache import pixels_key
from sk_posters._images._cache import hash_decoded
from sk_posters.exceptions import PosterFileError

__all__ = ["ArrayImages", "Encoded", "FileImages", "encode"]


class FileImages:
    """Images in files, of which some may turn out bad."""

    def __init__(self, images):
        self._images = images[:]
        # The threads that ask for rows are all that there should be.
        self._images.n_jobs = 1

    def distinct(self):
        """Return the first row of each distinct image, and which one each row is."""
        names = list(zip(self._images.paths, self._images.blank, strict=True))
        first = {name: row for row, name in reversed(list(enumerate(names)))}
        rows = np.sort(list(first.values()))
        return rows, np.searchsorted(rows, [first[name] for name in names])

    def path(self, row):
        """Return the file of an image."""
        return self._images.paths[row]

    def key(self, row):
        """Name an image by its content."""
        if self._images.blank[row]:
            return f"blank {self._images.image_size}"
        return hash_decoded(
            *(self._images.paths[row], self._images.image_size),
            self._images.interpolation,
        )

    def is_still(self, row, key):
        """Tell whether an image is the one that its key was made of."""
        return self.key(row) == key

    def read(self, rows):
        """Decode images."""
        wanted = self._images[rows]
        try:
            return wanted.read(), {}
        except PosterFileError as error:
            failed = dict(error.failed)
        wanted.blank |= np.array([path in failed for path in wanted.paths])
        return wanted.read(), failed


class ArrayImages:
    """Images in memory."""

    def __init__(self, images):
        self._images = images

    def distinct(self):
        """Return each row twice: as the image itself, and as which one it is."""
        rows = np.arange(len(self._images))
        return rows, rows

    def key(self, row):
        """Name an image by its pixels."""
        return pixels_key(self.read([row])[0][0])

    def is_still(self, row, key):
        """Tell that an image stays what it is."""
        return True

    def read(self, rows):
        """Return images."""
        batch = np.ascontiguousarray(self._images[rows])
        if batch.dtype != np.uint8:
            batch = batch.astype(np.float32, copy=False)
        return batch, {}


class Encoded(NamedTuple):
    """What `encode` gives."""

    features: np.ndarray
    n_computed: int
    n_cached: int
    failed: list


def encode(
    images,
    runners,
    *,
    flip=False,
    batch_size=16,
    n_threads=1,
    store=None,
    stop_at_failure=True,
    verbose=0,
):
    """Compute the features of images, those aside that a store holds."""
    rows, inverse = images.distinct()
    job = _Job(images, runners, rows, flip, store, stop_at_failure)
    positions = np.arange(len(rows))
    if store is not None:
        # Processes that fill a store at once share the work if each goes its own way.
        positions = np.random.default_rng().permutation(len(rows))
    size = min(batch_size, -(-len(rows) // n_threads))
    batches = [positions[part] for part in gen_batches(len(rows), size)]
    with tqdm(
        total=len(rows), desc="Encoding posters", unit="image", disable=not verbose
    ) as progress:
        for n_done in map_in_threads(job.work_on, batches, n_threads):
            progress.update(n_done)
    failed = [job.failed[row] for row in rows.tolist() if row in job.failed]
    features = job.features
    if len(inverse) != len(rows):
        features = features[inverse]
    n_computed = int(job.is_computed.sum())
    return Encoded(features, n_computed, len(rows) - n_computed, failed)


class _Job:
    """What the threads of one call share."""

    def __init__(self, images, runners, rows, flip, store, stop_at_failure):
        self.images = images
        self.rows = rows
        self.flip = flip
        self.store = store
        self.stop_at_failure = stop_at_failure
        self.stopped = threading.Event()
        self.failed = {}
        self.is_computed = np.zeros(len(rows), dtype=bool)
        width, self.runners = 0, []
        for runner in runners:
            end = width + runner.n_features * len(runner.parts)
            self.runners.append((runner, slice(width, end)))
            width = end
        self.features = np.empty((len(rows), width), dtype=np.float32)

    def work_on(self, positions):
        """Fill some rows of the features; return how many."""
        keys = {position: self._key(position) for position in positions.tolist()}
        missing = [
            [position for position in keys if not self._is_found(position, keys, each)]
            for each in self.runners
        ]
        wanted = sorted(set().union(*missing))
        if wanted:
            self._compute(wanted, missing, keys)
        return len(positions)

    def _compute(self, wanted, missing, keys):
        batch, failed = self.images.read(self.rows[wanted])
        for position in wanted if failed else ():
            row = int(self.rows[position])
            path = self.images.path(row)
            if path in failed:
                self.failed[row] = path, failed[path]
        if self.failed and self.stop_at_failure:
            return
        self.is_computed[wanted] = True
        lasting = {
            position
            for position in wanted
            if self._is_lasting(position, keys[position])
        }
        for (runner, columns), positions in zip(self.runners, missing, strict=True):
            if positions:
                images = batch[np.isin(wanted, positions)]
                # Positions of a batch come in any order, its images sorted by them.
                positions = sorted(positions)
                self.features[positions, columns] = self._run(runner, images)
                for position in lasting.intersection(positions):
                    self._keep(position, keys[position], runner, columns)

    def _is_lasting(self, position, key):
        """Tell whether what was computed belongs to the key of an image."""
        row = int(self.rows[position])
        return (
            key is not None
            and row not in self.failed
            and self.images.is_still(row, key)
        )

    def _run(self, runner, images):
        features = runner.features(images)
        if not self.flip:
            return features
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return (features + runner.features(mirrored)) / 2

    def _key(self, position):
        return None if self.store is None else self.images.key(self.rows[position])

    def _is_found(self, position, keys, runner_and_columns):
        key = keys[position]
        return key is not None and all(
            self.store.read_into(name, row)
            for name, row in self._entries(position, key, *runner_and_columns)
        )

    def _keep(self, position, key, runner, columns):
        for name, row in self._entries(position, key, runner, columns):
            self.store.write(name, row)

    def _entries(self, position, key, runner, columns):
        """Yield name and values of each part of what a runner makes of an image."""
        parts = self.features[position, columns].reshape(len(runner.parts), -1)
        for part, row in zip(runner.parts, parts, strict=True):
            yield self.store.key(key, runner.fingerprint, part, self.flip), row

"""Paths of posters in, an array of images that decodes on demand out."""

import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin
from tqdm.auto import tqdm

from sk_posters._compat import StrOptions, _fit_context
from sk_posters._decoding import PosterFileError, decode_image, describe_failures

__all__ = ["PosterImageLoader", "PosterImages"]

# Two letters at least, so that the drive of "C://posters" is none.
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
CHUNK = 32


class PosterImageLoader(TransformerMixin, BaseEstimator):
    """Load poster files as images, decoded when they are needed.

    Takes paths and gives a :class:`~sk_posters._images.PosterImages`: to the next
    step of a pipeline a float32 array of shape (n_samples, height, width, 3) with
    values from 0 to 1, which yet holds nothing but the paths. With default settings
    the values are those of ``keras.utils.load_img(path, target_size=(350, 350))``
    and ``img_to_array``, divided by 255.

    Greyscale, palette, CMYK, transparent, 16-bit and progressive files all come out
    as RGB, turned upright as their EXIF orientation asks.

    Parameters
    ----------
    image_size : tuple of two int, default=(350, 350)
        Height and width of the images, in pixels.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, \
default="nearest"
        How images are resized.
    on_error : {"raise", "blank"}, default="raise"
        What to do about files that are missing, damaged or no images. Every file is
        decoded once to find them all. `"raise"` names them in one error. `"blank"`
        puts a black image in place of each, so that rows never shift, warns once
        and keeps their paths in `failed_`.
    n_jobs : int or None, default=-1
        Number of threads that decode. None means 1, unless in a
        :func:`joblib.parallel_config` context, and -1 means all cores.
    verbose : int, default=0
        If above 0, show a progress bar while files are checked.

    Attributes
    ----------
    failed_ : list of str
        Paths of the files that a black image stands for since `fit`, `transform` or
        `fit_transform` was last called, each once, in the order of `X`.

    Notes
    -----
    All three methods check the files they are given: `fit` too, because that is where
    bad input is expected to be reported, although it learns nothing. `fit_transform`
    checks them once. The loader keeps no state between calls, so `transform` works
    without `fit`.

    A file that turns bad after the check raises the error when it is decoded, also
    with ``on_error="blank"``: by then the list in `failed_` would be wrong.

    Examples
    --------
    >>> from PIL import Image
    >>> from sk_posters import PosterImageLoader
    >>> Image.new("RGB", (300, 444), "navy").save("poster.png")
    >>> images = PosterImageLoader().fit_transform(["poster.png"])
    >>> images
    PosterImages(1 poster of 350 x 350 x 3, decoded on demand)
    >>> images[0][0, 0]
    array([0.       , 0.       , 0.5019608], dtype=float32)
    """

    _parameter_constraints = {
        "image_size": [tuple, list],
        "interpolation": [
            StrOptions({"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"})
        ],
        "on_error": [StrOptions({"raise", "blank"})],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        image_size=(350, 350),
        interpolation="nearest",
        on_error="raise",
        n_jobs=-1,
        verbose=0,
    ):
        self.image_size = image_size
        self.interpolation = interpolation
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags

    def fit(self, X, y=None):
        """Check the files as `fit_transform` does; there is nothing to learn.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            Paths of the posters, each a str or a path-like, or a one-column frame.
        y : object, default=None
            Ignored.

        Returns
        -------
        PosterImageLoader
            The loader itself.
        """
        self.fit_transform(X)
        return self

    def transform(self, X):
        """Check the files and return them as images, as `fit_transform` does.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            Paths of the posters, each a str or a path-like, or a one-column frame.

        Returns
        -------
        PosterImages
            Stands for a float32 array of shape (n_samples, height, width, 3).
        """
        return self.fit_transform(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Check the files once and return them as images.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            Paths of the posters, each a str or a path-like, or a one-column frame.
        y : object, default=None
            Ignored.

        Returns
        -------
        PosterImages
            Stands for a float32 array of shape (n_samples, height, width, 3).

        Raises
        ------
        ValueError
            If `X` is not a 1-D array-like of paths.
        PosterFileError
            If files cannot be used and `on_error` is `"raise"`. It is both an OSError
            and a ValueError.
        """
        _check_image_size(self.image_size)
        paths = _check_paths(X)
        failed = self._find_bad_files(paths)
        if failed and self.on_error == "raise":
            raise PosterFileError(failed)
        if failed:
            warnings.warn(
                f"{describe_failures(failed)}\nA black image stands for each of them; "
                "failed_ keeps the whole list.",
                stacklevel=4,
            )
        self.failed_ = [path for path, _ in failed]
        black = set(self.failed_)
        return PosterImages(
            paths,
            image_size=self.image_size,
            interpolation=self.interpolation,
            n_jobs=self.n_jobs,
            blank=[path in black for path in paths],
        )

    def _find_bad_files(self, paths):
        def reason_to_refuse(path):
            try:
                decode_image(path, self.image_size, self.interpolation)
            except PosterFileError as error:
                return error.failed[0][1]

        distinct = list(dict.fromkeys(paths))
        reasons = tqdm(
            _in_threads(reason_to_refuse, distinct, self.n_jobs),
            desc="Checking posters",
            total=len(distinct),
            unit="file",
            disable=not self.verbose,
        )
        return [pair for pair in zip(distinct, reasons, strict=True) if pair[1]]


class PosterImages:
    """Images that are decoded when asked for, behind the face of a 4-D array.

    Holds paths and settings, never pixels. Rows taken by a slice, by integers or by a
    mask come back as a smaller object of this kind; one row, or anything else that
    NumPy can index, comes back decoded.

    Parameters
    ----------
    paths : array-like of str of shape (n_samples,)
        The image files.
    image_size : tuple of two int, default=(350, 350)
        Height and width of the images, in pixels.
    interpolation : str, default="nearest"
        How images are resized, see :class:`PosterImageLoader`.
    n_jobs : int or None, default=None
        Number of threads that decode.
    blank : array-like of bool of shape (n_samples,), default=None
        Rows that are black, whatever their file holds.

    Attributes
    ----------
    paths : ndarray of shape (n_samples,), dtype object
        The image files.
    shape : tuple of four int
        Number of images, height, width and 3.
    dtype : dtype
        Always float32; values lie from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> from sk_posters._images import PosterImages
    >>> Image.new("RGB", (300, 444), "red").save("red.png")
    >>> images = PosterImages(["red.png", "red.png"], image_size=(4, 3))
    >>> images[1:]
    PosterImages(1 poster of 4 x 3 x 3, decoded on demand)
    >>> np.asarray(images).mean(axis=(1, 2))
    array([[1., 0., 0.],
           [1., 0., 0.]], dtype=float32)
    """

    dtype = np.dtype("float32")
    ndim = 4

    def __init__(
        self,
        paths,
        *,
        image_size=(350, 350),
        interpolation="nearest",
        n_jobs=None,
        blank=None,
    ):
        self.paths = np.asarray(paths, dtype=object)
        self.image_size = tuple(map(int, image_size))
        self.interpolation = interpolation
        self.n_jobs = n_jobs
        blank = np.zeros(len(self.paths)) if blank is None else blank
        self.blank = np.asarray(blank, dtype=bool)

    @property
    def shape(self):
        return (len(self.paths), *self.image_size, 3)

    @property
    def size(self):
        return int(np.prod(self.shape))

    def __len__(self):
        return len(self.paths)

    def __repr__(self):
        n_samples, *image = self.shape
        posters = "1 poster" if n_samples == 1 else f"{n_samples} posters"
        size = " x ".join(map(str, image))
        return f"PosterImages({posters} of {size}, decoded on demand)"

    def read(self, rows=None):
        """Decode images, as bytes.

        Parameters
        ----------
        rows : slice, array-like of int or bool, default=None
            Which images, and in which order; None means all.

        Returns
        -------
        ndarray of shape (n_rows, height, width, 3), dtype uint8
            The images, with values from 0 to 255.

        Raises
        ------
        PosterFileError
            If files were fit for use when they were checked and no longer are.
        """
        wanted = self if rows is None else self._take(rows)
        images = np.zeros(wanted.shape, dtype=np.uint8)

        # Threads hand back reasons only, so that no decoded image waits in a queue.
        def decode(row):
            try:
                images[row] = decode_image(
                    wanted.paths[row], self.image_size, self.interpolation
                )
            except PosterFileError as error:
                return error.failed[0]

        in_use = np.flatnonzero(~wanted.blank)
        failed = [bad for bad in _in_threads(decode, in_use, self.n_jobs) if bad]
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
            self.paths[rows],
            image_size=self.image_size,
            interpolation=self.interpolation,
            n_jobs=self.n_jobs,
            blank=self.blank[rows],
        )


def _takes_everything(tail):
    """Tell whether the rest of a key leaves height, width and channels alone."""
    slices = [item for item in tail if isinstance(item, slice) and item == slice(None)]
    n_ellipses = sum(item is ... for item in tail)
    return len(slices) + n_ellipses == len(tail) and len(slices) < 4 and n_ellipses < 2


def _is_mask_but_not_of_rows(head):
    return np.ndim(head) != 1 and np.asarray(head).dtype == bool


def _in_threads(function, items, n_jobs):
    """Yield what a function makes of each item, in order, made by several threads."""
    n_threads = min(effective_n_jobs(n_jobs), len(items))
    if n_threads < 2:
        yield from map(function, items)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            yield from pool.map(function, items)


def _check_image_size(image_size):
    whole = all(
        isinstance(side, Integral) and not isinstance(side, bool) for side in image_size
    )
    if len(image_size) != 2 or not whole or min(image_size) < 1:
        raise ValueError(
            "image_size must be the height and the width of the images, two whole "
            f"numbers from 1 up, as in (350, 350); got {image_size!r}"
        )


def _check_paths(X):
    """Return paths as a 1-D object array of str, or say what they should be."""
    allowed = "X must be a 1-D array-like of paths (str or pathlib.Path) of image files"
    if isinstance(X, str | bytes | os.PathLike):
        raise ValueError(f"{allowed}; got the single path {X!r}: pass [{X!r}]")
    if hasattr(X, "columns"):
        if len(X.columns) != 1:
            raise ValueError(
                f"{allowed}; got a frame with the columns {list(X.columns)!r}: pass "
                "the one that holds the paths"
            )
        X = X[X.columns[0]]
    shape = getattr(X, "shape", None)
    if shape is None and not isinstance(X, list | tuple):
        raise ValueError(f"{allowed}; got {type(X).__name__}: pass a list of paths")
    if shape is not None and len(shape) != 1:
        raise ValueError(
            f"{allowed}; got an array of shape {shape}: pass the column of paths, or "
            "leave the loader out if these are images already"
        )
    paths = np.array([_check_path(row, item) for row, item in enumerate(X)], object)
    if not len(paths):
        raise ValueError(f"{allowed}, at least one; got none: is the selection empty?")
    return paths


def _check_path(row, item):
    path = os.fspath(item) if isinstance(item, str | os.PathLike) else item
    if not isinstance(path, str):
        raise ValueError(
            f"X must hold paths, each a str or a pathlib.Path; got {item!r} in row "
            f"{row}, counted from 0: drop the row or fill in its path"
        )
    if URL.match(path):
        raise ValueError(
            f"X must hold paths of files on this machine; got the URL {path!r} in row "
            f"{row}, counted from 0: download the files first. "
            "sk_posters.datasets.fetch_movie_posters does so for its data set"
        )
    return str(path)

"""Image sources in, an array of images that decodes on demand out."""

import os
from numbers import Integral

from sklearn.base import BaseEstimator, TransformerMixin

from sk_posters._base._compat import Interval, StrOptions, _fit_context
from sk_posters._base._disk_cache import CACHE_VARIABLE
from sk_posters._base._public_path import set_module
from sk_posters._images._cache import ImageStore
from sk_posters._images._lazy import (
    INTERPOLATIONS,
    PosterImages,
    check_files,
    check_image_size,
    handle_failures,
    list_failures,
)
from sk_posters._images._sources import check_sources

__all__ = ["PosterImageLoader"]


@set_module("sk_posters")
class PosterImageLoader(TransformerMixin, BaseEstimator):
    """Load poster files as images, decoded when they are needed.

    Takes paths, bytes of image files or PIL images, and returns `PosterImages`: to the
    next step of a pipeline a float32 array of shape (n_samples, height, width, 3) with
    values from 0 to 1, although it only holds what it was given. With default settings
    the values are those of ``keras.utils.load_img(path, target_size=(350, 350))`` and
    ``img_to_array``, divided by 255.

    Greyscale, palette, CMYK, transparent, 16-bit and progressive files all become
    RGB, turned upright by their EXIF orientation. HEIC files need the package
    pillow-heif (``pip install pillow-heif``).

    Parameters
    ----------
    image_size : tuple of two int, default=(350, 350)
        Height and width of the images, in pixels.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, \
default="nearest"
        How images are resized.
    on_error : {"raise", "blank"}, default="raise"
        What to do about files that are missing, damaged or not images. Every file is
        decoded once to find them all. `"raise"` names them in one error. `"blank"`
        puts a black image in place of each, so that rows never shift, warns once
        and keeps their paths or, such as ``"row 3: bytes (12,345 B)"``, their rows in
        `failed_`. Errors of the machine, such as too many open files or a disk that
        fails, are raised in either case.
    cache_dir : str, path-like or None, default=None
        Folder that keeps decoded images, so that each poster is decoded once for all
        folds, candidates, processes and later runs that load it alike. None takes the
        environment variable ``SK_POSTERS_CACHE``; without it nothing is kept.
    cache_size : int, default=16_000_000_000
        Bytes that decoded images may take in `cache_dir`; the least recently used
        make room. A poster of 350 x 350 pixels takes 368 kB. Choose it so that all
        posters in use fit, or they evict each other.
    n_jobs : int or None, default=-1
        Number of threads that decode. None means 1, unless in a
        :func:`joblib.parallel_config` context, and -1 means all cores, or their share
        in a process that joblib has started.
    verbose : int, default=0
        If above 0, show a progress bar while files are checked.

    Attributes
    ----------
    failed_ : list of str
        Paths of the files, or rows of the images in memory, that a black image
        replaced in the last call of `fit`, `transform` or `fit_transform`, each once,
        in the order of `X`.
    n_decoded_ : int
        Number of files that this call decoded; the others were in the cache.

    Notes
    -----
    All three methods check the files they are given: `fit` too, because that is where
    bad input is expected to be reported, although nothing is learned. `fit_transform`
    checks them once. The loader keeps no state between calls, so `transform` works
    without `fit`.

    A file that becomes unreadable after the check raises the error when it is decoded,
    also with ``on_error="blank"``: by then the list in `failed_` would be wrong.

    A dict is read as Hugging Face's data sets store images: as the bytes under
    ``"bytes"``, or where these are None, the file under ``"path"``. Nothing in memory
    is written to a file.

    Images of more than 8 bits a channel are scaled to 8, by the number of bits that
    are in use: 12 where a TIFF declares 12 bits per sample; 16 where a JPEG 2000
    declares its precision, or a PGM a largest value below 65535; else 8, 12 or 16, the
    least that hold the largest value of the image. Thus 16 bits may hold
    the range of 8 or 12. Floats up to 1 are multiplied by 255, and larger ones
    rounded. Negative values, NaN and values above 65535 are refused.
    :func:`~sk_posters.check_posters` lists such images.

    Read are JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, HEIC, PNM, PSD, QOI, DDS,
    SGI, SUN, PCX, ICO and TGA, with at most ``PIL.Image.MAX_IMAGE_PIXELS`` pixels,
    65,535 on a side, 100 scans of a JPEG, fewer of a large one, 300,000 pieces of any
    file, and 1,000,000 pixels of a QOI or of a PNM in text. Pipes and devices are not
    read.

    The cache identifies files by their content, not by their names, and never changes
    an image: an entry that is missing or damaged is decoded again. If the folder cannot
    be written to, a warning says so, and nothing is kept.

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
        "interpolation": [StrOptions(INTERPOLATIONS)],
        "on_error": [StrOptions({"raise", "blank"})],
        "cache_dir": [str, os.PathLike, None],
        "cache_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        image_size=(350, 350),
        interpolation="nearest",
        on_error="raise",
        cache_dir=None,
        cache_size=16_000_000_000,
        n_jobs=-1,
        verbose=0,
    ):
        self.image_size = image_size
        self.interpolation = interpolation
        self.on_error = on_error
        self.cache_dir = cache_dir
        self.cache_size = cache_size
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
            The posters, each a path (str or path-like), the bytes of an image file, a
            PIL image, or a dict with ``"bytes"`` and ``"path"``; or one column of
            them, as a frame or array.
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
            The posters, each a path (str or path-like), the bytes of an image file, a
            PIL image, or a dict with ``"bytes"`` and ``"path"``; or one column of
            them, as a frame or array.

        Returns
        -------
        PosterImages
            Acts as a float32 array of shape (n_samples, height, width, 3).
        """
        return self.fit_transform(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Check the files once and return them as images.

        Parameters
        ----------
        X : array-like of shape (n_samples,)
            The posters, each a path (str or path-like), the bytes of an image file, a
            PIL image, or a dict with ``"bytes"`` and ``"path"``; or one column of
            them, as a frame or array.
        y : object, default=None
            Ignored.

        Returns
        -------
        PosterImages
            Acts as a float32 array of shape (n_samples, height, width, 3).

        Raises
        ------
        ValueError
            If `X` is not a 1-D array-like of these.
        PosterFileError
            If files cannot be used and `on_error` is `"raise"`. It is both an OSError
            and a ValueError.
        """
        check_image_size(self.image_size)
        sources = check_sources(X)
        store = self._store()
        checked = check_files(
            list(dict.fromkeys(sources)),
            (self.image_size, self.interpolation),
            n_jobs=self.n_jobs,
            store=store,
            verbose=self.verbose,
        )
        self.failed_ = handle_failures(list_failures(checked), self.on_error)
        self.n_decoded_ = sum(file.was_decoded for file in checked.values())
        return PosterImages(
            sources,
            image_size=self.image_size,
            interpolation=self.interpolation,
            n_jobs=self.n_jobs,
            blank=[checked[source].reason is not None for source in sources],
            store=store,
            keys=None if store is None else [checked[each].key for each in sources],
        )

    def clear_cache(self):
        """Remove all decoded images from the cache, also those of other settings.

        Nothing else is removed from its folder.

        Returns
        -------
        int
            Number of images that were removed; 0 if there is no cache.
        """
        store = self._store()
        return 0 if store is None else store.clear()

    def _store(self):
        cache_dir = self.cache_dir or os.environ.get(CACHE_VARIABLE)
        return ImageStore.open(cache_dir, self.cache_size) if cache_dir else None

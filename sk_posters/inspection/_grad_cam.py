"""Grad-CAM: which parts of an image raise the score of a label."""

import sys

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sk_posters._base._unwrap import find_label_names, unwrap
from sk_posters._base._validation import label_positions
from sk_posters._features._encoder import list_encoders
from sk_posters.inspection._linear_maps import linear_maps, linear_weights
from sk_posters.inspection._maps import add_enlarged, rectify

__all__ = ["grad_cam"]

SUPPORTED = (
    "grad_cam explains a PosterClassifier, alone or after a PosterImageLoader; and "
    "PosterEncoder (or a FeatureUnion of them) followed by StandardScaler or nothing, "
    "and OneVsRestClassifier of linear classifiers, as in the recipes 'frozen' and "
    "'best'; each fitted to a label indicator matrix, and also with tuned thresholds "
    "or at the end of a search"
)


def grad_cam(estimator, X, *, labels=None):
    """Show which parts of posters raise the score of a label (Grad-CAM).

    Each channel of a network's last feature map is weighted by how much the label's
    score grows with it, and the sum of the channels is laid over the image [1]_.

    Parameters
    ----------
    estimator : PosterClassifier, Pipeline or MultilabelTunedThresholdClassifierCV
        Fitted: a :class:`~sk_posters.PosterClassifier`, a pipeline that ends in one,
        or a pipeline of the recipes `"frozen"` and `"best"`, which needs no
        TensorFlow; also with tuned thresholds, or the best of a search.
    X : array-like of shape (n_images,) or (n_images, height, width, 3)
        Paths, images in memory or arrays, whichever the estimator takes.
    labels : array-like of str or int, str, int or None, default=None
        The labels to explain, by name, where the estimator knows the names, or by
        position. None takes all.

    Returns
    -------
    ndarray of shape (n_images, n_asked_labels, height, width), dtype float32
        Saliency maps from 0 to 1, in the order of `labels`. Each map is divided by its
        maximum; one without a positive contribution to the label is 0 everywhere.
        Height and width are those of the images that the network gets: of the largest
        ones, if encoders resize files to several sizes.

    Raises
    ------
    ValueError
        If the estimator is none of these or has no feature map, if there is no such
        label, or `X` is not what the estimator takes.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    nearest_posters : The training posters that look alike.
    sk_posters.plotting.GradCAMDisplay : Draws these maps.

    Notes
    -----
    For networks, the weight of a channel is the mean of the gradient of the label's
    logit, the score before the sigmoid. For linear classifiers on pooled features,
    that is the weight of the feature, for averages and for maxima, and no gradient is
    computed; maps of several networks, and of the mirrored image, are added up as
    their features are. Maps are as coarse as the last feature map (a 32nd of the image
    with EfficientNet-Lite), then enlarged, and what is negative becomes 0.

    Each map has a scale of its own: a bright spot says where, never how much. It
    shows what the network reacts to, not that this is right, or a cause; a check with
    randomised weights [2]_ is in the package's tests.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks
       via Gradient-based Localization", ICCV 2017.
    .. [2] J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018.

    Examples
    --------
    >>> from sk_posters import make_poster_pipeline
    >>> from sk_posters.datasets import make_posters
    >>> from sk_posters.inspection import grad_cam
    >>> posters = make_posters(12, n_labels=3, random_state=0, data_home="posters")
    >>> pipe = make_poster_pipeline(image_size=(96, 64))
    >>> pipe = pipe.fit(posters.data, posters.target)
    >>> grad_cam(pipe, posters.data[:2], labels=[0]).shape
    (2, 1, 96, 64)
    """
    check_is_fitted(estimator)
    steps, names = unwrap(estimator).estimators, find_label_names(estimator)
    encoders = list_encoders(steps[0])
    weights = linear_weights(steps[1:]) if encoders and len(steps) > 1 else None
    if weights is not None:
        chosen = label_positions(labels, names, len(weights))
        return rectify(linear_maps(encoders, weights[chosen], X))
    if not _is_network(steps[-1]):
        listed = ", ".join(type(step).__name__ for step in steps)
        raise ValueError(f"{SUPPORTED}; got {listed}. For others, see nearest_posters.")
    classifier = steps[-1]
    chosen = label_positions(
        labels, classifier.label_names_, len(classifier.label_names_)
    )
    for step in steps[:-1]:
        X = step.transform(X)
    return rectify(_compute_network_maps(classifier, X, chosen))


def _is_network(step):
    # A PosterClassifier exists only where its module has been imported.
    module = sys.modules.get("sk_posters._networks._classifier")
    return module is not None and isinstance(step, module.PosterClassifier)


def _compute_network_maps(classifier, X, labels):
    # Imported here, because TensorFlow comes along.
    from sk_posters._networks._batches import image_kind
    from sk_posters.inspection._network_maps import network_maps

    if image_kind(X) == "rows":
        raise ValueError(
            "grad_cam explains images, of shape (n, height, width, channels): got "
            f"rows of features, of shape {np.shape(X)}."
        )
    images = classifier._check_input(X, reset=False)
    shape = (len(images), len(labels), *images.shape[1:3])
    saliency = np.zeros(shape, dtype=np.float32)
    row = 0
    for maps in network_maps(classifier.model_, images, labels, classifier.batch_size):
        for small in maps:
            add_enlarged(saliency[row], small)
            row += 1
    return saliency

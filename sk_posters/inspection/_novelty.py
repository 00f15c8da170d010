"""How unlike the training images an image is, for whole models."""

from sk_posters._base._novelty import gives_novelty, pass_steps
from sk_posters._base._unwrap import unwrap

__all__ = ["novelty"]


def novelty(estimator, X):
    """Tell how unlike the training images each image is.

    Probabilities do not tell: a model can be sure of the genres of a holiday
    photograph.

    Parameters
    ----------
    estimator : Pipeline, MultilabelTunedThresholdClassifierCV or search
        A fitted model with the step :class:`~sk_posters.FeatureNovelty`, as the recipes
        `"frozen"` and `"best"` have.
    X : array-like of shape (n_images,) or (n_images, height, width, 3)
        Paths or images, as the model takes them.

    Returns
    -------
    ndarray of shape (n_images,)
        Share of the training images that are nearer than each image, from 0 to 1. High
        is novel: above 0.95 are 5 % of images like those of the training.

    Raises
    ------
    ValueError
        If the model has no such step: a network, another pipeline, or a recipe that was
        fitted or saved before there was this step.

    See Also
    --------
    sk_posters.FeatureNovelty : The step, with the distance that it takes.
    nearest_posters : The training posters that look alike.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_posters import make_poster_pipeline
    >>> from sk_posters.datasets import make_posters
    >>> from sk_posters.inspection import novelty
    >>> posters = make_posters(40, n_labels=3, random_state=0, data_home="posters")
    >>> pipe = make_poster_pipeline(image_size=(96, 64))
    >>> pipe = pipe.fit(posters.data, posters.target)
    >>> grey = np.full((1, 96, 64, 3), 128, dtype=np.uint8)
    >>> novelty(pipe, grey).round(2)
    array([0.98])
    """
    steps = unwrap(estimator).estimators
    places = [place for place, step in enumerate(steps) if gives_novelty(step)]
    if not places:
        listed = ", ".join(type(step).__name__ for step in steps)
        raise ValueError(
            "novelty takes a fitted model with the step FeatureNovelty after its "
            "encoder, as make_poster_pipeline('frozen') and ('best') make: got "
            f"{listed}. Models of version 0.1 have none: fit the recipe again."
        )
    return pass_steps(steps[: places[0] + 1], X)[1]
